//! A stream made of the messages that were found of it: each segment as it was where all of it was found, and what is missing with what is
//! known of it.
//!
//! Invariant: numbers and places of what comes of it only rise; what contradicts that is left out and counted.
//! Not here: bounds, but for segments in a row of which nothing was found.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::stream::{FRAME_HEAD_BYTES, Hole, Reason, Restored, frame_of};

/// The messages of one segment.
#[derive(Default)]
pub struct Segment {
    /// Their frames, in the order in which they were found.
    data: Vec<u8>,
    /// By their offsets.
    messages: BTreeMap<u64, Message>,
}

#[derive(Clone, Copy)]
struct Message {
    number: u64,
    time_ns: u64,
    /// Where its frame is in what is held, and how long it is.
    held: usize,
    bytes: usize,
}

/// Messages that fell out of memory before they were written, by their numbers.
#[derive(Clone, Copy, Debug)]
pub struct Absent {
    pub from: u64,
    pub to: u64,
    pub reason: Reason,
}

/// A stream that was put together.
pub struct Rejoined {
    /// The number of the first segment.
    pub first: u64,
    pub segments: Vec<Restored>,
    /// Messages between or behind those that are there that are missing, and did not fall out of memory.
    pub lost: u64,
    /// Messages that fell out of memory before they were written.
    pub missed: u64,
    /// Messages that contradict others.
    pub malformed: u64,
}

impl Segment {
    /// Adds a message. So many bytes are held more: none where there is one at this place.
    pub fn add(&mut self, number: u64, offset: u64, time_ns: u64, payload: &[u8]) -> usize {
        if self.messages.contains_key(&offset) {
            return 0;
        }
        let (held, bytes) = (self.data.len(), FRAME_HEAD_BYTES + payload.len());
        self.data.resize(held + bytes, 0);
        frame_of(&mut self.data[held..], time_ns, payload);
        self.messages.insert(offset, Message { number, time_ns, held, bytes });
        bytes
    }

    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// The data in the order of the offsets.
    fn into_data(self) -> Vec<u8> {
        let (mut held, mut is_ordered) = (0, true);
        for message in self.messages.values() {
            is_ordered &= message.held == held;
            held += message.bytes;
        }
        if is_ordered && held == self.data.len() {
            return self.data;
        }
        let messages = self.messages.values().filter_map(|message| self.data.get(message.held..message.held + message.bytes));
        messages.flatten().copied().collect()
    }
}

/// Segments of which nothing was found, each of which is told as missing. Where there are more, what is before the newest of them is left out.
const MISSING_SEGMENTS_MAX: u64 = 1 << 12;

/// Puts a stream together. `end` is the number of the first message that never was; `now_ns` is when the segments are so old as their messages
/// say.
pub fn rejoin(mut segments: BTreeMap<u64, Segment>, absent: Vec<Absent>, end: u64, now_ns: u64) -> Rejoined {
    let malformed = settle(&mut segments);
    let mut absent = Missing::new(absent, &segments);
    let (mut restored, mut next, mut skipped) = (Vec::new(), None, 0);
    let mut segments = segments.into_iter().peekable();
    while let Some((sequence, segment)) = segments.next() {
        let Some(begins) = segment.messages.values().next().copied() else { continue };
        let missing = sequence - next.unwrap_or(sequence);
        skipped += missing;
        if skipped > MISSING_SEGMENTS_MAX {
            (skipped, absent.lost) = (0, 0);
            restored.clear();
        } else {
            let reason = absent.reason(begins.number);
            restored.extend((0..missing).map(|_| nothing(begins, reason, now_ns)));
        }
        next = Some(sequence + 1);
        let behind = segments.peek().and_then(|(_, behind)| behind.messages.values().next());
        restored.push(segment.restore(behind.map_or(end, |behind| behind.number), &mut absent, now_ns));
    }
    let first = next.map_or(0, |next| next - restored.len() as u64);
    Rejoined { first, segments: restored, lost: absent.lost, missed: absent.count, malformed }
}

/// Leaves out what contradicts what is before it: how many messages.
fn settle(segments: &mut BTreeMap<u64, Segment>) -> u64 {
    let (mut number, mut left_out) = (0, 0);
    for segment in segments.values_mut() {
        let mut at = 0;
        segment.messages.retain(|offset, message| {
            let follows = if *offset == at && at > 0 { message.number == number } else { message.number >= number };
            let is_right = *offset >= at && follows;
            if is_right {
                (at, number) = (offset + message.bytes as u64, message.number + 1);
            }
            left_out += u64::from(!is_right);
            is_right
        });
    }
    segments.retain(|_, segment| !segment.messages.is_empty());
    left_out
}

