//! Records until a process has ended, in the way that the argument names, and says what was counted.

mod instruments;

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use instruments::{record, recorded, sums};
use telemetry_core::{Counter, FloatCounter, FloatGauge, Histogram, Labels, metric};

#[derive(Labels)]
struct Text<'a> {
    text: &'a str,
}

/// .
#[metric(name = "process_float_counter")]
static FLOAT_COUNTER: FloatCounter;
/// .
#[metric(name = "process_float_gauge")]
static FLOAT_GAUGE: FloatGauge;
/// .
#[metric(name = "process_histogram")]
static HISTOGRAM: Histogram;
/// .
#[metric(name = "process_texts")]
static TEXTS: Counter<Text>;
/// .
#[metric(name = "process_ticks")]
static TICKS: Counter;

/// Records when its thread ends.
struct AtEnd;

impl Drop for AtEnd {
    fn drop(&mut self) {
        record();
    }
}

thread_local! {
    static BEFORE: AtEnd = const { AtEnd };
    static AFTER: AtEnd = const { AtEnd };
}

/// Four records of a thread: two by itself, and one on each side of the library's guard.
fn life() {
    BEFORE.with(|_| ());
    record();
    AFTER.with(|_| ());
    record();
}

extern "C" fn say_all() {
    record();
    TEXTS.with(Text { text: "new at exit" }).inc();
    println!("{} {}", recorded(), TEXTS.with(Text { text: "new at exit" }).value());
}

fn at_exit(handler: extern "C" fn()) {
    // SAFETY: the handler is a function without arguments that lives as long as the program.
    assert_eq!(unsafe { libc::atexit(handler) }, 0);
}

/// The main thread and four others record, then the main thread's destructors, then a handler.
fn ended() {
    at_exit(say_all);
    let threads = [(); 4].map(|()| thread::spawn(life));
    threads.into_iter().for_each(|thread| thread.join().expect("it records and ends"));
    life();
    print!("{} ", if cfg!(panic = "abort") { "abort" } else { "unwind" });
}

/// Whether a thread had counted when the process began to end.
static TICKED: AtomicBool = AtomicBool::new(false);

extern "C" fn say_ticks() {
    let first = TICKS.value();
    record();
    println!("{} {:?}", 0 < first && first <= TICKS.value(), sums("life_counter"));
}

/// The process ends while other threads record, one of which ends it.
fn exit_while_recording() {
    static FOUR: Barrier = Barrier::new(4);
    at_exit(say_ticks);
    for _ in 0..3 {
        thread::spawn(|| {
            FOUR.wait();
            loop {
                TICKS.inc();
                TICKED.store(true, Ordering::Release);
                TEXTS.with(Text { text: &format!("tick {}", TICKS.value()) }).inc();
            }
        });
    }
    let end = || {
        FOUR.wait();
        life();
        while !TICKED.load(Ordering::Acquire) {
            thread::yield_now();
        }
        std::process::exit(0);
    };
    thread::spawn(end).join().expect("it does not return");
}

/// Measurements that are none.
fn bad_measurements() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        FLOAT_COUNTER.add(bad);
        HISTOGRAM.record(bad);
        FLOAT_GAUGE.set(bad);
        FLOAT_GAUGE.add(bad);
    }
    FLOAT_COUNTER.add(-1.0);
    FLOAT_COUNTER.add(0.5);
    HISTOGRAM.record(0.5);
    FLOAT_GAUGE.set(0.5);
    let rejected = sums("telemetry_measurements_rejected");
    println!("{:?} {:?}", sums("process_"), rejected.values().collect::<Vec<_>>());
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("ended") => ended(),
        Some("exit_while_recording") => exit_while_recording(),
        Some("bad_measurements") => bad_measurements(),
        other => unreachable!("{other:?}"),
    }
}
