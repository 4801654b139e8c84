//! One message of a stream, or one gap, in JSON.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::metrics::views;
use crate::stream::{METRICS, Position};

/// One message.
#[derive(Serialize)]
pub struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    message: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    stream: &'a str,
    time_ns: u64,
}

impl<'a> Line<'a> {
    /// With its session and place, where these are of interest: the metrics of a collection, or what the program wrote, as it wrote it.
    ///
    /// # Errors
    /// A payload that is not what the stream is of.
    pub fn new(stream: &'a str, at: Option<(&'a str, Position)>, time_ns: u64, payload: &[u8]) -> Result<Self, String> {
        let message = if stream == METRICS {
            let views = views(time_ns, payload).map_err(|error| format!("a message of the metrics stream: {error}"))?;
            serde_json::value::to_raw_value(&views)
        } else {
            serde_json::from_slice(payload)
        };
        let message = message.map_err(|error| format!("a message of \"{stream}\" is no JSON: {error}"))?;
        Ok(Self { at: at.map(|(_, at)| at.to_string()), message, session: at.map(|(session, _)| session), stream, time_ns })
    }
}

/// A gap.
pub fn gap(stream: &str, session: &str, (from, to): (Position, Position), messages_before: u64, reason: &str) -> Value {
    let gap = json!({ "reason": reason, "from": from.to_string(), "to": to.to_string(), "messages_before": messages_before });
    json!({ "stream": stream, "session": session, "gap": gap })
}
