//! Pushing to collectors: what the streams hold, as OTLP over gRPC or HTTP.
//!
//! Invariant: the streams are the queue. A pusher stands at a position of a stream, and moves on only when the collector has taken what
//! lies before, or refused it for good; an outage is bridged by what the streams hold. What falls out of them before, what is refused
//! and what is left at the end is counted in `telemetry_push_messages_dropped`.
//!
//! A request whose answer was lost is sent again. That harms no cumulative point, which says the same twice; a delta or an event may
//! arrive twice then, with the same times.
//!
//! Not here: what is collected (`export`), how long it is kept (`stream`).

mod settings;
mod environment;
mod own;
mod state;
mod answer;
mod rpc_status;
mod backoff;
mod cursor;
mod delta;
mod body;
mod compress;
mod source;
mod metrics;
mod value;
mod events;
#[cfg(feature = "tls")]
mod tls;
mod grpc;
mod http;
mod pusher;

pub(crate) use environment::{Environment, Variables};
pub(crate) use pusher::Pushers;
pub use settings::{Compression, Protocol, Push, Temporality, Tls};
pub use state::PushState;
