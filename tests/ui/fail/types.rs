//! An item of a type, or a function of a return type, that is not what the attribute declares.

use telemetry_core::{Counter, Event, Gauge, Property, Rpc, RpcError, Snapshot, event, metric, property, rpc, snapshot};

/// Neither serialises nor deserialises.
pub struct Opaque;

/// .
#[metric(name = "types.metric.number")]
static NUMBER: u32;

/// .
#[metric(name = "types.metric.initialised")]
static INITIALISED: u32 = 7;

/// .
#[metric(name = "types.metric.event")]
static EVENT_AS_METRIC: Event<u32>;

/// .
#[metric(name = "types.metric.bounds", bounds = [1.0])]
static BOUNDED: std::sync::Mutex<u32>;

/// .
#[metric(name = "types.metric.wrong_initialiser")]
static WRONG_INITIALISER: Counter = Gauge::new();

/// .
#[metric(name = "types.metric.text")]
fn observed() -> String {
    String::new()
}

/// .
#[metric(name = "types.metric.nothing")]
fn nothing() {}

/// .
#[event(name = "types.event.opaque")]
static OPAQUE_EVENT: Event<Opaque>;

/// .
#[event(name = "types.event.counter")]
static COUNTER_AS_EVENT: Counter;

/// .
#[snapshot(name = "types.snapshot.opaque")]
static OPAQUE_SNAPSHOT: Snapshot<Opaque>;

/// .
#[snapshot(name = "types.snapshot.number")]
static NUMBER_AS_SNAPSHOT: u32;

/// .
#[snapshot(name = "types.snapshot.opaque_function")]
fn opaque() -> Opaque {
    Opaque
}

/// .
#[property(name = "types.property.opaque")]
static OPAQUE_PROPERTY: Property<Opaque>;

/// .
#[property(name = "types.property.text")]
static TEXT_AS_PROPERTY: &'static str = "text";

/// .
#[property(name = "types.property.opaque_function")]
fn opaque_property() -> Vec<Opaque> {
    Vec::new()
}

/// .
#[rpc(name = "types.rpc.request")]
static OPAQUE_REQUEST: Rpc<Opaque, u32>;

/// .
#[rpc(name = "types.rpc.response")]
static OPAQUE_RESPONSE: Rpc<u32, Opaque>;

/// .
#[rpc(name = "types.rpc.counter")]
static COUNTER_AS_RPC: Counter;

/// .
#[rpc(name = "types.rpc.function.request")]
fn opaque_request(_: Opaque) -> Result<u32, RpcError> {
    Ok(1)
}

/// .
#[rpc(name = "types.rpc.function.response")]
async fn opaque_response(_: u32) -> Result<Opaque, RpcError> {
    Ok(Opaque)
}

/// .
#[rpc(name = "types.rpc.function.no_result")]
fn no_result() -> u32 {
    1
}

/// .
#[rpc(name = "types.rpc.function.other_error")]
async fn other_error() -> Result<u32, std::io::Error> {
    Ok(1)
}

/// .
#[rpc(name = "types.rpc.function.not_send")]
async fn not_send() -> Result<u32, RpcError> {
    let local = std::rc::Rc::new(1);
    std::future::ready(()).await;
    Ok(*local)
}

fn main() {
    let _ = (&NUMBER, &OPAQUE_EVENT, &NUMBER_AS_SNAPSHOT, &COUNTER_AS_RPC, observed());
}
