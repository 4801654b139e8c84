//! `Telemetry` as OpenTelemetry's MeterProvider: all 16 instruments arrive, and everything arrives once.

use std::collections::BTreeMap;

use opentelemetry::InstrumentationScope;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use prost::Message;
use telemetry_core::{Counter, metric};
use telemetry_exporter::client::{Place, view};

use crate::support::{client, config, drain, messages, start};

/// .
#[metric(name = "otel_own_counter")]
static OWN: Counter;

#[tokio::test(flavor = "multi_thread")]
async fn all_sixteen_instruments_and_the_registry_arrive_each_exactly_once() {
    let mut config = config();
    config.resource = vec![("service.name".to_owned(), "suite".to_owned())];
    let running = start(config);
    OWN.inc();
    // The scope of the registry's own declarations in this crate.
    let scope = InstrumentationScope::builder("tests").with_version(env!("CARGO_PKG_VERSION")).build();
    let meter = running.telemetry().meter_with_scope(scope);
    meter.u64_counter("o01").build().add(1, &[]);
    meter.f64_counter("o02").build().add(2.5, &[]);
    meter.i64_up_down_counter("o03").build().add(-3, &[]);
    meter.f64_up_down_counter("o04").build().add(-4.5, &[]);
    meter.u64_gauge("o05").build().record(5, &[]);
    meter.i64_gauge("o06").build().record(-6, &[]);
    meter.f64_gauge("o07").build().record(7.5, &[]);
    meter.u64_histogram("o08").build().record(8, &[]);
    meter.f64_histogram("o09").with_boundaries(vec![1.0, 100.0]).build().record(9.5, &[KeyValue::new("k", "v")]);
    let _o10 = meter.u64_observable_counter("o10").with_callback(|observer| observer.observe(10, &[])).build();
    let _o11 = meter.f64_observable_counter("o11").with_callback(|observer| observer.observe(11.5, &[])).build();
    let _o12 = meter.i64_observable_up_down_counter("o12").with_callback(|observer| observer.observe(-12, &[])).build();
    let _o13 = meter.f64_observable_up_down_counter("o13").with_callback(|observer| observer.observe(-13.5, &[])).build();
    let _o14 = meter.u64_observable_gauge("o14").with_callback(|observer| observer.observe(14, &[])).build();
    let _o15 = meter.i64_observable_gauge("o15").with_callback(|observer| observer.observe(-15, &[])).build();
    let described = meter.f64_observable_gauge("o16").with_unit("s").with_description("Described.");
    let _o16 = described.with_callback(|observer| observer.observe(16.5, &[])).build();
    running.telemetry().force_flush().expect("collected");

    let client = client(&running).await;
    let collected = messages(drain(&client, "metrics", &mut Place::default()).await);
    let message = &collected[0];
    let decoded = ResourceMetrics::decode(&*message.payload).expect("a ResourceMetrics");
    let attributes = decoded.resource.expect("a resource").attributes;
    assert!(attributes.iter().any(|attribute| attribute.key == "service.name"), "{attributes:?}");
    assert_eq!(attributes.iter().filter(|attribute| attribute.key == "service.name").count(), 1);

    let views = view::metrics(message).expect("a ResourceMetrics");
    let mut times: BTreeMap<(String, String), u32> = BTreeMap::new();
    for metric in &views {
        *times.entry((metric.scope.clone(), metric.name.clone())).or_default() += 1;
    }
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    let find = |name: &str| views.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("{name} is missing"));
    for (name, kind, wanted) in [
        ("otel_own_counter", "counter", "1"),
        ("telemetry_collections", "counter", "1"),
        ("o01", "counter", "1"),
        ("o02", "counter", "2.5"),
        ("o03", "up_down_counter", "-3"),
        ("o04", "up_down_counter", "-4.5"),
        ("o05", "gauge", "5"),
        ("o06", "gauge", "-6"),
        ("o07", "gauge", "7.5"),
        ("o10", "counter", "10"),
        ("o11", "counter", "11.5"),
        ("o12", "up_down_counter", "-12"),
        ("o13", "up_down_counter", "-13.5"),
        ("o14", "gauge", "14"),
        ("o15", "gauge", "-15"),
        ("o16", "gauge", "16.5"),
    ] {
        let metric = find(name);
        assert_eq!((metric.kind, metric.points.len()), (kind, 1), "{name}");
        assert_eq!(metric.points[0].value.to_string(), wanted, "{name}");
    }
    let (o8, o9, o16) = (find("o08"), find("o09"), find("o16"));
    assert_eq!((o8.kind, o8.points[0].value["sum"].as_f64()), ("histogram", Some(8.0)));
    assert_eq!(o9.points[0].value["counts"].to_string(), "[0,1,0]");
    assert_eq!(o9.points[0].labels["k"], "v");
    assert_eq!((o16.unit.as_str(), o16.description.as_str()), ("s", "Described."));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_is_flushed_when_the_telemetry_stops() {
    let running = start(config());
    running.telemetry().meter("flush").u64_counter("flushed_at_the_end").build().add(9, &[]);
    let streams = std::sync::Arc::clone(running.streams());
    tokio::task::spawn_blocking(move || running.stop()).await.expect("no panic").expect("a clean stop");
    let state = streams.metrics().log.state();
    assert_eq!((state.kept, state.head_sequence), (state.appended, 1), "collected once more, and sealed");
    let mut reader = telemetry_exporter::stream::Reader::new(std::sync::Arc::clone(streams.metrics()));
    let telemetry_exporter::stream::Piece::Data { data, .. } = reader.read(Default::default(), false) else {
        panic!("it is sealed")
    };
    assert!(String::from_utf8_lossy(&data).contains("flushed_at_the_end"));
}
