//! Says what the allocator gave for what the argument names.

mod counting;
mod instruments;
mod silence;

use std::sync::Barrier;
use std::thread;

use counting::live_bytes;
use instruments::{record, recorded};
use telemetry_core::{Counter, FloatCounter, FloatGauge, Gauge, Histogram, Labels, UpDownCounter};

/// Bytes that this takes in so many new threads, which are all alive when it is done.
fn bytes(threads: usize, run: impl Fn() + Sync) -> i64 {
    let barrier = Barrier::new(threads + 1);
    let body = || {
        barrier.wait(); // all have begun
        barrier.wait(); // it was seen what they took for that
        run();
        barrier.wait(); // all are done
        barrier.wait(); // it was seen
    };
    thread::scope(|scope| {
        let alive: Vec<_> = (0..threads).map(|_| scope.spawn(body)).collect();
        barrier.wait();
        let before = live_bytes();
        barrier.wait();
        barrier.wait();
        let after = live_bytes();
        barrier.wait();
        alive.into_iter().for_each(|thread| thread.join().expect("it records"));
        after - before
    })
}

#[derive(Clone, Copy, Labels)]
enum Place {
    First,
    Second,
    Third,
    Fourth,
}

#[derive(Labels)]
struct Call {
    place: Place,
    ok: bool,
}

#[derive(Labels)]
struct Text<'a> {
    text: &'a str,
}

static COUNTERS: [Counter; 1_000] = [const { Counter::new() }; 1_000];
static DENSE: Counter<Call> = Counter::new();
static HISTOGRAMS: [Histogram; 2] = [const { Histogram::new() }; 2];
static BY_TEXT: Counter<Text> = Counter::new();
static HISTOGRAM_BY_TEXT: Histogram<Text> = Histogram::new();

/// A line for each: what, and its bytes.
fn sizes() {
    let counters = |count: usize| move || COUNTERS[..count].iter().for_each(Counter::inc);
    let dense = || {
        for place in [Place::First, Place::Second, Place::Third, Place::Fourth] {
            DENSE.with(Call { place, ok: true }).inc();
            DENSE.with(Call { place, ok: false }).inc();
        }
    };
    let histograms = |count: usize| move || HISTOGRAMS[..count].iter().for_each(|histogram| histogram.record(1_u64));
    let texts: Vec<_> = (0..1_000).map(|n| format!("series {n}")).collect();
    let texts = || texts.iter().for_each(|text| BY_TEXT.with(Text { text }).inc());
    let say = |what: &str, bytes: i64| println!("{what}: {bytes}");
    say("one counter in a thread", bytes(1, counters(1)));
    say("the same in another that begins when the first has ended", bytes(1, counters(1)));
    say("the same in one more at the same time", bytes(2, counters(1)));
    say("a labelled counter of 8 series", bytes(1, || drop(DENSE.handle(Call { place: Place::First, ok: true }))));
    say("the same in two threads that have counters", bytes(2, dense));
    say("one histogram in a thread", bytes(1, histograms(1)));
    say("another one in a thread that has one", bytes(1, histograms(2)));
    say("a series by text in a thread, of 1,000", bytes(1, texts) / 1_000);
    say("the same in another that begins when the first has ended", bytes(1, texts) / 1_000);
    say("the same in one more at the same time", bytes(2, texts) / 1_000 - bytes(1, texts) / 1_000);
    println!("a static Counter: {}", size_of::<Counter>());
    println!("a static FloatCounter: {}", size_of::<FloatCounter>());
    println!("a static UpDownCounter: {}", size_of::<UpDownCounter>());
    println!("a static Gauge: {}", size_of::<Gauge>());
    println!("a static FloatGauge: {}", size_of::<FloatGauge>());
    println!("a static Histogram: {}", size_of::<Histogram>());
    println!("a static Counter<Text>: {}", size_of::<Counter<Text>>());
}

/// What stays of threads that recorded in everything, wave after wave.
fn waves() {
    let wave = || {
        bytes(20, record);
        live_bytes()
    };
    wave();
    let after_two = wave();
    let after_fifty = (0..48).fold(after_two, |_, _| wave());
    println!("{} {}", recorded(), after_fifty - after_two);
}

/// Series that live for one record: the bytes that are out after a tenth of a million, four tenths, and all of it.
fn series() {
    const THREADS: u64 = 2;
    let barrier = Barrier::new(THREADS as usize + 1);
    let stations = [100_000, 400_000, 1_000_000].map(|series| series / THREADS);
    let body = |thread: u64| {
        let mut n = 0;
        for station in stations {
            while n < station {
                let text = format!("series {n} of {thread}");
                BY_TEXT.with(Text { text: &text }).add(n + 1);
                if n % 10 == 0 {
                    HISTOGRAM_BY_TEXT.with(Text { text: &text }).record(n);
                    assert!(HISTOGRAM_BY_TEXT.remove(&Text { text: &text }));
                }
                if n % 100 == 0 {
                    assert_eq!(BY_TEXT.with(Text { text: &text }).value(), n + 1);
                    assert!(BY_TEXT.remove(&Text { text: &text }));
                    assert_eq!(BY_TEXT.with(Text { text: &text }).value(), 0, "it comes back from nothing");
                }
                assert!(BY_TEXT.remove(&Text { text: &text }));
                n += 1;
            }
            barrier.wait();
            barrier.wait();
        }
    };
    thread::scope(|scope| {
        let threads = [0, 1].map(|thread| scope.spawn(move || body(thread)));
        for station in stations {
            barrier.wait();
            println!("{} series: {}", station * THREADS, live_bytes());
            barrier.wait();
        }
        threads.into_iter().for_each(|thread| thread.join().expect("it records"));
    });
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("silent") => {
            record();
            println!("{}", silence::cost());
        }
        Some("many") => {
            let bytes = bytes(100, || COUNTERS.iter().for_each(Counter::inc));
            println!("{bytes} {}", COUNTERS.iter().map(Counter::value).sum::<u64>());
        }
        Some("sizes") => sizes(),
        Some("waves") => waves(),
        Some("series") => series(),
        other => unreachable!("{other:?}"),
    }
}
