//! prometheus: handles of shared atomics, and local ones that a thread flushes into them.
//!
//! No histogram of `u64`. The local ones are measured without the flush, which is for the caller to do now and then.

use crate::harness::Case;
use crate::inputs;
use prometheus::local::{LocalHistogram, LocalIntCounter};
use prometheus::{
    Histogram, IntCounter, IntCounterVec, IntGauge, histogram_opts, opts, register_histogram, register_int_counter,
    register_int_counter_vec, register_int_gauge,
};
use std::sync::LazyLock;

static COUNTER: LazyLock<IntCounter> = LazyLock::new(|| register_int_counter!("counter", "help").expect("a name of its own"));
static HISTOGRAM: LazyLock<Histogram> =
    LazyLock::new(|| register_histogram!(histogram_opts!("histogram", "help")).expect("a name of its own"));

thread_local! {
    static LOCAL_COUNTER: LocalIntCounter = COUNTER.local();
    static LOCAL_HISTOGRAM: LocalHistogram = HISTOGRAM.local();
}

pub fn cases() -> Vec<Case> {
    let (counter, histogram) = (COUNTER.clone(), HISTOGRAM.clone());
    let gauge: IntGauge = register_int_gauge!("gauge", "help").expect("a name of its own");
    let enum_labels = labelled("enum_labels", ["method", "cached"]);
    let static_labels = labelled("static_labels", ["method", "route"]);
    let string_labels = labelled("string_labels", ["method", "route"]);
    vec![
        Case::new("prometheus", "counter", move || counter.inc()),
        Case::fed("prometheus", "enum-labels", &inputs::enum_labels(), move |(method, cached)| {
            enum_labels.with_label_values(&[method.as_str(), if cached { "true" } else { "false" }]).inc();
        }),
        Case::fed("prometheus", "static-labels", &inputs::static_labels(), move |(method, route)| {
            static_labels.with_label_values(&[method, route]).inc();
        }),
        Case::fed("prometheus", "string-labels", &inputs::string_labels(), move |(method, route)| {
            string_labels.with_label_values(&[method, route]).inc();
        }),
        Case::fed("prometheus", "histogram-f64", &inputs::seconds(), move |value| histogram.observe(value)),
        Case::new("prometheus", "gauge", move || gauge.set(42)),
        Case::new("prometheus-local", "counter", || LOCAL_COUNTER.with(LocalIntCounter::inc)),
        Case::fed("prometheus-local", "histogram-f64", &inputs::seconds(), |value| {
            LOCAL_HISTOGRAM.with(|histogram| histogram.observe(value));
        }),
    ]
}

fn labelled(name: &str, labels: [&str; 2]) -> IntCounterVec {
    register_int_counter_vec!(opts!(name, "help"), &labels).expect("a name of its own")
}
