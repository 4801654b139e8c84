//! What is appended to the metrics stream comes out of it byte for byte, whatever changes in between.

use opentelemetry_proto::tonic::metrics::v1::ScopeMetrics;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use telemetry_core::{Counter, FloatCounter, FloatGauge, Gauge as CoreGauge, Histogram, Labels, Registry, UpDownCounter, metric};

use super::*;
use crate::stream::{Bounds, Piece, Position, Reader, StreamOptions, payloads};

#[derive(Clone, Copy, Labels)]
struct Number {
    n: i64,
}

/// A sum.
#[metric(name = "export_test_counter", exemplars)]
static COUNTER: Counter<Number>;

/// A sum that falls.
#[metric(name = "export_test_up_down")]
static UP_DOWN: UpDownCounter<Number>;

/// A value.
#[metric(name = "export_test_gauge")]
static GAUGE: CoreGauge<Number>;

/// A sum.
#[metric(name = "export_test_float")]
static FLOAT: FloatCounter<Number>;

/// A value.
#[metric(name = "export_test_float_gauge")]
static FLOAT_GAUGE: FloatGauge<Number>;

/// Of bounds.
#[metric(name = "export_test_explicit", bounds = [1.0, 10.0, 100.0], exemplars)]
static EXPLICIT: Histogram<Number>;

/// Of exponential buckets.
#[metric(name = "export_test_exponential", exemplars)]
static EXPONENTIAL: Histogram<Number>;

/// Numbers that look random, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

fn record(dice: &mut Dice) {
    for _ in 0..dice.below(20) {
        let labels = Number { n: dice.below(9) as i64 };
        let value = dice.below(1_000_000) as f64 / 64.0;
        match dice.below(8) {
            0 => COUNTER.with(labels).add(dice.below(1 << 20)),
            1 => UP_DOWN.with(labels).add(dice.below(1 << 20) as i64 - (1 << 19)),
            2 => GAUGE.with(labels).set(i64::MIN + dice.below(1 << 30) as i64),
            3 => FLOAT.with(labels).add(value),
            4 => FLOAT_GAUGE.with(labels).set(value - 5_000.0),
            5 => EXPLICIT.with(labels).record(value),
            6 => EXPONENTIAL.with(labels).record(value),
            _ => EXPONENTIAL.with(labels).record(-value),
        }
    }
    if dice.below(6) == 0 {
        let labels = Number { n: dice.below(9) as i64 };
        match dice.below(3) {
            0 => COUNTER.remove(&labels),
            1 => EXPLICIT.remove(&labels),
            _ => EXPONENTIAL.remove(&labels),
        };
    }
}

/// What comes beside the registry's metrics: sometimes something else, sometimes nothing.
fn beside(dice: &mut Dice, round: u64) -> ResourceMetrics {
    let value = Some(number_data_point::Value::AsInt((dice.below(4) * round) as i64));
    let point = NumberDataPoint { time_unix_nano: round, value, ..NumberDataPoint::default() };
    let gauge = Gauge { data_points: vec![point; dice.below(5) as usize] };
    let metric = Metric { name: "beside".into(), data: Some(metric::Data::Gauge(gauge)), ..Metric::default() };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    ResourceMetrics {
        resource: (round / 50 % 2 == 1).then(Resource::default),
        scope_metrics: vec![scope; dice.below(3) as usize],
        schema_url: if round / 30 % 2 == 1 { "https://opentelemetry.io/schemas/1.40.0".into() } else { String::new() },
    }
}

