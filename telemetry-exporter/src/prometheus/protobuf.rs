//! Prometheus' protobuf: `MetricFamily` messages, each after its length, with native histograms.
//!
//! An exponential histogram is native alone, as in Prometheus' own clients; one that has no native form is in classic buckets.

use prost::Message;
use telemetry_core::prometheus::TARGET_INFO;

use super::classic::Classic;
use super::exemplar::{Exemplars, Shown};
use super::exponential::{Native, Side};
use super::families::{self, Families, Family, Kind, Point, Series};
use super::labels::{Labels, Set};
use crate::pb::prometheus::{
    Bucket, BucketSpan, Counter, Exemplar, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType, Quantile, Summary,
    Timestamp,
};

/// All families that have series.
pub fn write(families: &Families) -> Vec<u8> {
    let mut out = Vec::new();
    let mut append = |family: &MetricFamily| {
        // A vector grows as it is asked to.
        let _infallible = family.encode_length_delimited(&mut out);
    };
    if let Some(target) = families.target {
        let metric =
            Metric { label: pairs(&families.labels, target), gauge: Some(Gauge { value: Some(1.0) }), ..Default::default() };
        append(&MetricFamily {
            name: Some(TARGET_INFO.to_owned()),
            help: Some("Who is measured.".to_owned()),
            r#type: Some(MetricType::Gauge as i32),
            metric: vec![metric],
            unit: None,
        });
    }
    for family in families.all.iter().filter(|family| !family.series.is_empty()) {
        append(&message(&families.labels, family));
    }
    out
}

fn message(labels: &Labels, family: &Family) -> MetricFamily {
    let kind = match family.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
        Kind::Summary => MetricType::Summary,
    };
    MetricFamily {
        name: Some(family.name.clone()),
        help: Some(family.help().to_owned()),
        r#type: Some(kind as i32),
        metric: family.series.iter().map(|series| metric(labels, family.kind, series)).collect(),
        unit: family.unit(),
    }
}

fn metric(labels: &Labels, kind: Kind, series: &Series) -> Metric {
    let mut metric = Metric { label: pairs(labels, series.labels), ..Default::default() };
    let created_timestamp = timestamp(series.point.start_ns());
    let exemplars = Exemplars::of(series.point.exemplars(), labels.escaping);
    match series.point {
        Point::Number(point) if kind == Kind::Counter => {
            let exemplar = exemplars.newest().map(exemplar);
            metric.counter = Some(Counter { value: Some(families::value(point)), exemplar, created_timestamp });
        }
        Point::Number(point) => metric.gauge = Some(Gauge { value: Some(families::value(point)) }),
        Point::Summary(point) => {
            let pair = |(quantile, value)| Quantile { quantile: Some(quantile), value: Some(value) };
            metric.summary = Some(Summary {
                sample_count: Some(point.count),
                sample_sum: Some(point.sum),
                quantile: families::quantiles(point).into_iter().map(pair).collect(),
                created_timestamp,
            });
        }
        Point::Exponential(point) => {
            let native = Native::of(point).map(|native| native_histogram(native, point.sum, &exemplars));
            metric.histogram = native.or_else(|| classic_histogram(series.point, &exemplars));
        }
        Point::Explicit(_) => metric.histogram = classic_histogram(series.point, &exemplars),
    }
    if let Some(histogram) = &mut metric.histogram {
        histogram.created_timestamp = created_timestamp;
    }
    metric
}

fn native_histogram(native: Native, sum: Option<f64>, exemplars: &Exemplars) -> Histogram {
    let spans = |side: &Side| {
        side.spans.iter().map(|(offset, length)| BucketSpan { offset: Some(*offset), length: Some(*length) }).collect()
    };
    Histogram {
        sample_count: Some(native.count),
        sample_sum: Some(sum.unwrap_or(f64::NAN)),
        schema: Some(native.schema),
        zero_threshold: Some(native.zero_threshold),
        zero_count: Some(native.zero_count),
        negative_span: spans(&native.negative),
        negative_delta: native.negative.deltas,
        positive_span: spans(&native.positive),
        positive_delta: native.positive.deltas,
        exemplars: exemplars.timed().map(exemplar).collect(),
        ..Default::default()
    }
}

fn classic_histogram(point: Point, exemplars: &Exemplars) -> Option<Histogram> {
    let classic = Classic::of(point)?;
    let buckets = classic.buckets.iter().copied().chain([(f64::INFINITY, classic.count)]);
    let bucket = |(bound, up_to)| Bucket {
        cumulative_count: Some(up_to),
        upper_bound: Some(bound),
        exemplar: exemplars.up_to(bound).map(exemplar),
    };
    Some(Histogram {
        sample_count: Some(classic.count),
        // There is no field for "not known".
        sample_sum: Some(classic.sum.unwrap_or(f64::NAN)),
        bucket: buckets.map(bucket).collect(),
        ..Default::default()
    })
}

fn exemplar(shown: &Shown) -> Exemplar {
    let pair = |(name, value): &(String, String)| LabelPair { name: Some(name.clone()), value: Some(value.clone()) };
    Exemplar { label: shown.labels.iter().map(pair).collect(), value: Some(shown.value), timestamp: timestamp(shown.time_ns) }
}

fn pairs(labels: &Labels, set: Set) -> Vec<LabelPair> {
    let pair = |(name, value): (&str, &str)| LabelPair { name: Some(name.to_owned()), value: Some(value.to_owned()) };
    labels.of(set).map(pair).collect()
}

fn timestamp(time_ns: u64) -> Option<Timestamp> {
    let seconds = i64::try_from(time_ns / 1_000_000_000).ok();
    let nanos = i32::try_from(time_ns % 1_000_000_000).ok();
    (time_ns > 0).then_some(Timestamp { seconds, nanos })
}
