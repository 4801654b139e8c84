//! One message, or one gap, as text or as a line of JSON.

use std::io::{self, Write};

use super::CliError;
use super::output::{labels, time, value};
use crate::client::{Message, view};
use crate::json::{self, Line};
use crate::stream::{METRICS, Position};

/// Writes a message, with its session and place where these are of interest.
pub fn line(out: &mut Vec<u8>, json: bool, stream: &str, at: Option<(&str, Position)>, message: &Message) -> Result<(), CliError> {
    if json {
        let line = Line::new(stream, at, message.time_ns, &message.payload).map_err(CliError::Other)?;
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
    places: (Position, Position),
    messages_before: u64,
    reason: &str,
) -> Result<(), CliError> {
    Ok(writeln!(out, "{}", json::gap(stream, session, places, messages_before, reason))?)
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
