//! Sending a stream: pieces from a position on, gaps where they are, and the news of a follower.
//!
//! An answer reads when it is polled, and holds nothing between polls but where it stands: no task runs for it, nothing waits in a queue, and
//! of the stream's data it holds none. So a client that does not read costs what HTTP/2 holds for it, and what the log drops is gone. Dropping
//! the answer is the client's leaving.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::yield_now;
use tonic::Status;
use uuid::Uuid;

use super::Service;
use crate::admission::{self, Full, Place, Share};
use crate::limits::{FOLLOW_EVERY, METRICS_SEGMENT_BYTES, PIECE_BYTES, RESTORED_BYTES_MAX};
use crate::own::{Refusal, refused};
use crate::pb::{self, pull_response};
use crate::stream::{Life, NamedLog, Piece, Position, Reader, Reason, Thinned, Token};

/// What is sent, one after the other, made when it is asked for.
pub type Answers<T> = BoxStream<'static, Result<T, Status>>;

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
pub fn room(service: &Service, place: &Place, stream: &NamedLog) -> Result<Option<Share>, Status> {
    if stream.id != 0 {
        return Ok(None);
    }
    service.metrics_readers.take(place.client.clone()).map(Some).map_err(|full| {
        refused(Refusal::Readers);
        Status::resource_exhausted(match full {
            Full::All(readers) => format!("{readers} requests read metrics"),
            Full::Client(readers) => format!("{readers} requests of this client read metrics"),
        })
    })
}

/// The sealed segments from a sequence number on, as the origin's clients ask for them: each as a whole.
///
/// # Errors
/// As [`room`].
pub fn segments(
    service: &Service,
    place: Arc<Place>,
    stream: Arc<NamedLog>,
    since: u64,
) -> Result<Answers<pb::StreamSegment>, Status> {
    let room = room(service, &place, &stream)?;
    let begin = (Position { sequence: since, offset: 0 }, stream, room, place);
    Ok(stream::unfold(begin, async |(at, stream, room, place)| {
        // That of metrics is made in memory that grows by doubling.
        let bytes = if stream.id == 0 { 2 * METRICS_SEGMENT_BYTES } else { stream.log.options().segment_bytes };
        let _room = admission::room(&place, bytes).await;
        let (segment, next) = segment(&stream, at).await?;
        Some((Ok(segment), (next, stream, room, place)))
    })
    .boxed())
}

/// The first segment at the position or behind it, and where the next begins. One of metrics is made in pieces, for the sake of others.
async fn segment(stream: &Arc<NamedLog>, mut at: Position) -> Option<(pb::StreamSegment, Position)> {
    let mut reader = Reader::new(Arc::clone(stream)).in_pieces(if stream.id == 0 { PIECE_BYTES } else { usize::MAX });
    let (mut sequence, mut made) = (at.sequence, BytesMut::new());
    loop {
        let piece = reader.read(at, false);
        match piece {
            Piece::Data { from, next, data } => {
                (sequence, at) = (from.sequence, next);
                // The number is 32 bits wide on the wire: it wraps after 2^32 segments of one session.
                let is_whole =
                    stream.id != 0 || next.sequence != sequence || made.len() + data.len() + PIECE_BYTES > RESTORED_BYTES_MAX;
                if is_whole && made.is_empty() {
                    return Some((pb::StreamSegment { sequence_number: sequence as u32, data }, at));
                }
                made.extend_from_slice(&data);
                if is_whole {
                    break;
                }
                yield_now().await;
            }
            // What there is of a segment before a gap is told first.
            Piece::Gap { .. } if !made.is_empty() => break,
            Piece::Gap { to, .. } => at = to,
            Piece::End | Piece::Beyond { .. } if made.is_empty() => return None,
            Piece::End | Piece::Beyond { .. } => break,
        }
    }
    Some((pb::StreamSegment { sequence_number: sequence as u32, data: made.freeze() }, at))
}

