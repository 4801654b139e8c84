//! The commands that look at the files of a program, which need not run.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::CliError;
use super::line::{gap, line};
use super::output::{note, one_line, table};
use crate::client::Message;
use crate::persist::{Found, RecoveredSession, look};
use crate::stream::disk::End;

/// Prints every message of the files, session by session and stream by stream.
pub fn dump(path: &Path, name: Option<&str>, json: bool) -> Result<(), CliError> {
    let mut found = false;
    for mut session in sessions(path)? {
        let id = session.session.to_string();
        let names: Vec<_> = session.streams.keys().cloned().collect();
        for stream in names.iter().filter(|stream| name.is_none_or(|name| name.eq_ignore_ascii_case(stream))) {
            found = true;
            let mut written = Ok(());
            session.read(stream, |next| {
                if written.is_ok() {
                    written = write(stream, &id, next, json);
                }
            });
            written?;
        }
    }
    match name {
        Some(name) if !found => {
            Err(CliError::Other(format!("{}: no stream is named \"{name}\": `telemetry verify` lists them", path.display())))
        }
        _ => Ok(()),
    }
}

fn write(stream: &str, session: &str, next: Found<'_>, json: bool) -> Result<(), CliError> {
    let mut text = Vec::new();
    match next {
        Found::Message { at, time_ns, payload } => {
            line(&mut text, json, stream, Some((session, at)), &Message { at, time_ns, payload: payload.to_vec() })?;
        }
        Found::Gap { from, to, messages_before } => {
            note(&format!("telemetry: a gap in \"{stream}\": {from} to {to} is lost"));
            if json {
                gap(&mut text, stream, session, (from, to), messages_before, "lost")?;
            }
        }
    }
    Ok(io::stdout().lock().write_all(&text)?)
}

/// Says what is in the files and what is damaged; fails where anything is lost.
pub fn verify(path: &Path, json: bool) -> Result<(), CliError> {
    let sessions = sessions(path)?;
    let mut out = io::stdout().lock();
    if json {
        let all: Vec<_> = sessions.iter().map(as_json).collect();
        writeln!(out, "{}", Value::Array(all))?;
    } else {
        for session in &sessions {
            tell(&mut out, session)?;
        }
    }
    out.flush()?;
    let damages: usize = sessions.iter().map(|session| session.report.damages.len()).sum();
    let lost: u64 = sessions.iter().map(lost).sum();
    match (damages, lost) {
        (0, 0) => Ok(()),
        _ => Err(CliError::Other(format!("{}: damaged in {damages} places, {lost} records or messages are lost", path.display()))),
    }
}

fn sessions(path: &Path) -> Result<Vec<RecoveredSession>, CliError> {
    let sessions = look(path)?;
    if sessions.is_empty() {
        return Err(CliError::Other(format!("{}: there are no files of telemetry", path.display())));
    }
    Ok(sessions)
}

/// Records and messages that are known to be lost.
fn lost(session: &RecoveredSession) -> u64 {
    let messages: u64 = session.streams.values().map(|stream| stream.lost).sum();
    messages.max(session.report.lost()) + session.malformed
}

/// How a session ended.
fn ended(session: &RecoveredSession) -> &'static str {
    match session.report.files.last().map(|file| file.end) {
        Some(End::Sealed { last: true }) => "ended in order",
        Some(End::Sealed { .. } | End::Open { .. }) => "not ended: it is written, or crashed",
        _ => "its last file has no header",
    }
}

fn tell(out: &mut impl Write, session: &RecoveredSession) -> io::Result<()> {
    let report = &session.report;
    let bytes: u64 = report.files.iter().map(|file| file.bytes).sum();
    writeln!(out, "{}", session.path.display())?;
    let (files, records) = (report.files.len(), report.records());
    writeln!(out, "session {}: {}; {files} files, {bytes} bytes, {records} records", session.session, ended(session))?;
    if report.is_shortened {
        writeln!(out, "older files were removed to stay within the bytes of all")?;
    }
    let row = |(name, stream): (&String, &crate::persist::RecoveredStream)| {
        let number = |number: u64| number.to_string();
        [stream.kind.to_owned(), name.clone(), number(stream.messages), number(stream.missed), number(stream.lost)]
    };
    let rows: Vec<_> = session.streams.iter().map(row).collect();
    table(out, ["KIND", "NAME", "MESSAGES", "MISSED", "LOST"], &rows)?;
    for damage in &report.damages {
        writeln!(out, "damage: {}", one_line(&damage.to_string()))?;
    }
    if session.malformed > 0 {
        writeln!(out, "damage: {} records say nothing that can be used", session.malformed)?;
    }
    writeln!(out)
}

fn as_json(session: &RecoveredSession) -> Value {
    let report = &session.report;
    let file = |file: &crate::stream::disk::FileReport| {
        json!({
            "number": file.number, "bytes": file.bytes, "records": file.records,
            "is_sealed": matches!(file.end, End::Sealed { .. }), "loose_bytes": file.loose_bytes, "loose_records": file.loose_records,
        })
    };
    let damage = |damage: &crate::stream::disk::Damage| json!({ "file": damage.file, "offset": damage.offset, "text": damage.to_string(), "lost": damage.lost });
    let stream = |(name, stream): (&String, &crate::persist::RecoveredStream)| {
        json!({
            "name": name, "kind": stream.kind, "messages": stream.messages, "missed": stream.missed, "lost": stream.lost,
            "appended": stream.appended,
        })
    };
    json!({
        "session": session.session.to_string(), "path": session.path.display().to_string(), "is_ended": report.is_complete(),
        "is_shortened": report.is_shortened, "records": report.records(), "malformed": session.malformed,
        "files": report.files.iter().map(file).collect::<Vec<_>>(),
        "streams": session.streams.iter().map(stream).collect::<Vec<_>>(),
        "damages": report.damages.iter().map(damage).collect::<Vec<_>>(),
    })
}
