//! The limits of serving, as a program may set them.

use std::time::Duration;

use telemetry_core::limits::CALLBACK_DEADLINE;

use crate::limits;

/// What a frame of HTTP/2 may be said to have at most (RFC 9113, section 4.2).
const FRAME_BYTES: std::ops::RangeInclusive<u32> = 1 << 14..=(1 << 24) - 1;

/// What clients may take of the service, each and all together.
///
/// What a limit refuses is counted in `telemetry_requests_refused`, connections that one ends in `telemetry_connections_ended`, each by its cause.
///
/// ```
/// use telemetry_exporter::{Config, Limits};
///
/// let config = Config { limits: Limits { connections: 256, ..Limits::default() }, ..Config::default() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time, on all transports together: [`CONNECTIONS_MAX`](limits::CONNECTIONS_MAX). Where all are taken, one that asks nothing or does
    /// not take what it asked for makes room, or one of a [`CROWD`](limits::CROWD).
    pub connections: usize,
    /// Connections at a time of one client: [`CONNECTIONS_PER_CLIENT_MAX`](limits::CONNECTIONS_PER_CLIENT_MAX).
    ///
    /// A client is an IP address, of version 6 with those that have the same first 64 bits, or a libp2p peer, or all who come over a Unix socket.
    pub connections_per_client: usize,
    /// Connections at a time that have not said yet what they speak: [`CONNECTIONS_WAITING_MAX`](limits::CONNECTIONS_WAITING_MAX). The oldest of the client
    /// that has most of them makes room.
    pub connections_waiting: usize,
    /// How long TLS and the first words of a connection may take, and the head of an HTTP/1 request:
    /// [`HANDSHAKE_DEADLINE`](limits::HANDSHAKE_DEADLINE).
    pub handshake_deadline: Duration,
    /// How long a connection may ask nothing: [`IDLE_DEADLINE`](limits::IDLE_DEADLINE).
    pub idle_deadline: Duration,
    /// How long what waits to be read may wait without progress: [`PROGRESS_DEADLINE`](limits::PROGRESS_DEADLINE).
    pub progress_deadline: Duration,
    /// Requests at a time on one connection: [`STREAMS_PER_CONNECTION_MAX`](limits::STREAMS_PER_CONNECTION_MAX). A further one waits, as HTTP/2 has it.
    pub requests_per_connection: u32,
    /// Requests a second of one client, on the average: [`REQUESTS_PER_SECOND_MAX`](limits::REQUESTS_PER_SECOND_MAX). So many more may come at once.
    pub requests_per_second: u32,
    /// Bytes of one request: [`REQUEST_BYTES_MAX`](limits::REQUEST_BYTES_MAX).
    pub request_bytes: usize,
    /// Bytes of one frame of HTTP/2, and of the head of an HTTP/1 request: [`FRAME_BYTES_MAX`](limits::FRAME_BYTES_MAX). HTTP/2 has it that they are 16,384 at least.
    pub frame_bytes: u32,
    /// Bytes of answers that wait to be read, and of requests that are not whole, of all clients together: [`HELD_BYTES_MAX`](limits::HELD_BYTES_MAX). The connections
    /// that are the slowest are ended beyond it; answers of at most [`ANSWER_BYTES_SMALL`](limits::ANSWER_BYTES_SMALL) bytes are sent all the same.
    pub held_bytes: usize,
    /// Requests at a time that read metrics: [`METRICS_READERS_MAX`](limits::METRICS_READERS_MAX).
    pub metrics_readers: usize,
    /// The same of one client: [`METRICS_READERS_PER_CLIENT_MAX`](limits::METRICS_READERS_PER_CLIENT_MAX).
    pub metrics_readers_per_client: usize,
    /// How long one property may take: [`CALLBACK_DEADLINE`].
    pub property_deadline: Duration,
    /// How long one rpc may take: [`RPC_DEADLINE`](limits::RPC_DEADLINE).
    pub rpc_deadline: Duration,
    /// Rpcs at a time: [`RPCS_MAX`](limits::RPCS_MAX).
    pub rpcs: usize,
    /// Calls of one rpc at a time: [`RPC_CALLS_MAX`](limits::RPC_CALLS_MAX).
    pub rpc_calls: usize,
    /// Leases at a time: [`LEASES_MAX`](limits::LEASES_MAX).
    pub leases: usize,
    /// Leases at a time of one client: [`LEASES_PER_CLIENT_MAX`](limits::LEASES_PER_CLIENT_MAX).
    pub leases_per_client: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: limits::CONNECTIONS_MAX,
            connections_per_client: limits::CONNECTIONS_PER_CLIENT_MAX,
            connections_waiting: limits::CONNECTIONS_WAITING_MAX,
            handshake_deadline: limits::HANDSHAKE_DEADLINE,
            idle_deadline: limits::IDLE_DEADLINE,
            progress_deadline: limits::PROGRESS_DEADLINE,
            requests_per_connection: limits::STREAMS_PER_CONNECTION_MAX,
            requests_per_second: limits::REQUESTS_PER_SECOND_MAX,
            request_bytes: limits::REQUEST_BYTES_MAX,
            frame_bytes: limits::FRAME_BYTES_MAX,
            held_bytes: limits::HELD_BYTES_MAX,
            metrics_readers: limits::METRICS_READERS_MAX,
            metrics_readers_per_client: limits::METRICS_READERS_PER_CLIENT_MAX,
            property_deadline: CALLBACK_DEADLINE,
            rpc_deadline: limits::RPC_DEADLINE,
            rpcs: limits::RPCS_MAX,
            rpc_calls: limits::RPC_CALLS_MAX,
            leases: limits::LEASES_MAX,
            leases_per_client: limits::LEASES_PER_CLIENT_MAX,
        }
    }
}

impl Limits {
    /// # Errors
    /// The first setting that cannot be, with what is wanted.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let numbers = [
            ("connections", self.connections),
            ("connections_per_client", self.connections_per_client),
            ("connections_waiting", self.connections_waiting),
            ("requests_per_connection", self.requests_per_connection as usize),
            ("requests_per_second", self.requests_per_second as usize),
            ("request_bytes", self.request_bytes),
            ("held_bytes", self.held_bytes),
            ("metrics_readers", self.metrics_readers),
            ("metrics_readers_per_client", self.metrics_readers_per_client),
            ("rpcs", self.rpcs),
            ("rpc_calls", self.rpc_calls),
            ("leases", self.leases),
            ("leases_per_client", self.leases_per_client),
        ];
        let times = [
            ("handshake_deadline", self.handshake_deadline),
            ("idle_deadline", self.idle_deadline),
            ("progress_deadline", self.progress_deadline),
            ("property_deadline", self.property_deadline),
            ("rpc_deadline", self.rpc_deadline),
        ];
        if let Some((name, _)) = numbers.into_iter().find(|(_, number)| *number == 0) {
            return Err(format!("{name} is 0: wanted 1 or more"));
        }
        if !FRAME_BYTES.contains(&self.frame_bytes) {
            return Err(format!("frame_bytes is {}: wanted {} to {}", self.frame_bytes, FRAME_BYTES.start(), FRAME_BYTES.end()));
        }
        match times.into_iter().find(|(_, time)| time.is_zero() || *time > limits::DEADLINE_MAX) {
            Some((name, time)) => {
                Err(format!("{name} is {time:?}: wanted a time above zero, and at most {:?}", limits::DEADLINE_MAX))
            }
            None => Ok(()),
        }
    }
}
