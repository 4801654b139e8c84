//! The metrics under the names that Prometheus has for them: one family a name, one series a label set.
//!
//! Metrics of several scopes that have one name are one family, with the first one's help, if they are of one type. What cannot be said
//! beside another, of another type or with the same labels, is left out and counted. So are deltas, which are no totals. Points
//! without a value are no series. Not here: how any format writes them.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, DataPointFlags, Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, SummaryDataPoint, metric, number_data_point,
};
use telemetry_core::MetricKind;
use telemetry_core::prometheus::{TARGET_INFO, unit_name};

use super::labels::{Labels, Set};
use super::name;
use super::negotiate::Escaping;

/// Series that Prometheus' formats cannot say beside one of the same name, of another type or with the same labels, and deltas.
#[telemetry_core::metric(name = "telemetry_prometheus_series_omitted", unit = "{series}")]
pub static SERIES_OMITTED: telemetry_core::Counter;

/// All families, sorted by name, and the labels of their series.
pub struct Families<'a> {
    /// What the sets of the series refer to.
    pub labels: Labels,
    /// Who is measured.
    pub target: Option<Set>,
    /// None has the name of another, nor one that the series of another have.
    pub all: Vec<Family<'a>>,
}

/// The metrics of one name.
pub struct Family<'a> {
    /// With its suffixes, as the reader wants it.
    pub name: String,
    /// What its series are.
    pub kind: Kind,
    /// The description of the first metric that has one.
    pub help: &'a str,
    unit: &'a str,
    instrument: MetricKind,
    /// Sorted by labels, each set once.
    pub series: Vec<Series<'a>>,
}

/// What Prometheus knows of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// A number.
    Gauge,
    /// Of either form.
    Histogram,
    /// Quantiles that were computed elsewhere.
    Summary,
}

/// One label set, and its value.
pub struct Series<'a> {
    /// Of [`Families::labels`].
    pub labels: Set,
    /// The value.
    pub point: Point<'a>,
}

/// A value as OTLP has it.
#[derive(Clone, Copy)]
pub enum Point<'a> {
    /// Of a counter or a gauge.
    Number(&'a NumberDataPoint),
    /// A histogram with bounds of its own.
    Explicit(&'a HistogramDataPoint),
    /// A histogram with bounds by arithmetic.
    Exponential(&'a ExponentialHistogramDataPoint),
    /// Quantiles.
    Summary(&'a SummaryDataPoint),
}

impl<'a> Families<'a> {
    /// Those of all metrics, with names for this reader.
    pub fn of(metrics: &'a ResourceMetrics, escaping: Escaping) -> Self {
        let mut labels = Labels::new(escaping);
        let attributes = metrics.resource.as_ref().map(|resource| &resource.attributes);
        let target = attributes.filter(|attributes| !attributes.is_empty()).map(|attributes| labels.target(attributes));
        let mut named = Vec::new();
        for scope in &metrics.scope_metrics {
            let scope_labels = labels.scope(scope.scope.as_ref(), &scope.schema_url);
            for metric in &scope.metrics {
                let Some((kind, instrument)) = kind(metric) else {
                    SERIES_OMITTED.add(points(metric).count() as u64);
                    continue;
                };
                named.push((
                    name::metric(&metric.name, &metric.unit, instrument, escaping),
                    kind,
                    instrument,
                    metric,
                    scope_labels,
                ));
            }
        }
        named.sort_by(|(one, ..), (other, ..)| one.cmp(other)); // stable: the first of a name stays the first
        let mut all: Vec<Family> = Vec::with_capacity(named.len());
        for (name, kind, instrument, metric, scope) in named {
            if all.last().is_none_or(|last| last.name != name) {
                all.push(Family { name, kind, help: "", unit: &metric.unit, instrument, series: Vec::new() });
            }
            let Some(family) = all.last_mut() else { continue };
            if family.kind != kind {
                SERIES_OMITTED.add(points(metric).count() as u64);
                continue;
            }
            if family.help.is_empty() {
                family.help = &metric.description;
            }
            let taken = kind.label();
            let point = |point: Point<'a>| Series { labels: labels.series(point.attributes(), taken, scope), point };
            family.series.extend(points(metric).filter(Point::has_value).map(point));
        }
        for family in &mut all {
            family.tell_apart(&labels);
        }
        let mut families = Self { labels, target, all };
        families.give_way();
        families
    }

    /// Whether a family has this name.
    pub fn has(&self, name: &str) -> bool {
        self.all.binary_search_by(|family| family.name.as_str().cmp(name)).is_ok()
    }

    /// Leaves out families that have the name of what tells of the program, or of a part of a histogram or a summary.
    fn give_way(&mut self) {
        let mut taken: Vec<String> = self.target.map(|_| TARGET_INFO.to_owned()).into_iter().collect();
        for family in &self.all {
            taken.extend(family.kind.parts().iter().map(|part| format!("{}{part}", family.name)).filter(|name| self.has(name)));
        }
        if taken.is_empty() {
            return;
        }
        self.all.retain(|family| {
            let gives_way = taken.contains(&family.name);
            if gives_way {
                SERIES_OMITTED.add(family.series.len() as u64);
            }
            !gives_way
        });
    }
}

impl Family<'_> {
    /// Its unit in words, where its name ends with it before what its kind adds.
    pub fn unit(&self) -> Option<String> {
        let name = if self.kind == Kind::Counter { self.name.strip_suffix("_total")? } else { &self.name };
        unit_name(self.unit, self.instrument)
            .filter(|unit| name.strip_suffix(unit.as_str()).is_some_and(|before| before.ends_with('_') && before.len() > 1))
    }

    /// The help, which is the name where nothing is said.
    pub fn help(&self) -> &str {
        if self.help.is_empty() { &self.name } else { self.help }
    }

    /// Sorts the series, and leaves out those that have the labels of another.
    fn tell_apart(&mut self, labels: &Labels) {
        let before = self.series.len();
        if before < 2 {
            return;
        }
        self.series.sort_by(|one, other| labels.compare(one.labels, other.labels));
        self.series.dedup_by(|again, first| labels.compare(again.labels, first.labels).is_eq());
        SERIES_OMITTED.add((before - self.series.len()) as u64);
    }
}

impl Kind {
    /// The label that its series have for themselves.
    fn label(self) -> &'static str {
        match self {
            Self::Counter | Self::Gauge => "",
            Self::Histogram => "le",
            Self::Summary => "quantile",
        }
    }

    /// What is appended to the name of the family in the names of its series.
    fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Counter | Self::Gauge => &[],
            Self::Histogram => &["_bucket", "_sum", "_count"],
            Self::Summary => &["_sum", "_count"],
        }
    }
}

