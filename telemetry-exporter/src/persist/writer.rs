//! Writing what came to the streams since the last pass, and after an error again what was not synced.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::body::{self, Kind};
use super::own;
use super::settings::Disk;
use crate::compact::{Head, Template};
use crate::limits;
use crate::stream::disk::{Device, Folder, Journal, Locked, Stamp};
use crate::stream::{FRAME_HEAD_BYTES, Frame, NamedLog, Piece, Position, Streams, frames};

/// The files of this session.
pub struct Writer {
    journal: Journal,
    folder: Folder,
    disk: Disk,
    streams: Arc<Streams>,
    /// By the number of the stream.
    tails: HashMap<u32, Tail>,
    /// When it was last looked for files to be removed, and how many bytes this session had.
    looked: Option<(Instant, u64)>,
    /// Bytes of the other sessions then.
    others: u64,
    /// The template that was written last, and all that are in this file.
    last_template: (u64, Arc<Template>),
    templates: std::collections::HashSet<u64>,
    /// For one body after the other.
    body: Vec<u8>,
    is_gone: bool,
    _locked: Option<Locked>,
}

/// How often that is written which many messages need, so that no damage of one record costs more than what it says.
const COPIES: usize = 2;

/// How far a stream is written.
#[derive(Default)]
struct Tail {
    written: Mark,
    synced: Mark,
    /// Whether this file names it.
    is_named: bool,
}

impl Tail {
    /// What was written is durable. So many messages more are.
    fn settle(&mut self, id: u32, streams: &Streams) -> u64 {
        let (kept, missed) =
            (self.written.kept.saturating_sub(self.synced.kept), self.written.missed.saturating_sub(self.synced.missed));
        if missed > 0
            && let Some(stream) = streams.by_id(id)
        {
            own::missed(stream.name(), missed);
        }
        self.synced = self.written;
        kept
    }
}

#[derive(Clone, Copy, Default)]
struct Mark {
    at: Position,
    /// Messages before that place.
    number: u64,
    /// Of these in files.
    kept: u64,
    /// Of these fallen out before they were written.
    missed: u64,
}

/// A time after which it is looked for files to be removed although this session has hardly grown: others may have ended.
const LOOK_EVERY: Duration = Duration::from_secs(60);

impl Writer {
    /// Begins a session.
    ///
    /// # Errors
    /// Its folder, its lock or its first file cannot be had.
    pub fn begin(disk: &Disk, streams: &Arc<Streams>) -> io::Result<Self> {
        let folder = Folder::new(&disk.dir);
        let began_ms = telemetry_core::clock::now_ns() / 1_000_000;
        let session = streams.session().into_bytes();
        let (session, directory, locked) = folder.begin(began_ms, session)?;
        match Self::on(Arc::new(directory), disk, streams) {
            Ok(writer) => Ok(Self { _locked: Some(locked), ..writer }),
            Err(error) => {
                let _ = folder.remove(&session, locked); // or each attempt would leave a folder
                Err(error)
            }
        }
    }

    /// Begins a session on this device, of which nobody keeps others.
    ///
    /// # Errors
    /// Its first file cannot be had.
    pub fn on(device: Arc<dyn Device>, disk: &Disk, streams: &Arc<Streams>) -> io::Result<Self> {
        Self::with_files(device, disk, streams, disk.file_bytes())
    }

    /// The same, with files of so many bytes.
    pub(super) fn with_files(device: Arc<dyn Device>, disk: &Disk, streams: &Arc<Streams>, file_bytes: u64) -> io::Result<Self> {
        Ok(Self {
            journal: Journal::create(device, streams.session().into_bytes(), file_bytes, Stamp::now)?,
            folder: Folder::new(&disk.dir),
            disk: disk.clone(),
            streams: Arc::clone(streams),
            tails: HashMap::new(),
            looked: None,
            others: 0,
            last_template: Default::default(),
            templates: Default::default(),
            body: Vec::new(),
            is_gone: false,
            _locked: None,
        })
    }

