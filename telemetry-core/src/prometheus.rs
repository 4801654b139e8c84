//! The names that metrics and labels have in Prometheus: one rule for who writes them and for who looks for collisions.
//!
//! The rule is OpenTelemetry's ["Prometheus and OpenMetrics Compatibility"](https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/):
//! letters that Prometheus does not allow become `_`, units are spelt out at the end, counters end in `_total`. What it leaves open is
//! as [otlptranslator](https://github.com/prometheus/otlptranslator) has it, which Prometheus and the OpenTelemetry collector use: the
//! words of the units, `key_` before a label that begins with a digit, `_ratio` for gauges alone. Two things of it are not copied, since
//! the specification says otherwise: a `total` within a counter's name stays, and a unit counts as said in the name only as a whole.
//!
//! The same names have two forms, the specification's translation strategies `UnderscoreEscapingWithSuffixes` and, for readers that
//! take any letter, `NoUTF8EscapingWithSuffixes`. Not here: the expositions themselves (`telemetry-exporter`).

use crate::declaration::MetricKind;

/// The name under which a program tells of itself, which is no metric's.
pub const TARGET_INFO: &str = "target_info";

/// The name of the metric, as its `# TYPE` line has it.
///
/// ```
/// use telemetry_core::MetricKind;
/// use telemetry_core::prometheus::metric_name;
///
/// assert_eq!(metric_name("http.server.sent", "By", MetricKind::Counter), "http_server_sent_bytes_total");
/// assert_eq!(metric_name("queue.length", "{message}", MetricKind::Gauge), "queue_length");
/// ```
pub fn metric_name(name: &str, unit: &str, kind: MetricKind) -> String {
    let name = with_suffixes(sanitize(name, ":"), unit, kind);
    if name.starts_with(|first: char| first.is_ascii_digit()) { format!("_{name}") } else { name }
}

/// The name of the metric where any letter of UTF-8 may be in it: only the suffixes are added.
///
/// ```
/// use telemetry_core::MetricKind;
/// use telemetry_core::prometheus::utf8_metric_name;
///
/// assert_eq!(utf8_metric_name("http.server.sent", "By", MetricKind::Counter), "http.server.sent_bytes_total");
/// ```
pub fn utf8_metric_name(name: &str, unit: &str, kind: MetricKind) -> String {
    with_suffixes(if name.is_empty() { "_".to_owned() } else { name.to_owned() }, unit, kind)
}

/// All names that the metric occupies: its own, then for a histogram those of its series. Two metrics that share one of these cannot be
/// told apart by who scrapes them.
///
/// ```
/// use telemetry_core::MetricKind;
/// use telemetry_core::prometheus::series_names;
///
/// assert_eq!(series_names("calls", "{call}", MetricKind::Counter), ["calls_total"]);
/// let histogram = ["wait_seconds", "wait_seconds_bucket", "wait_seconds_sum", "wait_seconds_count"];
/// assert_eq!(series_names("wait", "s", MetricKind::Histogram), histogram);
/// ```
pub fn series_names(name: &str, unit: &str, kind: MetricKind) -> Vec<String> {
    let name = metric_name(name, unit, kind);
    let parts: &[&str] = if kind == MetricKind::Histogram { &["_bucket", "_sum", "_count"] } else { &[] };
    let parts: Vec<_> = parts.iter().map(|part| format!("{name}{part}")).collect();
    [vec![name], parts].concat()
}

/// The name of a label: letters, digits and `_`, and no digit at the beginning.
///
/// ```
/// assert_eq!(telemetry_core::prometheus::label_name("http.route"), "http_route");
/// assert_eq!(telemetry_core::prometheus::label_name("2xx"), "key_2xx");
/// ```
pub fn label_name(key: &str) -> String {
    let name = sanitize(key, "");
    if name.starts_with(|first: char| first.is_ascii_digit()) { format!("key_{name}") } else { name }
}

