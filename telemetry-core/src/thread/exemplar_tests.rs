//! Series that ask for exemplars: a bounded number of times, and with every value counted once.

use std::cell::Cell;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread;

use super::exemplar::{Ids, set_span};
use super::lease::{BY_SUM, Busy};
use super::{Block, Class, Compared, Encoded, Listing, Packed, SeriesList, Slot, Told, Verb};
use crate::cell;
use crate::label::LabelSet;
use telemetry_core::__private::Options;
use telemetry_core::collect::Exemplar;
use telemetry_core::frame::Frame;
use telemetry_core::limits::EXEMPLAR_ASKS_MAX;
use telemetry_core::metric::{MetricSource, Reader, read};
use telemetry_core::{Counter, FloatCounter, Histogram, Labels, Value};

const MANY: u64 = if cfg!(miri) { 15 } else { 20_000 };
const SOME: u64 = if cfg!(miri) { 12 } else { 1_000 };
const ROUNDS: u64 = if cfg!(miri) { 2 } else { 3 };
const THREADS: u64 = 3;
const ASKS: u64 = EXEMPLAR_ASKS_MAX as u64;
const OPTIONS: Options = Options { bounds: None, series_max: 100, exemplars: true };
const BOUNDED: Options = Options { bounds: Some(&[1.0, 10.0]), ..OPTIONS };
const TEXTS: [&str; 3] = ["", "short", "a name of more than 16 bytes"];

#[derive(Clone, Copy, Labels)]
struct Name<'a> {
    name: &'a str,
}

#[derive(Clone, Copy, Labels)]
struct Side {
    left: bool,
}

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
    static SPAN: Cell<Option<Ids>> = const { Cell::new(None) };
    static MEANWHILE: Cell<fn()> = const { Cell::new(|| ()) };
}

/// The one hook of all tests, in which each thread has a span of its own.
pub(super) fn hook() -> Option<Ids> {
    ASKED.set(ASKED.get() + 1);
    MEANWHILE.get()();
    SPAN.get()
}

/// How often this thread asks while it does this.
fn asked(run: impl FnOnce()) -> u64 {
    let before = ASKED.get();
    run();
    ASKED.get() - before
}

/// Runs within a span of these ids.
fn within(id: u8, run: impl FnOnce()) {
    SPAN.set(Some(([id; 16], [id; 8])));
    run();
    SPAN.set(None);
}

/// A reader of one metric.
#[derive(Default)]
struct Reading {
    reader: Reader,
    frame: Frame,
}

impl Reading {
    /// Of a metric whose series ask from now on.
    fn of(metric: &impl MetricSource) -> Self {
        set_span(hook);
        let mut reading = Self::default();
        reading.read(metric);
        reading
    }

    /// What its series show, with the span in which they were recorded.
    fn read(&mut self, metric: &impl MetricSource) -> Vec<(Value, Option<Exemplar>)> {
        read(&[metric], &mut self.reader, &mut self.frame);
        let points = self.frame.metrics().iter().flat_map(|metric| self.frame.points(metric));
        points.enumerate().map(|(n, point)| (point.value, self.frame.exemplar(n).copied())).collect()
    }
}

/// Of each series the bits of its exemplar and its span.
fn exemplars(told: &[(Value, Option<Exemplar>)]) -> Vec<Option<(u64, u8)>> {
    told.iter().map(|(_, exemplar)| exemplar.map(|exemplar| (exemplar.bits, exemplar.span_id[0]))).collect()
}

/// The count of a distribution, or a sum.
fn count(value: &Value) -> u64 {
    match value {
        Value::U64(sum) => *sum,
        Value::F64(sum) => *sum as u64,
        Value::Exponential(value) => value.summary.count,
        Value::Explicit(value) => value.summary.count,
        other => panic!("{other:?}"),
    }
}

/// Records one value again and again without a span: after each collection so often is asked, and no more.
fn asks_so_often(metric: &impl MetricSource, wanted: u64, record: impl Fn()) {
    record(); // so that it has cells
    let mut reading = Reading::of(metric);
    for round in 0..ROUNDS {
        let asked = asked(|| (0..SOME).for_each(|_| record()));
        assert_eq!(asked, wanted, "round {round}");
        let told = reading.read(metric);
        assert_eq!((told.len(), count(&told[0].0)), (1, 1 + (round + 1) * SOME));
        assert_eq!(told[0].1, None);
    }
}

