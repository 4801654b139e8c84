//! Sending a stream: segments from a position on, gaps where they are, and the news of a follower.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tonic::Status;

use super::Service;
use crate::limits::{FOLLOW_EVERY, SEGMENTS_IN_FLIGHT};
use crate::pb::{self, pull_response};
use crate::stream::{NamedLog, Piece, Position, Reader, Reason};

type Answers = mpsc::Receiver<Result<pb::PullResponse, Status>>;

/// Where a pull begins, and what it wants.
pub struct Pull {
    pub stream: Arc<NamedLog>,
    /// The session of the position, where it is of another one: the reader is told first.
    pub restarted: Option<Position>,
    pub from: Position,
    pub head: bool,
    pub follow: bool,
}

/// The sealed segments from a sequence number on, as the origin's clients ask for them.
pub fn segments(stream: Arc<NamedLog>, since: u64) -> mpsc::Receiver<Result<pb::StreamSegment, Status>> {
    let (sender, receiver) = mpsc::channel(SEGMENTS_IN_FLIGHT);
    tokio::spawn(async move {
        let mut at = Position { sequence: since, offset: 0 };
        let mut reader = Reader::new(stream);
        loop {
            match reader.read(at, false) {
                Piece::Data { from, next, data } => {
                    // The number is 32 bits wide on the wire: it wraps after 2^32 segments of one session.
                    let segment = pb::StreamSegment { sequence_number: from.sequence as u32, data };
                    if sender.send(Ok(segment)).await.is_err() {
                        return;
                    }
                    at = next;
                }
                Piece::Gap { to, .. } => at = to,
                Piece::End | Piece::Beyond { .. } => return,
            }
        }
    });
    receiver
}

/// Runs a pull; it ends when the reader goes, when all is sent and nothing is followed, or when the service stops.
pub fn pull(service: &Service, pull: Pull) -> Answers {
    let (sender, receiver) = mpsc::channel(SEGMENTS_IN_FLIGHT);
    let (session, stopping) = (service.session.to_string(), service.stopping.clone());
    tokio::spawn(async move {
        // An error here is a reader that has gone: there is nobody to tell.
        let _gone = run(&session, pull, stopping, &sender).await;
    });
    receiver
}

/// The newest batch of messages, and no more.
pub fn latest(service: &Service, stream: Arc<NamedLog>) -> Answers {
    let (sender, receiver) = mpsc::channel(SEGMENTS_IN_FLIGHT);
    let session = service.session.to_string();
    tokio::spawn(async move {
        let Some((mut at, end)) = stream.log.latest() else { return };
        let mut reader = Reader::new(Arc::clone(&stream));
        while at < end {
            let Piece::Data { from, next, data } = reader.read_to(at, true, Some(end)) else {
                let status = Status::aborted(format!("the newest messages of \"{}\" were dropped meanwhile", stream.name()));
                let _gone = sender.send(Err(status)).await;
                return;
            };
            if data.is_empty() || sender.send(Ok(chunk(&session, from, next, data))).await.is_err() {
                return;
            }
            at = next;
        }
    });
    receiver
}

type Sender = mpsc::Sender<Result<pb::PullResponse, Status>>;
type Gone = mpsc::error::SendError<Result<pb::PullResponse, Status>>;

async fn run(session: &str, pull: Pull, mut stopping: watch::Receiver<bool>, sender: &Sender) -> Result<(), Gone> {
    let Pull { stream, restarted, from: mut at, head, follow } = pull;
    if let Some(from) = restarted {
        sender.send(Ok(gap(session, (from, at), 0, pb::GapReason::Restarted))).await?;
    }
    let mut reader = Reader::new(Arc::clone(&stream));
    loop {
        let mut changed = std::pin::pin!(stream.log.changed());
        changed.as_mut().enable(); // before the reading, so that no change falls in between
        match reader.read(at, head) {
            Piece::Data { from, next, data } => {
                if !data.is_empty() {
                    sender.send(Ok(chunk(session, from, next, data))).await?;
                }
                at = next;
            }
            Piece::Gap { from, to, messages_before, reason } => {
                let reason = match reason {
                    Reason::Expired => pb::GapReason::Expired,
                    Reason::Dropped => pb::GapReason::Dropped,
                    Reason::Lost => pb::GapReason::Lost,
                };
                sender.send(Ok(gap(session, (from, to), messages_before, reason))).await?;
                at = to;
            }
            Piece::Beyond { end } => {
                let (name, at, end) = (stream.name(), text(at), text(end));
                let status = Status::out_of_range(format!("the position {at} is beyond the end {end} of the stream \"{name}\""));
                return sender.send(Err(status)).await;
            }
            Piece::End if !follow || *stopping.borrow() => return Ok(()),
            Piece::End => {
                let news = tokio::select! {
                    () = changed => true,
                    _ = stopped(&mut stopping) => false,
                    () = sender.closed() => return Ok(()),
                };
                if news {
                    tokio::time::sleep(FOLLOW_EVERY).await; // gathers what comes in a burst
                }
            }
        }
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _service_gone_is_stopped_too = stopping.wait_for(|stopping| *stopping).await;
}

/// A position in words.
pub fn text(position: Position) -> String {
    format!("{}+{}", position.sequence, position.offset)
}

fn position(position: Position) -> Option<pb::Position> {
    Some(pb::Position { sequence: position.sequence, offset: position.offset })
}

fn chunk(session: &str, from: Position, next: Position, data: Bytes) -> pb::PullResponse {
    let chunk = pb::Chunk { session: session.to_owned(), from: position(from), next: position(next), data };
    pb::PullResponse { item: Some(pull_response::Item::Chunk(chunk)) }
}

fn gap(session: &str, (from, to): (Position, Position), messages_before: u64, reason: pb::GapReason) -> pb::PullResponse {
    let gap =
        pb::Gap { session: session.to_owned(), from: position(from), to: position(to), reason: reason.into(), messages_before };
    pb::PullResponse { item: Some(pull_response::Item::Gap(gap)) }
}
