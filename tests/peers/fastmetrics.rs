//! fastmetrics: handles of shared atomics, families behind a lock.
//!
//! No histogram of `u64`. A family looks up owned labels only, so short-lived texts are allocated.

use crate::harness::Case;
use crate::inputs::{self, Method};
use fastmetrics::derive::LabelSet;
use fastmetrics::metrics::counter::Counter;
use fastmetrics::metrics::family::Family;
use fastmetrics::metrics::gauge::Gauge;
use fastmetrics::metrics::histogram::Histogram;

#[derive(Clone, PartialEq, Eq, Hash, LabelSet)]
struct EnumLabels {
    method: Method,
    cached: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, LabelSet)]
struct StaticLabels {
    method: &'static str,
    route: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, LabelSet)]
struct StringLabels {
    method: String,
    route: String,
}

pub fn cases() -> Vec<Case> {
    let counter = <Counter>::default();
    let enum_labels = Family::<EnumLabels, Counter>::default();
    let static_labels = Family::<StaticLabels, Counter>::default();
    let string_labels = Family::<StringLabels, Counter>::default();
    let histogram = Histogram::default();
    let gauge = <Gauge>::default();
    vec![
        Case::new("fastmetrics", "counter", move || counter.inc()),
        Case::fed("fastmetrics", "enum-labels", &inputs::enum_labels(), move |(method, cached)| {
            enum_labels.with_or_new(&EnumLabels { method, cached }, Counter::inc);
        }),
        Case::fed("fastmetrics", "static-labels", &inputs::static_labels(), move |(method, route)| {
            static_labels.with_or_new(&StaticLabels { method, route }, Counter::inc);
        }),
        Case::fed("fastmetrics", "string-labels", &inputs::string_labels(), move |(method, route)| {
            string_labels.with_or_new(&StringLabels { method: method.to_owned(), route: route.to_owned() }, Counter::inc);
        }),
        Case::fed("fastmetrics", "histogram-f64", &inputs::seconds(), move |value| histogram.observe(value)),
        Case::new("fastmetrics", "gauge", move || gauge.set(42)),
    ]
}
