//! The program: all instruments of the registry and of the OpenTelemetry API, and several collections of them.

use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use telemetry_core::{Counter, FloatCounter, FloatGauge, Gauge, Histogram, Labels, UpDownCounter, metric};
use telemetry_exporter::stream::StreamOptions;
use telemetry_exporter::{Config, Running, start};

/// What a serialiser may stumble over: escapes, a zero, letters of two, three and four bytes.
pub const ODD: &str = "\"quoted\" back\\slash\nline\ttab\0zero ü 漢字 🦀 'é'";

#[derive(Clone, Copy, Labels)]
enum Method {
    Get,
    #[label(name = "PÜT \"x\"")]
    Put,
}

/// Labels of a known set.
#[derive(Clone, Copy, Labels)]
struct Known {
    #[label(name = "rpc.method")]
    method: Method,
    ok: bool,
}

/// Labels of all kinds.
#[derive(Clone, Copy, Labels)]
struct Call<'a> {
    method: Method,
    ok: bool,
    port: u16,
    offset: i64,
    path: &'a str,
}

#[derive(Labels)]
struct Named {
    name: String,
}

macro_rules! declare {
    ($($name:literal $ident:ident: $type:ty $(, $key:ident = $value:expr)?;)*) => {
        $(
            /// What ü "quotes" \ and 漢字 describe.
            #[metric(name = $name, unit = "{ping}" $(, $key = $value)?)]
            static $ident: $type;
        )*
    };
}

declare! {
    "read_counter" COUNTER: Counter;
    "read_float_counter" FLOAT_COUNTER: FloatCounter;
    "read_up_down" UP_DOWN: UpDownCounter;
    "read_gauge" GAUGE: Gauge;
    "read_float_gauge" FLOAT_GAUGE: FloatGauge;
    "read_exponential" EXPONENTIAL: Histogram;
    "read_explicit" EXPLICIT: Histogram, bounds = [-1.5, 0.0, 1e9];
    "read_counter_known" COUNTER_KNOWN: Counter<Known>;
    "read_float_counter_known" FLOAT_COUNTER_KNOWN: FloatCounter<Known>;
    "read_up_down_known" UP_DOWN_KNOWN: UpDownCounter<Known>;
    "read_gauge_known" GAUGE_KNOWN: Gauge<Known>;
    "read_float_gauge_known" FLOAT_GAUGE_KNOWN: FloatGauge<Known>;
    "read_exponential_known" EXPONENTIAL_KNOWN: Histogram<Known>;
    "read_counter_call" COUNTER_CALL: Counter<Call<'static>>;
    "read_float_counter_call" FLOAT_COUNTER_CALL: FloatCounter<Call<'static>>;
    "read_up_down_call" UP_DOWN_CALL: UpDownCounter<Call<'static>>;
    "read_gauge_call" GAUGE_CALL: Gauge<Call<'static>>;
    "read_float_gauge_call" FLOAT_GAUGE_CALL: FloatGauge<Call<'static>>;
    "read_exponential_call" EXPONENTIAL_CALL: Histogram<Call<'static>>;
    "read_removed" REMOVED: Counter<Named>;
    "read_removed_known" REMOVED_KNOWN: Counter<Known>;
    "read_overflow" OVERFLOW: Counter<Named>, max_series = 2;
}

/// Bounds, and labels.
#[metric(name = "read_explicit_call", bounds = [0.5])]
static EXPLICIT_CALL: Histogram<Call<'static>>;

/// .
#[metric(name = "read_observed_u64", kind = "counter")]
fn observed_u64() -> u64 {
    u64::MAX // more than OTLP's numbers hold
}

/// .
#[metric(name = "read_observed_i64", kind = "up_down_counter")]
fn observed_i64() -> i64 {
    i64::MIN
}

/// .
#[metric(name = "read_observed_f64", unit = "s")]
fn observed_f64() -> f64 {
    -0.1
}

/// .
#[metric(name = "read_observed_absent")]
fn observed_absent() -> Option<i64> {
    None
}

/// .
#[metric(name = "read_observed_series", kind = "counter")]
fn observed_series() -> Vec<(Named, f64)> {
    vec![(Named { name: ODD.to_owned() }, 1e300), (Named { name: String::new() }, 0.0)]
}

