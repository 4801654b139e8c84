//! Files in which bits are others, and records that no writer writes.

use std::sync::Arc;
use std::time::Instant;

use super::super::body;
use super::super::recover::{self, RecoveredSession};
use super::super::settings::Disk;
use super::super::witness::Witness;
use super::super::writer::Writer;
use super::*;
use crate::stream::disk::Device;
use crate::stream::disk::simulated::{self, Chance};
use crate::stream::{FRAME_HEAD_BYTES, Log, Piece, Reason, StreamOptions, frames};

fn recovered(folder: &simulated::Folder) -> RecoveredSession {
    recover::read(folder, "simulated".as_ref(), None).expect("a folder")
}

/// Three files, of which the last is open.
fn store() -> (Witness, Arc<simulated::Folder>) {
    let (mut witness, mut chance) = (Witness::new(700, 8 << 20), Chance::new(5));
    let folder = simulated::Disk::new(5).folder("f");
    let mut writer = Writer::with_files(folder.clone(), &Disk::at("there/is/none"), &witness.streams, 2_500).expect("begun");
    for _ in 0..50 {
        let which = chance.below(3);
        witness.append(&mut chance, which);
        writer.pass().expect("a simulated disk");
    }
    let files = recovered(&folder).report.files;
    assert!(files.len() >= 3, "{files:?}");
    (witness, folder)
}

#[test]
fn a_flipped_bit_costs_one_event_or_the_rest_of_one_segment_of_metrics_and_is_told() {
    let (witness, folder) = store();
    let before = recovered(&folder).report;
    let (mut events_lost, mut metrics_lost) = (0, 0);
    for (name, bytes) in folder.list().expect("a folder") {
        for at in 0..bytes as usize {
            let flip = |data: &mut Vec<u8>| data[at] ^= 1 << ((at * 5 + 3) % 8);
            folder.rot(&name, flip);
            let mut session = recovered(&folder);
            let found = [0, 1, 2].map(|which| witness.found(&mut session, which));
            folder.rot(&name, flip);
            let lost = |which: usize| {
                let all = 0..witness.appended[which].len() as u64;
                all.filter(|number| !found[which].contains(number)).collect::<Vec<_>>()
            };
            let (metrics, events) = (lost(0), lost(1).len() + lost(2).len());
            let one = metrics.windows(2).all(|pair| {
                let at = |number: u64| witness.appended[0][number as usize].at.sequence;
                at(pair[0]) == at(pair[1])
            });
            assert!(events <= 1 && one && (events == 0 || metrics.is_empty()), "byte {at} of {name}: {metrics:?}, {events}");
            assert_ne!(session.report, before, "byte {at} of {name}");
            (events_lost, metrics_lost) = (events_lost + events, metrics_lost + metrics.len());
        }
    }
    assert!(events_lost > 100 && metrics_lost > 100, "{events_lost} {metrics_lost}");
}

#[test]
fn many_flipped_bits_are_never_a_message_that_was_not_appended() {
    let (witness, folder) = store();
    let mut chance = Chance::new(6);
    let files = folder.list().expect("a folder");
    for _ in 0..300 {
        let flips: Vec<_> = (0..1 + chance.below(40))
            .map(|_| {
                let (name, bytes) = &files[chance.below(files.len())];
                (name, chance.below(*bytes as usize), chance.below(8))
            })
            .collect();
        let flip = || flips.iter().for_each(|(name, at, bit)| folder.rot(name, |data| data[*at] ^= 1 << bit));
        flip();
        let mut session = recovered(&folder);
        let lost: usize = [1, 2].map(|which| witness.appended[which].len() - witness.found(&mut session, which).len()).iter().sum();
        witness.found(&mut session, 0);
        assert!(lost == 0 || session.malformed > 0 || session.report.lost() > 0, "{lost} of {:?}", session.report);
        flip();
    }
}

fn unbounded() -> Within {
    Within { stream_bytes_max: usize::MAX, bytes_max: usize::MAX }
}

fn named(within: Within, kind: Kind) -> Rebuilt {
    let mut rebuilt = Rebuilt::new(within);
    let mut name = Vec::new();
    body::stream(&mut name, 1, kind, "s");
    rebuilt.take(body::STREAM, &name);
    rebuilt
}

fn take(rebuilt: &mut Rebuilt, number: u64, at: (u64, u64), payload: &[u8]) {
    let mut record = Vec::new();
    body::message(&mut record, 1, number, Position { sequence: at.0, offset: at.1 }, 7);
    record.extend_from_slice(payload);
    rebuilt.take(body::MESSAGE, &record);
}

/// Walks through the log of a stream: how many messages it gives.
fn walk(mut rebuilt: Rebuilt) -> u64 {
    let stream = rebuilt.streams.remove("s").expect("it is named");
    let end = stream.end;
    let rejoined = stream.finish(9);
    let log = Log::restored(StreamOptions::default(), rejoined.first, rejoined.segments, end, Instant::now());
    let state = log.state();
    assert_eq!(state.kept + state.dropped, end);
    let (mut at, mut found, mut before) = (Position::default(), 0, 0);
    while at < log.end() {
        let next = match log.read(at, false) {
            Piece::Data { next, data, .. } => {
                for frame in frames(&data) {
                    at.offset += (FRAME_HEAD_BYTES + frame.expect("whole").payload.len()) as u64;
                    (found, before) = (found + 1, before + 1);
                }
                next
            }
            Piece::Gap { to, messages_before, .. } => {
                assert!(messages_before >= before, "{messages_before} after {before}");
                before = messages_before;
                to
            }
            other => panic!("{other:?}"),
        };
        assert!(next > at || (next == at && next.offset > 0), "it goes on");
        at = next;
    }
    assert!(before <= end);
    assert_eq!(found, state.kept);
    found
}

