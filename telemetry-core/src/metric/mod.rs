//! The instruments: what a static of each type records, and how it is read.

mod counter;
mod family;
mod gauge;
mod histogram;
mod labels;
mod observed;
mod series;
mod timer;
mod up_down_counter;
mod written;

pub use counter::{Counter, FloatCounter};
pub use family::Options;
pub use gauge::{FloatGauge, Gauge};
pub use histogram::{Histogram, Sample};
pub use labels::{LabelValue, Labels};
pub use observed::{Observation, ObservedFn, ObservedType};
pub use series::{Handle, Series};
pub use timer::{Recorder, Timer};
pub use up_down_counter::UpDownCounter;
pub(crate) use written::part;
pub use written::{Of, Part, Written, initial};

use std::sync::Arc;

use crate::thread::{self, Sums};
use crate::value::Point;

/// Measurements that instruments dropped; `own` declares it.
pub(crate) static MEASUREMENTS_REJECTED: Counter = Counter::new();

/// What all metrics are read from: the sums of all threads at one moment.
pub struct Reader {
    // Taken before the sums, and kept: the cells of a series that is in here are not another's until it is read.
    series: Vec<Vec<Arc<thread::Series>>>,
    sums: Sums,
}

impl Reader {
    /// Reads all cells in one pass.
    #[allow(clippy::new_without_default)] // it reads
    pub fn new() -> Self {
        let series = thread::all();
        Self { series, sums: Sums::read() }
    }

    /// One for functions that are observed, which read nothing.
    pub fn none() -> Self {
        Self { series: Vec::new(), sums: Sums::default() }
    }
}

/// A metric, whatever its type: what `collect` reads.
pub trait MetricSource: Send + Sync {
    /// Adds a point for each series.
    fn read(&self, reader: &Reader, points: &mut Vec<Point>);

    /// Whether reading runs the user's code.
    fn is_observed(&self) -> bool {
        false
    }
}

/// A metric without labels, whose verbs are its own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has labels, and is used through `with`",
    label = "write `.with(…)` before this, with the labels"
)]
pub trait Unlabelled {}

/// A type that `#[metric]` may stand on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a metric",
    note = "wanted `Counter`, `FloatCounter`, `UpDownCounter`, `Gauge`, `FloatGauge` or `Histogram`, each with or without labels"
)]
pub trait Metric {
    /// What its type tells of it.
    type Part: Part;
}
