//! Messages of the metrics stream in few bytes: what changed since the message before, of a template that says the rest once.
//!
//! A template is a serialised `ResourceMetrics` with nothing in the places of its times and values, and where these are. A compact
//! message names its template and says which values changed, and by how much. It is read against the one before it in its segment, so
//! each segment is read by itself. What comes out is byte for byte what went in: this knows where times and numbers are, and not what
//! they mean. FORMAT.md lists every byte.
//!
//! Not here: how templates come to be (`otlp`), where compact messages and templates are kept (`stream`).

// In reading order.
mod input;
mod cells;
mod patch;
mod template;
mod write;
mod restore;

pub use cells::Kind;
pub(crate) use input::Input;
pub use input::Malformed;
pub use restore::{Head, Restored, Restorer};
pub use template::{Cell, Metric, Scope, Template};
pub use write::{Lane, Source};
