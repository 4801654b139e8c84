//! Beside the transform of `opentelemetry-proto`: where that is right the two agree, on what a real provider collected.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, PeriodicReader, SdkMeterProvider, Stream};

use super::*;

/// Transforms each collection both ways.
#[derive(Clone)]
struct Both {
    temporality: Temporality,
    collected: Arc<Mutex<Vec<(ResourceMetrics, ResourceMetrics)>>>,
}

impl PushMetricExporter for Both {
    fn export(&self, metrics: &data::ResourceMetrics) -> impl Future<Output = OTelSdkResult> + Send {
        let theirs = ExportMetricsServiceRequest::from(metrics).resource_metrics.remove(0);
        self.collected.lock().expect("no panic").push((from_sdk(metrics), theirs));
        std::future::ready(Ok(()))
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }
}

/// What the two transforms make of what `record` records, in two collections.
fn both(temporality: Temporality, record: impl Fn(&Meter)) -> Vec<(ResourceMetrics, ResourceMetrics)> {
    let both = Both { temporality, collected: Arc::default() };
    let reader = PeriodicReader::builder(both.clone()).with_interval(Duration::from_secs(3600)).build();
    let resource = opentelemetry_sdk::Resource::builder_empty().with_schema_url(
        [KeyValue::new("service.name", "both"), KeyValue::new("list", Value::Array(vec![1_i64, 2].into()))],
        "https://r",
    );
    let exponential = |instrument: &Instrument| {
        let aggregation = Aggregation::Base2ExponentialHistogram { max_size: 20, max_scale: 10, record_min_max: true };
        let exponential = instrument.name().starts_with("exponential");
        exponential.then(|| Stream::builder().with_aggregation(aggregation).build().expect("valid"))
    };
    let provider = SdkMeterProvider::builder().with_reader(reader).with_view(exponential).with_resource(resource.build()).build();
    let scope = InstrumentationScope::builder("scope").with_version("1.2").with_schema_url("https://s");
    let scope = scope.with_attributes([KeyValue::new("flag", true), KeyValue::new("text", "x")]).build();
    let meter = provider.meter_with_scope(scope);
    for _ in 0..2 {
        record(&meter);
        provider.force_flush().expect("collected");
    }
    let collected = std::mem::take(&mut *both.collected.lock().expect("no panic"));
    assert_eq!(collected.len(), 2);
    collected
}

fn all_instruments(meter: &Meter) {
    let attributes = [
        KeyValue::new("text", "v"),
        KeyValue::new("flag", false),
        KeyValue::new("whole", -3),
        KeyValue::new("float", 1.5),
        KeyValue::new("texts", Value::Array(vec![opentelemetry::StringValue::from("a")].into())),
        KeyValue::new("flags", Value::Array(vec![true].into())),
        KeyValue::new("floats", Value::Array(vec![0.5].into())),
    ];
    meter.u64_counter("c_u64").with_unit("By").with_description("Described.").build().add(1, &attributes);
    meter.f64_counter("c_f64").build().add(1.5, &[]);
    meter.i64_up_down_counter("u_i64").build().add(-2, &[]);
    meter.f64_up_down_counter("u_f64").build().add(-2.5, &attributes);
    meter.u64_gauge("g_u64").build().record(i64::MAX as u64, &[]);
    meter.i64_gauge("g_i64").build().record(i64::MIN, &[]);
    meter.f64_gauge("g_f64").build().record(f64::MAX, &attributes);
    meter.u64_histogram("h_u64").build().record(1 << 62, &attributes);
    meter.f64_histogram("h_f64").with_boundaries(vec![0.0, 1.0]).build().record(-0.5, &[]);
    meter.f64_histogram("h_none").with_boundaries(vec![]).build().record(3.0, &[]);
    for value in [0.0, 1.0, -8.0, 1e9] {
        meter.f64_histogram("exponential_f64").build().record(value, &[]);
        meter.u64_histogram("exponential_u64").build().record(value.abs() as u64, &attributes);
    }
    let observed = meter.u64_observable_counter("o_u64").with_callback(|observer| observer.observe(9, &[KeyValue::new("k", "v")]));
    let _observed = observed.build();
    let _observed = meter.f64_observable_gauge("o_f64").with_callback(|observer| observer.observe(0.25, &[])).build();
}

#[test]
fn all_aggregations_are_as_the_transform_of_opentelemetry_proto_has_them() {
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        for (ours, theirs) in both(temporality, all_instruments) {
            assert_eq!(ours, theirs);
            let scope = &ours.scope_metrics[0];
            assert_eq!(scope.metrics.len(), 14, "{scope:?}");
            assert_eq!((scope.schema_url.as_str(), ours.schema_url.as_str()), ("https://s", "https://r"));
            assert_eq!(scope.scope.as_ref().expect("a scope").attributes.len(), 2);
        }
    }
}

#[test]
fn an_unsigned_number_beyond_the_greatest_signed_one_saturates() {
    let largest = |meter: &Meter| {
        meter.u64_gauge("gauge").build().record(u64::MAX, &[]);
        let _observed = meter.u64_observable_counter("sum").with_callback(|observer| observer.observe(1 << 63, &[])).build();
    };
    let (ours, theirs) = both(Temporality::Cumulative, largest).remove(1);
    let values = |metrics: &ResourceMetrics| {
        let value = |metric: &Metric| match metric.data.as_ref().expect("data") {
            metric::Data::Gauge(gauge) => gauge.data_points[0].value,
            metric::Data::Sum(sum) => sum.data_points[0].value,
            other => panic!("{other:?}"),
        };
        metrics.scope_metrics[0].metrics.iter().map(value).collect::<Vec<_>>()
    };
    assert_eq!(values(&ours), [Some(number_data_point::Value::AsInt(i64::MAX)); 2]);
    assert_eq!(values(&theirs), [Some(number_data_point::Value::AsInt(0)); 2], "no longer wrong: this module may go");
}

#[test]
fn start_times_are_those_of_the_instruments_creation_and_of_the_collection_before() {
    let starts = |temporality| {
        let collected = both(temporality, |meter| meter.u64_counter("sum").build().add(1, &[]));
        let point = |metrics: &ResourceMetrics| match metrics.scope_metrics[0].metrics[0].data.as_ref() {
            Some(metric::Data::Sum(sum)) => (sum.data_points[0].start_time_unix_nano, sum.data_points[0].time_unix_nano),
            other => panic!("{other:?}"),
        };
        collected.iter().map(|(ours, _)| point(ours)).collect::<Vec<_>>()
    };
    let cumulative = starts(Temporality::Cumulative);
    assert_eq!(cumulative[0].0, cumulative[1].0);
    assert!(cumulative[0].0 <= cumulative[0].1 && cumulative[0].1 <= cumulative[1].1);
    let delta = starts(Temporality::Delta);
    assert_eq!(delta[1].0, delta[0].1);
}
