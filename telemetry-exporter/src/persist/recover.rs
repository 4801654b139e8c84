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
use super::rebuild::{Rebuilt, Stream, Within};
use super::rejoin::Rejoined;
use super::settings::Disk;
use crate::limits::{DISK_SESSIONS_MAX, PAST_SESSIONS_MAX};
use crate::stream::disk::{self, Device, Directory, Folder, Only, Report, Session};
use crate::stream::{
    FRAME_HEAD_BYTES, Life, Log, NamedLog, Piece, Position, Reader, Restored, StreamKind, Streams, Templates, frames,
};

/// What was found in a folder.
#[derive(Default)]
pub struct Recovery {
    /// The sessions that are over, the oldest first.
    pub sessions: Vec<RecoveredSession>,
    /// Sessions newer than the oldest that was read that are written by a process that lives, and were not read.
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

impl RecoveredStream {
    /// A log of what is held, which is handed over.
    pub(super) fn take_log(&mut self) -> Log {
        Log::restored(unbounded(), self.first, std::mem::take(&mut self.segments), self.appended, Instant::now())
    }
}

impl RecoveredSession {
    /// Bytes that are held.
    fn held(&self) -> usize {
        let segments = self.streams.values().flat_map(|stream| &stream.segments);
        segments.map(|segment| segment.data.len()).sum::<usize>() + self.templates.bytes()
    }

