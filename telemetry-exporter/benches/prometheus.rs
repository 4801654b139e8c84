//! What a scrape costs beside the collection: 1,000 counters, a series each, in every format.
//!
//! One line a case, tab-separated: `subject/case`, the median of the rounds and their 10th percentile in microseconds an exposition, the
//! bytes, and the floor: a copy of as many bytes.

use std::hint::black_box;
use std::time::Instant;

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric,
    number_data_point,
};
use telemetry_exporter::prometheus::{Escaping, Exposition, Format, expose};

const METRICS: usize = 1_000;
const ROUNDS: usize = 301;

fn microseconds(mut run: impl FnMut()) -> (f64, f64) {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            run();
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[ROUNDS / 2], times[ROUNDS / 10])
}

fn metrics(data: impl Fn(usize) -> metric::Data) -> ResourceMetrics {
    let metric = |at| Metric {
        name: format!("bench.subsystem.requests_{at}"),
        unit: "{request}".to_owned(),
        description: "Requests of a subsystem.".to_owned(),
        data: Some(data(at)),
        ..Default::default()
    };
    let scope = InstrumentationScope { name: "bench".to_owned(), version: "0.1.0".to_owned(), ..Default::default() };
    let scope = ScopeMetrics { scope: Some(scope), metrics: (0..METRICS).map(metric).collect(), ..Default::default() };
    ResourceMetrics { scope_metrics: vec![scope], ..Default::default() }
}

fn counter(value: usize) -> metric::Data {
    let text = any_value::Value::StringValue("GET".to_owned());
    let attribute = KeyValue { key: "http.method".to_owned(), value: Some(AnyValue { value: Some(text) }), ..Default::default() };
    let point = NumberDataPoint {
        attributes: vec![attribute],
        value: Some(number_data_point::Value::AsInt(value as i64)),
        ..Default::default()
    };
    metric::Data::Sum(Sum { data_points: vec![point], is_monotonic: true, ..Default::default() })
}

fn histogram(_: usize) -> metric::Data {
    let positive = Some(Buckets { offset: -40, bucket_counts: vec![3; 160] });
    let point = ExponentialHistogramDataPoint { scale: 3, count: 480, sum: Some(9.5), positive, ..Default::default() };
    metric::Data::ExponentialHistogram(ExponentialHistogram { data_points: vec![point], ..Default::default() })
}

fn main() {
    println!("subject/case\tmedian µs\tp10 µs\tbytes\tfloor µs");
    for (subject, metrics) in [("1000-counters", metrics(counter)), ("1000-exponential", metrics(histogram))] {
        for (case, format, escaping) in [
            ("text", Format::Text004, Escaping::Underscores),
            ("text-utf8", Format::Text100, Escaping::AllowUtf8),
            ("openmetrics", Format::OpenMetrics100, Escaping::Underscores),
            ("protobuf", Format::Protobuf, Escaping::Underscores),
        ] {
            let run = || expose(black_box(&metrics), Exposition { format, escaping });
            let bytes = run();
            let (median, p10) = microseconds(|| drop(black_box(run())));
            let (floor, _) = microseconds(|| drop(black_box(black_box(&bytes).clone())));
            println!("{subject}/{case}\t{median:.0}\t{p10:.0}\t{}\t{floor:.1}", bytes.len());
        }
    }
}
