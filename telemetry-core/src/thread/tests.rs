//! Threads that come, record and go, over metrics that come and go: what a counter says is what was added.
//!
//! Written for Miri and a thread sanitizer as well, which see each access; under Miri there is less of everything.

use std::cell::RefCell;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Barrier};
use std::thread;

use telemetry_core::__private::Options;
use telemetry_core::frame::Frame;
use telemetry_core::limits::CELLS_FIRST;
use telemetry_core::metric::{MetricSource, Reader, read};
use telemetry_core::{Counter, FloatCounter, Gauge, Handle, Histogram, Labels, Summary, UpDownCounter, Value};

const MANY: u64 = if cfg!(miri) { 20 } else { 5_000 };
const ROUNDS: u64 = if cfg!(miri) { 3 } else { 20 };
const THREADS: u64 = 3;

#[derive(Labels)]
struct Name<'a> {
    name: &'a str,
}

#[derive(Labels)]
struct Side {
    left: bool,
}

/// The values of a metric, as a collection reads them.
fn values(metric: &impl MetricSource) -> Vec<Value> {
    let mut frame = Frame::default();
    read(&[metric], &mut Reader::default(), &mut frame);
    let points = frame.metrics().iter().flat_map(|metric| frame.points(metric));
    points.map(|point| point.value).collect()
}

/// The summary of a histogram without labels.
fn summary(histogram: &Histogram) -> Summary {
    match values(histogram).into_iter().next() {
        Some(Value::Exponential(value)) => value.summary,
        Some(Value::Explicit(value)) => value.summary,
        _ => Summary { count: 0, sum: 0.0, min: None, max: None },
    }
}

/// Runs in so many threads at once, with the number of each, and waits until all have ended, with what is thread-local in them.
fn threads(run: impl Fn(u64) + Sync) {
    let together = Barrier::new(THREADS as usize);
    let (run, together) = (&run, &together);
    thread::scope(|scope| {
        let start = |n| {
            scope.spawn(move || {
                together.wait();
                run(n);
            })
        };
        let threads: Vec<_> = (0..THREADS).map(start).collect();
        threads.into_iter().for_each(|thread| thread.join().expect("it ends"));
    });
}

#[test]
fn sums_are_exact_while_threads_come_and_go() {
    let (counter, float, up_down, gauge) = (Counter::new(), FloatCounter::new(), UpDownCounter::new(), Gauge::new());
    for round in 1..=ROUNDS {
        threads(|n| {
            for _ in 0..MANY {
                counter.inc();
                counter.add(n);
                float.add(0.5);
                up_down.add(3);
                up_down.dec();
                gauge.inc();
            }
        });
        let all = round * THREADS * MANY;
        assert_eq!(counter.value(), all * 2); // 0, 1 and 2 are one each
        assert_eq!(float.value(), all as f64 / 2.0);
        assert_eq!((up_down.value(), gauge.value()), (2 * all as i64, all as i64));
    }
}

#[test]
fn a_reader_sees_no_sum_fall() {
    let (counter, histogram, ended) = (Counter::new(), Histogram::new(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut sum, mut count) = (0, 0);
            while !ended.load(Acquire) {
                let (next_sum, next_count) = (counter.value(), summary(&histogram).count);
                assert!(sum <= next_sum && count <= next_count, "{sum}, then {next_sum}; {count}, then {next_count}");
                (sum, count) = (next_sum, next_count);
            }
        });
        for _ in 0..ROUNDS {
            threads(|n| {
                for i in 0..MANY {
                    counter.inc();
                    histogram.record((n + 1) << (i % 60));
                }
            });
        }
        ended.store(true, Release);
    });
    assert_eq!((counter.value(), summary(&histogram).count), (ROUNDS * THREADS * MANY, ROUNDS * THREADS * MANY));
}

#[test]
fn sums_survive_the_growth_of_a_row() {
    let counters: Vec<Counter> = (0..CELLS_FIRST + 10).map(|_| Counter::new()).collect();
    let Some((first, others)) = counters.split_first() else { panic!("there is more than one") };
    threads(|n| {
        first.inc();
        others.iter().for_each(|counter| counter.add(n)); // the first thread to meet each makes its cells
        first.inc();
        others.iter().rev().for_each(Counter::inc);
    });
    assert_eq!(first.value(), 2 * THREADS);
    assert!(others.iter().all(|counter| counter.value() == 2 * THREADS));
}

