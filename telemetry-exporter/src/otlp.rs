//! OTLP of one collection: what the OpenTelemetry SDK collected, and the registry's own readings beside it, each exactly once.

use std::collections::HashMap;

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, metric, number_data_point,
};
use prost::Message;
use telemetry_core::collect::{Collection, Reading};
use telemetry_core::{Label, MetricKind, Point, Scope, Value};

/// Adds the registry's readings; those of a scope that the SDK has too go into that scope.
pub fn join(metrics: &mut ResourceMetrics, collection: &Collection) {
    let mut scopes: HashMap<(String, String), usize> = HashMap::new();
    for (index, scope_metrics) in metrics.scope_metrics.iter().enumerate() {
        if let Some(scope) = scope_metrics.scope.as_ref().filter(|scope| scope.attributes.is_empty()) {
            scopes.insert((scope.name.clone(), scope.version.clone()), index);
        }
    }
    for reading in &collection.metrics {
        let Scope { name, version } = reading.entry.declaration().scope();
        let index = *scopes.entry((name.to_string(), version.to_string())).or_insert_with(|| {
            metrics
                .scope_metrics
                .push(ScopeMetrics { scope: Some(scope(reading.entry.declaration().scope())), ..Default::default() });
            metrics.scope_metrics.len() - 1
        });
        metrics.scope_metrics[index].metrics.push(metric(reading, collection));
    }
}

/// The scope as OTLP has it.
pub fn scope(scope: &Scope) -> InstrumentationScope {
    InstrumentationScope { name: scope.name.to_string(), version: scope.version.to_string(), ..Default::default() }
}

/// The serialised message, or several of at most `bytes_max` bytes where one would be larger: each with the same resource.
///
/// It is split between metrics, and within a metric between series. A single series above the limit stays as it is; the stream
/// rejects and counts it.
pub fn encode(metrics: ResourceMetrics, bytes_max: usize) -> Vec<Vec<u8>> {
    if metrics.encoded_len() <= bytes_max {
        return vec![metrics.encode_to_vec()];
    }
    match halves(metrics) {
        (whole, None) => vec![whole.encode_to_vec()],
        (first, Some(second)) => {
            let mut messages = encode(first, bytes_max);
            messages.extend(encode(second, bytes_max));
            messages
        }
    }
}

/// Two messages of about as many series each; one where there is but one series.
fn halves(mut metrics: ResourceMetrics) -> (ResourceMetrics, Option<ResourceMetrics>) {
    let total: usize = metrics.scope_metrics.iter().flat_map(|scope| &scope.metrics).map(series).sum();
    let mut left = total / 2;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for mut scope in std::mem::take(&mut metrics.scope_metrics) {
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        for mut metric in std::mem::take(&mut scope.metrics) {
            let count = series(&metric);
            if count <= left {
                before.push(metric);
            } else {
                if left > 0 {
                    behind.push(split_series(&mut metric, left));
                    before.push(metric);
                } else {
                    behind.push(metric);
                }
            }
            left = left.saturating_sub(count);
        }
        if !before.is_empty() {
            first.push(ScopeMetrics { metrics: before, ..scope.clone() });
        }
        if !behind.is_empty() {
            second.push(ScopeMetrics { metrics: behind, ..scope });
        }
    }
    if first.is_empty() {
        metrics.scope_metrics = second;
        return (metrics, None);
    }
    let second =
        ResourceMetrics { scope_metrics: second, resource: metrics.resource.clone(), schema_url: metrics.schema_url.clone() };
    metrics.scope_metrics = first;
    (metrics, Some(second))
}

/// How many series a metric has; one that has none counts as one, so that it goes somewhere.
fn series(metric: &Metric) -> usize {
    let count = match &metric.data {
        Some(metric::Data::Sum(data)) => data.data_points.len(),
        Some(metric::Data::Gauge(data)) => data.data_points.len(),
        Some(metric::Data::Histogram(data)) => data.data_points.len(),
        Some(metric::Data::ExponentialHistogram(data)) => data.data_points.len(),
        _ => 0,
    };
    count.max(1)
}

