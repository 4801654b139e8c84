//! The parts of google/rpc/status.proto and error_details.proto that OTLP names: what a collector says beside its status.

use std::time::Duration;

use prost::Message;

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub struct Any {
    #[prost(string, tag = "1")]
    pub type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
pub struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub retry_delay: Option<RetryDelay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
pub struct RetryDelay {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// How long the collector asks to wait, where the details of its status say so. A RetryInfo without a time asks for no time.
pub fn retry_delay(details: &[u8]) -> Option<Duration> {
    let status = RpcStatus::decode(details).ok()?;
    let info = status.details.iter().find(|any| any.type_url.rsplit('/').next() == Some("google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(&*info.value).ok()?.retry_delay.unwrap_or_default();
    Some(Duration::new(delay.seconds.try_into().unwrap_or(0), delay.nanos.clamp(0, 999_999_999).unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_is_found_among_other_details_and_nowhere_else() {
        let info = RetryInfo { retry_delay: Some(RetryDelay { seconds: 3, nanos: 500_000_000 }) };
        let any = |name: &str, value: Vec<u8>| Any { type_url: format!("type.googleapis.com/{name}"), value };
        let with = |details| RpcStatus { code: 14, message: String::new(), details }.encode_to_vec();
        let other = any("google.rpc.BadRequest", vec![]);
        let both = with(vec![other.clone(), any("google.rpc.RetryInfo", info.encode_to_vec())]);
        assert_eq!(retry_delay(&both), Some(Duration::from_millis(3_500)));
        assert_eq!(retry_delay(&with(vec![any("google.rpc.RetryInfo", vec![])])), Some(Duration::ZERO));
        assert_eq!(retry_delay(&with(vec![other])), None);
        assert_eq!(retry_delay(b""), None);
        assert_eq!(retry_delay(b"\xff\xff"), None);
    }

    #[test]
    fn a_delay_below_zero_is_none() {
        let info = RetryInfo { retry_delay: Some(RetryDelay { seconds: -3, nanos: -1 }) };
        let any = Any { type_url: "google.rpc.RetryInfo".to_owned(), value: info.encode_to_vec() };
        let status = RpcStatus { details: vec![any], ..Default::default() };
        assert_eq!(retry_delay(&status.encode_to_vec()), Some(Duration::ZERO));
    }
}
