//! The frames of a segment. The first byte of an input says whether the others are the data as they are, or changes of a real segment; two
//! bytes say where the data are cut.

#![no_main]

use std::sync::LazyLock;

use fuzz::{changes, seeds};
use libfuzzer_sys::fuzz_target;
use telemetry_exporter::StreamOptions;
use telemetry_exporter::stream::{FRAME_HEAD_BYTES, Frame, FrameError, Log, Piece, Position, frames};

/// A segment as a log has it.
static SEGMENT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let log = Log::new(StreamOptions::default());
    for number in 0..20_u8 {
        let rejected = log.append(1_000 * u64::from(number / 2), &vec![number; usize::from(number) * 13 % 50]);
        rejected.expect("they are short");
    }
    let Piece::Data { data, .. } = log.read(Position::default(), true) else { panic!("all of it is there") };
    data.to_vec()
});

fuzz_target!(init: seeds::write(seeds::frames(&SEGMENT), Vec::new(), reads), |input: &[u8]| {
    let Some((cut, data)) = taken(input) else { return };
    let (whole, error) = read(&data);
    let end = written(&whole).len();
    assert_eq!(written(&whole), data[..end], "the frames are written as they were read");
    assert_eq!(error, wanted_error(&data, end));

    // Of two runs of whole frames the second reads as it did, further behind.
    let both = [SEGMENT.as_slice(), &data].concat();
    let (before, behind) = (read(&SEGMENT).0, read(&both));
    assert_eq!(behind.0, [before, whole.clone()].concat());
    assert_eq!(behind.1, error.map(|error| FrameError { offset: error.offset + SEGMENT.len(), ..error }));

    // A cut costs the frame that it is in, and those behind.
    let cut = cut % (data.len() + 1);
    let (some, error) = read(&data[..cut]);
    assert!(whole.starts_with(&some) && error == wanted_error(&data[..cut], written(&some).len()));
    let next = whole.get(some.len());
    assert!(next.is_none_or(|next| written(&some).len() + FRAME_HEAD_BYTES + next.payload.len() > cut), "no whole frame is left out");
});

fn taken(input: &[u8]) -> Option<(usize, Vec<u8>)> {
    let ([way, cut @ ..], bytes) = input.split_first_chunk::<3>()?;
    let mut data = if way % 2 == 0 { bytes.to_vec() } else { SEGMENT.clone() };
    if way % 2 == 1 {
        changes::apply_all(&mut data, bytes);
    }
    Some((u16::from_le_bytes(*cut).into(), data))
}

/// The frames, and the error that ends them.
fn read(data: &[u8]) -> (Vec<Frame<'_>>, Option<FrameError>) {
    let mut all: Vec<_> = frames(data).collect();
    let error = all.pop_if(|last| last.is_err()).and_then(Result::err);
    (all.into_iter().map(|frame| frame.expect("an error is the last")).collect(), error)
}

fn written(frames: &[Frame<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for Frame { time_ns, payload } in frames {
        out.extend((payload.len() as u32 + 8).to_be_bytes());
        out.extend(time_ns.to_be_bytes());
        out.extend(*payload);
    }
    out
}

/// What is wrong with data of which so many bytes are whole frames, and no more.
fn wanted_error(data: &[u8], end: usize) -> Option<FrameError> {
    let rest = &data[end..];
    let length = rest.first_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize);
    let is_head = rest.len() >= FRAME_HEAD_BYTES && length >= 8;
    let wanted = if is_head { length + 4 } else { FRAME_HEAD_BYTES };
    (!rest.is_empty()).then_some(FrameError { offset: end, wanted, found: rest.len() })
}

fn reads(input: &[u8]) -> bool {
    taken(input).is_some_and(|(_, data)| !read(&data).0.is_empty())
}
