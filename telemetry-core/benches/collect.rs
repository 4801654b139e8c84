//! What reading costs: 1,000 counters that 16 living threads have recorded.
//!
//! One line a case, tab-separated: `subject/case`, the median of the rounds and their 10th percentile in microseconds a collection, and
//! the floor: as many relaxed loads, summed up, from one row.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use telemetry_core::__private::{self, Reader};
use telemetry_core::collect::{Collector, Frame};
use telemetry_core::{Counter, Registry};

const COUNTERS: usize = 1_000;
const THREADS: usize = 16;
const ROUNDS: usize = 301;

static ALL: [Counter; COUNTERS] = [const { Counter::new() }; COUNTERS];

fn microseconds(mut run: impl FnMut()) -> (f64, f64) {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            run();
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[ROUNDS / 2], times[ROUNDS / 10])
}

fn main() {
    let (recorded, read) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                ALL.iter().for_each(Counter::inc);
                recorded.wait();
                read.wait();
            });
        }
        recorded.wait();
        let row: Vec<AtomicU64> = (0..COUNTERS * THREADS).map(|_| AtomicU64::new(1)).collect();
        let (floor, _) = microseconds(|| {
            black_box(row.iter().map(|cell| cell.load(Relaxed)).fold(0, u64::wrapping_add));
        });
        let line = |case: &str, (median, p10): (f64, f64)| println!("{case}\t{median:.2}\t{p10:.2}\t{floor:.2}");
        println!("subject/case\tmedian µs\tp10 µs\tfloor µs");
        let (mut reader, mut frame) = (Reader::default(), Frame::default());
        line("telemetry/read-cells", microseconds(|| black_box(&mut reader).read()));
        let all: Vec<_> = ALL.iter().collect();
        let all = || {
            __private::read(&all, &mut reader, &mut frame);
            assert_eq!(black_box(&frame).series().len(), COUNTERS);
        };
        line("telemetry/read-1000-counters", microseconds(all));
        let mut collector = Collector::new(&Registry::new());
        line("telemetry/collect-own", microseconds(|| _ = black_box(collector.collect(Duration::from_secs(1)).time_ns())));
        read.wait();
    });
}
