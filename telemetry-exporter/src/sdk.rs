//! OTLP of what the OpenTelemetry SDK collected.
//!
//! Unlike the transform of `opentelemetry-proto` this one gives `i64::MAX` for a `u64` beyond it, which that exports as 0, never panics
//! on a kind of value that it does not know, and leaves out what the bridge shows of the registry. Start times are the SDK's: of a
//! cumulative point when its instrument was created, of a delta point when the collection before it was.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_proto::tonic::common::v1::{self as common, AnyValue, ArrayValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, exemplar, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{self, AggregatedMetrics, MetricData};
use telemetry_core::otel::is_bridged;

/// The message of one collection of the SDK.
pub fn from_sdk(metrics: &data::ResourceMetrics) -> ResourceMetrics {
    let resource = metrics.resource();
    let pair = |(key, value): (&opentelemetry::Key, &Value)| attribute(key, value);
    ResourceMetrics {
        resource: Some(Resource { attributes: resource.iter().map(pair).collect(), ..Default::default() }),
        scope_metrics: metrics.scope_metrics().filter(|scope| !is_bridged(scope.scope())).map(scope_metrics).collect(),
        schema_url: resource.schema_url().unwrap_or_default().to_owned(),
    }
}

fn scope_metrics(metrics: &data::ScopeMetrics) -> ScopeMetrics {
    ScopeMetrics {
        scope: Some(scope(metrics.scope())),
        metrics: metrics.metrics().map(one).collect(),
        schema_url: metrics.scope().schema_url().unwrap_or_default().to_owned(),
    }
}

fn scope(scope: &InstrumentationScope) -> common::InstrumentationScope {
    common::InstrumentationScope {
        name: scope.name().to_owned(),
        version: scope.version().unwrap_or_default().to_owned(),
        attributes: attributes(scope.attributes()),
        ..Default::default()
    }
}

fn one(metric: &data::Metric) -> Metric {
    let data = match metric.data() {
        AggregatedMetrics::U64(data) => aggregation(data),
        AggregatedMetrics::I64(data) => aggregation(data),
        AggregatedMetrics::F64(data) => aggregation(data),
    };
    Metric {
        name: metric.name().to_owned(),
        description: metric.description().to_owned(),
        unit: metric.unit().to_owned(),
        data: Some(data),
        ..Default::default()
    }
}

fn aggregation<N: Number>(data: &MetricData<N>) -> metric::Data {
    match data {
        MetricData::Gauge(data) => {
            let point = |point: &data::GaugeDataPoint<N>| NumberDataPoint {
                attributes: attributes(point.attributes()),
                start_time_unix_nano: data.start_time().map(nanos).unwrap_or_default(),
                time_unix_nano: nanos(data.time()),
                value: Some(point.value().value()),
                exemplars: exemplars(point.exemplars()),
                ..Default::default()
            };
            metric::Data::Gauge(Gauge { data_points: data.data_points().map(point).collect() })
        }
        MetricData::Sum(data) => {
            let point = |point: &data::SumDataPoint<N>| NumberDataPoint {
                attributes: attributes(point.attributes()),
                start_time_unix_nano: nanos(data.start_time()),
                time_unix_nano: nanos(data.time()),
                value: Some(point.value().value()),
                exemplars: exemplars(point.exemplars()),
                ..Default::default()
            };
            metric::Data::Sum(Sum {
                data_points: data.data_points().map(point).collect(),
                aggregation_temporality: temporality(data.temporality()),
                is_monotonic: data.is_monotonic(),
            })
        }
        MetricData::Histogram(data) => metric::Data::Histogram(explicit(data)),
        MetricData::ExponentialHistogram(data) => metric::Data::ExponentialHistogram(exponential(data)),
    }
}

fn explicit<N: Number>(data: &data::Histogram<N>) -> Histogram {
    let point = |point: &data::HistogramDataPoint<N>| HistogramDataPoint {
        attributes: attributes(point.attributes()),
        start_time_unix_nano: nanos(data.start_time()),
        time_unix_nano: nanos(data.time()),
        count: point.count(),
        sum: Some(point.sum().float()),
        bucket_counts: point.bucket_counts().collect(),
        explicit_bounds: point.bounds().collect(),
        exemplars: exemplars(point.exemplars()),
        min: point.min().map(Number::float),
        max: point.max().map(Number::float),
        ..Default::default()
    };
    let data_points = data.data_points().map(point).collect();
    Histogram { data_points, aggregation_temporality: temporality(data.temporality()) }
}

