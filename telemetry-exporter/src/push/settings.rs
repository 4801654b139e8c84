//! What a program decides about one collector.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::error::StartError;
use crate::limits::PUSH_TIMEOUT;

/// One collector, and what it gets.
///
/// ```no_run
/// use telemetry_exporter::{Config, Push, start};
///
/// let push = Push { endpoint: "http://collector:4318".to_owned(), ..Push::default() };
/// let _telemetry = start(Config { push: vec![push], ..Config::default() })?;
/// # Ok::<(), telemetry_exporter::StartError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Push {
    /// Where it is: a URL that begins with `http://`, or with `https://` where the feature `tls` is on. By default
    /// `http://localhost:4318`. Over HTTP the paths `/v1/metrics` and `/v1/logs` are added to it.
    pub endpoint: String,
    /// Whether the endpoint is the whole URL over HTTP, to which no path is added. Only one of metrics and events can go there.
    pub exact: bool,
    /// How the requests travel. HTTP by default.
    pub protocol: Protocol,
    /// Sent with each request, such as what authenticates it. `Debug` does not show their values.
    pub headers: Vec<(String, String)>,
    /// How long one request may take, with the connection. It is sent again then.
    pub timeout: Duration,
    /// Whether the requests are compressed. Not by default.
    pub compression: Compression,
    /// What the points of counters and histograms count from. Cumulative by default.
    pub temporality: Temporality,
    /// Whether metrics are pushed.
    pub metrics: bool,
    /// Whether events are pushed, as log records.
    pub events: bool,
    /// What an `https://` endpoint is trusted by, and shown.
    pub tls: Tls,
}

/// How requests travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// OTLP/gRPC, over HTTP/2.
    Grpc,
    /// OTLP/HTTP, with binary protobuf.
    HttpProtobuf,
}

/// What becomes of a request before it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Nothing.
    None,
    /// gzip, at its default level. The service's thread does it.
    Gzip,
}

/// What the points of counters and histograms count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Temporality {
    /// From the start: what the streams hold goes out as it is.
    Cumulative,
    /// From the point before. Up-down counters stay cumulative, as OpenTelemetry has it; minimum and maximum of histograms are left
    /// out. Costs a decoding and an encoding of each message, and the memory of a point for each series.
    Delta,
}

/// Files in PEM for an `https://` endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authorities that may have signed the collector's certificate; without it, those of the system.
    pub certificate: Option<PathBuf>,
    /// The certificate that this program shows, and its key; none without either.
    pub client_certificate: Option<PathBuf>,
    /// The key of that certificate.
    pub client_key: Option<PathBuf>,
}

impl Default for Push {
    fn default() -> Self {
        Self {
            endpoint: Protocol::HttpProtobuf.default_endpoint().to_owned(),
            exact: false,
            protocol: Protocol::HttpProtobuf,
            headers: Vec::new(),
            timeout: PUSH_TIMEOUT,
            compression: Compression::None,
            temporality: Temporality::Cumulative,
            metrics: true,
            events: true,
            tls: Tls::default(),
        }
    }
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { exact, protocol, headers, timeout, compression, temporality, metrics, events, tls, .. } = self;
        let headers: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let mut shown = f.debug_struct("Push");
        shown
            .field("endpoint", &self.shown_endpoint())
            .field("exact", exact)
            .field("protocol", protocol)
            .field("headers", &headers);
        shown.field("timeout", timeout).field("compression", compression).field("temporality", temporality);
        shown.field("metrics", metrics).field("events", events).field("tls", tls).finish()
    }
}

impl Protocol {
    /// Where a collector is by OpenTelemetry's default.
    pub const fn default_endpoint(self) -> &'static str {
        match self {
            Self::Grpc => "http://localhost:4317",
            Self::HttpProtobuf => "http://localhost:4318",
        }
    }
}

impl Push {
    /// # Errors
    /// The first setting that cannot be, with what is wanted.
    pub(crate) fn validate(&self, index: usize) -> Result<(), StartError> {
        let wrong = |setting: &str, text: String| Err(StartError::Setting(format!("push[{index}].{setting} {text}")));
        if let Err(wanted) = self.uri() {
            return wrong("endpoint", format!("is \"{}\": wanted {wanted}", self.shown_endpoint()));
        }
        if self.exact && self.protocol == Protocol::HttpProtobuf && self.metrics && self.events {
            return wrong("exact", "is set for metrics and events at once: wanted one of them".to_owned());
        }
        if self.timeout.is_zero() {
            return wrong("timeout", "is zero: wanted a time above zero".to_owned());
        }
        if let Err(text) = self.header_map() {
            return wrong("headers", text);
        }
        if self.tls.client_certificate.is_some() != self.tls.client_key.is_some() {
            return wrong("tls", "has one of client_certificate and client_key: wanted both or neither".to_owned());
        }
        Ok(())
    }

