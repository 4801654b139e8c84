//! What a collector's answer means: taken, again later, or refused for good. The rules are those of the OTLP specification.

use std::error::Error;
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{HeaderMap, RETRY_AFTER};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use tonic::{Code, Status};

use super::own::Failure;
use super::rpc_status::{RpcStatus, retry_delay};
use crate::limits::PUSH_THROTTLE_MAX;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was taken, but for so many data points or log records; the text says why, or warns. It must not be sent again.
    Taken { items_rejected: u64, text: String },
    /// It must be sent again: after a time that the collector chose, or one of ours.
    Later { after: Option<Duration>, cause: Failure, text: String },
    /// It must not be sent again.
    Refused { text: String },
}

impl Answer {
    /// There was no answer in time.
    pub fn late(timeout: Duration) -> Self {
        let text = format!("no answer within {} ms", timeout.as_millis());
        Self::Later { after: None, cause: Failure::Late, text }
    }

    /// There was no connection, or it broke.
    pub fn unreachable(error: &dyn Error) -> Self {
        Self::Later { after: None, cause: Failure::Unreachable, text: chain(error) }
    }

    /// The message of a success. Those of all signals are the same on the wire.
    pub fn taken(body: &[u8]) -> Self {
        // A body that is none is no reason to send what was taken again.
        let partial = ExportMetricsServiceResponse::decode(body).ok().and_then(|response| response.partial_success);
        let (items, text) = partial.map_or((0, String::new()), |partial| (partial.rejected_data_points, partial.error_message));
        Self::Taken { items_rejected: items.try_into().unwrap_or(0), text }
    }

    /// A gRPC status that is no success.
    pub fn of_grpc(status: &Status) -> Self {
        if status.source().is_some() {
            return Self::unreachable(status); // the status was made here, of an error of the connection
        }
        let after = retry_delay(status.details()).map(|after| after.min(PUSH_THROTTLE_MAX));
        let text = format!("{:?}: {}", status.code(), status.message());
        let again = match status.code() {
            Code::Cancelled | Code::DeadlineExceeded | Code::Aborted | Code::OutOfRange | Code::Unavailable | Code::DataLoss => {
                true
            }
            Code::ResourceExhausted => after.is_some(), // without a time it will not recover
            _ => false,
        };
        if again { Self::Later { after, cause: Failure::Busy, text } } else { Self::Refused { text } }
    }

    /// An HTTP response.
    pub fn of_http(status: StatusCode, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Self {
        if status.is_success() {
            return Self::taken(body);
        }
        let message = RpcStatus::decode(body).map(|status| status.message).unwrap_or_default();
        let text = format!("HTTP {status}: {message}");
        match status.as_u16() {
            429 | 502 | 503 | 504 => {
                let after = headers.get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, now));
                Self::Later { after, cause: Failure::Busy, text }
            }
            _ => Self::Refused { text },
        }
    }
}

/// Seconds, or a date.
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let after = match value.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default(), // past: at once
    };
    Some(after.min(PUSH_THROTTLE_MAX))
}

/// An error with what caused it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::rpc_status::{Any, RetryDelay, RetryInfo};
    use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};

    fn with_retry_info(code: Code, seconds: i64) -> Status {
        let info = RetryInfo { retry_delay: Some(RetryDelay { seconds, nanos: 0 }) };
        let any = Any { type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(), value: info.encode_to_vec() };
        let details = RpcStatus { code: code.into(), message: String::new(), details: vec![any] }.encode_to_vec();
        Status::with_details(code, "wait", details.into())
    }

    #[test]
    fn each_grpc_code_is_retried_or_not_as_the_specification_says() {
        let retried = [1, 4, 10, 11, 14, 15];
        for code in 1..=16 {
            let answer = Answer::of_grpc(&Status::new(Code::from_i32(code), "text"));
            match answer {
                Answer::Later { after: None, cause: Failure::Busy, .. } => assert!(retried.contains(&code), "{code}"),
                Answer::Refused { ref text } => assert!(!retried.contains(&code) && text.ends_with("text"), "{code}"),
                other => panic!("{code}: {other:?}"),
            }
        }
    }

    #[test]
    fn exhausted_resources_are_retried_where_the_collector_says_when() {
        let after = |status: &Status| match Answer::of_grpc(status) {
            Answer::Later { after, .. } => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after(&with_retry_info(Code::ResourceExhausted, 7)), Some(Duration::from_secs(7)));
        assert_eq!(after(&with_retry_info(Code::Unavailable, i64::MAX)), Some(PUSH_THROTTLE_MAX));
        assert!(matches!(Answer::of_grpc(&with_retry_info(Code::InvalidArgument, 7)), Answer::Refused { .. }));
    }

    #[test]
    fn a_status_that_stands_for_a_broken_connection_is_retried_whatever_its_code() {
        let broken = Status::from_error(Box::new(std::io::Error::other("reset")));
        let Answer::Later { cause: Failure::Unreachable, text, .. } = Answer::of_grpc(&broken) else { panic!("{broken:?}") };
        assert!(text.contains("reset"), "{text}");
    }

    #[test]
    fn each_http_status_is_retried_or_not_as_the_specification_says() {
        for code in 100..600 {
            let status = StatusCode::from_u16(code).expect("a status");
            match Answer::of_http(status, &HeaderMap::new(), b"", SystemTime::now()) {
                Answer::Taken { .. } => assert!((200..300).contains(&code), "{code}"),
                Answer::Later { .. } => assert!([429, 502, 503, 504].contains(&code), "{code}"),
                Answer::Refused { .. } => assert!(!(200..300).contains(&code), "{code}"),
            }
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let then = httpdate::parse_http_date(date).expect("a date");
        assert_eq!(retry_after(" 5 ", then), Some(Duration::from_secs(5)));
        assert_eq!(retry_after(date, then - Duration::from_secs(9)), Some(Duration::from_secs(9)));
        assert_eq!(retry_after(date, then + Duration::from_secs(9)), Some(Duration::ZERO));
        assert_eq!(retry_after("99999999999", then), Some(PUSH_THROTTLE_MAX));
        for none in ["", "-1", "soon"] {
            assert_eq!(retry_after(none, then), None);
        }
    }

    #[test]
    fn a_partial_success_is_taken_and_tells_what_was_rejected_for_either_signal() {
        let partial = ExportLogsPartialSuccess { rejected_log_records: 3, error_message: "too old".to_owned() };
        let body = ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec();
        assert_eq!(Answer::taken(&body), Answer::Taken { items_rejected: 3, text: "too old".to_owned() });
        for nothing in [&b""[..], b"{}", b"\xff"] {
            assert_eq!(Answer::taken(nothing), Answer::Taken { items_rejected: 0, text: String::new() });
        }
    }

    #[test]
    fn the_text_of_a_refusal_is_the_collectors() {
        let body = RpcStatus { code: 3, message: "no such tenant".to_owned(), details: vec![] }.encode_to_vec();
        let answer = Answer::of_http(StatusCode::BAD_REQUEST, &HeaderMap::new(), &body, SystemTime::now());
        assert_eq!(answer, Answer::Refused { text: "HTTP 400 Bad Request: no such tenant".to_owned() });
    }
}
