//! A bench of operations that take less than the clock can tell: rounds over all cases in turn, so that what disturbs the machine
//! disturbs all of them, and medians over the rounds.
//!
//! Where the linker puts a loop of a few instructions can double its time. A loop without inputs is therefore there four times, a
//! quarter of a line apart, and the rounds take them in turn.
//!
//! One line a case, tab-separated: `subject/case/threads`, the median of the rounds and their 10th percentile in nanoseconds an
//! operation, and the median of the floor: a plain, non-atomic add in the same loop. An operation's time is that of a core: with
//! more threads than cores the wall time is multiplied by the cores and divided among all operations.
//!
//! Arguments: words that a line must contain, any of them; `--rounds N`. `--table` is left to the bench.

use std::hint::black_box;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

/// Who makes the floor.
pub const FLOOR: &str = "plain";

/// A loop of so many operations.
type Run = Box<dyn Fn(u64) + Send + Sync>;

/// Bytes of a line of code.
const LINE: usize = 64;

/// Puts what follows so many bytes after the beginning of a line, but for what the compiler puts before the loop, which is the same in
/// each copy.
#[inline(always)]
fn place<const BYTES: usize>() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: it fills with instructions that do nothing.
    unsafe {
        std::arch::asm!(".p2align 6", ".nops {bytes}", bytes = const LINE + BYTES, options(nomem, nostack, preserves_flags));
    }
}

/// The loops that are there several times are not inlined, so that the compiler knows that nothing else changes what they are given.
#[inline(never)]
fn repeat<const BYTES: usize>(n: u64, operation: &impl Fn()) {
    place::<BYTES>();
    for _ in 0..n {
        operation();
    }
}

#[inline(never)]
fn add<const BYTES: usize>(n: u64, cell: &AtomicU64) {
    place::<BYTES>();
    for _ in 0..n {
        cell.store(cell.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}

/// One line: who, what, and a loop of it.
pub struct Case {
    subject: &'static str,
    case: &'static str,
    /// The same in each of its places.
    runs: Vec<Run>,
}

impl Case {
    /// An operation that takes nothing.
    pub fn new(subject: &'static str, case: &'static str, operation: impl Fn() + Send + Sync + 'static) -> Self {
        let all = Arc::new(operation);
        let [a, b, c, d] = [(); 4].map(|()| Arc::clone(&all));
        let runs: [Run; 4] = [
            Box::new(move |n| repeat::<0>(n, &*a)),
            Box::new(move |n| repeat::<16>(n, &*b)),
            Box::new(move |n| repeat::<32>(n, &*c)),
            Box::new(move |n| repeat::<48>(n, &*d)),
        ];
        Self { subject, case, runs: runs.into() }
    }

    /// An operation that takes one input of these, in turn. Its loop is there once, else a longer operation would not be inlined.
    pub fn fed<T: Copy + Send + Sync + 'static>(
        subject: &'static str,
        case: &'static str,
        inputs: &[T; 256],
        operation: impl Fn(T) + Send + Sync + 'static,
    ) -> Self {
        let inputs = Box::new(*inputs);
        let run = move |n: u64| {
            let inputs: &[T; 256] = black_box(&inputs);
            place::<0>();
            for i in 0..n {
                operation(inputs[i as usize % 256]);
            }
        };
        Self { subject, case, runs: vec![Box::new(run)] }
    }

    /// The floor of a case without an input.
    pub fn floor(case: &'static str) -> Self {
        let loops = [add::<0>, add::<16>, add::<32>, add::<48>];
        let run = |add: fn(u64, &AtomicU64)| -> Run { Box::new(move |n| add(n, black_box(&AtomicU64::new(0)))) };
        Self { subject: FLOOR, case, runs: loops.map(|add| run(add)).into() }
    }

    /// The floor of a case with inputs: a plain add, and a number that is made of each input.
    pub fn fed_floor<T: Copy + Send + Sync + 'static>(
        case: &'static str,
        inputs: &[T; 256],
        number: impl Fn(T) -> u64 + Send + Sync + 'static,
    ) -> Self {
        let inputs = Box::new(*inputs);
        let run = move |n: u64| {
            let inputs: &[T; 256] = black_box(&inputs);
            let (cell, mut sum) = (AtomicU64::new(0), 0_u64);
            let cell = black_box(&cell);
            place::<0>();
            for i in 0..n {
                sum = sum.wrapping_add(number(inputs[i as usize % 256]));
                cell.store(cell.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
            }
            black_box(sum);
        };
        Self { subject: FLOOR, case, runs: vec![Box::new(run)] }
    }

    /// Nanoseconds an operation, when this many threads do `n` each.
    fn time(&self, threads: usize, n: u64, round: usize) -> f64 {
        let barrier = Barrier::new(threads + 1);
        let (barrier, run) = (&barrier, &self.runs[round % self.runs.len()]);
        let wall = thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|number| {
                    scope.spawn(move || {
                        pin(number);
                        run(1_000); // what a thread does once is not what is measured
                        barrier.wait();
                        let began = Instant::now();
                        run(n);
                        (began, Instant::now())
                    })
                })
                .collect();
            barrier.wait();
            let spans: Vec<_> = workers.into_iter().map(|worker| worker.join().expect("a loop")).collect();
            let began = spans.iter().map(|span| span.0).min();
            let ended = spans.iter().map(|span| span.1).max();
            ended.zip(began).map_or(Duration::ZERO, |(ended, began)| ended - began)
        });
        let cores = thread::available_parallelism().map_or(1, usize::from).min(threads);
        wall.as_nanos() as f64 * cores as f64 / (n as f64 * threads as f64)
    }
}

