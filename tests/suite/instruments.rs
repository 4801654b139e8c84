//! Instruments: the verbs, labels, series and values of each.

use std::thread;
use std::time::Duration;

use telemetry_core::limits::TABLE_SERIES_MAX;
use telemetry_core::{Counter, FloatCounter, FloatGauge, Gauge, Histogram, Labels, UpDownCounter, Value, collector, metric};

use crate::support::{points, value};

#[derive(Clone, Copy, Labels)]
enum Method {
    Get,
    #[label(name = "PUT")]
    Put,
}

#[derive(Labels)]
struct Shard(bool);

#[derive(Labels)]
struct Call {
    #[label(name = "rpc.method")]
    method: Method,
    ok: bool,
    shard: Shard,
}

#[derive(Labels)]
struct Peer {
    name: String,
    port: u16,
    #[label(flatten)]
    call: Call,
}

/// .
#[metric(name = "inst_counter")]
static COUNTER: Counter;
/// .
#[metric(name = "inst_float_counter")]
static FLOAT_COUNTER: FloatCounter;
/// .
#[metric(name = "inst_up_down")]
static UP_DOWN: UpDownCounter;
/// .
#[metric(name = "inst_gauge")]
static GAUGE: Gauge;
/// .
#[metric(name = "inst_float_gauge")]
static FLOAT_GAUGE: FloatGauge;
/// .
#[metric(name = "inst_untouched_gauge")]
static UNTOUCHED: Gauge;
/// .
#[metric(name = "inst_explicit", bounds = [1.0, 10.0])]
static EXPLICIT: Histogram;
/// .
#[metric(name = "inst_exponential")]
static EXPONENTIAL: Histogram;
/// .
#[metric(name = "inst_timer", unit = "s")]
static TIMER: Histogram<Method>;
/// .
#[metric(name = "inst_dense")]
static DENSE: Counter<Call>;
/// .
#[metric(name = "inst_enum")]
static BY_ENUM: UpDownCounter<Method>;
/// .
#[metric(name = "inst_sparse")]
static SPARSE: Counter<Peer>;
/// .
#[metric(name = "inst_crowded", max_series = 2)]
static CROWDED: Counter<Named>;
/// .
#[metric(name = "inst_limited", max_series = 2)]
static LIMITED: FloatCounter<Name>;
/// .
#[metric(name = "inst_collected")]
static COLLECTED: FloatGauge;

/// .
#[metric(name = "inst_removed")]
static REMOVED: Counter<Method>;
/// .
#[metric(name = "inst_first")]
static FIRST: Counter<Call>;
/// .
#[metric(name = "inst_without_labels")]
static WITHOUT_LABELS: Counter;

/// .
#[metric(name = "inst_handles")]
static HANDLES: Counter<Name>;
/// .
#[metric(name = "inst_borrowed")]
static BORROWED: Counter<Borrowed>;
/// .
#[metric(name = "inst_addressed")]
static ADDRESSED: Counter<Name>;
/// .
#[metric(name = "inst_many", max_series = 100_000)]
static MANY: Counter<Number>;

#[derive(Labels)]
struct Number {
    number: u32,
}

#[derive(Labels)]
struct Borrowed<'a> {
    name: &'a str,
    port: u16,
}

#[derive(Labels)]
struct Name {
    name: &'static str,
}

#[derive(Labels)]
struct Named<'a> {
    name: &'a str,
}

/// .
#[metric(name = "inst_observed_labelled", kind = "up_down_counter")]
fn observed() -> Vec<(Method, i64)> {
    vec![(Method::Get, -1), (Method::Put, 2)]
}

/// .
#[metric(name = "inst_observed_bad")]
fn observed_bad() -> Vec<(Method, f64)> {
    vec![(Method::Get, 1.5), (Method::Get, 2.5), (Method::Put, f64::NAN)]
}

/// Only where the feature is on, which it is not.
#[metric(name = "inst_cfg")]
#[cfg(any())]
fn cfg() -> i64 {
    1
}

