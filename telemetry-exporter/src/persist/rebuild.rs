//! The streams of a session, put together from the records of its files.
//!
//! Invariant: each message that was found is in its stream once, in its place, and the number of those that are missing between two is
//! known: from the numbers of the messages, which the journal's indices need not tell. What is held is bounded by the bytes that were
//! read, whatever they claim, but for layouts of metrics, which have a bound of their own.
//! Not here: how a stream is made of its messages (`rejoin`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::body::{Body, Kind};
use super::rejoin::{Absent, Rejoined, Segment, rejoin};
use crate::compact::{Head, Template};
use crate::limits::{MESSAGE_BYTES_MAX, RECOVERED_STREAMS_MAX, RECOVERED_TEMPLATES_BYTES_MAX, SEGMENT_BYTES_MAX};
use crate::stream::{Position, Templates};

/// How much is held of what is found.
#[derive(Clone, Copy, Debug)]
pub struct Within {
    /// Bytes of one stream: the newest.
    pub stream_bytes_max: usize,
    /// Bytes of all streams: of the largest the oldest goes.
    pub bytes_max: usize,
}

/// The streams of one session.
pub struct Rebuilt {
    within: Within,
    /// By their names.
    pub streams: BTreeMap<String, Stream>,
    /// Of the metrics.
    pub templates: Templates,
    /// The one that was read last, on which the next is built.
    last_template: (u64, Arc<Template>),
    /// The newest segment of the metrics.
    sequence: u64,
    /// Which stream a number is of.
    names: BTreeMap<u32, String>,
    /// Bytes of all streams.
    bytes: usize,
    /// Records that are not what their kind wants, though their checksums are right.
    pub malformed: u64,
}

/// One stream of a session.
pub struct Stream {
    pub kind: Kind,
    /// By their numbers.
    segments: BTreeMap<u64, Segment>,
    bytes: usize,
    /// Segments before it are not held.
    first: u64,
    /// Messages of which this session tells, there or not.
    pub end: u64,
    /// Messages that were found.
    pub found: u64,
    absent: Vec<Absent>,
}

impl Rebuilt {
    /// Of what is found the newest is held.
    pub fn new(within: Within) -> Self {
        let (streams, templates, last_template, names) = Default::default();
        Self { within, streams, templates, last_template, sequence: 0, names, bytes: 0, malformed: 0 }
    }

    /// Takes in one record.
    pub fn take(&mut self, kind: u8, body: &[u8]) {
        let is_taken = match Body::read(kind, body) {
            Ok(Some(body)) => self.take_body(body),
            Ok(None) => true,
            Err(_) => false,
        };
        self.malformed += u64::from(!is_taken);
    }

    /// Whether it can be.
    fn take_body(&mut self, body: Body<'_>) -> bool {
        match body {
            Body::Stream { id, kind, name } => self.name(id, kind, name),
            Body::Template { id, base, change } => self.take_template(id, base, change),
            Body::Message { stream, number, at, time_ns, payload } => {
                if number == u64::MAX || at.sequence == u64::MAX || at.offset > OFFSET_MAX || payload.len() > PAYLOAD_BYTES_MAX {
                    return false; // no writer writes one
                }
                let Some(stream) = stream_of(&mut self.streams, &self.names, stream) else { return false };
                self.bytes += stream.add(number, at, time_ns, payload);
                if stream.kind == Kind::Metrics {
                    self.sequence = self.sequence.max(at.sequence);
                    self.templates.need(Head::of(payload).map_or(0, |head| head.template), at.sequence);
                }
                let most = self.within.stream_bytes_max;
                let beside = if stream.kind == Kind::Metrics { self.templates.bytes() } else { 0 };
                if stream.bytes.saturating_add(beside) > most {
                    self.bytes -= stream.shorten(most.saturating_sub(beside), &self.templates);
                }
                self.make_room();
                true
            }
            Body::Missed { stream, number, count, reason, .. } => {
                let Some(stream) = stream_of(&mut self.streams, &self.names, stream) else { return false };
                let Some(from) = number.checked_sub(count) else { return false };
                stream.absent.push(Absent { from, to: number, reason });
                stream.end = stream.end.max(number);
                true
            }
        }
    }

