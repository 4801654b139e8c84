//! What an hour of metrics takes on the metrics stream, and how fast it becomes OTLP again.
//!
//! 3,600 collections of so many series, of which 30 % move in a step, by 1 to 100, others each time. One line a case, tab-separated: `kind/series`, bytes of the hour, bytes a point,
//! how many times smaller than the OTLP, the time of one collection (reading all series, encoding, appending) in microseconds and in parts of a core at one second, and millions of points a
//! second that are made into OTLP: by one reader, from the first message to the last, the median of the rounds. `--rounds N` and `--only case` choose.
//!
//! `whole/1000` is a whole telemetry that collects so many counters once a second, with all of its threads: the processor time that this
//! process takes in ten seconds, without that of recording, in parts of a core.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use telemetry_core::collect::Collector;
use telemetry_core::{Counter, FloatGauge, Histogram, Labels, Registry, metric};
use telemetry_exporter::limits::MESSAGE_BYTES_MAX;
use telemetry_exporter::otlp::Encoder;
use telemetry_exporter::stream::{Bounds, Lanes, Piece, Position, Reader, StreamOptions, Streams, payloads};
use telemetry_exporter::{Config, start};

#[derive(Clone, Copy, Labels)]
struct Call {
    method: &'static str,
    code: u32,
}

/// Requests answered.
#[metric(name = "bench_requests", unit = "{request}", max_series = 20000)]
static REQUESTS: Counter<Call>;

/// What is left.
#[metric(name = "bench_free", unit = "1", max_series = 20000)]
static FREE: FloatGauge<Call>;

/// The time to answer.
#[metric(name = "bench_duration", unit = "s", max_series = 20000, bounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0])]
static DURATION: Histogram<Call>;

/// The time to answer.
#[metric(name = "bench_latency", unit = "s", max_series = 20000)]
static LATENCY: Histogram<Call>;

/// Records something in the series of this number.
type Record<'a> = &'a dyn Fn(usize, &mut Dice);

const HOUR: usize = 3_600;

/// The same numbers in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

fn labels(n: usize) -> Call {
    Call { method: ["get", "put", "find", "ping"][n % 4], code: n as u32 }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut rounds, mut only) = (7, String::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rounds" => rounds = arguments.next().and_then(|rounds| rounds.parse().ok()).expect("--rounds NUMBER"),
            "--only" => only = arguments.next().expect("--only CASE"),
            _ => {}
        }
    }
    println!("case\tbytes\tbytes/point\tsmaller\tcollection us\tof a core\tMpoints/s");
    let counter = |n: usize, dice: &mut Dice| REQUESTS.with(labels(n)).add(1 + dice.below(100));
    let gauge = |n: usize, dice: &mut Dice| FREE.with(labels(n)).set(dice.below(1 << 40) as f64 / 1024.0);
    let explicit = |n: usize, dice: &mut Dice| DURATION.with(labels(n)).record((1 + dice.below(400)) as f64 / 40.0);
    let exponential = |n: usize, dice: &mut Dice| LATENCY.with(labels(n)).record((1 + dice.below(400)) as f64 / 40.0);
    let cases: [(&str, usize, &str, Record<'_>); 6] = [
        ("counters", 1_000, "bench_requests", &counter),
        ("counters", 100, "bench_requests", &counter),
        ("counters", 10_000, "bench_requests", &counter),
        ("gauges", 1_000, "bench_free", &gauge),
        ("explicit", 100, "bench_duration", &explicit),
        ("exponential", 100, "bench_latency", &exponential),
    ];
    for (kind, series, name, record) in cases {
        let case = format!("{kind}/{series}");
        if case.starts_with(&only) {
            measure(&case, series, name, record, rounds);
        }
    }
    if "whole/1000".starts_with(&only) {
        whole(1_000, &counter);
    }
}

/// Processor time of this process so far.
fn processor_time() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

fn whole(series: usize, record: Record<'_>) {
    const SECONDS: u32 = 10;
    let mut dice = Dice(11);
    (0..series).for_each(|n| record(n, &mut dice));
    let config = Config { listen: None, collect_every: Duration::from_secs(1), ..Config::default() };
    let running = start(config).expect("it starts");
    std::thread::sleep(Duration::from_secs(3));
    let (before, mut recording) = (processor_time(), Duration::ZERO);
    for _ in 0..SECONDS {
        let began = processor_time();
        (0..series).filter(|n| n % 10 < 3).for_each(|n| record(n, &mut dice));
        recording += processor_time() - began;
        std::thread::sleep(Duration::from_secs(1));
    }
    let took = processor_time() - before - recording;
    drop(running);
    println!(
        "whole/{series}\t\t\t\t{:.1}\t{:.4} %",
        took.as_secs_f64() * 1e6 / f64::from(SECONDS),
        took.as_secs_f64() * 100.0 / f64::from(SECONDS)
    );
}

fn measure(case: &str, series: usize, name: &str, record: Record<'_>, rounds: usize) {
    let registry = Registry::new();
    let options = StreamOptions { bytes_max: 1 << 30, ..StreamOptions::default() };
    let mut bounds = Bounds::default();
    bounds.bytes_max = 1 << 30;
    let streams = Streams::new(Arc::clone(&registry), options, bounds);
    let mut collector = Collector::of(&registry, |entry| entry.name() == name);
    let (mut encoder, mut lanes, mut dice) = (Encoder::new(MESSAGE_BYTES_MAX), Lanes::default(), Dice(7));
    (0..series).for_each(|n| record(n, &mut dice));
    let (mut otlp_bytes, mut collecting) = (0, Vec::new());
    let mut shown = 0;
    for _ in 0..HOUR {
        for n in 0..series {
            if dice.below(10) < 3 {
                record(n, &mut dice);
            }
        }
        let began = Instant::now();
        let frame = collector.collect(Duration::from_secs(1));
        shown += frame.series().len();
        let messages = encoder.encode(frame, ResourceMetrics::default());
        otlp_bytes += messages.iter().map(|message| message.as_ref().len()).sum::<usize>();
        streams.append_metrics(&mut lanes, frame.time_ns(), messages).expect("within the bounds");
        collecting.push(began.elapsed());
    }
    let stream = streams.metrics();
    let state = stream.log.state();
    assert_eq!(state.kept, state.appended, "the hour is held");
    let mut reading: Vec<_> = (0..rounds)
        .map(|_| {
            let (mut reader, mut at, mut messages, mut bytes) = (Reader::new(Arc::clone(stream)), Position::default(), 0, 0);
            let began = Instant::now();
            while let Piece::Data { next, data, .. } = reader.read(at, true) {
                bytes += black_box(&data).len();
                messages += payloads(&data).count();
                at = next;
            }
            let took = began.elapsed();
            assert_eq!((messages as u64, bytes), (state.kept, otlp_bytes + 12 * messages));
            took
        })
        .collect();
    reading.sort_unstable();
    collecting.sort_unstable();
    let points = shown as f64;
    let collection = collecting[HOUR / 2].as_secs_f64();
    println!(
        "{case}\t{}\t{:.2}\t{:.0}\t{:.1}\t{:.4} %\t{:.0}",
        state.bytes,
        state.bytes as f64 / points,
        otlp_bytes as f64 / state.bytes as f64,
        collection * 1e6,
        collection * 100.0,
        points / reading[rounds / 2].as_secs_f64() / 1e6
    );
}
