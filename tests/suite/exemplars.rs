//! A value that was recorded within a sampled span of OpenTelemetry is told with the ids of its trace and span.

use std::collections::BTreeMap;
use std::sync::Once;
use std::time::Duration;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, ContextGuard};
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, exemplar};
use prost::Message;
use telemetry_core::collect::{Collector, Exemplar};
use telemetry_core::{Counter, FloatCounter, Histogram, Labels, Registry, Telemetry, metric};
use telemetry_exporter::otlp::{self, Encoder};
use telemetry_exporter::prometheus::{Escaping, Exposition, Format, expose};

use crate::support::DEADLINE;

#[derive(Clone, Copy, Labels)]
struct Side {
    left: bool,
}

#[derive(Clone, Copy, Labels)]
struct Route<'a> {
    route: &'a str,
}

/// .
#[metric(name = "exemplars_counter", exemplars)]
static COUNTER: Counter;
/// .
#[metric(name = "exemplars_sides", exemplars)]
static SIDES: Counter<Side>;
/// .
#[metric(name = "exemplars_routes", exemplars, max_series = 10)]
static ROUTES: Counter<Route>;
/// .
#[metric(name = "exemplars_float", exemplars)]
static FLOAT: FloatCounter<Side>;
/// .
#[metric(name = "exemplars_exponential", exemplars)]
static EXPONENTIAL: Histogram<Route>;
/// .
#[metric(name = "exemplars_explicit", exemplars, bounds = [1.0, 10.0])]
static EXPLICIT: Histogram;
/// .
#[metric(name = "exemplars_explicit_sides", exemplars, bounds = [1.0, 10.0])]
static EXPLICIT_SIDES: Histogram<Side>;
/// .
#[metric(name = "exemplars_without", bounds = [1.0])]
static WITHOUT: Histogram;
/// .
#[metric(name = "exemplars_counter_without")]
static COUNTER_WITHOUT: Counter<Side>;

const SIDE: Side = Side { left: true };
const ROUTE: Route = Route { route: "/" };
const LONG: Route = Route { route: "/a/route/of/more/than/sixteen/bytes" };

/// Makes OpenTelemetry's context the one that is asked.
pub fn follow_spans() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(Telemetry::builder().build().expect("valid declarations")));
}

/// Enters a span of these ids.
pub fn enter(id: u8, flags: TraceFlags) -> ContextGuard {
    let (trace, span) = (TraceId::from_bytes([id; 16]), SpanId::from_bytes([id; 8]));
    let span = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    Context::new().with_remote_span_context(span).attach()
}

/// A collector of the metrics whose names begin so, which has let them ask.
fn collector(prefix: &str) -> Collector {
    follow_spans();
    let mut collector = Collector::of(&Registry::new(), |entry| entry.name().starts_with(prefix));
    collector.collect(DEADLINE);
    collector
}

/// The exemplars of the metrics that have one, by their names; of a metric with several series that of the first.
fn found(collector: &mut Collector) -> BTreeMap<&'static str, Exemplar> {
    let frame = collector.collect(DEADLINE);
    let of = |row: &telemetry_core::collect::MetricRow| {
        let exemplar = row.series.clone().find_map(|number| frame.exemplar(number))?;
        Some((row.declaration.name(), *exemplar))
    };
    frame.metrics().iter().filter_map(of).collect()
}

/// Records this value with each metric.
fn record(n: u64) {
    COUNTER.add(n);
    SIDES.with(SIDE).add(n);
    ROUTES.with(ROUTE).add(n);
    FLOAT.with(SIDE).add(n as f64);
    EXPONENTIAL.with(LONG).record(n);
    EXPLICIT.record(n);
    EXPLICIT_SIDES.with(SIDE).record(n as f64);
    WITHOUT.record(n);
    COUNTER_WITHOUT.with(SIDE).add(n);
}