#[test]
fn a_series_outside_of_spans_asks_a_few_times_after_each_collection() {
    let (counter, float) = (Counter::new().with_options(OPTIONS), FloatCounter::new().with_options(OPTIONS));
    let (exponential, explicit) = (Histogram::new().with_options(OPTIONS), Histogram::new().with_options(BOUNDED));
    asks_so_often(&counter, ASKS, || counter.inc());
    asks_so_often(&float, ASKS, || float.inc());
    asks_so_often(&exponential, ASKS, || exponential.record(3));
    asks_so_often(&explicit, ASKS, || explicit.record(0.5));
    let sides = Counter::<Side>::new().with_options(OPTIONS);
    asks_so_often(&sides, ASKS, || sides.with(Side { left: true }).inc());
    let sides = Histogram::<Side>::new().with_options(OPTIONS);
    asks_so_often(&sides, ASKS, || sides.with(Side { left: true }).record(7));
    for name in TEXTS {
        let names = Counter::<Name>::new().with_options(OPTIONS);
        asks_so_often(&names, ASKS, || names.with(Name { name }).inc());
        let names = FloatCounter::<Name>::new().with_options(OPTIONS);
        asks_so_often(&names, ASKS, || names.with(Name { name }).inc());
        let names = Histogram::<Name>::new().with_options(BOUNDED);
        asks_so_often(&names, ASKS, || names.with(Name { name }).record(1_u32));
    }
}

#[test]
fn a_handle_outside_of_spans_asks_a_few_times_after_each_collection() {
    let sides = Counter::<Side>::new().with_options(OPTIONS);
    let side = sides.handle(Side { left: false });
    asks_so_often(&sides, ASKS, || side.inc());
    let names = Histogram::<Name>::new().with_options(OPTIONS);
    let name = names.handle(Name { name: "a" });
    asks_so_often(&names, ASKS, || name.record(2.5));
}

#[test]
fn the_overflow_series_asks_like_any_other() {
    let names = Counter::<Name>::new().with_options(Options { series_max: 1, ..OPTIONS });
    let record = |n: u64| names.with(Name { name: TEXTS[n as usize % 3] }).inc();
    (0..3).for_each(record);
    let mut reading = Reading::of(&names);
    for round in 1..=ROUNDS {
        assert_eq!(asked(|| (0..3 * SOME).for_each(record)), 2 * ASKS);
        let told = reading.read(&names);
        assert_eq!(told.iter().map(|(value, _)| count(value)).sum::<u64>(), 3 + round * 3 * SOME);
    }
    within(1, || record(1));
    assert_eq!(exemplars(&reading.read(&names)).into_iter().flatten().collect::<Vec<_>>(), [(1, 1)]);
}

#[test]
fn a_metric_without_the_flag_asks_never() {
    set_span(hook);
    let (plain, names) = (Counter::new(), Histogram::<Name>::new());
    for _ in 0..3 {
        let asked = asked(|| {
            within(1, || {
                plain.inc();
                names.with(Name { name: "a" }).record(1);
            });
        });
        assert_eq!(asked, 0);
        assert_eq!(exemplars(&Reading::of(&plain).read(&plain)), [None]);
        assert_eq!(exemplars(&Reading::of(&names).read(&names)), [None]);
    }
}

#[test]
fn the_first_value_within_a_span_is_kept_until_another_one_is_after_a_collection() {
    let (sums, sizes) = (Counter::<Name>::new().with_options(OPTIONS), Histogram::<Side>::new().with_options(OPTIONS));
    let (floats, counts) = (FloatCounter::<Side>::new().with_options(OPTIONS), Counter::<Side>::new().with_options(OPTIONS));
    let (mut of_sums, mut of_sizes, mut of_floats) = (Reading::of(&sums), Reading::of(&sizes), Reading::of(&floats));
    let mut of_counts = Reading::of(&counts);
    for (round, name) in TEXTS.into_iter().cycle().take(3 * ROUNDS as usize).enumerate() {
        let id = round as u8 + 1;
        let add = |n| {
            sums.with(Name { name }).add(n);
            sizes.with(Side { left: true }).record(n);
            floats.with(Side { left: true }).add(n as f64);
            counts.with(Side { left: true }).add(n);
        };
        let asked = asked(|| {
            add(1); // before
            within(id, || add(u64::from(id) + 10));
            within(99, || (0..10).for_each(|_| add(1)));
        });
        assert_eq!(asked, 8, "each of the four asked until it was answered");
        let told = of_sums.read(&sums);
        let wanted = Some((u64::from(id) + 10, id));
        assert!(exemplars(&told).contains(&wanted), "{told:?}");
        assert_eq!(exemplars(&of_counts.read(&counts)), [wanted]);
        let as_float = wanted.map(|(value, id)| ((value as f64).to_bits(), id));
        assert_eq!((exemplars(&of_sizes.read(&sizes)), exemplars(&of_floats.read(&floats))), (vec![as_float], vec![as_float]));
        add(1);
        assert!(exemplars(&of_sums.read(&sums)).contains(&wanted), "it stays");
    }
    assert_eq!(of_sums.read(&sums).len(), TEXTS.len());
}

