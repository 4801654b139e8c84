//! One stream in memory: sealed segments, and the head that is being filled.
//!
//! Invariant: sequence numbers have no hole; the head's is the one after the newest sealed segment's. Times within a log never go
//! back. `kept + dropped == appended`; a rejected message is none of them.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::frame::{self, FRAME_HEAD_BYTES};
use super::options::StreamOptions;

/// So many bytes into the data of that segment; the same before and after the segment is sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// The sequence number of the segment.
    pub sequence: u64,
    /// Bytes into its data.
    pub offset: u64,
}

/// Why a reader cannot have what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Older than the window.
    Expired,
    /// Dropped to stay within the bytes of the stream.
    Dropped,
}

/// What a log answers to a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// Whole messages of one segment.
    Data {
        /// Where they begin.
        from: Position,
        /// Where what follows begins.
        next: Position,
        /// The frames.
        data: Bytes,
    },
    /// What is not there any more.
    Gap {
        /// Where it begins.
        from: Position,
        /// The oldest that is held.
        to: Position,
        /// Why.
        reason: Reason,
    },
    /// Nothing more for now.
    End,
    /// The position is one that no reader was given.
    Beyond {
        /// The end of the log.
        end: Position,
    },
}

/// A message that is larger than the stream allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its bytes.
    pub bytes: usize,
    /// The bytes that are allowed.
    pub bytes_max: usize,
}

/// Messages and bytes of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The oldest segment that is held.
    pub first_sequence: u64,
    /// The segment that is being filled.
    pub head_sequence: u64,
    /// Messages taken in.
    pub appended: u64,
    /// Messages held.
    pub kept: u64,
    /// Messages that expired or were dropped.
    pub dropped: u64,
    /// Messages that were too large.
    pub rejected: u64,
    /// Bytes held, with their framing.
    pub bytes: usize,
}

/// One stream in memory.
pub struct Log {
    options: StreamOptions,
    inner: Mutex<Inner>,
    changed: Notify,
}

struct Inner {
    sealed: VecDeque<Segment>,
    sealed_bytes: usize,
    head: Vec<u8>,
    head_messages: u64,
    /// When the first message of the head came.
    head_began: Instant,
    newest: Instant,
    last_time_ns: u64,
    last_message_offset: usize,
    /// The newest drop: up to which sequence number, and why. Older reasons are of older segments.
    last_expired: u64,
    state: State,
}

struct Segment {
    data: Bytes,
    messages: u64,
    /// When its last message came.
    newest: Instant,
    /// Where the messages of its last time begin.
    last_message_offset: usize,
}

impl Log {
    /// An empty log.
    pub fn new(options: StreamOptions, now: Instant) -> Self {
        let inner = Inner {
            sealed: VecDeque::new(),
            sealed_bytes: 0,
            head: Vec::new(),
            head_messages: 0,
            head_began: now,
            newest: now,
            last_time_ns: 0,
            last_message_offset: 0,
            last_expired: 0,
            state: State::default(),
        };
        Self { options, inner: Mutex::new(inner), changed: Notify::new() }
    }

