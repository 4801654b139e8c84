//! Reading a stream's messages as they were appended, whatever they are kept as.
//!
//! Events are kept as they are, and shared with the reader. Metrics are kept as what changed (`compact`), and made into OTLP here: a
//! reader that goes on where it was knows what changed before; another reads the segment from its start.

use std::sync::Arc;

use bytes::Bytes;

use super::frame::{self, FRAME_HEAD_BYTES, Frame, frames};
use super::named::NamedLog;
use super::piece::{Piece, Position, Reason};
use crate::compact::{Restored, Restorer};
use crate::limits::RESTORED_BYTES_MAX;

/// Reads one stream.
pub struct Reader {
    stream: Arc<NamedLog>,
    restorer: Restorer,
    /// Behind the last message that the restorer took.
    at: Option<Position>,
    /// The message that is being looked at.
    message: Vec<u8>,
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
        Self { stream, restorer: Restorer::default(), at: None, message: Vec::new(), begins: Vec::new() }
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
            Piece::Data { from, next, data } if self.stream.is_compact() => (from, next, data),
            other => return other,
        };
        let (mut out, mut begins) = (Vec::new(), std::mem::take(&mut self.begins));
        let told = self.restore(from, &data, |at, time_ns, message| {
            // More than this no segment has that was written here.
            let has_room = out.len() <= RESTORED_BYTES_MAX;
            if has_room {
                begins.push(at);
                frame::append(&mut out, time_ns, message);
            }
            has_room
        });
        self.begins = begins;
        match told {
            Told::Lost(at) if at == from => self.lost(from),
            Told::Lost(at) | Told::Until(at) => Piece::Data { from, next: at, data: out.into() },
            Told::All => Piece::Data { from, next, data: out.into() },
        }
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
        let mut offset = from.offset;
        let mut message = std::mem::take(&mut messages.reader.message);
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
        self.message = message;
        Told::All
    }

    /// Takes in what is before the position in its segment.
    fn begin(&mut self, from: Position) -> Option<()> {
        self.restorer.clear();
        self.at = None;
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
mod tests {
    use std::time::Instant;

    use super::super::{Log, Restored, StreamKind, StreamOptions, Templates};
    use super::*;
    use crate::compact::Template;

    #[test]
    fn a_segment_of_a_file_that_becomes_more_than_one_may_have_is_read_in_parts() {
        let template = Arc::new(Template { fixed: vec![7; RESTORED_BYTES_MAX / 5], ..Template::default() });
        let templates = Templates::default();
        templates.keep(1, &template, (0, &Template::default()), 1);
        let segment = |messages: u64, first_number| {
            let mut data = Vec::new();
            (0..messages).for_each(|_| frame::write(&mut data, 1, |out| out.extend_from_slice(&[1, 0, 0, 0, 0]))); // no change
            Restored { data: data.into(), messages, first_number, ..Restored::default() }
        };
        let log = Log::restored(StreamOptions::default(), 0, vec![segment(40, 0)], 40, Instant::now());
        let mut reader = Reader::new(Arc::new(NamedLog::restored(0, StreamKind::Metrics, log, templates)));
        let (mut at, mut found) = (Position::default(), 0);
        while let Piece::Data { next, data, .. } = reader.read(at, false) {
            assert!(data.len() <= RESTORED_BYTES_MAX * 6 / 5 + 100, "{} bytes", data.len());
            assert!(payloads(&data).all(|payload| payload == template.fixed));
            found += payloads(&data).count();
            assert_eq!(reader.begins().len(), payloads(&data).count());
            at = next;
        }
        assert_eq!((found, at.sequence), (40, 1));
    }
}
