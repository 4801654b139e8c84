//! Which messages are the last of their step, among those that were read so far.
//!
//! A message is left out where a later one of the same step, place and template comes: so the last values before a series came or went
//! are always told, and what says that a series has ended never falls out. What is not known yet to be the last is held back
//! until it is. Where that becomes more than [`THINNED_BYTES_MAX`], because series come and go all the time, the oldest is told all the same.

use std::collections::VecDeque;

use super::frame;
use super::piece::Position;
use crate::compact::Head;
use crate::limits::THINNED_BYTES_MAX;

/// Messages that were read and are not told.
#[derive(Default)]
pub struct Thinning {
    /// Those that are to be told, the oldest first.
    ready: VecDeque<Held>,
    /// Those behind them that may not be the last of their step, the oldest first.
    pending: VecDeque<Held>,
    pending_bytes: usize,
    /// Where it goes on behind them.
    pub at: Position,
    /// Whether one was told that need not be the last of its step, since nothing was waited for.
    is_over: bool,
}

/// One message.
pub struct Held {
    pub at: Position,
    pub step: u64,
    pub head: Head,
    pub time_ns: u64,
    pub message: Vec<u8>,
}

impl Thinning {
    /// Nothing, which goes on there.
    pub fn new(at: Position) -> Self {
        Self { at, ..Self::default() }
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        let held = |held: &Held| size_of::<Held>() + held.message.capacity();
        self.ready.iter().chain(&self.pending).map(held).sum()
    }

    /// Where what is told ends: nothing that is held lies before it.
    pub fn position(&self) -> Position {
        self.ready.front().or(self.pending.front()).map_or(self.at, |next| next.at)
    }

    /// Whether another may go on with it.
    pub fn is_of_use(&self) -> bool {
        !self.is_over
    }

    /// The next that is to be told.
    pub fn next(&mut self) -> Option<Held> {
        self.ready.pop_front()
    }

    /// Whether there is one that is to be told.
    pub fn has_next(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether there is one that may not be the last of its step.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Nothing comes behind what is pending, or nothing is waited for: it is to be told.
    pub fn finish(&mut self, is_over: bool) {
        self.is_over |= is_over;
        self.ready.append(&mut self.pending);
        self.pending_bytes = 0;
    }

    /// Takes in the next message; what is known by it to be the last of its step is to be told.
    pub fn take(&mut self, next: Held) {
        let Held { step, head, .. } = next;
        // What is told of the same place and template is the same series, later.
        let pending_bytes = &mut self.pending_bytes;
        self.pending.retain(|pending| {
            let stays = pending.step < step
                || pending.head.must_stay
                || (pending.head.lane, pending.head.template) != (head.lane, head.template);
            *pending_bytes -= if stays { 0 } else { pending.message.len() };
            stays
        });
        self.pending_bytes += next.message.len();
        self.pending.push_back(next);
        while self.pending_bytes > THINNED_BYTES_MAX
            || self.pending.front().is_some_and(|pending| pending.step < step || pending.head.must_stay)
        {
            let Some(pending) = self.pending.pop_front() else { break };
            self.pending_bytes -= pending.message.len();
            self.ready.push_back(pending);
        }
    }
}

impl Held {
    /// Writes it, and where it begins.
    pub fn write(self, out: &mut Vec<u8>, begins: &mut Vec<Position>) {
        begins.push(self.at);
        frame::write(out, self.time_ns, |out| out.extend_from_slice(&self.message));
    }
}
