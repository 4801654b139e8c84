//! Counters: sums that only grow, of whole and of floating-point numbers.

use std::marker::PhantomData;

use super::family::{Family, Options, Read};
use super::series::{Target, instrument, reject, verbs};
use crate::frame::Shape;
use crate::thread::{Space, Sums, Verb};

/// A sum of `u64` that only grows; it wraps beyond `u64::MAX`.
///
/// Cost: what a plain add costs, and a thread's first record a lock. Memory: 8 bytes in the row of each thread that records.
///
/// ```
/// use telemetry_core::{Counter, metric};
///
/// /// Messages received.
/// #[metric(name = "doc_messages_in", unit = "{message}")]
/// static MESSAGES_IN: Counter;
///
/// MESSAGES_IN.inc();
/// MESSAGES_IN.add(2);
/// assert_eq!(MESSAGES_IN.value(), 3);
/// ```
pub struct Counter<L = ()> {
    family: Family,
    labels: PhantomData<fn(L) -> L>,
}

instrument!(
    Counter,
    Counter,
    Read::Number(Shape::U64, |slot, sums| Some(slot.whole(Some(sums))), Some(Sums::listed_whole)),
    Some(Space::Whole)
);

verbs!(Counter {
    /// Adds one.
    #[inline(always)]
    pub fn inc(&self) {
        self.update(Verb::Count, 1);
    }

    /// Adds `n`.
    #[inline(always)]
    pub fn add(&self, n: u64) {
        self.update(Verb::CountMany, n);
    }

    /// The sum so far, of all threads. Cost: a lock and one load a thread.
    pub fn value(&self) -> u64 {
        self.read(|slot| slot.whole(None)).unwrap_or(0)
    }
});

/// A sum of `f64` that only grows.
///
/// What is below zero, infinite or not a number is dropped and counted in `telemetry_measurements_rejected`. Cost and memory are
/// those of a [`Counter`]; an add takes several instructions, so that one of a signal handler that interrupts another is lost.
pub struct FloatCounter<L = ()> {
    family: Family,
    labels: PhantomData<fn(L) -> L>,
}

instrument!(
    FloatCounter,
    Counter,
    Read::Number(Shape::F64, |slot, sums| Some(slot.float(Some(sums)).to_bits()), Some(Sums::listed_float)),
    Some(Space::Float)
);

verbs!(FloatCounter {
    /// Adds one.
    #[inline(always)]
    pub fn inc(&self) {
        self.add(1.0);
    }

    /// Adds `x`.
    #[inline(always)]
    pub fn add(&self, x: f64) {
        if (0.0..f64::INFINITY).contains(&x) {
            self.update(Verb::AddFloat, x.to_bits());
        } else {
            reject();
        }
    }

    /// The sum so far, of all threads. Cost: a lock and one load a thread.
    pub fn value(&self) -> f64 {
        self.read(|slot| slot.float(None)).unwrap_or(0.0)
    }
});
