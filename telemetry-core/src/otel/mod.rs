//! What stands between this library and the OpenTelemetry SDK. OpenTelemetry types appear here, in `telemetry`, and nowhere else.
//!
//! A program needs [`install`] alone of this.

// In reading order.
mod measured;
mod observe;
mod guard;
mod views;
mod resource;
mod exemplars;
mod bridge;
mod delegate;
mod global;

pub use bridge::is_bridged;
pub(crate) use bridge::{Bridge, unbridged};
pub(crate) use exemplars::follow_spans;
pub use global::{Global, install};
pub(crate) use global::{set, unset};
pub(crate) use guard::guarded_meter;
pub(crate) use observe::Observables;
pub(crate) use resource::{extended, from_environment};
pub(crate) use views::{OwnLimit, Views};
