//! What Prometheus is shown: each format says all that it can of whatever it is given, and can be read.

mod parser;

use std::collections::{BTreeMap, HashSet};

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar, metric, number_data_point,
    summary_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use prost::Message;
use telemetry_exporter::pb::prometheus::{self as pb, BucketSpan, MetricFamily};
use telemetry_exporter::prometheus::{Escaping, Exposition, Format, expose};

const ESCAPINGS: [Escaping; 4] = [Escaping::Underscores, Escaping::AllowUtf8, Escaping::Dots, Escaping::Values];

fn attribute(key: &str, text: &str) -> KeyValue {
    let value = Some(any_value::Value::StringValue(text.to_owned()));
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value }), ..Default::default() }
}

fn named(name: &str, unit: &str, data: metric::Data) -> Metric {
    let description = "What \"it\" is,\na \\ and more.".to_owned();
    Metric { name: name.to_owned(), unit: unit.to_owned(), description, data: Some(data), ..Default::default() }
}

fn sum(monotonic: bool, data_points: Vec<NumberDataPoint>) -> metric::Data {
    let aggregation_temporality = AggregationTemporality::Cumulative as i32;
    metric::Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: monotonic })
}

fn integer(value: i64, attributes: Vec<KeyValue>) -> NumberDataPoint {
    let value = Some(number_data_point::Value::AsInt(value));
    NumberDataPoint { attributes, start_time_unix_nano: 1_700_000_000_500_000_000, value, ..Default::default() }
}

fn of_one_scope(metrics: Vec<Metric>) -> ResourceMetrics {
    let scope = InstrumentationScope { name: "a scope".to_owned(), version: "1.2".to_owned(), ..Default::default() };
    ResourceMetrics {
        resource: Some(Resource { attributes: vec![attribute("service.name", "s")], ..Default::default() }),
        scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, ..Default::default() }],
        ..Default::default()
    }
}

fn exposed(metrics: &ResourceMetrics, format: Format, escaping: Escaping) -> String {
    String::from_utf8(expose(metrics, Exposition { format, escaping })).expect("text")
}

fn families(mut bytes: &[u8]) -> Vec<MetricFamily> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        found.push(MetricFamily::decode_length_delimited(&mut bytes).expect("a family"));
    }
    found
}

fn example() -> ResourceMetrics {
    let exemplar = Exemplar {
        filtered_attributes: vec![attribute("user.id", "7")],
        time_unix_nano: 1_700_000_001_000_000_000,
        span_id: vec![2; 8],
        trace_id: vec![1; 16],
        value: Some(exemplar::Value::AsDouble(0.75)),
    };
    let mut counted = integer(3, vec![attribute("http.route", "/a")]);
    counted.exemplars.push(exemplar.clone());
    let waited = HistogramDataPoint {
        count: 3,
        sum: Some(2.5),
        bucket_counts: vec![1, 2, 0],
        explicit_bounds: vec![0.5, 1.0],
        exemplars: vec![exemplar],
        ..Default::default()
    };
    let waited = Histogram { data_points: vec![waited], aggregation_temporality: AggregationTemporality::Cumulative as i32 };
    let mut gone = integer(1, vec![attribute("state", "gone")]);
    gone.flags = 1;
    of_one_scope(vec![
        named("http.requests", "{request}", sum(true, vec![counted])),
        named("wait", "s", metric::Data::Histogram(waited)),
        named("open", "1", metric::Data::Gauge(Gauge { data_points: vec![integer(-1, Vec::new()), gone] })),
    ])
}

