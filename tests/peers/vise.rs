//! vise: prometheus-client's metrics, in families that only ever grow.
//!
//! A family looks up owned labels only, so short-lived texts are allocated.

use crate::harness::Case;
use crate::inputs::{self, Method};
use vise::{Buckets, Counter, EncodeLabelSet, Family, Gauge, Histogram, Metrics};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EnumLabels {
    method: Method,
    cached: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StaticLabels {
    method: &'static str,
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StringLabels {
    method: String,
    route: String,
}

#[derive(Debug, Metrics)]
struct Peer {
    counter: Counter,
    enum_labels: Family<EnumLabels, Counter>,
    static_labels: Family<StaticLabels, Counter>,
    string_labels: Family<StringLabels, Counter>,
    #[metrics(buckets = Buckets::LATENCIES)]
    seconds: Histogram,
    #[metrics(buckets = Buckets::exponential(100.0..=1_000_000.0, 2.0))]
    nanoseconds: Histogram<u64>,
    gauge: Gauge,
}

pub fn cases() -> Vec<Case> {
    let Peer { counter, enum_labels, static_labels, string_labels, seconds, nanoseconds, gauge } = Peer::default();
    vec![
        Case::new("vise", "counter", move || {
            counter.inc();
        }),
        Case::fed("vise", "enum-labels", &inputs::enum_labels(), move |(method, cached)| {
            enum_labels[&EnumLabels { method, cached }].inc();
        }),
        Case::fed("vise", "static-labels", &inputs::static_labels(), move |(method, route)| {
            static_labels[&StaticLabels { method, route }].inc();
        }),
        Case::fed("vise", "string-labels", &inputs::string_labels(), move |(method, route)| {
            string_labels[&StringLabels { method: method.to_owned(), route: route.to_owned() }].inc();
        }),
        Case::fed("vise", "histogram-f64", &inputs::seconds(), move |value| seconds.observe(value)),
        Case::fed("vise", "histogram-u64", &inputs::nanoseconds(), move |value| nanoseconds.observe(value)),
        Case::new("vise", "gauge", move || {
            gauge.set(42);
        }),
    ]
}
