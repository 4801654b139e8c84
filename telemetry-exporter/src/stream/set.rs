//! All streams of a process: the metrics' with id 0, and one for each event and snapshot.
//!
//! Ids are given once and do not change within a session: to linked declarations in the order of their names, then to those of run
//! time as they appear.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};
use telemetry_core::{Counter, EntryRef, Kind, Labels, Outlet, Registry, Sink, metric};
use uuid::Uuid;

use super::named::{Lanes, Life, METRICS, Message, NamedLog, StreamKind};
use super::options::{Bounds, StreamOptions};
use super::piece::Rejected;

#[derive(Labels)]
struct StreamLabel {
    stream: String,
}

/// Messages that were larger than their stream allows.
#[metric(name = "telemetry_stream_messages_rejected", unit = "{message}")]
static MESSAGES_REJECTED: Counter<StreamLabel>;

/// All streams of a process.
pub struct Streams {
    options: StreamOptions,
    bounds: Bounds,
    session: Uuid,
    registry: Arc<Registry>,
    metrics: Arc<NamedLog>,
    others: RwLock<Others>,
    /// What earlier lives of the process left, the oldest first.
    past: RwLock<Vec<Life>>,
    /// Waits until what was appended is kept as surely as the program wants it.
    acknowledge: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// Held by who makes room.
    making_room: Mutex<()>,
}

#[derive(Default)]
struct Others {
    in_order: Vec<Arc<NamedLog>>,
    by_name: HashMap<String, Arc<NamedLog>>,
}

impl Streams {
    /// The streams of a registry's declarations, with these options where the bounds say nothing else.
    pub fn new(registry: Arc<Registry>, options: StreamOptions, bounds: Bounds) -> Arc<Self> {
        let metrics = Arc::new(NamedLog::new(0, StreamKind::Metrics, bounds.resolve(&options, METRICS)));
        let (others, past, acknowledge, making_room) = Default::default();
        let streams =
            Arc::new(Self { options, bounds, session: Uuid::now_v7(), registry, metrics, others, past, acknowledge, making_room });
        streams.update();
        streams
    }

    /// Gives a stream to each declaration that has none yet.
    fn update(&self) {
        let mut entries = self.registry.entries();
        entries.sort_by_key(|entry| {
            (
                matches!(entry, EntryRef::Runtime(_)),
                match entry {
                    EntryRef::Linked(entry) => entry.name().to_owned(),
                    EntryRef::Runtime(_) => String::new(), // a stable sort keeps their order
                },
            )
        });
        let mut others = self.others.write();
        for entry in entries {
            let kind = match entry.kind() {
                Kind::Event => StreamKind::Event(entry.clone()),
                Kind::Snapshot { every } => StreamKind::Snapshot(entry.clone(), every),
                _ => continue,
            };
            others.add(entry.name(), kind, || self.bounds.resolve(&self.options, entry.name()));
        }
    }

    /// Adds what an earlier life left; the oldest come first.
    pub(crate) fn add_past(&self, life: Life) {
        self.past.write().push(life);
    }

    /// Has every event wait for this after it was appended, but for those that were emitted before there were streams.
    pub(crate) fn acknowledge_by(&self, wait: impl Fn() + Send + Sync + 'static) {
        let _the_first_stays = self.acknowledge.set(Box::new(wait));
    }

    /// Waits until what was appended is kept as surely as the program wants it.
    #[inline]
    pub(crate) fn acknowledged(&self) {
        if let Some(wait) = self.acknowledge.get() {
            wait();
        }
    }

