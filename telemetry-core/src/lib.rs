//! Declare metrics, properties, events, snapshots and rpcs on statics and functions; they register themselves.
//!
//! ```
//! use telemetry_core::{Counter, metric};
//!
//! /// Requests answered.                      the doc comment is the description
//! #[metric(name = "doc_requests", unit = "{request}")]
//! static REQUESTS: Counter;
//!
//! REQUESTS.inc();
//! assert_eq!(REQUESTS.value(), 1);
//! ```
//!
//! Nobody calls a register function and nothing runs before `main`: the declarations of all crates that are linked into a program
//! are elements of one [linkme](https://docs.rs/linkme) slice. A dependency that no `use` names is not linked, and its declarations
//! are absent: `use dependency as _;` cures it.
//!
//! An instrumented library depends on this crate with `default-features = false`, without the OpenTelemetry SDK. A program adds
//! `telemetry-exporter` and starts it; what was recorded before is kept.
//!
//! The macros name this crate by the path `::telemetry_core`. A crate that depends on it by another name, as by
//! `telemetry = { package = "telemetry-core" }`, has `extern crate telemetry as telemetry_core;` in its root.

#![deny(unsafe_code)]
#![cfg_attr(not(feature = "otel"), allow(dead_code))] // declarations of run time are made through `Telemetry` alone

extern crate self as telemetry_core; // the macros' absolute paths hold in this crate too

#[doc(hidden)]
pub mod __private;

// In reading order: each imports from those above it only. The first two, `name` and `write`, are shared with the macros.
telemetry_macros::shared_modules!();
mod expand;
pub mod limits;
pub mod clock;
mod access;
pub mod meta;
mod declaration;
pub mod prometheus;
mod error;
mod label;
mod value;
#[allow(unsafe_code)]
mod cell;
#[allow(unsafe_code)]
mod row;
mod distribution;
#[allow(unsafe_code)]
mod thread;
mod frame;
#[allow(unsafe_code)] // three calls, in `family`
mod metric;
mod property;
mod snapshot;
mod call;
mod rpc;
mod schema;
mod turn;
mod switch;
mod entry;
#[doc(hidden)]
pub mod element;
pub mod callback;
mod hub;
mod json;
mod event;
#[doc(hidden)]
pub mod rivals;
mod validate;
mod registry;
pub mod collect;
#[cfg(feature = "otel")]
pub mod otel;
#[allow(unsafe_code)] // in this crate alone linkme's section attributes count as written here
mod own;
#[cfg(feature = "otel")]
mod telemetry;

#[doc(hidden)] // what the macros ask of a type, where the compiler's messages name it
pub use __private::{
    Answered, Asked, Captured, ComputedType, EventType, Metric, ObservedType, PropertyType, RpcType, SnapshotType,
};
pub use access::{Access, AccessError};
pub use call::{CallError, Caller, call};
pub use declaration::{Declaration, Kind, MetricKind, Place, Scope};
pub use entry::{Entry, EntryRef};
pub use error::{DeclareError, SwitchError};
pub use event::Event;
pub use hub::{Attachment, Outlet, Sink};
pub use label::{Label, LabelSet};
#[doc(hidden)]
pub use metric::Unlabelled;
pub use metric::{
    Counter, FloatCounter, FloatGauge, Gauge, Handle, Histogram, LabelValue, Labels, Observation, Recorder, Sample, Series, Timer,
    UpDownCounter,
};
#[doc(hidden)]
pub use property::Computed;
pub use property::{Property, PropertySource, PropertyValue};
pub use registry::Registry;
pub use rpc::{Answer, Rpc, RpcCode, RpcError, RpcSource, Serving};
pub use snapshot::{Provider, Snapshot, SnapshotSource};
pub use switch::SwitchedOn;
#[cfg(feature = "otel")]
pub use telemetry::{Telemetry, TelemetryBuilder};
pub use telemetry_macros::{Labels, collector, event, metric, property, rpc, snapshot};
pub use thread::Key;
pub use validate::METRICS_STREAM;
pub use value::{ExplicitValue, ExponentialValue, Point, Summary, Value};
