//! Events about the way to peers: pings, and routes ([`traceroute`]).

pub mod traceroute;

use libp2p::ping;
use schemars::JsonSchema;
use serde::Serialize;
use telemetry_core::{Event, event};

/// A ping to a peer: its round-trip time, or why there is none.
#[event(name = "libp2p_misc_ping")]
static PINGS: Event<Ping>;

#[derive(Debug, JsonSchema, Serialize)]
struct Ping {
    peer: String,
    /// Microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Emits what became of a ping.
pub fn pinged(event: &ping::Event) {
    if matches!(event.result, Err(ping::Failure::Unsupported)) {
        return; // a client of the telemetry is no node
    }
    PINGS.emit(&Ping {
        peer: event.peer.to_string(),
        rtt_us: event.result.as_ref().ok().map(|rtt| rtt.as_micros() as u64),
        error: event.result.as_ref().err().map(ToString::to_string),
    });
}
