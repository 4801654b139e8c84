//! Histograms: distributions over base-2 exponential buckets, or over explicit bounds on request.

use std::time::Duration;

use super::distribution::HistogramCell;
use super::family::{Cell, Family, Held, Options, instrument};
use super::timer::Timer;

/// A distribution of values, with their count, sum, least and greatest.
///
/// Shape: at most [`HISTOGRAM_BUCKETS_MAX`](crate::limits::HISTOGRAM_BUCKETS_MAX) exponential buckets on each side of zero, whose
/// scale adapts; or, with `bounds = [..]`, `k` ascending bounds that give `k + 1` counts. What is infinite or not a number is
/// dropped and counted in `telemetry_measurements_rejected`.
///
/// ```
/// use telemetry_core::{Histogram, metric};
///
/// /// The time to answer a request.
/// #[metric(name = "doc_duration", unit = "s")]
/// static DURATION: Histogram;
///
/// /// The size of a request.
/// #[metric(name = "doc_size", unit = "By", bounds = [64.0, 1024.0, 65536.0])]
/// static SIZE: Histogram;
///
/// let timer = DURATION.start_timer();
/// SIZE.record(512);
/// timer.stop();
/// ```
pub struct Histogram<L = ()> {
    family: Family<L, HistogramCell>,
}

/// One series of a [`Histogram`] with labels.
pub struct HistogramSeries<'a> {
    cell: Held<'a, HistogramCell>,
    options: &'a Options,
}

/// A number that a histogram takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a number that a histogram takes",
    note = "a `Duration` goes through `record_duration`"
)]
pub trait Sample: Copy {
    /// The value; beyond 2^53 a whole number loses its last bits.
    fn to_f64(self) -> f64;
}

macro_rules! samples {
    ($($number:ty)*) => {
        $(impl Sample for $number {
            #[allow(clippy::cast_lossless, clippy::cast_precision_loss)]
            fn to_f64(self) -> f64 {
                self as f64
            }
        })*
    };
}

samples!(f64 f32 u64 u32 u16 u8 usize i64 i32 i16 i8 isize);

instrument!(Histogram, HistogramSeries, HistogramCell, Histogram);

impl Histogram {
    /// Records one value, in the unit of the metric.
    pub fn record(&self, value: impl Sample) {
        self.family.single().record(value.to_f64(), &self.family.options);
    }

    /// Records a time, in seconds.
    pub fn record_duration(&self, duration: Duration) {
        self.record(duration.as_secs_f64());
    }

    /// Starts a timer that records the seconds until it is stopped or dropped.
    pub fn start_timer(&self) -> Timer<'_> {
        Timer::start(Held::Dense(self.family.single()), &self.family.options)
    }
}

impl<'a> HistogramSeries<'a> {
    /// Records one value, in the unit of the metric.
    pub fn record(&self, value: impl Sample) {
        self.cell.record(value.to_f64(), self.options);
    }

    /// Records a time, in seconds.
    pub fn record_duration(&self, duration: Duration) {
        self.record(duration.as_secs_f64());
    }

    /// Starts a timer that records the seconds until it is stopped or dropped.
    pub fn start_timer(self) -> Timer<'a> {
        Timer::start(self.cell, self.options)
    }
}
