//! A collection whose series are those of the one before takes no memory, and an event none but for a new segment: a program of its
//! own, whose allocator counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use prost::Message;
use telemetry_core::collect::{Collector, Frame};
use telemetry_core::{
    Counter, Event, FloatCounter, FloatGauge, Gauge, Histogram, Labels, Registry, Sink, Telemetry, UpDownCounter, event, metric,
};
use telemetry_exporter::StreamOptions;
use telemetry_exporter::limits::MESSAGE_BYTES_MAX;
use telemetry_exporter::otlp::Encoder;
use telemetry_exporter::stream::{Bounds, Streams};

thread_local!(static TAKEN: Cell<usize> = const { Cell::new(0) });

/// Counts what the calling thread takes.
struct Counting;

// SAFETY: the system's allocator does all of it.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.with(|taken| taken.set(taken.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        TAKEN.with(|taken| taken.set(taken.get() + 1));
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Clone, Copy, Labels)]
struct Call {
    ok: bool,
}

#[derive(Clone, Copy, Labels)]
struct Route<'a> {
    route: &'a str,
    code: u32,
}

/// .
#[metric(name = "steady_counter", exemplars)]
static COUNTER: Counter;
/// .
#[metric(name = "steady_calls", exemplars)]
static CALLS: Counter<Call>;
/// .
#[metric(name = "steady_routes", exemplars)]
static ROUTES: Counter<Route>;
/// .
#[metric(name = "steady_float")]
static FLOAT: FloatCounter;
/// .
#[metric(name = "steady_up_down")]
static UP_DOWN: UpDownCounter<Route>;
/// .
#[metric(name = "steady_gauge")]
static GAUGE: Gauge<Call>;
/// .
#[metric(name = "steady_float_gauge")]
static FLOAT_GAUGE: FloatGauge;
/// .
#[metric(name = "steady_explicit", bounds = [1.0, 10.0, 100.0], exemplars)]
static EXPLICIT: Histogram<Route>;
/// .
#[metric(name = "steady_exponential", exemplars)]
static EXPONENTIAL: Histogram<Call>;

fn record(round: u64) {
    let (trace, span) = (TraceId::from(u128::from(round)), SpanId::from(round));
    let span = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::NONE);
    let _span = Context::new().with_remote_span_context(span).attach();
    COUNTER.inc();
    FLOAT.add(0.5);
    FLOAT_GAUGE.set(round as f64);
    for n in 0..50 {
        let route = format!("/items/{n}");
        let route = Route { route: &route, code: 200 };
        ROUTES.with(route).add(round);
        UP_DOWN.with(route).dec();
        EXPLICIT.with(route).record(round + n);
    }
    for ok in [false, true] {
        CALLS.with(Call { ok }).inc();
        GAUGE.with(Call { ok }).set(7);
        EXPONENTIAL.with(Call { ok }).record(1 + round % 2);
    }
}

/// How many series have an exemplar of this round.
fn exemplars(frame: &Frame, round: u64) -> usize {
    (0..frame.series().len()).filter_map(|n| frame.exemplar(n)).filter(|kept| kept.span_id == round.to_be_bytes()).count()
}

#[test]
fn a_collection_of_the_same_series_takes_no_memory_and_tells_the_new_values() {
    // Not what this program has of the exporter's features: a function that is observed may take memory.
    let collector = Collector::of(&Registry::new(), |entry| entry.name().starts_with("steady_"));
    let (mut collector, mut encoder) = (collector, Encoder::new(MESSAGE_BYTES_MAX));
    let _asks_for_spans = Telemetry::builder().build().expect("valid declarations");
    collector.collect(Duration::from_secs(1)); // from which on series ask for exemplars
    let mut layouts = Vec::new();
    for round in 1..=20 {
        record(round);
        let before = TAKEN.with(Cell::get);
        let frame = collector.collect(Duration::from_secs(1));
        let messages = encoder.encode(frame, ResourceMetrics::default());
        let taken = TAKEN.with(Cell::get) - before;
        layouts.push(frame.layout());
        let decoded = ResourceMetrics::decode(messages[0].as_ref()).expect("a ResourceMetrics");
        assert_eq!(exemplars(frame, round), 1 + 2 + 50 + 50 + 2);
        assert_eq!(decoded.scope_metrics, telemetry_exporter::otlp::metrics(frame));
        // The first builds the template; the second may still find a buffer that was a little too short.
        assert!(taken == 0 || round <= 2, "collection {round} took memory {taken} times");
        assert!(taken > 0 || round > 1, "the allocator counts");
    }
    assert!(layouts.windows(2).all(|two| two[0] == two[1]), "{layouts:?}");
}

#[derive(serde::Serialize)]
struct Joined {
    peer: String,
    round: usize,
    share: f64,
}

/// .
#[event(name = "steady_joined")]
static JOINED: Event<Joined>;

#[test]
fn an_event_takes_no_memory_but_where_its_segment_is_full() {
    let registry = Registry::new();
    let options = StreamOptions { bytes_max: 1 << 20, segment_bytes: 1 << 18, ..StreamOptions::default() };
    let streams = Streams::new(Arc::clone(&registry), options, Bounds::default());
    let sink: Arc<dyn Sink> = streams.clone();
    let _attached = registry.attach(&sink);
    let sealed = || streams.by_name("steady_joined").expect("a stream").log.state().head_sequence;
    for peer_bytes in [1, 100, 30_000] {
        let mut joined = Joined { peer: "p".repeat(peer_bytes), round: 0, share: 0.1 };
        for round in 0..40_000_000 / (peer_bytes + 1_000) {
            joined.round = round;
            let before = (sealed(), TAKEN.get());
            JOINED.emit(&joined);
            // At first all of it is new: the buffer of the thread, the stream and the room of its segments.
            let is_steady = round * (peer_bytes + 20) > 4 << 20;
            let (is_full, taken) = (sealed() > before.0, TAKEN.get() - before.1);
            assert!(taken == 0 || is_full || !is_steady, "round {round} of {peer_bytes} bytes took memory {taken} times");
        }
        assert!(sealed() > 1);
    }
}
