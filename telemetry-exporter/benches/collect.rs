//! What collecting and encoding costs beside the OpenTelemetry SDK with `opentelemetry-proto` in the same run.
//!
//! One line a case, tab-separated: `case/series/recorded`, the median of the rounds in microseconds of this library and of the SDK, how
//! many times the one is of the other, and what this library takes a series in nanoseconds. `recorded` is which part of the series is
//! recorded before each collection: none, every eighth or all. The two take turns, three collections each: what comes first is of
//! the later two, and "far" of the first, for which the memory of the processor is full of the other's.
//! `--rounds N` and `--only case/series/recorded` choose.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_sdk::metrics::data;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, ManualReader, SdkMeterProvider, Stream};
use prost::Message;
use telemetry_core::collect::Collector;
use telemetry_core::{Counter, Histogram, Labels, Registry, metric};
use telemetry_exporter::limits::MESSAGE_BYTES_MAX;
use telemetry_exporter::otlp::Encoder;

const SIZES: [usize; 3] = [100, 1_000, 10_000];

#[derive(Clone, Copy, Labels)]
struct Call {
    method: &'static str,
    code: u32,
}

/// Requests answered.
#[metric(name = "bench_requests", unit = "{request}", max_series = 20000)]
static REQUESTS: Counter<Call>;

/// The time to answer.
#[metric(name = "bench_duration", unit = "s", max_series = 20000, bounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0])]
static DURATION: Histogram<Call>;

/// The time to answer.
#[metric(name = "bench_latency", unit = "s", max_series = 20000)]
static LATENCY: Histogram<Call>;

/// What is collected.
#[derive(Clone, Copy)]
enum Case {
    Counter,
    Explicit,
    Exponential,
}

impl Case {
    fn record(self, labels: Call, n: usize) {
        let value = |n: usize| ((n % 97) as f64 + 1.0) / 40.0;
        match self {
            Self::Counter => REQUESTS.with(labels).add(n as u64 + 1),
            Self::Explicit => DURATION.with(labels).record(value(n)),
            Self::Exponential => LATENCY.with(labels).record(value(n)),
        }
    }

    fn remove(self, labels: Call) {
        match self {
            Self::Counter => REQUESTS.remove(&labels),
            Self::Explicit => DURATION.remove(&labels),
            Self::Exponential => LATENCY.remove(&labels),
        };
    }
}

/// A reader that the provider shares with the bench.
#[derive(Clone, Debug)]
struct Shared(Arc<ManualReader>);

impl MetricReader for Shared {
    fn register_pipeline(&self, pipeline: std::sync::Weak<opentelemetry_sdk::metrics::Pipeline>) {
        self.0.register_pipeline(pipeline);
    }
    fn collect(&self, metrics: &mut data::ResourceMetrics) -> opentelemetry_sdk::error::OTelSdkResult {
        self.0.collect(metrics)
    }
    fn force_flush(&self) -> opentelemetry_sdk::error::OTelSdkResult {
        self.0.force_flush()
    }
    fn shutdown_with_timeout(&self, timeout: Duration) -> opentelemetry_sdk::error::OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }
    fn temporality(&self, kind: opentelemetry_sdk::metrics::InstrumentKind) -> opentelemetry_sdk::metrics::Temporality {
        self.0.temporality(kind)
    }
}

type Record = Box<dyn Fn(&[KeyValue], usize)>;

/// The SDK with one instrument.
struct Sdk {
    reader: Shared,
    _provider: SdkMeterProvider,
    metrics: data::ResourceMetrics,
    out: Vec<u8>,
}

impl Sdk {
    fn new(case: Case) -> (Self, Record) {
        let reader = Shared(Arc::new(ManualReader::builder().build()));
        let view = move |_: &Instrument| {
            let stream = Stream::builder().with_cardinality_limit(20_000);
            let exponential = Aggregation::Base2ExponentialHistogram { max_size: 160, max_scale: 20, record_min_max: true };
            match case {
                Case::Exponential => stream.with_aggregation(exponential).build().ok(),
                _ => stream.build().ok(),
            }
        };
        let provider = SdkMeterProvider::builder().with_reader(reader.clone()).with_view(view).build();
        let meter = provider.meter("bench");
        let value = |n: usize| ((n % 97) as f64 + 1.0) / 40.0;
        let record: Record = match case {
            Case::Counter => {
                let counter = meter.u64_counter("bench_requests").with_unit("{request}").build();
                Box::new(move |labels, n| counter.add(n as u64 + 1, labels))
            }
            Case::Explicit | Case::Exponential => {
                let histogram = meter.f64_histogram("bench_duration").with_unit("s").build();
                Box::new(move |labels, n| histogram.record(value(n), labels))
            }
        };
        let sdk = Self { reader, _provider: provider, metrics: data::ResourceMetrics::default(), out: Vec::new() };
        (sdk, record)
    }

