//! OTLP/gRPC: the bytes of a request go out as they are, over one HTTP/2 connection that is made anew when it breaks.

use std::error::Error;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use hyper::header::HeaderMap;
use hyper::http::uri::PathAndQuery;
use tonic::client::Grpc as Client;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Extensions, Request, Status, TimeoutExpired};

use super::answer::Answer;
use super::own::Signal;
use super::settings::{Compression, Push};
use crate::error::StartError;
use crate::limits::{CONNECT_DEADLINE, KEEP_ALIVE, PUSH_ANSWER_BYTES_MAX};

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
    client: Client<Channel>,
    compression: Compression,
    headers: HeaderMap,
    timeout: Duration,
    path: PathAndQuery,
}

impl Grpc {
    /// Must be called within a runtime.
    ///
    /// # Errors
    /// A certificate that cannot be read.
    pub fn new(push: &Push, signal: Signal) -> Result<Self, StartError> {
        let setting = |text: String| StartError::Setting(format!("push endpoint {}: {text}", push.endpoint));
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
        let client = client(&endpoint, push.compression);
        Ok(Self {
            client,
            endpoint,
            compression: push.compression,
            headers: push.header_map().map_err(setting)?,
            timeout: push.timeout,
            path: PathAndQuery::from_static(path),
        })
    }

    /// Sends a request and waits for the answer, for the timeout at the most.
    pub async fn send(&mut self, body: Bytes) -> Answer {
        let metadata = MetadataMap::from_headers(self.headers.clone());
        let mut request = Request::from_parts(metadata, Extensions::default(), body);
        request.set_timeout(self.timeout);
        let (client, path) = (&mut self.client, self.path.clone());
        let sending = async {
            client.ready().await.map_err(|error| Status::from_error(error.into()))?;
            client.unary(request, path, Raw).await
        };
        match tokio::time::timeout(self.timeout, sending).await {
            Ok(Ok(answer)) => Answer::taken(&answer.into_inner()),
            // The channel has the same timeout, from the request; either may be first.
            Ok(Err(status)) if !has_expired(&status) => Answer::of_grpc(&status),
            Ok(Err(_)) | Err(_) => {
                self.client = client_anew(self); // the other end may be gone without a word
                Answer::late(self.timeout)
            }
        }
    }
}

fn client_anew(grpc: &Grpc) -> Client<Channel> {
    client(&grpc.endpoint, grpc.compression)
}

fn client(endpoint: &Endpoint, compression: Compression) -> Client<Channel> {
    let client = Client::new(endpoint.connect_lazy()).max_decoding_message_size(PUSH_ANSWER_BYTES_MAX);
    let client = client.accept_compressed(CompressionEncoding::Gzip);
    match compression {
        Compression::None => client,
        Compression::Gzip => client.send_compressed(CompressionEncoding::Gzip),
    }
}

/// Messages that are encoded already, and answers that are decoded later.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, data: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(data.copy_to_bytes(data.remaining())))
    }
}
