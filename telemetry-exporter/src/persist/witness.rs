//! Streams whose every message is remembered with its place, for tests that look for them in files.

use std::collections::BTreeSet;
use std::sync::Arc;

use telemetry_core::{Event, Registry, event, snapshot};

use super::recover::{Found, RecoveredSession};
use crate::compact::{Cell, Kind, Source, Template};
use crate::stream::disk::simulated::Chance;
use crate::stream::{Bounds, Lanes, Message, NamedLog, Piece, Position, Reader, StreamBounds, StreamOptions, Streams, frames};

/// An event of these tests.
#[event(name = "persist_test_event")]
static EVENT: Event<u32>;

/// A snapshot of these tests, of which nobody asks.
#[snapshot(name = "persist_test_snapshot", every = "100h")]
fn persist_test_snapshot() -> u32 {
    0
}

pub const NAMES: [&str; 3] = ["metrics", "persist_test_event", "persist_test_snapshot"];

/// A message as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    pub at: Position,
    pub time_ns: u64,
    pub payload: Vec<u8>,
}

/// Streams, and what was appended to each, by its number.
pub struct Witness {
    pub streams: Arc<Streams>,
    pub appended: [Vec<Appended>; 3],
    lanes: Lanes,
    layouts: Vec<Arc<Template>>,
    time_ns: u64,
}

/// Metrics of one layout.
struct Collected {
    template: Arc<Template>,
    /// What is fixed with its numbers, and then the rest.
    bytes: Vec<u8>,
    must_stay: bool,
}

impl Source for Collected {
    fn fixed(&self) -> &[u8] {
        &self.bytes[..self.template.fixed.len()]
    }
    fn tails(&self) -> impl Iterator<Item = (Option<u64>, &[u8])> {
        std::iter::empty()
    }
    fn extra(&self) -> &[u8] {
        &self.bytes[self.template.fixed.len()..]
    }
    fn must_stay(&self) -> bool {
        self.must_stay
    }
}

impl AsRef<[u8]> for Collected {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Message for Collected {
    fn template(&self) -> Option<&Arc<Template>> {
        (!self.template.fixed.is_empty()).then_some(&self.template)
    }
}

const NUMBER_BYTES: usize = 8;

impl Witness {
    /// Of streams that seal segments of so many bytes and hold so many.
    pub fn new(segment_bytes: usize, bytes_max: usize) -> Self {
        let mut bounds = Bounds::default();
        bounds.of("*", StreamBounds { segment_bytes: Some(segment_bytes), ..StreamBounds::default() });
        let options = StreamOptions { bytes_max, ..StreamOptions::default() };
        let streams = Streams::new(Registry::new(), options, bounds);
        let (appended, lanes, layouts) = Default::default();
        Self { streams, appended, lanes, layouts, time_ns: 1_700_000_000_000_000_000 }
    }

    pub fn stream(&self, which: usize) -> Arc<NamedLog> {
        self.streams.by_name(NAMES[which]).expect("it is declared")
    }

    /// Appends a message, or of metrics some, whose layout is now and then another.
    pub fn append(&mut self, chance: &mut Chance, which: usize) {
        self.time_ns += chance.below(1_000) as u64;
        if which == 0 {
            return self.collect(chance);
        }
        let filler = chance.next().to_be_bytes();
        let length = if chance.once_in(10) { chance.below(900) } else { chance.below(40) };
        let payload: Vec<u8> = filler.into_iter().cycle().take(length).collect();
        let stream = self.stream(which);
        self.streams.append_to(&stream, self.time_ns, &payload).expect("within the bounds");
        let (at, _) = stream.log.latest().expect("it is held");
        self.appended[which].push(Appended { at, time_ns: self.time_ns, payload });
    }

    fn collect(&mut self, chance: &mut Chance) {
        let lanes = 1 + usize::from(chance.once_in(5));
        self.layouts.resize_with(self.layouts.len().max(2), Arc::default);
        let messages: Vec<Collected> = (0..lanes).map(|lane| self.message(chance, lane)).collect();
        self.streams.append_metrics(&mut self.lanes, self.time_ns, &messages).expect("within the bounds");
        let metrics = Arc::clone(self.streams.metrics());
        let (mut at, end) = metrics.log.latest().expect("it is held");
        let mut messages = messages.iter();
        while at < end {
            let Piece::Data { next, data, .. } = metrics.log.read(at, true) else { panic!("it is held") };
            for frame in frames(&data) {
                let payload = messages.next().expect("as many").bytes.clone();
                self.appended[0].push(Appended { at, time_ns: self.time_ns, payload });
                at.offset += 12 + frame.expect("whole").payload.len() as u64;
            }
            at = next;
        }
        assert!(messages.next().is_none());
    }

