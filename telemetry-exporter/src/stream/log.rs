//! One stream in memory: sealed segments, and the head that is being filled.
//!
//! Invariant: sequence numbers have no hole; the head's is the one after the newest sealed segment's. Times within a log never go
//! back. `kept + dropped == appended`; a rejected message is none of them.
//! Not here: what a message means, and which stream gives way when all together are too large (`set`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::find;
use super::frame::{self, FRAME_HEAD_BYTES};
use super::head::{self, Head};
use super::losses::Losses;
use super::options::StreamOptions;
use super::piece::{Piece, Position, Reason, Rejected, Restored, State};
use super::segment::Segment;
use super::templates::Templates;

/// How often a taken lock is tried again, some hundred nanoseconds apart, before the thread sleeps.
const LOCK_SPINS: usize = 200;

/// One stream in memory.
///
/// Appending takes one lock, copies the message and asks no clock; what is freed and made ready is so behind the lock. Ages are
/// those that a [`tick`](Self::tick) sees, so they are longer than the truth by up to the time between two.
pub struct Log {
    options: StreamOptions,
    inner: Mutex<Inner>,
    changed: Notify,
}

struct Inner {
    sealed: VecDeque<Segment>,
    sealed_bytes: usize,
    /// What compact messages are told by, and its bytes.
    templates: Option<Arc<Templates>>,
    aside_bytes: usize,
    head: Head,
    /// The tick that first saw a message of the head.
    head_began: Option<Instant>,
    /// Messages of the head that the last tick saw.
    head_seen: u64,
    /// That of the last tick which saw news.
    newest: Option<Instant>,
    last_time_ns: u64,
    /// Where the newest batch begins.
    latest: Position,
    losses: Losses,
    state: State,
    /// Whether somebody waits for news.
    is_awaited: bool,
    /// Of the last segment that was dropped, for use as room.
    left: Option<Bytes>,
}

/// Messages that are being appended together, with the lock of the log held. Dropping it lets others in and wakes the readers.
pub struct Batch<'a> {
    log: &'a Log,
    inner: Option<MutexGuard<'a, Inner>>,
    has_begun: bool,
    sealed: bool,
}

impl Log {
    /// An empty log.
    pub fn new(options: StreamOptions) -> Self {
        let inner = Inner {
            sealed: VecDeque::new(),
            sealed_bytes: 0,
            templates: None,
            aside_bytes: 0,
            head: Head::default(),
            head_began: None,
            head_seen: 0,
            newest: None,
            last_time_ns: 0,
            latest: Position::default(),
            losses: Losses::default(),
            state: State::default(),
            is_awaited: false,
            left: None,
        };
        Self { options, inner: Mutex::new(inner), changed: Notify::new() }
    }

    /// A log of an earlier life, which nobody appends to: its segments from this number on. `now` is when they have the age that they say.
    pub fn restored(options: StreamOptions, first_sequence: u64, segments: Vec<Restored>, appended: u64, now: Instant) -> Self {
        let log = Self::new(options);
        let mut inner = log.inner.lock();
        inner.state = State { first_sequence, head_sequence: first_sequence + segments.len() as u64, appended, ..State::default() };
        for Restored { data, messages, first_number, first_time_ns, age, holes } in segments {
            inner.sealed_bytes += data.len();
            inner.state.kept += messages;
            let newest = now.checked_sub(age).or(Some(now)); // a clock that began later knows no better
            inner.sealed.push_back(Segment { data, messages, first_number, first_time_ns, newest, holes });
        }
        inner.state.dropped = appended.saturating_sub(inner.state.kept);
        let before = inner.sealed.front().map_or(appended, |segment| segment.first_number);
        inner.losses.add(first_sequence, before, Reason::Dropped);
        inner.drop_beyond(log.options.bytes_max);
        drop(inner);
        log
    }

    /// Its messages are told by these, whose bytes count as the log's; those that no segment needs any more are forgotten.
    pub(super) fn told_by(self, templates: Arc<Templates>) -> Self {
        let mut inner = self.inner.lock();
        inner.aside_bytes = templates.forget_before(inner.state.first_sequence);
        inner.templates = Some(templates);
        inner.drop_beyond(self.options.bytes_max);
        drop(inner);
        self
    }

    /// Its bounds.
    pub fn options(&self) -> &StreamOptions {
        &self.options
    }