/// A segment of which nothing is there, before the one that begins so.
fn nothing(begins: Message, reason: Reason, now_ns: u64) -> Restored {
    let hole = Hole { from: 0, to: None, held: 0, messages_before: begins.number, reason };
    let age = Duration::from_nanos(now_ns.saturating_sub(begins.time_ns));
    Restored { first_time_ns: begins.time_ns, first_number: begins.number, age, holes: vec![hole], ..Restored::default() }
}

impl Segment {
    /// `after` is the number of the next message behind it that is there, or of the first that never was.
    fn restore(self, after: u64, absent: &mut Missing, now_ns: u64) -> Restored {
        let (mut holes, mut at, mut held, mut last) = (Vec::new(), 0, 0, None::<Message>);
        for (begin, message) in &self.messages {
            if *begin > at {
                let reason = match last {
                    Some(last) => absent.add(last.number + 1, message.number),
                    None => absent.reason(message.number),
                };
                holes.push(Hole { from: at, to: Some(*begin), held, messages_before: message.number, reason });
            }
            (at, held, last) = (begin + message.bytes as u64, held + message.bytes, Some(*message));
        }
        let end = last.map_or(after, |last| last.number + 1);
        if end < after {
            let reason = absent.add(end, after);
            holes.push(Hole { from: at, to: None, held, messages_before: after, reason });
        }
        let first = self.messages.values().next();
        Restored {
            messages: self.messages.len() as u64,
            first_number: first.map_or(0, |first| first.number),
            first_time_ns: first.map_or(0, |first| first.time_ns),
            age: Duration::from_nanos(now_ns.saturating_sub(last.map_or(0, |last| last.time_ns))),
            holes,
            data: self.into_data().into(),
        }
    }
}

/// What is known of the messages that are missing, asked for in the order of their numbers.
struct Missing {
    /// In order and apart from one another.
    absent: Vec<Absent>,
    next: usize,
    /// Messages in these that are not there all the same.
    count: u64,
    /// Messages that were asked for and are in none of these.
    lost: u64,
    /// The last answer, and up to which message it is.
    last: (u64, Reason),
}

impl Missing {
    /// Those that were written before they fell out, and found, are none.
    fn new(mut absent: Vec<Absent>, segments: &BTreeMap<u64, Segment>) -> Self {
        absent.sort_unstable_by_key(|absent| absent.from);
        absent.dedup_by(|next, before| {
            let is_joined = next.from <= before.to;
            if is_joined {
                before.to = before.to.max(next.to);
            }
            is_joined
        });
        let mut numbers = segments.values().flat_map(|segment| segment.messages.values().map(|message| message.number)).peekable();
        let mut count = 0_u64;
        for Absent { from, to, .. } in &absent {
            while numbers.next_if(|number| number < from).is_some() {}
            let mut there = 0;
            while numbers.next_if(|number| number < to).is_some() {
                there += 1;
            }
            count = count.saturating_add((to - from).saturating_sub(there));
        }
        Self { absent, next: 0, count, lost: 0, last: (0, Reason::Lost) }
    }

    /// Why the messages before this one are missing.
    fn reason(&self, before: u64) -> Reason {
        if self.last.0 == before {
            return self.last.1;
        }
        let place = self.absent.partition_point(|absent| absent.to < before);
        self.absent.get(place).filter(|absent| absent.from < before).map_or(Reason::Lost, |absent| absent.reason)
    }

    /// Notes that these are missing, and tells why.
    fn add(&mut self, from: u64, to: u64) -> Reason {
        while self.absent.get(self.next).is_some_and(|absent| absent.to <= from) {
            self.next += 1;
        }
        let (mut lost, mut reason) = (to.saturating_sub(from), Reason::Lost);
        for absent in self.absent[self.next..].iter().take_while(|absent| absent.from < to) {
            lost -= absent.to.min(to).saturating_sub(absent.from.max(from));
            reason = absent.reason;
        }
        let reason = if lost == 0 { reason } else { Reason::Lost };
        self.lost = self.lost.saturating_add(lost);
        self.last = (to, reason);
        reason
    }
}
