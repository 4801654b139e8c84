//! Observable instruments whose callbacks panic, hang, create instruments or record: all else is exported, and the reader lives.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use telemetry_core::{Counter, Value, metric};
use telemetry_exporter::Running;

use crate::support::{config, exported, number, start, until, value};

/// .
#[metric(name = "beside_declared")]
static DECLARED: Counter;

/// .
#[metric(name = "beside_observed")]
fn observed() -> i64 {
    11
}

fn failures(name: &str, cause: &str) -> u64 {
    match value("telemetry_callback_failures", &[("kind", "otel_instrument"), ("name", name), ("cause", cause)]) {
        Some(Value::U64(count)) => count,
        _ => 0,
    }
}

/// A telemetry that collects often, with something of everything that can be collected.
fn busy() -> Running {
    let mut config = config();
    config.collect_every = Duration::from_millis(400);
    let running = start(config);
    let meter = running.telemetry().meter("beside");
    meter.u64_counter("beside_counter").build().add(3, &[]);
    for i in 0..3 {
        let observable = meter.i64_observable_gauge(format!("beside_{i}"));
        let _observable = observable.with_callback(move |observer| observer.observe(i, &[])).build();
    }
    DECLARED.inc();
    running
}

fn is_whole(collected: &ResourceMetrics) -> bool {
    let there = |name: &str, wanted| number(collected, name) == Some(wanted);
    let ours = number(collected, "beside_declared").is_some() && there("beside_observed", 11.0);
    ours && there("beside_counter", 3.0) && (0..3).all(|i| there(&format!("beside_{i}"), f64::from(i)))
}

/// Waits for two collections from now on that have everything, and are otherwise as wanted.
async fn two_more(running: &Running, wanted: impl Fn(&ResourceMetrics) -> bool) {
    let before = exported(running).await.len();
    let arrived = until("two more whole collections", async || {
        let collections = exported(running).await;
        (collections[before..].iter().filter(|collected| is_whole(collected) && wanted(collected)).count() >= 2).then_some(())
    });
    arrived.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_callback_that_panics_all_else_is_exported() {
    let running = busy();
    let meter = running.telemetry().meter("bad");
    let _panics = meter.u64_observable_counter("panics").with_callback(|_| panic!("boom")).build();
    two_more(&running, |collected| number(collected, "panics").is_none()).await;
    assert!(failures("panics", "panic") >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_callback_that_hangs_all_else_is_exported_and_its_own_values_when_it_answers() {
    let running = busy();
    let (release, hold) = mpsc::channel::<()>();
    let (hold, entered) = (Mutex::new(hold), Arc::new(AtomicBool::new(false)));
    let enters = Arc::clone(&entered);
    let hang = move |observer: &dyn opentelemetry::metrics::AsyncInstrument<f64>| {
        enters.store(true, Ordering::SeqCst);
        let _released = hold.lock().expect("one at a time").recv();
        observer.observe(2.5, &[]);
    };
    let _hangs = running.telemetry().meter("bad").f64_observable_gauge("hangs").with_callback(hang).build();
    until("the callback", async || entered.load(Ordering::SeqCst).then_some(())).await;
    two_more(&running, |collected| number(collected, "hangs").is_none()).await;
    assert!(failures("hangs", "late") >= 2);
    drop(release);
    two_more(&running, |collected| number(collected, "hangs") == Some(2.5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_callback_that_creates_an_instrument_all_else_is_exported_and_so_is_what_it_observes() {
    let running = busy();
    let telemetry = running.telemetry().clone();
    let create = move |observer: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
        let meter = telemetry.meter("bad");
        meter.u64_counter("created").build().add(1, &[]);
        let _created = meter.i64_observable_gauge("created").with_callback(|observer| observer.observe(1, &[])).build();
        meter.f64_histogram("created").build().record(1.0, &[]);
        observer.observe(7, &[]);
    };
    let _creates = running.telemetry().meter("bad").u64_observable_gauge("creates").with_callback(create).build();
    let as_wanted =
        |collected: &ResourceMetrics| number(collected, "creates") == Some(7.0) && number(collected, "created").is_none();
    two_more(&running, as_wanted).await;
    assert!(failures("creates", "created_instrument") >= 6);
    running.stop().expect("a clean stop"); // the callback holds the telemetry until then
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_may_record() {
    let running = busy();
    let recorded = running.telemetry().meter("good").u64_counter("recorded_in_callback").build();
    let record = move |observer: &dyn opentelemetry::metrics::AsyncInstrument<i64>| {
        recorded.add(1, &[]);
        observer.observe(-1, &[]);
    };
    let _records = running.telemetry().meter("good").i64_observable_up_down_counter("records").with_callback(record).build();
    let as_wanted = |collected: &ResourceMetrics| {
        number(collected, "records") == Some(-1.0) && number(collected, "recorded_in_callback").is_some_and(|count| count >= 1.0)
    };
    two_more(&running, as_wanted).await;
    assert_eq!(failures("records", "late") + failures("records", "panic"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_observes_a_bounded_number_of_values() {
    let rejected = || match value("telemetry_measurements_rejected", &[]) {
        Some(Value::U64(count)) => count,
        _ => 0,
    };
    let running = start(config());
    let many = |observer: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
        for i in 0..telemetry_core::limits::OTEL_OBSERVATIONS_MAX as u64 + 5 {
            observer.observe(i, &[]);
        }
    };
    let _many = running.telemetry().meter("many").u64_observable_gauge("many_observed").with_callback(many).build();
    let before = rejected();
    let collected = crate::support::collected(&running).await;
    assert_eq!(number(&collected, "many_observed"), Some(telemetry_core::limits::OTEL_OBSERVATIONS_MAX as f64 - 1.0));
    assert!(rejected() >= before + 5);
}

#[test]
fn what_a_callback_holds_is_dropped_with_the_telemetry_although_a_meter_is_kept() {
    let held = Arc::new(());
    let weak: Weak<()> = Arc::downgrade(&held);
    let running = start(config());
    let meter = running.telemetry().meter("holds");
    let hold = move |observer: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
        let _held = &held;
        observer.observe(1, &[]);
    };
    let _holds = meter.u64_observable_gauge("holds").with_callback(hold).build();
    running.telemetry().force_flush().expect("collected");
    assert_eq!(weak.strong_count(), 1);
    drop(running);
    assert_eq!(weak.strong_count(), 0);
    drop(meter);
}