#[test]
fn what_is_recorded_within_a_sampled_span_has_its_ids_and_nothing_else_has_any() {
    let mut collector = collector("exemplars_");
    record(3);
    {
        let _span = enter(9, TraceFlags::NOT_SAMPLED);
        record(4);
    }
    {
        let _span = enter(0, TraceFlags::SAMPLED); // which is no valid id
        record(5);
    }
    assert!(found(&mut collector).is_empty());
    let mut before_ns = 0;
    for id in 1..4 {
        record(1);
        {
            let _span = enter(id, TraceFlags::SAMPLED);
            record(u64::from(id) + 10);
        }
        let all = found(&mut collector);
        let names: Vec<_> = all.keys().copied().collect();
        let wanted = ["counter", "explicit", "explicit_sides", "exponential", "float", "routes", "sides"];
        assert_eq!(names, wanted.map(|name| format!("exemplars_{name}")));
        for (name, exemplar) in all {
            assert_eq!((exemplar.trace_id, exemplar.span_id), ([id; 16], [id; 8]), "{name}");
            let is_whole = ["exemplars_counter", "exemplars_routes", "exemplars_sides"].contains(&name);
            let n = u64::from(id) + 10;
            assert_eq!(exemplar.bits, if is_whole { n } else { (n as f64).to_bits() }, "{name}");
            assert!(exemplar.time_ns > before_ns, "{name}");
        }
        before_ns = collector.frame().time_ns();
    }
}

/// .
#[metric(name = "handled_counter", exemplars)]
static HANDLED: Counter<Side>;
/// .
#[metric(name = "handled_histogram", exemplars)]
static HANDLED_SIZES: Histogram<Route>;

#[test]
fn what_is_recorded_through_a_handle_has_them_too() {
    let mut collector = collector("handled_");
    let (count, size) = (HANDLED.handle(SIDE), HANDLED_SIZES.handle(ROUTE));
    for id in 1..4 {
        let _span = enter(id, TraceFlags::SAMPLED);
        count.inc();
        size.record(7);
        let spans: Vec<_> = found(&mut collector).values().map(|exemplar| exemplar.span_id[0]).collect();
        assert_eq!(spans, [id; 2]);
    }
}

/// .
#[metric(name = "removed_counter", exemplars)]
static REMOVED: Counter<Side>;
/// .
#[metric(name = "removed_histogram", exemplars)]
static REMOVED_SIZES: Histogram<Route>;

#[test]
fn a_series_that_was_removed_and_comes_back_has_no_exemplar_of_its_old_life() {
    let mut collector = collector("removed_");
    {
        let _span = enter(1, TraceFlags::SAMPLED);
        REMOVED.with(SIDE).inc();
        REMOVED_SIZES.with(ROUTE).record(1);
    }
    assert_eq!(found(&mut collector).len(), 2);
    assert!(REMOVED.remove(&SIDE) && REMOVED_SIZES.remove(&ROUTE));
    REMOVED.with(SIDE).inc();
    REMOVED_SIZES.with(ROUTE).record(1);
    assert!(found(&mut collector).is_empty());
    assert_eq!(collector.frame().series().len(), 2);
}

/// .
#[metric(name = "shown_requests", unit = "{request}", exemplars)]
static SHOWN: Counter<Route>;
/// .
#[metric(name = "shown_wait", unit = "s", bounds = [0.5, 1.0], exemplars)]
static SHOWN_WAIT: Histogram;
/// .
#[metric(name = "shown_size", unit = "By", exemplars)]
static SHOWN_SIZE: Histogram;
/// .
#[metric(name = "shown_float", exemplars)]
static SHOWN_FLOAT: FloatCounter;

