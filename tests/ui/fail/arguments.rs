//! Arguments that are unknown, repeated, misplaced, absent or of another form.

use telemetry_core::{Counter, Event, Gauge, Histogram, Labels, Snapshot, collector, event, metric, property, rpc, snapshot};

#[derive(Labels)]
enum Labelled {
    Yes,
    No,
}

/// .
#[metric(nmae = "arguments.unknown", unit = "s", unit = "ms", colour = "red")]
static SEVERAL: Counter;

/// .
#[metric(unit = "s")]
static NAMELESS: Counter;

/// .
#[event]
static ALONE: Event<u32>;

/// .
#[metric("arguments.no_key")]
static NO_KEY: Counter;

/// .
#[metric(name)]
static NO_VALUE: Counter;

/// .
#[metric(name, unit =, kind = "gauge" "counter")]
static NO_VALUES: Counter;

/// .
#[metric(name: "arguments.colon", unit = "s")]
static COLON: Counter;

/// .
#[metric(name = "arguments.no_comma" unit = "s")]
static NO_COMMA: Counter;

/// .
#[metric(name = 5, unit = 's', shared = "yes")]
static OTHER_LITERALS: Counter;

/// .
#[metric(name = "arguments.kind", kind = "counter")]
static KIND: Counter;

/// .
#[metric(name = "arguments.bounds", bounds = [1.0])]
static BOUNDS: Gauge;

/// .
#[metric(name = "arguments.exemplars", exemplars)]
static EXEMPLARS: Gauge;

/// .
#[metric(name = "arguments.flag", exemplars = true)]
static FLAG: Counter;

/// .
#[metric(name = "arguments.max_series", max_series = 5)]
static MAX_SERIES: Histogram;

/// .
#[metric(name = "arguments.max_series_text", max_series = "5")]
static MAX_SERIES_TEXT: Counter<Labelled>;

/// .
#[metric(name = "arguments.misplaced", bounds = [1.0], max_series = 5, exemplars)]
fn observed() -> i64 {
    1
}

/// .
#[metric(name = "arguments.kinds", kind = "histogram")]
fn histogram() -> f64 {
    1.0
}

/// .
#[property(name = "arguments.property", every = "1m")]
fn property_of_a_snapshot() -> bool {
    true
}

/// .
#[snapshot(name = "arguments.snapshot", evry = "1m")]
static MISSPELT: Snapshot<u32>;

/// .
#[collector(name = "arguments.collector")]
fn collect() {}

/// .
#[event(name = "arguments.access", access = "secret")]
static NO_ACCESS: Event<u32>;

/// .
#[rpc(name = "arguments.access_const", access = ACCESS)]
fn no_literal() -> Result<u32, telemetry_core::RpcError> {
    Ok(1)
}

/// .
#[metric(name = "arguments.access_of_a_metric", access = "restricted")]
static ACCESS_OF_A_METRIC: Counter;

/// .
#[snapshot(name = "arguments.on_demand", on_demand)]
static ON_DEMAND: Snapshot<u32>;

fn main() {
    SEVERAL.inc();
    NO_KEY.inc();
    NO_COMMA.inc();
    ALONE.emit(&1);
    NO_ACCESS.emit(&1);
    ACCESS_OF_A_METRIC.inc();
}