    /// Writes what came since the last pass, and syncs it. Returns when all of it is durable.
    ///
    /// # Errors
    /// The system's. The next pass begins another file, and writes again what was not synced.
    pub fn pass(&mut self) -> io::Result<()> {
        if self.journal.is_given_up() {
            let restarted = self.journal.restart();
            self.is_gone = restarted.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
            restarted?;
            self.forget_file();
            self.tails.values_mut().for_each(|tail| tail.written = tail.synced);
            self.begin_metrics();
        }
        for stream in self.streams.all() {
            self.write(&stream)?;
        }
        self.journal.sync()?;
        self.settle();
        Ok(())
    }

    /// Whether its folder is gone: another session is to begin, with all that is held.
    pub fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Writes what is left, and ends the session in order.
    ///
    /// # Errors
    /// The system's; the session is as after a crash then.
    pub fn end(mut self) -> io::Result<()> {
        self.pass()?;
        self.journal.seal()?;
        Ok(())
    }

    /// Removes the oldest files of all sessions that are over, then of this one, while all are too large together. It looks at them where this
    /// session has grown by a part of a file, or a minute has passed.
    ///
    /// # Errors
    /// The system's. Where the others cannot be looked at or removed, the files of this session have the bound for themselves.
    pub fn remove_oldest(&mut self) -> io::Result<()> {
        let removed = self.remove_where_due();
        own::size(self.others.saturating_add(self.journal.bytes()));
        removed
    }

    fn remove_where_due(&mut self) -> io::Result<()> {
        let own = self.journal.bytes();
        let is_due = |(at, bytes): (Instant, u64)| at.elapsed() >= LOOK_EVERY || own.abs_diff(bytes) >= limits::DISK_FILE_BYTES_MIN;
        if !self.looked.is_none_or(is_due) {
            return Ok(());
        }
        let bytes_max = self.disk.bytes_max;
        let (others, removed) = super::recover::remove_oldest(&self.folder, bytes_max.saturating_sub(own));
        while self.journal.remove_oldest(bytes_max.saturating_sub(others))?.is_some() {
            own::removed();
        }
        self.looked = Some((Instant::now(), self.journal.bytes()));
        self.others = others;
        removed
    }

    /// All of what was written is durable.
    fn settle(&mut self) {
        let mut kept = 0;
        for (id, tail) in &mut self.tails {
            kept += tail.settle(*id, &self.streams);
        }
        own::kept(kept);
    }

    fn forget_file(&mut self) {
        self.tails.values_mut().for_each(|tail| tail.is_named = false);
        self.templates.clear();
        self.last_template = Default::default();
    }

    /// Has the metrics of a file that does not follow a sealed one begin with a segment: what is synced of it is written again, since
    /// the file where it is may be removed before this one.
    fn begin_metrics(&mut self) {
        let metrics = self.streams.metrics();
        metrics.log.seal();
        let Some(tail) = self.tails.get_mut(&metrics.id) else { return };
        let at = Position { offset: 0, ..tail.synced.at };
        let number = metrics.log.messages_before(at);
        // What is beyond is of another segment: this one was dropped.
        if let Some(again) = tail.synced.number.checked_sub(number).filter(|_| metrics.log.first() <= at) {
            tail.written = Mark { at, number, kept: tail.synced.kept.saturating_sub(again), ..tail.synced };
        }
    }

    fn write(&mut self, stream: &Arc<NamedLog>) -> io::Result<()> {
        let mut tail = self.tails.remove(&stream.id).unwrap_or_default();
        let written = self.write_from(stream, &mut tail);
        self.tails.insert(stream.id, tail);
        written
    }

    /// Writes up to where the stream ends now: what comes meanwhile is of the next pass.
    fn write_from(&mut self, stream: &Arc<NamedLog>, tail: &mut Tail) -> io::Result<()> {
        let end = stream.log.end();
        while tail.written.at < end {
            self.write_piece(stream, tail)?;
            if self.journal.is_full() {
                self.rotate(stream, tail)?;
            }
        }
        Ok(())
    }

