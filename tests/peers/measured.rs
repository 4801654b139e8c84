//! measured: shared atomics, an array of them where the label values are known up front.
//!
//! No histogram of `u64`. The interners and the hasher are those of its own benches.

use crate::harness::Case;
use crate::inputs::{self, Cached, METHODS, Method, ROUTES};
use ahash::RandomState;
use measured::lasso::{Rodeo, RodeoReader, Spur};
use measured::metric::histogram::Thresholds;
use measured::{Counter, CounterVec, Gauge, Histogram, LabelGroup};
use paracord::ParaCord;

#[derive(LabelGroup)]
#[label(set = EnumLabelsSet)]
struct EnumLabels {
    method: Method,
    cached: Cached,
}

/// Texts that are known up front.
#[derive(LabelGroup)]
#[label(set = StaticLabelsSet)]
struct StaticLabels<'a> {
    #[label(fixed_with = RodeoReader<Spur, RandomState>)]
    method: &'a str,
    #[label(fixed_with = RodeoReader<Spur, RandomState>)]
    route: &'a str,
}

/// Texts that are interned when they come.
#[derive(LabelGroup)]
#[label(set = StringLabelsSet)]
struct StringLabels<'a> {
    #[label(dynamic_with = ParaCord, default)]
    method: &'a str,
    #[label(dynamic_with = ParaCord, default)]
    route: &'a str,
}

pub fn cases() -> Vec<Case> {
    let counter = Counter::new();
    let enum_labels = CounterVec::with_label_set(EnumLabelsSet::new());
    let known = |texts: &[&str]| texts.iter().collect::<Rodeo<Spur, RandomState>>().into_reader();
    let static_labels = CounterVec::with_label_set(StaticLabelsSet::new(known(&METHODS), known(&ROUTES)));
    let string_labels = CounterVec::with_label_set(StringLabelsSet::new());
    let histogram = Histogram::with_metadata(Thresholds::<16>::exponential_buckets(0.0001, 2.0));
    let gauge = Gauge::new();
    vec![
        Case::new("measured", "counter", move || counter.inc()),
        Case::fed("measured", "enum-labels", &inputs::enum_labels(), move |(method, cached)| {
            enum_labels.inc(EnumLabels { method, cached: cached.into() });
        }),
        Case::fed("measured", "static-labels", &inputs::static_labels(), move |(method, route)| {
            static_labels.inc(StaticLabels { method, route });
        }),
        Case::fed("measured", "string-labels", &inputs::string_labels(), move |(method, route)| {
            string_labels.inc(StringLabels { method, route });
        }),
        Case::fed("measured", "histogram-f64", &inputs::seconds(), move |value| histogram.observe(value)),
        Case::new("measured", "gauge", move || gauge.set(42)),
    ]
}