/// .
#[metric(name = "inst_observed_absent")]
fn absent() -> Option<f64> {
    None
}

#[collector]
fn collect_many() {
    COLLECTED.set(4.5);
}

#[test]
fn the_verbs_do_what_they_say() {
    COUNTER.inc();
    COUNTER.add(4);
    FLOAT_COUNTER.add(0.5);
    FLOAT_COUNTER.inc();
    UP_DOWN.add(5);
    UP_DOWN.sub(2);
    UP_DOWN.dec();
    GAUGE.set(10);
    GAUGE.inc();
    GAUGE.dec();
    GAUGE.add(5);
    GAUGE.sub(20);
    static LOWEST: Gauge = Gauge::new();
    LOWEST.sub(i64::MIN); // wraps, and does not panic
    assert_eq!(LOWEST.value(), i64::MIN);
    FLOAT_GAUGE.set(1.5);
    FLOAT_GAUGE.add(1.0);
    FLOAT_GAUGE.sub(0.25);
    assert_eq!(value("inst_counter", &[]), Some(Value::U64(5)));
    assert_eq!(value("inst_float_counter", &[]), Some(Value::F64(1.5)));
    assert_eq!(value("inst_up_down", &[]), Some(Value::I64(2)));
    assert_eq!(value("inst_gauge", &[]), Some(Value::I64(-5)));
    assert_eq!(value("inst_float_gauge", &[]), Some(Value::F64(2.25)));
    assert_eq!(points("inst_untouched_gauge"), [], "a gauge that was never touched shows nothing");
    assert_eq!(UNTOUCHED.value(), 0);
}

#[test]
fn what_is_no_number_is_dropped_and_counted() {
    let rejected = || match value("telemetry_measurements_rejected", &[]) {
        Some(Value::U64(count)) => count,
        other => panic!("{other:?}"),
    };
    let before = rejected();
    static LOCAL: FloatCounter = FloatCounter::new();
    static LOCAL_GAUGE: FloatGauge = FloatGauge::new();
    static LOCAL_HISTOGRAM: Histogram = Histogram::new();
    LOCAL.add(-1.0);
    LOCAL.add(f64::NAN);
    LOCAL_GAUGE.set(f64::INFINITY);
    LOCAL_HISTOGRAM.record(f64::NAN);
    assert_eq!(LOCAL.value(), 0.0);
    assert_eq!(LOCAL_GAUGE.value(), 0.0);
    assert!(rejected() >= before + 4);
}

#[test]
fn a_histogram_counts_its_values_into_buckets() {
    for sample in [0.5, 1.0, 5.0, 10.0, 11.0] {
        EXPLICIT.record(sample);
        EXPONENTIAL.record(sample);
    }
    EXPONENTIAL.record(-2_i32);
    EXPONENTIAL.record(0_u8);
    let Some(Value::Explicit(explicit)) = value("inst_explicit", &[]) else { panic!("explicit bounds were asked for") };
    assert_eq!(explicit.counts, [2, 2, 1], "a bound belongs to the bucket below it");
    assert_eq!((explicit.summary.count, explicit.summary.sum), (5, 27.5));
    assert_eq!((explicit.summary.min, explicit.summary.max), (Some(0.5), Some(11.0)));
    let Some(Value::Exponential(exponential)) = value("inst_exponential", &[]) else { panic!("the default") };
    let (positive, negative): (u64, u64) = (exponential.positive.1.iter().sum(), exponential.negative.1.iter().sum());
    assert_eq!((positive, negative, exponential.zero_count, exponential.summary.count), (5, 1, 1, 7));
}

#[test]
fn a_timer_records_seconds_once() {
    let timer = TIMER.with(Method::Get).start_timer();
    assert!(timer.stop() < Duration::from_secs(60));
    drop(TIMER.with(Method::Get).start_timer());
    TIMER.with(Method::Get).start_timer().discard();
    let Some(Value::Exponential(found)) = value("inst_timer", &[("method", "get")]) else { panic!("two were recorded") };
    assert_eq!(found.summary.count, 2);
}