#[test]
fn openmetrics_has_units_exemplars_and_when_counting_began() {
    let text = exposed(&example(), Format::OpenMetrics100, Escaping::Underscores);
    let scope = "otel_scope_name=\"a scope\",otel_scope_version=\"1.2\"";
    let help = "What \\\"it\\\" is,\\na \\\\ and more.";
    let ids = format!("trace_id=\"{}\",span_id=\"{}\",user_id=\"7\"", "01".repeat(16), "02".repeat(8));
    let wanted = format!(
        "# TYPE target info\n# HELP target Who is measured.\ntarget_info{{service_name=\"s\"}} 1\n\
         # TYPE http_requests counter\n# HELP http_requests {help}\n\
         http_requests_total{{http_route=\"/a\",{scope}}} 3 # {{{ids}}} 0.75 1700000001.0\n\
         http_requests_created{{http_route=\"/a\",{scope}}} 1700000000.5\n\
         # TYPE open_ratio gauge\n# UNIT open_ratio ratio\n# HELP open_ratio {help}\nopen_ratio{{{scope}}} -1\n\
         # TYPE wait_seconds histogram\n# UNIT wait_seconds seconds\n# HELP wait_seconds {help}\n\
         wait_seconds_bucket{{{scope},le=\"0.5\"}} 1\n\
         wait_seconds_bucket{{{scope},le=\"1.0\"}} 3 # {{{ids}}} 0.75 1700000001.0\n\
         wait_seconds_bucket{{{scope},le=\"+Inf\"}} 3 # {{{ids}}} 0.75 1700000001.0\n\
         wait_seconds_sum{{{scope}}} 2.5\nwait_seconds_count{{{scope}}} 3\n# EOF\n"
    );
    assert_eq!(text, wanted);
}

#[test]
fn names_of_any_letters_are_quoted_for_who_takes_them() {
    let text = exposed(&example(), Format::Text100, Escaping::AllowUtf8);
    let scope = "otel_scope_name=\"a scope\",otel_scope_version=\"1.2\"";
    assert!(text.contains("# TYPE \"http.requests_total\" counter\n"), "{text}");
    assert!(text.contains(&format!("{{\"http.requests_total\",\"http.route\"=\"/a\",{scope}}} 3\n")), "{text}");
    assert!(text.contains(&format!("open_ratio{{{scope}}} -1\n")), "{text}");
    assert!(text.contains("target_info{\"service.name\"=\"s\"} 1\n"), "{text}");
    let text = exposed(&example(), Format::OpenMetrics100, Escaping::AllowUtf8);
    assert!(text.contains("# TYPE \"http.requests\" counter\n"), "{text}");
    assert!(text.contains(&format!("{{\"http.requests_created\",\"http.route\"=\"/a\",{scope}}} 1700000000.5\n")), "{text}");
}

#[test]
fn a_counter_beside_a_gauge_of_its_name_is_in_openmetrics_too() {
    let point = || vec![integer(1, Vec::new())];
    let metrics = of_one_scope(vec![named("open", "", sum(true, point())), named("open", "", sum(false, point()))]);
    let text = exposed(&metrics, Format::OpenMetrics100, Escaping::Underscores);
    assert!(text.contains("# TYPE open gauge\n") && text.contains("# TYPE open_total unknown\n"), "{text}");
    parser::openmetrics(&text, false).expect("it can be read");
}

#[test]
fn metrics_of_one_name_are_one_family_if_they_are_of_one_type() {
    let point = |text| vec![integer(1, vec![attribute("a", text)])];
    let mut metrics = of_one_scope(vec![named("x.y", "", sum(false, point("1"))), named("x_y", "", sum(false, point("2")))]);
    let mut other = metrics.scope_metrics[0].clone();
    other.scope = Some(InstrumentationScope { name: "other".to_owned(), ..Default::default() });
    other.metrics.push(named("x/y", "", metric::Data::Summary(Summary::default())));
    metrics.scope_metrics.push(other);
    let parsed = parser::text(&exposed(&metrics, Format::Text004, Escaping::Underscores), false).expect("it can be read");
    let family = parsed.families.iter().find(|family| family.name == "x_y").expect("it is there");
    assert_eq!((family.kind.as_str(), family.samples.len()), ("gauge", 4));
    assert_eq!(family.help, "What \"it\" is,\na \\ and more.");
}

