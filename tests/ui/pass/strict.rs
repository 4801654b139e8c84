//! No prelude, shadowed core and std, forbidden unsafe code, and every warning denied.
#![no_implicit_prelude]
#![forbid(unsafe_code)]
#![deny(missing_docs, warnings, unused, rust_2018_idioms, missing_debug_implementations, unreachable_pub)]
#![deny(unused_qualifications, trivial_casts, unused_results, elided_lifetimes_in_paths, let_underscore_drop, unnameable_types)]

/// Shadows.
pub mod core {}
/// Shadows.
pub mod std {}
/// Shadows.
pub mod linkme {}
/// Shadows.
pub mod alloc {}

use ::telemetry_core::{Counter, Event, Histogram, Labels, Property, Rpc, RpcError, Snapshot, collector, event, metric};
use ::telemetry_core::{property, rpc, snapshot};

/// A label.
#[derive(::std::fmt::Debug, Labels)]
pub enum Method {
    /// One.
    Get,
    /// Another.
    Put,
}

/// Labels that borrow.
#[derive(::std::fmt::Debug, Labels)]
pub struct Route<'text> {
    /// Told by its address.
    pub method: &'static ::core::primitive::str,
    /// Told by its address.
    pub scheme: &'static str,
    /// Told by what it says.
    pub path: &'text str,
    /// A newtype that borrows.
    pub host: Host<'text>,
}

/// A newtype that borrows.
#[derive(::std::fmt::Debug, Labels)]
pub struct Host<'text>(pub &'text str);

/// Requests.
#[metric(name = "strict_requests")]
pub static REQUESTS: Counter<Route<'static>>;

/// Labels.
#[derive(::std::fmt::Debug, Labels)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// How it ended.
    pub ok: bool,
}

/// A counter.
#[metric(name = "strict_counter", unit = "{call}")]
pub static COUNTER: Counter<Call>;

/// A histogram.
#[metric(name = "strict_histogram", unit = "s", bounds = [0.1, 1.0])]
pub static HISTOGRAM: Histogram;

/// Observed.
#[metric(name = "strict_observed")]
pub fn observed() -> i64 {
    1
}

/// A property.
#[property(name = "strict_property")]
pub static PROPERTY: Property<&'static str> = Property::constant("x");

/// A computed property.
#[property(name = "strict_computed")]
pub fn computed() -> bool {
    true
}

/// An event.
#[event(name = "strict_event")]
pub static EVENT: Event<u32>;

/// A snapshot.
#[snapshot(name = "strict_snapshot", every = "10s")]
pub static SNAPSHOT: Snapshot<u32>;

/// A snapshot by a function.
#[snapshot(name = "strict_snapshot_fn")]
pub fn state() -> u32 {
    1
}

/// An rpc.
#[rpc(name = "strict_rpc")]
pub static RPC: Rpc<u32, u32>;

/// An rpc by a function.
#[rpc(name = "strict_rpc_fn")]
pub async fn call(number: u32) -> ::std::result::Result<u32, RpcError> {
    ::std::result::Result::Ok(number)
}

/// A collector.
#[collector]
pub fn collect() {
    COUNTER.with(Call { method: Method::Get, ok: true }).inc();
}

fn main() {
    collect();
}