/// The newest batch of messages, and no more.
///
/// # Errors
/// As [`room`].
pub fn latest(service: &Service, place: Arc<Place>, stream: Arc<NamedLog>) -> Result<Answers<pb::PullResponse>, Status> {
    let room = room(service, &place, &stream)?;
    let Some((at, end)) = stream.log.latest() else { return Ok(stream::empty().boxed()) };
    let source = Source::new(Life { session: service.session, stream }, 0);
    Ok(stream::unfold((source, at, end, room, place), async |(mut source, at, end, room, place)| {
        if at >= end {
            return None;
        }
        let bytes = if source.life.stream.id == 0 { PIECE_BYTES } else { end.offset.saturating_sub(at.offset) as usize };
        let _room = admission::room(&place, bytes.min(PIECE_BYTES)).await;
        let Piece::Data { from, next, data } = source.read(at, true, Some(end), true) else {
            let name = source.life.stream.name();
            let status = Status::aborted(format!("the newest messages of \"{name}\" were dropped meanwhile"));
            return Some((Err(status), (source, end, end, room, place)));
        };
        let chunk = (!data.is_empty()).then(|| source.chunk(from, next, data))?;
        source.rest();
        Some((Ok(chunk), (source, next, end, room, place)))
    })
    .boxed())
}

/// Runs a pull; it ends when all is sent and nothing is followed, or when the service stops.
///
/// # Errors
/// As [`room`].
pub fn pull(service: &Service, place: Arc<Place>, pull: Pull) -> Result<Answers<pb::PullResponse>, Status> {
    let Pull { lives, restarted, from, head, follow, until_ns, every_ns } = pull;
    let room = lives.last().map(|life| room(service, &place, &life.stream)).transpose()?.flatten();
    let mut lives = VecDeque::from(lives);
    let Some(first) = lives.pop_front() else { return Ok(stream::empty().boxed()) };
    let mut pulling = Pulling {
        source: Source::new(first, every_ns),
        lives,
        before: restarted,
        at: from,
        end: None,
        wants: Wants { head, follow, until_ns, every_ns },
        gatherings: Arc::clone(&service.gatherings),
        gathering: None,
        stopping: service.stopping.clone(),
        is_over: false,
        place,
        _room: room,
    };
    pulling.end = pulling.wanted_end();
    Ok(stream::unfold(pulling, async |mut pulling| Some((pulling.next().await?, pulling))).boxed())
}

/// What is wanted of a stream.
#[derive(Clone, Copy)]
struct Wants {
    head: bool,
    follow: bool,
    until_ns: u64,
    every_ns: u64,
}

/// A pull under way.
struct Pulling {
    /// The life that is being read.
    source: Source,
    /// Those after it.
    lives: VecDeque<Life>,
    /// Where the life before ended, until the reader is told.
    before: Option<Position>,
    at: Position,
    /// Where what is wanted of this life ends, if not with it.
    end: Option<Position>,
    wants: Wants,
    /// Room for those who gather, and this one's: from when it reads until it tells something, or rests.
    gatherings: Arc<Semaphore>,
    gathering: Option<OwnedSemaphorePermit>,
    stopping: watch::Receiver<bool>,
    is_over: bool,
    /// That of the connection.
    place: Arc<Place>,
    _room: Option<Share>,
}

