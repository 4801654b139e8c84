//! What readers of metrics that rest know of what they are in the middle of, kept for them as long as there is room for it.
//!
//! Invariant: no more than [`RESTING_BYTES_MAX`] are held, however many rest. Who finds nothing of its own here begins its segment anew.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::piece::Position;
use super::thinning::Thinning;
use crate::compact::Restorer;
use crate::limits::RESTING_BYTES_MAX;

/// Where a reader goes on, and what it reads of what follows. What one leaves is of use for all with the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    pub at: Position,
    /// Of each step of so many nanoseconds the last message; all where it is 0.
    pub every_ns: u64,
    /// Whether also what is not sealed.
    pub head: bool,
    /// Not beyond this.
    pub end: Option<Position>,
}

/// What a reader knows.
#[derive(Default)]
pub struct Left {
    /// What the messages of a segment said.
    pub restorer: Restorer,
    /// Behind the last that the restorer took, where it did.
    pub restored: Option<Position>,
    /// What was read and is not told.
    pub thinning: Thinning,
}

/// What is known, that which was left last at the end.
#[derive(Default)]
pub struct Resting(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    all: VecDeque<(Rest, usize, Left)>,
    bytes: usize,
}

impl Resting {
    /// Keeps what is known, in place of what was left the longest ago; nothing for which too many others would have to go.
    pub fn leave(&self, rest: Rest, left: Left) {
        let bytes = size_of::<(Rest, usize, Left)>() + left.restorer.bytes() + left.thinning.bytes();
        if bytes > RESTING_BYTES_MAX / 2 {
            return;
        }
        let mut kept = self.0.lock();
        kept.bytes += bytes;
        kept.all.push_back((rest, bytes, left));
        while kept.bytes > RESTING_BYTES_MAX
            && let Some((_, bytes, _)) = kept.all.pop_front()
        {
            kept.bytes -= bytes;
        }
    }

    /// What somebody left who goes on so.
    pub fn take(&self, rest: Rest) -> Option<Left> {
        let mut kept = self.0.lock();
        let place = kept.all.iter().rposition(|(left, ..)| *left == rest)?;
        let (_, bytes, left) = kept.all.remove(place)?;
        kept.bytes -= bytes;
        Some(left)
    }

    /// Bytes that are held.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.0.lock().bytes
    }
}
