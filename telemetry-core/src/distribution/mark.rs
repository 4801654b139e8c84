//! Whether anything was recorded since a distribution was read: a mark that each record sets and a reading takes.
//!
//! The marks of a thread lie side by side, so that who looks for what changed passes over them and not over the shards.

use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};

use crate::cell::{self, AtomicU64, Part};

/// How many marks lie side by side.
pub const MARKS: usize = if cfg!(loom) { 1 } else { 128 };

/// The mark where there is something which no reading has seen.
const RECORDED: u64 = u64::MAX;

/// Marks of shards of one thread. Each is the number of the reading at which its shard was found changed last, 0 before the first.
#[repr(align(128))]
pub struct Marks([AtomicU64; MARKS]);

impl Marks {
    /// None of them recorded.
    pub fn new() -> Arc<Self> {
        Arc::new(Self(std::array::from_fn(|_| AtomicU64::new(0))))
    }

    /// At which reading the shard of this place was found changed last; this one, where anything was recorded since. Each reading has a
    /// greater number than the one before, and the shard is to be looked at after this.
    #[inline]
    pub fn changed(&self, place: usize, reading: u64) -> u64 {
        let mark = &self.0[place % MARKS];
        let changed = mark.load(Relaxed);
        if changed != RECORDED {
            return changed;
        }
        // A swap, so that what was recorded up to here is seen by who looks now, and what comes after leaves its mark.
        mark.swap(reading, AcqRel);
        reading
    }
}

/// The mark of one shard.
#[derive(Clone)]
pub struct Mark(Part<Marks>);

impl Mark {
    /// That in this place.
    pub fn new(marks: &Arc<Marks>, place: usize) -> Self {
        Self(Part::new(marks, |marks| &marks.0[place % MARKS]))
    }

    /// Says that there is something which no reading has seen.
    #[inline(always)]
    pub fn set(&self) {
        // Whoever takes the mark sees what was recorded before it. What is recorded after is marked again.
        cell::store_for_swap(&self.0, RECORDED);
    }
}
