//! The instruments: what a static of each type records, and how it is read.

mod counter;
mod distribution;
mod exponential;
mod family;
mod gauge;
mod histogram;
mod labels;
mod observed;
mod timer;
mod up_down_counter;

pub use counter::{Counter, CounterSeries, FloatCounter, FloatCounterSeries};
pub use family::Options;
pub use gauge::{FloatGauge, FloatGaugeSeries, Gauge, GaugeSeries};
pub use histogram::{Histogram, HistogramSeries, Sample};
pub use labels::{LabelValue, Labels};
pub use observed::{Observation, ObservedFn};
pub use timer::Timer;
pub use up_down_counter::{UpDownCounter, UpDownCounterSeries};

use crate::declaration::MetricKind;
use crate::value::Point;

/// Measurements that instruments dropped; `own` declares it.
pub(crate) static MEASUREMENTS_REJECTED: Counter = Counter::new();

/// A metric, whatever its type: what `collect` reads.
pub trait MetricSource: Send + Sync {
    /// Adds a point for each series.
    fn read(&self, points: &mut Vec<Point>);

    /// Whether reading runs the user's code.
    fn is_observed(&self) -> bool {
        false
    }
}

/// A type that `#[metric]` may stand on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a metric",
    note = "wanted `Counter`, `FloatCounter`, `UpDownCounter`, `Gauge`, `FloatGauge` or `Histogram`, each with or without labels"
)]
pub trait Metric: MetricSource {
    /// The instrument that it is.
    const KIND: MetricKind;
}