    /// Appends one message. Its time is raised to that of the message before it where the clock went back. Tells whether a segment was
    /// sealed.
    ///
    /// # Errors
    /// A message above `message_bytes_max`; it is counted, and the log is as it was.
    #[inline]
    pub fn append(&self, time_ns: u64, payload: &[u8]) -> Result<bool, Rejected> {
        let mut inner = self.lock(); // not by a batch, which would be moved
        let put = inner.put(&self.options, time_ns, payload.len(), |_, time_ns, out| frame::append(out, time_ns, payload));
        if let Ok(Put { at, .. }) = put {
            inner.latest = at;
        }
        self.let_go(inner);
        put.map(|put| put.sealed)
    }

    /// Begins to append messages that belong together, such as the parts of one collection: [`latest`](Self::latest) finds all of them.
    #[inline]
    pub fn batch(&self) -> Batch<'_> {
        Batch { log: self, inner: Some(self.lock()), has_begun: false, sealed: false }
    }

    /// Seals a head that has come of age and drops what is older than the window, although nobody appends.
    pub fn tick(&self, now: Instant) {
        let mut inner = self.inner.lock();
        inner.see(now);
        inner.head.tick();
        let is_old = |began: Instant| now.saturating_duration_since(began) >= self.options.seal_after.min(self.options.window / 4);
        let sealing = inner.head_began.is_some_and(is_old);
        if sealing {
            inner.seal();
            inner.head.relax();
        }
        let dropped = inner.expire(now, &self.options);
        drop(inner);
        drop(dropped);
        if sealing {
            self.changed.notify_waiters();
        }
    }

    /// Seals the head at once, where it holds anything.
    pub fn seal(&self) {
        let mut inner = self.inner.lock();
        if !inner.head.data.is_empty() {
            inner.seal();
        }
        drop(inner);
        self.changed.notify_waiters();
    }

    /// The time of the oldest message that could be dropped: of the oldest segment, or where none is sealed of the head.
    pub fn oldest(&self) -> Option<u64> {
        let inner = self.inner.lock();
        let head = (!inner.head.data.is_empty()).then_some(inner.head.first_time_ns);
        inner.sealed.front().map(|segment| segment.first_time_ns).or(head)
    }

    /// Drops the oldest segment, or where none is sealed the head, because all streams together are too large.
    pub fn give_way(&self) {
        let mut inner = self.inner.lock();
        if inner.sealed.is_empty() && !inner.head.data.is_empty() {
            inner.seal();
        }
        let dropped = inner.drop_first(Reason::Dropped);
        inner.head.relax();
        drop(inner);
        drop(dropped);
    }

    /// What begins at the position; with `head`, also what is not sealed yet. Sealed data is shared, the head's is copied.
    pub fn read(&self, at: Position, head: bool) -> Piece {
        let inner = self.inner.lock();
        let State { first_sequence, head_sequence, .. } = inner.state;
        if at.sequence < first_sequence {
            let (to_sequence, messages_before, reason) = inner.losses.of(at.sequence);
            return Piece::Gap { from: at, to: Position { sequence: to_sequence, offset: 0 }, messages_before, reason };
        }
        let end = inner.end();
        if at > end {
            return Piece::Beyond { end };
        }
        if at.sequence == head_sequence {
            let data = &inner.head.data[at.offset as usize..];
            if !head || data.is_empty() {
                return Piece::End;
            }
            return Piece::Data { from: at, next: end, data: Bytes::copy_from_slice(data) };
        }
        inner.sealed[(at.sequence - first_sequence) as usize].read(at)
    }

    /// Where the newest batch begins, and where it ends; none where nothing is held.
    pub fn latest(&self) -> Option<(Position, Position)> {
        let inner = self.inner.lock();
        let first = Position { sequence: inner.state.first_sequence, offset: 0 };
        let end = inner.end();
        (inner.state.kept > 0).then(|| (inner.latest.max(first), end))
    }

    /// Where the first message of this time or later is, of what is held; the end where there is none. Cost: one pass over the heads of
    /// the messages of a segment.
    pub fn at_time(&self, time_ns: u64) -> Position {
        let inner = self.inner.lock();
        let State { first_sequence, head_sequence, .. } = inner.state;
        let began = inner.sealed.partition_point(|segment| segment.first_time_ns < time_ns);
        let head_began = !inner.head.data.is_empty() && inner.head.first_time_ns < time_ns;
        let (sequence, data, holes) = if head_began && began == inner.sealed.len() {
            (head_sequence, &inner.head.data[..], &[][..])
        } else if let Some((last, segment)) = began.checked_sub(1).and_then(|last| Some((last, inner.sealed.get(last)?))) {
            (first_sequence + last as u64, &segment.data[..], &segment.holes[..])
        } else {
            return Position { sequence: first_sequence, offset: 0 };
        };
        match find::at_time(data, holes, time_ns) {
            Some(offset) => Position { sequence, offset },
            None if sequence == head_sequence => inner.end(),
            None => Position { sequence: sequence + 1, offset: 0 },
        }
    }

    /// Whether a message begins, or the data end, at this position of what is held.
    pub fn is_boundary(&self, at: Position) -> bool {
        let inner = self.inner.lock();
        let State { first_sequence, head_sequence, .. } = inner.state;
        match at.sequence.checked_sub(first_sequence) {
            None => true,                             // dropped by now: the reader is told of a gap
            _ if at.sequence > head_sequence => true, // and here that it is beyond the end
            Some(index) if at.sequence < head_sequence => {
                let Segment { data, holes, .. } = &inner.sealed[index as usize];
                find::is_boundary(data, holes, at.offset)
            }
            Some(_) => find::is_boundary(&inner.head.data, &[], at.offset),
        }
    }

    /// The oldest position that is held.
    pub fn first(&self) -> Position {
        Position { sequence: self.inner.lock().state.first_sequence, offset: 0 }
    }

    /// How many messages were appended before this segment, where it is held or the next.
    pub fn messages_before(&self, at: Position) -> u64 {
        let inner = self.inner.lock();
        let held = at.sequence.saturating_sub(inner.state.first_sequence) as usize;
        inner.sealed.get(held).map_or(inner.state.appended - inner.head.messages, |segment| segment.first_number)
    }

    /// Where the next message will be.
    pub fn end(&self) -> Position {
        self.inner.lock().end()
    }

    /// Messages and bytes.
    pub fn state(&self) -> State {
        let inner = self.inner.lock();
        State { bytes: inner.bytes(), ..inner.state }
    }

    /// Waits for a change; ask for this before reading, so that no change is missed in between.
    pub fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        let changed = self.changed.notified();
        self.inner.lock().is_awaited = true;
        changed
    }
}

