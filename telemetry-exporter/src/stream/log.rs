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
use super::piece::{Piece, Position, Reason, Rejected, State};

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
    /// Where the newest batch begins.
    latest: Position,
    /// The newest drop: up to which sequence number, and why. Older reasons are of older segments.
    last_expired: u64,
    /// Messages that were dropped by then.
    dropped_then: u64,
    state: State,
}

struct Segment {
    data: Bytes,
    messages: u64,
    /// When its last message came.
    newest: Instant,
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
            latest: Position::default(),
            last_expired: 0,
            dropped_then: 0,
            state: State::default(),
        };
        Self { options, inner: Mutex::new(inner), changed: Notify::new() }
    }

    /// Appends one message. Its time is raised to that of the message before it where the clock went back.
    ///
    /// # Errors
    /// A message above `message_bytes_max`; it is counted, and the log is as it was.
    pub fn append(&self, now: Instant, time_ns: u64, payload: &[u8]) -> Result<(), Rejected> {
        self.append_batch(now, time_ns, &[payload])
    }

    /// Appends messages that belong together, such as the parts of one collection: [`latest`](Self::latest) finds all of them.
    ///
    /// # Errors
    /// The first message above `message_bytes_max`; each such is counted, and the others are appended.
    pub fn append_batch(&self, now: Instant, time_ns: u64, payloads: &[impl AsRef<[u8]>]) -> Result<(), Rejected> {
        let mut inner = self.inner.lock();
        let bytes_max = self.options.message_bytes_max;
        let (mut rejected, mut first) = (Ok(()), true);
        for payload in payloads.iter().map(AsRef::as_ref) {
            if payload.len() > bytes_max {
                inner.state.rejected += 1;
                rejected = rejected.and(Err(Rejected { bytes: payload.len(), bytes_max }));
            } else {
                inner.take(now, time_ns, payload, &self.options);
                if std::mem::take(&mut first) {
                    let offset = (inner.head.len() - FRAME_HEAD_BYTES - payload.len()) as u64;
                    inner.latest = Position { sequence: inner.state.head_sequence, offset };
                }
            }
        }
        drop(inner);
        self.changed.notify_waiters();
        rejected
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
            let (to_sequence, messages_before, reason) = if at.sequence < inner.last_expired {
                (inner.last_expired, inner.dropped_then, Reason::Expired) // what was dropped since lies behind it
            } else {
                (first_sequence, inner.state.dropped, Reason::Dropped)
            };
            return Piece::Gap { from: at, to: Position { sequence: to_sequence, offset: 0 }, messages_before, reason };
        }
        let end = inner.end();
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

    /// Where the newest batch begins, and where it ends; none where nothing is held.
    pub fn latest(&self) -> Option<(Position, Position)> {
        let inner = self.inner.lock();
        let first = Position { sequence: inner.state.first_sequence, offset: 0 };
        let end = inner.end();
        (inner.state.kept > 0).then(|| (inner.latest.max(first), end))
    }

    /// Whether a message begins, or the data end, at this position of what is held.
    pub fn is_boundary(&self, at: Position) -> bool {
        let inner = self.inner.lock();
        let State { first_sequence, head_sequence, .. } = inner.state;
        let data: &[u8] = match at.sequence.checked_sub(first_sequence) {
            _ if at.offset == 0 => return true,
            None => return true, // dropped by now: the reader is told of a gap
            Some(index) if at.sequence < head_sequence => &inner.sealed[index as usize].data,
            Some(_) => &inner.head,
        };
        let mut offset = 0;
        let ends = frame::frames(data).map_while(Result::ok).map(|frame| {
            offset += (FRAME_HEAD_BYTES + frame.payload.len()) as u64;
            offset
        });
        at.offset > data.len() as u64 || ends.take_while(|end| *end <= at.offset).any(|end| end == at.offset)
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

    fn end(&self) -> Position {
        Position { sequence: self.state.head_sequence, offset: self.head.len() as u64 }
    }

    fn take(&mut self, now: Instant, time_ns: u64, payload: &[u8], options: &StreamOptions) {
        if self.must_seal(now, FRAME_HEAD_BYTES + payload.len(), options) {
            self.seal();
        }
        if self.head.is_empty() {
            self.head_began = now;
        }
        self.last_time_ns = time_ns.max(self.last_time_ns);
        frame::write(&mut self.head, self.last_time_ns, payload);
        self.newest = now;
        self.head_messages += 1;
        self.state.appended += 1;
        self.state.kept += 1;
        self.drop_beyond(options.bytes_max);
    }

    fn seal(&mut self) {
        let mut data = std::mem::take(&mut self.head);
        data.shrink_to_fit();
        self.sealed_bytes += data.len();
        self.sealed.push_back(Segment {
            data: data.into(),
            messages: std::mem::take(&mut self.head_messages),
            newest: self.newest,
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
            self.dropped_then = self.state.dropped;
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
        assert_eq!(gaps, [Piece::Gap { from: Position::default(), to, messages_before: 80, reason: Reason::Dropped }]);
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
        assert!(matches!(gaps[..], [Piece::Gap { reason: Reason::Expired, messages_before: 1, .. }]), "{gaps:?}");
    }

    #[test]
    fn a_reader_that_counts_knows_from_each_gap_how_many_messages_it_missed() {
        let now = Instant::now();
        let log = Log::new(options(), now);
        for i in 0..7 {
            log.append(now, i, b"old").unwrap();
        }
        log.append(now + Duration::from_secs(61), 7, b"new").unwrap(); // seals the others by age
        log.tick(now + Duration::from_secs(61));
        for i in 0..100 {
            log.append(now + Duration::from_secs(62), i, &[0; 8]).unwrap(); // five to a segment
        }
        let (messages, gaps) = drain(&log, Position::default(), true);
        let missed = gaps.iter().map(|gap| match gap {
            Piece::Gap { messages_before, reason, .. } => (*messages_before, *reason),
            other => panic!("{other:?}"),
        });
        let dropped = balanced(&log).dropped;
        assert_eq!(missed.collect::<Vec<_>>(), [(7, Reason::Expired), (dropped, Reason::Dropped)]);
        assert_eq!(messages.len() as u64 + dropped, 108);
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
    fn the_latest_is_the_newest_batch_even_across_segments_and_when_the_clock_stands() {
        let now = Instant::now();
        let log = Log::new(options(), now);
        assert_eq!(log.latest(), None);
        log.append(now, 5, b"a").unwrap();
        log.append_batch(now, 5, &[[1; 50], [2; 50], [3; 50]]).unwrap(); // a segment each
        for _ in 0..2 {
            let (from, end) = log.latest().expect("there are messages");
            assert_eq!(drain(&log, from, true).0, [[1; 50], [2; 50], [3; 50]]);
            assert!(end.sequence > from.sequence);
            log.seal();
        }
        log.append(now, 1, b"d").unwrap(); // the clock went back: the time is that of the batch before
        let (from, _) = log.latest().expect("there are messages");
        assert_eq!(drain(&log, from, true).0, [b"d"]);
    }

    #[test]
    fn of_a_batch_only_what_is_too_large_is_missing() {
        let now = Instant::now();
        let log = Log::new(options(), now);
        let rejected = log.append_batch(now, 1, &[vec![1; 51], vec![2; 50], vec![3; 52]]);
        assert_eq!(rejected, Err(Rejected { bytes: 51, bytes_max: 50 }));
        let state = balanced(&log);
        assert_eq!((state.appended, state.rejected), (1, 2));
        let (from, _) = log.latest().expect("one was taken");
        assert_eq!(drain(&log, from, true).0, [vec![2; 50]]);
    }

    #[test]
    fn only_the_ends_of_messages_are_boundaries() {
        let now = Instant::now();
        let log = Log::new(options(), now);
        log.append(now, 1, b"abc").unwrap();
        log.append(now, 2, b"").unwrap();
        for _ in 0..2 {
            let at = |offset| Position { sequence: 0, offset };
            let found: Vec<_> = (0..=27).filter(|offset| log.is_boundary(at(*offset))).collect();
            assert_eq!(found, [0, 15, 27]);
            log.seal();
        }
    }
}
