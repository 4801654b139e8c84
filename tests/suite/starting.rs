//! Starting and stopping: what remains of a start that failed, of a telemetry that is never built, and of a stop.

use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use telemetry_core::{Event, Telemetry, event};
use telemetry_exporter::client::Place;
use telemetry_exporter::{Config, start_with};

use crate::support::{DEADLINE, client, config, drain, is_alone, messages, start, until};

/// .
#[event(name = "starting_event")]
static EVENT: Event<u32>;

/// The names of this process' threads that are ours or the SDK's.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    let ours = |name: &String| name.starts_with("telemetry") || name.starts_with("OpenTelemetry");
    names.map(|name| name.trim().to_owned()).filter(ours).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_start_that_fails_nothing_remains_and_the_events_are_there_for_the_next() {
    if !is_alone("starting::of_a_start_that_fails_nothing_remains_and_the_events_are_there_for_the_next", &[]) {
        return;
    }
    EVENT.emit(&7);
    let addr: SocketAddr = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it listens");
    let there = || Config { listen: Some(addr), ..config() };

    for _ in 0..10 {
        let panicked = catch_unwind(AssertUnwindSafe(|| start_with(there(), |_| panic!("no views today"))));
        assert!(panicked.is_err());
        drop(TcpListener::bind(addr).expect("the port is free at once"));
    }
    until("the end of all threads", async || threads().is_empty().then_some(())).await;

    let running = start(there());
    let pulled = messages(drain(&client(&running).await, "starting_event", &mut Place::default()).await);
    assert_eq!(pulled.iter().map(|message| String::from_utf8_lossy(&message.payload)).collect::<Vec<_>>(), ["7"]);
}

/// Tells when it is dropped.
struct Idle(#[expect(dead_code, reason = "its end is what is told")] mpsc::Sender<()>);

impl PushMetricExporter for Idle {
    async fn export(&self, _: &ResourceMetrics) -> OTelSdkResult {
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

#[test]
fn a_telemetry_that_is_never_built_ends_the_threads_of_its_exporters() {
    let (held, dropped) = mpsc::channel();
    drop(Telemetry::builder().with_exporter(Idle(held), Duration::from_secs(3600)));
    assert_eq!(dropped.recv_timeout(DEADLINE), Err(mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn a_second_stop_waits_for_the_first() {
    let running = start(config());
    let addr = running.local_addr().expect("it listens");
    let ((entered, inside), (release, hold)) = (mpsc::channel(), mpsc::channel::<()>());
    let hold = Mutex::new(hold);
    // It holds up the last collection until the deadline of callbacks.
    let hang = move |_: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
        let _the_test_has_ended = entered.send(());
        let _released = hold.lock().expect("one at a time").recv();
    };
    let _gauge = running.telemetry().meter("starting").u64_observable_gauge("starting_hang").with_callback(hang).build();
    std::thread::scope(|scope| {
        scope.spawn(|| running.stop().expect("a callback that hangs fails no stop"));
        inside.recv_timeout(DEADLINE).expect("the last collection");
        running.stop().expect("it tells no error");
        TcpListener::bind(addr).expect("the port is free when a stop has returned");
    });
    drop(release);
}