    /// Appends one message. Its time is raised to that of the message before it where the clock went back.
    ///
    /// # Errors
    /// A message above `message_bytes_max`; it is counted, and the log is as it was.
    pub fn append(&self, now: Instant, time_ns: u64, payload: &[u8]) -> Result<(), Rejected> {
        let mut inner = self.inner.lock();
        let bytes_max = self.options.message_bytes_max;
        if payload.len() > bytes_max {
            inner.state.rejected += 1;
            return Err(Rejected { bytes: payload.len(), bytes_max });
        }
        let frame_bytes = FRAME_HEAD_BYTES + payload.len();
        if inner.must_seal(now, frame_bytes, &self.options) {
            inner.seal();
        }
        if inner.head.is_empty() {
            inner.head_began = now;
        }
        let time_ns = time_ns.max(inner.last_time_ns);
        if time_ns != inner.last_time_ns || inner.head.is_empty() {
            inner.last_message_offset = inner.head.len();
        }
        frame::write(&mut inner.head, time_ns, payload);
        inner.last_time_ns = time_ns;
        inner.newest = now;
        inner.head_messages += 1;
        inner.state.appended += 1;
        inner.state.kept += 1;
        inner.drop_beyond(self.options.bytes_max);
        drop(inner);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Seals a head that has come of age and drops what is older than the window, although nobody appends.
    pub fn tick(&self, now: Instant) {
        let mut inner = self.inner.lock();
        let sealing = inner.must_seal(now, 0, &self.options);
        if sealing {
            inner.seal();
        }
        inner.expire(now, &self.options);
        drop(inner);
        if sealing {
            self.changed.notify_waiters();
        }
    }

    /// Seals the head at once, where it holds anything.
    pub fn seal(&self) {
        let mut inner = self.inner.lock();
        if !inner.head.is_empty() {
            inner.seal();
        }
        drop(inner);
        self.changed.notify_waiters();
    }

    /// What begins at the position; with `head`, also what is not sealed yet. Sealed data is shared, the head's is copied.
    pub fn read(&self, at: Position, head: bool) -> Piece {
        let inner = self.inner.lock();
        let State { first_sequence, head_sequence, .. } = inner.state;
        if at.sequence < first_sequence {
            let (to_sequence, reason) = if at.sequence < inner.last_expired {
                (inner.last_expired.min(first_sequence), Reason::Expired)
            } else {
                (first_sequence, Reason::Dropped)
            };
            return Piece::Gap { from: at, to: Position { sequence: to_sequence, offset: 0 }, reason };
        }
        let end = Position { sequence: head_sequence, offset: inner.head.len() as u64 };
        if at > end {
            return Piece::Beyond { end };
        }
        if at.sequence == head_sequence {
            let data = &inner.head[at.offset as usize..];
            if !head || data.is_empty() {
                return Piece::End;
            }
            return Piece::Data { from: at, next: end, data: Bytes::copy_from_slice(data) };
        }
        let segment = &inner.sealed[(at.sequence - first_sequence) as usize];
        let next = Position { sequence: at.sequence + 1, offset: 0 };
        match usize::try_from(at.offset) {
            Ok(offset) if offset <= segment.data.len() => Piece::Data { from: at, next, data: segment.data.slice(offset..) },
            _ => Piece::Beyond { end: Position { sequence: at.sequence, offset: segment.data.len() as u64 } },
        }
    }

    /// The messages of the newest time, from the head or the newest sealed segment.
    pub fn latest(&self) -> Option<Piece> {
        let inner = self.inner.lock();
        let head_sequence = inner.state.head_sequence;
        if !inner.head.is_empty() {
            let offset = inner.last_message_offset;
            let from = Position { sequence: head_sequence, offset: offset as u64 };
            let next = Position { sequence: head_sequence, offset: inner.head.len() as u64 };
            return Some(Piece::Data { from, next, data: Bytes::copy_from_slice(&inner.head[offset..]) });
        }
        let segment = inner.sealed.back()?;
        let from = Position { sequence: head_sequence - 1, offset: segment.last_message_offset as u64 };
        let next = Position { sequence: head_sequence, offset: 0 };
        Some(Piece::Data { from, next, data: segment.data.slice(segment.last_message_offset..) })
    }

    /// The oldest position that is held.
    pub fn first(&self) -> Position {
        Position { sequence: self.inner.lock().state.first_sequence, offset: 0 }
    }

    /// Messages and bytes.
    pub fn state(&self) -> State {
        let inner = self.inner.lock();
        State { bytes: inner.sealed_bytes + inner.head.len(), ..inner.state }
    }

    /// Waits for a change; ask for this before reading, so that no change is missed in between.
    pub fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }
}

