//! Sending a stream: segments from a position on, gaps where they are, and the news of a follower.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tonic::Status;
use uuid::Uuid;

use super::Service;
use crate::limits::{FOLLOW_EVERY, METRICS_READERS_MAX, SEGMENTS_IN_FLIGHT};
use crate::own::{Refusal, refused};
use crate::pb::{self, pull_response};
use crate::stream::{Life, NamedLog, Piece, Position, Reader, Reason, Thinned, Token};

type Answers = mpsc::Receiver<Result<pb::PullResponse, Status>>;

/// Where a pull begins, and what it wants.
pub struct Pull {
    /// The lives of the process from that on in which it begins; the last is this one. There is one at least.
    pub lives: Vec<Life>,
    /// The position of a life that is not known any more: the reader is told first.
    pub restarted: Option<Position>,
    pub from: Position,
    pub head: bool,
    pub follow: bool,
    /// Only messages before this time; all where it is 0.
    pub until_ns: u64,
    /// Of each step of so many nanoseconds the last message; all where it is 0.
    pub every_ns: u64,
}

/// Room for a reader of this stream, as long as it is held.
///
/// # Errors
/// RESOURCE_EXHAUSTED where too many read metrics.
pub fn room(service: &Service, stream: &NamedLog) -> Result<Option<OwnedSemaphorePermit>, Status> {
    if stream.id != 0 {
        return Ok(None);
    }
    Arc::clone(&service.metrics_readers).try_acquire_owned().map(Some).map_err(|_| {
        refused(Refusal::Readers);
        Status::resource_exhausted(format!("{METRICS_READERS_MAX} requests read metrics"))
    })
}

