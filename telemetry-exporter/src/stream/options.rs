//! The bounds of a stream.

use std::time::Duration;

use crate::limits;

/// The bounds of one stream.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// How long messages are kept.
    pub window: Duration,
    /// Bytes of sealed segments and the head together.
    pub bytes_max: usize,
    /// Bytes after which a segment is sealed.
    pub segment_bytes: usize,
    /// The time after which a segment is sealed at the latest.
    pub seal_after: Duration,
    /// Bytes of one message.
    pub message_bytes_max: usize,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            window: limits::WINDOW,
            bytes_max: limits::STREAM_BYTES_MAX,
            segment_bytes: limits::SEGMENT_BYTES,
            seal_after: limits::SEAL_AFTER,
            message_bytes_max: limits::MESSAGE_BYTES_MAX,
        }
    }
}
