//! All streams of a process: the metrics' with id 0, and one for each event and snapshot.
//!
//! Ids are given once and do not change within a session: to linked declarations in the order of their names, then to those of run
//! time as they appear.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use telemetry_core::{Counter, EntryRef, Kind, Labels, METRICS_STREAM, Registry, Sink, metric};

use super::log::Log;
use super::options::StreamOptions;
use super::piece::Rejected;

/// The name of the metrics stream; its id is 0.
pub const METRICS: &str = METRICS_STREAM;

#[derive(Labels)]
struct StreamLabel {
    stream: String,
}

/// Messages that were larger than their stream allows.
#[metric(name = "telemetry_stream_messages_rejected", unit = "{message}")]
static MESSAGES_REJECTED: Counter<StreamLabel>;

/// What the messages of a stream are.
#[derive(Clone)]
#[non_exhaustive]
pub enum StreamKind {
    /// Each a serialised `ResourceMetrics`.
    Metrics,
    /// Each the JSON of this event.
    Event(EntryRef),
    /// Each the JSON of this snapshot, taken at this interval.
    Snapshot(EntryRef, Duration),
}

/// One stream with its number and kind.
pub struct NamedLog {
    /// Its number on the wire.
    pub id: u32,
    /// What its messages are.
    pub kind: StreamKind,
    /// The messages.
    pub log: Log,
}

impl NamedLog {
    /// The name that clients use.
    pub fn name(&self) -> &str {
        match &self.kind {
            StreamKind::Metrics => METRICS,
            StreamKind::Event(entry) | StreamKind::Snapshot(entry, _) => entry.name(),
        }
    }

    /// Appends messages that belong together, now.
    ///
    /// # Errors
    /// The first message that is larger than the stream allows; each is counted in `telemetry_stream_messages_rejected`.
    pub fn append_batch(&self, time_ns: u64, payloads: &[impl AsRef<[u8]>]) -> Result<(), Rejected> {
        let appended = self.log.append_batch(Instant::now(), time_ns, payloads);
        if let Err(Rejected { bytes_max, .. }) = appended {
            let rejected = payloads.iter().filter(|payload| payload.as_ref().len() > bytes_max).count();
            MESSAGES_REJECTED.with(StreamLabel { stream: self.name().to_owned() }).add(rejected as u64);
        }
        appended
    }
}

/// All streams of a process.
pub struct Streams {
    options: StreamOptions,
    registry: Arc<Registry>,
    metrics: Arc<NamedLog>,
    others: RwLock<Others>,
}

#[derive(Default)]
struct Others {
    in_order: Vec<Arc<NamedLog>>,
    by_name: HashMap<String, Arc<NamedLog>>,
}

impl Streams {
    /// The streams of a registry's declarations.
    pub fn new(registry: Arc<Registry>, options: StreamOptions) -> Arc<Self> {
        let log = Log::new(options.clone(), Instant::now());
        let metrics = Arc::new(NamedLog { id: 0, kind: StreamKind::Metrics, log });
        let streams = Arc::new(Self { options, registry, metrics, others: RwLock::default() });
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
            others.add(entry.name(), kind, &self.options);
        }
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
            Some(stream) => stream.append_batch(time_ns, &[json]),
            None => Ok(()), // only events and snapshots have streams, and all of them have one
        }
    }

    /// Seals and expires what has come of age.
    pub fn tick(&self, now: Instant) {
        self.metrics.log.tick(now);
        for stream in &self.others.read().in_order {
            stream.log.tick(now);
        }
    }

    /// Seals every head, for the last readers.
    pub fn seal(&self) {
        for stream in self.all() {
            stream.log.seal();
        }
    }
}

impl Others {
    fn add(&mut self, name: &str, kind: StreamKind, options: &StreamOptions) {
        if self.by_name.contains_key(name) {
            return;
        }
        let id = self.in_order.len() as u32 + 1;
        let stream = Arc::new(NamedLog { id, kind, log: Log::new(options.clone(), Instant::now()) });
        self.in_order.push(Arc::clone(&stream));
        self.by_name.insert(name.to_owned(), stream);
    }
}

impl Sink for Streams {
    fn event(&self, entry: &EntryRef, time_ns: u64, json: &[u8]) {
        let _counted = self.append(entry, time_ns, json);
    }
}
