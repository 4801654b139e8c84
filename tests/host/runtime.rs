//! The metrics `tokio.runtime.*`, of runtimes that this test drives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use telemetry_exporter::runtime::observe;
use telemetry_exporter::{Config, start};
use tokio::runtime::Builder;

use crate::support::{number, until};

fn of(runtime: &str, name: &str) -> Option<f64> {
    number(&format!("tokio.runtime.{name}"), &[("runtime", runtime)])
}

fn of_worker(runtime: &str, worker: &str, name: &str) -> Option<f64> {
    number(&format!("tokio.runtime.worker.{name}"), &[("runtime", runtime), ("worker", worker)])
}

#[test]
fn the_tasks_and_workers_of_two_runtimes_are_told_apart() {
    let three = Builder::new_multi_thread().worker_threads(3).build().expect("threads");
    let one = Builder::new_current_thread().build().expect("a runtime");
    let _three = observe("three", three.handle()).expect("a new name");
    let _one = observe("one \"quoted\" ü", one.handle()).expect("a new name");
    let tasks: Vec<_> = (0..7).map(|_| three.spawn(std::future::pending::<()>())).collect();
    let _waiting: Vec<_> = (0..5).map(|_| one.spawn(async {})).collect(); // nobody drives this runtime yet
    assert_eq!(of("three", "workers"), Some(3.0));
    assert_eq!(of("three", "alive_tasks"), Some(7.0));
    assert_eq!(of("one \"quoted\" ü", "workers"), Some(1.0));
    assert_eq!(of("one \"quoted\" ü", "alive_tasks"), Some(5.0));
    assert_eq!(of("one \"quoted\" ü", "global_queue_depth"), Some(5.0));
    one.block_on(async { tokio::task::yield_now().await });
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    until(|| of("three", "alive_tasks"), |found| *found == Some(0.0));
    until(|| of("three", "global_queue_depth"), |found| *found == Some(0.0));
    assert!(of_worker("three", "2", "parks").is_some() && of_worker("three", "3", "parks").is_none());
}

/// Ends the task also where the test fails: its runtime waits for it.
struct End(Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_worker_is_busy_while_a_task_runs_and_parks_behind_it() {
    let runtime = Builder::new_multi_thread().worker_threads(1).build().expect("a thread");
    let _observing = observe("busy", runtime.handle()).expect("a new name");
    // Odd while it is parked, even while it runs.
    let idle = until(|| of_worker("busy", "0", "park_unparks"), |found| found.is_some_and(|count| count % 2.0 == 1.0));
    let ended = Arc::new(AtomicBool::new(false));
    let end = End(Arc::clone(&ended));
    let task = runtime.spawn(async move {
        let began = Instant::now();
        while !ended.load(Ordering::Relaxed) || began.elapsed() < Duration::from_millis(50) {
            std::hint::spin_loop();
        }
        began.elapsed().as_secs_f64()
    });
    until(|| of_worker("busy", "0", "park_unparks"), |found| *found > idle && found.is_some_and(|count| count % 2.0 == 0.0));
    drop(end);
    let spent = runtime.block_on(task).expect("it ends");
    until(|| of_worker("busy", "0", "busy_time"), |found| found.is_some_and(|busy| busy >= spent));
    assert!(of_worker("busy", "0", "parks") > Some(0.0));
}

#[test]
fn a_name_is_of_one_runtime_and_its_series_end_with_the_observing() {
    let (first, second) = (Builder::new_current_thread().build(), Builder::new_current_thread().build());
    let (first, second) = (first.expect("a runtime"), second.expect("a runtime"));
    let observing = observe("taken", first.handle()).expect("a new name");
    let error = observe("taken", second.handle()).expect_err("it is taken");
    assert_eq!(error.to_string(), "a runtime is observed as \"taken\" already: wanted another name");
    drop(first);
    assert_eq!(of("taken", "alive_tasks"), Some(0.0), "its last numbers");
    drop(observing);
    assert_eq!(of("taken", "alive_tasks"), None);
    let _observing = observe("taken", second.handle()).expect("it is free again");
    assert_eq!(of("taken", "workers"), Some(1.0));
}

#[test]
fn the_services_own_runtime_is_observed_on_request() {
    let running = start(Config { listen: None, ..Config::default() }).expect("valid declarations");
    let observing = running.observe_runtime("telemetry").expect("a new name");
    assert_eq!(of("telemetry", "workers"), Some(1.0));
    running.stop().expect("a clean stop");
    drop(observing);
    assert_eq!(of("telemetry", "workers"), None);
}
