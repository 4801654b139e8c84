//! Whose turn a callback is: it runs once at a time, and one that hangs is not started again.
//!
//! Invariant: a run is overdue when the pass that started it was told so, and no other run is for its sake.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};

/// Stands beside each callback.
#[derive(Default)]
pub struct Turn {
    /// Held while the callback runs: a second caller waits. The runs that have begun.
    runs: Mutex<u64>,
    /// The number of the run that runs, 0 where none does.
    running: AtomicU64,
    /// The number of the last run that was told late. Nobody waits for it: it holds one thread, not one for each collection.
    late: AtomicU64,
}

/// A run, until it is dropped.
pub(crate) struct Running<'a> {
    turn: &'a Turn,
    runs: MutexGuard<'a, u64>,
}

impl Turn {
    /// Begins a run after the one that runs now has ended. None where that is overdue, or has not ended by then.
    pub(crate) fn take(&self, ends: Option<Instant>) -> Option<Running<'_>> {
        if self.is_overdue() {
            return None;
        }
        let mut runs = match ends {
            Some(ends) => self.runs.try_lock_until(ends)?,
            None => self.runs.lock(), // a deadline beyond what the clock can tell
        };
        *runs += 1;
        self.running.store(*runs, Ordering::Release);
        Some(Running { turn: self, runs })
    }

    /// Notes that the run of this number was told late.
    pub(crate) fn note_late(&self, number: u64) {
        self.late.fetch_max(number, Ordering::AcqRel);
    }

    /// Whether the run that runs now was told late.
    pub(crate) fn is_overdue(&self) -> bool {
        let running = self.running.load(Ordering::Acquire);
        running != 0 && running == self.late.load(Ordering::Acquire)
    }
}

impl Running<'_> {
    /// Its number, from 1.
    pub(crate) fn number(&self) -> u64 {
        *self.runs
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.turn.running.store(0, Ordering::Release);
    }
}
