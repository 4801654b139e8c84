//! Observed metrics: functions whose value is read at each collection.

use std::collections::HashSet;

use super::labels::{Labels, pairs};
use super::written::{Of, Part};
use super::{MEASUREMENTS_REJECTED, MetricSource, Reader};
use crate::frame::Frame;
use crate::label::LabelSet;
use crate::limits::SERIES_MAX;
use crate::value::{Point, Value};

/// What an observed function may return: a number, a number that may be absent, or a number for each set of labels.
///
/// What is infinite or not a number, a second number for the same labels, and what is beyond
/// [`SERIES_MAX`](crate::limits::SERIES_MAX) sets is dropped and counted in `telemetry_measurements_rejected`.
///
/// A counter's points start when the telemetry did, and those of a series that comes later at the collection before, as OpenTelemetry
/// has it of asynchronous instruments. A function that tells what was counted before that makes the first rate alone too high.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what an observed metric returns",
    note = "wanted `u64`, `i64` or `f64`, an `Option` of one, or a `Vec<(L, N)>` with `L: Labels`"
)]
pub trait Observation: 'static {
    /// The labels of its points; `()` where they have none.
    type Labels: Labels + 'static;
    /// Adds the points.
    fn points(self, points: &mut Vec<Point>);
}

macro_rules! observations {
    ($($number:ty => $variant:ident),*) => {
        $(impl Observation for $number {
            type Labels = ();

            fn points(self, points: &mut Vec<Point>) {
                points.push(Point { labels: LabelSet::default(), value: Value::$variant(self) });
            }
        }

        impl<L: Labels + 'static> Observation for Vec<(L, $number)> {
            type Labels = L;

            fn points(self, points: &mut Vec<Point>) {
                points.extend(self.into_iter().map(|(labels, number)| Point {
                    labels: pairs(&labels),
                    value: Value::$variant(number),
                }));
            }
        })*
    };
}

observations!(u64 => U64, i64 => I64, f64 => F64);

impl<T: Observation> Observation for Option<T> {
    type Labels = T::Labels;

    fn points(self, points: &mut Vec<Point>) {
        if let Some(observation) = self {
            observation.points(points);
        }
    }
}

/// What a function that is a metric may return.
pub trait ObservedType {
    /// What the type tells of the metric; `KIND` is that of the instrument.
    type Part<const KIND: u8>: Part;
}

impl<T: Observation> ObservedType for T {
    type Part<const KIND: u8> = Of<ObservedFn<T>, T::Labels, KIND>;
}

impl<T: 'static, L: Labels, const KIND: u8> Part for Of<ObservedFn<T>, L, KIND> {
    const PART: Self = Self::BYTES;
    const KIND: u8 = KIND;
    type Source = ObservedFn<T>;
    type Told = ();
    type Item = ();
    const INITIAL: Self::Item = ();
}

/// A metric whose value a function tells.
#[doc(hidden)]
pub struct ObservedFn<T>(fn() -> T);

impl<T> ObservedFn<T> {
    pub const fn new(observe: fn() -> T) -> Self {
        Self(observe)
    }
}

impl<T: Observation> MetricSource for ObservedFn<T> {
    fn read(&self, _: &Reader, _: &mut Frame) {}

    fn observe(&self) -> Vec<Point> {
        let mut points = Vec::new();
        (self.0)().points(&mut points);
        let mut seen = HashSet::new();
        points.retain(|point| {
            let finite = !matches!(point.value, Value::F64(value) if !value.is_finite());
            // One point a set of labels, and no more sets than a metric may have: what is beyond is dropped and counted.
            let kept = finite && seen.len() < SERIES_MAX && seen.insert(point.labels.clone());
            if !kept {
                MEASUREMENTS_REJECTED.inc();
            }
            kept
        });
        points.sort_by(|a, b| a.labels.cmp(&b.labels));
        points
    }

    fn is_observed(&self) -> bool {
        true
    }
}