    fn name(&mut self, id: u32, kind: Kind, name: &str) -> bool {
        if self.names.len() >= RECOVERED_STREAMS_MAX && !self.names.contains_key(&id) {
            return false;
        }
        if self.names.insert(id, name.to_owned()).is_none_or(|before| before != name) && !self.streams.contains_key(name) {
            if self.streams.len() >= RECOVERED_STREAMS_MAX {
                return false;
            }
            self.streams.insert(name.to_owned(), Stream::new(kind));
        }
        true
    }

    fn take_template(&mut self, id: u64, base: u64, change: &[u8]) -> bool {
        if id == 0 || self.templates.need(id, self.sequence) {
            return id != 0; // it is there more than once
        }
        let before = if base == self.last_template.0 { Some(Arc::clone(&self.last_template.1)) } else { self.templates.get(base) };
        // What it is told by may be lost with other records, which are counted.
        let Some(before) = before else { return true };
        let Ok(template) = Template::read(change, &before) else { return false };
        if self.templates.bytes().saturating_add(template.bytes()) > RECOVERED_TEMPLATES_BYTES_MAX {
            self.templates.forget_before(self.sequence);
            if self.templates.bytes().saturating_add(template.bytes()) > RECOVERED_TEMPLATES_BYTES_MAX {
                return false;
            }
        }
        let template = Arc::new(template);
        self.templates.keep(id, &template, (base, &before), self.sequence);
        self.last_template = (id, template);
        true
    }

    /// Lets go of the oldest segments of the largest streams while all are too large.
    fn make_room(&mut self) {
        while self.bytes > self.within.bytes_max
            && let Some(stream) =
                self.streams.values_mut().filter(|stream| stream.segments.len() > 1).max_by_key(|stream| stream.bytes)
        {
            let most = stream.bytes.saturating_sub(1);
            self.bytes -= stream.shorten(most, &self.templates);
        }
    }
}

fn stream_of<'a>(streams: &'a mut BTreeMap<String, Stream>, names: &BTreeMap<u32, String>, id: u32) -> Option<&'a mut Stream> {
    streams.get_mut(names.get(&id)?)
}

/// Bytes of a message of metrics, compact: more than of one of the others.
const PAYLOAD_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;

/// Where a message of a segment begins at the most.
const OFFSET_MAX: u64 = (SEGMENT_BYTES_MAX + 2 * MESSAGE_BYTES_MAX) as u64;

impl Stream {
    fn new(kind: Kind) -> Self {
        Self { kind, segments: BTreeMap::new(), bytes: 0, first: 0, end: 0, found: 0, absent: Vec::new() }
    }

    /// Puts the stream together. `now_ns` is when its segments are so old as their messages say.
    pub fn finish(self, now_ns: u64) -> Rejoined {
        rejoin(self.segments, self.absent, self.end, now_ns)
    }

    /// Adds a message, unless it is there, because it was written again after an error. So many bytes are held more.
    fn add(&mut self, number: u64, at: Position, time_ns: u64, payload: &[u8]) -> usize {
        if at.sequence < self.first {
            return 0;
        }
        let segment = self.segments.entry(at.sequence).or_default();
        let added = segment.add(number, at.offset, time_ns, payload);
        self.bytes += added;
        if added > 0 {
            self.found += 1;
            self.end = self.end.max(number + 1);
        }
        added
    }

    /// Lets go of the oldest segments, but for the newest. So many bytes are held less.
    fn shorten(&mut self, bytes_max: usize, templates: &Templates) -> usize {
        let before = self.bytes;
        while self.bytes > bytes_max && self.segments.len() > 1 {
            self.bytes -= self.segments.pop_first().map_or(0, |(_, segment)| segment.bytes());
        }
        let first = self.segments.first_key_value().map_or(self.first, |(first, _)| *first);
        if first > self.first && self.kind == Kind::Metrics {
            templates.forget_before(first);
        }
        self.first = first;
        before - self.bytes
    }
}

#[cfg(test)]
#[path = "rebuild_tests.rs"]
mod tests;