/// Text of the letters that formats, names and numbers find strange.
fn strange() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_.:0-9]{0,4}", r#"[\\"\n,={}# aé_.\-]{0,5}"#, any::<String>().prop_map(|text| text.chars().take(6).collect())]
}

fn name() -> impl Strategy<Value = String> {
    let known =
        ["wait", "wait_count", "wait.total", "wait_total", "wait_created", "target", "target_info", "le", "quantile", "__name__"];
    prop_oneof![prop::sample::select(known.to_vec()).prop_map(ToOwned::to_owned), strange()]
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), -10.0..10.0, Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(0.0), Just(1e6)]
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    prop::collection::vec((name(), strange()).prop_map(|(key, text)| attribute(&key, &text)), 0..4)
}

fn exemplars() -> impl Strategy<Value = Vec<Exemplar>> {
    let exemplar = (attributes(), any::<u64>(), any::<[u8; 8]>(), any::<[u8; 16]>(), float()).prop_map(
        |(attributes, time, span, trace, x)| {
            let value = Some(exemplar::Value::AsDouble(x));
            Exemplar { filtered_attributes: attributes, time_unix_nano: time, span_id: span.into(), trace_id: trace.into(), value }
        },
    );
    prop::collection::vec(exemplar, 0..3)
}

fn number() -> impl Strategy<Value = NumberDataPoint> {
    let value =
        prop_oneof![any::<i64>().prop_map(number_data_point::Value::AsInt), float().prop_map(number_data_point::Value::AsDouble),];
    (attributes(), prop::option::of(value), any::<u64>(), exemplars(), 0..2_u32).prop_map(
        |(attributes, value, start, exemplars, flags)| NumberDataPoint {
            attributes,
            value,
            start_time_unix_nano: start,
            exemplars,
            flags,
            ..Default::default()
        },
    )
}

fn explicit() -> impl Strategy<Value = HistogramDataPoint> {
    let buckets = prop::collection::vec((float(), any::<u64>()), 0..6);
    (attributes(), buckets, any::<u64>(), prop::option::of(float()), exemplars()).prop_map(
        |(attributes, buckets, count, sum, exemplars)| {
            let (explicit_bounds, bucket_counts) = buckets.into_iter().unzip();
            HistogramDataPoint { attributes, explicit_bounds, bucket_counts, count, sum, exemplars, ..Default::default() }
        },
    )
}

fn side() -> impl Strategy<Value = Option<Buckets>> {
    let counts = prop::collection::vec(prop_oneof![Just(0), 0..9_u64, 0..1_u64 << 50], 0..200);
    let offset = prop_oneof![-300..300, any::<i32>()];
    prop::option::of((offset, counts).prop_map(|(offset, bucket_counts)| Buckets { offset, bucket_counts }))
}

fn exponential() -> impl Strategy<Value = ExponentialHistogramDataPoint> {
    let scale = prop_oneof![-6..12, any::<i32>()];
    (attributes(), scale, side(), side(), (0..9_u64, float()), prop::option::of(float()), exemplars()).prop_map(
        |(attributes, scale, positive, negative, (zero_count, zero_threshold), sum, exemplars)| {
            let counts = [&positive, &negative].into_iter().flatten().flat_map(|side| &side.bucket_counts);
            let count = zero_count + counts.sum::<u64>();
            let point = ExponentialHistogramDataPoint {
                attributes,
                scale,
                positive,
                negative,
                count,
                sum,
                exemplars,
                ..Default::default()
            };
            ExponentialHistogramDataPoint { zero_count, zero_threshold, ..point }
        },
    )
}

