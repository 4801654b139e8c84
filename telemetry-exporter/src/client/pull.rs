//! Pulling a stream: messages, gaps, and the news that the program restarted.

use std::time::Duration;

use tonic::Streaming;

use super::error::ClientError;
use super::place::{Mark, Place};
use crate::pb::{self, pull_response};
use crate::stream::{FRAME_HEAD_BYTES, Position, frames};

/// What a pull wants beside the sealed segments.
#[derive(Clone, Copy, Debug, Default)]
pub struct PullOptions {
    /// Also what is not sealed yet.
    pub head: bool,
    /// Do not end: wait for what comes.
    pub follow: bool,
    /// Where the place does not know the stream: from the first message of this time on, in Unix nanoseconds.
    pub since_ns: Option<u64>,
    /// Only messages before this time, in Unix nanoseconds.
    pub until_ns: Option<u64>,
    /// Of the metrics stream: of each step of time the last message.
    pub every: Option<Duration>,
}

/// One message of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it begins in its stream.
    pub at: Position,
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
    pub fn keep(&self, place: &mut Place) {
        let (Self::Messages { stream, session, next, .. } | Self::Gap { stream, session, to: next, .. }) = self;
        place.streams.insert(stream.clone(), Mark { session: session.clone(), at: *next });
    }
}

/// A pull under way.
pub struct Pull {
    stream: String,
    answers: Streaming<pb::PullResponse>,
}

pub(super) fn request(stream: &str, place: &Place, options: PullOptions) -> pb::PullRequest {
    let mark = place.streams.get(stream);
    let PullOptions { head, follow, since_ns, until_ns, every } = options;
    pb::PullRequest {
        stream: stream.to_owned(),
        session: mark.map(|mark| mark.session.clone()).unwrap_or_default(),
        from: mark.map(|Mark { at, .. }| pb::Position { sequence: at.sequence, offset: at.offset }),
        head,
        follow,
        since_ns: since_ns.unwrap_or(0),
        until_ns: until_ns.unwrap_or(0),
        every_ns: every.map_or(0, |every| u64::try_from(every.as_nanos()).unwrap_or(u64::MAX)),
        ..pb::PullRequest::default()
    }
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
            pull_response::Item::Chunk(pb::Chunk { session, from, next, data, at, .. }) => {
                let from = position(from);
                let messages = messages(from, &at, &data)?;
                Pulled::Messages { stream, session, from, next: position(next), messages }
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

/// The messages of these frames, which begin there, or where that is said.
fn messages(mut next: Position, at: &[pb::Position], data: &[u8]) -> Result<Vec<Message>, ClientError> {
    let mut said = at.iter().copied();
    let message = |frame: crate::stream::Frame<'_>| {
        let at = said.next().map_or(next, |at| position(Some(at)));
        next.offset += (FRAME_HEAD_BYTES + frame.payload.len()) as u64;
        Message { at, time_ns: frame.time_ns, payload: frame.payload.to_vec() }
    };
    let messages: Result<_, _> =
        frames(data).map(|frame| frame.map_err(|error| ClientError::Protocol(error.to_string()))).collect();
    messages.map(|frames: Vec<_>| frames.into_iter().map(message).collect())
}

fn position(position: Option<pb::Position>) -> Position {
    position.map(|position| Position { sequence: position.sequence, offset: position.offset }).unwrap_or_default()
}
