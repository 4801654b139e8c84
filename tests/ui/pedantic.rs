//! A crate that denies what clippy warns of: most of this test is that `cargo clippy --all-targets` has nothing to say.

#![deny(warnings, clippy::all, clippy::pedantic, clippy::nursery)]
#![deny(missing_docs, missing_debug_implementations, unreachable_pub, unused_qualifications, clippy::missing_docs_in_private_items)]
#![forbid(unsafe_code)]

use telemetry_core::{Counter, Event, Histogram, Labels, Property, Registry, Rpc, RpcError, Snapshot};
use telemetry_core::{collector, event, metric, property, rpc, snapshot};

/// A const that is a name.
const NAME: &str = "pedantic_const";

/// An enum.
#[derive(Clone, Copy, Debug, Labels)]
enum Method {
    /// One.
    Get,
    /// Another, by a name of its own.
    #[label(name = "PUT")]
    Put,
}

/// A newtype.
#[derive(Clone, Debug, Labels)]
#[label(name = "pedantic.peer")]
struct Peer(String);

/// A set that borrows.
#[derive(Debug, Labels)]
struct Route<'a> {
    /// Static text.
    scheme: &'static str,
    /// Text.
    path: &'a str,
}

/// A set within a set.
#[derive(Debug, Labels)]
struct Call<'a> {
    /// An enum.
    method: Method,
    /// A truth.
    ok: bool,
    /// A number.
    code: u16,
    /// The set within.
    #[label(flatten)]
    route: Route<'a>,
}

/// A counter.
#[metric(name = "pedantic_counter", unit = "{call}")]
static COUNTER: Counter;

/// By a const.
#[metric(name = NAME, unit = concat!("m", "s"))]
static CONST: Counter<Method>;

/// With many labels.
#[metric(name = "pedantic_calls", max_series = 10)]
static CALLS: Counter<Call<'static>>;

/// With one label.
#[metric(name = "pedantic_peers")]
static PEERS: Counter<Peer>;

/// With bounds.
#[metric(name = "pedantic_seconds", unit = "s", bounds = [0.1, 1.0])]
static SECONDS: Histogram<Method>;

/// With an initialiser.
#[metric(name = "pedantic_initialised")]
static INITIALISED: Histogram = Histogram::new();

/// Observed.
#[metric(name = "pedantic_observed", kind = "up_down_counter")]
const fn observed() -> i64 {
    1
}

/// Observed with labels.
#[metric(name = "pedantic_observed_labels")]
fn observed_labels() -> Option<Vec<(Method, f64)>> {
    COUNTER.value().checked_sub(1).map(|_| vec![(Method::Get, 1.0)])
}

/// A constant.
#[property(name = "pedantic_constant")]
static CONSTANT: Property<&'static str> = Property::constant("constant");

/// Computed.
#[property(name = "pedantic_computed")]
fn computed() -> String {
    "computed".to_owned()
}

/// An event.
#[event(name = "pedantic_event")]
static EVENT: Event<u32>;

/// A snapshot.
#[snapshot(name = "pedantic_snapshot", every = "10s")]
static SNAPSHOT: Snapshot<u32>;

/// A snapshot of a function, at an interval that is a const expression.
#[snapshot(name = "pedantic_state", every = concat!("1", "h"))]
fn state() -> Vec<u32> {
    vec![1]
}

/// An rpc.
#[rpc(name = "pedantic_rpc")]
static RPC: Rpc<(u32, u32), u32>;

/// An rpc of a function.
#[rpc(name = "pedantic_call")]
fn call(number: u32) -> Result<u32, RpcError> {
    number.checked_add(1).ok_or_else(|| RpcError::failed("too many"))
}

/// An rpc of an async function.
#[rpc(name = "pedantic_async")]
async fn async_call() -> Result<u32, RpcError> {
    std::future::ready(Ok(1)).await
}

/// A collector.
#[collector]
fn collect() {
    COUNTER.inc();
}

#[test]
fn what_a_pedantic_crate_declares_is_declared() {
    COUNTER.inc();
    CONST.with(Method::Get).inc();
    CALLS.with(Call { method: Method::Put, ok: true, code: 200, route: Route { scheme: "http", path: "/" } }).inc();
    PEERS.with(Peer("a".to_owned())).inc();
    SECONDS.with(Method::Get).record(0.5);
    INITIALISED.record(1);
    EVENT.emit(&1);
    drop(SNAPSHOT.provide(|| 1));
    drop(RPC.serve(|(a, b)| async move { Ok(a + b) }));
    CONSTANT.set("other");
    let registry = Registry::new();
    for name in [NAME, "pedantic_calls", "pedantic_observed", "pedantic_computed", "pedantic_state", "pedantic_async"] {
        assert!(registry.find(name).is_some(), "{name}");
    }
}