fn record(round: u32) {
    let n = f64::from(round);
    COUNTER.add(u64::from(round) + 1);
    FLOAT_COUNTER.add(0.1);
    UP_DOWN.add(-3);
    GAUGE.set(i64::MIN + i64::from(round));
    FLOAT_GAUGE.set(-n * 1e-310); // a subnormal number, and first of all minus zero
    let measured = [-1e12, -2.5, -1e-9, 0.0, 0.0, 1e-9, 0.75, 3.0, 1e12 + n];
    for value in measured {
        EXPONENTIAL.record(value);
        EXPLICIT.record(value);
    }
    for method in [Method::Get, Method::Put] {
        for ok in [false, true] {
            let (known, path) = (Known { method, ok }, if ok { ODD } else { "" });
            COUNTER_KNOWN.with(known).inc();
            FLOAT_COUNTER_KNOWN.with(known).add(2.5);
            UP_DOWN_KNOWN.with(known).add(-1);
            GAUGE_KNOWN.with(known).set(7);
            FLOAT_GAUGE_KNOWN.with(known).set(f64::MAX);
            EXPONENTIAL_KNOWN.with(known).record(n - 1.0);
            let call = Call { method, ok, port: u16::MAX, offset: i64::MIN, path };
            COUNTER_CALL.with(call).inc();
            FLOAT_COUNTER_CALL.with(call).add(2.5);
            UP_DOWN_CALL.with(call).add(-1);
            GAUGE_CALL.with(call).set(7);
            FLOAT_GAUGE_CALL.with(call).set(f64::MIN_POSITIVE);
            EXPONENTIAL_CALL.with(call).record(n - 1.0);
            EXPLICIT_CALL.with(call).record(n - 1.0);
        }
    }
    for name in ["a", "b", "c", "d"] {
        OVERFLOW.with(Named { name: name.to_owned() }).inc();
    }
    if round == 0 {
        REMOVED.with(Named { name: "gone".to_owned() }).inc();
        REMOVED_KNOWN.with(Known { method: Method::Get, ok: true }).inc();
    } else {
        REMOVED.remove(&Named { name: "gone".to_owned() });
        REMOVED_KNOWN.remove(&Known { method: Method::Get, ok: true });
    }
}

/// All 16 of the OpenTelemetry API; what it gives must be kept.
fn instruments(running: &Running) -> Vec<Box<dyn std::any::Any>> {
    let scope = InstrumentationScope::builder("other ü").with_version("1.2.3").with_schema_url("https://example.org/1");
    let scope = scope.with_attributes([KeyValue::new("scope.key", 5)]).build();
    let meter = running.telemetry().meter_with_scope(scope);
    let texts = Array::String(vec![StringValue::from(ODD), StringValue::from("")]);
    let labels = [
        KeyValue::new("text", ODD),
        KeyValue::new("flag", true),
        KeyValue::new("whole", i64::MIN),
        KeyValue::new("float", 0.1),
        KeyValue::new("texts", Value::Array(texts)),
    ];
    meter.u64_counter("read_o01").build().add(1, &labels);
    meter.f64_counter("read_o02").build().add(2.5, &labels);
    meter.i64_up_down_counter("read_o03").build().add(-3, &labels);
    meter.f64_up_down_counter("read_o04").build().add(-4.5, &labels);
    meter.u64_gauge("read_o05").build().record(5, &labels);
    meter.i64_gauge("read_o06").build().record(-6, &labels);
    meter.f64_gauge("read_o07").build().record(7.5, &labels);
    meter.u64_histogram("read_o08").build().record(8, &labels);
    meter.f64_histogram("read_o09").with_boundaries(vec![1.0, 100.0]).build().record(9.5, &labels);
    let described = meter.f64_observable_gauge("read_o16").with_unit("s").with_description(ODD);
    vec![
        Box::new(meter.u64_observable_counter("read_o10").with_callback(|observer| observer.observe(10, &[])).build()),
        Box::new(meter.f64_observable_counter("read_o11").with_callback(|observer| observer.observe(11.5, &[])).build()),
        Box::new(meter.i64_observable_up_down_counter("read_o12").with_callback(|observer| observer.observe(-12, &[])).build()),
        Box::new(meter.f64_observable_up_down_counter("read_o13").with_callback(|observer| observer.observe(-13.5, &[])).build()),
        Box::new(meter.u64_observable_gauge("read_o14").with_callback(|observer| observer.observe(14, &[])).build()),
        Box::new(meter.i64_observable_gauge("read_o15").with_callback(|observer| observer.observe(-15, &[])).build()),
        Box::new(described.with_callback(|observer| observer.observe(16.5, &[])).build()),
    ]
}

/// Collections of one run.
pub const ROUNDS: u32 = 4;

/// Runs it, and pulls while it does. The metrics are the whole program's, so a second run goes on from the first.
pub fn run<T>(message_bytes_max: usize, pull: impl FnOnce(&Running) -> T) -> T {
    let running = start(Config {
        listen: Some(([127, 0, 0, 1], 0).into()),
        collect_every: Duration::from_secs(3600),
        streams: StreamOptions { message_bytes_max, ..StreamOptions::default() },
        resource: vec![("service.name".to_owned(), ODD.to_owned())],
        ..Config::default()
    });
    let running = running.expect("valid declarations");
    let _kept = instruments(&running);
    for round in 0..ROUNDS {
        record(round);
        running.telemetry().force_flush().expect("collected");
    }
    pull(&running)
}
