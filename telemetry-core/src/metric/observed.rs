//! Observed metrics: functions whose value is read at each collection.

use super::MetricSource;
use super::labels::{Labels, pairs};
use crate::value::{Point, Value};

/// What an observed function may return: a number, a number that may be absent, or a number for each set of labels.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what an observed metric returns",
    note = "wanted `u64`, `i64` or `f64`, an `Option` of one, or a `Vec<(L, N)>` with `L: Labels`"
)]
pub trait Observation: 'static {
    /// Adds the points.
    fn points(self, points: &mut Vec<Point>);
}

macro_rules! observations {
    ($($number:ty => $variant:ident),*) => {
        $(impl Observation for $number {
            fn points(self, points: &mut Vec<Point>) {
                points.push(Point { labels: Vec::new(), value: Value::$variant(self) });
            }
        }

        impl<L: Labels> Observation for Vec<(L, $number)> {
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
    fn points(self, points: &mut Vec<Point>) {
        if let Some(observation) = self {
            observation.points(points);
        }
    }
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
    fn read(&self, points: &mut Vec<Point>) {
        (self.0)().points(points);
    }

    fn is_observed(&self) -> bool {
        true
    }
}
