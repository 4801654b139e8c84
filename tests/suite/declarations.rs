//! What a macro makes of an item: a declaration with name, unit, description, scope and place, in every form.

use telemetry_core::{
    Access, Counter, Declaration, Event, Gauge, Histogram, Kind, MetricKind, Property, PropertySource as _, PropertyValue,
    Registry, Rpc, Snapshot, Value, event, metric, property, rpc, snapshot,
};

use crate::support::value;

/// Things that were counted,
/// on two lines.
#[metric(name = "decl_static", unit = "{thing}")]
static WITHOUT_INITIALISER: Counter;

/// With an initialiser.
#[metric(name = "decl_initialised")]
static WITH_INITIALISER: Gauge = Gauge::new();

const NAME: &str = concat!("decl_", "by_const");

/// Named by a const expression.
#[metric(name = NAME, unit = concat!("m", "s"), bounds = [1.0, 2.0])]
static BY_CONST: Histogram;

/// Observed.
#[metric(name = "decl_observed", unit = "By", kind = "counter")]
fn observed() -> u64 {
    7
}

/// Constant.
#[property(name = "decl_constant")]
static CONSTANT: Property<&'static str> = Property::constant("fixed");

/// Set at run time.
#[property(name = "decl_set", unit = "s")]
static SET: Property<i64>;

/// Computed.
#[property(name = "decl_computed")]
fn computed() -> f64 {
    0.5
}

/// An event.
#[event(name = "decl_event")]
static EVENT: Event<u32>;

/// A snapshot of provided state.
#[snapshot(name = "decl_snapshot", every = "10s")]
static SNAPSHOT: Snapshot<Vec<u32>>;

/// A snapshot of global state.
#[snapshot(name = "decl_snapshot_fn")]
fn snapshot_fn() -> &'static str {
    "state"
}

/// A served rpc.
#[rpc(name = "decl_rpc")]
static RPC: Rpc<u32, u32>;

/// An rpc by a function.
#[rpc(name = "decl_rpc_fn")]
async fn rpc_fn(number: u32) -> Result<u32, telemetry_core::RpcError> {
    Ok(number + 1)
}

#[test]
fn every_form_registers_itself_with_what_the_source_says() {
    let registry = Registry::new();
    for (name, unit, description, kind) in [
        ("decl_static", "{thing}", "Things that were counted, on two lines.", Kind::Metric(MetricKind::Counter)),
        ("decl_initialised", "", "With an initialiser.", Kind::Metric(MetricKind::Gauge)),
        ("decl_by_const", "ms", "Named by a const expression.", Kind::Metric(MetricKind::Histogram)),
        ("decl_observed", "By", "Observed.", Kind::Metric(MetricKind::Counter)),
        ("decl_constant", "", "Constant.", Kind::Property),
        ("decl_set", "s", "Set at run time.", Kind::Property),
        ("decl_computed", "", "Computed.", Kind::Property),
        ("decl_event", "", "An event.", Kind::Event),
        ("decl_snapshot", "", "A snapshot of provided state.", Kind::Snapshot { every: std::time::Duration::from_secs(10) }),
        ("decl_snapshot_fn", "", "A snapshot of global state.", Kind::Snapshot { every: std::time::Duration::from_secs(60) }),
        ("decl_rpc", "", "A served rpc.", Kind::Rpc),
        ("decl_rpc_fn", "", "An rpc by a function.", Kind::Rpc),
    ] {
        let entry = registry.find(name).unwrap_or_else(|| panic!("{name} is declared"));
        let declaration = entry.declaration();
        assert_eq!((declaration.name(), declaration.unit(), declaration.description()), (name, unit, description));
        assert_eq!(entry.kind(), kind, "{name}");
        assert_eq!((&*declaration.scope().name, &*declaration.scope().version), ("tests", env!("CARGO_PKG_VERSION")));
        let place = declaration.place().expect("made by a macro");
        assert!(place.file.ends_with("suite/declarations.rs") && place.line > 5, "{place}");
        assert_eq!(place.module, module_path!());
    }
}

/// For some.
#[property(name = "decl_restricted", access = "restricted")]
static RESTRICTED: Property<i64>;

/// For some, and computed.
#[property(name = "decl_restricted_fn", unit = concat!("", "s"), access = "restricted")]
fn restricted() -> i64 {
    1
}

/// For nobody, on demand.
#[event(name = "decl_disabled", access = "disabled", on_demand)]
static DISABLED: Event<u32>;

/// For all, whatever the program's settings say.
#[snapshot(name = "decl_public", access = "public")]
fn public() -> u32 {
    1
}

/// For some.
#[rpc(name = "decl_restricted_rpc", access = "restricted")]
fn restricted_rpc() -> Result<u32, telemetry_core::RpcError> {
    Ok(1)
}

