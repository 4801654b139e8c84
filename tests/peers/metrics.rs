//! metrics with the recorder of metrics-exporter-prometheus: macros that look a metric up by its name and labels, and kept handles.
//!
//! No histogram of `u64`. Labels are static texts or allocated.

use crate::harness::Case;
use crate::inputs;
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::LazyLock;

static RECORDER: LazyLock<PrometheusHandle> =
    LazyLock::new(|| PrometheusBuilder::new().install_recorder().expect("the only global recorder"));

thread_local! {
    /// A histogram keeps every sample until someone drains it. A thread does so before its first one, which is not timed.
    static UPKEEP: () = RECORDER.run_upkeep();
}

pub fn cases() -> Vec<Case> {
    LazyLock::force(&RECORDER);
    let (kept_counter, kept_histogram, kept_gauge) = (counter!("counter"), histogram!("histogram"), gauge!("gauge"));
    vec![
        Case::new("metrics", "counter", || counter!("counter").increment(1)),
        Case::fed("metrics", "enum-labels", &inputs::enum_labels(), |(method, cached)| {
            let cached = if cached { "true" } else { "false" };
            counter!("enum_labels", "method" => method.as_str(), "cached" => cached).increment(1);
        }),
        Case::fed("metrics", "static-labels", &inputs::static_labels(), |(method, route)| {
            counter!("static_labels", "method" => method, "route" => route).increment(1);
        }),
        Case::fed("metrics", "string-labels", &inputs::string_labels(), |(method, route)| {
            counter!("string_labels", "method" => method.to_owned(), "route" => route.to_owned()).increment(1);
        }),
        Case::fed("metrics", "histogram-f64", &inputs::seconds(), |value| {
            UPKEEP.with(|()| histogram!("histogram").record(value));
        }),
        Case::new("metrics", "gauge", || gauge!("gauge").set(42)),
        Case::new("metrics-handle", "counter", move || kept_counter.increment(1)),
        Case::fed("metrics-handle", "histogram-f64", &inputs::seconds(), move |value| {
            UPKEEP.with(|()| kept_histogram.record(value));
        }),
        Case::new("metrics-handle", "gauge", move || kept_gauge.set(42)),
    ]
}
