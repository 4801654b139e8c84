//! What all series showed at one moment, in memory that is used again for the next.
//!
//! Which series there are is compared with the frame before as they are read, one comparison a series. Where they are the same nothing
//! but the values changes, and `layout` is what it was: who makes something of a frame prepares for a layout once.
//! Not here: how series are found (`metric`), when they are read (`collect`).

use std::collections::HashSet;
use std::ops::Range;

use crate::declaration::{Declaration, MetricKind};
use crate::distribution::{Distribution, Merged};
use crate::label::LabelSet;
use crate::thread::{Exemplar, Identity, Seen};
use crate::value::{Point, Value};

/// What the value of a series is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Shape {
    /// An unsigned number.
    U64,
    /// A signed number.
    I64,
    /// A floating-point number.
    F64,
    /// A distribution over base-2 exponential buckets.
    Exponential,
    /// A distribution over these bounds.
    Explicit(&'static [f64]),
}

/// A metric that has a series.
#[derive(Clone, Debug)]
pub struct MetricRow {
    /// Its place among the metrics that were read.
    pub(crate) place: usize,
    /// Name, unit, description and scope.
    pub declaration: &'static Declaration,
    /// The instrument that it is.
    pub kind: MetricKind,
    /// Its series, by their number in the frame.
    pub series: Range<usize>,
}

/// What is constant of a series.
#[derive(Clone, Debug)]
pub struct SeriesRow {
    /// Keys and values.
    pub labels: LabelSet,
    /// From when on its sum counts, in Unix nanoseconds.
    pub start_ns: u64,
    /// What its value is.
    pub shape: Shape,
}

/// A series that was in the frame before and is no more.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The metric that it was of.
    pub declaration: &'static Declaration,
    /// The instrument that it is.
    pub kind: MetricKind,
    /// What it was.
    pub series: SeriesRow,
}

/// What all series showed at one moment.
#[derive(Default)]
pub struct Frame {
    time_ns: u64,
    layout: u64,
    metrics: Vec<MetricRow>,
    series: Vec<SeriesRow>,
    identities: Vec<Identity>,
    /// By series: the bits of its number, or the place of its distribution.
    values: Vec<u64>,
    distributions: Vec<Distribution>,
    /// By the place of a distribution.
    seen: Vec<Seen>,
    /// For one sum after the other.
    sum: Merged,
    /// By series, where it has one.
    exemplars: Vec<Option<Exemplar>>,
    ended: Vec<Ended>,
    pass: Pass,
}

/// Where a reading stands.
#[derive(Default)]
struct Pass {
    /// When the frame before was read, in Unix nanoseconds; 0 where there was none.
    before_ns: u64,
    /// The metric whose series are being read.
    metric: Option<(usize, &'static Declaration, MetricKind)>,
    /// The number of the next series.
    next: usize,
    /// Behind the place of the last distribution.
    next_distribution: usize,
    /// The number of the next series that may have an exemplar.
    next_exemplar: usize,
    /// Whether a series has an exemplar that had none in the frame before, or the other way round.
    exemplars_differ: bool,
    /// What the frame before had, where this one differs.
    before: Option<(Vec<MetricRow>, Vec<SeriesRow>)>,
}

impl Frame {
    /// When it was read, in Unix nanoseconds; never before the frame before, or the start of a series.
    pub fn time_ns(&self) -> u64 {
        self.time_ns
    }

    /// A number that changes whenever the metrics or the series do, or which of these have an exemplar.
    pub fn layout(&self) -> u64 {
        self.layout
    }

    /// The metrics that have a series.
    pub fn metrics(&self) -> &[MetricRow] {
        &self.metrics
    }

    /// All series.
    pub fn series(&self) -> &[SeriesRow] {
        &self.series
    }

    /// The values by series: the bits of a number, or for [`distribution`](Self::distribution) the place of one.
    pub fn values(&self) -> &[u64] {
        &self.values
    }

    /// The distribution in this place, which is the value of a series.
    pub fn distribution(&self, place: u64) -> Option<&Distribution> {
        self.distributions.get(usize::try_from(place).ok()?)
    }

    /// A number that changes whenever the distribution in this place does.
    pub fn version(&self, place: u64) -> u64 {
        usize::try_from(place).ok().and_then(|place| self.seen.get(place)).map_or(0, |seen| seen.reading)
    }

    /// The last value of this series that was recorded within a span, if there is one.
    pub fn exemplar(&self, number: usize) -> Option<&Exemplar> {
        self.exemplars.get(number)?.as_ref()
    }

    /// The series that were in the frame before and are not in this one.
    pub fn ended(&self) -> &[Ended] {
        &self.ended
    }

