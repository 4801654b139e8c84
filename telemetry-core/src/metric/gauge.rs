//! Gauges: the last of independent values, whole or floating-point.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use super::MEASUREMENTS_REJECTED;
use super::family::{Cell, Family, Held, Options, instrument};
use crate::value::Value;

/// The last of independent `i64` values, such as the bytes in use; it wraps at its ends. A gauge that was never touched is not
/// exported.
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
    family: Family<L, GaugeCell>,
}

/// One series of a [`Gauge`] with labels.
pub struct GaugeSeries<'a> {
    cell: Held<'a, GaugeCell>,
    #[allow(dead_code)] // only a histogram reads its options
    options: &'a Options,
}

pub struct GaugeCell {
    value: AtomicI64,
    touched: AtomicBool,
}

impl GaugeCell {
    fn set(&self, n: i64) {
        self.value.store(n, Ordering::Relaxed);
        self.touched.store(true, Ordering::Relaxed);
    }

    fn add(&self, n: i64) {
        self.value.fetch_add(n, Ordering::Relaxed);
        self.touched.store(true, Ordering::Relaxed);
    }
}

impl Cell for GaugeCell {
    const NEW: Self = Self { value: AtomicI64::new(0), touched: AtomicBool::new(false) };

    fn value(&self, _: &Options) -> Option<Value> {
        self.touched.load(Ordering::Relaxed).then(|| Value::I64(self.value.load(Ordering::Relaxed)))
    }

    fn reset(&self) {
        self.touched.store(false, Ordering::Relaxed);
        self.value.store(0, Ordering::Relaxed);
    }
}

instrument!(Gauge, GaugeSeries, GaugeCell, Gauge);

/// The last of independent `f64` values. A gauge that was never touched is not exported.
///
/// What is infinite or not a number is dropped and counted in `telemetry_measurements_rejected`.
pub struct FloatGauge<L = ()> {
    family: Family<L, FloatGaugeCell>,
}

/// One series of a [`FloatGauge`] with labels.
pub struct FloatGaugeSeries<'a> {
    cell: Held<'a, FloatGaugeCell>,
    #[allow(dead_code)] // only a histogram reads its options
    options: &'a Options,
}

pub struct FloatGaugeCell {
    bits: AtomicU64,
    touched: AtomicBool,
}

impl FloatGaugeCell {
    fn set(&self, x: f64) {
        if !x.is_finite() {
            return MEASUREMENTS_REJECTED.inc();
        }
        self.bits.store(x.to_bits(), Ordering::Relaxed);
        self.touched.store(true, Ordering::Relaxed);
    }

    fn add(&self, x: f64) {
        if !x.is_finite() {
            return MEASUREMENTS_REJECTED.inc();
        }
        self.bits.update(Ordering::Relaxed, Ordering::Relaxed, |bits| (f64::from_bits(bits) + x).to_bits());
        self.touched.store(true, Ordering::Relaxed);
    }

    fn get(&self) -> f64 {
        f64::from_bits(self.bits.load(Ordering::Relaxed))
    }
}

impl Cell for FloatGaugeCell {
    const NEW: Self = Self { bits: AtomicU64::new(0), touched: AtomicBool::new(false) }; // the bits of 0.0

    fn value(&self, _: &Options) -> Option<Value> {
        self.touched.load(Ordering::Relaxed).then(|| Value::F64(self.get()))
    }

    fn reset(&self) {
        self.touched.store(false, Ordering::Relaxed);
        self.bits.store(0, Ordering::Relaxed);
    }
}

instrument!(FloatGauge, FloatGaugeSeries, FloatGaugeCell, Gauge);

macro_rules! verbs {
    ($type:ty, $number:ty, $one:expr, $negate:expr, |$self:ident| $cell:expr, $get:expr) => {
        impl $type {
            /// Sets the value.
            pub fn set(&$self, value: $number) {
                $cell.set(value);
            }

            /// Adds one.
            pub fn inc(&$self) {
                $cell.add($one);
            }

            /// Takes one away.
            pub fn dec(&$self) {
                $cell.add(-$one);
            }

            /// Adds to the value.
            pub fn add(&$self, value: $number) {
                $cell.add(value);
            }

            /// Takes away from the value.
            pub fn sub(&$self, value: $number) {
                $cell.add($negate(value));
            }

            /// The value now; zero where it was never touched.
            pub fn value(&$self) -> $number {
                $get
            }
        }
    };
}

verbs!(Gauge, i64, 1_i64, i64::wrapping_neg, |self| self.family.single(), self.family.single().value.load(Ordering::Relaxed));
verbs!(GaugeSeries<'_>, i64, 1_i64, i64::wrapping_neg, |self| self.cell, self.cell.value.load(Ordering::Relaxed));
verbs!(FloatGauge, f64, 1_f64, std::ops::Neg::neg, |self| self.family.single(), self.family.single().get());
verbs!(FloatGaugeSeries<'_>, f64, 1_f64, std::ops::Neg::neg, |self| self.cell, self.cell.get());
