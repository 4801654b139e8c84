//! What is encoded from a template is byte for byte what `prost` encodes from the same values, whatever they are.

use std::time::Duration;

use opentelemetry::trace::TraceFlags;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{DataPointFlags, Metric, ResourceMetrics, metric};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message;
use telemetry_core::collect::Collector;
use telemetry_core::{Counter, FloatCounter, FloatGauge, Gauge, Histogram, Labels, Registry, UpDownCounter, metric};
use telemetry_exporter::otlp::{self, Encoder};

use crate::exemplars::{enter, follow_spans};

#[derive(Clone, Copy, Labels)]
struct Side {
    left: bool,
}

#[derive(Clone, Copy, Labels)]
struct Place<'a> {
    name: &'a str,
    floor: i64,
}

/// Of 2^64 - 1 at most.
#[metric(name = "encoding_counter", unit = "{thing}", exemplars)]
static COUNTER: Counter<Place>;
/// .
#[metric(name = "encoding_float_counter", unit = "s", exemplars)]
static FLOAT_COUNTER: FloatCounter<Side>;
/// Ups and downs, in \ many "ways".
#[metric(name = "encoding_up_down")]
static UP_DOWN: UpDownCounter<Place>;
/// .
#[metric(name = "encoding_gauge")]
static GAUGE: Gauge<Place>;
/// .
#[metric(name = "encoding_float_gauge")]
static FLOAT_GAUGE: FloatGauge;
/// .
#[metric(name = "encoding_explicit", bounds = [-1.5, 0.0, 10.0, 1e9], exemplars)]
static EXPLICIT: Histogram<Place>;
/// .
#[metric(name = "encoding_exponential", exemplars)]
static EXPONENTIAL: Histogram<Place>;

/// One thing that is done to some metric.
#[derive(Clone, Debug)]
struct Act {
    metric: u8,
    name: String,
    floor: i64,
    whole: u64,
    float: f64,
    /// Ids of the span that it is done in; 0 for none.
    span: u8,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let name = prop_oneof![Just(String::new()), Just("a".to_owned()), "\\PC{0,12}", "[a-c]{1,40}"];
    let float = prop_oneof![any::<f64>(), -10.0..10.0, Just(0.0)];
    let act = (0_u8..11, name, prop_oneof![Just(0), any::<i64>()], prop_oneof![0_u64..5, any::<u64>()], float, 0_u8..3);
    let act = act.prop_map(|(metric, name, floor, whole, float, span)| Act { metric, name, floor, whole, float, span });
    proptest::collection::vec(act, 1..60)
}

fn perform(Act { metric, name, floor, whole, float, span }: &Act) {
    let _span = (*span != 0).then(|| enter(*span, TraceFlags::SAMPLED));
    let (place, side) = (Place { name, floor: *floor }, Side { left: *floor > 0 });
    match metric {
        0 => COUNTER.with(place).add(*whole),
        1 => FLOAT_COUNTER.with(side).add(float.abs()),
        2 => UP_DOWN.with(place).add(whole.cast_signed()),
        3 => GAUGE.with(place).set(whole.cast_signed()),
        4 => FLOAT_GAUGE.set(*float),
        5 => EXPLICIT.with(place).record(*float),
        6 => EXPLICIT.with(place).record(*whole),
        7 | 8 => EXPONENTIAL.with(place).record(*float),
        9 => EXPONENTIAL.with(place).record(*whole),
        _ => {
            COUNTER.remove(&place);
            EXPONENTIAL.remove(&place);
            FLOAT_COUNTER.remove(&side);
        }
    }
}

