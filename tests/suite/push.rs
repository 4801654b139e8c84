//! Pushing to a collector that answers as each test says: what arrives, what is sent again, what is counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, ResourceMetrics, metric, number_data_point};
use prost::Message;
use serde::Serialize;
use telemetry_core::{Counter, Event, Labels, PropertyValue, UpDownCounter, event, metric};
use telemetry_exporter::stream::{NamedLog, Piece, Position, Reader, frames};
use telemetry_exporter::{Compression, Config, Protocol, Push, PushState, Running, StopError, Temporality};
use tonic::Code;

use crate::collector::{Collector, Does};
use crate::support::{self, until, value};

#[derive(Labels)]
struct Test {
    test: &'static str,
}

/// .
#[metric(name = "push_counted")]
static COUNTED: Counter<Test>;

/// .
#[metric(name = "push_up_down")]
static UP_DOWN: UpDownCounter<Test>;

#[derive(Serialize)]
struct Joined {
    peer: &'static str,
    hops: Vec<u64>,
    relay: Option<u8>,
}

/// .
#[event(name = "push_joined")]
static JOINED: Event<Joined>;

const PROTOCOLS: [Protocol; 2] = [Protocol::Grpc, Protocol::HttpProtobuf];

fn metrics_to(collector: &Collector, protocol: Protocol) -> Push {
    Push { endpoint: collector.url(), protocol, events: false, ..Push::default() }
}

fn start(push: Push) -> Running {
    support::start(Config { push: vec![push], listen: None, ..support::config() })
}

async fn collect(running: &Running) {
    let telemetry = running.telemetry().clone();
    tokio::task::spawn_blocking(move || telemetry.force_flush()).await.expect("no panic").expect("collected");
}

async fn stop(running: Running) -> Result<(), StopError> {
    tokio::task::spawn_blocking(move || running.stop()).await.expect("no panic")
}

/// Every message of a stream, from here on.
fn messages_from(stream: &Arc<NamedLog>, mut at: Position) -> Vec<Vec<u8>> {
    let (mut reader, mut found) = (Reader::new(Arc::clone(stream)), Vec::new());
    while let Piece::Data { next, data, .. } = reader.read(at, true) {
        found.extend(frames(&data).map(|frame| frame.expect("whole").payload.to_vec()));
        at = next;
    }
    found
}

/// Every message of a stream.
fn messages(stream: &Arc<NamedLog>) -> Vec<Vec<u8>> {
    messages_from(stream, Position::default())
}

/// What the collector has taken, each encoded as the stream holds it.
fn taken(collector: &Collector) -> Vec<Vec<u8>> {
    let arrived = collector.arrived();
    let taken = arrived.iter().filter(|request| request.was_taken).flat_map(|request| &request.metrics);
    taken.map(Message::encode_to_vec).collect()
}

/// The values of a sum's series of one test, in order, and whether they are deltas.
fn values(messages: &[ResourceMetrics], name: &str, test: &str) -> Vec<(bool, u64, u64, i64)> {
    let mut found = Vec::new();
    for metric in messages.iter().flat_map(|message| &message.scope_metrics).flat_map(|scope| &scope.metrics) {
        let Some(metric::Data::Sum(sum)) = metric.data.as_ref().filter(|_| metric.name == name) else { continue };
        for point in &sum.data_points {
            let label = point.attributes[0].value.as_ref().and_then(|value| value.value.clone());
            let Some(number_data_point::Value::AsInt(value)) = point.value else { panic!("{point:?}") };
            if label == Some(Any::StringValue(test.to_owned())) {
                let is_delta = sum.aggregation_temporality == AggregationTemporality::Delta as i32;
                found.push((is_delta, point.start_time_unix_nano, point.time_unix_nano, value));
            }
        }
    }
    found
}

fn state(running: &Running, signal: &str) -> PushState {
    running.push_state().into_iter().find(|state| state.signal == signal).expect("it is pushed")
}

