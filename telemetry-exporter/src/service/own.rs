//! What the service measures of itself.

use telemetry_core::{Counter, Labels, metric};

/// Why a request or a connection was refused.
#[derive(Clone, Copy, Labels)]
#[label(name = "cause")]
pub enum Refusal {
    /// The access settings do not allow it.
    Access,
    /// Too many connections.
    Connections,
    /// Too many rpcs.
    Rpcs,
    /// Too many readers of metrics.
    Readers,
    /// A bandwidth test that is switched off, too large, or too early.
    Bandwidth,
}

/// Requests and connections that were refused.
#[metric(name = "telemetry_requests_refused", unit = "{request}")]
static REFUSED: Counter<Refusal>;

/// Counts a refusal.
pub fn refused(cause: Refusal) {
    REFUSED.with(cause).inc();
}

/// Connections that were closed since their other end read nothing of what waited for it.
#[metric(name = "telemetry_connections_stalled", unit = "{connection}")]
static STALLED: Counter;

/// Counts such a connection.
pub fn stalled() {
    STALLED.inc();
}