#[test]
fn label_sets_known_at_compile_time_are_found_by_arithmetic() {
    assert_eq!(<Call as Labels>::CARDINALITY, 8);
    assert_eq!(<Peer as Labels>::CARDINALITY, 0);
    for index in 0..8 {
        let call = <Call as Labels>::from_index(index).expect("below the cardinality");
        assert_eq!(Labels::index(&call), index);
    }
    assert!(<Call as Labels>::from_index(8).is_none());
    DENSE.with(Call { method: Method::Put, ok: true, shard: Shard(false) }).add(3);
    let labels = [("rpc.method", "PUT"), ("ok", "true"), ("shard", "false")];
    assert_eq!(value("inst_dense", &labels), Some(Value::U64(3)));
    assert_eq!(points("inst_dense").len(), 1, "only what was used is shown");
    BY_ENUM.with(Method::Get).dec();
    assert_eq!(value("inst_enum", &[("method", "get")]), Some(Value::I64(-1)));
}

#[test]
fn text_and_numbers_are_labels_too_and_a_removed_series_starts_from_nothing() {
    let peer =
        |name: &str| Peer { name: name.to_owned(), port: 80, call: Call { method: Method::Get, ok: false, shard: Shard(true) } };
    SPARSE.with(peer("a")).add(2);
    SPARSE.with(peer("b")).inc();
    let labels = |name: &'static str| [("name", name), ("port", "80"), ("rpc.method", "get"), ("ok", "false"), ("shard", "true")];
    assert_eq!(value("inst_sparse", &labels("a")), Some(Value::U64(2)));
    assert!(SPARSE.remove(&peer("a")));
    assert!(!SPARSE.remove(&peer("a")));
    assert_eq!(value("inst_sparse", &labels("a")), None);
    SPARSE.with(peer("a")).inc();
    assert_eq!(value("inst_sparse", &labels("a")), Some(Value::U64(1)));
    assert_eq!(value("inst_sparse", &labels("b")), Some(Value::U64(1)));
}

#[test]
fn a_removed_series_of_a_known_set_starts_from_nothing_too() {
    let (series, handle) = (REMOVED.with(Method::Get), REMOVED.handle(Method::Get));
    series.add(7);
    handle.add(2);
    assert_eq!(value("inst_removed", &[("method", "get")]), Some(Value::U64(9)));
    assert!(REMOVED.remove(&Method::Get) && !REMOVED.remove(&Method::Get));
    assert_eq!(points("inst_removed"), []);
    series.add(5);
    assert_eq!(value("inst_removed", &[("method", "get")]), Some(Value::U64(5)), "a series is looked up each time");
    assert!(REMOVED.remove(&Method::Get));
    handle.inc();
    assert_eq!(value("inst_removed", &[("method", "get")]), Some(Value::U64(1)), "a handle of a known set begins it anew");
}

#[test]
fn what_a_handle_records_after_its_series_was_removed_is_not_shown() {
    let handle = HANDLES.handle(Name { name: "a" });
    assert_eq!(value("inst_handles", &[("name", "a")]), Some(Value::U64(0)), "a handle shows its series");
    handle.add(7);
    assert!(HANDLES.remove(&Name { name: "a" }));
    handle.add(5);
    assert_eq!(points("inst_handles"), []);
    HANDLES.with(Name { name: "a" }).inc();
    handle.add(5);
    assert_eq!((handle.value(), value("inst_handles", &[("name", "a")])), (17, Some(Value::U64(1))));
}

#[test]
fn text_is_told_by_what_it_says_wherever_it_is_and_however_long() {
    let long = "x".repeat(300);
    for name in ["", "a", "ab", "0123456789abcdef", "0123456789abcdefg", &long] {
        for _ in 0..3 {
            let copy = name.to_owned(); // at an address of its own
            BORROWED.with(Borrowed { name: &copy, port: 80 }).inc();
        }
        ADDRESSED.with(Name { name: name.to_owned().leak() }).inc();
        ADDRESSED.with(Name { name: name.to_owned().leak() }).inc();
        assert_eq!(value("inst_borrowed", &[("name", name), ("port", "80")]), Some(Value::U64(3)), "{name}");
        assert_eq!(value("inst_addressed", &[("name", name)]), Some(Value::U64(2)), "{name}");
    }
    assert_eq!((points("inst_borrowed").len(), points("inst_addressed").len()), (6, 6));
}

