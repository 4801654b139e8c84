//! Where a reader stands in a log, and what the log answers.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

/// So many bytes into the data of that segment; the same before and after the segment is sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// The sequence number of the segment.
    pub sequence: u64,
    /// Bytes into its data.
    pub offset: u64,
}

/// As people and programs read it: `segment+offset`.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.sequence, self.offset)
    }
}

/// Why a reader cannot have what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Older than the window.
    Expired,
    /// Dropped to stay within the bytes of the stream, or of all streams.
    Dropped,
    /// Kept in a file, and not to be had from it.
    Lost,
}

/// What a log answers to a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// Whole messages of one segment.
    Data {
        /// Where they begin.
        from: Position,
        /// Where what follows begins.
        next: Position,
        /// The frames.
        data: Bytes,
    },
    /// What is not there any more.
    Gap {
        /// Where it begins.
        from: Position,
        /// The oldest that is held.
        to: Position,
        /// Messages that the log had taken before that: a reader that counts its own knows how many it missed.
        messages_before: u64,
        /// Why.
        reason: Reason,
    },
    /// Nothing more for now.
    End,
    /// The position is one that no reader was given.
    Beyond {
        /// The end of the log.
        end: Position,
    },
}

/// A sealed segment of an earlier life of the process, as a file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Its frames that are there, one after the other.
    pub data: Bytes,
    /// Messages that are there.
    pub messages: u64,
    /// Messages that the stream had taken before it.
    pub first_number: u64,
    /// The time of its first message.
    pub first_time_ns: u64,
    /// How long ago its last message came.
    pub age: Duration,
    /// What is missing, in order.
    pub holes: Vec<Hole>,
}

/// Messages of a segment that are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Where they would begin, in bytes.
    pub from: u64,
    /// Where the next message is; none where nothing more of the segment is there.
    pub to: Option<u64>,
    /// Bytes of the segment that are there before it.
    pub held: usize,
    /// Messages that the stream had taken before the next one that is there.
    pub messages_before: u64,
    /// Why.
    pub reason: Reason,
}

/// A message that is larger than the stream allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its bytes.
    pub bytes: usize,
    /// The bytes that are allowed.
    pub bytes_max: usize,
}

/// Messages and bytes of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The oldest segment that is held.
    pub first_sequence: u64,
    /// The segment that is being filled.
    pub head_sequence: u64,
    /// Messages taken in.
    pub appended: u64,
    /// Messages held.
    pub kept: u64,
    /// Messages that expired or were dropped.
    pub dropped: u64,
    /// Messages that were too large.
    pub rejected: u64,
    /// Bytes held, with their framing.
    pub bytes: usize,
}