    /// Hands over what is held of a stream, in order, and lets go of it. Nothing where the stream is not there.
    pub fn read(&mut self, name: &str, mut visit: impl FnMut(Found<'_>)) {
        let Some(stream) = self.streams.get_mut(name) else { return };
        let (log, is_compact) = (stream.take_log(), stream.kind == Kind::Metrics.as_str());
        let (mut at, end) = (log.first(), log.end());
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

/// Reads the sessions in a folder that are over, the newest [`PAST_SESSIONS_MAX`]: of each stream the newest bytes that it may hold. It
/// writes nothing but the locks, which it takes while it reads.
///
/// # Errors
/// The folder cannot be listed. A session that cannot be read is told in what is returned.
pub fn recover(dir: impl Into<PathBuf>, stream_bytes_max: Option<usize>) -> io::Result<Recovery> {
    recover_within(&Folder::new(dir), Within { stream_bytes_max: stream_bytes_max.unwrap_or(usize::MAX), bytes_max: usize::MAX })
}

/// The same, with so many bytes of all sessions together: the newest.
fn recover_within(folder: &Folder, mut within: Within) -> io::Result<Recovery> {
    let mut recovery = Recovery::default();
    let mut sessions = folder.sessions()?;
    while let Some(session) = sessions.pop() {
        if recovery.sessions.len() == PAST_SESSIONS_MAX || within.bytes_max == 0 {
            recovery.older = sessions.len() + 1;
            break;
        }
        let locked = match folder.share(&session) {
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
        match folder.open(&session).and_then(|directory| read_within(&directory, session.path(), within)) {
            Ok(session) if session.report.files.is_empty() => {}
            Ok(session) => {
                within.bytes_max = within.bytes_max.saturating_sub(session.held());
                recovery.sessions.push(session);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {} // removed meanwhile
            Err(error) => recovery.errors.push(error.to_string()),
        }
        drop(locked);
    }
    recovery.sessions.reverse();
    Ok(recovery)
}

/// Reads the files of one session, or some of them.
///
/// # Errors
/// The folder cannot be listed.
pub fn read(device: &dyn Device, path: &Path, stream_bytes_max: Option<usize>) -> io::Result<RecoveredSession> {
    read_within(device, path, Within { stream_bytes_max: stream_bytes_max.unwrap_or(usize::MAX), bytes_max: usize::MAX })
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

fn read_within(device: &dyn Device, path: &Path, within: Within) -> io::Result<RecoveredSession> {
    let mut rebuilt = Rebuilt::new(within);
    let report = disk::scan(device, |record| rebuilt.take(record.kind, record.body))?;
    let now_ns = clock::now_ns();
    let Rebuilt { streams, templates, mut malformed, .. } = rebuilt;
    let stream = |(name, stream): (String, Stream)| {
        let Stream { kind, found, end, .. } = stream;
        let Rejoined { first, segments, lost, missed, malformed: contradicting } = stream.finish(now_ns);
        malformed += contradicting;
        let messages = found.saturating_sub(contradicting);
        (name, RecoveredStream { kind: kind.as_str(), messages, missed, lost, appended: end, first, segments })
    };
    let streams = streams.into_iter().map(stream).collect();
    let session = Uuid::from_bytes(report.session.unwrap_or_default());
    Ok(RecoveredSession { session, path: path.to_owned(), report, streams, malformed, templates })
}

/// Serves what earlier sessions left beside these streams: of those that are declared now, as long as it is within their windows. What it does
/// not serve is let go of.
pub(crate) fn serve(recovery: &mut Recovery, streams: &Streams) {
    let now = Instant::now();
    for session in &mut recovery.sessions {
        let mut templates = std::mem::take(&mut session.templates);
        for (name, found) in &mut session.streams {
            let segments = std::mem::take(&mut found.segments);
            let Some(stream) = streams.by_name(name).filter(|stream| Kind::of(stream).as_str() == found.kind) else { continue };
            let log = Log::restored(stream.log.options().clone(), found.first, segments, found.appended, now);
            let templates = if stream.id == 0 { std::mem::take(&mut templates) } else { Templates::default() };
            let past = NamedLog::restored(stream.id, stream.kind.clone(), log, templates);
            past.log.tick(now);
            if past.log.state().kept > 0 {
                streams.add_past(Life { session: session.session, stream: Arc::new(past) });
            }
        }
    }
}

/// Removes the oldest files of sessions that are over while they are too many, or have more than so many bytes. What is left has so many,
/// with the first error of the system. What is of a process that lives, or cannot be looked at, is left alone and not counted.
pub(super) fn remove_oldest(folder: &Folder, bytes_max: u64) -> (u64, io::Result<()>) {
    let (mut over, mut bytes, mut result) = (Vec::new(), 0_u64, Ok(()));
    let sessions = folder.sessions().unwrap_or_else(|error| {
        result = Err(error);
        Vec::new()
    });
    let mut note = |error: io::Error| {
        if result.is_ok() && error.kind() != io::ErrorKind::NotFound {
            result = Err(error); // what is not there was removed by another process
        }
    };
    for session in sessions {
        let files = match folder.share(&session) {
            Ok(Some(_locked)) => folder.open(&session).and_then(|directory| directory.list()),
            Ok(None) => continue,
            Err(error) => Err(error),
        };
        match files {
            Ok(files) => {
                bytes = files.iter().fold(bytes, |sum, (_, bytes)| sum.saturating_add(*bytes));
                over.push((session, files));
            }
            Err(error) => note(error),
        }
    }
    let mut too_many = over.len().saturating_sub(DISK_SESSIONS_MAX);
    for (session, files) in over {
        if bytes <= bytes_max && too_many == 0 && !files.is_empty() {
            break;
        }
        match remove_files(folder, &session, files, |removed| {
            bytes = bytes.saturating_sub(removed);
            bytes <= bytes_max && too_many == 0
        }) {
            Ok(true) => too_many = too_many.saturating_sub(1),
            Ok(false) => {}
            Err(error) => note(error),
        }
    }
    (bytes, result)
}

/// Removes the oldest files of a session until it is enough, and where none is left the session. Whether it is gone.
fn remove_files(
    folder: &Folder,
    session: &Session,
    mut files: Vec<(String, u64)>,
    mut is_enough: impl FnMut(u64) -> bool,
) -> io::Result<bool> {
    let Some(locked) = folder.lock(session)? else { return Ok(false) }; // it is being read
    let directory = match folder.open(session) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return folder.remove(session, locked).map(|()| true),
        directory => directory?,
    };
    files.sort();
    let mut left = files.len();
    for (name, bytes) in files {
        directory.remove(&name)?;
        own::removed();
        left -= 1;
        if is_enough(bytes) && left > 0 {
            return Ok(false);
        }
    }
    folder.remove(session, locked)?;
    Ok(true)
}

/// Reads the earlier sessions of these settings, for these streams.
pub(crate) fn recover_all(disk: &Disk, streams: &Streams) -> Recovery {
    let stream_bytes_max = streams.all().iter().map(|stream| stream.log.options().bytes_max).max().unwrap_or(0);
    let within = Within { stream_bytes_max, bytes_max: streams.bytes_max() };
    let recovery = recover_within(&Folder::new(&disk.dir), within)
        .unwrap_or_else(|error| Recovery { errors: vec![error.to_string()], ..Recovery::default() });
    recovery.errors.iter().for_each(|_| own::failed(own::Operation::Read));
    recovery
}