impl Batch<'_> {
    /// Appends one message. Its time is raised to that of the message before it where the clock went back.
    ///
    /// # Errors
    /// A message above `message_bytes_max`; it is counted, and the log is as it was.
    #[inline]
    pub fn append(&mut self, time_ns: u64, payload: &[u8]) -> Result<(), Rejected> {
        self.append_as(time_ns, payload.len(), |_, _, out| out.extend_from_slice(payload))
    }

    /// Appends one message that readers get with so many bytes, and that is kept as what is written here: which may depend on the
    /// segment that it comes to be in, and on the time that its frame has.
    ///
    /// # Errors
    /// A message above `message_bytes_max`; it is counted, and the log is as it was.
    #[inline]
    pub fn append_as(&mut self, time_ns: u64, size: usize, write: impl FnOnce(u64, u64, &mut Vec<u8>)) -> Result<(), Rejected> {
        let Some(inner) = &mut self.inner else { return Ok(()) };
        let write = |sequence, time_ns, out: &mut Vec<u8>| frame::write(out, time_ns, |out| write(sequence, time_ns, out));
        let Put { at, sealed } = inner.put(&self.log.options, time_ns, size, write)?;
        self.sealed |= sealed;
        if !std::mem::replace(&mut self.has_begun, true) {
            inner.latest = at;
        }
        Ok(())
    }

    /// Counts messages that are not appended.
    pub(super) fn reject(&mut self, messages: usize) {
        if let Some(inner) = &mut self.inner {
            inner.state.rejected += messages as u64;
        }
    }

    /// Lets others in, and tells whether a segment was sealed.
    #[inline]
    pub fn end(mut self) -> bool {
        self.let_go();
        self.sealed
    }

    fn let_go(&mut self) {
        if let Some(inner) = self.inner.take() {
            self.log.let_go(inner);
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Log {
    /// Takes the lock to append. Who has it is done in less than a microsecond, and to be woken takes many times as long.
    #[inline]
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.try_lock().unwrap_or_else(|| self.lock_taken())
    }

    #[cold]
    fn lock_taken(&self) -> MutexGuard<'_, Inner> {
        for _ in 0..LOCK_SPINS {
            (0..8).for_each(|_| std::hint::spin_loop());
            if let Some(inner) = self.inner.try_lock() {
                return inner;
            }
        }
        self.inner.lock()
    }

    /// Lets others in, wakes who waits, and makes room ready for the next segment.
    #[inline]
    fn let_go(&self, mut inner: MutexGuard<'_, Inner>) {
        let wakes = std::mem::take(&mut inner.is_awaited);
        let wants = inner.head.wants(self.options.segment_bytes).map(|bytes| (inner.left.take(), bytes));
        drop(inner);
        if wakes {
            self.changed.notify_waiters();
        }
        if let Some((left, bytes)) = wants {
            self.make_ready(left, bytes);
        }
    }

    #[cold]
    fn make_ready(&self, left: Option<Bytes>, bytes: usize) {
        let room = head::room(left, bytes);
        self.lock().head.give(room);
    }
}