    /// The endpoint without what may be a secret in it: who asks, and the query.
    pub(super) fn shown_endpoint(&self) -> String {
        let (scheme, rest) = match self.endpoint.find("://") {
            Some(at) => self.endpoint.split_at(at + 3),
            None => ("", self.endpoint.as_str()),
        };
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        format!("{scheme}{}", rest.rsplit('@').next().unwrap_or_default())
    }

    /// The endpoint, or what is wanted instead.
    pub(super) fn uri(&self) -> Result<Uri, &'static str> {
        let uri: Uri = self.endpoint.parse().map_err(|_| "a URL")?;
        if uri.authority().is_none_or(|authority| authority.host().is_empty()) {
            return Err("a URL with a host");
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("a URL without a user: what authenticates belongs into the headers");
        }
        match uri.scheme_str() {
            Some("http") => Ok(uri),
            Some("https") if cfg!(feature = "tls") => Ok(uri),
            Some("https") => Err("http://, or telemetry-exporter's feature \"tls\", which is off"),
            _ => Err("http:// or https://"),
        }
    }

    /// The headers as HTTP has them, or which of them cannot be.
    pub(super) fn header_map(&self) -> Result<HeaderMap, String> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let wanted = "wanted letters, digits and hyphens, and not -bin at the end";
            let parsed = HeaderName::from_bytes(name.as_bytes()).ok().filter(|name| !name.as_str().ends_with("-bin"));
            let parsed = parsed.ok_or_else(|| format!("have the name \"{name}\": {wanted}"))?;
            let value = value.parse::<HeaderValue>();
            let mut value = value.map_err(|_| format!("have a value of {name} with a control character"))?;
            value.set_sensitive(true); // so that nobody prints it
            map.append(parsed, value);
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(push: Push) -> String {
        push.validate(0).expect_err("it cannot be").to_string()
    }

    #[test]
    fn what_cannot_be_is_an_error_that_says_what_is_wanted() {
        let at = |endpoint: &str| Push { endpoint: endpoint.to_owned(), ..Push::default() };
        assert_eq!(refused(at("collector:4317")), r#"push[0].endpoint is "collector:4317": wanted http:// or https://"#);
        assert_eq!(refused(at("ftp://collector")), r#"push[0].endpoint is "ftp://collector": wanted http:// or https://"#);
        assert!(refused(at("")).ends_with("wanted a URL"));
        let text = refused(Push { exact: true, ..Push::default() });
        assert_eq!(text, "push[0].exact is set for metrics and events at once: wanted one of them");
        assert!(refused(Push { timeout: Duration::ZERO, ..Push::default() }).contains("timeout is zero"));
        let header = |name: &str, value: &str| Push { headers: vec![(name.to_owned(), value.to_owned())], ..Push::default() };
        assert!(refused(header("a b", "c")).contains(r#"the name "a b""#));
        assert!(refused(header("key", "sec\nret")).contains("a value of key"));
        assert!(!refused(header("key", "sec\nret")).contains("sec"), "a secret is not told");
        let half = Tls { client_key: Some("key.pem".into()), ..Tls::default() };
        assert!(refused(Push { tls: half, ..Push::default() }).contains("wanted both or neither"));
        assert!(Push::default().validate(0).is_ok());
    }

    #[test]
    #[cfg(not(feature = "tls"))]
    fn https_without_the_feature_is_an_error_that_names_it() {
        let push = Push { endpoint: "https://collector:4318".to_owned(), ..Push::default() };
        assert!(refused(push).ends_with(r#"wanted http://, or telemetry-exporter's feature "tls", which is off"#));
    }

    #[test]
    fn debug_shows_no_secret() {
        let push = Push { headers: vec![("authorization".to_owned(), "Bearer abc".to_owned())], ..Push::default() };
        let shown = format!("{push:?}");
        assert!(shown.contains("authorization") && !shown.contains("abc"), "{shown}");
        assert!(!format!("{:?}", push.header_map()).contains("abc"));
        for endpoint in [
            "http://me:abc@host:1/v1?key=abc",
            "http://me:/abc@host",
            "me:abc@host",
            "http://host/?key=abc",
            "http://host?abc",
            "abc@",
        ] {
            let push = Push { endpoint: endpoint.to_owned(), ..Push::default() };
            let shown = format!("{push:?} {:?}", push.validate(0).err());
            assert!(!shown.contains("abc"), "{shown}");
        }
        let plain = Push { endpoint: "http://host:1/path".to_owned(), ..Push::default() };
        assert_eq!(plain.shown_endpoint(), plain.endpoint);
    }
}