    /// The series of a metric as points of their own.
    pub fn points(&self, metric: &MetricRow) -> Vec<Point> {
        let value = |number: usize| {
            let bits = *self.values.get(number)?;
            let row = self.series.get(number)?;
            let value = match row.shape {
                Shape::U64 => Value::U64(bits),
                Shape::I64 => Value::I64(bits.cast_signed()),
                Shape::F64 => Value::F64(f64::from_bits(bits)),
                Shape::Exponential | Shape::Explicit(_) => self.distribution(bits)?.to_value(),
            };
            Some(Point { labels: row.labels.clone(), value })
        };
        metric.series.clone().filter_map(value).collect()
    }

    /// Begins a reading.
    pub(crate) fn begin(&mut self, time_ns: u64) {
        self.pass = Pass { before_ns: self.time_ns, ..Pass::default() };
        self.ended.clear();
        self.time_ns = time_ns.max(self.time_ns); // also where the clock went back
    }

    /// The series that are read from here on are of this metric.
    #[inline]
    pub(crate) fn metric(&mut self, place: usize, declaration: &'static Declaration, kind: MetricKind) {
        self.pass.metric = Some((place, declaration, kind));
        self.pass.next_exemplar = self.pass.next;
    }

    /// A series whose value is a number.
    #[inline]
    pub(crate) fn number(&mut self, identity: Identity, shape: Shape, bits: u64, labels: impl FnOnce() -> LabelSet) {
        if self.is_next(identity) {
            self.values[self.pass.next] = bits;
            self.pass.next += 1;
        } else {
            self.push(identity, SeriesRow { labels: labels(), start_ns: identity.1, shape }, bits);
        }
    }

    /// Room for so many distributions more, with the place of the first. What is in it is what was there in the frame before. And for a
    /// sum of one.
    pub(crate) fn room(&mut self, len: usize) -> (usize, &mut [Seen], &mut [Distribution], &mut Merged) {
        let place = self.pass.next_distribution;
        let end = place + len;
        self.pass.next_distribution = end;
        if self.distributions.len() < end {
            self.distributions.resize_with(end, Distribution::default);
            self.seen.resize_with(end, Seen::default);
        }
        (place, &mut self.seen[place..end], &mut self.distributions[place..end], &mut self.sum)
    }

    /// A series whose value is the distribution in this place, where it shows something.
    pub(crate) fn distribution_in(&mut self, place: usize, labels: impl FnOnce() -> LabelSet) {
        let Seen { identity, shows, .. } = self.seen[place];
        if !shows {
            return;
        }
        if self.is_next(identity) {
            self.values[self.pass.next] = place as u64;
            self.pass.next += 1;
        } else {
            let shape = self.distributions[place].bounds().map_or(Shape::Exponential, Shape::Explicit);
            self.push(identity, SeriesRow { labels: labels(), start_ns: identity.1, shape }, place as u64);
        }
    }

    /// The exemplar of a series of the present metric, where this frame has the series. They come in the order of the series. One that
    /// is of after the frame is left for the next.
    pub(crate) fn exemplar_of(&mut self, identity: Identity, exemplar: Option<&Exemplar>) {
        let next = self.pass.next_exemplar;
        if next < self.pass.next && self.identities[next] == identity {
            self.pass.next_exemplar += 1;
            if exemplar.is_none_or(|exemplar| exemplar.time_ns <= self.time_ns) {
                self.pass.exemplars_differ |= self.exemplars[next].is_some() != exemplar.is_some();
                self.exemplars[next] = exemplar.copied();
            }
        }
    }

    /// A series that a function told; those of one metric come in the order of their labels. It begins when all sums do, or where it
    /// is new, at the reading before: so OpenTelemetry has it of asynchronous instruments ("Start timestamps" in its SDK's
    /// specification), which were created then. What the function counts may have begun earlier.
    pub(crate) fn observed(&mut self, at: usize, point: Point) {
        let (shape, bits) = match point.value {
            Value::U64(value) => (Shape::U64, value),
            Value::I64(value) => (Shape::I64, value.cast_unsigned()),
            Value::F64(value) => (Shape::F64, value.to_bits()),
            Value::Exponential(_) | Value::Explicit(_) => return, // no function tells one
        };
        let known = self.identities.get(self.pass.next).zip(self.series.get(self.pass.next));
        let same = known.filter(|(identity, row)| identity.0 == at && row.labels == point.labels && row.shape == shape);
        if let (Some((_, row)), None) = (same, &self.pass.before) {
            let start_ns = row.start_ns;
            return self.number((at, start_ns), shape, bits, LabelSet::default);
        }
        let before = self.before_of(&point.labels);
        let start_ns = before.unwrap_or(if self.pass.before_ns == 0 { crate::clock::start_ns() } else { self.pass.before_ns });
        self.push((at, start_ns), SeriesRow { labels: point.labels, start_ns, shape }, bits);
    }

