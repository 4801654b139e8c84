//! Metrics as people and programs look at them: one row a metric, read from the `ResourceMetrics` of the metrics stream.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    DataPointFlags, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, metric,
    number_data_point,
};
use prost::{DecodeError, Message as _};
use serde_json::{Map, Value, json};

/// One metric of one collection.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct MetricView {
    /// When it was collected, in Unix nanoseconds.
    pub time_ns: u64,
    /// The crate that declares it.
    pub scope: String,
    /// The crate's version.
    pub version: String,
    /// The name.
    pub name: String,
    /// counter, up_down_counter, gauge or histogram.
    pub kind: &'static str,
    /// The unit.
    pub unit: String,
    /// The description.
    pub description: String,
    /// One point a series.
    pub points: Vec<PointView>,
}

/// One series.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct PointView {
    /// The labels.
    pub labels: Map<String, Value>,
    /// A number, null where the series has ended, or an object with `count`, `sum`, `min`, `max` and the buckets of a histogram.
    pub value: Value,
}

/// Reads one message of the metrics stream, of this time.
///
/// # Errors
/// A payload that is no `ResourceMetrics`.
pub fn views(time_ns: u64, payload: &[u8]) -> Result<Vec<MetricView>, DecodeError> {
    let decoded = ResourceMetrics::decode(payload)?;
    let mut views = Vec::new();
    for scope_metrics in decoded.scope_metrics {
        let scope = scope_metrics.scope.unwrap_or_default();
        for metric in scope_metrics.metrics {
            views.push(view(time_ns, &scope.name, &scope.version, metric));
        }
    }
    Ok(views)
}

fn view(time_ns: u64, scope: &str, version: &str, metric: Metric) -> MetricView {
    let (kind, points) = match metric.data {
        Some(metric::Data::Sum(sum)) => {
            (if sum.is_monotonic { "counter" } else { "up_down_counter" }, sum.data_points.iter().map(number).collect())
        }
        Some(metric::Data::Gauge(gauge)) => ("gauge", gauge.data_points.iter().map(number).collect()),
        Some(metric::Data::Histogram(histogram)) => ("histogram", histogram.data_points.iter().map(explicit).collect()),
        Some(metric::Data::ExponentialHistogram(histogram)) => {
            ("histogram", histogram.data_points.iter().map(exponential).collect())
        }
        _ => ("unknown", Vec::new()),
    };
    let mut points: Vec<PointView> = points;
    points.sort_by_cached_key(|point| Value::Object(point.labels.clone()).to_string());
    MetricView {
        time_ns,
        scope: scope.to_owned(),
        version: version.to_owned(),
        name: metric.name,
        kind,
        unit: metric.unit,
        description: metric.description,
        points,
    }
}

fn number(point: &NumberDataPoint) -> PointView {
    let value = match point.value {
        Some(number_data_point::Value::AsInt(value)) => json!(value),
        Some(number_data_point::Value::AsDouble(value)) => json!(value),
        None => Value::Null,
    };
    PointView { labels: labels(&point.attributes), value }
}

/// Whether it says no more than that its series has ended.
fn has_ended(flags: u32) -> bool {
    flags & DataPointFlags::NoRecordedValueMask as u32 != 0
}

fn explicit(point: &HistogramDataPoint) -> PointView {
    if has_ended(point.flags) {
        return PointView { labels: labels(&point.attributes), value: Value::Null };
    }
    let value = json!({
        "count": point.count, "sum": point.sum, "min": point.min, "max": point.max,
        "bounds": point.explicit_bounds, "counts": point.bucket_counts,
    });
    PointView { labels: labels(&point.attributes), value }
}

fn exponential(point: &ExponentialHistogramDataPoint) -> PointView {
    if has_ended(point.flags) {
        return PointView { labels: labels(&point.attributes), value: Value::Null };
    }
    let side = |offset: i32, counts: &[u64]| json!({ "offset": offset, "counts": counts });
    let value = json!({
        "count": point.count, "sum": point.sum, "min": point.min, "max": point.max,
        "scale": point.scale, "zero_count": point.zero_count,
        "positive": point.positive.as_ref().map(|buckets| side(buckets.offset, &buckets.bucket_counts)),
        "negative": point.negative.as_ref().map(|buckets| side(buckets.offset, &buckets.bucket_counts)),
    });
    PointView { labels: labels(&point.attributes), value }
}

fn labels(attributes: &[KeyValue]) -> Map<String, Value> {
    attributes.iter().map(|attribute| (attribute.key.clone(), any(attribute.value.as_ref()))).collect()
}

fn any(value: Option<&AnyValue>) -> Value {
    match value.and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => json!(text),
        Some(any_value::Value::BoolValue(flag)) => json!(flag),
        Some(any_value::Value::IntValue(number)) => json!(number),
        Some(any_value::Value::DoubleValue(number)) => json!(number),
        Some(any_value::Value::ArrayValue(array)) => array.values.iter().map(|value| any(Some(value))).collect(),
        _ => Value::Null,
    }
}
