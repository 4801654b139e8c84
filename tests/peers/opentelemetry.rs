//! OpenTelemetry with its own SDK: every instrument looks its attributes up in a map behind a lock.
//!
//! Attributes are static texts or allocated.

use crate::harness::Case;
use crate::inputs;
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, InstrumentKind, SdkMeterProvider, Stream, Temporality};
use std::time::Duration;

/// An exporter to nowhere: without any, the instruments do nothing.
struct Discard;

impl PushMetricExporter for Discard {
    async fn export(&self, _: &ResourceMetrics) -> OTelSdkResult {
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

/// The size and scale that the specification has as its defaults.
fn exponential(instrument: &Instrument) -> Option<Stream> {
    let aggregation = Aggregation::Base2ExponentialHistogram { max_size: 160, max_scale: 20, record_min_max: true };
    (instrument.kind() == InstrumentKind::Histogram)
        .then(|| Stream::builder().with_aggregation(aggregation).build().expect("a valid aggregation"))
}

pub fn cases() -> Vec<Case> {
    global::set_meter_provider(SdkMeterProvider::builder().with_periodic_exporter(Discard).with_view(exponential).build());
    let meter = global::meter("peers");
    let counter = meter.u64_counter("counter").build();
    let enum_labels = meter.u64_counter("enum_labels").build();
    let static_labels = meter.u64_counter("static_labels").build();
    let string_labels = meter.u64_counter("string_labels").build();
    let seconds = meter.f64_histogram("seconds").build();
    let nanoseconds = meter.u64_histogram("nanoseconds").build();
    let gauge = meter.u64_gauge("gauge").build();
    vec![
        Case::new("opentelemetry", "counter", move || counter.add(1, &[])),
        Case::fed("opentelemetry", "enum-labels", &inputs::enum_labels(), move |(method, cached)| {
            enum_labels.add(1, &[KeyValue::new("method", method.as_str()), KeyValue::new("cached", cached)]);
        }),
        Case::fed("opentelemetry", "static-labels", &inputs::static_labels(), move |(method, route)| {
            static_labels.add(1, &[KeyValue::new("method", method), KeyValue::new("route", route)]);
        }),
        Case::fed("opentelemetry", "string-labels", &inputs::string_labels(), move |(method, route)| {
            string_labels.add(1, &[KeyValue::new("method", method.to_owned()), KeyValue::new("route", route.to_owned())]);
        }),
        Case::fed("opentelemetry", "histogram-f64", &inputs::seconds(), move |value| seconds.record(value, &[])),
        Case::fed("opentelemetry", "histogram-u64", &inputs::nanoseconds(), move |value| nanoseconds.record(value, &[])),
        Case::new("opentelemetry", "gauge", move || gauge.record(42, &[])),
    ]
}
