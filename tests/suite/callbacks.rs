//! User code that panics or hangs: counted, named in a metric and in the answer, and nothing else is late.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use telemetry_core::callback::{self, Failure};
use telemetry_core::{Property, PropertyValue, RpcError, Snapshot, Value, collector, metric, property, rpc, snapshot};
use telemetry_exporter::client::{Place, view};
use telemetry_exporter::limits::RPC_CALLS_MAX;

use crate::support::{DEADLINE, client, config, drain, messages, start, until, value};

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
    let client = client(&running).await;

    running.telemetry().force_flush().expect("a panic in a callback does not fail the collection");
    let pulled = drain(&client, "metrics", &mut Place::default()).await;
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
    // The first time it is waited for. The second time it is known to hang: who waited then would wait for an hour.
    for deadline in [Duration::from_secs(2), Duration::from_secs(3600)] {
        let value = |entry: &telemetry_core::Entry| Ok(entry.as_property().and_then(|property| property.value()));
        let values = callback::pass(entries.clone(), deadline, value);
        for (entry, value) in &values {
            match entry.name().strip_prefix("hang_other_") {
                Some(i) => assert_eq!(*value, Ok(Some(PropertyValue::I64(i.parse().expect("a number"))))),
                None => assert_eq!(*value, Err(Failure::Late(deadline))),
            }
        }
    }
    assert_eq!(failures("property", "hang_first", "late"), 2);
    drop(release);
}

#[test]
fn a_callback_that_two_passes_want_at_once_runs_for_both_one_after_the_other() {
    let telemetry = telemetry_core::Telemetry::builder().build().expect("valid");
    let running = Arc::new(AtomicUsize::new(0));
    let slow = move || {
        assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "it runs once at a time");
        std::thread::sleep(Duration::from_millis(50)); // long enough that the passes overlap
        running.fetch_sub(1, Ordering::SeqCst);
        7_i64
    };
    telemetry.property("twice_at_once", slow).expect("declared");
    let entry = telemetry.registry().find("twice_at_once").expect("declared");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let entry = entry.clone();
            scope.spawn(move || {
                let value = |entry: &telemetry_core::Entry| Ok(entry.as_property().and_then(|property| property.value()));
                let values = callback::pass(vec![entry], DEADLINE, value);
                assert_eq!(values[0].1, Ok(Some(PropertyValue::I64(7))));
            });
        }
    });
    assert_eq!(failures("property", "twice_at_once", "late"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rpc_that_hangs_takes_a_few_threads_and_no_other_rpc() {
    let running = start(config());
    let (release, hold) = tokio::sync::watch::channel(false);
    let entered = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&entered);
    let hang = move |()| {
        let mut hold = hold.clone();
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            let _released = hold.wait_for(|released| *released).await;
            Ok(1)
        }
    };
    running.telemetry().rpc("hanging_rpc", hang).expect("declared");
    let mut calls = Vec::new();
    for _ in 0..RPC_CALLS_MAX {
        let client = client(&running).await;
        calls.push(tokio::spawn(async move { client.call("hanging_rpc", "null").await }));
    }
    let client = client(&running).await;
    until("all calls", async || (entered.load(Ordering::Relaxed) == RPC_CALLS_MAX).then_some(())).await;
    let refused = client.call("hanging_rpc", "null").await.expect_err("it is full").to_string();
    assert_eq!(refused, "RESOURCE_EXHAUSTED: 4 calls of it are running: \"hanging_rpc\" was not started");
    assert_eq!(client.call("good_rpc", "4").await.expect("the others answer"), "8");
    release.send_replace(true);
    for call in calls {
        assert_eq!(call.await.expect("no panic").expect("it was let go"), "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_caller_has_gone_is_ended_and_leaves_its_room() {
    let running = start(config());
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    // Each call keeps a sender until it is dropped: nobody ever answers it.
    let hang = move |()| {
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        let _told = begun.send(dropped);
        async move {
            std::future::pending::<()>().await;
            drop(held);
            Ok(1)
        }
    };
    running.telemetry().rpc("left_rpc", hang).expect("declared");
    for _ in 0..2 * RPC_CALLS_MAX {
        let client = client(&running).await;
        let call = tokio::spawn(async move { client.call("left_rpc", "null").await });
        let dropped = begins.recv().await.expect("the call begins");
        call.abort();
        tokio::time::timeout(DEADLINE, dropped).await.expect("the call is ended").expect_err("it is dropped");
    }
}