/// The unit in words, as the name has it and OpenMetrics' `# UNIT`; none for an annotation in braces or where there is no unit.
///
/// ```
/// use telemetry_core::MetricKind;
/// use telemetry_core::prometheus::unit_name;
///
/// assert_eq!(unit_name("By/s", MetricKind::Gauge).as_deref(), Some("bytes_per_second"));
/// assert_eq!(unit_name("{message}", MetricKind::Gauge), None);
/// ```
pub fn unit_name(unit: &str, kind: MetricKind) -> Option<String> {
    match unit {
        "" => return None,
        // Counters of things have this unit too, and are no ratios.
        "1" => return (kind == MetricKind::Gauge).then(|| "ratio".to_owned()),
        "s" => return Some("seconds".to_owned()),
        "By" => return Some("bytes".to_owned()),
        _ if unit.starts_with('{') && unit.find('}') == Some(unit.len() - 1) => return None,
        _ => {}
    }
    let mut plain = String::new();
    let mut in_braces = false;
    for letter in unit.chars() {
        match letter {
            '{' => in_braces = true,
            '}' => in_braces = false,
            _ if !in_braces => plain.push(letter),
            _ => {}
        }
    }
    let (unit, per) = plain.split_once('/').unwrap_or((&plain, ""));
    let (unit, per) = (plural(unit.trim()), singular(per.trim()));
    let words = match (unit, per) {
        (unit, "") => unit.to_owned(),
        ("", per) => format!("per_{per}"),
        (unit, per) => format!("{unit}_per_{per}"),
    };
    let words = sanitize(&words, "").trim_matches('_').to_owned();
    (!words.is_empty()).then_some(words)
}

/// The unit, unless the name says it, then what the kind wants.
fn with_suffixes(mut name: String, unit: &str, kind: MetricKind) -> String {
    let counter = kind == MetricKind::Counter;
    if counter && let Some(before) = name.strip_suffix("total") {
        let delimiter = before.chars().next_back().filter(|last| !last.is_alphanumeric());
        if let Some(delimiter) = delimiter.filter(|delimiter| before.len() > delimiter.len_utf8()) {
            name.truncate(before.len() - delimiter.len_utf8());
        }
    }
    if let Some(unit) = unit_name(unit, kind)
        && !says(&name, &unit)
    {
        push_word(&mut name, &unit);
    }
    if counter {
        push_word(&mut name, "total");
    }
    name
}

/// Whether the words stand in the name, side by side and whole.
fn says(name: &str, words: &str) -> bool {
    let delimited = |rest: Option<char>| rest.is_none_or(|letter| !letter.is_ascii_alphanumeric());
    name.match_indices(words)
        .any(|(at, found)| delimited(name[..at].chars().next_back()) && delimited(name[at + found.len()..].chars().next()))
}

fn push_word(name: &mut String, word: &str) {
    if !name.ends_with('_') {
        name.push('_');
    }
    name.push_str(word);
}

/// Letters, digits, `_` and what else is allowed; the rest becomes `_`, and so do several `_` in a row.
fn sanitize(name: &str, allowed: &str) -> String {
    let mut out = String::with_capacity(name.len() + "_bytes_total".len());
    // A letter of several bytes is as many of them, and they become one `_`.
    for byte in name.bytes() {
        let byte = if byte.is_ascii_alphanumeric() || allowed.as_bytes().contains(&byte) { byte } else { b'_' };
        if byte != b'_' || !out.ends_with('_') {
            out.push(char::from(byte));
        }
    }
    if out.is_empty() {
        out.push('_');
    }
    out
}

fn plural(unit: &str) -> &str {
    match unit {
        "1" => "",
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" | "kBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        other => other,
    }
}