/// The sealed segments from a sequence number on, as the origin's clients ask for them.
///
/// # Errors
/// As [`room`].
pub fn segments(
    service: &Service,
    stream: Arc<NamedLog>,
    since: u64,
) -> Result<mpsc::Receiver<Result<pb::StreamSegment, Status>>, Status> {
    let (sender, receiver) = mpsc::channel(SEGMENTS_IN_FLIGHT);
    let room = room(service, &stream)?;
    tokio::spawn(async move {
        let _room = room;
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
    Ok(receiver)
}

/// Runs a pull; it ends when the reader goes, when all is sent and nothing is followed, or when the service stops.
///
/// # Errors
/// As [`room`].
pub fn pull(service: &Service, pull: Pull) -> Result<Answers, Status> {
    let (sender, receiver) = mpsc::channel(SEGMENTS_IN_FLIGHT);
    let stopping = service.stopping.clone();
    let room = pull.lives.last().map(|life| room(service, &life.stream)).transpose()?;
    tokio::spawn(async move {
        let _room = room;
        // An error here is a reader that has gone: there is nobody to tell.
        let _gone = run(pull, stopping, &sender).await;
    });
    Ok(receiver)
}

/// The newest batch of messages, and no more.
///
/// # Errors
/// As [`room`].
pub fn latest(service: &Service, stream: Arc<NamedLog>) -> Result<Answers, Status> {
    let (sender, receiver) = mpsc::channel(SEGMENTS_IN_FLIGHT);
    let session = service.session;
    let room = room(service, &stream)?;
    tokio::spawn(async move {
        let _room = room;
        let Some((mut at, end)) = stream.log.latest() else { return };
        let mut source = Source::new(Life { session, stream: Arc::clone(&stream) }, 0);
        while at < end {
            let Piece::Data { from, next, data } = source.read(at, true, Some(end), true) else {
                let status = Status::aborted(format!("the newest messages of \"{}\" were dropped meanwhile", stream.name()));
                let _gone = sender.send(Err(status)).await;
                return;
            };
            if data.is_empty() || sender.send(Ok(source.chunk(from, next, data))).await.is_err() {
                return;
            }
            at = next;
        }
    });
    Ok(receiver)
}

type Sender = mpsc::Sender<Result<pb::PullResponse, Status>>;
type Gone = mpsc::error::SendError<Result<pb::PullResponse, Status>>;

async fn run(pull: Pull, mut stopping: watch::Receiver<bool>, sender: &Sender) -> Result<(), Gone> {
    let Pull { lives, restarted, mut from, head, follow, until_ns, every_ns } = pull;
    let mut before = restarted;
    let last = lives.len().saturating_sub(1);
    for (number, life) in lives.into_iter().enumerate() {
        let mut source = Source::new(life, every_ns);
        if let Some(before) = before {
            sender.send(Ok(source.gap((before, from), 0, pb::GapReason::Restarted))).await?;
        }
        let is_last = number == last;
        let wants = Wants { head: head || !is_last, follow: follow && is_last, until_ns };
        let Some(end) = send(&mut source, from, wants, is_last, &mut stopping, sender).await? else { return Ok(()) };
        // A new session begins at its first segment, so that what it dropped by now shows as a gap too.
        (before, from) = (Some(end), Position::default());
    }
    Ok(())
}

/// What is wanted of one life of a stream.
#[derive(Clone, Copy)]
struct Wants {
    head: bool,
    follow: bool,
    until_ns: u64,
}

/// Sends one life of a stream. Where it ends, unless the request ends there.
async fn send(
    source: &mut Source,
    mut at: Position,
    wants: Wants,
    is_last: bool,
    stopping: &mut watch::Receiver<bool>,
    sender: &Sender,
) -> Result<Option<Position>, Gone> {
    let stream = Arc::clone(&source.life.stream);
    let end = (wants.until_ns != 0).then(|| stream.log.at_time(wants.until_ns));
    loop {
        let mut changed = std::pin::pin!(stream.log.changed());
        changed.as_mut().enable(); // before the reading, so that no change falls in between
        let is_stopping = *stopping.borrow();
        match source.read(at, wants.head, end, !wants.follow || is_stopping) {
            Piece::Data { from, next, data } => {
                if data.is_empty() {
                    tokio::task::yield_now().await; // there was much to be read of which nothing is told
                } else {
                    sender.send(Ok(source.chunk(from, next, data))).await?;
                }
                at = next;
            }
            Piece::Gap { from, to, messages_before, reason } => {
                let reason = match reason {
                    Reason::Expired => pb::GapReason::Expired,
                    Reason::Dropped => pb::GapReason::Dropped,
                    Reason::Lost => pb::GapReason::Lost,
                };
                sender.send(Ok(source.gap((from, to), messages_before, reason))).await?;
                at = to;
            }
            // The reader was given what the process lost when it ended.
            Piece::Beyond { .. } if !is_last => return Ok(Some(at)),
            Piece::Beyond { end } => {
                let (name, at, end) = (stream.name(), text(at), text(end));
                let status = Status::out_of_range(format!("the position {at} is beyond the end {end} of the stream \"{name}\""));
                sender.send(Err(status)).await?;
                return Ok(None);
            }
            Piece::End if end.is_some_and(|end| at >= end && end < stream.log.end()) => return Ok(None),
            Piece::End if !is_last => return Ok(Some(at)),
            Piece::End if !wants.follow || is_stopping => return Ok(None),
            Piece::End => {
                let news = tokio::select! {
                    () = changed => true,
                    _ = stopped(stopping) => false,
                    () = sender.closed() => return Ok(None),
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

/// One life of a stream, and how it is read.
struct Source {
    life: Life,
    how: How,
}

enum How {
    All(Reader),
    Thinned(Thinned),
}

impl Source {
    fn new(life: Life, every_ns: u64) -> Self {
        let reader = Reader::new(Arc::clone(&life.stream));
        let how = if every_ns == 0 { How::All(reader) } else { How::Thinned(Thinned::new(reader, every_ns)) };
        Self { life, how }
    }

    fn read(&mut self, at: Position, head: bool, end: Option<Position>, finishes: bool) -> Piece {
        match &mut self.how {
            How::All(reader) => reader.read_to(at, head, end),
            How::Thinned(thinned) => thinned.read_to(at, head, end, finishes),
        }
    }

    fn chunk(&self, from: Position, next: Position, data: Bytes) -> pb::PullResponse {
        let begins = match &self.how {
            How::All(reader) => reader.begins(),
            How::Thinned(thinned) => thinned.begins(),
        };
        let chunk = pb::Chunk {
            session: self.life.session.to_string(),
            from: Some(position(from)),
            next: Some(position(next)),
            data,
            token: self.token(next),
            at: begins.iter().copied().map(position).collect(),
        };
        pb::PullResponse { item: Some(pull_response::Item::Chunk(chunk)) }
    }

    fn gap(&self, (from, to): (Position, Position), messages_before: u64, reason: pb::GapReason) -> pb::PullResponse {
        let gap = pb::Gap {
            session: self.life.session.to_string(),
            from: Some(position(from)),
            to: Some(position(to)),
            reason: reason.into(),
            messages_before,
            token: self.token(to),
        };
        pb::PullResponse { item: Some(pull_response::Item::Gap(gap)) }
    }

    fn token(&self, at: Position) -> String {
        Token { session: self.life.session, stream: self.life.stream.name().to_owned(), at }.to_string()
    }
}

/// A position in words.
pub fn text(position: Position) -> String {
    format!("{}+{}", position.sequence, position.offset)
}

fn position(position: Position) -> pb::Position {
    pb::Position { sequence: position.sequence, offset: position.offset }
}

/// Where a request begins: in which life, and where there. The position of a life of which nothing is held comes with it.
///
/// The ids of sessions tell which came before which, so a reader of one that is not known any more, or that left nothing of this stream, goes
/// on with the next: it has had what is before.
pub fn begin(
    mut lives: Vec<Life>,
    session: Option<&str>,
    from: Option<Position>,
    since_ns: u64,
) -> (Vec<Life>, Option<Position>, Position) {
    let last = lives.len().saturating_sub(1);
    let session = session.map(|session| session.parse::<Uuid>().unwrap_or(Uuid::max()));
    let is_known = session.is_none_or(|session| lives.iter().any(|life| life.session == session));
    if let Some(session) = session.filter(|_| !is_known) {
        // From the first byte of the life that follows, so that what is dropped of it shows as a gap.
        let next = lives.iter().position(|life| life.session > session).unwrap_or(last);
        return (lives.split_off(next), Some(from.unwrap_or_default()), Position::default());
    }
    if let Some(session) = session {
        let known = lives.iter().position(|life| life.session == session).unwrap_or(last);
        lives = lives.split_off(known);
    } else if from.is_some() {
        lives = lives.split_off(last);
    }
    if from.is_none() && since_ns != 0 {
        let has_later = |life: &Life| life.stream.log.at_time(since_ns) < life.stream.log.end();
        let life = lives.iter().position(has_later).unwrap_or(lives.len().saturating_sub(1));
        lives = lives.split_off(life);
    }
    let begin = |life: &Life| match since_ns {
        0 => life.stream.log.first(),
        since_ns => life.stream.log.at_time(since_ns),
    };
    let from = from.or_else(|| lives.first().map(begin)).unwrap_or_default();
    (lives, None, from)
}