fn exponential<N: Number>(data: &data::ExponentialHistogram<N>) -> ExponentialHistogram {
    let buckets =
        |buckets: &data::ExponentialBucket| Some(Buckets { offset: buckets.offset(), bucket_counts: buckets.counts().collect() });
    let point = |point: &data::ExponentialHistogramDataPoint<N>| ExponentialHistogramDataPoint {
        attributes: attributes(point.attributes()),
        start_time_unix_nano: nanos(data.start_time()),
        time_unix_nano: nanos(data.time()),
        count: point.count() as u64,
        sum: Some(point.sum().float()),
        scale: point.scale().into(),
        zero_count: point.zero_count(),
        positive: buckets(point.positive_bucket()),
        negative: buckets(point.negative_bucket()),
        exemplars: exemplars(point.exemplars()),
        min: point.min().map(Number::float),
        max: point.max().map(Number::float),
        zero_threshold: point.zero_threshold(),
        ..Default::default()
    };
    let data_points = data.data_points().map(point).collect();
    ExponentialHistogram { data_points, aggregation_temporality: temporality(data.temporality()) }
}

/// The two enums have other numbers; the SDK's third word is a wish of an exporter's, which no data has.
fn temporality(temporality: Temporality) -> i32 {
    let temporality = match temporality {
        Temporality::Cumulative => AggregationTemporality::Cumulative,
        Temporality::Delta => AggregationTemporality::Delta,
        _ => AggregationTemporality::Unspecified,
    };
    temporality as i32 // prost's own number of its own enum
}

/// A number of the SDK.
trait Number: Copy {
    fn value(self) -> number_data_point::Value;
    /// What the sums and extremes of distributions are in; large whole numbers are rounded.
    fn float(self) -> f64;
}

impl Number for u64 {
    fn value(self) -> number_data_point::Value {
        number_data_point::Value::AsInt(i64::try_from(self).unwrap_or(i64::MAX)) // saturates
    }

    fn float(self) -> f64 {
        self as f64
    }
}

impl Number for i64 {
    fn value(self) -> number_data_point::Value {
        number_data_point::Value::AsInt(self)
    }

    fn float(self) -> f64 {
        self as f64
    }
}

impl Number for f64 {
    fn value(self) -> number_data_point::Value {
        number_data_point::Value::AsDouble(self)
    }

    fn float(self) -> f64 {
        self
    }
}

fn exemplars<'a, N: Number + 'a>(exemplars: impl Iterator<Item = &'a data::Exemplar<N>>) -> Vec<Exemplar> {
    let one = |exemplar: &data::Exemplar<N>| Exemplar {
        filtered_attributes: attributes(exemplar.filtered_attributes()),
        time_unix_nano: nanos(exemplar.time()),
        span_id: exemplar.span_id().to_vec(),
        trace_id: exemplar.trace_id().to_vec(),
        value: Some(match exemplar.value.value() {
            number_data_point::Value::AsInt(value) => exemplar::Value::AsInt(value),
            number_data_point::Value::AsDouble(value) => exemplar::Value::AsDouble(value),
        }),
    };
    exemplars.map(one).collect()
}

fn attributes<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> Vec<common::KeyValue> {
    attributes.map(|pair| attribute(&pair.key, &pair.value)).collect()
}

fn attribute(key: &opentelemetry::Key, value: &Value) -> common::KeyValue {
    common::KeyValue { key: key.as_str().to_owned(), value: Some(any(value)), ..Default::default() }
}

/// A value of a kind that this does not know has none.
fn any(value: &Value) -> AnyValue {
    fn list<T>(values: &[T], one: impl Fn(&T) -> any_value::Value) -> any_value::Value {
        let values = values.iter().map(|value| AnyValue { value: Some(one(value)) }).collect();
        any_value::Value::ArrayValue(ArrayValue { values })
    }
    let value = match value {
        Value::Bool(flag) => Some(any_value::Value::BoolValue(*flag)),
        Value::I64(number) => Some(any_value::Value::IntValue(*number)),
        Value::F64(number) => Some(any_value::Value::DoubleValue(*number)),
        Value::String(text) => Some(any_value::Value::StringValue(text.as_str().to_owned())),
        Value::Array(Array::Bool(flags)) => Some(list(flags, |flag| any_value::Value::BoolValue(*flag))),
        Value::Array(Array::I64(numbers)) => Some(list(numbers, |number| any_value::Value::IntValue(*number))),
        Value::Array(Array::F64(numbers)) => Some(list(numbers, |number| any_value::Value::DoubleValue(*number))),
        Value::Array(Array::String(texts)) => Some(list(texts, |text| any_value::Value::StringValue(text.as_str().to_owned()))),
        _ => None,
    };
    AnyValue { value }
}

/// Unix nanoseconds; 0 before 1970.
fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
#[path = "sdk_tests.rs"]
mod tests;
