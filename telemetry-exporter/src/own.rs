//! What the service measures of itself: which requests and connections it took, which not, and why.

use telemetry_core::{Counter, Gauge, Labels, metric};

/// Why a request or a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Labels)]
#[label(name = "cause")]
pub enum Refusal {
    /// The telemetry, or what was asked for, is disabled.
    Disabled,
    /// What was asked for is restricted, and no credential came.
    NoCredential,
    /// The token is none of those that are taken.
    WrongToken,
    /// The token was taken until a time that is past.
    ExpiredToken,
    /// The peer is not on the list, or nothing that this transport shows would be.
    NotListed,
    /// It may be a web page that asks, which a browser of somebody who may shows.
    Page,
    /// More requests in a second than one client may send.
    Rate,
    /// More bytes than a request may have.
    Size,
    /// It did not come whole in time.
    Late,
    /// Too many connections.
    Connections,
    /// Too many rpcs.
    Rpcs,
    /// Too many readers of metrics.
    Readers,
    /// Too many leases.
    Leases,
    /// A bandwidth test that is switched off, too large, too early, or one of too many.
    Bandwidth,
}

/// Requests and connections that were refused.
#[metric(name = "telemetry_requests_refused", unit = "{request}")]
static REFUSED: Counter<Refusal>;

/// Counts a refusal.
pub fn refused(cause: Refusal) {
    REFUSED.with(cause).inc();
}

/// By what a request was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Labels)]
#[label(name = "by")]
pub enum Allowance {
    /// It is for all.
    Public,
    /// It comes from this machine.
    Local,
    /// The peer is on the list.
    Peer,
    /// The certificate is one of those that are taken.
    Certificate,
    /// The token is.
    Token,
}

/// Requests that were allowed.
#[metric(name = "telemetry_requests_allowed", unit = "{request}")]
static ALLOWED: Counter<Allowance>;

/// Counts an allowed request.
pub fn allowed(by: Allowance) {
    ALLOWED.with(by).inc();
}

/// Leases that clients hold.
#[metric(name = "telemetry_leases", unit = "{lease}")]
pub static LEASES: Gauge;

/// Why the service ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Labels)]
#[label(name = "cause")]
pub enum Ending {
    /// Its first words, or the head of a request, did not come in time, or made room for those of others.
    Handshake,
    /// TLS did not come about.
    Tls,
    /// What came is not as the protocol has it, or is a flood.
    Protocol,
    /// It asked nothing for too long, or made room for another.
    Idle,
    /// Its other end read nothing of what waited for it.
    Stalled,
    /// Its other end read the slowest, when too many bytes waited for all.
    Slow,
}

/// Connections that the service ended.
#[metric(name = "telemetry_connections_ended", unit = "{connection}")]
static ENDED: Counter<Ending>;

/// Counts a connection that is ended.
pub fn ended(cause: Ending) {
    ENDED.with(cause).inc();
}

/// Whether a change of certificates and tokens was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Labels)]
#[label(name = "outcome")]
pub enum Reload {
    /// It was.
    Taken,
    /// It cannot be read: what was before holds.
    Failed,
}

/// Changes of files of certificates and tokens.
#[metric(name = "telemetry_credentials_reloaded", unit = "{reload}")]
static RELOADED: Counter<Reload>;

/// Counts a change.
pub fn reloaded(outcome: Reload) {
    RELOADED.with(outcome).inc();
}
