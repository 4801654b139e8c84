//! Streams: bounded, ordered logs of timestamped messages, read in segments by sequence number.
//!
//! Invariant: `kept + dropped == appended` for each stream at every moment, and a reader is told what it cannot have any more.
//! Not here: what a message means (`otlp`, the user's JSON), how it travels (`service`).

mod frame;
mod piece;
#[doc(hidden)]
pub mod disk;
mod log;
mod options;
mod set;

pub use frame::{FRAME_HEAD_BYTES, Frame, FrameError, frames};
pub use log::Log;
pub use options::StreamOptions;
pub use piece::{Piece, Position, Reason, Rejected, State};
pub use set::{METRICS, NamedLog, StreamKind, Streams};