#[test]
fn a_metric_that_took_the_cells_of_another_begins_at_nothing() {
    for _ in 0..ROUNDS {
        let (counters, floats) = ([const { Counter::new() }; 4], [const { FloatCounter::new() }; 4]);
        let histograms = [const { Histogram::new() }; 4];
        assert!(counters.iter().all(|counter| counter.value() == 0) && floats.iter().all(|counter| counter.value() == 0.0));
        assert!(histograms.iter().all(|histogram| summary(histogram).count == 0));
        threads(|n| {
            counters.iter().for_each(|counter| counter.add(n + 1));
            floats.iter().for_each(|counter| counter.add(0.25));
            histograms.iter().for_each(|histogram| histogram.record(n + 1));
        });
        assert!(counters.iter().all(|counter| counter.value() == 6) && floats.iter().all(|counter| counter.value() == 0.75));
        assert!(histograms.iter().map(summary).all(|summary| summary.count == 3 && summary.sum == 6.0));
    }
}

#[test]
fn metrics_that_come_and_go_at_one_address_have_nothing_of_each_other() {
    let names = ["short", "a name of more than 16 bytes"];
    for round in 0..2 * ROUNDS {
        for name in names {
            let counter = Counter::<Name>::new();
            counter.with(Name { name }).inc();
            counter.with(Name { name }).inc();
            assert_eq!(values(&counter), [Value::U64(2)], "round {round}");
            drop(counter);
            let histogram = Histogram::<Name>::new();
            histogram.with(Name { name }).record(3);
            histogram.with(Name { name }).record(5);
            let sums = values(&histogram)
                .into_iter()
                .map(|value| if let Value::Exponential(value) = value { value.summary.sum } else { 0.0 });
            assert_eq!(sums.collect::<Vec<_>>(), [8.0], "round {round}");
            drop(histogram);
            let gauge = Gauge::<Name>::new();
            gauge.with(Name { name }).set(7);
            assert_eq!(values(&gauge), [Value::I64(7)], "round {round}");
        }
    }
}

#[test]
fn what_is_beyond_the_limit_is_counted_whatever_its_text() {
    let options = Options { bounds: None, series_max: 1, exemplars: false };
    let sums = Counter::<Name>::new().with_options(options);
    let names = ["first", "short", "a name of more than 16 bytes", &"x".repeat(1000)];
    threads(|_| {
        sums.with(Name { name: names[0] }).add(0);
        (0..MANY).for_each(|n| sums.with(Name { name: names[1 + n as usize % 3] }).inc());
    });
    let mut found = values(&sums);
    found.sort_by_key(|value| if let Value::U64(sum) = value { *sum } else { 0 });
    let all: u64 = found.iter().map(|value| if let Value::U64(sum) = value { *sum } else { 0 }).sum();
    assert_eq!((found.len(), all), (2, THREADS * MANY));
}

#[test]
fn a_set_of_more_labels_than_a_key_holds_is_told_from_others() {
    #[derive(Labels)]
    struct Many<'a> {
        a: &'a str,
        b: &'a str,
        c: &'a str,
        d: &'a str,
    }
    let sums = Counter::<Many>::new();
    threads(|_| {
        for d in ["1", "2", "a text of more than 16 bytes"] {
            (0..MANY).for_each(|_| sums.with(Many { a: "a", b: "a text of more than 16 bytes", c: "", d }).inc());
        }
    });
    assert_eq!(values(&sums), [const { Value::U64(THREADS * MANY) }; 3]);
}

#[test]
fn a_removed_series_begins_at_nothing_while_threads_remember_it() {
    let (sums, sizes) = (Counter::<Name>::new(), Histogram::<Name>::new());
    let name = |n: u64| ["a", "longer than the words of a key hold", "c"][n as usize % 3];
    let record = |n: u64| {
        sums.with(Name { name: name(n) }).add(2);
        sizes.with(Name { name: name(n) }).record(0.5);
    };
    for _ in 0..ROUNDS {
        threads(|n| {
            (0..MANY).for_each(|i| record(n + i));
            sums.remove(&Name { name: name(n) });
            sizes.remove(&Name { name: name(n) });
            (0..MANY).for_each(|i| record(n + i));
        });
        for n in 0..THREADS {
            sums.remove(&Name { name: name(n) });
            sizes.remove(&Name { name: name(n) });
        }
        assert!(values(&sums).is_empty() && values(&sizes).is_empty());
        threads(record);
        assert_eq!(values(&sums), [Value::U64(2), Value::U64(2), Value::U64(2)]);
        assert_eq!(values(&sizes).len(), 3);
    }
}

