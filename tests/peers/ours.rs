//! This library: statics that every thread records into cells of its own.

use crate::harness::Case;
use crate::inputs::{self, Method};
use telemetry_core::{Counter, Gauge, Histogram, Labels, metric};

/// .
#[metric(name = "peers_counter")]
static COUNTER: Counter;
/// .
#[metric(name = "peers_enum_labels")]
static ENUM_LABELS: Counter<EnumLabels>;
/// .
#[metric(name = "peers_static_labels")]
static STATIC_LABELS: Counter<StaticLabels>;
/// .
#[metric(name = "peers_string_labels")]
static STRING_LABELS: Counter<StringLabels>;
/// .
#[metric(name = "peers_seconds")]
static SECONDS: Histogram;
/// .
#[metric(name = "peers_nanoseconds")]
static NANOSECONDS: Histogram;
/// .
#[metric(name = "peers_gauge")]
static GAUGE: Gauge;

#[derive(Labels)]
struct EnumLabels {
    method: Method,
    cached: bool,
}

#[derive(Labels)]
struct StaticLabels {
    method: &'static str,
    route: &'static str,
}

#[derive(Labels)]
struct StringLabels<'a> {
    method: &'a str,
    route: &'a str,
}

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("telemetry", "counter", || COUNTER.inc()),
        Case::fed("telemetry", "enum-labels", &inputs::enum_labels(), |(method, cached)| {
            ENUM_LABELS.with(EnumLabels { method, cached }).inc();
        }),
        Case::fed("telemetry", "static-labels", &inputs::static_labels(), |(method, route)| {
            STATIC_LABELS.with(StaticLabels { method, route }).inc();
        }),
        Case::fed("telemetry", "string-labels", &inputs::string_labels(), |(method, route)| {
            STRING_LABELS.with(StringLabels { method, route }).inc();
        }),
        Case::fed("telemetry", "histogram-f64", &inputs::seconds(), |value| SECONDS.record(value)),
        Case::fed("telemetry", "histogram-u64", &inputs::nanoseconds(), |value| NANOSECONDS.record(value)),
        Case::new("telemetry", "gauge", || GAUGE.set(42)),
    ]
}
