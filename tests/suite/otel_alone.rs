//! What belongs to the whole process, OpenTelemetry's global provider and the environment: each test runs in a process of its own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use opentelemetry::metrics::{AsyncInstrument, Counter, Meter, MeterProvider};
use opentelemetry::{KeyValue, global};
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, metric};
use telemetry_core::limits::OTEL_BACKLOG_MAX;
use telemetry_core::{Telemetry, Value, otel};
use telemetry_exporter::Running;

use crate::support::{self, collected, config, exported, metrics, number, numbers, start, until, value};

fn is_alone(test: &str, environment: &[(&str, &str)]) -> bool {
    support::is_alone(&format!("otel_alone::{test}"), environment)
}

/// How many measurements were rejected while this ran, beside those that each reading rejects for other tests.
fn rejected_while(run: impl FnOnce()) -> u64 {
    let rejected = || match value("telemetry_measurements_rejected", &[]) {
        Some(Value::U64(count)) => count,
        _ => 0,
    };
    let (first, second) = (rejected(), rejected());
    run();
    rejected() - second - (second - first)
}

/// Of code that knows nothing of us.
static THIRD_PARTY: LazyLock<Counter<u64>> = LazyLock::new(|| global::meter("third").u64_counter("third_party").build());

/// Makes all 16 instruments, and records with those that are recorded with as often as what it returns is called.
fn sixteen(meter: &Meter) -> impl Fn() + Send + 'static {
    let (i01, i02) = (meter.u64_counter("i01").with_unit("By").with_description("Told.").build(), meter.f64_counter("i02").build());
    let (i03, i04) = (meter.i64_up_down_counter("i03").build(), meter.f64_up_down_counter("i04").build());
    let (i05, i06, i07) = (meter.u64_gauge("i05").build(), meter.i64_gauge("i06").build(), meter.f64_gauge("i07").build());
    let (i08, i09) = (meter.u64_histogram("i08").with_boundaries(vec![5.0]).build(), meter.f64_histogram("i09").build());
    let _i10 = meter.u64_observable_counter("i10").with_callback(|observer| observer.observe(10, &[])).build();
    let _i11 = meter.f64_observable_counter("i11").with_callback(|observer| observer.observe(11.5, &[])).build();
    let _i12 = meter.i64_observable_up_down_counter("i12").with_callback(|observer| observer.observe(-12, &[])).build();
    let _i13 = meter.f64_observable_up_down_counter("i13").with_callback(|observer| observer.observe(-13.5, &[])).build();
    let _i14 = meter.u64_observable_gauge("i14").with_callback(|observer| observer.observe(14, &[])).build();
    let _i15 = meter.i64_observable_gauge("i15").with_callback(|observer| observer.observe(-15, &[])).build();
    let described = meter.f64_observable_gauge("i16").with_unit("s").with_description("Described.");
    let _i16 = described.with_callback(|observer| observer.observe(16.5, &[])).build();
    move || {
        let attributes = [KeyValue::new("k", "v")];
        i01.add(1, &attributes);
        i02.add(2.5, &[]);
        i03.add(-3, &[]);
        i04.add(-4.5, &attributes);
        i05.record(5, &[]);
        i06.record(-6, &[]);
        i07.record(7.5, &attributes);
        i08.record(8, &attributes);
        i09.record(9.5, &[]);
    }
}