fn singular(unit: &str) -> &str {
    match unit {
        "s" => "second",
        "m" | "min" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => other,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use MetricKind::{Counter, Gauge, Histogram, UpDownCounter};

    #[test]
    fn names_follow_the_compatibility_specification() {
        for (name, unit, kind, wanted) in [
            ("libp2p_network_total_in", "By", Counter, "libp2p_network_total_in_bytes_total"),
            ("requests", "{request}", Counter, "requests_total"),
            ("requests_total", "{request}", Counter, "requests_total"),
            ("requests.total", "By", Counter, "requests_bytes_total"),
            ("subtotal", "", Counter, "subtotal_total"),
            ("total", "", Counter, "total_total"),
            ("http.server.duration", "s", Histogram, "http_server_duration_seconds"),
            ("duration_seconds", "s", Histogram, "duration_seconds"),
            ("seconds", "s", Gauge, "seconds"),
            ("bytes.used", "By", Gauge, "bytes_used"),
            ("kilobytes_used", "By", Gauge, "kilobytes_used_bytes"),
            ("cpu", "1", Gauge, "cpu_ratio"),
            ("cpu_ratio", "1", Gauge, "cpu_ratio"),
            ("cpu", "1", UpDownCounter, "cpu"),
            ("cpu", "1", Counter, "cpu_total"),
            ("cpu", "1", Histogram, "cpu"),
            ("rate", "By/s", Gauge, "rate_bytes_per_second"),
            ("rate", "m/s", Gauge, "rate_meters_per_second"),
            ("rate", "1/m", Gauge, "rate_per_minute"),
            ("rate", "1/s", Gauge, "rate_per_second"),
            ("rate", "{message}/s", Gauge, "rate_per_second"),
            ("rate_bytes_per_second", "By/s", Gauge, "rate_bytes_per_second"),
            ("area", "m^2", Gauge, "area_m_2"),
            ("heat", " Cel ", Gauge, "heat_celsius"),
            ("a..b--c", "", Gauge, "a_b_c"),
            ("a_", "s", Counter, "a_seconds_total"),
            ("a:b", "", Gauge, "a:b"),
            ("2xx", "", Counter, "_2xx_total"),
            ("größe", "By", Gauge, "gr_e_bytes"),
            ("", "", Gauge, "_"),
            ("load", "%", Gauge, "load_percent"),
        ] {
            assert_eq!(metric_name(name, unit, kind), wanted, "{name} in {unit}");
        }
    }

    #[test]
    fn names_in_utf8_keep_their_letters_and_have_the_same_suffixes() {
        for (name, unit, kind, wanted) in [
            ("http.server.duration", "s", Histogram, "http.server.duration_seconds"),
            ("requests.total", "{request}", Counter, "requests_total"),
            ("requests.total", "By", Counter, "requests_bytes_total"),
            ("subtotal", "", Counter, "subtotal_total"),
            ("queue.seconds", "s", Gauge, "queue.seconds"),
            ("größe", "By", Gauge, "größe_bytes"),
            ("cpu.load", "1", Gauge, "cpu.load_ratio"),
            ("2xx", "", Counter, "2xx_total"),
            ("", "", Gauge, "_"),
        ] {
            assert_eq!(utf8_metric_name(name, unit, kind), wanted, "{name} in {unit}");
        }
    }

    #[test]
    fn labels_have_letters_digits_and_single_underscores() {
        for (key, wanted) in [
            ("http.route", "http_route"),
            ("a:_b", "a_b"),
            ("2xx", "key_2xx"),
            ("__name__", "_name_"),
            ("_a", "_a"),
            ("straße", "stra_e"),
            ("", "_"),
        ] {
            assert_eq!(label_name(key), wanted);
        }
    }

    #[test]
    fn a_histogram_occupies_what_a_gauge_of_its_count_would() {
        let histogram = series_names("wait", "", MetricKind::Histogram);
        for (name, kind) in
            [("wait_count", MetricKind::Gauge), ("wait.sum", MetricKind::UpDownCounter), ("wait", MetricKind::Gauge)]
        {
            assert!(histogram.contains(&metric_name(name, "", kind)), "{name}");
        }
        assert!(!histogram.contains(&metric_name("wait_count", "", MetricKind::Counter)), "that one ends in _total");
    }
}