    /// Ends the reading.
    pub(crate) fn end(&mut self) {
        if self.pass.next < self.series.len() {
            self.differ();
        }
        self.layout += u64::from(self.pass.before.is_some() || self.pass.exemplars_differ);
        let Some((metrics, series)) = self.pass.before.take() else { return };
        fn keys<'a>(metrics: &'a [MetricRow], series: &'a [SeriesRow]) -> impl Iterator<Item = (&'a MetricRow, &'a SeriesRow)> {
            metrics.iter().flat_map(|metric| series[metric.series.clone()].iter().map(move |row| (metric, row)))
        }
        let now: HashSet<_> = keys(&self.metrics, &self.series).map(|(metric, row)| (metric.place, &row.labels)).collect();
        let ended = keys(&metrics, &series).filter(|(metric, row)| !now.contains(&(metric.place, &row.labels)));
        self.ended =
            ended.map(|(metric, row)| Ended { declaration: metric.declaration, kind: metric.kind, series: row.clone() }).collect();
    }

    /// Whether the frame before had this series here too.
    #[inline]
    fn is_next(&self, identity: Identity) -> bool {
        self.pass.before.is_none() && self.identities.get(self.pass.next) == Some(&identity)
    }

    /// When a series of these labels of the present metric began, if the frame before had one.
    fn before_of(&mut self, labels: &LabelSet) -> Option<u64> {
        self.differ();
        let place = self.pass.metric.as_ref()?.0;
        let (metrics, series) = self.pass.before.as_ref()?;
        let at = metrics.binary_search_by_key(&place, |metric| metric.place).ok()?;
        let series = &series[metrics[at].series.clone()];
        series.binary_search_by(|row| row.labels.cmp(labels)).ok().map(|at| series[at].start_ns)
    }

    /// From here on the series are others than in the frame before, which is kept for the comparison.
    fn differ(&mut self) {
        if self.pass.before.is_some() {
            return;
        }
        self.pass.before = Some((self.metrics.clone(), self.series.clone()));
        let next = self.pass.next;
        self.series.truncate(next);
        self.identities.truncate(next);
        self.values.truncate(next);
        self.exemplars.truncate(next);
        self.metrics.retain(|metric| metric.series.start < next);
        if let Some(last) = self.metrics.last_mut() {
            last.series.end = next;
        }
    }

    #[cold]
    fn push(&mut self, identity: Identity, row: SeriesRow, value: u64) {
        self.differ();
        let Some((place, declaration, kind)) = self.pass.metric else { return };
        self.time_ns = self.time_ns.max(row.start_ns); // where the clock went back since the series began
        let next = self.pass.next;
        match self.metrics.last_mut().filter(|metric| metric.place == place) {
            Some(metric) => metric.series.end += 1,
            None => self.metrics.push(MetricRow { place, declaration, kind, series: next..next + 1 }),
        }
        self.series.push(row);
        self.identities.push(identity);
        self.values.push(value);
        self.exemplars.push(None);
        self.pass.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::LazyLock;

    #[test]
    fn an_exemplar_is_told_by_the_first_frame_that_is_not_before_it() {
        static NOBODY: LazyLock<Declaration> = LazyLock::new(|| Declaration::new(""));
        let exemplar = |time_ns| Exemplar { bits: time_ns, time_ns, trace_id: [1; 16], span_id: [1; 8] };
        let mut frame = Frame::default();
        let mut told = |time_ns, exemplar: Exemplar| {
            frame.begin(time_ns);
            frame.metric(0, &NOBODY, MetricKind::Counter);
            frame.number((8, 0), Shape::U64, 1, LabelSet::default);
            frame.number((16, 0), Shape::U64, 1, LabelSet::default);
            for (at, start_ns) in [(7, 0), (8, 3), (16, 0)] {
                frame.exemplar_of((at, start_ns), Some(&exemplar)); // none of the first two is in the frame
            }
            frame.exemplar_of((8, 0), Some(&exemplar));
            frame.exemplar_of((16, 0), None);
            frame.end();
            (frame.layout(), frame.exemplar(0).map(|exemplar| exemplar.time_ns), frame.exemplar(1).copied())
        };
        assert_eq!(told(10, exemplar(11)), (1, None, None));
        assert_eq!(told(20, exemplar(11)), (2, Some(11), None));
        assert_eq!(told(30, exemplar(31)), (2, Some(11), None));
        assert_eq!(told(40, exemplar(31)), (2, Some(31), None));
    }
}
