//! What pushing measures of itself.

use telemetry_core::{Counter, Labels, metric};

/// What is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Labels)]
#[label(name = "signal")]
pub enum Signal {
    /// The stream of metrics.
    Metrics,
    /// Those of events, as log records.
    Logs,
}

impl Signal {
    /// The word in paths and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

/// Why a message did not reach a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Labels)]
pub enum Loss {
    /// It was older than its stream's window before it could be sent.
    Expired,
    /// Its stream had no room for it any more before it could be sent.
    Dropped,
    /// The collector refused it for good.
    Refused,
    /// It could not be read.
    Unreadable,
    /// It was left when the telemetry stopped.
    Stopped,
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Labels)]
pub enum Failure {
    /// There was no connection, or it broke.
    Unreachable,
    /// There was no answer in time.
    Late,
    /// The collector cannot take it for now.
    Busy,
    /// The collector refused it for good.
    Refused,
}

#[derive(Labels)]
struct Lost {
    signal: Signal,
    cause: Loss,
}

#[derive(Labels)]
struct Failed {
    signal: Signal,
    cause: Failure,
}

/// Messages that a collector has taken.
#[metric(name = "telemetry_push_messages_sent", unit = "{message}")]
static MESSAGES_SENT: Counter<Signal>;

/// Messages that no collector has taken, and that are not sent any more.
#[metric(name = "telemetry_push_messages_dropped", unit = "{message}")]
static MESSAGES_DROPPED: Counter<Lost>;

/// Data points and log records that a collector rejected of requests that it took.
#[metric(name = "telemetry_push_items_rejected", unit = "{item}")]
static ITEMS_REJECTED: Counter<Signal>;

/// Requests to collectors that failed. All but the refused are sent again.
#[metric(name = "telemetry_push_requests_failed", unit = "{request}")]
static REQUESTS_FAILED: Counter<Failed>;

/// Points that a pusher of deltas left out, since it remembers as many series as it may.
#[metric(name = "telemetry_push_points_dropped", unit = "{point}")]
static POINTS_DROPPED: Counter;

/// Counts messages that a collector has taken.
pub fn sent(signal: Signal, messages: u64) {
    MESSAGES_SENT.with(signal).add(messages);
}

/// Counts messages that are lost to a collector.
pub fn dropped(signal: Signal, cause: Loss, messages: u64) {
    MESSAGES_DROPPED.with(Lost { signal, cause }).add(messages);
}

/// Counts items that were rejected.
pub fn rejected(signal: Signal, items: u64) {
    ITEMS_REJECTED.with(signal).add(items);
}

/// Counts a request that failed.
pub fn failed(signal: Signal, cause: Failure) {
    REQUESTS_FAILED.with(Failed { signal, cause }).inc();
}

/// Counts points that were left out.
pub fn points_dropped(points: u64) {
    POINTS_DROPPED.add(points);
}
