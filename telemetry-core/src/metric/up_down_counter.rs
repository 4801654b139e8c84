//! Up-down counters: sums that grow and shrink.

use std::marker::PhantomData;

use super::family::{Family, Options, Read};
use super::series::{Target, instrument, verbs};
use crate::frame::Shape;
use crate::thread::{Space, Sums, Verb};

/// A sum of `i64` that grows and shrinks, such as the number of requests in flight; it wraps at its ends.
///
/// Cost: what a plain add costs, and a thread's first record a lock. Memory: 8 bytes in the row of each thread that records.
///
/// ```
/// use telemetry_core::{UpDownCounter, metric};
///
/// /// Requests in flight.
/// #[metric(name = "doc_in_flight", unit = "{request}")]
/// static IN_FLIGHT: UpDownCounter;
///
/// IN_FLIGHT.inc();
/// IN_FLIGHT.add(2);
/// IN_FLIGHT.dec();
/// assert_eq!(IN_FLIGHT.value(), 2);
/// ```
pub struct UpDownCounter<L = ()> {
    family: Family,
    labels: PhantomData<fn(L) -> L>,
}

instrument!(
    UpDownCounter,
    UpDownCounter,
    Read::Number(Shape::I64, |slot, sums| Some(slot.whole(Some(sums))), Some(Sums::listed_whole)),
    Some(Space::Whole)
);

verbs!(UpDownCounter {
    /// Adds one.
    #[inline(always)]
    pub fn inc(&self) {
        self.update(Verb::Increment, 1);
    }

    /// Takes one away.
    #[inline(always)]
    pub fn dec(&self) {
        self.update(Verb::Decrement, 1);
    }

    /// Adds `n`.
    #[inline(always)]
    pub fn add(&self, n: i64) {
        self.update(Verb::Add, n.cast_unsigned());
    }

    /// Takes `n` away.
    #[inline(always)]
    pub fn sub(&self, n: i64) {
        self.add(n.wrapping_neg());
    }

    /// The sum now, of all threads. Cost: a lock and one load a thread.
    pub fn value(&self) -> i64 {
        self.read(|slot| slot.whole(None)).unwrap_or(0).cast_signed()
    }
});
