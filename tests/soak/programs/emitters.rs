//! Serves a stream that its threads emit to, each its share of a million events a second or as many as it can, for as many seconds as
//! the argument says. It says where it serves, goes on at a line of its input, and reports at another.

use std::hint::black_box;
use std::io::{self, BufRead};
use std::sync::Barrier;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use soak::{EMITTERS, Emitted, LAST, Memory, STREAM, Transfer};
use telemetry_core::{Event, event};
use telemetry_exporter::{Config, Running};

/// Events a second, of all threads.
const RATE: u64 = 1_000_000;

/// Events that each thread emits before anything is measured.
const WARM_UP: u64 = 1_000;

/// Events between two looks at the clock.
const BURST: u64 = 1_000;

/// A transfer that ended.
#[event(name = "soak_transfer")]
static TRANSFERS: Event<Transfer>;

fn main() {
    let seconds = env::args().nth(1).and_then(|seconds| seconds.parse().ok());
    let duration = Duration::from_secs(seconds.expect("a number of seconds"));
    let listen = Some(([127, 0, 0, 1], 0).into());
    let running = telemetry_exporter::start(Config { listen, ..Config::default() }).expect("it starts");
    println!("{}", running.local_addr().expect("it listens"));
    let mut lines = io::stdin().lock().lines();
    let (warm, go) = (Barrier::new(EMITTERS + 1), Barrier::new(EMITTERS + 1));
    let (warm, go) = (&warm, &go);
    let (before, half, emitted) = thread::scope(|scope| {
        let body = |emitter| {
            let mut transfer = Transfer::new(emitter, 0);
            emit(&mut transfer, WARM_UP);
            warm.wait();
            go.wait();
            at_rate(&mut transfer, duration)
        };
        let threads: Vec<_> = (0..EMITTERS).map(|emitter| scope.spawn(move || body(emitter))).collect();
        warm.wait();
        let _go = lines.next();
        forget_peak();
        let before = resident("VmRSS:");
        go.wait();
        thread::sleep(duration / 2);
        let half = resident("VmHWM:");
        let emitted: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("it emits")).collect();
        (before, half, emitted)
    });
    TRANSFERS.emit(&Transfer::new(LAST, 0));
    let _end = lines.next();
    println!("{}", serde_json::to_string(&report(&running, (before, half), &emitted)).expect("it is plain data"));
    running.stop().expect("it stops");
}

fn emit(transfer: &mut Transfer, events: u64) {
    for _ in 0..events {
        TRANSFERS.emit(black_box(transfer));
        transfer.number += 1;
    }
}

/// Emits this thread's share; tells its events, and how long it took.
fn at_rate(transfer: &mut Transfer, duration: Duration) -> (u64, Duration) {
    let began = Instant::now();
    loop {
        let elapsed = began.elapsed();
        if elapsed >= duration {
            return (transfer.number, elapsed);
        }
        let due = WARM_UP + elapsed.as_micros() as u64 * RATE / EMITTERS as u64 / 1_000_000;
        match due.saturating_sub(transfer.number) {
            0 => thread::sleep(Duration::from_millis(1)),
            events => emit(transfer, events.min(BURST)),
        }
    }
}

fn report(running: &Running, (before, half): (Option<u64>, Option<u64>), emitted: &[(u64, Duration)]) -> Emitted {
    let stream = running.streams().by_name(STREAM).expect("it is declared");
    let state = stream.log.state();
    let memory = || Some(Memory { before: before?, half: half?, peak: resident("VmHWM:")?, after: resident("VmRSS:")? });
    let seconds = emitted.iter().map(|(_, elapsed)| elapsed.as_secs_f64()).fold(0.0, f64::max);
    Emitted {
        events: emitted.iter().map(|(events, _)| *events).chain([1]).collect(),
        event_bytes: serde_json::to_vec(&Transfer::new(0, RATE)).map_or(0, |json| json.len()),
        seconds,
        rate: emitted.iter().map(|(events, elapsed)| (events - WARM_UP) as f64 / elapsed.as_secs_f64()).sum(),
        appended: state.appended,
        kept: state.kept,
        dropped: state.dropped,
        bytes_max: stream.log.options().bytes_max,
        memory: memory(),
    }
}

/// Bytes that this process has in memory, or had at the most, where the system tells it.
fn resident(field: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

/// From here on the most is that since now.
fn forget_peak() {
    // Where this fails, the most since the start is compared, which is no less.
    let _told_by_the_start_too = fs::write("/proc/self/clear_refs", "5");
}