    fn collect(&mut self) -> usize {
        self.reader.collect(&mut self.metrics).expect("it collects");
        self.out.clear();
        ExportMetricsServiceRequest::from(&self.metrics).encode(&mut self.out).expect("there is room");
        self.out.len()
    }
}

/// How long collections took, in microseconds.
#[derive(Default)]
struct Times {
    /// Those after another one of the same: all of it is in the processor's memory.
    near: Vec<f64>,
    /// Those after the other library's.
    far: Vec<f64>,
}

impl Times {
    fn take(&mut self, mut record: impl FnMut(usize), mut collect: impl FnMut() -> usize) {
        for turn in 0..3 {
            record(turn);
            let began = Instant::now();
            black_box(collect());
            let times = if turn == 0 { &mut self.far } else { &mut self.near };
            times.push(began.elapsed().as_secs_f64() * 1e6);
        }
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let option = |name: &str| std::env::args().skip_while(|arg| arg != name).nth(1);
    let rounds: usize = option("--rounds").map_or(101, |n| n.parse().expect("a number"));
    let only = option("--only").map(|only| only + "/").unwrap_or_default();
    println!("case/series/recorded\ttelemetry µs\tSDK µs\ttimes\tns a series\ttelemetry far µs\tSDK far µs\ttimes");
    for (name, case) in [("exponential", Case::Exponential), ("explicit", Case::Explicit), ("counter", Case::Counter)] {
        // Ascending, and counters last: cells that were used once are read for good.
        for size in SIZES {
            let is_chosen = |recorded: &str| format!("{name}/{size}/{recorded}/").starts_with(&only);
            let modes = [("none", None), ("eighth", Some(8)), ("all", Some(1))];
            let modes: Vec<_> = modes.into_iter().filter(|(recorded, _)| is_chosen(recorded)).collect();
            if modes.is_empty() {
                continue;
            }
            let calls: Vec<_> = (0..size).map(|n| Call { method: ["get", "put", "post", "list"][n % 4], code: n as u32 }).collect();
            let attributes = |call: &Call| [KeyValue::new("method", call.method), KeyValue::new("code", i64::from(call.code))];
            let attributes: Vec<_> = calls.iter().map(attributes).collect();
            let (mut sdk, sdk_record) = Sdk::new(case);
            let all = || (0..4).for_each(|time| calls.iter().enumerate().for_each(|(n, call)| case.record(*call, n + time)));
            all();
            (0..4).for_each(|time| attributes.iter().enumerate().for_each(|(n, labels)| sdk_record(labels, n + time)));
            let (mut collector, mut encoder) = (Collector::new(&Registry::new()), Encoder::new(MESSAGE_BYTES_MAX));
            for (recorded, every) in modes {
                let (mut ours, mut theirs) = (Times::default(), Times::default());
                for round in 0..rounds + 1 {
                    // Which of the series are recorded, and what.
                    let some = |turn: usize| {
                        let first = every.map_or(0, |every| round % every);
                        every
                            .into_iter()
                            .flat_map(move |every| (first..size).step_by(every).map(move |n| (n, n + round * 3 + turn)))
                    };
                    ours.take(
                        |turn| some(turn).for_each(|(n, value)| case.record(calls[n], value)),
                        || {
                            let messages = encoder.encode(collector.collect(Duration::from_secs(1)), ResourceMetrics::default());
                            messages.iter().map(|message| message.as_ref().len()).sum()
                        },
                    );
                    theirs.take(|turn| some(turn).for_each(|(n, value)| sdk_record(&attributes[n], value)), || sdk.collect());
                }
                let (near, far) =
                    ((median(&mut ours.near), median(&mut theirs.near)), (median(&mut ours.far), median(&mut theirs.far)));
                let a_series = near.0 * 1e3 / size as f64;
                let times = |(ours, theirs): (f64, f64)| format!("{ours:.1}\t{theirs:.1}\t{:.1}", theirs / ours);
                println!("{name}/{size}/{recorded}\t{}\t{a_series:.1}\t{}", times(near), times(far));
            }
            calls.iter().for_each(|call| case.remove(*call));
        }
    }
}
