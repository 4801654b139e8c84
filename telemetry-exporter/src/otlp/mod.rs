//! OTLP of one collection: the registry's own metrics from a template, and beside them what the OpenTelemetry SDK collected.

// In reading order.
mod wire;
mod exponential;
mod plain;
mod split;
mod template;
mod build;
mod encoder;

pub use encoder::Encoder;
pub use plain::{metrics, scope};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_sdk::metrics::data;

/// What the SDK collected.
pub fn from_sdk(metrics: &data::ResourceMetrics) -> ResourceMetrics {
    let mut request = ExportMetricsServiceRequest::from(metrics);
    request.resource_metrics.pop().unwrap_or_default() // the transform makes exactly one
}
