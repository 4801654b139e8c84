//! Finding messages in the data of a segment, around what is missing of it.

use super::frame::{FRAME_HEAD_BYTES, frames};
use super::piece::Hole;

/// Where each message begins and ends, with its time.
fn messages<'a>(data: &'a [u8], holes: &'a [Hole]) -> impl Iterator<Item = (u64, u64, u64)> + 'a {
    let begins = std::iter::once(Some(0)).chain(holes.iter().map(|hole| hole.to)).flatten();
    let ends = holes.iter().map(|hole| hole.from).chain([data.len() as u64]);
    begins.zip(ends).flat_map(|(begin, end)| {
        let mut next = begin;
        let part = data.get(begin as usize..end as usize).unwrap_or_default();
        frames(part).map_while(Result::ok).map(move |frame| {
            let at = next;
            next += (FRAME_HEAD_BYTES + frame.payload.len()) as u64;
            (at, next, frame.time_ns)
        })
    })
}

/// Where the first message of this time or later is.
pub fn at_time(data: &[u8], holes: &[Hole], time_ns: u64) -> Option<u64> {
    messages(data, holes).find(|(_, _, time)| *time >= time_ns).map(|(begin, _, _)| begin)
}

/// Whether a message begins or ends there, or nothing that is held is there.
pub fn is_boundary(data: &[u8], holes: &[Hole], offset: u64) -> bool {
    let is_lost = |hole: &Hole| hole.from <= offset && hole.to.is_none_or(|to| offset <= to);
    offset == 0
        || offset > data.len() as u64
        || holes.iter().any(is_lost)
        || messages(data, holes).take_while(|(begin, ..)| *begin <= offset).any(|(begin, end, _)| begin == offset || end == offset)
}
