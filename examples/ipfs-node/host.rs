//! The machine and the process: what they are, and how busy.
//!
//! Invariant: one reading of the machine serves all metrics of a collection.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use telemetry_core::{FloatGauge, Gauge, Property, collector, metric, property};
use tokio::runtime::Handle;

/// Operating system that this node was built for.
#[property(name = "libp2p_host_os")]
static OS: Property<&'static str> = Property::constant(std::env::consts::OS);

/// Processor architecture that this node was built for.
#[property(name = "libp2p_host_arch")]
static ARCH: Property<&'static str> = Property::constant(std::env::consts::ARCH);

/// Processors that this process may use.
#[property(name = "libp2p_host_numcpu", unit = "{cpu}")]
fn numcpu() -> i64 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as i64)
}

/// Start of this node, in seconds since the Unix epoch.
#[property(name = "libp2p_host_boottime", unit = "s")]
fn boottime() -> i64 {
    STARTED.get().copied().unwrap_or(0)
}

/// Share of one processor that this process used since the last reading; above 1 when it used several.
#[metric(name = "libp2p_host_cpu_process", unit = "1")]
static CPU_PROCESS: FloatGauge;

/// Share of all processors that was in use since the last reading, from 0 to 1.
#[metric(name = "libp2p_host_cpu_system", unit = "1")]
static CPU_SYSTEM: FloatGauge;

/// Memory in use on the machine.
#[metric(name = "libp2p_host_memory_used", unit = "By")]
static MEMORY_USED: Gauge;

/// Memory that programs could still get, page cache that can be given up included.
#[metric(name = "libp2p_host_memory_free", unit = "By")]
static MEMORY_FREE: Gauge;

/// Memory installed.
#[metric(name = "libp2p_host_memory_total", unit = "By")]
static MEMORY_TOTAL: Gauge;

/// Live tasks of the node's asynchronous runtime, which are to tokio what goroutines are to Go.
#[metric(name = "libp2p_host_goroutines", unit = "{task}", kind = "gauge")]
fn tasks() -> Option<i64> {
    let runtime = RUNTIME.get()?;
    Some(runtime.metrics().num_alive_tasks() as i64)
}

/// Processor shares are taken over at least this time; a collection that comes sooner keeps the last ones.
const SHARE_OVER_MIN: Duration = sysinfo::MINIMUM_CPU_UPDATE_INTERVAL;

static STARTED: OnceLock<i64> = OnceLock::new();
static RUNTIME: OnceLock<Handle> = OnceLock::new();
static MACHINE: Mutex<Option<Machine>> = Mutex::new(None);

struct Machine {
    system: System,
    process: Pid,
    shares_read: Instant,
}

/// Notes the start and the runtime, and takes the reading that the first shares are relative to. Call it once, at the
/// start, in the runtime whose tasks are to be counted.
pub fn start() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let _ = STARTED.set(now.map_or(0, |since| since.as_secs() as i64));
    let _ = RUNTIME.set(Handle::current());
    let mut machine = MACHINE.lock();
    if let (Ok(mut system), Ok(process)) = (System::new(), sysinfo::get_current_pid()) {
        refresh_shares(&mut system, process);
        *machine = Some(Machine { system, process, shares_read: Instant::now() });
    }
}

/// Reads the load and the memory of the host.
#[collector]
fn host() {
    let mut machine = MACHINE.lock();
    let Some(machine) = machine.as_mut() else {
        return;
    };
    machine.system.refresh_memory();
    MEMORY_USED.set(bytes(machine.system.used_memory()));
    MEMORY_FREE.set(bytes(machine.system.available_memory()));
    MEMORY_TOTAL.set(bytes(machine.system.total_memory()));
    if machine.shares_read.elapsed() < SHARE_OVER_MIN {
        return;
    }
    refresh_shares(&mut machine.system, machine.process);
    machine.shares_read = Instant::now();
    CPU_SYSTEM.set(f64::from(machine.system.global_cpu_usage()) / 100.0);
    if let Some(process) = machine.system.process(machine.process) {
        CPU_PROCESS.set(f64::from(process.cpu_usage()) / 100.0);
    }
}

fn refresh_shares(system: &mut System, process: Pid) {
    system.refresh_cpu_usage();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[process]), false, ProcessRefreshKind::nothing().with_cpu());
}

fn bytes(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