impl Pulling {
    /// What is sent next; none at the end.
    async fn next(&mut self) -> Option<Result<pb::PullResponse, Status>> {
        if self.is_over {
            return None;
        }
        if let Some(before) = self.before.take() {
            return Some(Ok(self.source.gap((before, self.at), 0, pb::GapReason::Restarted)));
        }
        loop {
            let (is_last, end) = (self.lives.is_empty(), self.end);
            match self.piece().await {
                Piece::Data { next, data, .. } if data.is_empty() => {
                    self.at = next;
                    yield_now().await; // there was much to be read of which nothing is told
                }
                Piece::Data { from, next, data } => {
                    self.at = next;
                    let chunk = self.source.chunk(from, next, data);
                    self.rest();
                    return Some(Ok(chunk));
                }
                Piece::Gap { from, to, messages_before, reason } => {
                    let reason = match reason {
                        Reason::Expired => pb::GapReason::Expired,
                        Reason::Dropped => pb::GapReason::Dropped,
                        Reason::Lost => pb::GapReason::Lost,
                    };
                    self.at = to;
                    self.rest();
                    return Some(Ok(self.source.gap((from, to), messages_before, reason)));
                }
                Piece::Beyond { end } if is_last => {
                    self.is_over = true;
                    let (name, at) = (self.source.life.stream.name(), self.at);
                    let words = format!("the position {at} is beyond the end {end} of the stream \"{name}\"");
                    return Some(Err(Status::out_of_range(words)));
                }
                Piece::End if end.is_some_and(|end| self.at >= end && end < self.source.life.stream.log.end()) => return None,
                // Of a life that is over, the reader was also given what the process lost when it ended.
                Piece::End | Piece::Beyond { .. } => {
                    let life = self.lives.pop_front()?;
                    let before = std::mem::take(&mut self.at);
                    self.gathering = None;
                    self.source = Source::new(life, self.wants.every_ns);
                    self.end = self.wanted_end();
                    // A new session begins at its first segment, so that what it dropped by now shows as a gap too.
                    return Some(Ok(self.source.gap((before, self.at), 0, pb::GapReason::Restarted)));
                }
            }
        }
    }

    /// What begins where the pull stands; where it follows and there is nothing, it waits.
    async fn piece(&mut self) -> Piece {
        let is_last = self.lives.is_empty();
        let (head, follows) = (self.wants.head || !is_last, self.wants.follow && is_last);
        let is_stopping = self.is_stopping();
        self.gather().await; // before the room, which who gathers waits for
        let room = admission::room(&self.place, PIECE_BYTES).await;
        let piece = self.source.read(self.at, head, self.end, !follows || is_stopping);
        drop(room); // the piece is counted from when it is passed on, which is before anything else happens
        if !matches!(piece, Piece::End) || !follows || is_stopping {
            return piece;
        }
        let stream = Arc::clone(&self.source.life.stream);
        loop {
            let mut changed = std::pin::pin!(stream.log.changed());
            changed.as_mut().enable(); // before the reading, so that no change falls in between
            let is_stopping = self.is_stopping();
            self.gather().await;
            let piece = self.source.read(self.at, head, self.end, is_stopping);
            if !matches!(piece, Piece::End) || is_stopping {
                return piece;
            }
            self.rest();
            let news = tokio::select! {
                () = changed => true,
                _ = self.stopping.wait_for(|stopping| *stopping) => false,
            };
            if news {
                tokio::time::sleep(FOLLOW_EVERY).await; // gathers what comes in a burst
            }
        }
    }

    /// Waits until there is room for one more to gather, where this one may.
    async fn gather(&mut self) {
        if self.wants.every_ns != 0 && self.gathering.is_none() {
            self.gathering = Arc::clone(&self.gatherings).acquire_owned().await.ok(); // it is never closed
        }
    }

    /// Holds nothing until the next reading.
    fn rest(&mut self) {
        self.source.rest();
        self.gathering = None;
    }

    /// Whether the service stops, or is gone.
    fn is_stopping(&self) -> bool {
        *self.stopping.borrow() || self.stopping.has_changed().is_err()
    }

    fn wanted_end(&self) -> Option<Position> {
        let until_ns = self.wants.until_ns;
        (until_ns != 0).then(|| self.source.life.stream.log.at_time(until_ns))
    }
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
        let reader = Reader::new(Arc::clone(&life.stream)).in_pieces(PIECE_BYTES);
        let how = if every_ns == 0 { How::All(reader) } else { How::Thinned(Thinned::new(reader, every_ns)) };
        Self { life, how }
    }

    fn read(&mut self, at: Position, head: bool, end: Option<Position>, finishes: bool) -> Piece {
        match &mut self.how {
            How::All(reader) => reader.read_to(at, head, end),
            How::Thinned(thinned) => thinned.read_to(at, head, end, finishes),
        }
    }

    /// Holds nothing until the next reading.
    fn rest(&mut self) {
        match &mut self.how {
            How::All(reader) => reader.rest(),
            How::Thinned(thinned) => thinned.rest(),
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