#[test]
fn a_layout_changes_where_a_series_gets_its_first_exemplar_and_then_no_more() {
    let counter = Counter::new().with_options(OPTIONS);
    counter.inc();
    let mut reading = Reading::of(&counter);
    let before = reading.frame.layout();
    let mut layout = |id: u8| {
        within(id, || counter.inc());
        reading.read(&counter);
        reading.frame.layout()
    };
    assert_eq!([layout(1), layout(2), layout(3)], [before + 1; 3]);
}

#[test]
fn a_series_has_nothing_of_its_life_before_a_removal() {
    let (sums, sizes) = (Counter::<Side>::new().with_options(OPTIONS), Histogram::<Name>::new().with_options(OPTIONS));
    let (mut of_sums, mut of_sizes) = (Reading::of(&sums), Reading::of(&sizes));
    let (side, name) = (Side { left: true }, Name { name: "a" });
    for _ in 0..3 {
        within(1, || sums.with(side).add(5));
        within(1, || sizes.with(name).record(5));
        assert_eq!(exemplars(&of_sums.read(&sums)), [Some((5, 1))]);
        assert_eq!(exemplars(&of_sizes.read(&sizes)), [Some((5_f64.to_bits(), 1))]);
        assert!(sums.remove(&side) && sizes.remove(&name));
        sums.with(side).inc();
        sizes.with(name).record(1);
        let (sum, size) = (of_sums.read(&sums), of_sizes.read(&sizes));
        assert_eq!((exemplars(&sum), exemplars(&size)), (vec![None], vec![None]));
        assert_eq!((count(&sum[0].0), count(&size[0].0)), (1, 1));
        assert!(sums.remove(&side) && sizes.remove(&name));
    }
}

#[test]
fn a_value_of_before_a_removal_is_no_exemplar_of_what_comes_after() {
    static SIDES: Counter<Side> = Counter::<Side>::new().with_options(OPTIONS);
    let mut reading = Reading::of(&SIDES);
    MEANWHILE.set(|| {
        assert!(SIDES.remove(&Side { left: true }));
        SIDES.with(Side { left: true }).add(7);
    });
    within(1, || SIDES.with(Side { left: true }).inc());
    MEANWHILE.set(|| ());
    let told = reading.read(&SIDES);
    assert_eq!((count(&told[0].0), exemplars(&told)), (7, vec![None]));
}

#[test]
fn an_allocator_within_this_library_asks_nothing() {
    let counter = Counter::new().with_options(OPTIONS);
    let _reading = Reading::of(&counter);
    counter.inc(); // so that it has a cell
    let busy = Busy::take();
    assert!(busy.is_some());
    assert_eq!(asked(|| (0..100).for_each(|_| counter.inc())), 0);
    drop(busy);
    assert_eq!(asked(|| (0..100).for_each(|_| counter.inc())), ASKS - 1);
    assert_eq!(counter.value(), 201);
}

#[test]
fn a_hook_that_panics_or_records_costs_an_exemplar_and_no_value() {
    static COUNTER: Counter = Counter::new().with_options(OPTIONS);
    let mut reading = Reading::of(&COUNTER);
    MEANWHILE.set(|| COUNTER.add(100));
    assert_eq!(asked(|| within(3, || COUNTER.inc())), 1, "what it records itself asks for nothing");
    MEANWHILE.set(|| ());
    let told = reading.read(&COUNTER);
    assert_eq!((count(&told[0].0), exemplars(&told)), (101, vec![Some((1, 3))]));
    MEANWHILE.set(|| std::panic::resume_unwind(Box::new(())));
    assert_eq!(asked(|| within(4, || (0..100).for_each(|_| COUNTER.inc()))), ASKS);
    MEANWHILE.set(|| ());
    let told = reading.read(&COUNTER);
    assert_eq!((count(&told[0].0), exemplars(&told)), (201, vec![Some((1, 3))]));
}

