//! Pulling a stream: messages, gaps, and the news that the program restarted.

use tonic::Streaming;

use super::error::ClientError;
use super::place::Place;
use crate::pb::{self, pull_response};
use crate::stream::{Position, frames};

/// What a pull wants beside the sealed segments.
#[derive(Clone, Copy, Debug, Default)]
pub struct PullOptions {
    /// Also what is not sealed yet.
    pub head: bool,
    /// Do not end: wait for what comes.
    pub follow: bool,
}

/// One message of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When it was written, in Unix nanoseconds.
    pub time_ns: u64,
    /// A serialised `ResourceMetrics`, or JSON.
    pub payload: Vec<u8>,
}

/// Why messages are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapReason {
    /// They were older than the stream's window.
    Expired,
    /// They were dropped to stay within the stream's bytes.
    Dropped,
    /// The program started anew: what it had not sent is gone, and the streams begin afresh.
    Restarted,
    /// They were kept in a file of the program, and are not to be had from it.
    Lost,
}

impl GapReason {
    /// The word that people read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Dropped => "dropped",
            Self::Restarted => "restarted",
            Self::Lost => "lost",
        }
    }
}

/// What came of a pull. [`keep`](Self::keep) it when it is dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pulled {
    /// Whole messages, in order.
    Messages {
        /// The stream.
        stream: String,
        /// The life of the process that they are of.
        session: String,
        /// Where they begin.
        from: Position,
        /// Where what follows begins.
        next: Position,
        /// The messages.
        messages: Vec<Message>,
    },
    /// What was asked for and will not come.
    Gap {
        /// The stream.
        stream: String,
        /// The life of the process from here on.
        session: String,
        /// Where it begins.
        from: Position,
        /// Where the stream goes on.
        to: Position,
        /// Messages that the stream had taken before `to`, in its life of the process: who counts its own knows how many it missed.
        messages_before: u64,
        /// Why.
        reason: GapReason,
    },
}

impl Pulled {
    /// Moves the place behind this.
    ///
    /// After a restart the positions of all streams are of a life that is over: they begin afresh.
    pub fn keep(&self, place: &mut Place) {
        let (Self::Messages { stream, session, next, .. } | Self::Gap { stream, session, to: next, .. }) = self;
        if place.session != *session {
            // From the first byte of the new life on, so that what it has dropped by now shows as a gap.
            place.streams.values_mut().for_each(|at| *at = Position::default());
            place.session.clone_from(session);
        }
        place.streams.insert(stream.clone(), *next);
    }
}

/// A pull under way.
pub struct Pull {
    stream: String,
    answers: Streaming<pb::PullResponse>,
}

pub(super) fn request(stream: &str, place: &Place, options: PullOptions) -> pb::PullRequest {
    let from = place.streams.get(stream).map(|at| pb::Position { sequence: at.sequence, offset: at.offset });
    let PullOptions { head, follow } = options;
    pb::PullRequest { stream: stream.to_owned(), session: place.session.clone(), from, head, follow, latest: false }
}

impl Pull {
    pub(super) fn new(stream: &str, answers: Streaming<pb::PullResponse>) -> Self {
        Self { stream: stream.to_owned(), answers }
    }

    /// What comes next; none at the end.
    ///
    /// # Errors
    /// A connection that broke, or what the server answered.
    pub async fn next(&mut self) -> Result<Option<Pulled>, ClientError> {
        let Some(answer) = self.answers.message().await? else { return Ok(None) };
        let item = answer.item.ok_or_else(|| ClientError::Protocol("an answer that is neither data nor a gap".to_owned()))?;
        let stream = self.stream.clone();
        Ok(Some(match item {
            pull_response::Item::Chunk(pb::Chunk { session, from, next, data }) => {
                let messages = messages(&data)?;
                Pulled::Messages { stream, session, from: position(from), next: position(next), messages }
            }
            pull_response::Item::Gap(gap) => {
                let reason = match gap.reason() {
                    pb::GapReason::Expired => GapReason::Expired,
                    pb::GapReason::Restarted => GapReason::Restarted,
                    pb::GapReason::Lost => GapReason::Lost,
                    _ => GapReason::Dropped,
                };
                let (from, to) = (position(gap.from), position(gap.to));
                Pulled::Gap { stream, session: gap.session, from, to, messages_before: gap.messages_before, reason }
            }
        }))
    }
}

fn messages(data: &[u8]) -> Result<Vec<Message>, ClientError> {
    let message = |frame: crate::stream::Frame<'_>| Message { time_ns: frame.time_ns, payload: frame.payload.to_vec() };
    let messages: Result<_, _> = frames(data).map(|frame| frame.map(message)).collect();
    messages.map_err(|error| ClientError::Protocol(error.to_string()))
}

fn position(position: Option<pb::Position>) -> Position {
    position.map(|position| Position { sequence: position.sequence, offset: position.offset }).unwrap_or_default()
}