#[test]
fn a_declaration_tells_who_may_read_or_call_it_where_it_says_so() {
    let telemetry = telemetry_core::Telemetry::builder().build().expect("valid");
    telemetry.property(Declaration::new("decl_runtime_disabled").with_access(Access::Disabled), || 1_i64).expect("declared");
    telemetry.property("decl_runtime_silent", || 1_i64).expect("declared");
    assert!(!DISABLED.is_on() && RESTRICTED.value().is_none());
    for (name, access, on_demand) in [
        ("decl_restricted", Some(Access::Restricted), false),
        ("decl_restricted_fn", Some(Access::Restricted), false),
        ("decl_disabled", Some(Access::Disabled), true),
        ("decl_public", Some(Access::Public), false),
        ("decl_restricted_rpc", Some(Access::Restricted), false),
        ("decl_rpc", None, false),
        ("decl_runtime_disabled", Some(Access::Disabled), false),
        ("decl_runtime_silent", None, false),
    ] {
        let entry = telemetry.registry().find(name).unwrap_or_else(|| panic!("{name} is declared"));
        assert_eq!((entry.declaration().access(), entry.declaration().is_on_demand()), (access, on_demand), "{name}");
    }
}

#[test]
fn a_name_is_found_without_regard_to_case_and_only_once() {
    let registry = Registry::new();
    assert!(registry.find("DECL_Static").is_some());
    registry.validate().expect("no name is declared twice in this program");
    let telemetry = telemetry_core::Telemetry::builder().build().expect("valid");
    let taken = telemetry.property("Decl_Static", || 1_i64).expect_err("it is taken").to_string();
    assert!(taken.contains("\"Decl_Static\" is declared twice") && taken.contains("suite/declarations.rs:"), "{taken}");
    let bad = telemetry.property("what?", || 1_i64).expect_err("a bad name").to_string();
    assert!(bad.contains("\"what?\": name contains '?' at position 4"), "{bad}");
}

#[test]
fn properties_have_the_value_and_the_type_that_was_declared() {
    let registry = Registry::new();
    let value = |name: &str| registry.find(name).and_then(|entry| entry.as_property().and_then(|property| property.value()));
    assert_eq!(value("decl_constant"), Some(PropertyValue::String("fixed".into())));
    assert_eq!(value("decl_computed"), Some(PropertyValue::F64(0.5)));
    SET.set(-3);
    assert_eq!(value("decl_set"), Some(PropertyValue::I64(-3)));
}

#[test]
fn a_snapshot_ends_with_its_provider() {
    let registry = Registry::new();
    let capture = |name: &str| registry.find(name).and_then(|entry| entry.as_snapshot().and_then(|source| source.capture()));
    assert_eq!(capture("decl_snapshot"), None);
    let first = SNAPSHOT.provide(|| vec![1]);
    let second = SNAPSHOT.provide(|| vec![2, 3]);
    drop(first); // it was replaced: its end does not end the second
    assert_eq!(capture("decl_snapshot"), Some(Ok(b"[2,3]".to_vec())));
    drop(second);
    assert_eq!(capture("decl_snapshot"), None);
    assert_eq!(capture("decl_snapshot_fn"), Some(Ok(b"\"state\"".to_vec())));
}

#[test]
fn both_forms_of_a_static_record() {
    WITHOUT_INITIALISER.inc();
    WITH_INITIALISER.set(-2);
    BY_CONST.record(1.5);
    assert_eq!(value("decl_static", &[]), Some(Value::U64(1)));
    assert_eq!(value("decl_initialised", &[]), Some(Value::I64(-2)));
    let Some(Value::Explicit(histogram)) = value("decl_by_const", &[]) else { panic!("it has bounds") };
    assert_eq!(histogram.counts, [0, 1, 0]);
}

#[tokio::test]
async fn an_rpc_is_served_until_its_guard_is_dropped() {
    let registry = Registry::new();
    let entry = registry.find("decl_rpc").expect("declared");
    let serving = RPC.serve(|number| async move { Ok(number * 2) });
    assert_eq!(entry.as_rpc().expect("an rpc").call(b"21").await, Ok(b"42".to_vec()));
    drop(serving);
    let error = entry.as_rpc().expect("an rpc").call(b"21").await.expect_err("nobody serves it");
    assert_eq!(error.code(), telemetry_core::RpcCode::Unavailable);
}

#[test]
fn the_name_of_the_metrics_stream_is_taken() {
    let telemetry = telemetry_core::Telemetry::builder().build().expect("valid");
    let error = telemetry.event::<u32>("Metrics").map(drop).expect_err("it is the metrics stream's").to_string();
    assert!(error.contains("\"Metrics\" at run time is the name of the stream of all metrics"), "{error}");
    EVENT.emit(&1);
}
