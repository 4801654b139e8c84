//! Reading all metrics at one moment: first the collectors run, then the observed functions, then the cells are read.

use std::time::Duration;

use crate::callback;
use crate::clock;
use crate::declaration::{Kind, MetricKind};
pub use crate::distribution::{Buckets, Distribution};
use crate::entry::{Entry, EntryRef, Item};
pub use crate::frame::{Ended, Frame, MetricRow, SeriesRow, Shape};
use crate::metric::{MEASUREMENTS_REJECTED, Reader};
use crate::registry::Registry;
pub use crate::thread::Exemplar;
use crate::value::{Point, Value};

/// Reads all metrics of a registry, again and again, into memory that it keeps.
pub struct Collector {
    collectors: Vec<EntryRef>,
    observed: Vec<EntryRef>,
    metrics: Vec<(&'static Entry, MetricKind)>,
    reader: Reader,
    frame: Frame,
}

impl Collector {
    /// One for all metrics that are linked. There are none of run time.
    pub fn new(registry: &Registry) -> Self {
        Self::of(registry, |_| true)
    }

    /// One for those metrics and collectors that are wanted.
    pub fn of(registry: &Registry, wanted: impl Fn(&Entry) -> bool) -> Self {
        let entries: Vec<_> = registry.entries().into_iter().filter(|entry| wanted(entry)).collect();
        let of = |wanted: fn(&EntryRef) -> bool| entries.iter().filter(|entry| wanted(entry)).cloned().collect::<Vec<_>>();
        let metric = |entry: &EntryRef| match (entry, entry.kind) {
            (EntryRef::Linked(entry), Kind::Metric(kind)) => Some((*entry, kind)),
            _ => None,
        };
        Self {
            collectors: of(|entry| entry.kind == Kind::Collector),
            observed: of(|entry| entry.as_metric().is_some_and(|metric| metric.is_observed())),
            metrics: entries.iter().filter_map(metric).collect(),
            reader: Reader::default(),
            frame: Frame::default(),
        }
    }

    /// Runs the collectors, then the observed functions, each within half of the deadline, and reads every metric.
    ///
    /// A callback that fails is left out, counted and named; the others are in time. Cost, without callbacks: a load a cell, some
    /// nanoseconds a series, and for each distribution a lock and its buckets. While the series are those of the frame before no memory
    /// is taken, but by callbacks.
    pub fn collect(&mut self, deadline: Duration) -> &Frame {
        let deadline = deadline / 2;
        callback::pass(self.collectors.clone(), deadline, |entry| {
            if let Item::Collector(run) = entry.item {
                run();
            }
            Ok(())
        });
        let observed = callback::pass(self.observed.clone(), deadline, |entry| Ok(observe(entry)));
        self.reader.read();
        let frame = &mut self.frame;
        frame.begin(clock::now_ns());
        let mut observed = observed.into_iter().map(|(_, points)| points.unwrap_or_default());
        for (place, (entry, kind)) in self.metrics.iter().enumerate() {
            let Some(metric) = entry.as_metric() else { continue };
            frame.metric(place, entry.declaration(), *kind);
            if metric.is_observed() {
                let at = std::ptr::from_ref(*entry).addr();
                observed.next().into_iter().flatten().for_each(|point| frame.observed(at, point));
            } else {
                metric.read(&self.reader, frame);
            }
        }
        frame.end();
        frame
    }

    /// What was read last.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// What an observed function tells; a counter tells nothing below zero.
fn observe(entry: &Entry) -> Vec<Point> {
    let mut points = entry.as_metric().map(|metric| metric.observe()).unwrap_or_default();
    if entry.kind == Kind::Metric(MetricKind::Counter) {
        points.retain(|point| {
            let grows = !matches!(point.value, Value::I64(..0)) && !matches!(point.value, Value::F64(value) if value < 0.0);
            if !grows {
                MEASUREMENTS_REJECTED.inc();
            }
            grows
        });
    }
    points
}

/// What all metrics of a registry showed at one moment, as values of their own.
pub struct Collection {
    /// The moment of the reading, in Unix nanoseconds.
    pub time_ns: u64,
    /// One element a metric that has a value.
    pub metrics: Vec<Reading>,
}

/// One metric that has a value.
pub struct Reading {
    /// The metric.
    pub entry: EntryRef,
    /// The instrument that it is.
    pub kind: MetricKind,
    points: Vec<Point>,
}

impl Collection {
    /// The points of one of its metrics, one a series.
    pub fn points<'a>(&self, reading: &'a Reading) -> &'a [Point] {
        &reading.points
    }
}

/// Reads every metric once, as [`Collector::collect`] does. Cost: some memory a series.
pub fn collect(registry: &Registry, deadline: Duration) -> Collection {
    let mut collector = Collector::new(registry);
    collector.collect(deadline);
    let frame = collector.frame();
    let reading = |row: &MetricRow| {
        let (entry, kind) = collector.metrics[row.place];
        Reading { entry: EntryRef::Linked(entry), kind, points: frame.points(row) }
    };
    Collection { time_ns: frame.time_ns(), metrics: frame.metrics().iter().map(reading).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declaration::Declaration;
    use crate::label::LabelSet;

    #[test]
    fn no_point_is_before_the_start_of_its_series_when_the_clock_goes_back() {
        let declaration: &'static Declaration = Box::leak(Box::new(Declaration::new("stepped")));
        let mut frame = Frame::default();
        // Two series that began at 100 and 200, read by a clock that went back, and then went on.
        for (now_ns, time_ns) in [(50, 200), (150, 200), (300, 300)] {
            frame.begin(now_ns);
            frame.metric(0, declaration, MetricKind::Counter);
            frame.number((1, 100), Shape::U64, 7, LabelSet::default);
            frame.number((2, 200), Shape::U64, 8, LabelSet::default);
            frame.end();
            assert_eq!(frame.time_ns(), time_ns);
            assert_eq!(frame.series().iter().map(|row| row.start_ns).collect::<Vec<_>>(), [100, 200]);
        }
    }
}