/// Where a message was put, and whether that sealed a segment.
#[derive(Clone, Copy)]
struct Put {
    at: Position,
    sealed: bool,
}

impl Inner {
    /// Appends one message, that readers get with so many bytes, as the frame that is written: in this segment, of this time.
    #[inline]
    fn put(
        &mut self,
        options: &StreamOptions,
        time_ns: u64,
        size: usize,
        write: impl FnOnce(u64, u64, &mut Vec<u8>),
    ) -> Result<Put, Rejected> {
        let bytes_max = options.message_bytes_max;
        if size > bytes_max {
            self.state.rejected += 1;
            return Err(Rejected { bytes: size, bytes_max });
        }
        let size = size + FRAME_HEAD_BYTES;
        let sealed = self.head.size + size > options.segment_bytes && !self.head.data.is_empty();
        if sealed {
            self.seal();
        }
        let sequence = self.state.head_sequence;
        self.last_time_ns = time_ns.max(self.last_time_ns);
        let (time_ns, head) = (self.last_time_ns, &mut self.head);
        if head.data.is_empty() {
            head.first_time_ns = time_ns;
        }
        let at = Position { sequence, offset: head.data.len() as u64 };
        write(sequence, time_ns, &mut head.data);
        head.size += size;
        head.messages += 1;
        self.state.appended += 1;
        self.state.kept += 1;
        if let Some(templates) = &self.templates {
            self.aside_bytes = templates.bytes();
        }
        if self.bytes() > options.bytes_max {
            self.drop_beyond(options.bytes_max);
        }
        Ok(Put { at, sealed })
    }

    fn bytes(&self) -> usize {
        self.sealed_bytes + self.head.data.len() + self.aside_bytes
    }

    fn end(&self) -> Position {
        Position { sequence: self.state.head_sequence, offset: self.head.data.len() as u64 }
    }

    /// Notes how old what came since the last tick is at the most.
    fn see(&mut self, now: Instant) {
        for segment in self.sealed.iter_mut().rev().take_while(|segment| segment.newest.is_none()) {
            segment.newest = Some(now);
        }
        if self.head.messages != self.head_seen {
            self.head_seen = self.head.messages;
            self.newest = Some(now);
            self.head_began = self.head_began.or(Some(now));
        }
    }

    #[cold]
    fn seal(&mut self) {
        let messages = self.head.messages;
        let newest = self.newest.filter(|_| messages == self.head_seen);
        let data = self.head.take();
        self.sealed_bytes += data.len();
        let (first_number, first_time_ns) = (self.state.appended - messages, self.head.first_time_ns);
        self.sealed.push_back(Segment { data, messages, first_number, first_time_ns, newest, holes: Vec::new() });
        (self.head_began, self.head_seen) = (None, 0);
        self.state.head_sequence += 1;
    }

    fn drop_first(&mut self, reason: Reason) -> Option<Bytes> {
        let segment = self.sealed.pop_front()?;
        self.sealed_bytes -= segment.data.len();
        self.state.first_sequence += 1;
        self.state.kept -= segment.messages;
        self.state.dropped += segment.messages;
        let before = self.sealed.front().map_or(self.state.appended - self.head.messages, |next| next.first_number);
        self.losses.add(self.state.first_sequence, before, reason);
        if let Some(templates) = &self.templates {
            self.aside_bytes = templates.forget_before(self.state.first_sequence);
        }
        Some(segment.data)
    }

    #[cold]
    fn drop_beyond(&mut self, bytes_max: usize) {
        while self.bytes() > bytes_max
            && let Some(data) = self.drop_first(Reason::Dropped)
        {
            self.left = Some(data);
        }
    }

    fn expire(&mut self, now: Instant, options: &StreamOptions) -> Vec<Bytes> {
        let old = |segment: &Segment| segment.newest.is_some_and(|newest| now.saturating_duration_since(newest) > options.window);
        let mut dropped = Vec::from_iter(self.left.take());
        while self.sealed.front().is_some_and(old) {
            dropped.extend(self.drop_first(Reason::Expired));
        }
        dropped
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