#[test]
fn otlp_and_openmetrics_have_them_and_the_template_writes_what_prost_writes() {
    let (mut collector, mut encoder) = (collector("shown_"), Encoder::new(1 << 20));
    let mut layouts = Vec::new();
    for id in 0..5_u8 {
        {
            let flags = if id == 0 { TraceFlags::NOT_SAMPLED } else { TraceFlags::SAMPLED };
            let _span = enter(id, flags);
            SHOWN.with(ROUTE).add(if id == 4 { u64::MAX / 2 + 9 } else { 2 });
            SHOWN_FLOAT.add(0.25);
            SHOWN_WAIT.record(0.75);
            SHOWN_SIZE.record(100);
        }
        let frame = collector.collect(DEADLINE);
        layouts.push(frame.layout());
        let plain = ResourceMetrics { scope_metrics: otlp::metrics(frame), ..Default::default() };
        let messages = encoder.encode(frame, ResourceMetrics::default());
        assert!(messages[0].as_ref() == plain.encode_to_vec(), "the bytes are others with span {id}");
        let mut exemplars = Vec::new();
        for metric in ResourceMetrics::decode(messages[0].as_ref()).expect("it is one").scope_metrics.remove(0).metrics {
            use opentelemetry_proto::tonic::metrics::v1::metric::Data;
            match metric.data {
                Some(Data::Sum(mut sum)) => exemplars.append(&mut sum.data_points[0].exemplars),
                Some(Data::Histogram(mut sum)) => exemplars.append(&mut sum.data_points[0].exemplars),
                Some(Data::ExponentialHistogram(mut sum)) => exemplars.append(&mut sum.data_points[0].exemplars),
                other => panic!("{other:?}"),
            }
        }
        if id == 0 {
            assert_eq!(exemplars, []);
            continue;
        }
        assert!(exemplars.iter().all(|exemplar| exemplar.trace_id == [id; 16] && exemplar.span_id == [id; 8]));
        let mut values: Vec<_> = exemplars.iter().filter_map(|exemplar| exemplar.value).map(|value| format!("{value:?}")).collect();
        values.sort();
        let whole = if id == 4 { i64::MAX } else { 2 };
        let wanted = [
            exemplar::Value::AsDouble(0.25),
            exemplar::Value::AsDouble(0.75),
            exemplar::Value::AsDouble(100.0),
            exemplar::Value::AsInt(whole),
        ];
        assert_eq!(values, wanted.map(|value| format!("{value:?}")));
        let open = Exposition { format: Format::OpenMetrics100, escaping: Escaping::Underscores };
        let text = String::from_utf8(expose(&plain, open)).expect("text");
        let ids = format!("# {{trace_id=\"{}\",span_id=\"{}\"}}", format!("{id:02x}").repeat(16), format!("{id:02x}").repeat(8));
        let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start} in {text}"));
        assert!(line("shown_requests_total{").contains(&ids), "{text}");
        assert!(line("shown_float_total").contains(&format!("{ids} 0.25 ")), "{text}");
        let bucket = text.lines().find(|line| line.starts_with("shown_wait_seconds_bucket") && line.contains("le=\"1.0\""));
        assert!(bucket.is_some_and(|line| line.contains(&format!("{ids} 0.75 "))), "{text}");
        assert!(text.lines().any(|line| line.starts_with("shown_size_bytes_bucket") && line.contains(&ids)), "{text}");
    }
    assert!(layouts[0] < layouts[1] && layouts[1..].windows(2).all(|two| two[0] == two[1]), "{layouts:?}");
}

/// .
#[metric(name = "many_exemplars_sides", exemplars)]
static MANY_SIDES: Counter<Side>;
/// .
#[metric(name = "many_exemplars_routes", exemplars)]
static MANY_ROUTES: Counter<Route>;
/// .
#[metric(name = "many_exemplars_sizes", exemplars)]
static MANY_SIZES: Histogram<Route>;

#[test]
fn no_value_is_lost_or_counted_twice_while_spans_are_asked_for() {
    const THREADS: u64 = 4;
    const EACH: u64 = 20_000;
    let mut collector = collector("many_exemplars_");
    std::thread::scope(|scope| {
        let record = |thread: u64| {
            let _span = (thread == 0).then(|| enter(1, TraceFlags::SAMPLED));
            let routes = [ROUTE, LONG, Route { route: "" }];
            for n in 0..EACH {
                MANY_SIDES.with(Side { left: n % 3 == 0 }).inc();
                MANY_ROUTES.with(routes[n as usize % 3]).add(2);
                MANY_SIZES.with(routes[n as usize % 2]).record(n);
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || record(thread))).collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            collector.collect(Duration::from_secs(1));
        }
    });
    let frame = collector.collect(DEADLINE);
    let sums = frame.metrics().iter().map(|row| {
        let number = |number: usize| {
            let value = frame.values()[number];
            if row.declaration.name().ends_with("sizes") {
                frame.distribution(value).expect("it has one").summary().count
            } else {
                value
            }
        };
        (row.declaration.name(), row.series.clone().map(number).sum::<u64>())
    });
    let all = THREADS * EACH;
    let wanted = [("many_exemplars_routes", 2 * all), ("many_exemplars_sides", all), ("many_exemplars_sizes", all)];
    assert_eq!(sums.collect::<BTreeMap<_, _>>(), BTreeMap::from(wanted));
}
