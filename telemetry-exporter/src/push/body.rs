//! The bytes of a request, put together from encoded messages.
//!
//! `ExportMetricsServiceRequest` and `ExportLogsServiceRequest` are both field 1, repeated: a tag, a length, and the bytes as the
//! stream holds them.

use bytes::Bytes;
use prost::encoding::{WireType, encode_key, encode_varint};

/// A request in the making.
#[derive(Default)]
pub struct Body {
    bytes: Vec<u8>,
}

impl Body {
    /// Adds one `ResourceMetrics` or `ResourceLogs`.
    pub fn push(&mut self, message: &[u8]) {
        bytes_field(&mut self.bytes, 1, message);
    }

    /// The request.
    pub fn finish(self) -> Bytes {
        self.bytes.into()
    }
}

/// Writes a field that holds bytes, or an encoded message.
pub fn bytes_field(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
    use prost::Message;

    #[test]
    fn the_bytes_are_those_that_an_encoder_makes() {
        let metrics = |bytes: usize| ResourceMetrics { schema_url: "x".repeat(bytes), ..Default::default() };
        let request = ExportMetricsServiceRequest { resource_metrics: [0, 1, 127, 128, 20_000].map(metrics).to_vec() };
        let mut body = Body::default();
        request.resource_metrics.iter().for_each(|metrics| body.push(&metrics.encode_to_vec()));
        assert_eq!(body.finish(), request.encode_to_vec());
    }
}
