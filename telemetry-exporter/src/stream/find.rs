//! Finding messages in the data of a segment, around what is missing of it.

use super::frame::{FRAME_HEAD_BYTES, frames};
use super::piece::Hole;

/// Of the run of messages that an offset is in, or of the last before it: where it begins in the segment and in what is there, and the
/// hole that ends it.
pub fn run(holes: &[Hole], offset: u64) -> (u64, usize, Option<&Hole>) {
    let next = holes.partition_point(|hole| hole.to.is_some_and(|to| to <= offset));
    let before = next.checked_sub(1).and_then(|before| holes.get(before));
    let (begin, held) = before.map_or((0, 0), |hole| (hole.to.unwrap_or(hole.from), hole.held));
    (begin, held, holes.get(next))
}

/// Where each message begins and ends, with its time.
fn messages<'a>(data: &'a [u8], holes: &'a [Hole]) -> impl Iterator<Item = (u64, u64, u64)> + 'a {
    let begins = std::iter::once(Some((0, 0))).chain(holes.iter().map(|hole| hole.to.map(|to| (to, hole.held)))).flatten();
    let ends = holes.iter().map(|hole| hole.held).chain([data.len()]);
    begins.zip(ends).flat_map(|((begin, held), end)| {
        let mut next = begin;
        frames(data.get(held..end).unwrap_or_default()).map_while(Result::ok).map(move |frame| {
            let at = next;
            next += (FRAME_HEAD_BYTES + frame.payload.len()) as u64;
            (at, next, frame.time_ns)
        })
    })
}

/// Where the first message of this time or later is, or the hole that is before it, in which there may have been one.
pub fn at_time(data: &[u8], holes: &[Hole], time_ns: u64) -> Option<u64> {
    match messages(data, holes).find(|(_, _, time)| *time >= time_ns) {
        Some((begin, ..)) => Some(holes.iter().find(|hole| hole.to == Some(begin)).map_or(begin, |hole| hole.from)),
        None => holes.last().filter(|hole| hole.to.is_none()).map(|hole| hole.from),
    }
}

/// Whether a message begins or ends there, or nothing that is held is there.
pub fn is_boundary(data: &[u8], holes: &[Hole], offset: u64) -> bool {
    let (begin, held, hole) = run(holes, offset);
    let end = begin + (hole.map_or(data.len(), |hole| hole.held) - held) as u64;
    offset == begin
        || offset >= end
        || messages(data, holes).take_while(|(begin, ..)| *begin <= offset).any(|(begin, end, _)| begin == offset || end == offset)
}
