//! Prometheus text 0.0.4 of a `ResourceMetrics`, by OpenTelemetry's "Prometheus and OpenMetrics Compatibility".
//!
//! Sums that only grow are counters, other sums are gauges; exponential histograms are shown as classic buckets at the upper bounds of
//! theirs. Each series carries its scope. Not here: the names (`telemetry_core::prometheus`).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric,
    number_data_point,
};
use telemetry_core::MetricKind;
use telemetry_core::prometheus::{label_name, metric_name};

/// Buckets that an exponential histogram is shown with, at most; neighbours are merged beyond it.
const CLASSIC_BUCKETS_MAX: usize = 40;

/// Series that this format cannot say beside one of the same name: of another type, or with the same labels.
#[telemetry_core::metric(name = "telemetry_prometheus_series_omitted", unit = "{series}")]
static SERIES_OMITTED: telemetry_core::Counter;

/// The metrics of one name: what is written under one `# TYPE` line.
struct Family {
    kind: &'static str,
    help: String,
    /// The lines of each series, by its labels: a second series with the same labels has no place.
    series: BTreeMap<String, String>,
}

impl Family {
    fn add(&mut self, labels: String, lines: String) {
        match self.series.entry(labels) {
            Entry::Vacant(place) => drop(place.insert(lines)),
            Entry::Occupied(_) => SERIES_OMITTED.inc(),
        }
    }
}

/// The text of all metrics, sorted by name.
pub fn text(metrics: &ResourceMetrics) -> String {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for scope in &metrics.scope_metrics {
        for metric in &scope.metrics {
            add(&mut families, scope, metric);
        }
    }
    let mut out = String::new();
    if let Some(resource) = &metrics.resource {
        let labels = labels(&resource.attributes, &[]);
        let _ = writeln!(out, "# HELP target_info Who is measured.\n# TYPE target_info gauge\ntarget_info{labels} 1");
    }
    for (name, Family { kind, help, series }) in families {
        let help = if help.is_empty() { &name } else { &help };
        let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {kind}", escape_help(help));
        series.values().for_each(|lines| out.push_str(lines));
    }
    out
}

fn add(families: &mut BTreeMap<String, Family>, scope: &ScopeMetrics, metric: &Metric) {
    let (kind, instrument) = match &metric.data {
        Some(metric::Data::Sum(sum)) if sum.is_monotonic => ("counter", MetricKind::Counter),
        Some(metric::Data::Sum(_)) => ("gauge", MetricKind::UpDownCounter),
        Some(metric::Data::Gauge(_)) => ("gauge", MetricKind::Gauge),
        Some(metric::Data::Histogram(_) | metric::Data::ExponentialHistogram(_)) => ("histogram", MetricKind::Histogram),
        _ => return,
    };
    let name = metric_name(&metric.name, &metric.unit, instrument);
    let help = String::new();
    let family = families.entry(name.clone()).or_insert_with(|| Family { kind, help, series: BTreeMap::new() });
    if family.help.is_empty() {
        family.help.clone_from(&metric.description);
    }
    if family.kind != kind {
        return SERIES_OMITTED.inc();
    }
    let scope = scope_labels(scope);
    match &metric.data {
        Some(metric::Data::Sum(sum)) => sum.data_points.iter().for_each(|point| number(family, &name, point, &scope)),
        Some(metric::Data::Gauge(gauge)) => gauge.data_points.iter().for_each(|point| number(family, &name, point, &scope)),
        Some(metric::Data::Histogram(histogram)) => {
            histogram.data_points.iter().for_each(|point| explicit(family, &name, point, &scope));
        }
        Some(metric::Data::ExponentialHistogram(histogram)) => {
            histogram.data_points.iter().for_each(|point| exponential(family, &name, point, &scope));
        }
        _ => {}
    }
}

fn scope_labels(scope: &ScopeMetrics) -> Vec<(String, String)> {
    let Some(scope) = &scope.scope else { return Vec::new() };
    let mut labels = vec![("otel_scope_name".to_owned(), scope.name.clone())];
    if !scope.version.is_empty() {
        labels.push(("otel_scope_version".to_owned(), scope.version.clone()));
    }
    labels
}

fn number(family: &mut Family, name: &str, point: &NumberDataPoint, scope: &[(String, String)]) {
    let value = match point.value {
        Some(number_data_point::Value::AsInt(value)) => value.to_string(),
        Some(number_data_point::Value::AsDouble(value)) => float(value),
        None => return,
    };
    let labels = labels(&point.attributes, scope);
    family.add(labels.clone(), format!("{name}{labels} {value}\n"));
}

fn explicit(family: &mut Family, name: &str, point: &HistogramDataPoint, scope: &[(String, String)]) {
    let bounds = point.explicit_bounds.iter().copied().zip(point.bucket_counts.iter().copied());
    buckets(family, name, (&point.attributes, scope), bounds, (point.count, point.sum));
}

