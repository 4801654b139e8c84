//! OTLP/HTTP with binary protobuf, over HTTP/1.1 connections that are kept.

use std::error::Error;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, timeout_at};

use super::answer::Answer;
use super::compress::gzip;
use super::own::Signal;
use super::settings::{Compression, Push};
use crate::error::StartError;
use crate::limits::{CONNECT_DEADLINE, KEEP_ALIVE, PUSH_ANSWER_BYTES_MAX};

/// What the requests say of who sends them.
const AGENT: &str = concat!("telemetry-exporter-rust/", env!("CARGO_PKG_VERSION"));

#[cfg(feature = "tls")]
type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "tls"))]
type Connector = HttpConnector;

/// The way to one URL of a collector.
pub struct Http {
    client: Client<Connector, Full<Bytes>>,
    uri: Uri,
    headers: HeaderMap,
    timeout: Duration,
    compression: Compression,
}

impl Http {
    /// # Errors
    /// A certificate that cannot be read.
    pub fn new(push: &Push, signal: Signal) -> Result<Self, StartError> {
        let setting = |text: String| StartError::Setting(format!("push endpoint {}: {text}", push.shown_endpoint()));
        let uri = push.uri().map_err(|wanted| setting(format!("wanted {wanted}")))?;
        let mut headers = push.header_map().map_err(setting)?;
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        if push.compression == Compression::Gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_DEADLINE));
        connector.set_keepalive(Some(KEEP_ALIVE));
        connector.set_nodelay(true);
        #[cfg(feature = "tls")]
        let connector = super::tls::http(connector, push)?;
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            uri: url(&uri, push.exact, signal),
            headers,
            timeout: push.timeout,
            compression: push.compression,
        })
    }

    /// Sends a request and waits for the answer, for the timeout at the most.
    pub async fn send(&self, body: Bytes) -> Answer {
        let body = match self.compression {
            Compression::None => body,
            Compression::Gzip => gzip(&body),
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        let end = Instant::now() + self.timeout;
        match timeout_at(end, self.client.request(request)).await {
            Ok(Ok(response)) => answer(response, end).await,
            Ok(Err(error)) => Answer::unreachable(&error),
            Err(_) => Answer::late(self.timeout),
        }
    }
}

/// Reads a response. Where its body is late, cut or too large the status has said enough.
async fn answer(response: Response<impl Body<Error: Into<Box<dyn Error + Send + Sync>>>>, end: Instant) -> Answer {
    let (head, body) = response.into_parts();
    let body = timeout_at(end, Limited::new(body, PUSH_ANSWER_BYTES_MAX).collect()).await;
    let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
    Answer::of_http(head.status, &head.headers, &body, SystemTime::now())
}

/// The URL of a signal: the endpoint itself, or the signal's path below it.
fn url(endpoint: &Uri, exact: bool, signal: Signal) -> Uri {
    let mut parts = endpoint.clone().into_parts();
    let path = if exact {
        endpoint.path().to_owned() // a URL without a path has "/"
    } else {
        format!("{}/v1/{}", endpoint.path().trim_end_matches('/'), signal.as_str())
    };
    let path = endpoint.query().map_or(path.clone(), |query| format!("{path}?{query}"));
    parts.path_and_query = path.parse().ok();
    Uri::from_parts(parts).unwrap_or_else(|_| endpoint.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use std::convert::Infallible;

    #[test]
    fn the_path_is_added_to_an_endpoint_for_all_signals_and_to_no_other() {
        let at = |endpoint: &str, exact| url(&endpoint.parse().expect("a URL"), exact, Signal::Metrics).to_string();
        assert_eq!(at("http://a:4318", false), "http://a:4318/v1/metrics");
        assert_eq!(at("http://a:4318/", false), "http://a:4318/v1/metrics");
        assert_eq!(at("http://a/b/?tenant=c", false), "http://a/b/v1/metrics?tenant=c");
        assert_eq!(at("http://a", true), "http://a/");
        assert_eq!(at("http://a/b/", true), "http://a/b/");
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_whose_body_stalls_counts() {
        for (code, is_taken) in [(200, true), (400, false)] {
            let stalled = StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Infallible>>());
            let mut response = Response::new(stalled);
            *response.status_mut() = code.try_into().expect("a status");
            let answer = answer(response, Instant::now() + Duration::from_secs(1)).await;
            assert_eq!(matches!(answer, Answer::Taken { .. }), is_taken, "{answer:?}");
            assert_eq!(matches!(answer, Answer::Refused { .. }), !is_taken, "{answer:?}");
        }
    }
}
