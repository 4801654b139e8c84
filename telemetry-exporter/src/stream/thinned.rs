//! Fewer metrics: of each step of time the last message, which for cumulative sums and histograms says all of the step.
//!
//! What is held back until it is known to be the last (`thinning`) is never passed by the position that is told.
//!
//! A reading ends after [`READ_BYTES`] too, although nothing may be told by then. A reader that rests leaves what it holds back with the stream, and
//! where it does not find it again, it reads it from the position that was told: usually one message of each place.

use super::frame::{FRAME_HEAD_BYTES, frames};
use super::piece::{Piece, Position};
use super::reader::Reader;
use super::resting::Rest;
use super::thinning::{Held, Thinning};
use crate::compact::Head;

/// Reads a stream of metrics, of each step of time the last.
pub struct Thinned {
    reader: Reader,
    every_ns: u64,
    thinning: Thinning,
    /// Where it goes on, from which nothing that is held back lies before; none where it was not read yet.
    told: Option<Rest>,
    /// Where each message of the last reading begins.
    begins: Vec<Position>,
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
        Self { reader, every_ns: every_ns.max(1), thinning: Thinning::default(), told: None, begins: Vec::new() }
    }

    /// What begins at the position, as [`Reader::read_to`] tells it. Where `finishes`, nothing is waited for: at the end what is pending is
    /// the last.
    pub fn read_to(&mut self, at: Position, head: bool, end: Option<Position>, finishes: bool) -> Piece {
        let rest = Rest { at, every_ns: self.every_ns, head, end };
        if self.told != Some(rest) {
            self.thinning = self.reader.resume(rest).unwrap_or_else(|| Thinning::new(at));
            self.told = Some(rest);
        }
        let (mut out, mut read) = (Vec::new(), 0);
        let told_bytes = self.reader.piece_bytes();
        self.begins.clear();
        loop {
            while out.len() < told_bytes
                && let Some(next) = self.thinning.next()
            {
                next.write(&mut out, &mut self.begins);
            }
            if self.thinning.has_next() || read >= READ_BYTES {
                return self.tell(rest, out);
            }
            let instead = match self.reader.stored(self.thinning.at, head, end) {
                Piece::Data { from, next, data } if next > from || !data.is_empty() => match self.take(from, &data, &mut read) {
                    Taken::Lost(lost) if lost == from => self.reader.lost(from),
                    Taken::Lost(next) | Taken::Until(next) => {
                        self.thinning.at = next;
                        continue;
                    }
                    Taken::All => {
                        self.thinning.at = next;
                        continue;
                    }
                },
                instead => instead,
            };
            let is_end = matches!(instead, Piece::End | Piece::Data { .. });
            if (!is_end || finishes) && self.thinning.has_pending() {
                self.thinning.finish(is_end);
                continue;
            }
            if out.is_empty() && self.thinning.position() == at {
                return if is_end { Piece::End } else { instead };
            }
            return self.tell(rest, out);
        }
    }

    /// Where each message of the last reading begins.
    pub fn begins(&self) -> &[Position] {
        &self.begins
    }

    /// Holds nothing until the next reading but where it stands, as [`Reader::rest`].
    pub fn rest(&mut self) {
        self.begins = Vec::new();
        let thinning = std::mem::take(&mut self.thinning);
        if let Some(told) = self.told.take() {
            self.reader.leave(told, thinning);
        }
    }

    fn tell(&mut self, rest: Rest, out: Vec<u8>) -> Piece {
        let next = self.thinning.position();
        self.told = Some(Rest { at: next, ..rest });
        Piece::Data { from: rest.at, next, data: out.into() }
    }

    /// Takes in the messages of a segment, until a reading has taken enough. Adds how many bytes they are.
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
            let mut message = Vec::new();
            restored.write(&mut message);
            *read += message.len();
            self.thinning.take(Held { at, step, head, time_ns: frame.time_ns, message });
        }
        Taken::All
    }
}

#[cfg(test)]
#[path = "thinned_tests.rs"]
mod tests;
