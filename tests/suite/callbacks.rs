//! User code that panics or hangs: counted, named in a metric and in the answer, and nothing else is late.

use std::time::{Duration, Instant};

use opentelemetry::metrics::MeterProvider;
use telemetry_core::{Property, PropertyValue, RpcError, Snapshot, Value, collector, metric, property, rpc, snapshot};
use telemetry_exporter::client::{Place, view};

use crate::support::{client, config, drain, messages, start, until, value};

/// Panics.
#[metric(name = "bad_observed")]
fn bad_observed() -> i64 {
    panic!("observed boom")
}

/// Panics.
#[collector]
fn bad_collector() {
    panic!("collector boom")
}

/// Panics.
#[property(name = "bad_property")]
fn bad_property() -> i64 {
    panic!("property boom")
}

/// Is fine.
#[property(name = "good_property")]
static GOOD: Property<bool> = Property::constant(true);

/// Panics.
#[snapshot(name = "bad_snapshot", every = "1s")]
fn bad_snapshot() -> u32 {
    panic!("snapshot boom")
}

/// Is fine.
#[snapshot(name = "good_snapshot", every = "1s")]
static GOOD_SNAPSHOT: Snapshot<u32>;

/// Panics.
#[rpc(name = "bad_rpc")]
async fn bad_rpc() -> Result<(), RpcError> {
    panic!("rpc boom")
}

/// Panics before it is polled.
#[rpc(name = "bad_plain_rpc")]
fn bad_plain_rpc(_: u32) -> Result<(), RpcError> {
    panic!("plain rpc boom")
}

/// Doubles a number.
#[rpc(name = "good_rpc")]
fn good_rpc(number: i64) -> Result<i64, RpcError> {
    number.checked_mul(2).ok_or_else(|| RpcError::invalid_argument("too large to double"))
}

fn failures(kind: &str, name: &str, cause: &str) -> u64 {
    match value("telemetry_callback_failures", &[("kind", kind), ("name", name), ("cause", cause)]) {
        Some(Value::U64(count)) => count,
        _ => 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panicking_callback_of_each_kind_is_counted_and_named_and_the_others_go_on() {
    let running = start(config());
    let meter = running.telemetry().meter("callbacks");
    let _observable = meter.u64_observable_counter("bad_otel").with_callback(|_| panic!("otel boom")).build();
    let _fine = meter.u64_observable_gauge("good_otel").with_callback(|observer| observer.observe(7, &[])).build();
    let _provider = GOOD_SNAPSHOT.provide(|| 11);
    let mut client = client(&running).await;

    running.telemetry().force_flush().expect("a panic in a callback does not fail the collection");
    let pulled = drain(&mut client, "metrics", &mut Place::default()).await;
    let message = messages(pulled).pop().expect("a collection");
    let views = view::metrics(&message).expect("a ResourceMetrics");
    assert!(views.iter().any(|metric| metric.name == "good_otel"), "the callback after a panicking one still runs");
    assert!(views.iter().all(|metric| metric.name != "bad_observed"));
    for (kind, name) in [("gauge", "bad_observed"), ("collector", "bad_collector"), ("otel_instrument", "bad_otel")] {
        assert!(failures(kind, name, "panic") >= 1, "{kind} {name}");
    }

    let properties = client.properties(&[]).await.expect("one bad property does not fail the answer");
    let property = |name: &str| properties.iter().find(|property| property.name == name).expect("it is listed").clone();
    assert_eq!(property("bad_property").error, "panicked: property boom");
    assert_eq!(property("good_property").error, "");
    assert!(failures("property", "bad_property", "panic") >= 1);

    for (name, request, message) in [("bad_rpc", "null", "rpc boom"), ("bad_plain_rpc", "3", "plain rpc boom")] {
        let error = client.call(name, request).await.expect_err("it panics").to_string();
        assert_eq!(error, format!("INTERNAL: the rpc \"{name}\" panicked: {message}"));
        assert!(failures("rpc", name, "panic") >= 1);
    }
    assert_eq!(client.call("good_rpc", "21").await.expect("it answers"), "42");

    until("the good snapshot", async || client.latest("good_snapshot").await.expect("a stream").pop()).await;
    assert!(failures("snapshot", "bad_snapshot", "panic") >= 1);
    let catalogue = client.catalogue().await.expect("an answer");
    let snapshot = catalogue.iter().find(|declaration| declaration.name == "bad_snapshot").expect("it is listed");
    assert_eq!(snapshot.last_failure, "panicked: snapshot boom");
    assert!(snapshot.failures >= 1);
}

#[test]
fn a_hanging_callback_is_late_and_holds_up_nobody_and_is_not_started_again() {
    let telemetry = telemetry_core::Telemetry::builder().build().expect("valid");
    let (release, hold) = std::sync::mpsc::channel::<()>();
    let hold = std::sync::Mutex::new(hold);
    let hang = move || {
        let _released = hold.lock().expect("one at a time").recv();
        1_i64
    };
    telemetry.property("hang_first", hang).expect("declared");
    for i in 0..20 {
        telemetry.property(format!("hang_other_{i}"), move || i).expect("declared");
    }
    let entries: Vec<_> = telemetry.registry().entries().into_iter().filter(|entry| entry.name().starts_with("hang_")).collect();
    let deadline = Duration::from_millis(300);
    for round in 0..2 {
        let began = Instant::now();
        let values =
            telemetry_core::callback::pass(entries.clone(), deadline, |entry| Ok(entry.as_property().and_then(|p| p.value())));
        for (entry, value) in &values {
            let late = Err(telemetry_core::callback::Failure::Late(deadline));
            match entry.name().strip_prefix("hang_other_") {
                Some(i) => assert_eq!(*value, Ok(Some(PropertyValue::I64(i.parse().expect("a number")))), "round {round}"),
                None => assert_eq!(*value, late, "round {round}"),
            }
        }
        // The second time it is known to hang: nobody waits for the deadline. The bound is generous, the other case is a hang.
        assert!(round == 0 || began.elapsed() < crate::support::DEADLINE);
    }
    assert_eq!(failures("property", "hang_first", "late"), 2);
    drop(release);
}
