//! Readings that stop in the middle of a segment, by readers that go on, rest, or are others.

use std::time::Instant;

use proptest::prelude::*;
use telemetry_core::{Event, Registry, event};

use super::super::{Bounds, Lanes, Log, Message, Restored, StreamBounds, StreamKind, StreamOptions, Streams, Templates};
use super::*;
use crate::compact::{Cell, Kind, Source, Template};
use crate::limits::RESTING_BYTES_MAX;

/// A message of some numbers and some bytes.
struct Said {
    template: Arc<Template>,
    fixed_len: usize,
    bytes: Vec<u8>,
}

impl Said {
    /// With so many numbers, of which this one and its like are others than before, in a layout of this number.
    fn new(numbers: u32, layout: u64, number: u64, extra: usize) -> Self {
        let cells: Vec<_> =
            (0..numbers).map(|n| Cell { at: n * 12, kind: if n % 2 == 0 { Kind::Whole } else { Kind::Bits } }).collect();
        let mut fixed = vec![layout as u8; numbers as usize * 12];
        cells.iter().for_each(|cell| fixed[cell.at as usize..][..8].fill(0));
        let mut bytes = fixed.clone();
        for (n, cell) in cells.iter().enumerate().filter(|(n, _)| (*n as u64 + number).is_multiple_of(3)) {
            bytes[cell.at as usize..][..8].copy_from_slice(&(number * number + n as u64).to_le_bytes());
        }
        bytes.extend((0..extra).map(|n| (n as u64 + number) as u8));
        let template = Arc::new(Template { fixed, cells, ..Template::default() });
        Self { template, fixed_len: numbers as usize * 12, bytes }
    }
}

impl Source for Said {
    fn fixed(&self) -> &[u8] {
        &self.bytes[..self.fixed_len]
    }
    fn tails(&self) -> impl Iterator<Item = (Option<u64>, &[u8])> {
        std::iter::empty()
    }
    fn extra(&self) -> &[u8] {
        &self.bytes[self.fixed_len..]
    }
    fn must_stay(&self) -> bool {
        false
    }
}

impl AsRef<[u8]> for Said {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Message for Said {
    fn template(&self) -> Option<&Arc<Template>> {
        Some(&self.template)
    }
}

/// Metrics, of which each collection is one or two messages, and now and then the layout is another.
fn metrics(collections: u64, segment_bytes: usize) -> Arc<NamedLog> {
    let options = StreamOptions { segment_bytes, bytes_max: 64 << 20, ..StreamOptions::default() };
    let stream = Arc::new(NamedLog::new(0, StreamKind::Metrics, options));
    let mut lanes = Lanes::default();
    for number in 0..collections {
        let messages: Vec<_> =
            (0..1 + number % 2).map(|lane| Said::new(8, number / 20 + lane, number, (number % 7) as usize)).collect();
        lanes.append(&stream, 1_000 + number, &messages).1.expect("small");
    }
    stream
}

/// What a reading told: where each message begins, its time and its bytes.
fn told(reader: &Reader, from: Position, data: &Bytes, found: &mut Vec<(Position, u64, Vec<u8>)>) {
    let (mut begins, mut begin) = (reader.begins().iter().copied(), from);
    for frame in frames(data).map(|frame| frame.expect("whole")) {
        found.push((begins.next().unwrap_or(begin), frame.time_ns, frame.payload.to_vec()));
        begin.offset += (FRAME_HEAD_BYTES + frame.payload.len()) as u64;
    }
    assert!(begins.next().is_none(), "more places than messages");
}

fn all(stream: &Arc<NamedLog>) -> Vec<(Position, u64, Vec<u8>)> {
    let (mut reader, mut at, mut found) = (Reader::new(Arc::clone(stream)), Position::default(), Vec::new());
    while let Piece::Data { from, next, data } = reader.read(at, true) {
        told(&reader, from, &data, &mut found);
        at = next;
    }
    assert_eq!(at, stream.log.end());
    found
}

/// A line.
#[event(name = "reader_tests_lines")]
static LINES: Event<String>;

/// Events of 0 to 49 bytes.
fn events(messages: usize, segment_bytes: usize) -> Arc<NamedLog> {
    let mut bounds = Bounds::default();
    bounds.of("*", StreamBounds { segment_bytes: Some(segment_bytes), ..StreamBounds::default() });
    let streams = Streams::new(Registry::new(), StreamOptions::default(), bounds);
    let stream = streams.by_name("reader_tests_lines").expect("it is declared");
    (0..messages).for_each(|n| _ = stream.log.append(n as u64, &vec![n as u8; n * 7 % 50]).expect("small"));
    stream
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_of_any_size_tell_the_same_messages_at_the_same_places_as_whole_segments(
        is_metrics: bool,
        segment_bytes in 300_usize..6_000,
        readers in prop::collection::vec((1_usize..3_000, any::<bool>()), 1..4),
        turns in prop::collection::vec(0_usize..4, 1..20),
    ) {
        let stream = if is_metrics { metrics(100, segment_bytes) } else { events(400, segment_bytes) };
        let new = |(bytes, _): &(usize, bool)| Reader::new(Arc::clone(&stream)).in_pieces(*bytes);
        let mut pieces: Vec<_> = readers.iter().map(new).collect();
        let (mut at, mut found, mut turns) = (Position::default(), Vec::new(), turns.iter().cycle());
        loop {
            // Who reads may stand elsewhere, have rested, or go on.
            let turn = turns.next().unwrap_or(&0) % readers.len();
            let (reader, (bytes, rests)) = (&mut pieces[turn], readers[turn]);
            let Piece::Data { from, next, data } = reader.read(at, true) else { break };
            prop_assert!(from == at && next > at);
            let before = found.len();
            told(reader, from, &data, &mut found);
            let last = found[before..].last().map_or(0, |(_, _, payload)| FRAME_HEAD_BYTES + payload.len());
            prop_assert!(data.len() - last < bytes, "{} bytes, of which the last message has {last}, in pieces of {bytes}", data.len());
            at = next;
            if rests {
                reader.rest();
            }
        }
        prop_assert_eq!(at, stream.log.end());
        prop_assert!(found == all(&stream));
    }
}

#[test]
fn readers_that_rest_hold_nothing_and_their_stream_no_more_than_its_bound() {
    let stream =
        Arc::new(NamedLog::new(0, StreamKind::Metrics, StreamOptions { segment_bytes: 1 << 20, ..StreamOptions::default() }));
    let mut lanes = Lanes::default();
    for number in 0..20 {
        lanes.append(&stream, number, &[Said::new(4_000, 1, number, 0)]).1.expect("small");
    }
    let whole = all(&stream);
    let mut readers: Vec<_> =
        (0..400).map(|_| (Reader::new(Arc::clone(&stream)).in_pieces(100_000), Position::default(), Vec::new())).collect();
    for _ in 0..3 {
        for (reader, at, found) in &mut readers {
            let Piece::Data { from, next, data } = reader.read(*at, true) else { panic!("there is more") };
            told(reader, from, &data, found);
            *at = next;
            reader.rest();
            assert_eq!((reader.restorer.bytes(), reader.begins.capacity()), (0, 0));
        }
        let bytes = stream.resting.bytes();
        assert!(bytes > RESTING_BYTES_MAX / 2 && bytes <= RESTING_BYTES_MAX, "{bytes}");
    }
    assert!(readers.iter().all(|(_, _, found)| !found.is_empty() && whole.starts_with(found)));
}

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
