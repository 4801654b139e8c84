//! What recording costs, beside the limit, a plain add; a counter also beside a shared atomic.

mod harness;

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use harness::Case;
use telemetry_core::{Counter, FloatCounter, Gauge, Histogram, Labels, UpDownCounter, metric};

/// .
#[metric(name = "bench_counter")]
static COUNTER: Counter;
/// .
#[metric(name = "bench_float_counter")]
static FLOAT_COUNTER: FloatCounter;
/// .
#[metric(name = "bench_up_down_counter")]
static UP_DOWN_COUNTER: UpDownCounter;
/// .
#[metric(name = "bench_gauge")]
static GAUGE: Gauge;
/// .
#[metric(name = "bench_enum")]
static BY_ENUM: Counter<Call>;
/// .
#[metric(name = "bench_static")]
static BY_STATIC: Counter<Static>;
/// .
#[metric(name = "bench_text")]
static BY_TEXT: Counter<Text>;
/// .
#[metric(name = "bench_histogram")]
static HISTOGRAM: Histogram;
/// .
#[metric(name = "bench_histogram_u64")]
static HISTOGRAM_U64: Histogram;
/// .
#[metric(name = "bench_explicit", bounds = [1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0])]
static EXPLICIT: Histogram;

/// .
#[metric(name = "bench_narrow")]
static NARROW: Histogram;

static ATOMIC: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Copy, Labels)]
enum Method {
    Get,
    Put,
    Delete,
    List,
}

#[derive(Clone, Copy, Labels)]
struct Call {
    method: Method,
    ok: bool,
}

#[derive(Clone, Copy, Labels)]
struct Static {
    method: &'static str,
    route: &'static str,
}

#[derive(Labels)]
struct Text<'a> {
    method: &'a str,
    route: &'a str,
}

/// A fixed sequence that looks random.
fn sequence() -> impl Iterator<Item = u64> {
    let next = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    std::iter::successors(Some(7), next).map(|state| state >> 33)
}

fn inputs<T>(make: impl Fn(u64) -> T) -> [T; 256] {
    let mut sequence = sequence();
    std::array::from_fn(|_| make(sequence.next().unwrap_or_default()))
}

/// .
#[metric(name = "bench_long_text")]
static BY_LONG_TEXT: Counter<Text>;

const LONG: [&str; 8] = [
    "/api/v1/users/by-name",
    "/api/v1/users/by-address",
    "/api/v1/items/in-stock",
    "/api/v1/orders/open/of-this-week",
    "12D3KooWA3P1WvkzpX9kuVk1ShZ5s4x7zCQbSFHs1pFfvWdBoqvR",
    "12D3KooWB8zkqMnDvFmDqCzQYhWbHCVkcUhjsyfuAUMTnCkz3Dcm",
    "a-host-with-a-long-name.example.org",
    "another-host-with-a-long-name.example.org",
];

const METHODS: [&str; 4] = ["get", "put", "delete", "list"];
const ROUTES: [&str; 8] =
    ["/", "/healthz", "/api/v1/users", "/api/v1/items", "/api/v1/orders", "/metrics", "/login", "/api/v1/search"];

fn main() {
    let calls = inputs(|n| {
        let method = [Method::Get, Method::Put, Method::Delete, Method::List][n as usize % 4];
        Call { method, ok: n / 4 % 2 == 0 }
    });
    let statics = inputs(|n| Static { method: METHODS[n as usize % 4], route: ROUTES[n as usize / 4 % 8] });
    let leak = |text: &str| -> &'static str { text.to_owned().leak() };
    let texts = inputs(|n| (leak(METHODS[n as usize % 4]), leak(ROUTES[n as usize / 4 % 8])));
    let longs = inputs(|n| (leak(METHODS[n as usize % 4]), leak(LONG[n as usize / 4 % 8])));
    let seconds = inputs(|n| 1e-4 * 1e4_f64.powf((n % 10_000) as f64 / 1e4)); // 0.1 ms to 1 s
    let bytes = inputs(|n| (100.0 * 1e4_f64.powf((n % 10_000) as f64 / 1e4)) as u64); // 100 to 1,000,000
    let narrow = inputs(|n| 1.0 + (n % 1000) as f64 * 1e-5);
    let atomic = |case| {
        Case::new("atomic", case, || {
            ATOMIC.fetch_add(1, Relaxed);
        })
    };
    let handle = BY_TEXT.handle(Text { method: "get", route: "/" });
    harness::main(
        vec![
            Case::floor("counter"),
            Case::new("telemetry", "counter", || COUNTER.inc()),
            atomic("counter"),
            Case::floor("up-down-counter"),
            Case::new("telemetry", "up-down-counter", || UP_DOWN_COUNTER.dec()),
            Case::floor("float-counter"),
            Case::new("telemetry", "float-counter", || FLOAT_COUNTER.add(0.5)),
            Case::floor("gauge"),
            Case::new("telemetry", "gauge", || GAUGE.set(black_box(5))),
            Case::fed_floor("enum-labels", &calls, |call| call.method as u64 + u64::from(call.ok)),
            Case::fed("telemetry", "enum-labels", &calls, |call| BY_ENUM.with(call).inc()),
            Case::fed_floor("static-labels", &statics, |labels| (labels.method.len() + labels.route.len()) as u64),
            Case::fed("telemetry", "static-labels", &statics, |labels| BY_STATIC.with(labels).inc()),
            Case::fed_floor("string-labels", &texts, |(method, route)| (method.len() + route.len()) as u64),
            Case::fed("telemetry", "string-labels", &texts, |(method, route)| BY_TEXT.with(Text { method, route }).inc()),
            Case::fed_floor("long-string-labels", &longs, |(method, route)| (method.len() + route.len()) as u64),
            Case::fed("telemetry", "long-string-labels", &longs, |(method, route)| BY_LONG_TEXT.with(Text { method, route }).inc()),
            Case::floor("handle"),
            Case::new("telemetry", "handle", move || handle.inc()),
            Case::fed_floor("histogram-f64", &seconds, f64::to_bits),
            Case::fed("telemetry", "histogram-f64", &seconds, |seconds| HISTOGRAM.record(seconds)),
            Case::fed_floor("histogram-u64", &bytes, |bytes| bytes),
            Case::fed("telemetry", "histogram-u64", &bytes, |bytes| HISTOGRAM_U64.record(bytes)),
            Case::fed_floor("histogram-narrow", &narrow, f64::to_bits),
            Case::fed("telemetry", "histogram-narrow", &narrow, |value| NARROW.record(value)),
            Case::fed_floor("histogram-explicit", &seconds, f64::to_bits),
            Case::fed("telemetry", "histogram-explicit", &seconds, |seconds| EXPLICIT.record(seconds)),
        ],
        &[1, 2, 8],
    );
}
