//! Views, scopes, limits of series and the bridge: what reaches the exporter, and other readers of the same provider.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use opentelemetry::{InstrumentationScope, Key, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, PeriodicReader, Stream, Temporality};
use telemetry_core::limits::OTEL_SERIES_MAX;
use telemetry_core::otel::is_bridged;
use telemetry_core::{Counter, FloatGauge, Histogram, Labels, UpDownCounter, metric};
use telemetry_exporter::{Running, start_with};

use crate::support::{collected, config, metrics, number, numbers, start};

fn start_viewed(view: impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static) -> Running {
    start_with(config(), |telemetry| telemetry.with_view(view)).expect("a free port")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_renames_and_drops_attributes() {
    let running = start_viewed(|instrument| {
        let viewed = Stream::builder().with_name("viewed_new").with_description("Told.").with_unit("By");
        let viewed = viewed.with_allowed_attribute_keys([Key::new("kept")]);
        (instrument.name() == "viewed_old").then(|| viewed.build().expect("valid"))
    });
    let counter = running.telemetry().meter("views").u64_counter("viewed_old").build();
    counter.add(1, &[KeyValue::new("kept", "a"), KeyValue::new("dropped", 1)]);
    counter.add(2, &[KeyValue::new("kept", "a"), KeyValue::new("dropped", 2)]);
    let collected = collected(&running).await;
    assert_eq!((number(&collected, "viewed_old"), number(&collected, "viewed_new")), (None, Some(3.0)));
    let (_, renamed) = metrics(&collected, "viewed_new")[0];
    assert_eq!((renamed.description.as_str(), renamed.unit.as_str()), ("Told.", "By"));
    let keys = numbers(&collected, "viewed_new")[0].attributes.iter().map(|attribute| attribute.key.as_str());
    assert_eq!(keys.collect::<Vec<_>>(), ["kept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn views_set_the_buckets_and_two_views_of_one_instrument_make_two_metrics() {
    let running = start_with(config(), |telemetry| {
        let bounds = Aggregation::ExplicitBucketHistogram { boundaries: vec![1.0, 2.0], record_min_max: false };
        let exponential = Aggregation::Base2ExponentialHistogram { max_size: 8, max_scale: 4, record_min_max: true };
        let of_both = |instrument: &Instrument| instrument.name() == "both_ways";
        let stream = |name: &'static str, aggregation: &Aggregation| {
            Stream::builder().with_name(name).with_aggregation(aggregation.clone()).build().expect("valid")
        };
        telemetry
            .with_view(move |instrument: &Instrument| of_both(instrument).then(|| stream("as_explicit", &bounds)))
            .with_view(move |instrument: &Instrument| of_both(instrument).then(|| stream("as_exponential", &exponential)))
    });
    let running = running.expect("a free port");
    let histogram = running.telemetry().meter("views").f64_histogram("both_ways").build();
    [0.5, 1.5, 5.0].iter().for_each(|value| histogram.record(*value, &[]));
    let collected = collected(&running).await;
    assert!(metrics(&collected, "both_ways").is_empty(), "ours takes no part where a user's view matches");
    let Some(metric::Data::Histogram(explicit)) = &metrics(&collected, "as_explicit")[0].1.data else { panic!("explicit buckets") };
    assert_eq!(explicit.data_points[0].bucket_counts, [1, 1, 1]);
    assert_eq!(explicit.data_points[0].min, None);
    let Some(metric::Data::ExponentialHistogram(exponential)) = &metrics(&collected, "as_exponential")[0].1.data else {
        panic!("exponential buckets")
    };
    let point = &exponential.data_points[0];
    assert_eq!((point.count, point.sum, point.max), (3, Some(7.0), Some(5.0)));
    assert_eq!(point.positive.as_ref().expect("buckets").bucket_counts.iter().sum::<u64>(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_drops_everything_drops_no_collection() {
    let running = start_viewed(|_| Some(Stream::builder().with_aggregation(Aggregation::Drop).build().expect("valid")));
    let observed = Arc::new(AtomicU64::new(0));
    let observes = Arc::clone(&observed);
    let meter = running.telemetry().meter("views");
    meter.u64_counter("dropped_counter").build().add(1, &[]);
    let observable = meter.u64_observable_gauge("dropped_gauge");
    let observe = move |_: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
        observes.fetch_add(1, Ordering::Relaxed);
    };
    let _dropped = observable.with_callback(observe).build();
    let collected = collected(&running).await;
    assert!(number(&collected, "telemetry_collections").is_some());
    assert!(number(&collected, "dropped_counter").is_none());
    assert_eq!(observed.load(Ordering::Relaxed), 0, "nobody asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_and_schema_urls_of_scopes_and_of_the_resource_arrive() {
    let resource = Resource::builder_empty().with_schema_url([KeyValue::new("service.name", "urls")], "https://resource/1");
    let running =
        start_with(config(), |telemetry| telemetry.with_resource(resource.build()).with_attributes([KeyValue::new("more", 1)]));
    let running = running.expect("a free port");
    let scope = |attribute| {
        let attributes = [KeyValue::new("attribute", attribute), KeyValue::new("telemetry.bridged", true)];
        InstrumentationScope::builder("urls")
            .with_version("2")
            .with_schema_url("https://scope/1")
            .with_attributes(attributes)
            .build()
    };
    running.telemetry().meter_with_scope(scope("a")).u64_counter("in_scopes").build().add(1, &[]);
    running.telemetry().meter_with_scope(scope("b")).u64_counter("in_scopes").build().add(2, &[]);
    let collected = collected(&running).await;
    assert_eq!(collected.schema_url, "https://resource/1");
    let keys: Vec<&str> =
        collected.resource.iter().flat_map(|resource| &resource.attributes).map(|pair| pair.key.as_str()).collect();
    assert!(keys.len() == 2 && keys.contains(&"service.name") && keys.contains(&"more"), "{keys:?}");
    let found = metrics(&collected, "in_scopes");
    assert_eq!(found.len(), 2, "a scope is told by its attributes too");
    for (scope_metrics, _) in found {
        let scope = scope_metrics.scope.as_ref().expect("a scope");
        assert_eq!((scope.version.as_str(), scope_metrics.schema_url.as_str()), ("2", "https://scope/1"));
        let keys: Vec<&str> = scope.attributes.iter().map(|pair| pair.key.as_str()).collect();
        assert_eq!(keys, ["attribute"], "what marks the bridge is not a user's");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_limit_of_series_one_series_has_the_rest() {
    let viewed = |instrument: &Instrument| {
        let limited = Stream::builder().with_cardinality_limit(3).build().expect("valid");
        (instrument.name() == "limited_by_view").then_some(limited)
    };
    let default = start(config());
    let set = start_with(config(), |telemetry| telemetry.with_cardinality_limit(5).with_view(viewed)).expect("a free port");
    for (running, name, limit) in [(&default, "limited", OTEL_SERIES_MAX), (&set, "limited", 5), (&set, "limited_by_view", 3)] {
        let counter = running.telemetry().meter("limits").u64_counter(name).build();
        for i in 0..limit as i64 + 10 {
            counter.add(1, &[KeyValue::new("i", i)]);
        }
        let collected = collected(running).await;
        let (overflow, series): (Vec<_>, Vec<_>) = numbers(&collected, name)
            .into_iter()
            .partition(|point| point.attributes.iter().any(|attribute| attribute.key == "otel.metric.overflow"));
        assert_eq!((series.len(), overflow.len()), (limit, 1), "{name}");
        let rest = opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::AsInt(10);
        assert_eq!(overflow[0].value, Some(rest), "{name}");
    }
}

#[derive(Labels)]
struct Way {
    out: bool,
}

/// Described.
#[metric(name = "bridged_counter", unit = "{thing}")]
static COUNTER: Counter<Way>;

/// .
#[metric(name = "bridged_sum")]
static SUM: UpDownCounter;

/// .
#[metric(name = "bridged_gauge")]
static GAUGE: FloatGauge;

/// .
#[metric(name = "bridged_observed")]
fn bridged_observed() -> u64 {
    u64::MAX
}

/// .
#[metric(name = "bridged_histogram")]
static HISTOGRAM: Histogram;

/// A stranger's exporter: the bridged metrics, with the text of their points.
#[derive(Clone, Default)]
struct Foreign(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

impl PushMetricExporter for Foreign {
    fn export(&self, metrics: &ResourceMetrics) -> impl Future<Output = OTelSdkResult> + Send {
        let mut all = self.0.lock().expect("no panic");
        all.clear();
        for scope in metrics.scope_metrics() {
            for metric in scope.metrics() {
                macro_rules! points {
                    ($data:expr) => {
                        match $data {
                            MetricData::Sum(sum) => {
                                sum.data_points().map(|point| (point.value().to_string(), point.attributes().count())).collect()
                            }
                            MetricData::Gauge(gauge) => {
                                gauge.data_points().map(|point| (point.value().to_string(), point.attributes().count())).collect()
                            }
                            _ => Vec::new(),
                        }
                    };
                }
                let points: Vec<(String, usize)> = match metric.data() {
                    AggregatedMetrics::U64(data) => points!(data),
                    AggregatedMetrics::I64(data) => points!(data),
                    AggregatedMetrics::F64(data) => points!(data),
                };
                let bridged = if is_bridged(scope.scope()) { " bridged" } else { "" };
                let texts = points.into_iter().map(|(value, attributes)| {
                    format!("{value} by {attributes} {} {}{bridged}", metric.unit(), scope.scope().name())
                });
                let mut texts: Vec<String> = texts.collect();
                texts.sort();
                all.entry(metric.name().to_owned()).or_default().extend(texts);
            }
        }
        std::future::ready(Ok(()))
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

#[tokio::test(flavor = "multi_thread")]
async fn the_bridge_shows_the_registry_to_a_foreign_reader_and_the_stream_has_all_once() {
    let foreign = Foreign::default();
    let reader = PeriodicReader::builder(foreign.clone()).with_interval(Duration::from_secs(3600)).build();
    let running = start_with(config(), |telemetry| telemetry.with_readers(|sdk| sdk.with_reader(reader)).with_bridge());
    let running = running.expect("a free port");
    COUNTER.with(Way { out: true }).add(2);
    COUNTER.with(Way { out: false }).inc();
    SUM.sub(4);
    GAUGE.set(0.5);
    HISTOGRAM.record(1.0);
    running.telemetry().meter("users").u64_counter("users_counter").build().add(1, &[]);
    let collected = collected(&running).await;
    let seen = foreign.0.lock().expect("no panic").clone();
    let wanted = [
        ("bridged_counter", &["1 by 1 {thing} tests bridged", "2 by 1 {thing} tests bridged"][..]),
        ("bridged_sum", &["-4 by 0  tests bridged"]),
        ("bridged_gauge", &["0.5 by 0  tests bridged"]),
        ("bridged_observed", &["9223372036854775807 by 0  tests bridged"]),
        ("users_counter", &["1 by 0  users"]),
    ];
    for (name, points) in wanted {
        assert_eq!(seen.get(name).map(Vec::as_slice).unwrap_or_default(), points, "{name}");
        assert_eq!(metrics(&collected, name).len(), 1, "{name} is on the stream once");
    }
    assert!(!seen.contains_key("bridged_histogram"));
    assert!(collected.scope_metrics.iter().all(|scope| {
        scope.scope.as_ref().is_some_and(|scope| scope.attributes.iter().all(|attribute| attribute.key != "telemetry.bridged"))
    }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_that_is_removed_leaves_the_bridge_too() {
    #[metric(name = "bridged_removed")]
    static REMOVED: Counter<Way>;
    let foreign = Foreign::default();
    let telemetry = telemetry_core::Telemetry::builder().with_exporter(foreign.clone(), Duration::from_secs(3600)).with_bridge();
    let telemetry = telemetry.build().expect("valid");
    let seen = || foreign.0.lock().expect("no panic").get("bridged_removed").map(Vec::len);
    REMOVED.with(Way { out: true }).inc();
    REMOVED.with(Way { out: false }).inc();
    telemetry.force_flush().expect("collected");
    assert_eq!(seen(), Some(2));
    REMOVED.remove(&Way { out: true });
    telemetry.force_flush().expect("collected");
    assert_eq!(seen(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_are_counted_for_all_readers_together_and_the_description_says_so() {
    let foreign = Foreign::default();
    let running = start_with(config(), |telemetry| telemetry.with_exporter(foreign.clone(), Duration::from_secs(3600)));
    let running = running.expect("a free port and valid declarations");
    let collected = collected(&running).await;
    let own = number(&collected, "telemetry_collections").expect("it is collected");
    let of_foreign = foreign.0.lock().expect("no panic")["telemetry_collections"].clone();
    assert_ne!(of_foreign, [format!("{own} by 0 {{collection}} telemetry-core")], "no two collections have one number");
    let description = &metrics(&collected, "telemetry_collections")[0].1.description;
    assert_eq!(description, "Collections of all metrics, those of each reader: two readers make two at an interval.");
}
