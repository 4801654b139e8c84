//! Histograms: distributions over base-2 exponential buckets, or over explicit bounds on request.

use std::marker::PhantomData;
use std::time::Duration;

use super::Unlabelled;
use super::family::{Family, Options, Read};
use super::labels::Labels;
use super::series::{Handle, Series, Target, instrument, verbs};
use super::timer::{Recorder, Timer};
use crate::thread::Verb;

/// A distribution of values, with their count, sum, least and greatest.
///
/// Shape: at most [`HISTOGRAM_BUCKETS_MAX`](crate::limits::HISTOGRAM_BUCKETS_MAX) exponential buckets on each side of zero, whose
/// scale adapts; or, with `bounds = [..]`, `k` ascending bounds that give `k + 1` counts. What is infinite or not a number is
/// dropped and counted in `telemetry_measurements_rejected`.
///
/// Cost: a comparison, a look-up in a table of 4 KiB and two adds; with explicit bounds a comparison with each, beyond 32 a binary
/// search, in place of the look-up; some more where all values are close together. A thread's first value and one that does not fit the
/// buckets take a lock and some memory. The sum of whole numbers is kept exactly. Memory: 1.6 KiB a series and thread that records it,
/// about twice that with values below zero.
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
    family: Family,
    labels: PhantomData<fn(L) -> L>,
}

/// A number that a histogram takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a number that a histogram takes",
    note = "a `Duration` goes through `record_duration`"
)]
pub trait Sample: Copy {
    /// The value; beyond 2^53 a whole number loses its last bits.
    fn to_f64(self) -> f64;

    /// The value, where it is whole and not negative by its type or by its sign.
    fn to_u64(self) -> Option<u64> {
        None
    }
}

macro_rules! samples {
    ($($number:ty)*; $($whole:ty)*) => {
        $(impl Sample for $number {
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self.into()
            }
        })*
        $(impl Sample for $whole {
            #[inline(always)]
            #[allow(clippy::cast_lossless, clippy::cast_precision_loss)]
            fn to_f64(self) -> f64 {
                self as f64
            }

            #[inline(always)]
            fn to_u64(self) -> Option<u64> {
                self.try_into().ok()
            }
        })*
    };
}

samples!(f64 f32; u64 u32 u16 u8 usize i64 i32 i16 i8 isize);

instrument!(Histogram, Histogram, Read::Distribution, None);

verbs!(Histogram {
    /// Records one value, in the unit of the metric.
    #[inline(always)]
    pub fn record(&self, value: impl Sample) {
        match value.to_u64() {
            Some(n) => self.update(Verb::RecordWhole, n),
            None => self.update(Verb::RecordFloat, value.to_f64().to_bits()),
        }
    }

    /// Records a time, in seconds.
    #[inline(always)]
    pub fn record_duration(&self, duration: Duration) {
        self.record(duration.as_secs_f64());
    }
});

impl<L: Labels> Histogram<L> {
    /// Starts a timer that records the seconds until it is stopped or dropped.
    pub fn start_timer(&self) -> Timer<&Self>
    where
        Self: Unlabelled,
    {
        Timer::start(self)
    }
}

impl<L: Labels, K: Labels> Series<'_, Histogram<L>, K> {
    /// Starts a timer that records the seconds until it is stopped or dropped.
    pub fn start_timer(self) -> Timer<Self> {
        Timer::start(self)
    }
}

impl<L: Labels> Handle<'_, Histogram<L>> {
    /// Starts a timer that records the seconds until it is stopped or dropped.
    pub fn start_timer(&self) -> Timer<&Self> {
        Timer::start(self)
    }
}

impl<L: Labels> Recorder for &Histogram<L>
where
    Histogram<L>: Unlabelled,
{
    fn seconds(&self, duration: Duration) {
        self.record_duration(duration);
    }
}

impl<L: Labels, K: Labels> Recorder for Series<'_, Histogram<L>, K> {
    fn seconds(&self, duration: Duration) {
        self.record_duration(duration);
    }
}

impl<L: Labels> Recorder for &Handle<'_, Histogram<L>> {
    fn seconds(&self, duration: Duration) {
        self.record_duration(duration);
    }
}
