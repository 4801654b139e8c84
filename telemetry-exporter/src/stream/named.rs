//! A stream with its number and kind.

use std::sync::Arc;
use std::time::Duration;

use telemetry_core::{EntryRef, METRICS_STREAM};
use uuid::Uuid;

use super::log::{Batch, Log};
use super::options::StreamOptions;
use super::piece::Rejected;
use super::resting::Resting;
use super::templates::Templates;
use crate::compact::{Lane, Source, Template};
use crate::limits::LANES_MAX;

/// The name of the metrics stream; its id is 0.
pub const METRICS: &str = METRICS_STREAM;

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
    /// The messages, as they are kept: those of metrics are compact, and read by a [`Reader`](super::Reader).
    pub log: Log,
    pub(super) templates: Arc<Templates>,
    pub(super) resting: Resting,
}

impl NamedLog {
    /// An empty stream.
    pub fn new(id: u32, kind: StreamKind, options: StreamOptions) -> Self {
        Self::restored(id, kind, Log::new(options), Templates::default())
    }

    /// The name that clients use.
    pub fn name(&self) -> &str {
        match &self.kind {
            StreamKind::Metrics => METRICS,
            StreamKind::Event(entry) | StreamKind::Snapshot(entry, _) => entry.name(),
        }
    }

    /// The template of this number, of a stream whose messages are compact, while a message that is held needs it.
    pub(crate) fn template(&self, id: u64) -> Option<Arc<Template>> {
        self.templates.get(id)
    }

    /// A stream of an earlier life of the process, with the templates of its messages.
    pub(crate) fn restored(id: u32, kind: StreamKind, log: Log, templates: Templates) -> Self {
        let templates = Arc::new(templates);
        let log = if matches!(kind, StreamKind::Metrics) { log.told_by(Arc::clone(&templates)) } else { log };
        Self { id, kind, log, templates, resting: Resting::default() }
    }

    pub(super) fn is_compact(&self) -> bool {
        matches!(self.kind, StreamKind::Metrics)
    }
}

/// A stream in one life of the process.
#[derive(Clone)]
pub struct Life {
    /// Which life.
    pub session: Uuid,
    /// What is held of it.
    pub stream: Arc<NamedLog>,
}

/// The messages of one collection after the other, as they are written to the metrics stream.
#[derive(Default)]
pub struct Lanes(Vec<Lane>);

/// A serialised `ResourceMetrics` with what is constant of it.
pub trait Message: Source + AsRef<[u8]> {
    /// What is constant, if anything is; the same one for as long as it is.
    fn template(&self) -> Option<&Arc<Template>>;
}

/// A message of which nothing is constant.
pub struct Plain(pub Vec<u8>);

impl Source for Plain {
    fn fixed(&self) -> &[u8] {
        &[]
    }

    fn tails(&self) -> impl Iterator<Item = (Option<u64>, &[u8])> {
        std::iter::empty()
    }

    fn extra(&self) -> &[u8] {
        &self.0
    }

    fn must_stay(&self) -> bool {
        false
    }
}

impl AsRef<[u8]> for Plain {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Message for Plain {
    fn template(&self) -> Option<&Arc<Template>> {
        None
    }
}

impl Lanes {
    /// Appends the messages of a collection to the metrics stream. Tells whether a segment was sealed.
    ///
    /// # Errors
    /// The first message that is larger than the stream allows or beyond [`LANES_MAX`], and how many there are; the others are appended.
    pub fn append(&mut self, stream: &NamedLog, time_ns: u64, messages: &[impl Message]) -> (bool, Result<(), (Rejected, usize)>) {
        let (messages, beyond) = messages.split_at(messages.len().min(LANES_MAX));
        self.0.resize_with(self.0.len().max(messages.len()), Lane::default);
        for (lane, message) in self.0.iter_mut().zip(messages) {
            renew(lane, message.template(), stream);
        }
        let (mut rejected, mut batch) = (None, stream.log.batch());
        for (place, (lane, message)) in self.0.iter_mut().zip(messages).enumerate() {
            let appended = append(&mut batch, lane, place, stream, time_ns, message);
            if let Err(error) = appended {
                rejected = Some(rejected.map_or((error, 1), |(first, count)| (first, count + 1)));
            }
        }
        if let Some(first) = beyond.first() {
            batch.reject(beyond.len());
            let first = Rejected { bytes: first.as_ref().len(), bytes_max: stream.log.options().message_bytes_max };
            rejected = Some(rejected.map_or((first, beyond.len()), |(first, count)| (first, count + beyond.len())));
        }
        (batch.end(), rejected.map_or(Ok(()), Err))
    }
}

fn append(
    batch: &mut Batch<'_>,
    lane: &mut Lane,
    place: usize,
    stream: &NamedLog,
    time_ns: u64,
    message: &impl Message,
) -> Result<(), Rejected> {
    batch.append_as(time_ns, message.as_ref().len(), |sequence, frame_ns, out| {
        if lane.is_first(sequence) && lane.id() != 0 {
            stream.templates.put(lane.id(), lane.template(), sequence);
        }
        let time_behind = time_ns.wrapping_sub(frame_ns).cast_signed();
        lane.write(out, place, sequence, time_behind, message);
    })
}

/// Gives the template a number, unless it is the one before.
fn renew(lane: &mut Lane, template: Option<&Arc<Template>>, stream: &NamedLog) {
    let Some(template) = template else { return lane.set_template(0, Arc::default()) };
    if Arc::ptr_eq(lane.template(), template) {
        return;
    }
    if lane.template() == template {
        return lane.set_template(lane.id(), Arc::clone(template));
    }
    let id = stream.templates.add(template, (lane.id(), lane.template()), stream.log.end().sequence);
    lane.set_template(id, Arc::clone(template));
}

#[cfg(test)]
#[path = "named_tests.rs"]
mod tests;
