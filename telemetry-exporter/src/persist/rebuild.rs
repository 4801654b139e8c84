//! The streams of a session, put together from the records of its files.
//!
//! Invariant: each message that was found is in its stream once, in its place, and the number of those that are missing between two is
//! known: from the numbers of the messages, which the journal's indices need not tell.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::body::{Body, Kind};
use crate::compact::{Head, Template};
use crate::stream::{FRAME_HEAD_BYTES, Hole, Position, Restored, Templates, frame_of};

/// The streams of one session.
#[derive(Default)]
pub struct Rebuilt {
    /// By their names.
    pub streams: BTreeMap<String, Stream>,
    /// Of the metrics.
    pub templates: Templates,
    /// The newest segment of the metrics.
    sequence: u64,
    /// Which stream a number is of.
    names: BTreeMap<u32, String>,
    /// Records that are not what their kind wants, though their checksums are right.
    pub malformed: u64,
    bytes_max: Option<usize>,
}

/// One stream of a session.
pub struct Stream {
    pub kind: Kind,
    segments: VecDeque<Segment>,
    bytes: usize,
    /// Messages of which this session tells, there or not.
    pub end: u64,
    /// Messages that were found.
    pub found: u64,
    /// Messages that fell out of memory before they were written.
    pub missed: u64,
}

struct Segment {
    sequence: u64,
    data: Vec<u8>,
    messages: BTreeMap<u64, Message>,
}

/// A message by its offset.
struct Message {
    end: u64,
    number: u64,
    time_ns: u64,
}

impl Rebuilt {
    /// Of a stream so many bytes at most are held, the newest.
    pub fn within(bytes_max: Option<usize>) -> Self {
        Self { bytes_max, ..Self::default() }
    }

    /// Takes in one record.
    pub fn take(&mut self, kind: u8, body: &[u8]) {
        match Body::read(kind, body) {
            Ok(Some(body)) => self.take_body(body),
            Ok(None) => {}
            Err(_) => self.malformed += 1,
        }
    }

    fn take_body(&mut self, body: Body<'_>) {
        match body {
            Body::Stream { id, kind, name } => {
                self.names.insert(id, name.to_owned());
                self.streams.entry(name.to_owned()).or_insert_with(|| Stream::new(kind));
            }
            Body::Template { id, base, change } => {
                // What it is told by may be lost with other records, which are counted.
                let Some(before) = self.templates.get(base) else { return };
                match Template::read(change, &before) {
                    Ok(template) => self.templates.keep(id, &Arc::new(template), (base, &before), self.sequence),
                    Err(_) => self.malformed += 1,
                }
            }
            Body::Message { stream, number, at, time_ns, payload } => {
                let bytes_max = self.bytes_max;
                let Some(stream) = self.stream(stream) else { return };
                stream.add(number, at, time_ns, payload);
                while bytes_max.is_some_and(|most| stream.bytes > most) && stream.segments.len() > 1 {
                    stream.bytes -= stream.segments.pop_front().map_or(0, |segment| segment.data.len());
                }
                let first = stream.segments.front().map_or(0, |segment| segment.sequence);
                if stream.kind == Kind::Metrics {
                    self.sequence = self.sequence.max(at.sequence);
                    self.templates.need(Head::of(payload).map_or(0, |head| head.template), at.sequence);
                    self.templates.forget_before(first);
                }
            }
            Body::Missed { stream, number, .. } => {
                let Some(stream) = self.stream(stream) else { return };
                stream.missed += number.saturating_sub(stream.end);
                stream.end = stream.end.max(number);
            }
        }
    }

    fn stream(&mut self, id: u32) -> Option<&mut Stream> {
        let Some(name) = self.names.get(&id) else {
            self.malformed += 1; // the record that names it is lost
            return None;
        };
        self.streams.get_mut(name)
    }
}

impl Stream {
    fn new(kind: Kind) -> Self {
        Self { kind, segments: VecDeque::new(), bytes: 0, end: 0, found: 0, missed: 0 }
    }

    /// Messages that are known to have been, and are neither there nor known to have fallen out of memory.
    pub fn lost(&self) -> u64 {
        let first =
            self.segments.front().and_then(|segment| segment.messages.values().next()).map_or(self.end, |first| first.number);
        let before = first.min(self.end);
        (self.end - before).saturating_sub(self.held())
    }

    fn held(&self) -> u64 {
        self.segments.iter().map(|segment| segment.messages.len() as u64).sum()
    }