#[test]
fn sums_by_text_survive_the_growth_of_a_row_and_the_removal_of_others() {
    let counts = if cfg!(miri) { 2 * CELLS_FIRST } else { CELLS_FIRST + 100 };
    let (kept, others) = (Counter::<Name>::new(), Counter::<Name>::new());
    let name = |n: usize| {
        ["short", "a name of more than 16 bytes", "a name of more bytes than are compared near by"][n % 3].to_owned()
            + &n.to_string()
    };
    let names: Vec<_> = (0..counts).map(name).collect();
    threads(|n| {
        for name in &names {
            kept.with(Name { name }).inc();
            kept.with(Name { name: &names[0] }).add(2);
            let own = format!("{name} of thread {n}");
            others.with(Name { name: &own }).inc();
            assert!(others.remove(&Name { name: &own }), "{own}");
        }
    });
    let mut sums: Vec<_> = values(&kept).into_iter().map(|value| if let Value::U64(sum) = value { sum } else { 0 }).collect();
    sums.sort_unstable();
    assert_eq!((sums.len(), sums[0], sums[counts - 2]), (counts, THREADS, THREADS));
    assert_eq!(sums[counts - 1], THREADS * (1 + 2 * counts as u64));
    assert!(values(&others).is_empty());
}

#[test]
fn gauges_and_distributions_by_text_are_those_of_their_labels() {
    let (gauges, sizes, floats) = (Gauge::<Name>::new(), Histogram::<Name>::new(), FloatCounter::<Name>::new());
    threads(|_| {
        for n in 0..MANY {
            let name = ["a", "b", "one of more than 16 bytes"][n as usize % 3];
            gauges.with(Name { name }).inc();
            sizes.with(Name { name }).record(n % 3);
            floats.with(Name { name }).add(0.5);
        }
    });
    let sum = |n: u64| THREADS * ((MANY + 2 - n) / 3);
    for (n, name) in ["a", "b", "one of more than 16 bytes"].into_iter().enumerate() {
        assert_eq!(gauges.with(Name { name }).value(), sum(n as u64) as i64);
        assert_eq!(floats.with(Name { name }).value(), sum(n as u64) as f64 / 2.0);
    }
    let all: f64 =
        values(&sizes).into_iter().map(|value| if let Value::Exponential(value) = value { value.summary.sum } else { 0.0 }).sum();
    assert_eq!(all, (sum(1) + 2 * sum(2)) as f64);
}

#[test]
fn a_handle_records_where_nobody_looks_once_its_series_was_removed() {
    let counter = Counter::<Name>::new();
    threads(|n| {
        let name = n.to_string();
        let handle = counter.handle(Name { name: &name });
        handle.add(7);
        assert!(counter.remove(&Name { name: &name }));
        (0..MANY).for_each(|_| handle.inc());
        assert_eq!(counter.with(Name { name: &name }).value(), 0);
        counter.with(Name { name: &name }).inc();
        assert_eq!((handle.value(), counter.with(Name { name: &name }).value()), (7 + MANY, 1));
    });
}

#[test]
fn a_handle_ends_in_another_thread_than_it_began() {
    let counter = Arc::new(Counter::<Name>::new());
    for _ in 0..ROUNDS {
        let handle: Handle<'_, _> = counter.handle(Name { name: "moved" });
        handle.add(3);
        thread::scope(|scope| {
            scope.spawn(|| {
                counter.remove(&Name { name: "moved" });
                handle.inc();
                drop(handle);
            });
        });
        counter.with(Name { name: "moved" }).inc();
        assert_eq!(values(&*counter), [Value::U64(1)]);
        counter.remove(&Name { name: "moved" });
    }
}