/// Keeps the calling thread on a core of its own, as far as there are: a round is too short for the scheduler to part two threads.
fn pin(number: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: both calls read or write a set of this size, which is a plain set of bits.
    unsafe {
        let (mut allowed, size) = (std::mem::zeroed::<libc::cpu_set_t>(), size_of::<libc::cpu_set_t>());
        if libc::sched_getaffinity(0, size, &raw mut allowed) != 0 {
            return;
        }
        let cores: Vec<_> = (0..libc::CPU_SETSIZE as usize).filter(|core| libc::CPU_ISSET(*core, &allowed)).collect();
        if let Some(core) = cores.get(number % cores.len().max(1)) {
            let mut own = std::mem::zeroed::<libc::cpu_set_t>();
            libc::CPU_SET(*core, &mut own);
            libc::sched_setaffinity(0, size, &raw const own);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = number;
}

/// What came out for a case with a number of threads: nanoseconds an operation.
pub struct Line {
    pub subject: &'static str,
    pub case: &'static str,
    pub threads: usize,
    pub median: f64,
    pub p10: f64,
}

/// Runs the cases with each number of threads, prints the lines and returns them.
pub fn main(cases: Vec<Case>, threads: &[usize]) -> Vec<Line> {
    let (words, rounds) = arguments();
    let line = |case: &Case, threads: usize| format!("{}/{}/{threads}", case.subject, case.case);
    let wanted = |case: &Case, threads| words.is_empty() || words.iter().any(|word| line(case, threads).contains(word.as_str()));
    let mut runs: Vec<(&Case, usize, u64, Vec<f64>)> = Vec::new();
    for &threads in threads {
        let names: Vec<_> = cases.iter().filter(|case| wanted(case, threads)).map(|case| case.case).collect();
        for case in cases.iter().filter(|case| wanted(case, threads) || case.subject == FLOOR && names.contains(&case.case)) {
            // Long enough for the clock and, with more threads than cores, for the scheduler.
            let round = if threads > 2 { 24e6 } else { 3e6 };
            let share = thread::available_parallelism().map_or(1, usize::from).min(threads) as f64 / threads as f64;
            let n = round * share / case.time(threads, 20_000, 0).max(0.1);
            runs.push((case, threads, (n as u64).max(100), Vec::new()));
        }
    }
    for round in 0..rounds {
        for (case, threads, n, times) in &mut runs {
            times.push(case.time(*threads, *n, round));
        }
    }
    for run in &mut runs {
        run.3.sort_by(f64::total_cmp);
    }
    let at = |times: &[f64], part: f64| times[((times.len() - 1) as f64 * part) as usize];
    let line = |(case, threads, _, times): &(&Case, usize, u64, Vec<f64>)| Line {
        subject: case.subject,
        case: case.case,
        threads: *threads,
        median: at(times, 0.5),
        p10: at(times, 0.1),
    };
    let lines: Vec<_> = runs.iter().map(line).collect();
    println!("subject/case/threads\tmedian ns\tp10 ns\tfloor ns");
    for Line { subject, case, threads, median, p10 } in &lines {
        let floor = lines.iter().find(|line| line.subject == FLOOR && line.case == *case && line.threads == *threads);
        let floor = floor.map_or(f64::NAN, |floor| floor.median);
        println!("{subject}/{case}/{threads}\t{median:.3}\t{p10:.3}\t{floor:.3}");
    }
    lines
}

fn arguments() -> (Vec<String>, usize) {
    let (mut words, mut rounds) = (Vec::new(), 31);
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench" && argument != "--table");
    while let Some(argument) = arguments.next() {
        if argument == "--rounds" {
            rounds = arguments.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0).expect("--rounds wants a number above zero");
        } else {
            words.push(argument);
        }
    }
    (words, rounds)
}
