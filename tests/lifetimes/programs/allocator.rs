//! An allocator that counts what it gives, in instruments of every kind, and once more beside them.

mod forking;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use forking::child;
use telemetry_core::collect::collect;
use telemetry_core::{Counter, Histogram, Labels, Registry, Value, metric};

#[derive(Clone, Copy, Labels)]
enum Call {
    Alloc,
    Dealloc,
}

#[derive(Labels)]
struct Name {
    name: &'static str,
}

#[derive(Labels)]
struct Text<'a> {
    text: &'a str,
}

/// .
#[metric(name = "allocations")]
static ALLOCATIONS: Counter;
/// .
#[metric(name = "deallocations")]
static DEALLOCATIONS: Counter;
/// .
#[metric(name = "allocation_size", unit = "By")]
static SIZES: Histogram;
/// .
#[metric(name = "change_size", unit = "By")]
static CHANGES: Histogram;
/// .
#[metric(name = "calls")]
static BY_CALL: Counter<Call>;
/// .
#[metric(name = "calls_by_name")]
static BY_NAME: Counter<Name>;
/// .
#[metric(name = "texts")]
static TEXTS: Counter<Text>;
/// .
#[metric(name = "text_sizes")]
static TEXT_SIZES: Histogram<Text>;

/// .
#[metric(name = "kinds")]
static KINDS: Counter<Call>;

/// Whether calls are counted. What reads the sums takes memory too.
static COUNTS: AtomicBool = AtomicBool::new(true);
static ALLOCATIONS_BESIDE: AtomicU64 = AtomicU64::new(0);
static DEALLOCATIONS_BESIDE: AtomicU64 = AtomicU64::new(0);

struct Instrumented;

// SAFETY: all calls go to the allocator of the system with the arguments that they came with.
unsafe impl GlobalAlloc for Instrumented {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS.load(Relaxed) {
            ALLOCATIONS_BESIDE.fetch_add(1, Relaxed);
            ALLOCATIONS.inc();
            SIZES.record(layout.size());
            CHANGES.record(layout.size());
            BY_CALL.with(Call::Alloc).inc();
            BY_NAME.with(Name { name: "alloc" }).inc();
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if COUNTS.load(Relaxed) {
            DEALLOCATIONS_BESIDE.fetch_add(1, Relaxed);
            DEALLOCATIONS.inc();
            CHANGES.record(-(layout.size() as f64));
            BY_CALL.with(Call::Dealloc).inc();
            BY_NAME.with(Name { name: "dealloc" }).inc();
        }
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Instrumented = Instrumented;

/// Takes memory, and the locks of the library.
fn work(thread: usize) {
    (0..24).for_each(|n| drop(Vec::<u8>::with_capacity(1 << n))); // each is beyond the buckets of those before
    for n in 0..200 {
        let text = format!("series {n} of {thread}, which is too long for a key");
        TEXTS.with(Text { text: &text }).inc();
        TEXT_SIZES.with(Text { text: &text }).record(2_f64.powi(n % 64));
        KINDS.with(Call::Alloc).inc();
        if n % 3 == 0 {
            TEXTS.remove(&Text { text: &text });
            TEXT_SIZES.remove(&Text { text: &text });
            KINDS.remove(&Call::Alloc);
        }
    }
}

fn threads() {
    for _ in 0..10 {
        let threads: Vec<_> = (0..8).map(|thread| thread::spawn(move || work(thread))).collect();
        threads.into_iter().for_each(|thread| thread.join().expect("it works"));
    }
}

/// Whether the plain counters say how many calls there were, and how many measurements of the others are neither in their sums nor among
/// the rejected ones.
fn counted() -> String {
    COUNTS.store(false, Relaxed);
    let (allocations, deallocations) = (ALLOCATIONS_BESIDE.load(Relaxed), DEALLOCATIONS_BESIDE.load(Relaxed));
    let collection = collect(&Registry::new(), Duration::from_secs(1));
    let sum = |name: &str| {
        let found = collection.metrics.iter().find(|reading| reading.entry.name() == name);
        let points = found.map(|reading| collection.points(reading)).unwrap_or_default();
        let count = |value: &Value| match value {
            Value::U64(sum) => *sum,
            Value::Exponential(value) => value.summary.count,
            _ => 0,
        };
        points.iter().map(|point| count(&point.value)).sum::<u64>()
    };
    let counted = ["allocation_size", "change_size", "calls", "calls_by_name"].map(sum).iter().sum::<u64>();
    let rejected = sum("telemetry_measurements_rejected");
    let missing = (4 * allocations + 3 * deallocations).wrapping_sub(counted + rejected).cast_signed();
    let plain = (ALLOCATIONS.value() == allocations, DEALLOCATIONS.value() == deallocations);
    format!("{plain:?} {missing}")
}

/// The child of a fork takes memory, and gives some back that its parent's cells knew of.
fn forks() -> bool {
    threads();
    KINDS.with(Call::Alloc).inc();
    KINDS.remove(&Call::Alloc);
    child(10, || {
        threads();
        ALLOCATIONS.value() > 0
    })
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("threads") => {
            threads();
            println!("{}", counted());
        }
        Some("forks") => println!("{}", forks()),
        other => unreachable!("{other:?}"),
    }
}
