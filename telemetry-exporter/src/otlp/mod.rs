//! OTLP of one collection: the registry's own metrics from a template, and beside them what the OpenTelemetry SDK collected.

// In reading order.
mod exemplar;
mod exponential;
mod plain;
mod split;
mod changing;
mod template;
mod build;
mod compacted;
mod encoder;

pub use encoder::Encoder;
pub use plain::{metrics, scope};
pub use template::Part;
