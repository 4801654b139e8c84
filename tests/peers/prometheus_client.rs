//! prometheus-client: handles of shared atomics, families behind a lock, histograms behind a mutex.
//!
//! No histogram of `u64`. A family looks up owned labels only, so short-lived texts are allocated.

use crate::harness::Case;
use crate::inputs::{self, Method};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{
    DEFAULT_NATIVE_HISTOGRAM_BUCKET_FACTOR, Histogram, NativeHistogramConfig, exponential_buckets,
};

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

pub fn cases() -> Vec<Case> {
    let counter = Counter::<u64>::default();
    let enum_labels = Family::<EnumLabels, Counter>::default();
    let static_labels = Family::<StaticLabels, Counter>::default();
    let string_labels = Family::<StringLabels, Counter>::default();
    let histogram = Histogram::new(exponential_buckets(0.0001, 2.0, 16));
    let native = Histogram::new_native(NativeHistogramConfig::new(DEFAULT_NATIVE_HISTOGRAM_BUCKET_FACTOR));
    let gauge = Gauge::<i64>::default();
    vec![
        Case::new("prometheus-client", "counter", move || {
            counter.inc();
        }),
        Case::fed("prometheus-client", "enum-labels", &inputs::enum_labels(), move |(method, cached)| {
            enum_labels.get_or_create(&EnumLabels { method, cached }).inc();
        }),
        Case::fed("prometheus-client", "static-labels", &inputs::static_labels(), move |(method, route)| {
            static_labels.get_or_create(&StaticLabels { method, route }).inc();
        }),
        Case::fed("prometheus-client", "string-labels", &inputs::string_labels(), move |(method, route)| {
            string_labels.get_or_create(&StringLabels { method: method.to_owned(), route: route.to_owned() }).inc();
        }),
        Case::fed("prometheus-client", "histogram-f64", &inputs::seconds(), move |value| histogram.observe(value)),
        Case::fed("prometheus-client-native", "histogram-f64", &inputs::seconds(), move |value| native.observe(value)),
        Case::new("prometheus-client", "gauge", move || {
            gauge.set(42);
        }),
    ]
}
