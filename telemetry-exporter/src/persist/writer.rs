//! Writing what came to the streams since the last pass, and after an error again what was not synced.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::body::{self, Kind};
use super::own;
use super::settings::Disk;
use crate::compact::{Head, Template};
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
    /// When it was last looked for files to be removed.
    looked: Option<Instant>,
    /// The template that was written last, and all that are in this file.
    last_template: (u64, Arc<Template>),
    templates: std::collections::HashSet<u64>,
    /// For one body after the other.
    body: Vec<u8>,
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

#[derive(Clone, Copy, Default)]
struct Mark {
    at: Position,
    /// Messages before that place.
    number: u64,
    /// Of these in files.
    kept: u64,
}

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
        Ok(Self {
            journal: Journal::create(device, streams.session().into_bytes(), disk.file_bytes(), Stamp::now)?,
            folder: Folder::new(&disk.dir),
            disk: disk.clone(),
            streams: Arc::clone(streams),
            tails: HashMap::new(),
            looked: None,
            last_template: Default::default(),
            templates: Default::default(),
            body: Vec::new(),
            _locked: None,
        })
    }

    /// Writes what came since the last pass, and syncs it. Returns when all of it is durable.
    ///
    /// # Errors
    /// The system's. The next pass begins another file, and writes again what was not synced.
    pub fn pass(&mut self) -> io::Result<()> {
        if self.journal.is_given_up() {
            self.journal.restart()?;
            self.forget_file();
            self.tails.values_mut().for_each(|tail| tail.written = tail.synced);
        }
        for stream in self.streams.all() {
            self.write(&stream)?;
        }
        self.journal.sync()?;
        self.settle();
        Ok(())
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

    /// Removes the oldest files of all sessions that are over, then of this one, while all are too large together. It looks at them once in
    /// an interval.
    ///
    /// # Errors
    /// The system's.
    pub fn remove_oldest(&mut self) -> io::Result<()> {
        if self.looked.is_some_and(|looked| looked.elapsed() < self.disk.interval) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        let own = self.journal.bytes();
        let others = super::recover::remove_oldest(&self.folder, self.disk.bytes_max.saturating_sub(own))?;
        while self.journal.remove_oldest(self.disk.bytes_max.saturating_sub(others))?.is_some() {
            own::removed();
        }
        own::size(others + self.journal.bytes());
        Ok(())
    }

    /// All of what was written is durable.
    fn settle(&mut self) {
        let mut kept = 0;
        for tail in self.tails.values_mut() {
            kept += tail.written.kept - tail.synced.kept;
            tail.synced = tail.written;
        }
        own::kept(kept);
    }

    fn forget_file(&mut self) {
        self.tails.values_mut().for_each(|tail| tail.is_named = false);
        self.templates.clear();
        self.last_template = Default::default();
    }

    fn write(&mut self, stream: &Arc<NamedLog>) -> io::Result<()> {
        let mut tail = self.tails.remove(&stream.id).unwrap_or_default();
        let written = self.write_from(stream, &mut tail);
        self.tails.insert(stream.id, tail);
        written
    }

    fn write_from(&mut self, stream: &Arc<NamedLog>, tail: &mut Tail) -> io::Result<()> {
        loop {
            match stream.log.read(tail.written.at, true) {
                Piece::Data { from, next, data } => {
                    self.write_messages(stream, tail, from, &data)?;
                    tail.written.at = next;
                    if self.journal.is_full() {
                        self.rotate(stream, tail)?;
                    }
                }
                Piece::Gap { to, messages_before, reason, .. } => {
                    let missed = messages_before.saturating_sub(tail.written.number);
                    self.name(stream, tail)?;
                    self.body.clear();
                    body::missed(&mut self.body, stream.id, messages_before, to, reason);
                    self.journal.append(body::MISSED, &[&self.body])?;
                    own::missed(stream.name(), missed);
                    (tail.written.at, tail.written.number) = (to, messages_before);
                }
                // No position of a writer is beyond the end of its own stream.
                Piece::End | Piece::Beyond { .. } => return Ok(()),
            }
        }
    }

    fn write_messages(&mut self, stream: &Arc<NamedLog>, tail: &mut Tail, from: Position, data: &[u8]) -> io::Result<()> {
        let mut at = from;
        for frame in frames(data).map_while(Result::ok) {
            self.name(stream, tail)?;
            if Kind::of(stream) == Kind::Metrics {
                self.template(stream, frame)?;
            }
            self.body.clear();
            body::message(&mut self.body, stream.id, tail.written.number, at, frame.time_ns);
            self.journal.append(body::MESSAGE, &[&self.body, frame.payload])?;
            at.offset += (FRAME_HEAD_BYTES + frame.payload.len()) as u64;
            tail.written = Mark { at, number: tail.written.number + 1, kept: tail.written.kept + 1 };
        }
        Ok(())
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

    /// Writes the template of a message, once in each file.
    fn template(&mut self, stream: &NamedLog, frame: Frame<'_>) -> io::Result<()> {
        let id = Head::of(frame.payload).map_or(0, |head| head.template);
        if id == 0 || self.templates.contains(&id) {
            return Ok(());
        }
        let Some(template) = stream.template(id) else { return Ok(()) }; // dropped meanwhile: the message is of no use, as a reader will see
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
        Ok(())
    }

    /// Goes on in another file. The metrics begin a segment in it, since the messages of one are read against those before.
    fn rotate(&mut self, stream: &Arc<NamedLog>, tail: &mut Tail) -> io::Result<()> {
        let metrics = Arc::clone(self.streams.metrics());
        metrics.log.seal();
        let begun = metrics.log.end().sequence;
        if stream.id == metrics.id {
            self.write_up_to(&metrics, tail, begun)?;
        } else {
            let mut tail = self.tails.remove(&metrics.id).unwrap_or_default();
            let written = self.write_up_to(&metrics, &mut tail, begun);
            self.tails.insert(metrics.id, tail);
            written?;
        }
        self.journal.rotate()?;
        own::kept(tail.written.kept - tail.synced.kept);
        tail.synced = tail.written;
        self.settle();
        self.forget_file();
        tail.is_named = false;
        Ok(())
    }

    fn write_up_to(&mut self, stream: &Arc<NamedLog>, tail: &mut Tail, sequence: u64) -> io::Result<()> {
        while tail.written.at.sequence < sequence
            && let Piece::Data { from, next, data } = stream.log.read(tail.written.at, true)
        {
            self.write_messages(stream, tail, from, &data)?;
            tail.written.at = next;
        }
        Ok(())
    }
}
