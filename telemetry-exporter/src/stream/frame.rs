//! The framing within a segment:
//!
//! ```text
//! ┌──────────────────────┬──────────────────────┬───────────────────┐
//! │ u32 big-endian       │ u64 big-endian       │ payload           │ … repeated
//! │ length of what       │ Unix time in         │ length - 8 bytes  │
//! │ follows              │ nanoseconds          │                   │
//! └──────────────────────┴──────────────────────┴───────────────────┘
//! ```

use std::fmt;

/// Bytes of a frame before its payload.
pub const FRAME_HEAD_BYTES: usize = 12;

const TIME_BYTES: usize = 8;

/// One message of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When it was appended, in Unix nanoseconds.
    pub time_ns: u64,
    /// The message.
    pub payload: &'a [u8],
}

/// Data that is no run of whole frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameError {
    /// Where the broken frame starts, in bytes.
    pub offset: usize,
    /// Bytes that the frame wants from there.
    pub wanted: usize,
    /// Bytes that are there.
    pub found: usize,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, wanted, found } = self;
        write!(f, "the frame at byte {offset} is cut: wanted {wanted} bytes, found {found}")
    }
}

impl std::error::Error for FrameError {}

/// Appends one frame. The payload is below 4 GiB: a log rejects what is larger than its limit.
#[inline]
pub(super) fn append(out: &mut Vec<u8>, time_ns: u64, payload: &[u8]) {
    let length = u32::try_from(TIME_BYTES + payload.len()).unwrap_or(u32::MAX);
    let mut head = [0; FRAME_HEAD_BYTES];
    head[..4].copy_from_slice(&length.to_be_bytes());
    head[4..].copy_from_slice(&time_ns.to_be_bytes());
    out.reserve(FRAME_HEAD_BYTES + payload.len());
    out.extend_from_slice(&head);
    out.extend_from_slice(payload);
}

/// Appends one frame, whose payload is what is written. It is below 4 GiB: a log rejects what is larger than its limit. Of one whose
/// writing panics nothing is there.
#[inline]
pub(super) fn write(out: &mut Vec<u8>, time_ns: u64, payload: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    let mut unfinished = Unfinished { out, at, is_whole: false };
    let out = &mut *unfinished.out;
    let mut head = [0; FRAME_HEAD_BYTES];
    head[4..].copy_from_slice(&time_ns.to_be_bytes());
    out.extend_from_slice(&head);
    payload(out);
    let length = u32::try_from(out.len() - at - 4).unwrap_or(u32::MAX);
    if let Some(place) = out[at..].first_chunk_mut() {
        *place = length.to_be_bytes();
    }
    unfinished.is_whole = true;
}

struct Unfinished<'a> {
    out: &'a mut Vec<u8>,
    at: usize,
    is_whole: bool,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.is_whole {
            self.out.truncate(self.at);
        }
    }
}

/// Writes a frame into its place, which is as long as it.
pub(crate) fn frame_of(place: &mut [u8], time_ns: u64, payload: &[u8]) {
    let (head, body) = place.split_at_mut(FRAME_HEAD_BYTES);
    let length = u32::try_from(TIME_BYTES + payload.len()).unwrap_or(u32::MAX);
    head[..4].copy_from_slice(&length.to_be_bytes());
    head[4..].copy_from_slice(&time_ns.to_be_bytes());
    body.copy_from_slice(payload);
}

/// The frames of a segment's data, or of a part of it that begins at a frame.
///
/// # Errors
/// The iterator ends with a [`FrameError`] where the data is cut or its length field is below the size of a timestamp.
pub fn frames(data: &[u8]) -> impl Iterator<Item = Result<Frame<'_>, FrameError>> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let rest = data.get(offset..).filter(|rest| !rest.is_empty())?;
        let result = first(rest, offset);
        offset = match &result {
            Ok(frame) => offset + FRAME_HEAD_BYTES + frame.payload.len(),
            Err(_) => data.len(),
        };
        Some(result)
    })
}

fn first(rest: &[u8], offset: usize) -> Result<Frame<'_>, FrameError> {
    let cut = |wanted| FrameError { offset, wanted, found: rest.len() };
    let (head, after) = rest.split_first_chunk::<4>().ok_or(cut(FRAME_HEAD_BYTES))?;
    let length = u32::from_be_bytes(*head) as usize;
    let (time, body) = after.split_first_chunk::<TIME_BYTES>().ok_or(cut(FRAME_HEAD_BYTES))?;
    let payload_bytes = length.checked_sub(TIME_BYTES).ok_or(cut(FRAME_HEAD_BYTES))?;
    let payload = body.get(..payload_bytes).ok_or(cut(4 + length))?;
    Ok(Frame { time_ns: u64::from_be_bytes(*time), payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut data = Vec::new();
        write(&mut data, 1, |out| out.extend_from_slice(b"one"));
        write(&mut data, 2, |_| {});
        write(&mut data, u64::MAX, |out| out.extend_from_slice(b"three"));
        data
    }

    #[test]
    fn frames_come_back_as_they_were_written() {
        let data = sample();
        let found: Vec<_> = frames(&data).map(|frame| frame.map(|frame| (frame.time_ns, frame.payload))).collect();
        assert_eq!(found, [Ok((1, &b"one"[..])), Ok((2, &b""[..])), Ok((u64::MAX, &b"three"[..]))]);
        assert_eq!(data[..12], [0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn every_truncation_is_an_error_with_its_place_or_a_shorter_run_of_whole_frames() {
        let data = sample();
        let whole = [0, 15, 27, 44];
        for cut in 0..data.len() {
            let found: Vec<_> = frames(&data[..cut]).collect();
            let complete = found.iter().filter(|frame| frame.is_ok()).count();
            assert_eq!(complete, whole.iter().filter(|end| **end <= cut).count() - 1, "cut at {cut}");
            match found.last() {
                Some(Err(error)) => assert_eq!((error.offset, error.found), (whole[complete], cut - whole[complete])),
                _ => assert!(whole.contains(&cut), "cut at {cut}"),
            }
        }
    }

    #[test]
    fn a_length_below_a_timestamp_is_an_error() {
        let found: Vec<_> = frames(&[0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0]).collect();
        assert_eq!(found, [Err(FrameError { offset: 0, wanted: 12, found: 12 })]);
    }
}
