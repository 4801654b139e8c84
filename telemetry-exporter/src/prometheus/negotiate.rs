//! Which exposition a reader gets, by its `Accept` header: Prometheus' "Scrape protocol content negotiation".
//!
//! What is not understood is passed over, and where nothing is understood the answer is text 0.0.4: no header is an error.

/// A format of Prometheus'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`.
    Text004,
    /// `text/plain; version=1.0.0`: 0.0.4 whose names may be quoted.
    Text100,
    /// `application/openmetrics-text; version=0.0.1`: written as 1.0.0 without quoted names.
    OpenMetrics001,
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics100,
    /// `application/vnd.google.protobuf` of `io.prometheus.client.MetricFamily`, each after its length. The only one with native
    /// histograms.
    Protobuf,
}

/// What becomes of letters in names that not every reader takes: Prometheus' "escaping schemes".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escaping {
    /// They are replaced by `_`: OpenTelemetry's `UnderscoreEscapingWithSuffixes`.
    Underscores,
    /// They stay: OpenTelemetry's `NoUTF8EscapingWithSuffixes`. In text such names are quoted.
    AllowUtf8,
    /// `.` is `_dot_`, `_` is `__`.
    Dots,
    /// Each is its code point in hexadecimal between two `_`, and the name begins with `U__`.
    Values,
}

/// A format, and how names are written in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposition {
    /// What the answer looks like.
    pub format: Format,
    /// What its names look like.
    pub escaping: Escaping,
}

impl Exposition {
    /// What everyone reads, and who asks for nothing gets: text 0.0.4 with names in ASCII.
    pub const DEFAULT: Self = Self { format: Format::Text004, escaping: Escaping::Underscores };

    /// The exposition that these `Accept` headers like best, of those that there are; the first of several that they like as much.
    pub fn accepted<'a>(headers: impl IntoIterator<Item = &'a str>) -> Self {
        let mut best = (0.0, Self::DEFAULT);
        for range in headers.into_iter().flat_map(|header| header.split(',')) {
            let (kind, parameters) = parts(range);
            let Some(found) = Self::of(kind, &parameters) else { continue };
            let quality = quality(&parameters);
            if quality > best.0 {
                best = (quality, found);
            }
        }
        best.1
    }

    fn of(kind: &str, parameters: &[(&str, &str)]) -> Option<Self> {
        let parameter = |name: &str| value(parameters, name);
        let is = |wanted: &str| kind.eq_ignore_ascii_case(wanted);
        let format = if is("text/plain") || is("text/*") || is("*/*") {
            match parameter("version") {
                None | Some("0.0.4") => Format::Text004,
                Some("1.0.0") => Format::Text100,
                Some(_) => return None,
            }
        } else if is("application/openmetrics-text") {
            match parameter("version") {
                None | Some("0.0.1") => Format::OpenMetrics001,
                Some("1.0.0") => Format::OpenMetrics100,
                Some(_) => return None,
            }
        } else if is("application/vnd.google.protobuf") {
            let family = parameter("proto").is_some_and(|proto| proto == "io.prometheus.client.MetricFamily");
            let delimited = parameter("encoding").is_some_and(|encoding| encoding == "delimited");
            if !family || !delimited {
                return None;
            }
            Format::Protobuf
        } else {
            return None;
        };
        let quotes = !matches!(format, Format::Text004 | Format::OpenMetrics001);
        let escaping = match parameter("escaping") {
            // The second is how Prometheus' page on negotiation writes it.
            Some("allow-utf-8" | "allow-utf8") if quotes => Escaping::AllowUtf8,
            Some("dots") => Escaping::Dots,
            Some("values") => Escaping::Values,
            _ => Escaping::Underscores,
        };
        Some(Self { format, escaping })
    }

    /// What the answer says of itself.
    pub fn content_type(self) -> String {
        let kind = match self.format {
            Format::Text004 => "text/plain; version=0.0.4; charset=utf-8",
            Format::Text100 => "text/plain; version=1.0.0; charset=utf-8",
            Format::OpenMetrics001 => "application/openmetrics-text; version=0.0.1; charset=utf-8",
            Format::OpenMetrics100 => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Protobuf => "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
        };
        let old = matches!(self.format, Format::Text004 | Format::OpenMetrics001);
        let escaping = match self.escaping {
            Escaping::Underscores if old => return kind.to_owned(), // these know of no escaping
            Escaping::Underscores => "underscores",
            Escaping::AllowUtf8 => "allow-utf-8",
            Escaping::Dots => "dots",
            Escaping::Values => "values",
        };
        format!("{kind}; escaping={escaping}")
    }
}