fn beside() -> ResourceMetrics {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue("encoding".to_owned())) });
    let attribute = KeyValue { key: "service.name".to_owned(), value, ..Default::default() };
    let resource = Some(Resource { attributes: vec![attribute], ..Default::default() });
    ResourceMetrics { resource, schema_url: "https://opentelemetry.io/schemas/1.40.0".to_owned(), ..Default::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_template_writes_what_prost_writes_of_the_same_values(rounds in proptest::collection::vec(acts(), 1..5), bytes_max in 2_000_usize..200_000) {
        follow_spans();
        let (mut collector, mut encoder) = (Collector::new(&Registry::new()), Encoder::new(1 << 30));
        let mut small = Encoder::new(bytes_max);
        for acts in rounds {
            acts.iter().for_each(perform);
            let frame = collector.collect(Duration::from_secs(1));
            let own = otlp::metrics(frame);
            // In one message.
            let messages = encoder.encode(frame, beside());
            prop_assert_eq!(messages.len(), 1);
            let found = ResourceMetrics::decode(messages[0].as_ref()).expect("a ResourceMetrics");
            let ended = found.scope_metrics[own.len()..].to_vec();
            prop_assert_eq!(frame.ended().is_empty(), ended.is_empty());
            let wanted = ResourceMetrics { scope_metrics: [own.clone(), ended].concat(), ..beside() };
            prop_assert!(messages[0].as_ref() == wanted.encode_to_vec(), "the bytes are others");
            // In several.
            let messages = small.encode(frame, beside());
            let mut points = Vec::new();
            for message in messages {
                let message = message.as_ref();
                let found = ResourceMetrics::decode(message).expect("a ResourceMetrics");
                let of_message = points_of(&found);
                prop_assert!(message.len() <= bytes_max || of_message.len() == 1, "{} bytes", message.len());
                prop_assert!(message == found.encode_to_vec(), "it is not what prost writes");
                prop_assert_eq!(&found.resource, &beside().resource);
                prop_assert_eq!(&found.schema_url, &beside().schema_url);
                points.extend(of_message);
            }
            let mut wanted = points_of(&wanted);
            points.sort_unstable();
            wanted.sort_unstable();
            prop_assert!(points == wanted, "the points are others");
        }
    }

    #[test]
    fn a_message_that_was_cut_anywhere_is_refused_or_is_a_part_and_never_a_panic(acts in acts(), at in any::<prop::sample::Index>()) {
        acts.iter().for_each(perform);
        let (mut collector, mut encoder) = (Collector::new(&Registry::new()), Encoder::new(1 << 30));
        let message = encoder.encode(collector.collect(Duration::from_secs(1)), beside())[0].as_ref().to_vec();
        let end = at.index(message.len());
        // Where a field of the message itself ends it is whole; everywhere else it is refused.
        if let Ok(part) = ResourceMetrics::decode(&message[..end]) {
            prop_assert!(message.starts_with(&part.encode_to_vec()));
        }
    }
}

/// Each point as its bytes, behind the name of its metric.
fn points_of(metrics: &ResourceMetrics) -> Vec<(String, Vec<u8>)> {
    fn encoded(points: &[impl Message]) -> Vec<Vec<u8>> {
        points.iter().map(Message::encode_to_vec).collect()
    }
    let of = |data: &metric::Data| match data {
        metric::Data::Sum(data) => encoded(&data.data_points),
        metric::Data::Gauge(data) => encoded(&data.data_points),
        metric::Data::Histogram(data) => encoded(&data.data_points),
        metric::Data::ExponentialHistogram(data) => encoded(&data.data_points),
        metric::Data::Summary(data) => encoded(&data.data_points),
    };
    let metrics = metrics.scope_metrics.iter().flat_map(|scope| &scope.metrics);
    let points = |metric: &Metric| metric.data.as_ref().map(of).unwrap_or_default();
    metrics.flat_map(|metric| points(metric).into_iter().map(|point| (metric.name.clone(), point))).collect()
}

/// .
#[metric(name = "encoding_ending")]
static ENDING: Counter<Place>;

#[test]
fn a_series_that_was_removed_ends_with_no_recorded_value_once_and_begins_anew_when_it_comes_back() {
    let (mut collector, mut encoder) = (Collector::new(&Registry::new()), Encoder::new(1 << 20));
    let mut points = || {
        let messages = encoder.encode(collector.collect(Duration::from_secs(1)), ResourceMetrics::default());
        let decoded = messages.iter().map(|message| ResourceMetrics::decode(message.as_ref()).expect("a ResourceMetrics"));
        let scopes = decoded.flat_map(|message| message.scope_metrics);
        let metric = scopes.flat_map(|scope| scope.metrics).filter(|metric| metric.name == "encoding_ending");
        let points = metric.flat_map(|metric| match metric.data {
            Some(metric::Data::Sum(sum)) => sum.data_points,
            other => panic!("{other:?}"),
        });
        points.collect::<Vec<_>>()
    };
    let place = Place { name: "here", floor: 1 };
    ENDING.with(place).add(3);
    let first = points();
    assert_eq!((first.len(), first[0].flags), (1, 0));
    assert!(ENDING.remove(&place));
    let last = points();
    assert_eq!((last.len(), last[0].flags, &last[0].value), (1, DataPointFlags::NoRecordedValueMask as u32, &None));
    assert_eq!((&last[0].attributes, last[0].start_time_unix_nano), (&first[0].attributes, first[0].start_time_unix_nano));
    assert!(last[0].time_unix_nano > first[0].time_unix_nano);
    assert!(points().is_empty(), "it is told once");
    ENDING.with(place).inc();
    let again = points();
    assert_eq!((again.len(), again[0].flags), (1, 0));
    assert!(again[0].start_time_unix_nano > first[0].start_time_unix_nano, "its sum began again");
}
