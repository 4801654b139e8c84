//! Gauges: the last of independent values, whole or floating-point.

use std::marker::PhantomData;

use super::family::{Family, Options, Read};
use super::series::{Target, instrument, reject, verbs};
use crate::frame::Shape;
use crate::thread::Verb;

/// The last of independent `i64` values, such as the bytes in use; it wraps at its ends. A gauge that was never touched is not
/// exported.
///
/// Cost: `set` is one store, the others one atomic add. Memory: nothing a thread.
///
/// ```
/// use telemetry_core::{Gauge, metric};
///
/// /// Bytes in use.
/// #[metric(name = "doc_used", unit = "By")]
/// static USED: Gauge;
///
/// USED.set(10);
/// USED.sub(3);
/// assert_eq!(USED.value(), 7);
/// ```
pub struct Gauge<L = ()> {
    family: Family,
    labels: PhantomData<fn(L) -> L>,
}

instrument!(Gauge, Gauge, Read::Number(Shape::I64, |slot, _| slot.shows().then(|| slot.gauge()), None), None);

verbs!(Gauge {
    /// Sets the value.
    #[inline(always)]
    pub fn set(&self, value: i64) {
        self.update(Verb::Set, value.cast_unsigned());
    }

    /// Adds one.
    #[inline(always)]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Takes one away.
    #[inline(always)]
    pub fn dec(&self) {
        self.sub(1);
    }

    /// Adds to the value.
    #[inline(always)]
    pub fn add(&self, value: i64) {
        self.update(Verb::Shift, value.cast_unsigned());
    }

    /// Takes away from the value.
    #[inline(always)]
    pub fn sub(&self, value: i64) {
        self.add(value.wrapping_neg());
    }

    /// The value now; zero where it was never touched.
    pub fn value(&self) -> i64 {
        self.read(|slot| slot.gauge().cast_signed()).unwrap_or(0)
    }
});

/// The last of independent `f64` values. A gauge that was never touched is not exported.
///
/// What is infinite or not a number is dropped and counted in `telemetry_measurements_rejected`.
///
/// Cost: `set` is one store, the others a compare-and-swap. Memory: nothing a thread.
pub struct FloatGauge<L = ()> {
    family: Family,
    labels: PhantomData<fn(L) -> L>,
}

instrument!(FloatGauge, Gauge, Read::Number(Shape::F64, |slot, _| slot.shows().then(|| slot.gauge()), None), None);

verbs!(FloatGauge {
    /// Sets the value.
    #[inline(always)]
    pub fn set(&self, value: f64) {
        if value.is_finite() {
            self.update(Verb::Set, value.to_bits());
        } else {
            reject();
        }
    }

    /// Adds one.
    #[inline(always)]
    pub fn inc(&self) {
        self.add(1.0);
    }

    /// Takes one away.
    #[inline(always)]
    pub fn dec(&self) {
        self.sub(1.0);
    }

    /// Adds to the value.
    #[inline(always)]
    pub fn add(&self, value: f64) {
        if value.is_finite() {
            self.update(Verb::ShiftFloat, value.to_bits());
        } else {
            reject();
        }
    }

    /// Takes away from the value.
    #[inline(always)]
    pub fn sub(&self, value: f64) {
        self.add(-value);
    }

    /// The value now; zero where it was never touched.
    pub fn value(&self) -> f64 {
        self.read(|slot| f64::from_bits(slot.gauge())).unwrap_or(0.0)
    }
});