/// What the 16 show after so many rounds of recording.
fn assert_sixteen(collected: &ResourceMetrics, rounds: f64) {
    let wanted = [
        ("i01", rounds),
        ("i02", 2.5 * rounds),
        ("i03", -3.0 * rounds),
        ("i04", -4.5 * rounds),
        ("i05", 5.0),
        ("i06", -6.0),
        ("i07", 7.5),
        ("i10", 10.0),
        ("i11", 11.5),
        ("i12", -12.0),
        ("i13", -13.5),
        ("i14", 14.0),
        ("i15", -15.0),
        ("i16", 16.5),
    ];
    for (name, wanted) in wanted {
        assert_eq!(number(collected, name), Some(wanted), "{name}");
        let attributes = numbers(collected, name)[0].attributes.len();
        assert_eq!(attributes, usize::from(["i01", "i04", "i07"].contains(&name)), "{name}");
    }
    for (name, sum, buckets) in [("i08", 8.0 * rounds, 2), ("i09", 9.5 * rounds, 16)] {
        let Some(metric::Data::Histogram(histogram)) = &metrics(collected, name)[0].1.data else { panic!("{name} is a histogram") };
        let point = &histogram.data_points[0];
        assert_eq!((point.count as f64, point.sum, point.bucket_counts.len()), (rounds, Some(sum), buckets), "{name}");
    }
    for (name, unit, description) in [("i01", "By", "Told."), ("i16", "s", "Described.")] {
        let (scope, metric) = metrics(collected, name)[0];
        assert_eq!((metric.unit.as_str(), metric.description.as_str()), (unit, description));
        assert_eq!(scope.scope.as_ref().expect("a scope").name, "sixteen");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sixteen_instruments_that_are_made_before_a_provider_is_set_count_from_then_on() {
    if !is_alone("all_sixteen_instruments_that_are_made_before_a_provider_is_set_count_from_then_on", &[]) {
        return;
    }
    otel::install();
    let record = sixteen(&global::meter("sixteen"));
    THIRD_PARTY.add(1, &[]);
    (0..3).for_each(|_| record());
    let running = start(config());
    (0..2).for_each(|_| record());
    THIRD_PARTY.add(1, &[]);
    let first = collected(&running).await;
    assert_sixteen(&first, 5.0);
    assert_eq!(number(&first, "third_party"), Some(2.0));

    // A second one takes them all, from zero; the first keeps what it has, and its observable instruments are silent.
    let second = start(config());
    record();
    assert_sixteen(&collected(&second).await, 1.0);
    let first = collected(&running).await;
    assert_eq!((number(&first, "i01"), number(&first, "i10")), (Some(5.0), None));

    // The end of one that is not the newest changes nothing; that of the newest leaves them with nothing, in silence.
    running.stop().expect("a clean stop");
    record();
    assert_sixteen(&collected(&second).await, 2.0);
    drop(second);
    assert_eq!(rejected_while(|| (0..2 * OTEL_BACKLOG_MAX).for_each(|_| record())), 0);
    let third = start(config());
    record();
    assert_sixteen(&collected(&third).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_threads_record_while_the_provider_is_set_counts_once() {
    if !is_alone("what_threads_record_while_the_provider_is_set_counts_once", &[]) {
        return;
    }
    otel::install();
    let counter = global::meter("threads").u64_counter("recorded_by_threads").build();
    let recorded = Arc::new(AtomicU64::new(0));
    let record = || {
        let (counter, recorded) = (counter.clone(), Arc::clone(&recorded));
        let body = move || {
            for _ in 0..20_000 {
                counter.add(1, &[]);
                recorded.fetch_add(1, Ordering::SeqCst);
            }
        };
        std::thread::spawn(body)
    };
    let threads = [record(), record(), record()];
    until("a record before there is a provider", async || (recorded.load(Ordering::SeqCst) > 0).then_some(())).await;
    let running = start(config());
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    assert_eq!(number(&collected(&running).await, "recorded_by_threads"), Some(60_000.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn instruments_of_one_origin_are_one_and_keep_a_bounded_backlog() {
    if !is_alone("instruments_of_one_origin_are_one_and_keep_a_bounded_backlog", &[]) {
        return;
    }
    let (meter, other) = (otel::Global.meter("backlog"), otel::Global.meter("other"));
    let record = || {
        for i in 0..OTEL_BACKLOG_MAX as i64 + 7 {
            // A program that makes an instrument at each use makes one.
            meter.u64_counter("kept_sum").build().add(2, &[KeyValue::new("i", i)]);
            meter.u64_counter("kept_sum").build().add(1, &[KeyValue::new("i", i)]);
            meter.f64_histogram("kept_all").build().record(1.0, &[]);
        }
        meter.f64_counter("kept_finite").build().add(f64::NAN, &[]);
        other.u64_counter("kept_sum").build().add(1, &[]);
        meter.i64_gauge("kept_last").build().record(1, &[]);
        meter.i64_gauge("kept_last").build().record(2, &[]);
    };
    assert_eq!(rejected_while(record), 7 * 3 + 1);
    let telemetry = |builder: telemetry_core::TelemetryBuilder| builder.with_cardinality_limit(OTEL_BACKLOG_MAX);
    let running = telemetry_exporter::start_with(config(), telemetry).expect("a free port");
    let collected = collected(&running).await;
    let sums = numbers(&collected, "kept_sum");
    let three = opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::AsInt(3);
    assert_eq!(sums.iter().filter(|point| point.value == Some(three)).count(), OTEL_BACKLOG_MAX);
    assert_eq!(sums.len(), OTEL_BACKLOG_MAX + 1, "and that of the other scope");
    assert_eq!(number(&collected, "kept_last"), Some(2.0));
    let Some(metric::Data::Histogram(all)) = &metrics(&collected, "kept_all")[0].1.data else { panic!("a histogram") };
    assert_eq!(all.data_points[0].count, OTEL_BACKLOG_MAX as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_may_create_instruments_through_the_global_provider() {
    if !is_alone("a_callback_may_create_instruments_through_the_global_provider", &[]) {
        return;
    }
    let mut config = config();
    config.collect_every = Duration::from_millis(300);
    let running = start(config);
    let create = |observer: &dyn AsyncInstrument<u64>| {
        THIRD_PARTY.add(1, &[]);
        observer.observe(1, &[]);
    };
    let _creates = global::meter("creates").u64_observable_gauge("creates_global").with_callback(create).build();
    let arrived = until("what the callback made", async || {
        let last = exported(&running).await.pop()?;
        let counted = number(&last, "third_party")?;
        (counted >= 2.0 && number(&last, "creates_global") == Some(1.0)).then_some(())
    });
    arrived.await;
    let labels = [("kind", "otel_instrument"), ("name", "creates_global"), ("cause", "created_instrument")];
    assert_eq!(value("telemetry_callback_failures", &labels), None);
}

#[test]
fn the_global_provider_keeps_no_telemetry_alive_and_what_is_dropped_is_flushed() {
    if !is_alone("the_global_provider_keeps_no_telemetry_alive_and_what_is_dropped_is_flushed", &[]) {
        return;
    }
    let streams = {
        let running: Running = start(config());
        global::meter("flush").u64_counter("flushed_global").build().add(9, &[]);
        Arc::clone(running.streams())
    };
    let mut reader = telemetry_exporter::stream::Reader::new(std::sync::Arc::clone(streams.metrics()));
    let telemetry_exporter::stream::Piece::Data { data, .. } = reader.read(Default::default(), false) else {
        panic!("it is sealed")
    };
    assert!(String::from_utf8_lossy(&data).contains("flushed_global"));

    struct Held(Arc<AtomicBool>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let held = Held(Arc::clone(&dropped));
    let telemetry = Telemetry::builder().global().build().expect("valid");
    let hold = move |observer: &dyn AsyncInstrument<u64>| observer.observe(u64::from(held.0.load(Ordering::SeqCst)), &[]);
    let _holds = telemetry.meter("flush").u64_observable_gauge("holds_flag").with_callback(hold).build();
    let _made = global::meter("flush").u64_counter("made_in_second").build();
    drop(telemetry);
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_after_a_stop_counts_in_the_next_telemetry() {
    if !is_alone("what_is_made_after_a_stop_counts_in_the_next_telemetry", &[]) {
        return;
    }
    let stopped = start(config());
    stopped.stop().expect("a clean stop");
    let made = global::meter("between").u64_counter("made_between").build();
    made.add(5, &[]);
    let running = start(config());
    made.add(1, &[]);
    assert_eq!(number(&collected(&running).await, "made_between"), Some(6.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_global_leaves_the_global_provider_alone() {
    if !is_alone("one_that_is_not_global_leaves_the_global_provider_alone", &[]) {
        return;
    }
    let mut config = config();
    config.global = false;
    let running = start(config);
    global::meter("other").u64_counter("of_no_provider").build().add(1, &[]);
    assert_eq!(number(&collected(&running).await, "of_no_provider"), None);
}

/// The text attributes of the resource of a program that starts here.
async fn resource() -> impl Fn(&str) -> Option<String> {
    let running = start(config());
    let resource = collected(&running).await.resource.expect("a resource");
    move |key: &str| {
        let mut found = resource.attributes.iter().filter(|pair| pair.key == key);
        let value = found.next()?.value.as_ref()?.value.clone()?;
        assert!(found.next().is_none(), "{key} is there once");
        match value {
            any_value::Value::StringValue(text) => Some(text),
            other => panic!("{other:?} is no text"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_called_after_its_executable_where_nothing_names_it() {
    if !is_alone("the_service_is_called_after_its_executable_where_nothing_names_it", &[("OTEL_SERVICE_NAME", "")]) {
        return;
    }
    let resource = resource().await;
    let executable = std::env::current_exe().expect("this program");
    let name = executable.file_name().expect("a name").to_string_lossy().into_owned();
    assert_eq!(resource("service.name"), Some(format!("unknown_service:{name}")));
    assert_eq!(resource("telemetry.sdk.name").as_deref(), Some("opentelemetry"));
    assert_eq!(resource("telemetry.sdk.language").as_deref(), Some("rust"));
    assert!(resource("telemetry.sdk.version").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_tells_attributes_and_its_service_name_wins() {
    let attributes = "service.name=loses,deployment.environment.name=a%2Cb%3Dc, plain = text";
    let environment = [("OTEL_SERVICE_NAME", "wins"), ("OTEL_RESOURCE_ATTRIBUTES", attributes)];
    if !is_alone("the_environment_tells_attributes_and_its_service_name_wins", &environment) {
        return;
    }
    let resource = resource().await;
    assert_eq!(resource("service.name").as_deref(), Some("wins"));
    assert_eq!(resource("deployment.environment.name").as_deref(), Some("a,b=c"));
    assert_eq!(resource("plain").as_deref(), Some("text"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_attributes_of_the_environment_may_name_the_service() {
    let environment = [("OTEL_RESOURCE_ATTRIBUTES", "service.name=of%20attributes")];
    if !is_alone("the_attributes_of_the_environment_may_name_the_service", &environment) {
        return;
    }
    assert_eq!(resource().await("service.name").as_deref(), Some("of attributes"));
}