#[test]
fn every_message_comes_out_of_the_stream_byte_for_byte() {
    for (message_bytes_max, segment_bytes) in [(1 << 20, 1 << 20), (4_000, 20_000), (1_200, 1_200)] {
        let registry = Registry::new();
        let options = StreamOptions { bytes_max: 64 << 20, segment_bytes, ..StreamOptions::default() };
        let streams = Streams::new(Arc::clone(&registry), options, Bounds::default());
        let mut collector = Collector::of(&registry, |entry| entry.name().starts_with("export_test_"));
        let (mut encoder, mut lanes, mut dice) = (Encoder::new(message_bytes_max), Lanes::default(), Dice(segment_bytes as u64));
        let stream = streams.metrics();
        let (mut wanted, mut ends) = (Vec::new(), Vec::new());
        for round in 0..300 {
            record(&mut dice);
            let frame = collector.collect(Duration::from_secs(1));
            let messages = encoder.encode(frame, beside(&mut dice, round));
            wanted.extend(messages.iter().map(|message| message.as_ref().to_vec()));
            streams.append_metrics(&mut lanes, frame.time_ns(), messages).expect("within the bounds");
            ends.push((stream.log.end(), wanted.len()));
            if dice.below(20) == 0 {
                stream.log.seal();
            }
        }
        let bytes = wanted.iter().map(Vec::len).sum::<usize>();
        assert!(bytes > stream.log.state().bytes, "{bytes} bytes were {:?}", stream.log.state());
        let read = |mut at: Position, reader: &mut Reader| {
            let mut found = Vec::new();
            while let Piece::Data { next, data, .. } = reader.read(at, true) {
                found.extend(payloads(&data).map(<[u8]>::to_vec));
                at = next;
            }
            assert_eq!(at, stream.log.end());
            found
        };
        let mut reader = Reader::new(Arc::clone(stream));
        assert!(read(Position::default(), &mut reader) == wanted);
        // From the middle of segments too, with a reader that has been elsewhere.
        for (from, before) in ends.iter().step_by(7) {
            assert!(read(*from, &mut reader) == wanted[*before..], "from {from:?}");
        }
        // And message by message, each of them refused once.
        let (mut at, mut walked) = (Position::default(), Vec::new());
        loop {
            let mut take = walked.len() % 2;
            let (came, _) = reader.walk(at, |frame| {
                take += 1;
                if take <= 2 {
                    walked.push(frame.payload.to_vec());
                }
                take <= 2
            });
            at = match came {
                crate::stream::Walked::To(at) | crate::stream::Walked::Until(at) => at,
                crate::stream::Walked::Nothing => break,
            };
        }
        assert!(walked == wanted);
    }
}

#[test]
fn templates_are_forgotten_with_the_segments_that_need_them() {
    let registry = Registry::new();
    let options = StreamOptions { message_bytes_max: 4_000, bytes_max: 200_000, segment_bytes: 8_000, ..StreamOptions::default() };
    let streams = Streams::new(Arc::clone(&registry), options, Bounds::default());
    let mut collector = Collector::of(&registry, |entry| entry.name().starts_with("export_test_"));
    let (mut encoder, mut lanes, mut dice) = (Encoder::new(4_000), Lanes::default(), Dice(1));
    for round in 0..1_000 {
        record(&mut dice);
        let frame = collector.collect(Duration::from_secs(1));
        let messages = encoder.encode(frame, beside(&mut dice, round));
        streams.append_metrics(&mut lanes, frame.time_ns(), messages).expect("within the bounds");
        let state = streams.metrics().log.state();
        assert_eq!(state.kept + state.dropped, state.appended);
        assert!(state.bytes <= 250_000, "{state:?}");
    }
    let mut reader = Reader::new(Arc::clone(streams.metrics()));
    let (mut at, mut found) = (streams.metrics().log.first(), 0);
    while let Piece::Data { next, data, .. } = reader.read(at, true) {
        found += payloads(&data).count() as u64;
        at = next;
    }
    let state = streams.metrics().log.state();
    assert_eq!(found, state.kept);
    assert!(state.dropped > 0 && found > 100, "{state:?}");
}

#[test]
fn points_keep_their_time_when_the_clock_goes_back_and_the_stream_does_not() {
    let registry = Registry::new();
    let streams = Streams::new(Arc::clone(&registry), StreamOptions::default(), Bounds::default());
    let (mut lanes, mut wanted) = (Lanes::default(), Vec::new());
    COUNTER.with(Number { n: 1 }).inc();
    for _ in 0..3 {
        let mut collector = Collector::of(&registry, |entry| entry.name() == "export_test_counter");
        let mut encoder = Encoder::new(1 << 20);
        let frame = collector.collect(Duration::from_secs(1));
        let messages = encoder.encode(frame, ResourceMetrics::default());
        wanted.extend(messages.iter().map(|message| message.as_ref().to_vec()));
        streams.append_metrics(&mut lanes, frame.time_ns(), messages).expect("small");
        // One without anything, in another place and later than all: from here on the clock went back.
        streams.metrics().log.append(u64::MAX, &[0, 4 * 9, 0, 0, 0]).expect("small");
    }
    let (mut reader, mut found) = (Reader::new(Arc::clone(streams.metrics())), Vec::new());
    let mut at = Position::default();
    while let Piece::Data { next, data, .. } = reader.read(at, true) {
        found.extend(payloads(&data).filter(|payload| !payload.is_empty()).map(<[u8]>::to_vec));
        at = next;
    }
    assert!(found == wanted);
}