    /// Bytes of all streams together at the most.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bounds.bytes_max
    }

    /// Which life of the process these are of: greater than those before by its time.
    pub fn session(&self) -> Uuid {
        self.session
    }

    /// The metrics stream.
    pub fn metrics(&self) -> &Arc<NamedLog> {
        &self.metrics
    }

    /// Every stream, in the order of the ids.
    pub fn all(&self) -> Vec<Arc<NamedLog>> {
        self.update();
        let others = self.others.read();
        std::iter::once(&self.metrics).chain(&others.in_order).cloned().collect()
    }

    /// A stream in all lives of the process of which something is held, the oldest first; the last is this one.
    pub fn lives(&self, stream: &Arc<NamedLog>) -> Vec<Life> {
        let past = self.past.read();
        let of_it = past.iter().filter(|life| life.stream.name() == stream.name()).cloned();
        of_it.chain([Life { session: self.session, stream: Arc::clone(stream) }]).collect()
    }

    /// The stream of this number.
    pub fn by_id(&self, id: u32) -> Option<Arc<NamedLog>> {
        let Some(index) = id.checked_sub(1) else { return Some(Arc::clone(&self.metrics)) };
        self.others.read().in_order.get(index as usize).cloned()
    }

    /// The stream of this name, compared without case.
    pub fn by_name(&self, name: &str) -> Option<Arc<NamedLog>> {
        if name.eq_ignore_ascii_case(METRICS) {
            return Some(Arc::clone(&self.metrics));
        }
        if let Some(found) = self.others.read().by_name.get(name) {
            return Some(Arc::clone(found));
        }
        self.update();
        let others = self.others.read();
        others.in_order.iter().find(|stream| stream.name().eq_ignore_ascii_case(name)).cloned()
    }

    /// Appends to the stream of a declaration.
    ///
    /// # Errors
    /// A message that is larger than the stream allows; it is counted in `telemetry_stream_messages_rejected`.
    pub fn append(&self, entry: &EntryRef, time_ns: u64, json: &[u8]) -> Result<(), Rejected> {
        match self.by_name(entry.name()) {
            Some(stream) => self.append_to(&stream, time_ns, json),
            None => Ok(()), // only events and snapshots have streams, and all of them have one
        }
    }

    /// Appends to one of these streams.
    ///
    /// # Errors
    /// A message that is larger than the stream allows; it is counted in `telemetry_stream_messages_rejected`.
    #[inline]
    pub fn append_to(&self, stream: &NamedLog, time_ns: u64, message: &[u8]) -> Result<(), Rejected> {
        match stream.log.append(time_ns, message) {
            Ok(false) => Ok(()),
            Ok(true) => {
                self.make_room();
                Ok(())
            }
            Err(rejected) => {
                reject(stream, 1);
                Err(rejected)
            }
        }
    }

    /// Appends the messages of a collection to the metrics stream.
    ///
    /// # Errors
    /// The first message that is larger than the stream allows; each is counted in `telemetry_stream_messages_rejected`.
    pub fn append_metrics(&self, lanes: &mut Lanes, time_ns: u64, messages: &[impl Message]) -> Result<(), Rejected> {
        let (sealed, appended) = lanes.append(&self.metrics, time_ns, messages);
        if sealed {
            self.make_room();
        }
        appended.map_err(|(rejected, count)| {
            reject(&self.metrics, count);
            rejected
        })
    }

    /// Every stream in all lives.
    fn held(&self) -> Vec<Arc<NamedLog>> {
        let (past, others) = (self.past.read(), self.others.read());
        past.iter().map(|life| &life.stream).chain([&self.metrics]).chain(&others.in_order).cloned().collect()
    }

    /// Drops the oldest segments of all streams while they are too large together.
    #[cold]
    fn make_room(&self) {
        let Some(_alone) = self.making_room.try_lock() else { return }; // who has it looks at what we appended, or the tick does
        let streams = self.held();
        let bytes = |stream: &Arc<NamedLog>| stream.log.state().bytes;
        while streams.iter().map(bytes).sum::<usize>() > self.bounds.bytes_max
            && let Some((_, stream)) =
                streams.iter().filter_map(|stream| Some((stream.log.oldest()?, stream))).min_by_key(|(oldest, _)| *oldest)
        {
            stream.log.give_way();
        }
    }

    /// Seals and expires what has come of age.
    pub fn tick(&self, now: Instant) {
        self.held().iter().for_each(|stream| stream.log.tick(now));
        self.make_room();
        if !self.past.read().is_empty() {
            self.past.write().retain(|life| life.stream.log.state().kept > 0);
        }
    }

    /// Seals every head, for the last readers.
    pub fn seal(&self) {
        for stream in self.all() {
            stream.log.seal();
        }
    }
}

/// Counts messages that were too large.
#[cold]
fn reject(stream: &NamedLog, messages: usize) {
    MESSAGES_REJECTED.with(StreamLabel { stream: stream.name().to_owned() }).add(messages as u64);
}

impl Others {
    fn add(&mut self, name: &str, kind: StreamKind, options: impl FnOnce() -> StreamOptions) {
        if self.by_name.contains_key(name) {
            return;
        }
        let id = self.in_order.len() as u32 + 1;
        let stream = Arc::new(NamedLog::new(id, kind, options()));
        self.in_order.push(Arc::clone(&stream));
        self.by_name.insert(name.to_owned(), stream);
    }
}

impl Sink for Streams {
    fn event(&self, entry: &EntryRef, time_ns: u64, json: &[u8]) {
        // An event of the backlog: who emitted it does not wait any more.
        let _counted = self.append(entry, time_ns, json);
    }

    fn outlet(self: Arc<Self>, entry: &EntryRef) -> Option<Arc<dyn Outlet>> {
        let stream = self.by_name(entry.name())?;
        Some(Arc::new(Emitted { streams: self, stream }))
    }
}

/// The stream of an event, found once.
struct Emitted {
    streams: Arc<Streams>,
    stream: Arc<NamedLog>,
}

impl Outlet for Emitted {
    fn event(&self, time_ns: u64, json: &[u8]) -> bool {
        let _counted = self.streams.append_to(&self.stream, time_ns, json);
        self.streams.acknowledge.get().is_some()
    }

    fn settle(&self) {
        self.streams.acknowledged();
    }
}