/// Leaves so many series in the metric, and gives one with the others.
fn split_series(metric: &mut Metric, kept: usize) -> Metric {
    fn split<T>(points: &mut Vec<T>, kept: usize) -> Vec<T> {
        points.split_off(kept.min(points.len()))
    }
    let data = metric.data.as_mut().map(|data| match data {
        metric::Data::Sum(data) => metric::Data::Sum(Sum { data_points: split(&mut data.data_points, kept), ..*data }),
        metric::Data::Gauge(data) => metric::Data::Gauge(Gauge { data_points: split(&mut data.data_points, kept) }),
        metric::Data::Histogram(data) => {
            metric::Data::Histogram(Histogram { data_points: split(&mut data.data_points, kept), ..*data })
        }
        metric::Data::ExponentialHistogram(data) => {
            metric::Data::ExponentialHistogram(ExponentialHistogram { data_points: split(&mut data.data_points, kept), ..*data })
        }
        metric::Data::Summary(data) => metric::Data::Summary(Summary { data_points: split(&mut data.data_points, kept) }),
    });
    Metric {
        name: metric.name.clone(),
        description: metric.description.clone(),
        unit: metric.unit.clone(),
        metadata: metric.metadata.clone(),
        data,
    }
}

fn metric(reading: &Reading, collection: &Collection) -> Metric {
    let declaration = reading.entry.declaration();
    let cumulative = AggregationTemporality::Cumulative as i32;
    let first = collection.points(reading).first().map(|point| &point.value);
    let data = match (reading.kind, first) {
        (_, Some(Value::Exponential(_))) => metric::Data::ExponentialHistogram(ExponentialHistogram {
            data_points: collection.points(reading).iter().filter_map(|point| exponential(point, collection)).collect(),
            aggregation_temporality: cumulative,
        }),
        (_, Some(Value::Explicit(_))) => metric::Data::Histogram(Histogram {
            data_points: collection.points(reading).iter().filter_map(|point| explicit(point, collection)).collect(),
            aggregation_temporality: cumulative,
        }),
        (MetricKind::Gauge, _) => metric::Data::Gauge(Gauge { data_points: numbers(reading, collection) }),
        (kind, _) => metric::Data::Sum(Sum {
            data_points: numbers(reading, collection),
            aggregation_temporality: cumulative,
            is_monotonic: kind == MetricKind::Counter,
        }),
    };
    Metric {
        name: declaration.name().to_owned(),
        description: declaration.description().to_owned(),
        unit: declaration.unit().to_owned(),
        data: Some(data),
        ..Default::default()
    }
}

fn numbers(reading: &Reading, collection: &Collection) -> Vec<NumberDataPoint> {
    let number = |point: &Point| {
        let value = match point.value {
            Value::U64(value) => number_data_point::Value::AsInt(i64::try_from(value).unwrap_or(i64::MAX)), // saturates
            Value::I64(value) => number_data_point::Value::AsInt(value),
            Value::F64(value) => number_data_point::Value::AsDouble(value),
            _ => return None,
        };
        Some(NumberDataPoint {
            attributes: attributes(&point.labels),
            start_time_unix_nano: if reading.kind == MetricKind::Gauge { 0 } else { collection.start_ns },
            time_unix_nano: collection.time_ns,
            value: Some(value),
            ..Default::default()
        })
    };
    collection.points(reading).iter().filter_map(number).collect()
}

