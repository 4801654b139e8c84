//! Metrics as people and programs look at them: one row a metric, read from the `ResourceMetrics` of the metrics stream.

use super::error::ClientError;
use super::pull::Message;
use crate::json::metrics::views;
pub use crate::json::metrics::{MetricView, PointView};

/// Reads one message of the metrics stream.
///
/// # Errors
/// A payload that is no `ResourceMetrics`.
pub fn metrics(message: &Message) -> Result<Vec<MetricView>, ClientError> {
    views(message.time_ns, &message.payload)
        .map_err(|error| ClientError::Protocol(format!("a message of the metrics stream: {error}")))
}
