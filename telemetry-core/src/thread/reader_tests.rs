//! Readers that go on from one collection to the next, beside threads that record, end and remove series.

use std::cell::OnceCell;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread;

use telemetry_core::MetricKind;
use telemetry_core::declaration::Declaration;
use telemetry_core::frame::Frame;
use telemetry_core::metric::{MetricSource, Reader, read};
use telemetry_core::{Counter, Handle, Histogram, Labels, Value};

const MANY: u64 = if cfg!(miri) { 30 } else { 30_000 };

#[derive(Clone, Copy, Labels)]
struct Name<'a> {
    name: &'a str,
}

#[derive(Clone, Copy, Labels)]
struct Side {
    left: bool,
}

const LEFT: Side = Side { left: true };
const NAME: Name = Name { name: "a name" };

/// One that goes on.
#[derive(Default)]
struct Kept {
    reader: Reader,
    frame: Frame,
}

impl Kept {
    /// By series: how many values, or the sum of a counter.
    fn read(&mut self, metric: &impl MetricSource) -> Vec<u64> {
        read(&[metric], &mut self.reader, &mut self.frame);
        let count = |value: Value| match value {
            Value::U64(count) => count,
            Value::Exponential(value) => {
                let buckets = [&value.positive.1, &value.negative.1].into_iter().flatten().sum::<u64>() + value.zero_count;
                assert_eq!(buckets, value.summary.count);
                buckets
            }
            other => panic!("no such value here: {other:?}"),
        };
        let points = self.frame.metrics().iter().flat_map(|metric| self.frame.points(metric));
        points.map(|point| count(point.value)).collect()
    }

    fn sum(&mut self, metric: &impl MetricSource) -> u64 {
        self.read(metric).into_iter().sum()
    }
}

#[test]
fn each_value_of_a_distribution_is_in_the_next_reading() {
    for is_whole in [false, true] {
        let histogram = Histogram::<Side>::new();
        let record = |n: u64| {
            let series = histogram.with(LEFT);
            if is_whole { series.record(n) } else { series.record(n as f64) }
        };
        [1, 1_000_000, 1_000, 2_000].into_iter().for_each(record); // from here on there is a look-up, and a usual value
        let mut kept = Kept::default();
        for n in 0..10 {
            assert_eq!(kept.read(&histogram), [4 + n]);
            record(1_500 + n);
        }
    }
}

#[test]
fn a_distribution_that_was_listed_before_its_first_value_shows_with_it() {
    let histogram = Histogram::<Name>::new();
    let handle = histogram.handle(NAME);
    let mut kept = Kept::default();
    assert_eq!(kept.read(&histogram), [0; 0]);
    handle.record(3);
    assert_eq!(kept.read(&histogram), [1]);
}

#[test]
fn what_a_thread_records_after_its_end_is_in_the_next_reading() {
    struct AtEnd(&'static Handle<'static, Counter<Name<'static>>>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            self.0.inc();
        }
    }
    // Of which one ends after the cells, whatever the order is.
    thread_local! {
        static FIRST: OnceCell<AtEnd> = const { OnceCell::new() };
        static LAST: OnceCell<AtEnd> = const { OnceCell::new() };
    }
    static COUNTER: Counter<Name> = Counter::new();
    static HANDLE: OnceLock<Handle<Counter<Name>>> = OnceLock::new();
    let handle = HANDLE.get_or_init(|| COUNTER.handle(NAME));
    handle.inc();
    let mut kept = Kept::default();
    assert_eq!(kept.read(&COUNTER), [1]);
    let thread = thread::spawn(move || {
        FIRST.with(|end| end.set(AtEnd(handle)).is_ok());
        handle.inc();
        LAST.with(|end| end.set(AtEnd(handle)).is_ok())
    });
    assert!(thread.join().expect("it ends"));
    assert_eq!(kept.read(&COUNTER), [4]);
}

#[test]
fn what_was_before_a_removal_is_not_told_of_the_life_after_it() {
    static NOBODY: std::sync::LazyLock<Declaration> = std::sync::LazyLock::new(|| Declaration::new(""));
    let counter = Counter::<Side>::new();
    let (mut reader, mut frame) = (Reader::default(), Frame::default());
    let mut told = |between: &dyn Fn()| {
        reader.read();
        between();
        frame.begin(1);
        frame.metric(0, &NOBODY, MetricKind::Counter);
        counter.read(&reader, &mut frame);
        frame.end();
        frame.series().iter().zip(frame.values()).map(|(row, value)| (row.start_ns, *value)).collect::<Vec<_>>()
    };
    counter.with(LEFT).add(1000);
    let [(first, 1000)] = told(&|| ())[..] else { panic!("all of the first life") };
    let beside = told(&|| {
        assert!(counter.remove(&LEFT));
        counter.with(LEFT).inc();
    });
    let [(second, 1)] = told(&|| ())[..] else { panic!("all of the second life") };
    assert!(second > first);
    assert!(beside.iter().all(|told| *told == (second, 0)), "{beside:?}");
}

#[test]
fn readers_that_go_on_see_no_sum_fall_and_in_the_end_each_value() {
    let (fixed, listed, counter) = (Histogram::<Side>::new(), Histogram::<Name>::new(), Counter::<Name>::new());
    let names = ["a", "b", "a name that is longer than sixteen"].map(|name| Name { name });
    let ended = AtomicBool::new(false);
    let sums = |kept: &mut [Kept; 3]| [kept[0].sum(&fixed), kept[1].sum(&listed), kept[2].sum(&counter)];
    let record = |side: usize| {
        for n in 0..MANY as usize {
            let value = 1_u64 << (n * 7 % (1 + n / 300).min(40));
            fixed.with(Side { left: side == 0 }).record(value);
            listed.with(names[n % 3]).record(value);
            counter.with(names[n % 3]).inc();
        }
    };
    let record = &record;
    let readers = thread::scope(|scope| {
        let read = || {
            let (mut kept, mut before) = (<[Kept; 3]>::default(), [0; 3]);
            while !ended.load(Acquire) {
                let now = sums(&mut kept);
                assert!(before.iter().zip(&now).all(|(before, now)| before <= now), "{before:?}, then {now:?}");
                before = now;
            }
            kept
        };
        let readers = [(); 2].map(|()| scope.spawn(read));
        for _ in 0..2 {
            let writers = [0, 1].map(|side| scope.spawn(move || record(side)));
            writers.into_iter().for_each(|writer| writer.join().expect("it ends"));
        }
        ended.store(true, Release);
        readers.map(|reader| reader.join().expect("it ends"))
    });
    for mut kept in readers {
        assert_eq!(sums(&mut kept), [4 * MANY; 3]);
    }
}
