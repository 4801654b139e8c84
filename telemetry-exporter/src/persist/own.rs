//! What keeping in files measures of itself.

use telemetry_core::{Counter, Gauge, Labels, metric};

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Labels)]
#[label(name = "operation")]
pub enum Operation {
    /// Beginning a session or a file.
    Begin,
    /// Writing or syncing.
    Write,
    /// Removing an old file.
    Remove,
    /// Reading earlier sessions.
    Read,
}

#[derive(Labels)]
struct StreamLabel {
    stream: String,
}

/// Messages that were written to a file and synced.
#[metric(name = "telemetry_disk_messages_kept", unit = "{message}")]
static MESSAGES_KEPT: Counter;

/// Messages that fell out of their stream before they were in a file.
#[metric(name = "telemetry_disk_messages_missed", unit = "{message}")]
static MESSAGES_MISSED: Counter<StreamLabel>;

/// Operations of the disk that failed. The streams go on in memory, and it is tried again.
#[metric(name = "telemetry_disk_failures", unit = "{failure}")]
static FAILURES: Counter<Operation>;

/// Emissions that returned before their record was synced, though they were to wait for it: the disk failed, or took too long.
#[metric(name = "telemetry_disk_waits_ended", unit = "{event}")]
static WAITS_ENDED: Counter;

/// Files that were removed to stay within the bytes of all files.
#[metric(name = "telemetry_disk_files_removed", unit = "{file}")]
static FILES_REMOVED: Counter;

/// Bytes of all files.
#[metric(name = "telemetry_disk_size", unit = "By")]
static SIZE: Gauge;

pub fn kept(messages: u64) {
    MESSAGES_KEPT.add(messages);
}

pub fn missed(stream: &str, messages: u64) {
    MESSAGES_MISSED.with(StreamLabel { stream: stream.to_owned() }).add(messages);
}

pub fn failed(operation: Operation) {
    FAILURES.with(operation).inc();
}

pub fn wait_ended() {
    WAITS_ENDED.inc();
}

pub fn removed() {
    FILES_REMOVED.inc();
}

pub fn size(bytes: u64) {
    SIZE.set(i64::try_from(bytes).unwrap_or(i64::MAX));
}