#[test]
fn numbers_and_places_that_contradict_one_another_are_left_out_and_counted() {
    for (records, kept, malformed) in [
        (vec![(u64::MAX, (0, 0)), (0, (u64::MAX, 0)), (0, (0, u64::MAX)), (0, (0, 1 << 30))], 0, 4),
        (vec![(u64::MAX - 1, (u64::MAX - 1, 0)), (u64::MAX - 2, (0, 0))], 1, 0),
        (vec![(0, (0, 0)), (0, (0, 20))], 1, 1),      // one number for two
        (vec![(0, (0, 0)), (1, (0, 7))], 1, 1),       // they overlap
        (vec![(0, (0, 0)), (5, (0, 16))], 1, 1),      // nothing is between them
        (vec![(9, (0, 0)), (3, (1, 0))], 1, 1),       // numbers go back
        (vec![(3, (1, 0)), (2, (0, 0))], 2, 0),       // found in another order
        (vec![(0, (0, 0)), (0, (0, 0))], 1, 0),       // found twice
        (vec![(0, (0, 0)), (9, (1 << 40, 0))], 1, 0), // too many segments between them
    ] {
        let mut rebuilt = named(unbounded(), Kind::Event);
        records.iter().for_each(|(number, at)| take(&mut rebuilt, *number, *at, b"none"));
        let refused = rebuilt.malformed;
        let mut again = named(unbounded(), Kind::Event);
        records.iter().for_each(|(number, at)| take(&mut again, *number, *at, b"none"));
        let contradicting = again.streams.remove("s").expect("named").finish(0).malformed;
        assert_eq!((walk(rebuilt), refused + contradicting), (kept, malformed), "{records:?}");
    }
}

#[test]
fn any_records_make_a_log_that_is_in_balance_and_ends() {
    let mut chance = Chance::new(8);
    for _ in 0..3_000 {
        let mut rebuilt = named(unbounded(), Kind::Event);
        for _ in 0..chance.below(60) {
            let at = (chance.below(5) as u64, chance.below(6) as u64 * 13);
            if chance.once_in(8) {
                let mut record = Vec::new();
                let number = chance.below(30) as u64;
                body::missed(&mut record, 1, number, chance.below(9) as u64, Position::default(), Reason::Dropped);
                rebuilt.take(body::MISSED, &record);
            } else {
                take(&mut rebuilt, chance.below(30) as u64, at, &[b'x'][..1 - chance.below(2)]);
            }
        }
        walk(rebuilt);
    }
}

#[test]
fn the_newest_of_a_stream_and_of_all_is_held_and_nothing_beyond_what_was_read() {
    let mut rebuilt = named(Within { stream_bytes_max: 10_000, bytes_max: usize::MAX }, Kind::Event);
    for number in 0..1_000 {
        take(&mut rebuilt, number, (number, 0), &[b'x'; 88]);
    }
    let rejoined = rebuilt.streams.remove("s").expect("named").finish(0);
    assert_eq!((rejoined.first, rejoined.segments.len(), rejoined.lost), (900, 100, 0));
    let mut rebuilt = named(Within { stream_bytes_max: usize::MAX, bytes_max: 50_000 }, Kind::Event);
    for number in 0..1_000 {
        take(&mut rebuilt, number, (number, 3 << 20), &[b'x'; 88]); // each is far into its segment
    }
    let rejoined = rebuilt.streams.remove("s").expect("named").finish(0);
    assert_eq!((rejoined.first, rejoined.segments.iter().map(|segment| segment.data.len()).sum::<usize>()), (500, 50_000));
    let mut rebuilt = Rebuilt::new(unbounded());
    for id in 0..10_000_u32 {
        let mut record = Vec::new();
        body::stream(&mut record, id, Kind::Event, &format!("{id}"));
        rebuilt.take(body::STREAM, &record);
    }
    assert_eq!((rebuilt.streams.len(), rebuilt.malformed), (RECOVERED_STREAMS_MAX, 10_000 - RECOVERED_STREAMS_MAX as u64));
}

#[test]
fn layouts_that_no_message_needs_are_bounded() {
    let mut rebuilt = named(unbounded(), Kind::Metrics);
    for id in 1..100 {
        let mut record = Vec::new();
        body::template(&mut record, id, 0);
        record.extend(Template { fixed: vec![id as u8; 1 << 20], ..Template::default() }.write(&Template::default()));
        rebuilt.take(body::TEMPLATE, &record);
        assert!(rebuilt.templates.bytes() <= RECOVERED_TEMPLATES_BYTES_MAX, "{}", rebuilt.templates.bytes());
    }
    assert!(rebuilt.malformed > 30);
}

#[test]
fn a_stream_of_another_number_in_each_file_is_one() {
    let mut rebuilt = named(unbounded(), Kind::Event);
    take(&mut rebuilt, 0, (0, 0), b"a");
    assert_eq!(rebuilt.streams.len(), 1);
    let mut name = Vec::new();
    body::stream(&mut name, 2, Kind::Event, "s");
    rebuilt.take(body::STREAM, &name);
    let mut record = Vec::new();
    body::message(&mut record, 2, 1, Position { sequence: 0, offset: 13 }, 7);
    rebuilt.take(body::MESSAGE, &[&record[..], b"b"].concat());
    body::message(&mut record, 3, 2, Position { sequence: 0, offset: 26 }, 7);
    assert_eq!((rebuilt.streams.len(), rebuilt.malformed, walk(rebuilt)), (1, 0, 2));
}
