//! Reading what earlier lives of the process left in files: it writes nothing, and tells all that it found.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use telemetry_core::clock;
use uuid::Uuid;

use super::body::Kind;
use super::own;
use super::rebuild::{Rebuilt, Stream};
use super::settings::Disk;
use crate::limits::{DISK_SESSIONS_MAX, PAST_SESSIONS_MAX};
use crate::stream::disk::{self, Device, Directory, Folder, Only, Report};
use crate::stream::{
    FRAME_HEAD_BYTES, Life, Log, NamedLog, Piece, Position, Reader, Restored, StreamKind, Streams, Templates, frames,
};

/// What was found in a folder.
#[derive(Default)]
pub struct Recovery {
    /// The sessions that are over, the oldest first.
    pub sessions: Vec<RecoveredSession>,
    /// Sessions that are written by a process that lives, and were not read.
    pub live: usize,
    /// Older sessions that were not read.
    pub older: usize,
    /// Why a session could not be read.
    pub errors: Vec<String>,
}

/// One session that is over.
pub struct RecoveredSession {
    /// Which life of the process it was.
    pub session: Uuid,
    /// Its folder.
    pub path: PathBuf,
    /// Its files, and what is damaged in them.
    pub report: Report,
    /// Its streams by their names.
    pub streams: BTreeMap<String, RecoveredStream>,
    /// Records that are not what their kind wants, or whose stream is not named: they are lost.
    pub malformed: u64,
    templates: Templates,
}

/// A stream of a session that is over.
#[derive(Debug)]
pub struct RecoveredStream {
    /// metrics, event or snapshot.
    pub kind: &'static str,
    /// Messages that were found, though not all of them may be held.
    pub messages: u64,
    /// Messages that fell out of memory before they were written.
    pub missed: u64,
    /// Messages of what is held that are missing, by their numbers.
    pub lost: u64,
    /// Messages that the stream had taken, as far as the files tell.
    pub appended: u64,
    first: u64,
    segments: Vec<Restored>,
}

/// What comes next in a stream that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A message, as it was appended.
    Message {
        /// Where it begins.
        at: Position,
        /// When it was appended, in Unix nanoseconds.
        time_ns: u64,
        /// A serialised `ResourceMetrics`, or JSON.
        payload: &'a [u8],
    },
    /// Messages that are missing.
    Gap {
        /// Where they begin.
        from: Position,
        /// Where the stream goes on.
        to: Position,
        /// Messages that the stream had taken before that.
        messages_before: u64,
    },
}

impl RecoveredSession {
    /// Hands over what is held of a stream, in order, and lets go of it. Nothing where the stream is not there.
    pub fn read(&mut self, name: &str, mut visit: impl FnMut(Found<'_>)) {
        let Some(RecoveredStream { first, segments, appended, kind, .. }) = self.streams.get_mut(name) else { return };
        let (first, segments, appended) = (*first, std::mem::take(segments), *appended);
        let log = Log::restored(unbounded(), first, segments, appended, Instant::now());
        let (mut at, end) = (log.first(), log.end());
        let is_compact = *kind == Kind::Metrics.as_str();
        let templates = if is_compact { std::mem::take(&mut self.templates) } else { Templates::default() };
        let stream = Arc::new(NamedLog::restored(0, StreamKind::Metrics, log, templates));
        let mut reader = is_compact.then(|| Reader::new(Arc::clone(&stream)));
        while at < end {
            let piece = match &mut reader {
                Some(reader) => reader.read(at, false),
                None => stream.log.read(at, false),
            };
            let (next, data) = match piece {
                Piece::Data { next, data, .. } => (next, data),
                Piece::Gap { from, to, messages_before, .. } => {
                    visit(Found::Gap { from, to, messages_before });
                    at = to;
                    continue;
                }
                Piece::End | Piece::Beyond { .. } => return,
            };
            let mut begins = reader.iter().flat_map(|reader| reader.begins().to_vec());
            for frame in frames(&data).map_while(Result::ok) {
                let begin = begins.next().unwrap_or(at);
                visit(Found::Message { at: begin, time_ns: frame.time_ns, payload: frame.payload });
                at.offset += (FRAME_HEAD_BYTES + frame.payload.len()) as u64;
            }
            at = next;
        }
    }
}

fn unbounded() -> crate::StreamOptions {
    crate::StreamOptions { bytes_max: usize::MAX, ..crate::StreamOptions::default() }
}

/// Reads the sessions in a folder that are over: of each stream the newest bytes that it may hold. It writes nothing but the locks, which it takes
/// while it reads.
///
/// # Errors
/// The folder cannot be listed. A session that cannot be read is told in what is returned.
pub fn recover(dir: impl Into<PathBuf>, stream_bytes_max: Option<usize>) -> io::Result<Recovery> {
    let folder = Folder::new(dir);
    let mut recovery = Recovery::default();
    let mut sessions = folder.sessions()?;
    recovery.older = sessions.len().saturating_sub(PAST_SESSIONS_MAX);
    for session in sessions.split_off(recovery.older) {
        let locked = match folder.lock(&session) {
            Ok(Some(locked)) => locked,
            Ok(None) => {
                recovery.live += 1;
                continue;
            }
            Err(error) => {
                recovery.errors.push(error.to_string());
                continue;
            }
        };
        let read = folder.open(&session).and_then(|directory| read(&directory, session.path(), stream_bytes_max));
        match read {
            Ok(session) => recovery.sessions.push(session),
            Err(error) => recovery.errors.push(error.to_string()),
        }
        drop(locked);
    }
    recovery.sessions.retain(|session| !session.report.files.is_empty());
    Ok(recovery)
}

/// Reads the files of one session, or some of them.
///
/// # Errors
/// The folder cannot be listed.
pub fn read(device: &dyn Device, path: &Path, stream_bytes_max: Option<usize>) -> io::Result<RecoveredSession> {
    let mut rebuilt = Rebuilt::within(stream_bytes_max);
    let report = disk::scan(device, |record| rebuilt.take(record.kind, record.body))?;
    let now_ns = clock::now_ns();
    let stream = |(name, stream): (String, Stream)| {
        let Stream { kind, found, missed, end, .. } = stream;
        let lost = stream.lost();
        let (first, segments) = stream.finish(now_ns);
        (name, RecoveredStream { kind: kind.as_str(), messages: found, missed, lost, appended: end, first, segments })
    };
    Ok(RecoveredSession {
        session: Uuid::from_bytes(report.session.unwrap_or_default()),
        path: path.to_owned(),
        report,
        streams: rebuilt.streams.into_iter().map(stream).collect(),
        malformed: rebuilt.malformed,
        templates: rebuilt.templates,
    })
}

/// Reads all that there is, of processes that live too: of the folder of all sessions, of that of one, or of one file.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn look(path: &Path) -> io::Result<Vec<RecoveredSession>> {
    if let Some(file) = Only::open(path)? {
        return Ok(vec![read(&file, path, None)?]);
    }
    let folder = Folder::new(path);
    let sessions = folder.sessions()?;
    if sessions.is_empty() {
        let session = read(&Directory::open(path)?, path, None)?;
        return Ok(Vec::from_iter(Some(session).filter(|session| !session.report.files.is_empty())));
    }
    sessions.iter().map(|session| read(&folder.open(session)?, session.path(), None)).collect()
}

