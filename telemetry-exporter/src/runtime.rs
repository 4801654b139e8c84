//! What tokio tells of its runtimes, of those that the program hands over.
//!
//! The Cargo feature `runtime` declares these metrics; [`observe`] says of which runtimes. All have the label `runtime`, and those of a
//! worker its index as `worker`:
//!
//! | metric | kind |
//! |---|---|
//! | `tokio.runtime.workers`, `tokio.runtime.alive_tasks`, `tokio.runtime.global_queue_depth` | up-down counter |
//! | `tokio.runtime.worker.busy_time` in seconds, `tokio.runtime.worker.parks`, `tokio.runtime.worker.park_unparks` | counter |
//!
//! They are what tokio tells without `--cfg tokio_unstable`. Cost: nothing on the way of a task, and a collection loads one atomic a
//! number. The counters of workers need a target with 64-bit atomics, and are absent elsewhere.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use telemetry_core::{Labels, metric};
use tokio::runtime::{Handle, RuntimeMetrics};

/// The runtimes that are observed now.
static OBSERVED: Mutex<Vec<Arc<Observed>>> = Mutex::new(Vec::new());

struct Observed {
    id: u64,
    name: String,
    metrics: RuntimeMetrics,
}

/// A runtime that is observed until this is dropped; its series end then.
#[must_use = "the runtime is observed until this is dropped: write `let _observing = …`"]
#[derive(Debug)]
pub struct Observing {
    id: u64,
}

/// Shows the metrics of a runtime, with this name as the label `runtime`.
///
/// Drop what it returns when the runtime ends: until then its last numbers are shown, and what tokio keeps for them is kept.
///
/// ```
/// # let runtime = tokio::runtime::Runtime::new()?;
/// let _observing = telemetry_exporter::runtime::observe("main", runtime.handle())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A name by which another runtime is observed; that one stays.
pub fn observe(name: impl Into<String>, runtime: &Handle) -> Result<Observing, NameTaken> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (name, metrics) = (name.into(), runtime.metrics());
    let mut observed = OBSERVED.lock();
    if observed.iter().any(|other| other.name == name) {
        return Err(NameTaken(name));
    }
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    observed.push(Arc::new(Observed { id, name, metrics }));
    Ok(Observing { id })
}

impl Drop for Observing {
    fn drop(&mut self) {
        let mut observed = OBSERVED.lock();
        let found = observed.iter().position(|other| other.id == self.id).map(|index| observed.remove(index));
        drop(observed);
        drop(found); // what it is the last to hold ends without the lock
    }
}

/// A runtime is observed by this name already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTaken(String);

impl fmt::Display for NameTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a runtime is observed as {:?} already: wanted another name", self.0)
    }
}

impl std::error::Error for NameTaken {}

#[derive(Labels)]
struct Runtime {
    runtime: String,
}

#[derive(Labels)]
struct Worker {
    runtime: String,
    worker: usize,
}

/// A number of each runtime.
fn runtimes(number: fn(&RuntimeMetrics) -> usize) -> Vec<(Runtime, u64)> {
    let observed = OBSERVED.lock().clone();
    let series = |runtime: &Arc<Observed>| (Runtime { runtime: runtime.name.clone() }, number(&runtime.metrics) as u64);
    observed.iter().map(series).collect()
}

/// A number of each worker of each runtime.
#[cfg(target_has_atomic = "64")]
fn workers<N>(number: fn(&RuntimeMetrics, usize) -> N) -> Vec<(Worker, N)> {
    let observed = OBSERVED.lock().clone();
    let of = |runtime: &Arc<Observed>| {
        let series = |worker| (Worker { runtime: runtime.name.clone(), worker }, number(&runtime.metrics, worker));
        (0..runtime.metrics.num_workers()).map(series).collect::<Vec<_>>()
    };
    observed.iter().flat_map(of).collect()
}

/// Worker threads of the runtime.
#[metric(name = "tokio.runtime.workers", unit = "{worker}", kind = "up_down_counter")]
fn worker_count() -> Vec<(Runtime, u64)> {
    runtimes(RuntimeMetrics::num_workers)
}

/// Tasks that were spawned and have not ended.
#[metric(name = "tokio.runtime.alive_tasks", unit = "{task}", kind = "up_down_counter")]
fn alive_tasks() -> Vec<(Runtime, u64)> {
    runtimes(RuntimeMetrics::num_alive_tasks)
}

/// Tasks that wait in the runtime's global queue for a worker.
#[metric(name = "tokio.runtime.global_queue_depth", unit = "{task}", kind = "up_down_counter")]
fn global_queue_depth() -> Vec<(Runtime, u64)> {
    runtimes(RuntimeMetrics::global_queue_depth)
}

/// Time that the worker was busy, and did not wait for work.
#[cfg(target_has_atomic = "64")]
#[metric(name = "tokio.runtime.worker.busy_time", unit = "s", kind = "counter")]
fn busy_time() -> Vec<(Worker, f64)> {
    workers(|metrics, worker| metrics.worker_total_busy_duration(worker).as_secs_f64())
}

/// Times that the worker parked, for want of work.
#[cfg(target_has_atomic = "64")]
#[metric(name = "tokio.runtime.worker.parks", unit = "{park}", kind = "counter")]
fn parks() -> Vec<(Worker, u64)> {
    workers(RuntimeMetrics::worker_park_count)
}

/// Times that the worker parked or unparked: odd while it is parked.
#[cfg(target_has_atomic = "64")]
#[metric(name = "tokio.runtime.worker.park_unparks", unit = "{change}", kind = "counter")]
fn park_unparks() -> Vec<(Worker, u64)> {
    workers(RuntimeMetrics::worker_park_unpark_count)
}