fn counted(name: &str, labels: &[(&str, &str)]) -> u64 {
    match value(name, labels) {
        Some(telemetry_core::Value::U64(count)) => count,
        _ => 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_collector_gets_the_bytes_of_the_stream_once_and_in_order_with_its_headers() {
    for protocol in PROTOCOLS {
        for compression in [Compression::None, Compression::Gzip] {
            let collector = Collector::start(0, []).await;
            let headers = vec![("authorization".to_owned(), "Bearer é".to_owned())];
            let running = start(Push { compression, headers, ..metrics_to(&collector, protocol) });
            for _ in 0..5 {
                collect(&running).await;
            }
            let streams = std::sync::Arc::clone(running.streams());
            stop(running).await.expect("all is sent");
            let stream = messages(streams.metrics());
            assert!(stream.len() > 5, "the last collection is among them");
            assert_eq!(taken(&collector), stream, "{protocol:?} {compression:?}");
            let arrived = collector.arrived();
            let header = |name| arrived[0].headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            assert_eq!(header("authorization").as_deref(), Some("Bearer é"));
            assert!(header("user-agent").is_some_and(|agent| agent.starts_with("telemetry-exporter-rust/")));
            let encoding = if protocol == Protocol::Grpc { "grpc-encoding" } else { "content-encoding" };
            assert_eq!(header(encoding).is_some(), compression == Compression::Gzip);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_as_log_records_with_their_scope_and_the_resource_also_those_of_run_time() {
    for protocol in PROTOCOLS {
        let collector = Collector::start(0, []).await;
        let push = Push { metrics: false, events: true, ..metrics_to(&collector, protocol) };
        let mut config = Config { push: vec![push], listen: None, ..support::config() };
        config.resource = vec![("service.name".to_owned(), "suite".to_owned())];
        let running = support::start(config);
        JOINED.emit(&Joined { peer: "a", hops: vec![1, u64::MAX], relay: None });
        let late: Event<i32> = running.telemetry().event("push_late").expect("declared");
        (0..3).for_each(|i| late.emit(&i));
        stop(running).await.expect("all is sent");
        let arrived = collector.arrived();
        let (mut joined, mut late) = (Vec::new(), Vec::new());
        for logs in arrived.iter().filter_map(|request| request.logs.as_ref()).flat_map(|logs| &logs.resource_logs) {
            let attributes = &logs.resource.as_ref().expect("a resource").attributes;
            let name = attributes.iter().find(|attribute| attribute.key == "service.name").and_then(|name| name.value.clone());
            assert_eq!(name.and_then(|name| name.value), Some(Any::StringValue("suite".to_owned())));
            for scope in &logs.scope_logs {
                for record in &scope.log_records {
                    assert!(record.time_unix_nano > 0 && record.observed_time_unix_nano >= record.time_unix_nano);
                    let scope = scope.scope.as_ref().expect("a scope").name.clone();
                    match record.event_name.as_str() {
                        "push_joined" => joined.push((scope, record.body.clone().and_then(|body| body.value))),
                        "push_late" => late.push((scope, record.body.clone().and_then(|body| body.value))),
                        _ => {} // of other tests
                    }
                }
            }
        }
        assert_eq!(late, [0, 1, 2].map(|i| ("runtime".to_owned(), Some(Any::IntValue(i)))));
        let [(scope, Some(Any::KvlistValue(body)))] = &joined[..] else { panic!("{joined:?}") };
        let pairs: HashMap<_, _> = body.values.iter().map(|pair| (pair.key.as_str(), pair.value.clone())).collect();
        assert_eq!((scope.as_str(), pairs.len()), ("tests", 3));
        assert_eq!(pairs["peer"].clone().and_then(|value| value.value), Some(Any::StringValue("a".to_owned())));
        assert_eq!(pairs["relay"].clone().expect("a value").value, None);
        let Some(Any::ArrayValue(hops)) = pairs["hops"].clone().and_then(|value| value.value) else { panic!("{pairs:?}") };
        assert_eq!(hops.values[1].value, Some(Any::StringValue(u64::MAX.to_string())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_cannot_take_for_now_is_sent_again_until_it_does() {
    let unavailable = || Does::Answers(Code::Unavailable, Vec::new());
    for (protocol, script) in [
        (Protocol::Grpc, [unavailable(), Does::Answers(Code::OutOfRange, Vec::new())]),
        (Protocol::HttpProtobuf, [Does::AnswersHttp(503, None), Does::AnswersHttp(429, Some("soon"))]),
    ] {
        let collector = Collector::start(0, script).await;
        let running = start(metrics_to(&collector, protocol));
        collect(&running).await;
        let failing = until("a failure", async || Some(state(&running, "metrics")).filter(|state| state.failures > 0)).await;
        assert!(failing.last_error.is_some() && failing.messages_sent == 0, "{failing:?}");
        collect(&running).await; // while it is failing
        until("a success", async || (state(&running, "metrics").messages_sent > 1).then_some(())).await;
        assert_eq!(state(&running, "metrics").failures, 0);
        let streams = std::sync::Arc::clone(running.streams());
        stop(running).await.expect("all is sent");
        assert_eq!(taken(&collector), messages(streams.metrics()), "{protocol:?}: each once and in order");
        let arrived = collector.arrived();
        assert!(arrived[..3].iter().all(|request| request.metrics.len() == 1), "the oldest alone is tried");
        assert_eq!(arrived[0].metrics, arrived[2].metrics);
    }
}

/// `google.rpc.Status` with a RetryInfo of so many milliseconds, written out by hand: field by field as protobuf has it.
fn retry_info(milliseconds: u32) -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2, u8::try_from(bytes.len()).expect("short")], bytes].concat();
    let mut delay = vec![2 << 3]; // nanos
    prost::encoding::encode_varint(u64::from(milliseconds) * 1_000_000, &mut delay);
    let any = [field(1, b"type.googleapis.com/google.rpc.RetryInfo"), field(2, &field(1, &delay))].concat();
    field(3, &any)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_is_given_the_time_that_it_asks_for() {
    let exhausted = Does::Answers(Code::ResourceExhausted, retry_info(700));
    for (protocol, does, least) in [
        (Protocol::Grpc, exhausted, Duration::from_millis(700)),
        (Protocol::HttpProtobuf, Does::AnswersHttp(429, Some("2")), Duration::from_secs(2)),
    ] {
        let collector = Collector::start(0, [does]).await;
        let running = start(metrics_to(&collector, protocol));
        collect(&running).await;
        until("a second request", async || collector.waits().first().copied()).await;
        let wait = collector.waits()[0];
        assert!(wait >= least, "{protocol:?}: {wait:?}");
        stop(running).await.expect("all is sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_is_not_sent_again_and_is_counted_with_its_reason() {
    for (protocol, does, reason) in [
        (Protocol::Grpc, Does::Answers(Code::InvalidArgument, Vec::new()), "InvalidArgument: as the test says"),
        (Protocol::Grpc, Does::Answers(Code::ResourceExhausted, Vec::new()), "ResourceExhausted: as the test says"),
        (Protocol::HttpProtobuf, Does::AnswersHttp(400, None), "HTTP 400 Bad Request: "),
        (Protocol::HttpProtobuf, Does::AnswersHttp(500, None), "HTTP 500 Internal Server Error: "),
    ] {
        let before = counted("telemetry_push_messages_dropped", &[("signal", "metrics"), ("cause", "refused")]);
        let collector = Collector::start(0, [does]).await;
        let running = start(metrics_to(&collector, protocol));
        collect(&running).await;
        let refused =
            until("a refusal", async || Some(state(&running, "metrics")).filter(|state| state.messages_dropped > 0)).await;
        assert_eq!(refused.last_error.as_deref(), Some(reason));
        let property = running.telemetry().registry().entries().into_iter().find(|entry| entry.name() == "telemetry_push");
        let shown = property.expect("declared").as_property().expect("a property").value().expect("a value");
        assert!(matches!(shown, PropertyValue::Json(shown) if shown[0]["last_error"] == reason));
        collect(&running).await;
        let streams = std::sync::Arc::clone(running.streams());
        stop(running).await.expect("the others are sent");
        let arrived = collector.arrived();
        let first: Vec<_> = arrived[0].metrics.iter().map(Message::encode_to_vec).collect();
        drop(arrived);
        assert_eq!([first.clone(), taken(&collector)].concat(), messages(streams.metrics()), "{protocol:?}");
        let dropped = counted("telemetry_push_messages_dropped", &[("signal", "metrics"), ("cause", "refused")]) - before;
        assert!(dropped >= first.len() as u64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_success_is_not_sent_again_and_what_was_rejected_is_counted() {
    for protocol in PROTOCOLS {
        let collector = Collector::start(0, [Does::TakesAllBut(3, "too old")]).await;
        let running = start(metrics_to(&collector, protocol));
        collect(&running).await;
        let state = until("an answer", async || Some(state(&running, "metrics")).filter(|state| state.messages_sent > 0)).await;
        assert_eq!((state.items_rejected, state.failures, state.messages_dropped), (3, 0, 0));
        assert_eq!(state.last_error.as_deref(), Some("3 items rejected: too old"));
        let streams = std::sync::Arc::clone(running.streams());
        stop(running).await.expect("all is sent");
        assert_eq!(taken(&collector), messages(streams.metrics()));
        assert!(counted("telemetry_push_items_rejected", &[("signal", "metrics")]) >= 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_says_nothing_is_asked_again_after_the_timeout() {
    for protocol in PROTOCOLS {
        let collector = Collector::start(0, [Does::Hangs]).await;
        let running = start(Push { timeout: Duration::from_millis(300), ..metrics_to(&collector, protocol) });
        collect(&running).await;
        until("a second request", async || (collector.arrived().len() > 1).then_some(())).await;
        let sent: Vec<_> = collector.arrived().iter().map(|request| request.metrics.clone()).collect();
        assert_eq!(sent[0], sent[1], "{protocol:?}");
        assert_eq!(state(&running, "metrics").last_error.as_deref(), Some("no answer within 300 ms"));
        stop(running).await.expect("all is sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_bridged_by_the_stream_and_what_fell_out_of_it_is_counted_to_the_message() {
    for protocol in PROTOCOLS {
        let collector = Collector::start(0, []).await;
        let (port, push) = (collector.addr.port(), metrics_to(&collector, protocol));
        let mut config = Config { push: vec![push], listen: None, ..support::config() };
        // Room for a few collections.
        (config.streams.message_bytes_max, config.streams.segment_bytes, config.streams.bytes_max) = (256 << 10, 1, 512 << 10);
        let running = support::start(config);
        collect(&running).await;
        until("a success", async || (state(&running, "metrics").messages_sent > 0).then_some(())).await;
        let before = collector.stop().await;
        let sent_before: usize = before.iter().map(|request| request.metrics.len()).sum();
        let log = &running.streams().metrics().log;
        while log.state().dropped < sent_before as u64 + 2 {
            collect(&running).await;
        }
        let collector = Collector::start(port, []).await;
        until("all that is held", async || {
            let state = state(&running, "metrics");
            let log = log.state();
            (state.messages_sent + state.messages_dropped == log.appended).then_some(())
        })
        .await;
        let (state, log_state) = (state(&running, "metrics"), log.state());
        assert_eq!(state.messages_dropped, log_state.dropped - sent_before as u64, "{protocol:?}");
        let held = messages_from(running.streams().metrics(), log.first());
        assert!(taken(&collector).ends_with(&held), "{protocol:?}: what the stream holds, in order");
        stop(running).await.expect("all is sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deltas_sum_up_to_the_value_although_one_was_refused_and_one_sent_twice() {
    for (protocol, refusal, again, test) in [
        (Protocol::Grpc, Does::Answers(Code::Internal, vec![]), Does::Answers(Code::Aborted, vec![]), "delta over grpc"),
        (Protocol::HttpProtobuf, Does::AnswersHttp(404, None), Does::AnswersHttp(502, None), "delta over http"),
    ] {
        let collector = Collector::start(0, [refusal, again]).await;
        let running = start(Push { temporality: Temporality::Delta, ..metrics_to(&collector, protocol) });
        for i in 1..=6 {
            COUNTED.with(Test { test }).add(i);
            UP_DOWN.with(Test { test }).add(i as i64);
            collect(&running).await;
            until("the request", async || (collector.arrived().len() >= i as usize).then_some(())).await;
        }
        stop(running).await.expect("all is sent");
        let arrived = collector.arrived();
        let taken = arrived.iter().filter(|request| request.was_taken).flat_map(|request| request.metrics.clone());
        let taken: Vec<ResourceMetrics> = taken.collect();
        let deltas = values(&taken, "push_counted", test);
        assert!(deltas.iter().all(|(is_delta, ..)| *is_delta));
        assert_eq!(deltas.iter().map(|(_, _, _, value)| value).sum::<i64>(), 21, "{protocol:?}: {deltas:?}");
        assert!(deltas.windows(2).all(|pair| pair[0].2 == pair[1].1), "each begins where the last ended: {deltas:?}");
        let levels = values(&taken, "push_up_down", test);
        assert!(levels.iter().all(|(is_delta, ..)| !is_delta));
        assert_eq!(levels.last().map(|(_, _, _, value)| *value), Some(21));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_without_a_collector_tells_what_was_left() {
    let collector = Collector::start(0, []).await;
    let push = metrics_to(&collector, Protocol::HttpProtobuf);
    collector.stop().await;
    let running = start(push);
    collect(&running).await;
    let streams = std::sync::Arc::clone(running.streams());
    let before = counted("telemetry_push_messages_dropped", &[("signal", "metrics"), ("cause", "stopped")]);
    let error = stop(running).await.expect_err("nobody took it");
    let appended = streams.metrics().log.state().appended;
    assert!(matches!(error, StopError::Unsent(messages) if messages == appended), "{error}");
    assert_eq!(error.to_string(), format!("{appended} messages were not taken by their collectors within 5 s"));
    assert!(counted("telemetry_push_messages_dropped", &[("signal", "metrics"), ("cause", "stopped")]) >= before + appended);
}
