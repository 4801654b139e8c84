//! A segment that never changes: what is there of it, and what is missing of one that was in a file.

use std::time::Instant;

use bytes::Bytes;

use super::find;
use super::piece::{Hole, Piece, Position};

/// A sealed segment.
pub struct Segment {
    pub data: Bytes,
    pub messages: u64,
    /// How many messages were appended before it.
    pub first_number: u64,
    pub first_time_ns: u64,
    /// The tick that saw its last message; none before it.
    pub newest: Option<Instant>,
    /// What is missing of one that was in a file, in order.
    pub holes: Vec<Hole>,
}

impl Segment {
    /// What begins at the position, which is in this segment.
    pub fn read(&self, at: Position) -> Piece {
        let next = Position { sequence: at.sequence + 1, offset: 0 };
        let (begin, held, hole) = find::run(&self.holes, at.offset);
        if let Some(Hole { to, messages_before, reason, .. }) = hole.filter(|hole| hole.from <= at.offset) {
            let to = to.map_or(next, |offset| Position { offset, ..at });
            return Piece::Gap { from: at, to, messages_before: *messages_before, reason: *reason };
        }
        let stop = hole.map_or(self.data.len(), |hole| hole.held);
        let end = Position { offset: begin + (stop - held) as u64, ..at };
        if at > end {
            return Piece::Beyond { end };
        }
        let data = self.data.slice(held + (at.offset - begin) as usize..stop);
        Piece::Data { from: at, next: if hole.is_some() { end } else { next }, data }
    }
}
