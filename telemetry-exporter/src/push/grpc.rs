//! OTLP/gRPC: the bytes of a request go out as they are, over one HTTP/2 connection that is made anew when it breaks.
//!
//! The call is made here and not by tonic's client, which would take an answer above its limit for a failure, although what was answered
//! with a status is settled.

use std::error::Error;
use std::future::poll_fn;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, Uri, Version};
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, TimeoutExpired};
use tower::Service;

use super::answer::Answer;
use super::compress::{gunzip, gzip};
use super::own::Signal;
use super::settings::{Compression, Push};
use crate::error::StartError;
use crate::limits::{CONNECT_DEADLINE, KEEP_ALIVE, PUSH_ANSWER_BYTES_MAX};

/// Before a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// The status's details, which are base64 with or without padding.
const DETAILS: &str = "grpc-status-details-bin";
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// What the requests say of who sends them; tonic adds its own name.
const USER_AGENT: &str = concat!("telemetry-exporter-rust/", env!("CARGO_PKG_VERSION"));

/// Whether the channel gave up waiting.
fn has_expired(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<TimeoutExpired>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// The way to one service of a collector.
pub struct Grpc {
    endpoint: Endpoint,
    channel: Channel,
    compression: Compression,
    headers: HeaderMap,
    timeout: Duration,
    uri: Uri,
}

impl Grpc {
    /// Must be called within a runtime.
    ///
    /// # Errors
    /// A certificate that cannot be read.
    pub fn new(push: &Push, signal: Signal) -> Result<Self, StartError> {
        let setting = |text: String| StartError::Setting(format!("push endpoint {}: {text}", push.shown_endpoint()));
        let uri = push.uri().map_err(|wanted| setting(format!("wanted {wanted}")))?;
        let endpoint = Endpoint::from(uri);
        let endpoint = endpoint.user_agent(USER_AGENT).map_err(|error| setting(error.to_string()))?;
        // No pings of HTTP/2: collectors in Go end a connection that has them more often than every five minutes.
        let endpoint = endpoint.connect_timeout(CONNECT_DEADLINE).tcp_keepalive(Some(KEEP_ALIVE));
        #[cfg(feature = "tls")]
        let endpoint = super::tls::grpc(endpoint, push)?;
        let path = match signal {
            Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        };
        let mut metadata = tonic::Request::new(());
        *metadata.metadata_mut() = MetadataMap::from_headers(push.header_map().map_err(setting)?);
        metadata.set_timeout(push.timeout);
        let mut headers = metadata.into_parts().0.into_headers();
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-accept-encoding", HeaderValue::from_static("gzip"));
        if push.compression == Compression::Gzip {
            headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
        }
        Ok(Self {
            channel: endpoint.connect_lazy(),
            endpoint,
            compression: push.compression,
            headers,
            timeout: push.timeout,
            uri: Uri::from(PathAndQuery::from_static(path)),
        })
    }

    /// Sends a request and waits for the answer, for the timeout at the most.
    pub async fn send(&mut self, body: Bytes) -> Answer {
        let mut request = Request::new(Body::new(Full::new(framed(body, self.compression))));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        let channel = &mut self.channel;
        let sending = async {
            poll_fn(|context| channel.poll_ready(context)).await.map_err(|error| Status::from_error(error.into()))?;
            answer(channel.call(request).await.map_err(|error| Status::from_error(error.into()))?).await
        };
        match tokio::time::timeout(self.timeout, sending).await {
            Ok(Ok(answer)) => answer,
            // The channel has the same timeout, from the request; either may be first.
            Ok(Err(status)) if !has_expired(&status) => Answer::of_grpc(&status),
            Ok(Err(_)) | Err(_) => {
                self.channel = self.endpoint.connect_lazy(); // the other end may be gone without a word
                Answer::late(self.timeout)
            }
        }
    }
}

/// A request's message with its prefix.
fn framed(body: Bytes, compression: Compression) -> Bytes {
    let (is_compressed, body) = match compression {
        Compression::None => (0, body),
        Compression::Gzip => (1, gzip(&body)),
    };
    let mut out = BytesMut::with_capacity(PREFIX_BYTES + body.len());
    out.put_u8(is_compressed);
    out.put_u32(body.len() as u32);
    out.put(body);
    out.freeze()
}

/// Reads a response to its end, of which the status is. Of a message that is too large it keeps nothing.
async fn answer(response: Response<Body>) -> Result<Answer, Status> {
    let (head, mut body) = response.into_parts();
    let (mut kept, mut trailers) = (BytesMut::new(), None);
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => kept.put(data.slice(..data.len().min(PREFIX_BYTES + PUSH_ANSWER_BYTES_MAX - kept.len()))),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    let status = status(&head.headers).or_else(|| trailers.as_ref().and_then(status));
    match status {
        Some(status) if status.code() == Code::Ok => Ok(Answer::taken(&message(&kept).unwrap_or_default())),
        Some(status) => Err(status),
        // No gRPC: what stands between here and the collector has answered.
        None if !head.status.is_success() => Ok(Answer::of_http(head.status, &head.headers, &[], SystemTime::now())),
        None => Err(Status::internal("an answer without a status")),
    }
}

/// The status, where these headers have one. Details that are no base64 count as none.
fn status(headers: &HeaderMap) -> Option<Status> {
    let mut headers = headers.clone();
    let details = headers.remove(DETAILS).and_then(|details| BASE64.decode(details).ok()).unwrap_or_default();
    let status = Status::from_header_map(&headers)?;
    Some(Status::with_details(status.code(), status.message(), details.into()))
}

/// The message of an answer. None where it is not whole, since it is too large, or cannot be read.
fn message(body: &[u8]) -> Option<Bytes> {
    let ([is_compressed, length @ ..], rest) = body.split_first_chunk::<PREFIX_BYTES>()?;
    let message = rest.get(..u32::from_be_bytes(*length) as usize)?;
    match is_compressed {
        0 => Some(Bytes::copy_from_slice(message)),
        _ => gunzip(message, PUSH_ANSWER_BYTES_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
    use prost::Message;

    fn warning(bytes: usize) -> Bytes {
        let partial = ExportLogsPartialSuccess { rejected_log_records: 3, error_message: "x".repeat(bytes) };
        ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec().into()
    }

    fn trailers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().expect("a name"), HeaderValue::from_static(value))).collect()
    }

    async fn answer_of(body: Bytes, pairs: &[(&'static str, &'static str)]) -> Result<Answer, Status> {
        let trailers = trailers(pairs);
        answer(Response::new(Body::new(Full::new(body).with_trailers(async move { Some(Ok(trailers)) })))).await
    }

    #[tokio::test]
    async fn what_was_taken_is_taken_however_large_the_answer_is() {
        for compression in [Compression::None, Compression::Gzip] {
            for (bytes, is_read) in [(10, true), (PUSH_ANSWER_BYTES_MAX, false), (PUSH_ANSWER_BYTES_MAX * 9, false)] {
                let found = answer_of(framed(warning(bytes), compression), &[("grpc-status", "0")]).await.expect("a success");
                let Answer::Taken { items_rejected, text } = found else { panic!("{found:?}") };
                assert_eq!((items_rejected, text.len()), if is_read { (3, bytes) } else { (0, 0) });
            }
        }
        let broken = answer_of(Bytes::from_static(b"\x01\0\0\0\x02ab"), &[("grpc-status", "0")]).await;
        assert_eq!(broken.expect("a success"), Answer::Taken { items_rejected: 0, text: String::new() });
    }

    #[tokio::test]
    async fn a_status_whose_details_are_no_base64_counts_without_them() {
        for (details, wanted) in [("YWI", &b"ab"[..]), ("YWI=", b"ab"), ("!", b"")] {
            let status = answer_of(Bytes::new(), &[("grpc-status", "14"), (DETAILS, details)]).await.expect_err("a failure");
            assert_eq!((status.code(), status.details()), (Code::Unavailable, wanted));
        }
    }

    #[tokio::test]
    async fn where_no_grpc_answers_the_http_status_counts() {
        let with = |code: u16| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = code.try_into().expect("a status");
            answer(response)
        };
        assert!(matches!(with(503).await, Ok(Answer::Later { .. })));
        assert!(matches!(with(404).await, Ok(Answer::Refused { .. })));
        assert!(with(200).await.is_err());
    }
}