#[test]
fn every_value_is_counted_once_while_threads_record_and_readers_let_them_ask() {
    let counter = Counter::new().with_options(OPTIONS);
    let sides = Counter::<Side>::new().with_options(OPTIONS);
    let floats = FloatCounter::<Side>::new().with_options(OPTIONS);
    let names = Counter::<Name>::new().with_options(OPTIONS);
    let sizes = Histogram::<Name>::new().with_options(BOUNDED);
    let spread = Histogram::new().with_options(OPTIONS);
    let ended = AtomicBool::new(false);
    let all = |reading: &mut [Reading; 6]| -> Vec<u64> {
        let [a, b, c, d, e, f] = reading;
        let told = [a.read(&counter), b.read(&sides), c.read(&floats), d.read(&names), e.read(&sizes), f.read(&spread)];
        told.iter().map(|told| told.iter().map(|(value, _)| count(value)).sum()).collect()
    };
    set_span(hook);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut reading: [Reading; 6] = Default::default();
            let mut before = vec![0; 6];
            while !ended.load(Acquire) {
                let now = all(&mut reading);
                assert!(before.iter().zip(&now).all(|(before, now)| before <= now), "{before:?}, then {now:?}");
                before = now;
            }
        });
        let record = |thread: u64| {
            SPAN.set((thread == 0).then_some(([7; 16], [7; 8])));
            let (held, held_name) = (sides.handle(Side { left: true }), names.handle(Name { name: TEXTS[1] }));
            for n in 0..MANY {
                let (side, name) = (Side { left: n % 3 == 0 }, Name { name: TEXTS[n as usize % 3] });
                counter.inc();
                sides.with(side).add(2);
                held.inc();
                floats.with(side).add(1.0);
                names.with(name).inc();
                held_name.add(3);
                sizes.with(name).record(n % 20);
                spread.record((thread + 1) << (n % 40));
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || record(thread))).collect();
        threads.into_iter().for_each(|thread| thread.join().expect("it ends"));
        ended.store(true, Release);
    });
    let once = THREADS * MANY;
    assert_eq!(all(&mut Default::default()), [once, 3 * once, once, 4 * once, once, once]);
}

/// What the list of series asks for of a label set.
struct Of(Name<'static>);

impl Told for Of {
    fn key<'k>(&'k self, key: &mut Packed<'k, false>) {
        self.0.key(key);
    }

    fn text(&self, text: &mut Encoded) {
        self.0.key(text);
    }

    fn is_same(&self, text: &[u8]) -> bool {
        let mut compared = Compared::with(text);
        self.0.key(&mut compared);
        compared.is_same()
    }

    fn labels(&self) -> LabelSet {
        LabelSet::default()
    }
}

#[test]
fn a_table_leads_to_a_series_again_when_it_asks_no_more() {
    set_span(hook);
    let (list, of, mut listing) = (SeriesList::new(), Of(Name { name: "short" }), Listing::default());
    let record = || list.act(&of, 10, Verb::Count, 1, &None);
    let is_near = || {
        let mut key = list.key();
        of.0.key(&mut key);
        SeriesList::act_near(&key, Verb::Count, 1)
    };
    assert!(record() && is_near());
    listing.refresh();
    for _ in 0..3 {
        list.exemplars(listing.of(&list).0, |_, _| ());
        for n in 0..ASKS {
            assert!(!is_near() && record(), "{n}");
        }
        assert!(is_near());
    }
    // One that is remembered at a time when another asks is renewed without asking.
    list.exemplars(listing.of(&list).0, |_, _| ());
    assert_eq!(asked(|| within(1, || assert!(record() && record()))), 1);
    assert!(is_near());
}

#[test]
fn a_block_leads_to_its_cells_again_when_its_series_ask_no_more() {
    set_span(hook);
    const LEN: usize = 3;
    let block = Block::new();
    // SAFETY: the length is the same in all calls.
    let slot = |index| unsafe { block.get(index, LEN, true) }.expect("it is of the block");
    let count = |index| slot(index).act(Class::Fixed, Verb::Count, 1, &None);
    // SAFETY: as above.
    let by_arithmetic = |index| unsafe { block.add(index, LEN, |cell| cell::add(cell, 1)) }.is_some();
    assert!((0..LEN).all(count));
    block.publish();
    for _ in 0..3 {
        assert_eq!(by_arithmetic(0), BY_SUM);
        Slot::exemplars(block.all().iter(), |_, _| ());
        block.ask();
        block.publish(); // as a reader does
        let looks = (0..).take_while(|_| BY_SUM && !by_arithmetic(1) && count(1)).take(1_000).count() as u64;
        assert_eq!(looks, if BY_SUM { ASKS * LEN as u64 } else { 0 });
    }
}