fn data() -> impl Strategy<Value = metric::Data> {
    let quantiles = prop::collection::vec((float(), float()), 0..4);
    let summary = (attributes(), quantiles, any::<u64>(), float()).prop_map(|(attributes, quantiles, count, sum)| {
        let pair = |(quantile, value)| summary_data_point::ValueAtQuantile { quantile, value };
        let quantile_values = quantiles.into_iter().map(pair).collect();
        SummaryDataPoint { attributes, quantile_values, count, sum, ..Default::default() }
    });
    let temporality = 0..3_i32;
    prop_oneof![
        (prop::collection::vec(number(), 0..4), temporality.clone(), any::<bool>()).prop_map(
            |(data_points, temporality, is_monotonic)| {
                metric::Data::Sum(Sum { data_points, aggregation_temporality: temporality, is_monotonic })
            }
        ),
        prop::collection::vec(number(), 0..4).prop_map(|data_points| metric::Data::Gauge(Gauge { data_points })),
        (prop::collection::vec(explicit(), 0..3), temporality.clone()).prop_map(|(data_points, aggregation_temporality)| {
            metric::Data::Histogram(Histogram { data_points, aggregation_temporality })
        }),
        (prop::collection::vec(exponential(), 0..3), temporality).prop_map(|(data_points, aggregation_temporality)| {
            metric::Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality })
        }),
        prop::collection::vec(summary, 0..3).prop_map(|data_points| metric::Data::Summary(Summary { data_points })),
    ]
}

fn resource_metrics() -> impl Strategy<Value = ResourceMetrics> {
    let units = ["", "s", "By", "1", "%", "{thing}", "m/s", "}{", "/"];
    let metric = (name(), strange(), prop::sample::select(units.to_vec()), data());
    let metric = metric.prop_map(|(name, description, unit, data)| Metric { description, ..named(&name, unit, data) });
    let scope = (strange(), strange(), attributes(), prop::collection::vec(metric, 0..5));
    let scope = scope.prop_map(|(name, version, attributes, metrics)| {
        let scope = InstrumentationScope { name, version: version.clone(), attributes, ..Default::default() };
        ScopeMetrics { scope: Some(scope), metrics, schema_url: version }
    });
    (attributes(), prop::collection::vec(scope, 0..3)).prop_map(|(attributes, scope_metrics)| {
        let resource = Some(Resource { attributes, ..Default::default() });
        ResourceMetrics { resource, scope_metrics, ..Default::default() }
    })
}

/// The counts by index, as the spans and deltas have them.
fn unpacked(spans: &[BucketSpan], deltas: &[i64]) -> BTreeMap<i64, i64> {
    let (mut index, mut count, mut deltas, mut found) = (0, 0, deltas.iter(), BTreeMap::new());
    for span in spans {
        index += i64::from(span.offset());
        for _ in 0..span.length() {
            count += deltas.next().expect("a delta for each bucket of a span");
            found.insert(index, count);
            index += 1;
        }
    }
    assert_eq!(deltas.next(), None, "no delta is left");
    found.retain(|_, count| *count != 0);
    found
}

