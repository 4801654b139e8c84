//! The service over TCP: the origin's calls, pulling and following, gaps, restarts, refusals, and HTTP beside it.

use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use telemetry_core::{Declaration, Event, Property, RpcError, Value, property};
use telemetry_exporter::client::{Client, GapReason, Mark, Place, PullOptions, Pulled};
use telemetry_exporter::limits::ANSWER_BYTES_MAX;
use telemetry_exporter::pb::telemetry_client::TelemetryClient;
use telemetry_exporter::pb::{self, property as pb_property, stream_type};
use telemetry_exporter::stream::{Position, frames};
use telemetry_exporter::{Access, Policy, Running, StartError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{client, config, drain, messages, start, until, value};

/// .
#[property(name = "svc_bytes")]
static BYTES: Property<Vec<u8>>;

/// .
#[property(name = "svc_unset")]
static UNSET: Property<i64>;

fn payloads(pulled: Vec<Pulled>) -> Vec<String> {
    messages(pulled).into_iter().map(|message| String::from_utf8(message.payload).expect("JSON")).collect()
}

async fn http(running: &Running, path: &str) -> String {
    let mut socket = tokio::net::TcpStream::connect(running.local_addr().expect("it listens")).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("text");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_client_reads_session_properties_descriptors_and_sealed_segments() {
    let running = start(config());
    let event: Event<u32> = running.telemetry().event("svc_old").expect("declared");
    let addr = running.local_addr().expect("it listens");
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{addr}")).expect("an address");
    let mut grpc = TelemetryClient::new(endpoint.connect().await.expect("connected"));
    let session = grpc.get_session(pb::GetSessionRequest {}).await.expect("an answer").into_inner().uuid;
    assert_eq!(session, running.session().to_string());

    let mut properties = grpc.get_properties(pb::GetPropertiesRequest::default()).await.expect("an answer").into_inner();
    let mut by_name = std::collections::HashMap::new();
    while let Some(property) = properties.message().await.expect("a property") {
        assert!(property.value.is_some(), "{} has no value: an old client would stop there", property.name);
        by_name.insert(property.name.clone(), property);
    }
    assert_eq!(by_name["decl_constant"].value, Some(pb_property::Value::StringValue("fixed".to_owned())));
    assert_eq!(by_name["decl_computed"].value, Some(pb_property::Value::StringValue("0.5".to_owned())));
    assert_eq!(by_name["decl_computed"].r#type(), pb::PropertyType::Float);
    assert_eq!(by_name["svc_unset"].error, "it was not set yet");

    let descriptors = grpc.get_stream_descriptors(pb::GetStreamDescriptorsRequest {}).await.expect("an answer").into_inner();
    let descriptors = descriptors.stream_descriptors;
    assert_eq!(descriptors[0].stream_id, 0);
    assert!(matches!(
        descriptors[0].stream_type.as_ref().and_then(|kind| kind.r#type.as_ref()),
        Some(stream_type::Type::Metric(_))
    ));
    let named = |descriptor: &&pb::StreamDescriptor| match descriptor.stream_type.as_ref().and_then(|kind| kind.r#type.as_ref()) {
        Some(stream_type::Type::Event(event)) => event.name == "svc_old",
        _ => false,
    };
    let stream_id = descriptors.iter().find(named).expect("it is listed").stream_id;

    let log = &running.streams().by_name("svc_old").expect("a stream").log;
    for segment in 0..3 {
        event.emit(&(10 * segment));
        event.emit(&(10 * segment + 1));
        log.seal();
    }
    event.emit(&99); // not sealed: an old client does not see it
    let request = pb::GetStreamRequest { stream_id, sequence_number_since: 1 };
    let mut segments = grpc.get_stream(request).await.expect("an answer").into_inner();
    let mut found = Vec::new();
    while let Some(segment) = segments.message().await.expect("a segment") {
        let texts = frames(&segment.data).map(|frame| String::from_utf8_lossy(frame.expect("whole").payload).into_owned());
        found.push((segment.sequence_number, texts.collect::<Vec<_>>()));
    }
    let strings = |texts: [&str; 2]| texts.map(ToOwned::to_owned).to_vec();
    assert_eq!(found, [(1, strings(["10", "11"])), (2, strings(["20", "21"]))]);
    let unknown = pb::GetStreamRequest { stream_id: 9_999, sequence_number_since: 0 };
    let status = grpc.get_stream(unknown).await.expect_err("no such stream");
    assert_eq!((status.code(), status.message()), (tonic::Code::NotFound, "no stream has the id 9999"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_pull_delivers_each_message_once_wherever_it_was_cut() {
    let running = start(config());
    let event: Event<u32> = running.telemetry().event("svc_resume").expect("declared");
    let log = &running.streams().by_name("SVC_Resume").expect("a stream").log;
    let (mut place, mut found) = (Place::default(), Vec::new());
    for i in 0..60 {
        event.emit(&i);
        if i % 7 == 3 {
            log.seal();
        }
        if i % 5 == 0 {
            // A client that starts with what an earlier one has saved.
            let saved = serde_json::to_string(&place).expect("saved");
            place = serde_json::from_str(&saved).expect("loaded");
            let client = client(&running).await;
            found.extend(payloads(drain(&client, "svc_resume", &mut place).await));
        }
    }
    found.extend(payloads(drain(&client(&running).await, "svc_resume", &mut place).await));
    assert_eq!(found, (0..60).map(|i| i.to_string()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_gets_what_comes_and_reads_to_the_end_of_a_stopping_program() {
    let running = start(config());
    let event: Event<u32> = running.telemetry().event("svc_follow").expect("declared");
    event.emit(&0);
    let client = client(&running).await;
    let options = PullOptions { head: true, follow: true, ..PullOptions::default() };
    let mut pull = client.pull("svc_follow", &Place::default(), options).await.expect("a stream");
    let mut found = Vec::new();
    for i in 1..4 {
        let pulled = pull.next().await.expect("no error").expect("it does not end");
        found.extend(payloads(vec![pulled]));
        event.emit(&i);
    }
    let stopping = tokio::task::spawn_blocking(move || running.stop());
    while let Some(pulled) = pull.next().await.expect("a clean end") {
        found.extend(payloads(vec![pulled]));
    }
    stopping.await.expect("no panic").expect("a clean stop");
    assert_eq!(found, ["0", "1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_says_from_where_to_where_and_why() {
    let mut config = config();
    config.streams.message_bytes_max = 1_000;
    config.streams.segment_bytes = 1_000;
    config.streams.bytes_max = 5_000;
    let running = start(config);
    let event: Event<String> = running.telemetry().event("svc_gap").expect("declared");
    (0..20).for_each(|_| event.emit(&"x".repeat(900))); // a segment each, and room for five
    let client = client(&running).await;
    let mut place = Place::default();
    let session = running.session().to_string();
    place.streams.insert("svc_gap".to_owned(), Mark { session, at: Position::default() });
    let pulled = drain(&client, "svc_gap", &mut place).await;
    let Pulled::Gap { from, to, reason, .. } = &pulled[0] else { panic!("a gap comes first, found {:?}", pulled[0]) };
    assert_eq!((from.sequence, to.sequence, *reason), (0, 15, GapReason::Dropped));
    assert_eq!(payloads(pulled).len(), 5);
    let descriptor = client.streams().await.expect("an answer");
    let state = descriptor.iter().filter_map(|descriptor| descriptor.state).find(|state| state.messages_appended == 20);
    let state = state.expect("the stream's state");
    assert_eq!((state.messages_kept, state.messages_dropped), (5, 15));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_that_the_program_restarted_and_starts_afresh() {
    let mut place = Place::default();
    for life in 0..2 {
        let running = start(config());
        let event: Event<u32> = running.telemetry().event("svc_restart").expect("declared");
        let second: Event<u32> = running.telemetry().event("svc_restart_second").expect("declared");
        event.emit(&life);
        second.emit(&life);
        let pulled = drain(&client(&running).await, "svc_restart", &mut place).await;
        assert_eq!(place.streams["svc_restart"].session, running.session().to_string());
        let restarted = |pulled: &Pulled| matches!(pulled, Pulled::Gap { reason: GapReason::Restarted, .. });
        assert_eq!(pulled.iter().filter(|pulled| restarted(pulled)).count(), life as usize);
        assert_eq!(payloads(pulled), [life.to_string()]);
        // Each stream of the place is told of the restart when it is read next.
        let pulled = drain(&client(&running).await, "svc_restart_second", &mut place).await;
        assert_eq!(pulled.iter().filter(|pulled| restarted(pulled)).count(), life as usize);
        assert_eq!(payloads(pulled), [life.to_string()]);
        tokio::task::spawn_blocking(move || running.stop()).await.expect("no panic").expect("a clean stop");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_not_found_by_its_name() {
    let running = start(config());
    let client = client(&running).await;
    for error in [
        client.pull("svc_nope", &Place::default(), PullOptions::default()).await.map(|_| ()).expect_err("no stream"),
        client.latest("svc_nope").await.map(|_| ()).expect_err("no stream"),
        client.call("svc_nope", "null").await.map(|_| ()).expect_err("no rpc"),
        client.call("decl_constant", "null").await.map(|_| ()).expect_err("a property is no rpc"),
        client.properties(&["svc_nope".to_owned()]).await.map(|_| ()).expect_err("no property"),
        client.properties(&["decl_event".to_owned()]).await.map(|_| ()).expect_err("an event is no property"),
    ] {
        let text = error.to_string();
        assert!(error.is_not_found(), "{text}");
        assert!(["\"svc_nope\"", "\"decl_constant\"", "\"decl_event\""].iter().any(|name| text.contains(name)), "{text}");
    }
    let mut place = Place::default();
    let mark = |sequence| Mark { session: running.session().to_string(), at: Position { sequence, offset: 3 } };
    place.streams.insert("metrics".to_owned(), mark(7));
    let mut pull = client.pull("metrics", &place, PullOptions::default()).await.expect("a stream");
    let error = pull.next().await.expect_err("nobody was given that position").to_string();
    assert!(error.starts_with("OUT_OF_RANGE: the position 7+3 is beyond the end "), "{error}");
    let event: Event<u32> = running.telemetry().event("svc_inside").expect("declared");
    event.emit(&1);
    place.streams.insert("svc_inside".to_owned(), mark(0));
    let error = client.pull("svc_inside", &place, PullOptions::default()).await.map(drop).expect_err("it is in a message");
    assert_eq!(error.to_string(), "OUT_OF_RANGE: the position 0+3 is inside a message of the stream \"svc_inside\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_an_answer_or_a_stream_says_so() {
    let mut config = config();
    config.streams.message_bytes_max = 10_000;
    let running = start(config);
    let large = || "x".repeat(ANSWER_BYTES_MAX);
    running.telemetry().property("svc_large", move || large() + "x").expect("declared");
    running.telemetry().rpc("svc_large_rpc", move |()| async move { Ok(large()) }).expect("declared");
    running.telemetry().snapshot("svc_large_snapshot", Duration::from_secs(1), move || "x".repeat(10_000)).expect("declared");
    let client = client(&running).await;
    let property = client.properties(&["svc_large".to_owned()]).await.expect("an answer").pop().expect("one");
    assert_eq!(property.error, format!("it has {} bytes: at most {ANSWER_BYTES_MAX} are allowed", ANSWER_BYTES_MAX + 1));
    let error = client.call("svc_large_rpc", "null").await.expect_err("too large").to_string();
    assert!(error.starts_with("RESOURCE_EXHAUSTED: the answer of the rpc \"svc_large_rpc\" has 1048578 bytes"), "{error}");
    let failure = until("the failure", async || {
        let catalogue = client.catalogue().await.expect("an answer");
        let found = catalogue.into_iter().find(|declaration| declaration.name == "svc_large_snapshot").expect("declared");
        (found.failures > 0).then_some(found.last_failure)
    });
    assert_eq!(failure.await, "it has 10002 bytes: at most 10000 are allowed");
    let rejected = value("telemetry_stream_messages_rejected", &[("stream", "svc_large_snapshot")]);
    assert!(matches!(rejected, Some(Value::U64(1..))), "{rejected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_not_as_wanted_is_an_invalid_argument_with_its_place() {
    let running = start(config());
    running.telemetry().rpc("svc_sum", |numbers: Vec<i64>| async move { Ok(numbers.iter().sum::<i64>()) }).expect("declared");
    let failing = |_: ()| async { Err::<(), _>(RpcError::failed("the disk is full")) };
    running.telemetry().rpc(Declaration::new("svc_fail").with_description("Fails."), failing).expect("declared");
    let client = client(&running).await;
    assert_eq!(client.call("svc_sum", "[1, 2]").await.expect("an answer"), "3");
    for (json, place) in [("[1, 2", "line 1 column 5"), ("[1,\n\"a\"]", "line 2 column 3"), ("", "line 1 column 4")] {
        let error = client.call("svc_sum", json).await.expect_err("bad JSON");
        assert!(error.is_invalid_argument(), "{error}");
        let text = error.to_string();
        assert!(text.contains("\"svc_sum\"") && text.contains(place), "{text}");
    }
    let error = client.call("svc_fail", "null").await.expect_err("it fails").to_string();
    assert_eq!(error, "UNKNOWN: the rpc \"svc_fail\": the disk is full");
    let error = client.call("decl_rpc", "1").await.expect_err("nobody serves it").to_string();
    assert_eq!(error, "UNAVAILABLE: the rpc \"decl_rpc\": nobody serves this rpc at the moment");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_tells_access_and_demand_as_they_are_declared() {
    let mut config = config();
    config.access.trust_loopback = true;
    let running = start(config);
    running.telemetry().event::<u32>(Declaration::new("svc_on_demand").on_demand()).expect("declared");
    let catalogue = client(&running).await.catalogue().await.expect("an answer");
    for (name, access, on_demand) in
        [("decl_restricted", "restricted", false), ("svc_on_demand", "", true), ("svc_bytes", "", false)]
    {
        let found = catalogue.iter().find(|declaration| declaration.name == name).expect("it is listed");
        assert_eq!((found.access.as_str(), found.on_demand), (access, on_demand), "{name}");
    }
    assert!(catalogue.iter().all(|declaration| declaration.name != "decl_disabled"), "to a client it is as if it were not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_type_reach_a_client() {
    let running = start(config());
    BYTES.set(vec![0, 255, 16]);
    running.telemetry().property("svc_json", || serde_json::json!({"a": [1]})).expect("declared");
    running.telemetry().property("svc_u64", || u64::MAX).expect("declared");
    let names = ["svc_bytes", "svc_json", "svc_u64", "good_property"].map(ToOwned::to_owned);
    let properties = client(&running).await.properties(&names).await.expect("an answer");
    let found: Vec<_> = properties.iter().map(|property| (property.value.clone(), property.r#type())).collect();
    let text = |text: &str| Some(pb_property::Value::StringValue(text.to_owned()));
    assert_eq!(found[0], (text("AP8Q"), pb::PropertyType::Bytes));
    assert_eq!(found[1], (text(r#"{"a":[1]}"#), pb::PropertyType::Json));
    assert_eq!(found[2], (Some(pb_property::Value::IntegerValue(i64::MAX)), pb::PropertyType::Integer));
    assert_eq!(found[3], (text("true"), pb::PropertyType::Bool));
}

#[tokio::test(flavor = "multi_thread")]
async fn http_answers_health_and_prometheus_text_on_the_same_port() {
    let running = start(config());
    let health = http(&running, "/healthz").await;
    assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("ok\n"), "{health}");
    let text = http(&running, "/metrics").await;
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("content-type: text/plain; version=0.0.4"), "{text}");
    assert!(text.contains("\n# TYPE decl_observed_bytes_total counter\n"), "{text}");
    let unknown = http(&running, "/metricz").await;
    assert!(unknown.starts_with("HTTP/1.1 404") && unknown.contains("nothing is at /metricz"), "{unknown}");
    assert!(text.contains("\ndecl_observed_bytes_total{otel_scope_name=\"tests\""), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_scrape_tells_the_resource_and_what_was_recorded_through_opentelemetry() {
    let mut config = config();
    config.resource = vec![("service.name".to_owned(), "scraped at once".to_owned())];
    let running = start(config);
    running.telemetry().meter("service").u64_counter("svc_first").build().add(3, &[]);
    let texts = tokio::join!(http(&running, "/metrics"), http(&running, "/metrics"));
    for text in [texts.0, texts.1] {
        assert!(text.contains("\ntarget_info{") && text.contains("service_name=\"scraped at once\""), "{text}");
        assert!(text.contains("\nsvc_first_total{otel_scope_name=\"service\"} 3\n"), "{text}");
        assert!(text.contains("\ntelemetry_collections_total{"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_program_answers_nobody_over_tcp_but_its_health() {
    for whole in [Access::Restricted, Access::Disabled] {
        let mut config = config();
        config.access = Policy::new(whole);
        let running = start(config);
        let client = client(&running).await;
        let error = client.session().await.expect_err("refused");
        assert_eq!(error.code(), Some(tonic::Code::PermissionDenied), "{error}");
        assert!(http(&running, "/metrics").await.starts_with("HTTP/1.1 403"));
        assert!(http(&running, "/healthz").await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_is_collected_at_the_interval_without_anybody_asking() {
    let mut config = config();
    config.collect_every = Duration::from_millis(50);
    let running = start(config);
    let client = client(&running).await;
    let count = async || messages(drain(&client, "metrics", &mut Place::default()).await).len();
    until("the third collection", async || (count().await >= 3).then_some(())).await;
}

#[test]
fn a_setting_that_cannot_be_and_a_taken_port_are_errors_that_say_so() {
    let mut zero = config();
    zero.collect_every = Duration::ZERO;
    let error = telemetry_exporter::start(zero).err().expect("refused").to_string();
    assert_eq!(error, "collect_every is zero: wanted a time above zero");
    let mut small = config();
    small.streams.bytes_max = 10;
    let error = telemetry_exporter::start(small).err().expect("refused").to_string();
    assert!(error.starts_with("streams.bytes_max is 10: wanted at least 1048588"), "{error}");
    let mut large = config();
    large.streams.segment_bytes = 4 << 20;
    let error = telemetry_exporter::start(large).err().expect("refused").to_string();
    assert_eq!(error, "streams.segment_bytes is 4194304: wanted 1 to 1048576");
    let first = start(config());
    let addr = first.local_addr().expect("it listens");
    let mut taken = config();
    taken.listen = first.local_addr();
    assert!(matches!(telemetry_exporter::start(taken), Err(StartError::Listen(addr, _)) if Some(addr) == first.local_addr()));
    assert!(first.stop().is_ok() && first.stop().is_ok(), "a second stop does nothing");
    let mut again = config();
    again.listen = Some(addr);
    let _telemetry = start(again); // the port is free when the stop has returned
}

#[tokio::test]
async fn an_address_where_nobody_is_says_so() {
    let error = Client::connect("127.0.0.1:1").await.map(|_| ()).expect_err("nobody").to_string();
    assert!(error.starts_with("cannot connect to 127.0.0.1:1: ") && error.contains("refused"), "{error}");
    let error = Client::connect("not an address").await.map(|_| ()).expect_err("no address").to_string();
    assert!(error.starts_with("\"not an address\" is no address"), "{error}");
}
