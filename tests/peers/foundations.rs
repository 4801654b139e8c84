//! foundations: handles of shared atomics, families behind a lock, an array where all labels are enums, thread-local counters.
//!
//! A family looks up owned labels only, so short-lived texts are allocated. The histogram of `u64` is that of nanoseconds.

use crate::harness::Case;
use crate::inputs::{self, Cached, LATENCIES, Method};
use foundations::telemetry::metrics::{Counter, Gauge, Histogram, HistogramBuilder, ThreadLocalCounter, TimeHistogram, metrics};

#[metrics]
mod peer {
    pub fn counter() -> Counter;
    pub fn enum_labels(method: Method, cached: bool) -> Counter;
    pub fn static_labels(method: &'static str, route: &'static str) -> Counter;
    pub fn string_labels(method: impl Into<String>, route: impl Into<String>) -> Counter;
    #[ctor = HistogramBuilder { buckets: &LATENCIES }]
    pub fn seconds() -> Histogram;
    #[ctor = HistogramBuilder { buckets: &LATENCIES }]
    pub fn nanoseconds() -> TimeHistogram;
    pub fn gauge() -> Gauge;

    #[low_cardinality]
    pub fn low_cardinality_enum_labels(method: Method, cached: impl Into<Cached>) -> Counter;

    pub fn local_counter() -> ThreadLocalCounter;
    #[low_cardinality]
    pub fn local_enum_labels(method: Method, cached: impl Into<Cached>) -> ThreadLocalCounter;
    pub fn local_static_labels(method: &'static str, route: &'static str) -> ThreadLocalCounter;
    pub fn local_string_labels(method: impl Into<String>, route: impl Into<String>) -> ThreadLocalCounter;
}

pub fn cases() -> Vec<Case> {
    let (counter, local_counter, gauge) = (peer::counter(), peer::local_counter(), peer::gauge());
    let (seconds, nanoseconds) = (peer::seconds(), peer::nanoseconds());
    vec![
        Case::new("foundations", "counter", move || {
            counter.inc();
        }),
        Case::fed("foundations", "enum-labels", &inputs::enum_labels(), |(method, cached)| {
            peer::enum_labels(method, cached).inc();
        }),
        Case::fed("foundations", "static-labels", &inputs::static_labels(), |(method, route)| {
            peer::static_labels(method, route).inc();
        }),
        Case::fed("foundations", "string-labels", &inputs::string_labels(), |(method, route)| {
            peer::string_labels(method, route).inc();
        }),
        Case::fed("foundations", "histogram-f64", &inputs::seconds(), move |value| seconds.observe(value)),
        Case::fed("foundations", "histogram-u64", &inputs::nanoseconds(), move |value| nanoseconds.observe(value)),
        Case::new("foundations", "gauge", move || {
            gauge.set(42);
        }),
        Case::fed("foundations-low-cardinality", "enum-labels", &inputs::enum_labels(), |(method, cached)| {
            peer::low_cardinality_enum_labels(method, cached).inc();
        }),
        Case::new("foundations-thread-local", "counter", move || local_counter.inc()),
        Case::fed("foundations-thread-local", "enum-labels", &inputs::enum_labels(), |(method, cached)| {
            peer::local_enum_labels(method, cached).inc();
        }),
        Case::fed("foundations-thread-local", "static-labels", &inputs::static_labels(), |(method, route)| {
            peer::local_static_labels(method, route).inc();
        }),
        Case::fed("foundations-thread-local", "string-labels", &inputs::string_labels(), |(method, route)| {
            peer::local_string_labels(method, route).inc();
        }),
    ]
}