impl<'a> Point<'a> {
    fn attributes(self) -> &'a [KeyValue] {
        match self {
            Self::Number(point) => &point.attributes,
            Self::Explicit(point) => &point.attributes,
            Self::Exponential(point) => &point.attributes,
            Self::Summary(point) => &point.attributes,
        }
    }

    /// When it began to count; 0 where that is not known.
    pub fn start_ns(self) -> u64 {
        match self {
            Self::Number(point) => point.start_time_unix_nano,
            Self::Explicit(point) => point.start_time_unix_nano,
            Self::Exponential(point) => point.start_time_unix_nano,
            Self::Summary(point) => point.start_time_unix_nano,
        }
    }

    /// Examples of what was recorded.
    pub fn exemplars(self) -> &'a [Exemplar] {
        match self {
            Self::Number(point) => &point.exemplars,
            Self::Explicit(point) => &point.exemplars,
            Self::Exponential(point) => &point.exemplars,
            Self::Summary(_) => &[],
        }
    }

    fn has_value(&self) -> bool {
        let (flags, value) = match self {
            Self::Number(point) => (point.flags, point.value.is_some()),
            Self::Explicit(point) => (point.flags, true),
            Self::Exponential(point) => (point.flags, true),
            Self::Summary(point) => (point.flags, true),
        };
        value && flags & DataPointFlags::NoRecordedValueMask as u32 == 0
    }
}

/// The value of a number.
pub fn value(point: &NumberDataPoint) -> f64 {
    match point.value {
        #[allow(clippy::cast_precision_loss)] // Prometheus has floats only
        Some(number_data_point::Value::AsInt(value)) => value as f64,
        Some(number_data_point::Value::AsDouble(value)) => value,
        None => f64::NAN,
    }
}

/// The quantiles of a summary that are from 0 to 1, with their values: ascending, each once.
pub fn quantiles(point: &SummaryDataPoint) -> Vec<(f64, f64)> {
    let pairs = point.quantile_values.iter().map(|of| (of.quantile, of.value));
    let mut found: Vec<_> = pairs.filter(|(quantile, _)| (0.0..=1.0).contains(quantile)).collect();
    found.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    found.dedup_by(|(again, _), (first, _)| *again == *first);
    found
}

/// The type, and the instrument that it is of; none for what Prometheus cannot say.
fn kind(metric: &Metric) -> Option<(Kind, MetricKind)> {
    let (temporality, kinds) = match metric.data.as_ref()? {
        metric::Data::Sum(sum) if sum.is_monotonic => (sum.aggregation_temporality, (Kind::Counter, MetricKind::Counter)),
        metric::Data::Sum(sum) => (sum.aggregation_temporality, (Kind::Gauge, MetricKind::UpDownCounter)),
        metric::Data::Gauge(_) => (0, (Kind::Gauge, MetricKind::Gauge)),
        metric::Data::Histogram(of) => (of.aggregation_temporality, (Kind::Histogram, MetricKind::Histogram)),
        metric::Data::ExponentialHistogram(of) => (of.aggregation_temporality, (Kind::Histogram, MetricKind::Histogram)),
        metric::Data::Summary(_) => (0, (Kind::Summary, MetricKind::Histogram)),
    };
    (temporality != AggregationTemporality::Delta as i32).then_some(kinds)
}

fn points(metric: &Metric) -> Box<dyn Iterator<Item = Point<'_>> + '_> {
    match &metric.data {
        Some(metric::Data::Sum(sum)) => Box::new(sum.data_points.iter().map(Point::Number)),
        Some(metric::Data::Gauge(gauge)) => Box::new(gauge.data_points.iter().map(Point::Number)),
        Some(metric::Data::Histogram(histogram)) => Box::new(histogram.data_points.iter().map(Point::Explicit)),
        Some(metric::Data::ExponentialHistogram(histogram)) => Box::new(histogram.data_points.iter().map(Point::Exponential)),
        Some(metric::Data::Summary(summary)) => Box::new(summary.data_points.iter().map(Point::Summary)),
        None => Box::new(std::iter::empty()),
    }
}
