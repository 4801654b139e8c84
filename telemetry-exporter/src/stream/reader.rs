//! Reading a stream's messages as they were appended, whatever they are kept as.
//!
//! Events are kept as they are, and shared with the reader. Metrics are kept as what changed (`compact`), and made into OTLP here: a
//! reader that goes on where it was knows what changed before; another reads the segment from its start. One that [rests](Reader::rest)
//! leaves what it knows with the stream, and finds it there again unless too many rest.

use std::sync::Arc;

use bytes::Bytes;

use super::frame::{self, FRAME_HEAD_BYTES, Frame, frames};
use super::named::NamedLog;
use super::piece::{Piece, Position, Reason};
use super::resting::{Left, Rest};
use super::thinning::Thinning;
use crate::compact::{Restored, Restorer};
use crate::limits::RESTORED_BYTES_MAX;

/// Reads one stream.
pub struct Reader {
    stream: Arc<NamedLog>,
    restorer: Restorer,
    /// Behind the last message that the restorer took.
    at: Option<Position>,
    /// Bytes after which a reading ends.
    piece_bytes: usize,
    /// Where each message of the last reading begins, where that does not follow from its data.
    begins: Vec<Position>,
}

/// Where reading message by message came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walked {
    /// All messages up to here were wanted.
    To(Position),
    /// The message here was not.
    Until(Position),
    /// There was no message to be had.
    Nothing,
}

const CACHE_LINE_BYTES: usize = 64;

/// What became of messages that were to be made.
enum Told {
    All,
    /// The message here was not wanted.
    Until(Position),
    /// That here cannot be read.
    Lost(Position),
}

impl Reader {
    /// One of this stream.
    pub fn new(stream: Arc<NamedLog>) -> Self {
        let piece_bytes = if stream.is_compact() { RESTORED_BYTES_MAX } else { usize::MAX };
        Self { stream, restorer: Restorer::default(), at: None, piece_bytes, begins: Vec::new() }
    }

    /// With readings that end with the message which takes them to so many bytes, in place of the segment or [`RESTORED_BYTES_MAX`].
    #[must_use]
    pub fn in_pieces(mut self, bytes: usize) -> Self {
        self.piece_bytes = self.piece_bytes.min(bytes);
        self
    }

    /// Bytes after which a reading ends.
    pub(super) fn piece_bytes(&self) -> usize {
        self.piece_bytes
    }

    /// Holds nothing until the next reading but where it stands. Cost of a reader of metrics: at the most that of what is before it in its
    /// segment, when it goes on.
    pub fn rest(&mut self) {
        let at = self.at;
        if let Some(at) = at {
            self.leave(Rest { at, ..Rest::default() }, Thinning::default());
        }
        (self.restorer, self.begins) = Default::default();
    }

    /// Leaves what it knows, with what was read and is not told, for who goes on so.
    pub(super) fn leave(&mut self, rest: Rest, thinning: Thinning) {
        let (restorer, restored) = (std::mem::take(&mut self.restorer), self.at.take());
        if thinning.is_of_use() {
            self.stream.resting.leave(rest, Left { restorer, restored, thinning });
        }
    }

    /// Takes up what somebody left who goes on so.
    pub(super) fn resume(&mut self, rest: Rest) -> Option<Thinning> {
        let Left { restorer, restored, thinning } = self.stream.resting.take(rest)?;
        (self.restorer, self.at) = (restorer, restored);
        Some(thinning)
    }

    /// The stream.
    pub fn stream(&self) -> &Arc<NamedLog> {
        &self.stream
    }

    /// What begins at the position; with `head`, also what is not sealed yet. The data are frames of the messages as they were appended.
    pub fn read(&mut self, at: Position, head: bool) -> Piece {
        self.read_to(at, head, None)
    }

    /// Where each message of the last reading begins; none where that follows from where the first does and from the data.
    pub fn begins(&self) -> &[Position] {
        &self.begins
    }

    /// The same, but not beyond this end.
    pub fn read_to(&mut self, at: Position, head: bool, end: Option<Position>) -> Piece {
        self.begins.clear();
        let (from, next, data) = match self.stored(at, head, end) {
            Piece::Data { from, next, data } if !data.is_empty() => (from, next, data),
            other => return other,
        };
        if !self.stream.is_compact() {
            return self.cut(from, next, data);
        }
        let (mut begins, piece_bytes) = (std::mem::take(&mut self.begins), self.piece_bytes);
        let Some(mut messages) = self.messages(from) else { return self.lost(from) };
        let (mut out, mut at) = (Vec::new(), from);
        for frame in frames(&data).map_while(Result::ok) {
            let end = at.offset + (FRAME_HEAD_BYTES + frame.payload.len()) as u64;
            let restored = if out.len() < piece_bytes { messages.take(frame, end) } else { break };
            let Some(restored) = restored else { break };
            frame::write(&mut out, frame.time_ns, |out| restored.write(out));
            begins.push(at);
            at.offset = end;
        }
        if begins.is_empty() {
            return self.lost(from);
        }
        self.begins = begins;
        let is_all = at.offset - from.offset == data.len() as u64;
        if is_all && next.sequence != from.sequence {
            self.at = None; // nothing of the next segment is told by this one
        }
        Piece::Data { from, next: if is_all { next } else { at }, data: out.into() }
    }