fn exponential(family: &mut Family, name: &str, point: &ExponentialHistogramDataPoint, scope: &[(String, String)]) {
    let sides = || [&point.negative, &point.positive].into_iter().flatten();
    let mut change = 0;
    while sides().map(|side| side.bucket_counts.len()).sum::<usize>() >> change > CLASSIC_BUCKETS_MAX {
        change += 1;
    }
    let base_log2 = 2_f64.powi(change - point.scale);
    let merged = |offset: i32, counts: &[u64]| {
        let mut merged: BTreeMap<i32, u64> = BTreeMap::new();
        for (index, count) in (offset..).zip(counts) {
            *merged.entry(index >> change).or_default() += count;
        }
        merged
    };
    let mut bounds = Vec::new();
    if let Some(side) = &point.negative {
        // A bucket below zero holds [-base^(i + 1), -base^i): its upper bound is the one nearer to zero.
        let merged = merged(side.offset, &side.bucket_counts);
        bounds.extend(merged.into_iter().rev().map(|(index, count)| (-(f64::from(index) * base_log2).exp2(), count)));
    }
    if point.zero_count > 0 {
        bounds.push((0.0, point.zero_count));
    }
    if let Some(side) = &point.positive {
        let merged = merged(side.offset, &side.bucket_counts);
        bounds.extend(merged.into_iter().map(|(index, count)| ((f64::from(index + 1) * base_log2).exp2(), count)));
    }
    let finite = bounds.into_iter().filter(|(bound, _)| bound.is_finite());
    buckets(family, name, (&point.attributes, scope), finite, (point.count, point.sum));
}

fn buckets(
    family: &mut Family,
    name: &str,
    (attributes, scope): (&[KeyValue], &[(String, String)]),
    bounds: impl Iterator<Item = (f64, u64)>,
    (count, sum): (u64, Option<f64>),
) {
    // A label of the user's that is called like the bucket's bound keeps its value under Prometheus' name for such.
    let own: Vec<_> = attributes
        .iter()
        .cloned()
        .map(|mut attribute| {
            if label_name(&attribute.key) == "le" {
                attribute.key = "exported_le".to_owned();
            }
            attribute
        })
        .collect();
    let with_le = |le: &str| {
        let mut extra = scope.to_vec();
        extra.push(("le".to_owned(), le.to_owned()));
        labels(&own, &extra)
    };
    let mut lines = String::new();
    let mut below = 0;
    for (bound, in_bucket) in bounds {
        below += in_bucket;
        let _ = writeln!(lines, "{name}_bucket{} {below}", with_le(&float(bound)));
    }
    let plain = labels(&own, scope);
    let _ = writeln!(lines, "{name}_bucket{} {count}", with_le("+Inf"));
    if let Some(sum) = sum {
        let _ = writeln!(lines, "{name}_sum{plain} {}", float(sum));
    }
    let _ = writeln!(lines, "{name}_count{plain} {count}");
    family.add(plain, lines);
}

/// `{key="value",…}`, sorted; keys that become equal are joined with `;`, as the specification says.
fn labels(attributes: &[KeyValue], extra: &[(String, String)]) -> String {
    let mut sorted: BTreeMap<String, String> = BTreeMap::new();
    let own = attributes.iter().map(|attribute| (label_name(&attribute.key), any_text(attribute.value.as_ref())));
    for (key, value) in own.chain(extra.iter().cloned()) {
        sorted.entry(key).and_modify(|before| *before = format!("{before};{value}")).or_insert(value);
    }
    if sorted.is_empty() {
        return String::new();
    }
    let pairs: Vec<_> = sorted.into_iter().map(|(key, value)| format!("{key}=\"{}\"", escape_label(&value))).collect();
    format!("{{{}}}", pairs.join(","))
}

fn any_text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::BoolValue(flag)) => flag.to_string(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::DoubleValue(number)) => float(*number),
        Some(any_value::Value::ArrayValue(array)) => {
            let texts: Vec<_> = array.values.iter().map(|value| any_text(Some(value))).collect();
            format!("{texts:?}")
        }
        _ => String::new(),
    }
}

fn float(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        value.to_string()
    }
}

fn escape_help(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

fn escape_label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;

    #[test]
    fn label_values_are_escaped_and_equal_keys_joined() {
        let attribute = |key: &str, text: &str| KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(any_value::Value::StringValue(text.to_owned())) }),
            ..Default::default()
        };
        let found = labels(&[attribute("b.c", "x\"y\\z\n"), attribute("b_c", "two")], &[("a".into(), "1".into())]);
        assert_eq!(found, r#"{a="1",b_c="x\"y\\z\n;two"}"#);
    }

    #[test]
    fn exponential_buckets_are_cumulative_and_end_at_the_count() {
        let point = ExponentialHistogramDataPoint {
            count: 7,
            sum: Some(10.0),
            scale: 0,
            zero_count: 1,
            negative: Some(Buckets { offset: 0, bucket_counts: vec![2] }), // [-2, -1)
            positive: Some(Buckets { offset: -1, bucket_counts: vec![1, 3] }), // (0.5, 1], (1, 2]
            ..Default::default()
        };
        let mut family = Family { kind: "histogram", help: String::new(), series: BTreeMap::new() };
        exponential(&mut family, "h", &point, &[]);
        exponential(&mut family, "h", &point, &[]); // the same labels again have no place
        let wanted = "h_bucket{le=\"-1\"} 2\nh_bucket{le=\"0\"} 3\nh_bucket{le=\"1\"} 4\nh_bucket{le=\"2\"} 7\n\
                      h_bucket{le=\"+Inf\"} 7\nh_sum 10\nh_count 7\n";
        assert_eq!(family.series.into_values().collect::<Vec<_>>(), [wanted]);
    }
}