/// The same of what was sent, by the definition: bucket i of scale s ends at 2^((i + 1) / 2^s).
fn sent(side: Option<&Buckets>, scale: i32) -> BTreeMap<i64, i64> {
    let mut wanted = BTreeMap::new();
    for (at, count) in side.into_iter().flat_map(|side| side.bucket_counts.iter().enumerate()).filter(|(_, count)| **count > 0) {
        let index = i128::from(side.expect("it has counts").offset) + at as i128;
        let merged = if scale > 8 { index.div_euclid(1 << (scale - 8).min(100)) } else { index };
        *wanted.entry(merged as i64 + 1).or_insert(0) += *count as i64;
    }
    wanted
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_measured_can_be_read_in_each_format(metrics in resource_metrics()) {
        for escaping in ESCAPINGS {
            let quoted = escaping == Escaping::AllowUtf8;
            let text = exposed(&metrics, Format::Text100, escaping);
            if let Err(error) = parser::text(&text, quoted) {
                prop_assert!(false, "{error}\n{text}");
            }
            let text = exposed(&metrics, Format::OpenMetrics100, escaping);
            if let Err(error) = parser::openmetrics(&text, quoted) {
                prop_assert!(false, "{error}\n{text}");
            }
            let mut names = HashSet::new();
            for family in families(&expose(&metrics, Exposition { format: Format::Protobuf, escaping })) {
                prop_assert!(names.insert(family.name().to_owned()), "{} is there twice", family.name());
                prop_assert!(!family.metric.is_empty());
                let mut series = HashSet::new();
                for metric in &family.metric {
                    let labels: Vec<_> = metric.label.iter().map(|pair| (pair.name(), pair.value())).collect();
                    prop_assert!(labels.windows(2).all(|pair| pair[0].0 < pair[1].0), "{labels:?}");
                    prop_assert!(labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()));
                    prop_assert!(series.insert(labels), "a series is there twice");
                    let kinds = [metric.counter.is_some(), metric.gauge.is_some(), metric.summary.is_some(), metric.histogram.is_some()];
                    prop_assert_eq!(kinds.iter().filter(|kind| **kind).count(), 1);
                    let Some(histogram) = &metric.histogram else { continue };
                    if histogram.schema.is_some() {
                        let buckets = [
                            unpacked(&histogram.negative_span, &histogram.negative_delta),
                            unpacked(&histogram.positive_span, &histogram.positive_delta),
                        ];
                        let total: i64 = buckets.iter().flat_map(BTreeMap::values).sum();
                        prop_assert_eq!(histogram.sample_count(), total as u64 + histogram.zero_count());
                    } else {
                        let ascends = |pair: &[pb::Bucket]| {
                            pair[0].upper_bound() < pair[1].upper_bound() && pair[0].cumulative_count() <= pair[1].cumulative_count()
                        };
                        prop_assert!(histogram.bucket.windows(2).all(ascends));
                        prop_assert_eq!(histogram.bucket.last().map(|last| last.cumulative_count()), Some(histogram.sample_count()));
                    }
                }
            }
        }
    }

    #[test]
    fn native_buckets_are_those_that_were_sent(point in exponential()) {
        let histogram = ExponentialHistogram {
            data_points: vec![point.clone()],
            aggregation_temporality: AggregationTemporality::Cumulative as i32,
        };
        let metrics = of_one_scope(vec![named("h", "", metric::Data::ExponentialHistogram(histogram))]);
        let protobuf = Exposition { format: Format::Protobuf, escaping: Escaping::Underscores };
        let found = families(&expose(&metrics, protobuf)).pop().expect("a family");
        let found = found.metric[0].histogram.clone().expect("a histogram");
        if found.schema.is_some() {
            prop_assert_eq!(found.schema(), point.scale.min(8));
            prop_assert_eq!(unpacked(&found.positive_span, &found.positive_delta), sent(point.positive.as_ref(), point.scale));
            prop_assert_eq!(unpacked(&found.negative_span, &found.negative_delta), sent(point.negative.as_ref(), point.scale));
            prop_assert_eq!((found.zero_count(), found.sample_count()), (point.zero_count, point.count));
        } else {
            let far = [&point.positive, &point.negative].into_iter().flatten().any(|side| side.offset.unsigned_abs() > 1 << 30);
            prop_assert!(point.scale < -4 || far, "it has a native form");
            prop_assert_eq!(found.sample_count(), point.count);
        }
    }

    #[test]
    fn label_values_arrive_as_they_are(values in prop::collection::vec(any::<String>(), 1..4)) {
        let attributes: Vec<_> = values.iter().enumerate().map(|(at, value)| attribute(&format!("l.{at}"), value)).collect();
        let metrics = of_one_scope(vec![named("g", "", sum(false, vec![integer(1, attributes)]))]);
        let parsed = parser::openmetrics(&exposed(&metrics, Format::OpenMetrics100, Escaping::AllowUtf8), true).expect("it can be read");
        let family = parsed.families.iter().find(|family| family.name == "g").expect("it is there");
        for (at, value) in values.iter().enumerate().filter(|(_, value)| !value.is_empty()) {
            prop_assert_eq!(family.samples[0].labels.get(&format!("l.{at}")), Some(value));
        }
    }
}