    /// Of messages that are kept as they are sent, those of one piece.
    fn cut(&self, from: Position, next: Position, mut data: Bytes) -> Piece {
        if data.len() <= self.piece_bytes {
            return Piece::Data { from, next, data };
        }
        // Where a frame begins is known when the one before was read. To fetch all in the order of memory, where it runs ahead, takes a
        // fraction of waiting for each in turn, and who copies them does not wait again.
        std::hint::black_box(data[..self.piece_bytes].iter().step_by(CACHE_LINE_BYTES).fold(0, |all, byte| all ^ byte));
        let mut len = 0;
        for frame in frames(&data).map_while(Result::ok) {
            len += FRAME_HEAD_BYTES + frame.payload.len();
            if len >= self.piece_bytes {
                break;
            }
        }
        if len == 0 || len >= data.len() {
            return Piece::Data { from, next, data };
        }
        data.truncate(len);
        Piece::Data { from, next: Position { offset: from.offset + len as u64, ..from }, data }
    }

    /// What begins at the position, as it is kept, and not beyond this end.
    pub(super) fn stored(&self, at: Position, head: bool, end: Option<Position>) -> Piece {
        if end.is_some_and(|end| at >= end) {
            return Piece::End;
        }
        match (self.stream.log.read(at, head), end) {
            (Piece::Data { from, next, mut data }, Some(end)) if end < next => {
                data.truncate(end.offset.saturating_sub(from.offset) as usize);
                Piece::Data { from, next: end, data }
            }
            (piece, _) => piece,
        }
    }

    /// Messages that begin there, to be taken one after the other; none where what is before them cannot be read.
    pub(super) fn messages(&mut self, from: Position) -> Option<Messages<'_>> {
        if self.at != Some(from) {
            self.begin(from)?;
        }
        Some(Messages { reader: self, sequence: from.sequence })
    }

    /// Hands over the messages of one segment from the position on, as long as they are wanted, and tells what is instead of messages.
    pub fn walk(&mut self, at: Position, mut wants: impl FnMut(Frame<'_>) -> bool) -> (Walked, Option<Piece>) {
        let (from, next, data) = match self.stream.log.read(at, true) {
            Piece::Data { from, next, data } => (from, next, data),
            other => return (Walked::Nothing, Some(other)),
        };
        let mut stopped = None;
        if self.stream.is_compact() {
            let told = self.restore(from, &data, |_, time_ns, payload| wants(Frame { time_ns, payload }));
            match told {
                Told::All => {}
                Told::Until(at) => stopped = Some(at),
                Told::Lost(at) if at == from => return (Walked::Nothing, Some(self.lost(from))),
                Told::Lost(at) => return (Walked::To(at), None),
            }
        } else {
            let mut offset = from.offset;
            for frame in frames(&data).map_while(Result::ok) {
                if !wants(frame) {
                    stopped = Some(Position { offset, ..from });
                    break;
                }
                offset += (FRAME_HEAD_BYTES + frame.payload.len()) as u64;
            }
        }
        (stopped.map_or(Walked::To(next), Walked::Until), None)
    }

    /// Makes messages of these, which begin there, as long as they are wanted and can be read.
    fn restore(&mut self, from: Position, data: &[u8], mut wants: impl FnMut(Position, u64, &[u8]) -> bool) -> Told {
        let Some(mut messages) = self.messages(from) else { return Told::Lost(from) };
        let (mut offset, mut message) = (from.offset, Vec::new());
        for frame in frames(data).map_while(Result::ok) {
            let at = Position { offset, ..from };
            offset += (FRAME_HEAD_BYTES + frame.payload.len()) as u64;
            message.clear();
            let Some(restored) = messages.take(frame, offset) else { return Told::Lost(at) };
            restored.write(&mut message);
            if !wants(at, frame.time_ns, &message) {
                return Told::Until(at);
            }
        }
        Told::All
    }

    /// Takes in what is before the position in its segment.
    fn begin(&mut self, from: Position) -> Option<()> {
        self.at = None;
        if self.resume(Rest { at: from, ..Rest::default() }).is_some() {
            return Some(());
        }
        self.restorer.clear();
        if from.offset > 0 {
            let start = Position { offset: 0, ..from };
            let Piece::Data { data, .. } = self.stream.log.read(start, true) else { return None };
            for frame in frames(data.get(..from.offset as usize)?).map_while(Result::ok) {
                self.restorer.take(frame.time_ns, frame.payload, |id| self.stream.templates.get(id)).ok()?;
            }
        }
        Some(())
    }

    /// What is there instead of messages that cannot be read: they were dropped while they were, or they are damaged.
    pub(super) fn lost(&mut self, from: Position) -> Piece {
        self.at = None;
        match self.stream.log.read(from, true) {
            gap @ Piece::Gap { .. } => gap,
            _ => {
                let to = Position { sequence: from.sequence + 1, offset: 0 };
                Piece::Gap { from, to, messages_before: self.stream.log.messages_before(to), reason: Reason::Lost }
            }
        }
    }
}

/// Compact messages of one segment that are read one after the other.
pub struct Messages<'a> {
    reader: &'a mut Reader,
    sequence: u64,
}

impl Messages<'_> {
    /// The next, which ends there; none where it cannot be read.
    pub fn take(&mut self, frame: Frame<'_>, end: u64) -> Option<Restored<'_>> {
        let Reader { restorer, stream, at, .. } = self.reader;
        *at = None;
        let restored = restorer.take(frame.time_ns, frame.payload, |id| stream.templates.get(id)).ok()?;
        *at = Some(Position { sequence: self.sequence, offset: end });
        Some(restored)
    }
}

/// Bytes of all messages of a piece.
pub fn payloads(data: &Bytes) -> impl Iterator<Item = &[u8]> {
    frames(data).map_while(Result::ok).map(|frame| frame.payload)
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
