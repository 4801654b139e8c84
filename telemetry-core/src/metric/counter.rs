//! Counters: sums that only grow, of whole and of floating-point numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use super::MEASUREMENTS_REJECTED;
use super::family::{Cell, Family, Held, Options, instrument};
use crate::value::Value;

/// A sum of `u64` that only grows; it wraps beyond `u64::MAX`.
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
    family: Family<L, CounterCell>,
}

/// One series of a [`Counter`] with labels.
pub struct CounterSeries<'a> {
    cell: Held<'a, CounterCell>,
    #[allow(dead_code)] // only a histogram reads its options
    options: &'a Options,
}

pub struct CounterCell(AtomicU64);

impl Cell for CounterCell {
    const NEW: Self = Self(AtomicU64::new(0));

    fn value(&self, _: &Options) -> Option<Value> {
        Some(Value::U64(self.0.load(Ordering::Relaxed)))
    }

    fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

instrument!(Counter, CounterSeries, CounterCell, Counter);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.family.single().0.fetch_add(n, Ordering::Relaxed);
    }

    /// The sum so far.
    pub fn value(&self) -> u64 {
        self.family.single().0.load(Ordering::Relaxed)
    }
}

impl CounterSeries<'_> {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.cell.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The sum so far.
    pub fn value(&self) -> u64 {
        self.cell.0.load(Ordering::Relaxed)
    }
}

/// A sum of `f64` that only grows.
///
/// What is below zero, infinite or not a number is dropped and counted in `telemetry_measurements_rejected`.
pub struct FloatCounter<L = ()> {
    family: Family<L, FloatCounterCell>,
}

/// One series of a [`FloatCounter`] with labels.
pub struct FloatCounterSeries<'a> {
    cell: Held<'a, FloatCounterCell>,
    #[allow(dead_code)] // only a histogram reads its options
    options: &'a Options,
}

pub struct FloatCounterCell(AtomicU64);

impl FloatCounterCell {
    fn add(&self, x: f64) {
        if !x.is_finite() || x < 0.0 {
            return MEASUREMENTS_REJECTED.inc();
        }
        self.0.update(Ordering::Relaxed, Ordering::Relaxed, |bits| (f64::from_bits(bits) + x).to_bits());
    }

    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

impl Cell for FloatCounterCell {
    const NEW: Self = Self(AtomicU64::new(0)); // the bits of 0.0

    fn value(&self, _: &Options) -> Option<Value> {
        Some(Value::F64(self.get()))
    }

    fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

instrument!(FloatCounter, FloatCounterSeries, FloatCounterCell, Counter);

impl FloatCounter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1.0);
    }

    /// Adds `x`.
    pub fn add(&self, x: f64) {
        self.family.single().add(x);
    }

    /// The sum so far.
    pub fn value(&self) -> f64 {
        self.family.single().get()
    }
}

impl FloatCounterSeries<'_> {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1.0);
    }

    /// Adds `x`.
    pub fn add(&self, x: f64) {
        self.cell.add(x);
    }

    /// The sum so far.
    pub fn value(&self) -> f64 {
        self.cell.get()
    }
}
