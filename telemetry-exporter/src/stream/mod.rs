//! Streams: bounded, ordered logs of timestamped messages, read in segments by sequence number.
//!
//! Invariant: `kept + dropped == appended` for each stream at every moment, and a reader is told what it cannot have any more.
//! Not here: what a message means (`otlp`, the user's JSON), how it travels (`service`).

mod frame;
mod piece;
mod token;
#[doc(hidden)]
pub mod disk;
mod options;
mod losses;
mod find;
mod segment;
mod head;
mod templates;
mod thinning;
mod resting;
mod log;
mod named;
mod reader;
mod thinned;
mod set;

pub(crate) use frame::frame_of;
pub use frame::{FRAME_HEAD_BYTES, Frame, FrameError, frames};
pub use log::{Batch, Log};
pub use named::{Lanes, Life, METRICS, Message, NamedLog, Plain, StreamKind};
pub use options::{Bounds, StreamBounds, StreamOptions};
pub use piece::{Hole, Piece, Position, Reason, Rejected, Restored, State};
pub use reader::{Reader, Walked, payloads};
pub use set::Streams;
pub(crate) use templates::Templates;
pub use thinned::Thinned;
pub use token::{Token, TokenError};
