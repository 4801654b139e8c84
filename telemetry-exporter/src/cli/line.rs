//! One message, or one gap, as text or as a line of JSON.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::CliError;
use super::output::{labels, time, value};
use crate::client::{Message, view};
use crate::stream::{METRICS, Position};

/// One message in JSON.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    message: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    stream: &'a str,
    time_ns: u64,
}

/// Writes a message, with its session and place where these are of interest.
pub fn line(out: &mut Vec<u8>, json: bool, stream: &str, at: Option<(&str, Position)>, message: &Message) -> Result<(), CliError> {
    if json {
        let line = Line {
            at: at.map(|(_, at)| place_text(at)),
            message: content(stream, message)?,
            session: at.map(|(session, _)| session),
            stream,
            time_ns: message.time_ns,
        };
        serde_json::to_writer(&mut *out, &line).map_err(io::Error::from)?;
        out.push(b'\n');
        return Ok(());
    }
    if stream == METRICS {
        return metrics(out, message);
    }
    Ok(writeln!(out, "{}  {stream}  {}", time(message.time_ns), String::from_utf8_lossy(&message.payload))?)
}

/// Writes a gap in JSON.
pub fn gap(
    out: &mut Vec<u8>,
    stream: &str,
    session: &str,
    (from, to): (Position, Position),
    messages_before: u64,
    reason: &str,
) -> Result<(), CliError> {
    let gap = json!({ "reason": reason, "from": place_text(from), "to": place_text(to), "messages_before": messages_before });
    Ok(writeln!(out, "{}", json!({ "stream": stream, "session": session, "gap": gap }))?)
}

/// A position in words.
pub fn place_text(position: Position) -> String {
    format!("{}+{}", position.sequence, position.offset)
}

fn metrics(out: &mut Vec<u8>, message: &Message) -> Result<(), CliError> {
    let time = time(message.time_ns);
    for metric in view::metrics(message)? {
        for point in &metric.points {
            writeln!(out, "{time}  {}{}  {} {}", metric.name, labels(&point.labels), value(&point.value), metric.unit)?;
        }
    }
    Ok(())
}

/// The message as JSON: the metrics of a collection, or what the program wrote, as it wrote it.
fn content(stream: &str, message: &Message) -> Result<Box<RawValue>, CliError> {
    let told = |error: serde_json::Error| CliError::Other(format!("a message of \"{stream}\" is no JSON: {error}"));
    if stream == METRICS {
        return serde_json::value::to_raw_value(&view::metrics(message)?).map_err(told);
    }
    serde_json::from_slice(&message.payload).map_err(told)
}