#[test]
fn more_series_than_a_thread_remembers_are_all_counted() {
    for round in 1..=2 {
        (0..TABLE_SERIES_MAX as u32 + 1_000).for_each(|number| MANY.with(Number { number }).inc());
        assert_eq!(points("inst_many").len(), TABLE_SERIES_MAX + 1_000);
        assert!(points("inst_many").iter().all(|point| point.value == Value::U64(round)));
    }
}

#[test]
fn the_first_recordings_of_a_series_are_all_kept_whoever_makes_it() {
    for index in 0..<Call as Labels>::CARDINALITY {
        let together = std::sync::Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    together.wait();
                    FIRST.with(<Call as Labels>::from_index(index).expect("below the cardinality")).inc();
                });
            }
        });
    }
    let points = points("inst_first");
    assert_eq!(points.len(), 8);
    assert!(points.iter().all(|point| point.value == Value::U64(4)), "{points:?}");
}

#[test]
fn a_metric_without_labels_is_its_only_series() {
    WITHOUT_LABELS.with(()).add(2);
    WITHOUT_LABELS.inc();
    assert!(!WITHOUT_LABELS.remove(&()));
    assert_eq!(value("inst_without_labels", &[]), Some(Value::U64(3)));
}

#[test]
fn series_beyond_the_limit_are_one_that_is_visible_as_such() {
    for name in ["a", "b", "c", "d", "a"] {
        LIMITED.with(Name { name }).inc();
    }
    assert_eq!(value("inst_limited", &[("name", "a")]), Some(Value::F64(2.0)));
    assert_eq!(value("inst_limited", &[("name", "b")]), Some(Value::F64(1.0)));
    assert_eq!(value("inst_limited", &[("otel.metric.overflow", "true")]), Some(Value::F64(2.0)));
}

#[test]
fn what_is_beyond_the_limit_has_a_series_of_its_own_once_there_is_room() {
    let long = |n: u32| format!("a name of more than 16 bytes, {n}");
    let add = |n: u32| CROWDED.with(Named { name: &long(n) }).inc();
    (0..3).chain(0..3).for_each(add);
    let points = |name: &str| value("inst_crowded", &[("name", name)]);
    let overflow = || value("inst_crowded", &[("otel.metric.overflow", "true")]);
    assert_eq!((points(&long(0)), points(&long(1)), overflow()), (Some(Value::U64(2)), Some(Value::U64(2)), Some(Value::U64(2))));
    assert!(CROWDED.remove(&Named { name: &long(0) }));
    (1..3).for_each(add);
    assert_eq!((points(&long(1)), points(&long(2)), overflow()), (Some(Value::U64(3)), Some(Value::U64(1)), Some(Value::U64(2))));
    add(0);
    assert_eq!((points(&long(0)), overflow()), (None, Some(Value::U64(3))));
}

#[test]
fn observed_functions_and_collectors_are_read_at_each_collection() {
    assert_eq!(value("inst_observed_labelled", &[("method", "get")]), Some(Value::I64(-1)));
    assert_eq!(value("inst_observed_labelled", &[("method", "PUT")]), Some(Value::I64(2)));
    assert_eq!(points("inst_observed_absent"), []);
    assert_eq!(points("inst_observed_bad").len(), 1, "one point a set of labels, and only numbers");
    assert_eq!(value("inst_observed_bad", &[("method", "get")]), Some(Value::F64(1.5)));
    assert_eq!(value("inst_collected", &[]), Some(Value::F64(4.5)));
}

#[test]
fn the_sum_over_all_threads_is_exact() {
    static SUM: Counter = Counter::new();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..10_000).for_each(|_| SUM.inc()));
        }
    });
    assert_eq!(SUM.value(), 80_000);
}