#[test]
fn series_known_at_compile_time_are_made_once_and_begin_anew_after_a_removal() {
    for _ in 0..ROUNDS {
        let (sums, sizes) = (FloatCounter::<Side>::new(), Histogram::<Side>::new());
        threads(|n| {
            sums.with(Side { left: n == 0 }).inc();
            sizes.with(Side { left: n == 0 }).record(n as i64 - 1);
        });
        assert_eq!(values(&sums), [Value::F64(2.0), Value::F64(1.0)]);
        assert!(sums.remove(&Side { left: true }) && sizes.remove(&Side { left: true }));
        threads(|n| {
            sums.with(Side { left: n > 0 }).inc();
            sizes.with(Side { left: n > 0 }).record(n as i64 - 1);
        });
        assert_eq!(values(&sums), [Value::F64(3.0), Value::F64(2.0)]);
        let counts = values(&sizes).into_iter().map(|value| match value {
            Value::Exponential(value) => value.summary.count,
            other => panic!("{other:?}"),
        });
        assert_eq!(counts.collect::<Vec<_>>(), [3, 2]);
    }
}

#[test]
fn a_counter_by_labels_known_at_compile_time_begins_anew_after_a_removal() {
    let counter = Counter::<Side>::new();
    let side = |left| Side { left };
    assert!(!counter.remove(&side(true)) && values(&counter).is_empty(), "nothing was recorded");
    counter.with(side(false)).add(0);
    assert_eq!(values(&counter), [Value::U64(0)], "nothing added shows");
    for round in 1..=ROUNDS {
        threads(|_| (0..MANY).for_each(|_| counter.with(side(true)).inc()));
        counter.with(side(false)).inc();
        assert_eq!(values(&counter), [Value::U64(round), Value::U64(THREADS * MANY)]);
        assert!(counter.remove(&side(true)) && !counter.remove(&side(true)));
        assert_eq!(values(&counter), [Value::U64(round)]);
        let handle = counter.handle(side(true));
        assert_eq!(values(&counter), [Value::U64(round), Value::U64(0)], "a handle shows its series");
        handle.add(5);
        counter.with(side(true)).add(2);
        assert_eq!(values(&counter), [Value::U64(round), Value::U64(7)]);
        assert!(counter.remove(&side(true)));
    }
}

#[test]
fn a_distribution_keeps_its_values_while_its_scale_falls() {
    let (histogram, span) = (Histogram::new(), if cfg!(miri) { 3 } else { 30 });
    for round in 1..=ROUNDS {
        threads(|n| {
            for i in -span..span {
                histogram.record(1.5 * f64::from(i) * f64::from(i * i) * (n + round) as f64);
                histogram.record(u64::MAX >> (i + span));
            }
        });
        let summary = summary(&histogram);
        assert_eq!(summary.count, 4 * span as u64 * THREADS * round);
        assert_eq!(summary.max, Some(u64::MAX as f64));
    }
}

#[test]
fn what_a_thread_records_after_its_cells_are_given_back_is_kept() {
    struct Metrics {
        counter: Counter,
        float: FloatCounter,
        histogram: Histogram,
        listed: Counter<Name<'static>>,
    }
    impl Metrics {
        fn record(&self) {
            self.counter.inc();
            self.float.add(0.5);
            self.histogram.record(3);
            self.histogram.record(-1e100);
            self.listed.with(Name { name: "at the end" }).inc();
        }
    }
    struct AtEnd(Arc<Metrics>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            self.0.record();
        }
    }
    thread_local! {
        static BEFORE: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
        static AFTER: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
    }
    let (counter, float, histogram, listed) = (Counter::new(), FloatCounter::new(), Histogram::new(), Counter::new());
    let metrics = Arc::new(Metrics { counter, float, histogram, listed });
    metrics.record();
    let (mut reader, mut frame) = (Reader::default(), Frame::default());
    let mut kept = || {
        read(&[&metrics.listed], &mut reader, &mut frame);
        frame.values().to_vec()
    };
    assert_eq!(kept(), [1]);
    threads(|n| {
        // Whatever the order of destructors is, one of them comes after that of the cells, which the first record makes.
        BEFORE.set(Some(AtEnd(Arc::clone(&metrics))));
        if n > 0 {
            metrics.record();
        }
        AFTER.set(Some(AtEnd(Arc::clone(&metrics))));
    });
    let records = 3 * THREADS;
    assert_eq!(kept(), [records], "also where the series had all of its sum in cells before");
    assert_eq!((metrics.counter.value(), metrics.float.value()), (records, records as f64 / 2.0));
    assert_eq!((summary(&metrics.histogram).count, summary(&metrics.histogram).min), (2 * records, Some(-1e100)));
    assert_eq!(values(&metrics.listed), [Value::U64(records)]);
}