    fn message(&mut self, chance: &mut Chance, lane: usize) -> Collected {
        if chance.once_in(12) {
            self.layouts[lane] = layout(chance, &self.layouts[lane]);
        }
        let template = Arc::clone(&self.layouts[lane]);
        let mut bytes = template.fixed.clone();
        for cell in &template.cells {
            let number = if chance.once_in(3) { chance.next() } else { chance.below(7) as u64 };
            bytes[cell.at as usize..][..NUMBER_BYTES].copy_from_slice(&number.to_le_bytes());
        }
        bytes.extend((0..chance.below(4)).map(|n| n as u8));
        Collected { template, bytes, must_stay: chance.once_in(9) }
    }

    /// What a reader of the live stream gets that begins here.
    pub fn live(&self, which: usize, mut at: Position) -> Vec<Appended> {
        let mut reader = Reader::new(self.stream(which));
        let mut found = Vec::new();
        loop {
            match reader.read(at, true) {
                Piece::Data { from, next, data } => {
                    let (mut begins, mut begin) = (reader.begins().to_vec().into_iter(), from);
                    for frame in frames(&data).map(|frame| frame.expect("whole")) {
                        let at = begins.next().unwrap_or(begin);
                        found.push(Appended { at, time_ns: frame.time_ns, payload: frame.payload.to_vec() });
                        begin.offset += 12 + frame.payload.len() as u64;
                    }
                    at = next;
                }
                Piece::Gap { to, .. } => at = to,
                Piece::End | Piece::Beyond { .. } => return found,
            }
        }
    }

    /// The numbers of the messages that a session gives of a stream. All are checked: each is what was appended, in order and once; and of
    /// those that are missing in between each gap knows how many they are.
    pub fn found(&self, session: &mut RecoveredSession, which: usize) -> BTreeSet<u64> {
        let Some(stream) = session.streams.get(NAMES[which]) else { return BTreeSet::new() };
        let (missing_most, total) = (stream.lost + stream.missed, stream.appended);
        let (mut numbers, mut next, mut missing) = (BTreeSet::new(), None, 0);
        let mut last = None;
        let all = &self.appended[which];
        session.read(NAMES[which], |found| match found {
            Found::Message { at, time_ns, payload } => {
                let number = all.binary_search_by_key(&at, |appended| appended.at);
                let number = number.unwrap_or_else(|_| panic!("nothing was appended to {} at {at:?}", NAMES[which]));
                let appended = &all[number];
                assert_eq!((time_ns, payload), (appended.time_ns, &appended.payload[..]), "message {number} at {at:?}");
                let number = number as u64;
                assert!(next.is_none_or(|next| next == number), "message {number} of {} came, wanted {next:?}", NAMES[which]);
                assert!(last < Some(at), "{at:?} behind {last:?}");
                (next, last) = (Some(number + 1), Some(at));
                numbers.insert(number);
            }
            Found::Gap { from, to, messages_before } => {
                assert!(
                    from < to && next.is_none_or(|next| next <= messages_before),
                    "{from:?} {to:?} {messages_before}, {next:?}"
                );
                missing += messages_before - next.unwrap_or(messages_before);
                next = Some(messages_before);
            }
        });
        assert!(next.is_none_or(|next| next == total), "{} ends at {next:?} of {total}", NAMES[which]);
        assert!(total <= all.len() as u64);
        if which > 0 {
            assert!(missing <= missing_most, "{missing} of {} are missing, told {missing_most}", NAMES[which]);
        }
        numbers
    }
}

/// Another layout: one that is much like this one, or any.
fn layout(chance: &mut Chance, before: &Template) -> Arc<Template> {
    let alike = !before.fixed.is_empty() && !chance.once_in(3);
    let (mut fixed, mut cells) = if alike { (before.fixed.clone(), before.cells.clone()) } else { Default::default() };
    for _ in 0..1 + chance.below(if alike { 2 } else { 12 }) {
        fixed.extend((0..8 + chance.below(20)).map(|n| b'a' + n as u8));
        let kind = if chance.once_in(2) { Kind::Whole } else { Kind::Bits };
        cells.push(Cell { at: fixed.len() as u32, kind });
        fixed.extend([0; NUMBER_BYTES]);
    }
    Arc::new(Template { resource_len: fixed.len(), fixed, cells, ..Template::default() })
}