/// Serves what earlier sessions left beside these streams: of those that are declared now, as long as it is within their windows.
pub(crate) fn serve(recovery: &mut Recovery, streams: &Streams) {
    let now = Instant::now();
    for session in &mut recovery.sessions {
        for (name, found) in &mut session.streams {
            let Some(stream) = streams.by_name(name).filter(|stream| Kind::of(stream).as_str() == found.kind) else { continue };
            let segments = std::mem::take(&mut found.segments);
            let log = Log::restored(stream.log.options().clone(), found.first, segments, found.appended, now);
            let templates = if stream.id == 0 { std::mem::take(&mut session.templates) } else { Templates::default() };
            let past = NamedLog::restored(stream.id, stream.kind.clone(), log, templates);
            past.log.tick(now);
            if past.log.state().kept > 0 {
                streams.add_past(Life { session: session.session, stream: Arc::new(past) });
            }
        }
    }
}

/// Removes the oldest files of sessions that are over while they are too many, or have more than so many bytes. What is left has so many.
///
/// # Errors
/// The system's. What is of a process that lives is left alone, and not counted.
pub(super) fn remove_oldest(folder: &Folder, bytes_max: u64) -> io::Result<u64> {
    let mut over = Vec::new();
    let mut bytes = 0;
    for session in folder.sessions()? {
        let Some(locked) = folder.lock(&session)? else { continue };
        let directory = folder.open(&session)?;
        let mut files = directory.list()?;
        files.sort();
        bytes += files.iter().map(|(_, bytes)| bytes).sum::<u64>();
        over.push((session, locked, directory, files));
    }
    let mut too_many = over.len().saturating_sub(DISK_SESSIONS_MAX);
    for (session, locked, directory, files) in over {
        let mut left = files.len();
        for (name, size) in files {
            if bytes <= bytes_max && too_many == 0 {
                break;
            }
            directory.remove(&name)?;
            own::removed();
            (bytes, left) = (bytes - size, left - 1);
        }
        if left > 0 {
            break;
        }
        folder.remove(&session, locked)?;
        too_many = too_many.saturating_sub(1);
    }
    Ok(bytes)
}

/// Reads the earlier sessions of these settings.
pub(crate) fn recover_all(disk: &Disk, stream_bytes_max: usize) -> Recovery {
    recover(&disk.dir, Some(stream_bytes_max)).unwrap_or_else(|error| {
        own::failed(own::Operation::Read);
        Recovery { errors: vec![error.to_string()], ..Recovery::default() }
    })
}
