//! What appending a message to a stream takes, with its time, beside the copying of its bytes alone.
//!
//! One line a case, tab-separated: `append/threads/bytes`, then in nanoseconds a message the processor time of all threads and the
//! floor's (the same bytes and a time copied into a buffer of this thread), of each the 10th percentile of the turns and their median; and by the
//! wall clock of single appends the median, p99, p99.9 and the longest, the median of the turns, and the p99.9 of the floor: what the machine does. The stream is at its bounds: it seals and drops as it goes. `append+follow` has four
//! readers that follow the head meanwhile. `--rounds N` and `--only case` choose.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use telemetry_core::clock::now_ns;
use telemetry_exporter::stream::{Log, Piece, Position, StreamOptions};

const BYTES: usize = 200;
const MESSAGES: usize = 400_000;

/// Processor time of this process so far.
fn processor_time() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

/// Runs it on so many threads at once; the processor time that they take.
fn on_threads(threads: usize, run: impl Fn() + Sync) -> Duration {
    let begin = std::sync::Barrier::new(threads);
    let before = processor_time();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                begin.wait();
                run();
            });
        }
    });
    processor_time() - before
}

/// How long single appends take, beside all others.
fn latencies(threads: usize, append: impl Fn(&mut Vec<u8>) + Sync) -> Vec<u64> {
    let all = std::sync::Mutex::new(Vec::new());
    on_threads(threads, || {
        let mut own = Vec::with_capacity(MESSAGES / threads);
        let mut buffer = Vec::with_capacity(256 << 10);
        for _ in 0..MESSAGES / threads {
            let began = Instant::now();
            append(&mut buffer);
            own.push(began.elapsed().as_nanos() as u64);
        }
        all.lock().expect("no panic").extend(own);
    });
    let mut all = all.into_inner().expect("no panic");
    all.sort_unstable();
    all
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut rounds, mut only) = (15, String::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rounds" => rounds = arguments.next().and_then(|rounds| rounds.parse().ok()).expect("--rounds NUMBER"),
            "--only" => only = arguments.next().expect("--only CASE"),
            _ => {}
        }
    }
    println!("case\tcpu p10\tmedian\tfloor p10\tmedian\tp50\tp99\tp99.9\tlongest\tfloor p99.9");
    let payload = vec![b'x'; BYTES];
    for (name, followers) in [("append", 0), ("append+follow", 4)] {
        for threads in [1, 2, 8] {
            let case = format!("{name}/{threads}/{BYTES}");
            if !case.starts_with(&only) {
                continue;
            }
            measure(&case, threads, followers, rounds, &payload);
        }
    }
}

/// The floor: the bytes of a frame into a buffer of this thread.
fn copy(buffer: &mut Vec<u8>, payload: &[u8]) {
    if buffer.len() + 12 + payload.len() > buffer.capacity() {
        buffer.clear();
    }
    buffer.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    buffer.extend_from_slice(&now_ns().to_be_bytes());
    buffer.extend_from_slice(black_box(payload));
    black_box(buffer);
}

fn measure(case: &str, threads: usize, followers: usize, rounds: usize, payload: &[u8]) {
    let log = Log::new(StreamOptions::default());
    let (stopped, each) = (AtomicBool::new(false), MESSAGES / threads);
    let a_message = |time: Duration| time.as_nanos() as f64 / (each * threads) as f64;
    let (mut own, mut floor, mut single, mut still) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..followers {
            scope.spawn(|| {
                let mut at = Position::default();
                while !stopped.load(Ordering::Relaxed) {
                    match log.read(at, true) {
                        Piece::Data { next, .. } => at = next,
                        Piece::Gap { to, .. } => at = to,
                        _ => std::thread::sleep(Duration::from_millis(20)),
                    }
                }
            });
        }
        for _ in 0..rounds {
            own.push(a_message(on_threads(threads, || {
                for _ in 0..each {
                    let _ = black_box(log.append(now_ns(), black_box(payload)));
                }
            })));
            floor.push(a_message(on_threads(threads, || {
                let mut buffer: Vec<u8> = Vec::with_capacity(256 << 10);
                (0..each).for_each(|_| copy(&mut buffer, payload));
            })));
            single.push(latencies(threads, |_| {
                let _ = black_box(log.append(now_ns(), payload));
            }));
            still.push(latencies(threads, |buffer| copy(buffer, payload)));
        }
        stopped.store(true, Ordering::Relaxed);
    });
    let both = |values: &mut Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        (values[values.len() / 10], values[values.len() / 2])
    };
    let median = |values: &mut Vec<f64>| both(values).1;
    let of_still = median(&mut still.iter().map(|all| all[((all.len() - 1) as f64 * 0.999) as usize] as f64).collect());
    let of = |part: f64| median(&mut single.iter().map(|all| all[((all.len() - 1) as f64 * part) as usize] as f64).collect());
    let (p50, p99, p999, longest) = (of(0.5), of(0.99), of(0.999), of(1.0));
    let (own, floor) = (both(&mut own), both(&mut floor));
    println!("{case}\t{:.1}\t{:.1}\t{:.1}\t{:.1}\t{p50}\t{p99}\t{p999}\t{longest}\t{of_still}", own.0, own.1, floor.0, floor.1);
}