/// Whether these `Accept-Encoding` headers take gzip.
pub fn accepts_gzip<'a>(headers: impl IntoIterator<Item = &'a str>) -> bool {
    let (mut gzip, mut any) = (None, None);
    for range in headers.into_iter().flat_map(|header| header.split(',')) {
        let (coding, parameters) = parts(range);
        if coding.eq_ignore_ascii_case("gzip") {
            gzip = Some(quality(&parameters));
        } else if coding == "*" {
            any = Some(quality(&parameters));
        }
    }
    gzip.or(any).is_some_and(|quality| quality > 0.0)
}

/// `kind; name=value; …`.
fn parts(range: &str) -> (&str, Vec<(&str, &str)>) {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let pair = |part: &'_ str| part.split_once('=').map(|(name, _)| name.len()).unwrap_or(part.len());
    let parameters = parts.map(|part| {
        let (name, value) = part.split_at(pair(part));
        (name.trim(), value.trim_start_matches('=').trim().trim_matches('"'))
    });
    (kind, parameters.collect())
}

fn value<'a>(parameters: &[(&str, &'a str)], wanted: &str) -> Option<&'a str> {
    parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value)
}

/// How much it is liked: 1 where nothing is said, 0 where what is said is no number.
fn quality(parameters: &[(&str, &str)]) -> f64 {
    let said: Option<f64> = value(parameters, "q").map(|text| text.parse().unwrap_or(0.0));
    // Comparisons with what is no number fail.
    said.map_or(1.0, |said| if said > 0.0 { said.min(1.0) } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Escaping::{AllowUtf8, Dots, Underscores, Values};
    use Format::{OpenMetrics001, OpenMetrics100, Protobuf, Text004, Text100};

    const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

    #[test]
    fn the_best_liked_format_that_there_is_answers() {
        let proto_first = format!("{PROTOBUF};q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1");
        let proto_utf8 = format!("{PROTOBUF};escaping=allow-utf-8");
        for (accept, format, escaping) in [
            ("", Text004, Underscores),
            ("*/*", Text004, Underscores),
            ("text/*;q=0.1", Text004, Underscores),
            ("text/plain", Text004, Underscores),
            ("text/plain;version=0.0.4;escaping=allow-utf-8", Text004, Underscores),
            ("text/plain; version=1.0.0; escaping=allow-utf-8", Text100, AllowUtf8),
            ("text/plain;version=7, application/openmetrics-text;version=1.0.0;q=0.1", OpenMetrics100, Underscores),
            // Prometheus 2.42.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics100,
                Underscores,
            ),
            // Prometheus 3.
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics100,
                AllowUtf8,
            ),
            ("application/openmetrics-text", OpenMetrics001, Underscores),
            ("application/openmetrics-text;version=\"1.0.0\";escaping=allow-utf8", OpenMetrics100, AllowUtf8),
            ("application/openmetrics-text;version=1.0.0;escaping=dots", OpenMetrics100, Dots),
            ("application/openmetrics-text;version=1.0.0;escaping=values", OpenMetrics100, Values),
            ("application/openmetrics-text;version=1.0.0;escaping=runes", OpenMetrics100, Underscores),
            (&proto_first, Protobuf, Underscores),
            (&proto_utf8, Protobuf, AllowUtf8),
            ("application/vnd.google.protobuf;proto=other.Message;encoding=delimited", Text004, Underscores),
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", Text004, Underscores),
            ("text/plain;version=1.0.0;q=0, text/plain;version=0.0.4;q=0", Text004, Underscores),
            ("application/openmetrics-text;q=nonsense, ;;;=,,text/plain;version=1.0.0;q=NaN", Text004, Underscores),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Text004, Underscores),
        ] {
            assert_eq!(Exposition::accepted([accept]), Exposition { format, escaping }, "{accept}");
        }
        let two = Exposition::accepted(["text/plain;version=0.0.4;q=0.5", "application/openmetrics-text;version=1.0.0"]);
        assert_eq!(two.format, OpenMetrics100, "several headers are one list");
    }

    #[test]
    fn the_answer_says_which_it_is() {
        let said = |format, escaping| Exposition { format, escaping }.content_type();
        assert_eq!(said(Text004, Underscores), "text/plain; version=0.0.4; charset=utf-8");
        assert_eq!(said(Text100, AllowUtf8), "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8");
        let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";
        assert_eq!(said(OpenMetrics100, Underscores), openmetrics);
        for format in [Text004, Text100, OpenMetrics001, OpenMetrics100, Protobuf] {
            for escaping in [Underscores, AllowUtf8, Dots, Values] {
                let old = matches!(format, Text004 | OpenMetrics001) && escaping == AllowUtf8;
                let exposition = Exposition { format, escaping: if old { Underscores } else { escaping } };
                assert_eq!(Exposition::accepted([exposition.content_type().as_str()]), exposition, "it can be asked for");
            }
        }
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (accept, wanted) in
            [("gzip", true), ("identity", false), ("br, GZIP;q=0.5", true), ("gzip;q=0", false), ("*", true), ("", false)]
        {
            assert_eq!(accepts_gzip([accept]), wanted, "{accept}");
        }
    }
}
