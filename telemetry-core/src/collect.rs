//! Reading all metrics at one moment: first the collectors run, then the observed functions, then the cells are read.

use std::ops::Range;
use std::time::Duration;

use crate::callback::{self, Failure};
use crate::clock;
use crate::declaration::{Kind, MetricKind};
use crate::entry::{EntryRef, Item};
use crate::metric::{MEASUREMENTS_REJECTED, Reader};
use crate::registry::Registry;
use crate::value::{Point, Value};

/// What all metrics of a registry showed at one moment.
pub struct Collection {
    /// The start of all cumulative sums, in Unix nanoseconds.
    pub start_ns: u64,
    /// The moment of the reading, in Unix nanoseconds.
    pub time_ns: u64,
    /// One element a metric that has a value.
    pub metrics: Vec<Reading>,
    points: Vec<Point>,
}

/// One metric that has a value.
pub struct Reading {
    /// The metric.
    pub entry: EntryRef,
    /// The instrument that it is.
    pub kind: MetricKind,
    points: Range<usize>,
}

impl Collection {
    /// The points of one of its metrics, one a series.
    pub fn points(&self, reading: &Reading) -> &[Point] {
        self.points.get(reading.points.clone()).unwrap_or_default()
    }
}

/// Runs the collectors, then the observed functions, each within half of the deadline, and reads every metric.
///
/// A callback that fails is left out, counted and named; the others are in time. Cost, without callbacks: a load a cell, some ten
/// nanoseconds a metric, and for each distribution a lock and its buckets.
pub fn collect(registry: &Registry, deadline: Duration) -> Collection {
    let (entries, deadline) = (registry.entries(), deadline / 2);
    let of = |wanted: fn(&EntryRef) -> bool| entries.iter().filter(|entry| wanted(entry)).cloned().collect::<Vec<_>>();
    callback::pass(of(|entry| entry.kind == Kind::Collector), deadline, |entry| {
        if let Item::Collector(run) = entry.item {
            run();
        }
        Ok(())
    });
    let observed = callback::pass(of(|entry| entry.as_metric().is_some_and(|metric| metric.is_observed())), deadline, |entry| {
        let mut points = Vec::new();
        if let Some(metric) = entry.as_metric() {
            metric.read(&Reader::none(), &mut points);
        }
        if entry.kind == Kind::Metric(MetricKind::Counter) {
            points.retain(|point| {
                let grows = !matches!(point.value, Value::I64(..0)) && !matches!(point.value, Value::F64(value) if value < 0.0);
                if !grows {
                    MEASUREMENTS_REJECTED.inc();
                }
                grows
            });
        }
        Ok(points)
    });
    let reader = Reader::new();
    let time_ns = clock::now_ns();
    let mut observed = observed.into_iter().map(|(_, points)| points);
    let (mut metrics, mut points) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
    for entry in entries {
        let Kind::Metric(kind) = entry.kind else { continue };
        let Some(metric) = entry.as_metric() else { continue };
        let begins = points.len();
        if metric.is_observed() {
            points.extend(observed.next().and_then(Result::<_, Failure>::ok).unwrap_or_default());
        } else {
            metric.read(&reader, &mut points);
        }
        if points.len() > begins {
            metrics.push(Reading { entry, kind, points: begins..points.len() });
        }
    }
    Collection { start_ns: clock::start_ns(), time_ns, metrics, points }
}