    /// Writes what begins where it is written up to, of one segment, or that it is missing.
    fn write_piece(&mut self, stream: &Arc<NamedLog>, tail: &mut Tail) -> io::Result<()> {
        match stream.log.read(tail.written.at, true) {
            Piece::Data { from, next, data } => {
                if self.write_messages(stream, tail, from, &data)? {
                    tail.written.at = next;
                }
            }
            Piece::Gap { to, messages_before, reason, .. } => {
                let missed = messages_before.saturating_sub(tail.written.number);
                self.name(stream, tail)?;
                self.body.clear();
                body::missed(&mut self.body, stream.id, messages_before, missed, to, reason);
                for _ in 0..COPIES {
                    self.journal.append(body::MISSED, &[&self.body])?;
                }
                let Mark { kept, missed: before, .. } = tail.written;
                tail.written = Mark { at: to, number: messages_before, kept, missed: before + missed };
            }
            Piece::End | Piece::Beyond { .. } => {} // where a writer stands is before the end of its stream
        }
        Ok(())
    }

    /// Whether all are written: not where what is constant of one was dropped meanwhile, and so the message.
    fn write_messages(&mut self, stream: &Arc<NamedLog>, tail: &mut Tail, from: Position, data: &[u8]) -> io::Result<bool> {
        let mut at = from;
        for frame in frames(data).map_while(Result::ok) {
            self.name(stream, tail)?;
            if Kind::of(stream) == Kind::Metrics && !self.template(stream, frame)? && stream.log.first() > at {
                return Ok(false);
            }
            self.body.clear();
            body::message(&mut self.body, stream.id, tail.written.number, at, frame.time_ns);
            self.journal.append(body::MESSAGE, &[&self.body, frame.payload])?;
            at.offset += (FRAME_HEAD_BYTES + frame.payload.len()) as u64;
            let Mark { number, kept, missed, .. } = tail.written;
            tail.written = Mark { at, number: number + 1, kept: kept + 1, missed };
        }
        Ok(true)
    }

    /// Names the stream, once in each file.
    fn name(&mut self, stream: &NamedLog, tail: &mut Tail) -> io::Result<()> {
        if !std::mem::replace(&mut tail.is_named, true) {
            self.body.clear();
            body::stream(&mut self.body, stream.id, Kind::of(stream), stream.name());
            for _ in 0..COPIES {
                self.journal.append(body::STREAM, &[&self.body])?;
            }
        }
        Ok(())
    }

    /// Writes the template of a message, once in each file. Whether it is there.
    fn template(&mut self, stream: &NamedLog, frame: Frame<'_>) -> io::Result<bool> {
        let id = Head::of(frame.payload).map_or(0, |head| head.template);
        if id == 0 || self.templates.contains(&id) {
            return Ok(true);
        }
        let Some(template) = stream.template(id) else { return Ok(false) };
        let (mut base, mut change) = (self.last_template.0, template.write(&self.last_template.1));
        if base != 0 && change.len() > template.fixed.len() / 2 {
            (base, change) = (0, template.write(&Template::default()));
        }
        self.body.clear();
        body::template(&mut self.body, id, base);
        for _ in 0..COPIES {
            self.journal.append(body::TEMPLATE, &[&self.body, &change])?;
        }
        self.templates.insert(id);
        self.last_template = (id, template);
        Ok(true)
    }

    /// Goes on in another file. The metrics begin a segment in it, since the messages of one are read against those before.
    fn rotate(&mut self, stream: &Arc<NamedLog>, tail: &mut Tail) -> io::Result<()> {
        let metrics = Arc::clone(self.streams.metrics());
        metrics.log.seal();
        let begun = metrics.log.end().sequence;
        if stream.id == metrics.id {
            self.write_before(&metrics, tail, begun)?;
        } else {
            let mut tail = self.tails.remove(&metrics.id).unwrap_or_default();
            let written = self.write_before(&metrics, &mut tail, begun);
            self.tails.insert(metrics.id, tail);
            written?;
        }
        self.journal.rotate()?;
        own::kept(tail.settle(stream.id, &self.streams));
        self.settle();
        self.forget_file();
        tail.is_named = false;
        Ok(())
    }

    fn write_before(&mut self, stream: &Arc<NamedLog>, tail: &mut Tail, sequence: u64) -> io::Result<()> {
        while tail.written.at.sequence < sequence {
            self.write_piece(stream, tail)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
