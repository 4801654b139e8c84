//! Fewer metrics: of each step of time the last message, which for cumulative sums and histograms says all of the step.
//!
//! A message is left out where a later one of the same step, place and template comes: so the last values before a series came or went
//! are always told, and what says that a series has ended never falls out. What is not known yet to be the last is held back
//! until it is, and a position never passes it.

use std::collections::VecDeque;

use super::frame::{self, FRAME_HEAD_BYTES, frames};
use super::piece::{Piece, Position};
use super::reader::Reader;
use crate::compact::Head;

/// Reads a stream of metrics, of each step of time the last.
pub struct Thinned {
    reader: Reader,
    every_ns: u64,
    /// Messages that may not be the last of their step, the oldest first.
    pending: VecDeque<Pending>,
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

/// Bytes of messages after which a reading tells what it has.
const TOLD_BYTES: usize = 1 << 20;

impl Thinned {
    /// Steps of so many nanoseconds since the Unix epoch.
    pub fn new(reader: Reader, every_ns: u64) -> Self {
        Self {
            reader,
            every_ns: every_ns.max(1),
            pending: VecDeque::new(),
            at: Position::default(),
            told: None,
            begins: Vec::new(),
        }
    }

    /// What begins at the position, as [`Reader::read_to`] tells it. Where `finishes`, nothing is waited for: at the end what is pending is
    /// the last.
    pub fn read_to(&mut self, at: Position, head: bool, end: Option<Position>, finishes: bool) -> Piece {
        if self.told != Some(at) {
            self.pending.clear();
            (self.at, self.told) = (at, Some(at));
        }
        let mut out = Vec::new();
        self.begins.clear();
        loop {
            let before = out.len();
            let instead = match self.reader.stored(self.at, head, end) {
                Piece::Data { from, next, data } if next > from || !data.is_empty() => match self.take(from, &data, &mut out) {
                    Some(lost) if lost == from => self.reader.lost(from),
                    lost => {
                        self.at = lost.unwrap_or(next);
                        if out.len() > before && out.len() >= TOLD_BYTES {
                            return self.tell(at, out);
                        }
                        continue;
                    }
                },
                instead => instead,
            };
            let is_end = matches!(instead, Piece::End | Piece::Data { .. });
            if (!is_end || finishes) && !self.pending.is_empty() {
                std::mem::take(&mut self.pending).into_iter().for_each(|pending| pending.write(&mut out, &mut self.begins));
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

    /// Where what is told ends: nothing that is pending lies before it.
    fn position(&self) -> Position {
        self.pending.front().map_or(self.at, |pending| pending.at)
    }

    fn tell(&mut self, from: Position, out: Vec<u8>) -> Piece {
        let next = self.position();
        self.told = Some(next);
        Piece::Data { from, next, data: out.into() }
    }

    /// Takes in the messages of a segment; what is known to be the last of its step goes out. Where the first is that cannot be read, if any.
    fn take(&mut self, from: Position, data: &[u8], out: &mut Vec<u8>) -> Option<Position> {
        let mut offset = from.offset;
        let Some(mut messages) = self.reader.messages(from) else { return Some(from) };
        for frame in frames(data).map_while(Result::ok) {
            let (at, step) = (Position { offset, ..from }, frame.time_ns / self.every_ns);
            offset += (FRAME_HEAD_BYTES + frame.payload.len()) as u64;
            let (Ok(head), Some(restored)) = (Head::of(frame.payload), messages.take(frame, offset)) else { return Some(at) };
            let is_last = |pending: &Pending| pending.step < step || pending.head.must_stay;
            while self.pending.front().is_some_and(is_last) {
                if let Some(pending) = self.pending.pop_front() {
                    pending.write(out, &mut self.begins);
                }
            }
            // What is told of the same place and template is the same series, later.
            self.pending.retain(|pending| {
                pending.head.must_stay || pending.head.lane != head.lane || pending.head.template != head.template
            });
            let mut message = Vec::new();
            restored.write(&mut message);
            self.pending.push_back(Pending { at, step, head, time_ns: frame.time_ns, message });
        }
        None
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
