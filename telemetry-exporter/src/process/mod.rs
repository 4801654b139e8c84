//! What the system tells of this process, as OpenTelemetry's semantic conventions name it.
//!
//! The Cargo feature `process` declares these metrics; nothing is called. One reading a collection serves all of them:
//!
//! | metric | labels | where it is known |
//! |---|---|---|
//! | `process.cpu.time` | `cpu.mode`: `user`, `system` | Unix |
//! | `process.context_switches` | `process.context_switch.type`: `voluntary`, `involuntary` | Unix |
//! | `process.paging.faults` | `system.paging.fault.type`: `minor`, `major` | Unix |
//! | `process.memory.usage`, `process.memory.virtual` | – | Linux |
//! | `process.thread.count` | – | Linux |
//! | `process.unix.file_descriptor.count` | – | Linux |
//! | `process.disk.io` | `disk.io.direction`: `read`, `write` | Linux that accounts for it |
//! | `process.uptime` | – | Linux |
//!
//! What is not known is absent, and never zero. The counters include the threads that have ended; after a fork the child's begin at
//! zero. They count from the start of the process, also what was before the telemetry started. The start of their points is the
//! telemetry's all the same, as it is of all observed counters, so the rate of the first interval alone may be too high.
//! Cost: one call of the system, three files of `/proc` and the size of a folder a collection, some 0.2 ms in a debug build.
//!
//! Not here: `process.cpu.utilization`, which is the rate of `process.cpu.time` over the number of cores and would differ for each
//! reader; `process.network.io`, which Linux counts for a network namespace and not for a process.

mod reading;

use parking_lot::Mutex;
use telemetry_core::limits::CALLBACK_DEADLINE;
use telemetry_core::{Labels, collector, metric};

use self::reading::{Reading, Two};

/// The reading of the latest collection. It is locked while it is made, so that no other is taken for it.
static LATEST: Mutex<Option<Reading>> = Mutex::new(None);

#[collector]
fn read_process() {
    let mut latest = LATEST.lock();
    *latest = None; // where the reading panics there is none
    *latest = Some(Reading::take());
}

/// A part of the latest reading. While one hangs, this is late as it is.
fn latest<T>(part: impl FnOnce(&Reading) -> Option<T>) -> Option<T> {
    LATEST.try_lock_for(CALLBACK_DEADLINE)?.as_ref().and_then(part)
}

/// Two series.
fn both<L, N>(labels: [L; 2], Two(first, second): Two<N>) -> Vec<(L, N)> {
    labels.into_iter().zip([first, second]).collect()
}

#[derive(Labels)]
#[label(name = "cpu.mode")]
enum CpuMode {
    User,
    System,
}

#[derive(Labels)]
#[label(name = "process.context_switch.type")]
enum ContextSwitch {
    Voluntary,
    Involuntary,
}

#[derive(Labels)]
#[label(name = "system.paging.fault.type")]
enum Fault {
    Minor,
    Major,
}

#[derive(Labels)]
#[label(name = "disk.io.direction")]
enum Direction {
    Read,
    Write,
}

/// CPU time of all threads, those that have ended included.
#[metric(name = "process.cpu.time", unit = "s", kind = "counter")]
fn cpu_time() -> Option<Vec<(CpuMode, f64)>> {
    latest(|reading| Some(both([CpuMode::User, CpuMode::System], reading.cpu_seconds?)))
}

/// Times that a thread of the process gave up a CPU, or was made to.
#[metric(name = "process.context_switches", unit = "{context_switch}", kind = "counter")]
fn context_switches() -> Option<Vec<(ContextSwitch, u64)>> {
    latest(|reading| Some(both([ContextSwitch::Voluntary, ContextSwitch::Involuntary], reading.context_switches?)))
}

/// Page faults: minor without, major with reading from a disk.
#[metric(name = "process.paging.faults", unit = "{fault}", kind = "counter")]
fn paging_faults() -> Option<Vec<(Fault, u64)>> {
    latest(|reading| Some(both([Fault::Minor, Fault::Major], reading.faults?)))
}

/// Bytes that the process made storage devices read and write.
#[metric(name = "process.disk.io", unit = "By", kind = "counter")]
fn disk_io() -> Option<Vec<(Direction, u64)>> {
    latest(|reading| Some(both([Direction::Read, Direction::Write], reading.disk_bytes?)))
}

/// Physical memory in use: the resident set.
#[metric(name = "process.memory.usage", unit = "By", kind = "up_down_counter")]
fn memory_usage() -> Option<u64> {
    latest(|reading| reading.resident_bytes)
}

/// Virtual memory: all that is mapped.
#[metric(name = "process.memory.virtual", unit = "By", kind = "up_down_counter")]
fn memory_virtual() -> Option<u64> {
    latest(|reading| reading.virtual_bytes)
}

/// Threads, that of the reading included.
#[metric(name = "process.thread.count", unit = "{thread}", kind = "up_down_counter")]
fn thread_count() -> Option<u64> {
    latest(|reading| reading.threads)
}

/// Open file descriptors.
#[metric(name = "process.unix.file_descriptor.count", unit = "{file_descriptor}", kind = "up_down_counter")]
fn file_descriptor_count() -> Option<u64> {
    latest(|reading| reading.file_descriptors)
}

/// Time since the process started, the machine's sleep included.
#[metric(name = "process.uptime", unit = "s")]
fn uptime() -> Option<f64> {
    latest(|reading| reading.uptime_seconds)
}