    fn add(&mut self, number: u64, at: Position, time_ns: u64, payload: &[u8]) {
        let len = FRAME_HEAD_BYTES + payload.len();
        let Ok(begin) = usize::try_from(at.offset) else { return };
        if begin > SEGMENT_BYTES_MAX {
            return; // no writer writes one
        }
        let place = match self.segments.binary_search_by_key(&at.sequence, |segment| segment.sequence) {
            Ok(place) => place,
            Err(0) if !self.segments.is_empty() => return, // dropped already
            Err(place) => {
                self.segments.insert(place, Segment { sequence: at.sequence, data: Vec::new(), messages: BTreeMap::new() });
                place
            }
        };
        let Some(segment) = self.segments.get_mut(place) else { return };
        if segment.messages.contains_key(&at.offset) {
            return; // it was written again after an error
        }
        let before = segment.data.len();
        segment.data.resize(before.max(begin + len), 0);
        self.bytes += segment.data.len() - before;
        frame_of(&mut segment.data[begin..begin + len], time_ns, payload);
        segment.messages.insert(at.offset, Message { end: at.offset + len as u64, number, time_ns });
        self.found += 1;
        self.end = self.end.max(number + 1);
    }

    /// The segments of the stream, each as it was where all of it was found, and whatever is missing with what is known of it; with the
    /// number of the first. `now_ns` is when they are so old as their messages say.
    pub fn finish(self, now_ns: u64) -> (u64, Vec<Restored>) {
        let first = self.segments.front().map_or(0, |segment| segment.sequence);
        let (mut restored, mut expected, mut next): (Vec<Restored>, _, _) = (Vec::new(), None, first);
        let mut segments = self.segments.into_iter().peekable();
        while let Some(segment) = segments.next() {
            let begins = segment.messages.values().next().map_or(0, |message| message.number);
            let missing = segment.sequence - next;
            if missing > MISSING_SEGMENTS_MAX {
                restored.clear(); // what is before so large a hole is as if it were dropped
            } else {
                restored.extend((0..missing).map(|_| lost(restored_time(&segment), begins)));
            }
            next = segment.sequence + 1;
            let behind = segments.peek().filter(|behind| behind.sequence == next);
            let behind = behind.and_then(|behind| behind.messages.first_key_value()).filter(|(at, _)| **at == 0);
            restored.push(segment.finish(behind.map(|(_, message)| message.number), now_ns, self.end));
            expected = Some(next);
        }
        (expected.map_or(0, |end| end - restored.len() as u64), restored)
    }
}

/// Segments in a row of which nothing was found, each of which is told as missing. Where there are more the older ones are left out.
const MISSING_SEGMENTS_MAX: u64 = 1 << 12;

/// Bytes of a segment, and of one message that makes it larger.
const SEGMENT_BYTES_MAX: usize = crate::limits::SEGMENT_BYTES_MAX + 2 * crate::limits::MESSAGE_BYTES_MAX;

fn restored_time(segment: &Segment) -> u64 {
    segment.messages.values().next().map_or(0, |message| message.time_ns)
}

/// A segment of which nothing is there.
fn lost(first_time_ns: u64, number: u64) -> Restored {
    let hole = Hole { from: 0, to: None, messages_before: number };
    Restored { first_time_ns, first_number: number, holes: vec![hole], ..Restored::default() }
}

impl Segment {
    /// `behind` is the number of the first message of the next segment, where that is there; `end` of the first that never was.
    fn finish(self, behind: Option<u64>, now_ns: u64, end: u64) -> Restored {
        let (mut holes, mut at, mut number) = (Vec::new(), 0, None);
        for (begin, message) in &self.messages {
            if *begin > at {
                holes.push(Hole { from: at, to: Some(*begin), messages_before: message.number });
            }
            (at, number) = (message.end, Some(message.number + 1));
        }
        let after = behind.unwrap_or(end);
        if number.is_some_and(|number| number < after) {
            holes.push(Hole { from: at, to: None, messages_before: after });
        }
        let first = self.messages.values().next();
        let last_ns = self.messages.values().next_back().map_or(0, |message| message.time_ns);
        Restored {
            messages: self.messages.len() as u64,
            first_number: first.map_or(0, |first| first.number),
            first_time_ns: first.map_or(0, |first| first.time_ns),
            age: Duration::from_nanos(now_ns.saturating_sub(last_ns)),
            holes,
            data: self.data.into(),
        }
    }
}
