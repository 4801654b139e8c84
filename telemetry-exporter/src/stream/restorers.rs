//! What readers of metrics that rest know of their segments, kept for them as long as there is room for it.
//!
//! Invariant: no more than [`RESTORERS_BYTES_MAX`] are held, however many rest. Who finds nothing of its place here begins its segment anew.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::piece::Position;
use crate::compact::Restorer;
use crate::limits::RESTORERS_BYTES_MAX;

/// What is known behind some messages, that which was left last at the end.
#[derive(Default)]
pub struct Restorers(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    all: VecDeque<(Position, usize, Restorer)>,
    bytes: usize,
}

impl Restorers {
    /// Keeps what is known at this position, in place of what was left the longest ago.
    pub fn leave(&self, at: Position, restorer: Restorer) {
        let bytes = size_of::<(Position, usize, Restorer)>() + restorer.bytes();
        let mut kept = self.0.lock();
        kept.bytes += bytes;
        kept.all.push_back((at, bytes, restorer));
        while kept.bytes > RESTORERS_BYTES_MAX
            && let Some((_, bytes, _)) = kept.all.pop_front()
        {
            kept.bytes -= bytes;
        }
    }

    /// What somebody left who stood there.
    pub fn take(&self, at: Position) -> Option<Restorer> {
        let mut kept = self.0.lock();
        let place = kept.all.iter().rposition(|(left_at, ..)| *left_at == at)?;
        let (_, bytes, restorer) = kept.all.remove(place)?;
        kept.bytes -= bytes;
        Some(restorer)
    }

    /// Bytes that are held.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.0.lock().bytes
    }
}
