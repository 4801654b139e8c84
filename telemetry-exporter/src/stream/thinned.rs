//! Fewer metrics: of each step of time the last message, which for cumulative sums and histograms says all of the step.
//!
//! A message is left out where a later one of the same step, place and template comes: so the last values before a series came or went
//! are always told, and what says that a series has ended never falls out. What is not known yet to be the last is held back
//! until it is, and a position never passes it. Where that becomes more than [`THINNED_BYTES_MAX`], because series come and go all the
//! time, the oldest is told all the same.
//!
//! A reading ends after [`READ_BYTES`] too, although nothing may be told by then. A reader that rests forgets what it holds back, and reads
//! it again from the position that was told: usually one message of each place.

use std::collections::VecDeque;

use super::frame::{self, FRAME_HEAD_BYTES, frames};
use super::piece::{Piece, Position};
use super::reader::Reader;
use crate::compact::Head;
use crate::limits::THINNED_BYTES_MAX;

/// Reads a stream of metrics, of each step of time the last.
pub struct Thinned {
    reader: Reader,
    every_ns: u64,
    /// Messages that are to be told, the oldest first.
    ready: VecDeque<Pending>,
    /// Messages behind them that may not be the last of their step, the oldest first.
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    /// Where it goes on, with these pending.
    at: Position,
    /// The position that was told, which is not beyond the first that is pending.
    told: Option<Position>,
    /// Where each message of the last reading begins.
    begins: Vec<Position>,
}

struct Pending {
    at: Position,
    step: u64,
    head: Head,
    time_ns: u64,
    message: Vec<u8>,
}

/// Bytes of messages that are made after which a reading ends: some 0.1 ms.
const READ_BYTES: usize = 512 << 10;

/// Where the messages of a segment came to.
enum Taken {
    /// All are taken.
    All,
    /// That here is the next.
    Until(Position),
    /// That here cannot be read.
    Lost(Position),
}

impl Thinned {
    /// Steps of so many nanoseconds since the Unix epoch.
    pub fn new(reader: Reader, every_ns: u64) -> Self {
        Self {
            reader,
            every_ns: every_ns.max(1),
            ready: VecDeque::new(),
            pending: VecDeque::new(),
            pending_bytes: 0,
            at: Position::default(),
            told: None,
            begins: Vec::new(),
        }
    }

    /// What begins at the position, as [`Reader::read_to`] tells it. Where `finishes`, nothing is waited for: at the end what is pending is
    /// the last.
    pub fn read_to(&mut self, at: Position, head: bool, end: Option<Position>, finishes: bool) -> Piece {
        if self.told != Some(at) {
            self.forget();
            (self.at, self.told) = (at, Some(at));
        }
        let (mut out, mut read) = (Vec::new(), 0);
        let told_bytes = self.reader.piece_bytes();
        self.begins.clear();
        loop {
            while out.len() < told_bytes
                && let Some(next) = self.ready.pop_front()
            {
                next.write(&mut out, &mut self.begins);
            }
            if !self.ready.is_empty() || read >= READ_BYTES {
                return self.tell(at, out);
            }
            let instead = match self.reader.stored(self.at, head, end) {
                Piece::Data { from, next, data } if next > from || !data.is_empty() => match self.take(from, &data, &mut read) {
                    Taken::Lost(lost) if lost == from => self.reader.lost(from),
                    Taken::Lost(next) | Taken::Until(next) => {
                        self.at = next;
                        continue;
                    }
                    Taken::All => {
                        self.at = next;
                        continue;
                    }
                },
                instead => instead,
            };
            let is_end = matches!(instead, Piece::End | Piece::Data { .. });
            if (!is_end || finishes) && !self.pending.is_empty() {
                self.ready.append(&mut self.pending);
                self.pending_bytes = 0;
                continue;
            }
            if out.is_empty() && self.position() == at {
                return if is_end { Piece::End } else { instead };
            }
            return self.tell(at, out);
        }
    }

    /// Where each message of the last reading begins.
    pub fn begins(&self) -> &[Position] {
        &self.begins
    }

    /// Holds nothing until the next reading but where it stands, as [`Reader::rest`].
    pub fn rest(&mut self) {
        self.forget();
        self.begins = Vec::new();
        self.told = None;
        self.reader.rest();
    }

    fn forget(&mut self) {
        (self.ready, self.pending, self.pending_bytes) = Default::default();
    }

    /// Where what is told ends: nothing that is pending lies before it.
    fn position(&self) -> Position {
        self.ready.front().or(self.pending.front()).map_or(self.at, |next| next.at)
    }

    fn tell(&mut self, from: Position, out: Vec<u8>) -> Piece {
        let next = self.position();
        self.told = Some(next);
        Piece::Data { from, next, data: out.into() }
    }

    /// Takes in the messages of a segment, until a reading has taken enough; what is known to be the last of its step becomes ready. Adds how
    /// many bytes they are.
    fn take(&mut self, from: Position, data: &[u8], read: &mut usize) -> Taken {
        if data.is_empty() {
            return Taken::All;
        }
        let mut offset = from.offset;
        let Some(mut messages) = self.reader.messages(from) else { return Taken::Lost(from) };
        for frame in frames(data).map_while(Result::ok) {
            if *read >= READ_BYTES {
                return Taken::Until(Position { offset, ..from });
            }
            let (at, step) = (Position { offset, ..from }, frame.time_ns / self.every_ns);
            offset += (FRAME_HEAD_BYTES + frame.payload.len()) as u64;
            let (Ok(head), Some(restored)) = (Head::of(frame.payload), messages.take(frame, offset)) else {
                return Taken::Lost(at);
            };
            // What is told of the same place and template is the same series, later.
            let pending_bytes = &mut self.pending_bytes;
            self.pending.retain(|pending| {
                let stays = pending.step < step
                    || pending.head.must_stay
                    || (pending.head.lane, pending.head.template) != (head.lane, head.template);
                *pending_bytes -= if stays { 0 } else { pending.message.len() };
                stays
            });
            let mut message = Vec::new();
            restored.write(&mut message);
            *read += message.len();
            self.pending_bytes += message.len();
            self.pending.push_back(Pending { at, step, head, time_ns: frame.time_ns, message });
            while self.pending_bytes > THINNED_BYTES_MAX
                || self.pending.front().is_some_and(|pending| pending.step < step || pending.head.must_stay)
            {
                let Some(pending) = self.pending.pop_front() else { break };
                self.pending_bytes -= pending.message.len();
                self.ready.push_back(pending);
            }
        }
        Taken::All
    }
}

impl Pending {
    fn write(self, out: &mut Vec<u8>, begins: &mut Vec<Position>) {
        begins.push(self.at);
        frame::write(out, self.time_ns, |out| out.extend_from_slice(&self.message));
    }
}

#[cfg(test)]
#[path = "thinned_tests.rs"]
mod tests;
