//! Up-down counters: sums that grow and shrink.

use std::sync::atomic::{AtomicI64, Ordering};

use super::family::{Cell, Family, Held, Options, instrument};
use crate::value::Value;

/// A sum of `i64` that grows and shrinks, such as the number of requests in flight; it wraps at its ends.
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
    family: Family<L, UpDownCell>,
}

/// One series of an [`UpDownCounter`] with labels.
pub struct UpDownCounterSeries<'a> {
    cell: Held<'a, UpDownCell>,
    #[allow(dead_code)] // only a histogram reads its options
    options: &'a Options,
}

pub struct UpDownCell(AtomicI64);

impl Cell for UpDownCell {
    const NEW: Self = Self(AtomicI64::new(0));

    fn value(&self, _: &Options) -> Option<Value> {
        Some(Value::I64(self.0.load(Ordering::Relaxed)))
    }

    fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

instrument!(UpDownCounter, UpDownCounterSeries, UpDownCell, UpDownCounter);

impl UpDownCounter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Takes one away.
    pub fn dec(&self) {
        self.sub(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: i64) {
        self.family.single().0.fetch_add(n, Ordering::Relaxed);
    }

    /// Takes `n` away.
    pub fn sub(&self, n: i64) {
        self.family.single().0.fetch_sub(n, Ordering::Relaxed);
    }

    /// The sum now.
    pub fn value(&self) -> i64 {
        self.family.single().0.load(Ordering::Relaxed)
    }
}

impl UpDownCounterSeries<'_> {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Takes one away.
    pub fn dec(&self) {
        self.sub(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: i64) {
        self.cell.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Takes `n` away.
    pub fn sub(&self, n: i64) {
        self.cell.0.fetch_sub(n, Ordering::Relaxed);
    }

    /// The sum now.
    pub fn value(&self) -> i64 {
        self.cell.0.load(Ordering::Relaxed)
    }
}
