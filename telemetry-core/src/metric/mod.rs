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

use std::sync::LazyLock;

use crate::clock;
use crate::declaration::{Declaration, MetricKind};
use crate::frame::Frame;
use crate::thread::{Listing, Sums};
use crate::value::Point;

/// Measurements that instruments dropped; `own` declares it.
pub(crate) static MEASUREMENTS_REJECTED: Counter = Counter::new();

/// What all metrics are read from: the sums of all threads at one moment.
#[derive(Default)]
pub struct Reader {
    // Taken before the sums, and kept: the cells of a series that is in here are not another's until it is read.
    series: Listing,
    sums: Sums,
}

impl Reader {
    /// Reads all cells in one pass, into the memory of the pass before.
    pub fn read(&mut self) {
        self.series.refresh();
        self.sums.read();
    }
}

/// A metric, whatever its type: what `collect` reads.
pub trait MetricSource: Send + Sync {
    /// Shows each series; none where a function tells them.
    fn read(&self, reader: &Reader, frame: &mut Frame);

    /// Runs the user's function, if there is one, and gives its points in the order of their labels.
    fn observe(&self) -> Vec<Point> {
        Vec::new()
    }

    /// Whether a function tells the series.
    fn is_observed(&self) -> bool {
        false
    }
}

/// Reads metrics that are in no registry.
pub fn read<M: MetricSource>(metrics: &[&M], reader: &mut Reader, frame: &mut Frame) {
    static NOBODY: LazyLock<Declaration> = LazyLock::new(|| Declaration::new(""));
    reader.read();
    frame.begin(clock::now_ns());
    for (place, metric) in metrics.iter().enumerate() {
        frame.metric(place, &NOBODY, MetricKind::Gauge);
        metric.read(reader, frame);
    }
    frame.end();
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