fn exponential(point: &Point, collection: &Collection) -> Option<ExponentialHistogramDataPoint> {
    let Value::Exponential(value) = &point.value else { return None };
    let buckets = |(offset, counts): &(i32, Vec<u64>)| Buckets { offset: *offset, bucket_counts: counts.clone() };
    Some(ExponentialHistogramDataPoint {
        attributes: attributes(&point.labels),
        start_time_unix_nano: collection.start_ns,
        time_unix_nano: collection.time_ns,
        count: value.summary.count,
        sum: Some(value.summary.sum),
        scale: value.scale,
        zero_count: value.zero_count,
        positive: Some(buckets(&value.positive)),
        negative: Some(buckets(&value.negative)),
        min: value.summary.min,
        max: value.summary.max,
        ..Default::default()
    })
}

fn explicit(point: &Point, collection: &Collection) -> Option<HistogramDataPoint> {
    let Value::Explicit(value) = &point.value else { return None };
    Some(HistogramDataPoint {
        attributes: attributes(&point.labels),
        start_time_unix_nano: collection.start_ns,
        time_unix_nano: collection.time_ns,
        count: value.summary.count,
        sum: Some(value.summary.sum),
        bucket_counts: value.counts.clone(),
        explicit_bounds: value.bounds.to_vec(),
        min: value.summary.min,
        max: value.summary.max,
        ..Default::default()
    })
}

fn attributes(labels: &[(&'static str, Label)]) -> Vec<KeyValue> {
    let attribute = |(key, label): &(&'static str, Label)| {
        let value = match label {
            Label::String(text) => any_value::Value::StringValue(text.to_string()),
            Label::I64(number) => any_value::Value::IntValue(*number),
            Label::Bool(flag) => any_value::Value::BoolValue(*flag),
            _ => any_value::Value::StringValue(String::new()),
        };
        KeyValue { key: (*key).to_owned(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
    };
    labels.iter().map(attribute).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(metrics: usize) -> ResourceMetrics {
        let metric = |i: usize| Metric { name: format!("metric_{i}"), description: "x".repeat(50), ..Default::default() };
        let scope = |range: std::ops::Range<usize>| ScopeMetrics { metrics: range.map(metric).collect(), ..Default::default() };
        ResourceMetrics { scope_metrics: vec![scope(0..metrics / 3), scope(metrics / 3..metrics)], ..Default::default() }
    }

    #[test]
    fn a_collection_above_the_limit_becomes_several_messages_that_hold_every_metric_once() {
        let messages = encode(sample(100), 500);
        assert!(messages.len() > 10 && messages.iter().all(|message| message.len() <= 500));
        let mut names = Vec::new();
        for message in messages {
            let decoded = ResourceMetrics::decode(&*message).expect("each is whole");
            names.extend(decoded.scope_metrics.into_iter().flat_map(|scope| scope.metrics).map(|metric| metric.name));
        }
        assert_eq!(names, (0..100).map(|i| format!("metric_{i}")).collect::<Vec<_>>());
    }

    #[test]
    fn a_metric_above_the_limit_is_split_between_its_series() {
        let point = |i: u64| NumberDataPoint { time_unix_nano: i + 1, ..Default::default() };
        let gauge = Gauge { data_points: (0..1_000).map(point).collect() };
        let metric = Metric { name: "large".to_owned(), data: Some(metric::Data::Gauge(gauge)), ..Default::default() };
        let scope = ScopeMetrics { metrics: vec![metric], ..Default::default() };
        let messages = encode(ResourceMetrics { scope_metrics: vec![scope], ..Default::default() }, 400);
        assert!(messages.len() > 10 && messages.iter().all(|message| message.len() <= 400));
        let mut times = Vec::new();
        for message in messages {
            let decoded = ResourceMetrics::decode(&*message).expect("each is whole");
            let Some(metric::Data::Gauge(gauge)) = &decoded.scope_metrics[0].metrics[0].data else { panic!("a gauge") };
            assert_eq!(decoded.scope_metrics[0].metrics[0].name, "large");
            times.extend(gauge.data_points.iter().map(|point| point.time_unix_nano));
        }
        assert_eq!(times, (1..=1_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_collection_within_the_limit_is_one_message() {
        assert_eq!(encode(sample(100), 1 << 20), [sample(100).encode_to_vec()]);
    }
}
