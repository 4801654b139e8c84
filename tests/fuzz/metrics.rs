//! What the metrics stream has of some collections of real metrics: templates, and compact messages of three segments.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use telemetry_core::collect::Collector;
use telemetry_core::{Counter, FloatGauge, Histogram, Labels, Registry, metric};
use telemetry_exporter::compact::{Lane, Template};
use telemetry_exporter::otlp::Encoder;

#[derive(Clone, Copy, Labels)]
struct Number {
    n: i64,
}

/// .
#[metric(name = "fuzz_counter")]
static COUNTER: Counter<Number>;
/// .
#[metric(name = "fuzz_gauge")]
static GAUGE: FloatGauge;
/// .
#[metric(name = "fuzz_explicit", bounds = [1.0, 10.0])]
static EXPLICIT: Histogram;
/// .
#[metric(name = "fuzz_exponential")]
static EXPONENTIAL: Histogram<Number>;

/// A message, and what it is to be read as.
pub struct Message {
    pub time_ns: u64,
    pub bytes: Vec<u8>,
    pub whole: Vec<u8>,
    /// Whether it is the first of a segment.
    pub begins: bool,
}

/// Some collections.
#[derive(Default)]
pub struct Collected {
    /// By their numbers; 0 is one without anything.
    pub templates: Vec<Arc<Template>>,
    pub messages: Vec<Message>,
}

/// Of a message that is larger there are two.
const MESSAGE_BYTES: usize = 700;

pub static COLLECTED: LazyLock<Collected> = LazyLock::new(|| {
    let mut collector = Collector::of(&Registry::new(), |entry| entry.name().starts_with("fuzz_"));
    let (mut encoder, mut lanes) = (Encoder::new(MESSAGE_BYTES), Vec::<Lane>::new());
    let mut all = Collected { templates: vec![Arc::default()], messages: Vec::new() };
    for round in 0..24_i64 {
        record(round);
        let frame = collector.collect(Duration::from_secs(1));
        let parts = encoder.encode(frame, Default::default());
        lanes.resize_with(lanes.len().max(parts.len()), Lane::default);
        let sequence = round as u64 / 8;
        for (place, (lane, part)) in lanes.iter_mut().zip(parts).enumerate() {
            match part.template() {
                None => lane.set_template(0, Arc::default()),
                Some(template) if Arc::ptr_eq(lane.template(), template) => {}
                Some(template) => {
                    lane.set_template(all.templates.len() as u64, Arc::clone(template));
                    all.templates.push(Arc::clone(template));
                }
            }
            let begins = place == 0 && round % 8 == 0;
            let mut bytes = Vec::new();
            lane.write(&mut bytes, place, sequence, part);
            all.messages.push(Message { time_ns: frame.time_ns(), bytes, whole: part.as_ref().to_vec(), begins });
        }
    }
    all
});

fn record(round: i64) {
    let n = round % (2 + round / 10); // a further series in round 10, and in 20
    COUNTER.with(Number { n }).add(round as u64 * 3);
    GAUGE.set(round as f64 / 3.0);
    EXPLICIT.record(round as f64);
    EXPONENTIAL.with(Number { n: 0 }).record((round * round) as f64);
    if round == 14 {
        COUNTER.remove(&Number { n: 1 });
    }
}