impl Inner {
    fn must_seal(&self, now: Instant, frame_bytes: usize, options: &StreamOptions) -> bool {
        !self.head.is_empty()
            && (self.head.len() + frame_bytes > options.segment_bytes
                || now.saturating_duration_since(self.head_began) >= options.seal_after)
    }

    fn seal(&mut self) {
        let mut data = std::mem::take(&mut self.head);
        data.shrink_to_fit();
        self.sealed_bytes += data.len();
        self.sealed.push_back(Segment {
            data: data.into(),
            messages: std::mem::take(&mut self.head_messages),
            newest: self.newest,
            last_message_offset: std::mem::take(&mut self.last_message_offset),
        });
        self.state.head_sequence += 1;
    }

    fn drop_first(&mut self) -> bool {
        let Some(segment) = self.sealed.pop_front() else { return false };
        self.sealed_bytes -= segment.data.len();
        self.state.first_sequence += 1;
        self.state.kept -= segment.messages;
        self.state.dropped += segment.messages;
        true
    }

    fn drop_beyond(&mut self, bytes_max: usize) {
        while self.sealed_bytes + self.head.len() > bytes_max && self.drop_first() {}
    }

    fn expire(&mut self, now: Instant, options: &StreamOptions) {
        let old = |newest: Instant| now.saturating_duration_since(newest) > options.window;
        while self.sealed.front().is_some_and(|segment| old(segment.newest)) && self.drop_first() {
            self.last_expired = self.state.first_sequence;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::frames;
    use std::time::Duration;

    fn options() -> StreamOptions {
        StreamOptions {
            window: Duration::from_secs(60),
            bytes_max: 1_000,
            segment_bytes: 100,
            seal_after: Duration::from_secs(10),
            message_bytes_max: 50,
        }
    }

    /// Every message from a position on, and the gaps.
    fn drain(log: &Log, mut at: Position, head: bool) -> (Vec<Vec<u8>>, Vec<Piece>) {
        let (mut messages, mut gaps) = (Vec::new(), Vec::new());
        loop {
            match log.read(at, head) {
                Piece::Data { next, data, .. } => {
                    messages.extend(frames(&data).map(|frame| frame.expect("whole frames").payload.to_vec()));
                    at = next;
                }
                gap @ Piece::Gap { to, .. } => {
                    at = to;
                    gaps.push(gap);
                }
                Piece::End => return (messages, gaps),
                Piece::Beyond { end } => panic!("{at:?} is beyond {end:?}"),
            }
        }
    }

    fn balanced(log: &Log) -> State {
        let state = log.state();
        assert_eq!(state.kept + state.dropped, state.appended);
        state
    }

    #[test]
    fn a_segment_is_sealed_by_size_by_age_and_by_the_tick() {
        let now = Instant::now();
        let log = Log::new(options(), now);
        log.append(now, 1, &[0; 50]).unwrap();
        log.append(now, 2, &[0; 30]).unwrap(); // 62 + 42 bytes are above 100
        assert_eq!(log.state().head_sequence, 1);
        log.append(now + Duration::from_secs(10), 3, b"x").unwrap();
        assert_eq!(log.state().head_sequence, 2);
        log.tick(now + Duration::from_secs(19));
        assert_eq!(log.state().head_sequence, 2);
        log.tick(now + Duration::from_secs(20));
        assert_eq!(log.state().head_sequence, 3);
        log.tick(now + Duration::from_secs(60)); // an empty head is not sealed
        assert_eq!(log.state().head_sequence, 3);
    }

    #[test]
    fn the_oldest_segments_go_first_and_a_late_reader_is_told() {
        let now = Instant::now();
        let log = Log::new(options(), now);
        for i in 0..100_u8 {
            log.append(now, u64::from(i), &[i; 38]).unwrap(); // 50 bytes: two a segment, twenty in all
            balanced(&log);
        }
        let state = balanced(&log);
        assert_eq!((state.appended, state.kept, state.bytes), (100, 20, 1_000));
        let (messages, gaps) = drain(&log, Position::default(), true);
        assert_eq!(messages.iter().map(|message| message[0]).collect::<Vec<_>>(), (80..100).collect::<Vec<_>>());
        let to = Position { sequence: 40, offset: 0 };
        assert_eq!(gaps, [Piece::Gap { from: Position::default(), to, reason: Reason::Dropped }]);
    }

    #[test]
    fn what_is_older_than_the_window_expires() {
        let now = Instant::now();
        let log = Log::new(options(), now);
        log.append(now, 1, b"old").unwrap();
        log.append(now + Duration::from_secs(50), 2, b"new").unwrap();
        log.tick(now + Duration::from_secs(61));
        assert_eq!(balanced(&log).kept, 1);
        let (messages, gaps) = drain(&log, Position::default(), true);
        assert_eq!(messages, [b"new"]);
        assert!(matches!(gaps[..], [Piece::Gap { reason: Reason::Expired, .. }]), "{gaps:?}");
    }

    #[test]
    fn a_message_at_the_limit_is_taken_and_one_byte_more_is_counted_as_rejected() {
        let now = Instant::now();
        let log = Log::new(options(), now);
        log.append(now, 1, &[]).unwrap();
        log.append(now, 1, &[7; 50]).unwrap();
        assert_eq!(log.append(now, 1, &[7; 51]), Err(Rejected { bytes: 51, bytes_max: 50 }));
        let state = balanced(&log);
        assert_eq!((state.appended, state.rejected), (2, 1));
    }

    #[test]
    fn a_position_in_the_head_stays_good_when_the_head_is_sealed() {
        let now = Instant::now();
        let log = Log::new(options(), now);
        log.append(now, 1, b"a").unwrap();
        let Piece::Data { next, .. } = log.read(Position::default(), true) else { panic!("the head is readable") };
        log.append(now, 2, b"b").unwrap();
        log.seal();
        log.append(now, 3, b"c").unwrap();
        assert_eq!(drain(&log, next, true).0, [b"b", b"c"]);
        assert_eq!(drain(&log, next, false).0, [b"b"]);
    }

    #[test]
    fn a_position_that_nobody_was_given_is_beyond() {
        let now = Instant::now();
        let log = Log::new(options(), now);
        log.append(now, 1, b"a").unwrap();
        log.seal();
        let end = Position { sequence: 1, offset: 0 };
        for at in [(1, 1), (2, 0), (u64::MAX, u64::MAX)] {
            assert_eq!(log.read(Position { sequence: at.0, offset: at.1 }, true), Piece::Beyond { end });
        }
        let end = Position { sequence: 0, offset: 13 };
        assert_eq!(log.read(Position { sequence: 0, offset: 14 }, true), Piece::Beyond { end });
    }

    #[test]
    fn times_never_go_back() {
        let now = Instant::now();
        let log = Log::new(options(), now);
        for time_ns in [5, 3, 9, 1] {
            log.append(now, time_ns, b"").unwrap();
        }
        let Piece::Data { data, .. } = log.read(Position::default(), true) else { panic!("the head is readable") };
        let times: Vec<_> = frames(&data).map(|frame| frame.expect("whole frames").time_ns).collect();
        assert_eq!(times, [5, 5, 9, 9]);
    }

    #[test]
    fn the_latest_are_all_messages_of_the_newest_time() {
        let now = Instant::now();
        let log = Log::new(options(), now);
        assert_eq!(log.latest(), None);
        for (time_ns, payload) in [(1, b"a"), (2, b"b"), (2, b"c")] {
            log.append(now, time_ns, payload).unwrap();
        }
        for _ in 0..2 {
            let Some(Piece::Data { data, .. }) = log.latest() else { panic!("there are messages") };
            let found: Vec<_> = frames(&data).map(|frame| frame.expect("whole frames").payload.to_vec()).collect();
            assert_eq!(found, [b"b", b"c"]);
            log.seal();
        }
    }
}
