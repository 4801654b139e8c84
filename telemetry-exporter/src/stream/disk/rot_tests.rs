//! Files of which bits, ends or the whole are lost after they were durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::format::{Before, Header, INDEX_JUMP_MAX, Note, RECORDS_AT, file_name};
use super::simulated::{Chance, Disk, Folder, Plan};
use super::{Device, End, Fault, Journal, KIND_FIRST, Report, Stamp, scan};

type Records = BTreeMap<u64, Vec<u8>>;

struct Store {
    folder: Arc<Folder>,
    found: Records,
    report: Report,
}

impl Store {
    fn new(folder: Arc<Folder>) -> Self {
        let mut store = Self { folder, found: Records::new(), report: Report::default() };
        (store.found, store.report) = store.scan();
        assert_eq!(store.report.damages, []);
        store
    }

    fn scan(&self) -> (Records, Report) {
        let mut found = Records::new();
        let report = scan(&*self.folder, |record| {
            found.insert(record.index, record.body.to_vec());
        });
        (found, report.expect("a folder"))
    }

    /// What is found after a change of one file, which is undone. Nothing else than before, and nothing is missing in silence.
    fn changed(&self, number: u64, change: impl Fn(&mut Vec<u8>)) -> (u64, Report) {
        let name = file_name(number);
        let before = self.folder.read(&name).expect("it is there");
        self.folder.rot(&name, &change);
        let (found, report) = self.scan();
        self.folder.rot(&name, |data| *data = before);
        assert!(found.iter().all(|(index, body)| self.found.get(index) == Some(body)), "{report:?}");
        let missing = (self.found.len() - found.len()) as u64;
        let is_last = self.report.files.last().is_some_and(|file| file.number == number);
        if is_last {
            let is_open = report.files.last().is_some_and(|file| matches!(file.end, End::Open { .. } | End::Headless));
            assert!(missing == 0 || is_open || report.lost() > 0, "{report:?}");
        } else {
            assert_eq!(told(&report), told(&self.report) + missing, "{report:?}");
        }
        (missing, report)
    }
}

/// Records that a report calls missing.
fn told(report: &Report) -> u64 {
    report.lost() + report.files.iter().map(|file| file.loose_records).sum::<u64>()
}

fn body(index: u64) -> Vec<u8> {
    index.to_be_bytes().into_iter().cycle().take(index as usize % 23).collect()
}

fn append(journal: &mut Journal, count: u64) {
    for _ in 0..count {
        let body = body(journal.next_index());
        journal.append(KIND_FIRST, &[&body]).expect("a simulated disk");
    }
}

/// Four files: sealed, given up with two records that were never durable and one that is not there, sealed, open.
fn small() -> Store {
    let disk = Disk::new(1);
    let folder = disk.folder("small");
    let mut nonces = Chance::new(7);
    let stamp = move || Stamp { nonce: nonces.next(), created_ns: 1 };
    let mut journal = Journal::create(folder.clone(), [7; 16], 1 << 20, stamp).expect("a simulated disk");
    append(&mut journal, 5);
    journal.sync().expect("a simulated disk");
    append(&mut journal, 3);
    journal.rotate().expect("a simulated disk");
    append(&mut journal, 4);
    assert_eq!(journal.sync().expect("a simulated disk"), 12);
    append(&mut journal, 2);
    journal.flush().expect("a simulated disk");
    append(&mut journal, 1);
    disk.plan(Plan { is_vanished: true, ..Plan::default() });
    assert!(journal.flush().is_err() && journal.is_given_up());
    disk.plan(Plan::default());
    journal.restart().expect("a simulated disk");
    append(&mut journal, 6);
    journal.rotate().expect("a simulated disk");
    append(&mut journal, 4);
    assert_eq!(journal.sync().expect("a simulated disk"), 25);
    append(&mut journal, 2);
    journal.flush().expect("a simulated disk");
    let store = Store::new(folder);
    assert_eq!(store.found.keys().copied().collect::<Vec<_>>(), (0..14).chain(15..27).collect::<Vec<_>>());
    let ends: Vec<_> = store.report.files.iter().map(|file| (file.end, file.loose_bytes, file.loose_records)).collect();
    let sealed = End::Sealed { last: false };
    assert_eq!(ends, [(sealed, 0, 0), (End::Open { synced: 12 }, 0, 1), (sealed, 0, 0), (End::Open { synced: 25 }, 0, 0)]);
    assert!(!store.report.is_complete() && !store.report.is_shortened);
    store
}

#[test]
fn a_flipped_bit_costs_one_record_at_most_and_is_told() {
    let store = small();
    for file in &store.report.files {
        for bit in 0..file.bytes as usize * 8 {
            let (missing, report) = store.changed(file.number, |data| data[bit / 8] ^= 1 << (bit % 8));
            assert!(missing <= 1, "bit {bit} of file {}: {report:?}", file.number);
            assert_ne!(report, store.report, "bit {bit} of file {}", file.number);
            let is_durable = file.end == End::Sealed { last: false } || bit / 8 < RECORDS_AT;
            let is_told = report.damages.iter().any(|damage| damage.file == file_name(file.number));
            // Only the last watermark of a sealed file is no more than loose bytes: its footer says more.
            assert!(
                is_told || !is_durable || (missing == 0 && report.files.iter().any(|file| file.loose_bytes == 28)),
                "{report:?}"
            );
        }
    }
}

#[test]
fn a_file_that_is_cut_anywhere_loses_what_was_there_and_it_is_told() {
    let store = small();
    for file in &store.report.files {
        for length in 0..file.bytes as usize {
            let (missing, report) = store.changed(file.number, |data| data.truncate(length));
            assert!(missing <= file.records, "{report:?}");
            let found = &report.files[file.number as usize - 1];
            assert!(!matches!(found.end, End::Sealed { .. }), "cut at {length} of file {}: {report:?}", file.number);
            if matches!(file.end, End::Sealed { .. }) && length > RECORDS_AT {
                assert_eq!(report.damages.len(), 1, "cut at {length} of file {}: {report:?}", file.number);
                assert_eq!(report.damages[0].lost, Some(missing));
            }
        }
    }
}

#[test]
fn a_file_that_is_missing_is_a_hole_and_the_first_ones_are_a_shorter_session() {
    for number in 1..=4 {
        let store = small();
        store.folder.remove(&file_name(number)).expect("it is there");
        let (found, report) = store.scan();
        let lost: Vec<_> = report.damages.iter().map(|damage| (damage.file.as_str(), damage.lost)).collect();
        match number {
            1 => assert!(lost.is_empty() && report.is_shortened && report.first_index() == Some(8), "{report:?}"),
            2 => assert_eq!(lost, [("00000003.telemetry", Some(4))], "two were never durable"),
            3 => assert_eq!(lost, [("00000004.telemetry", Some(7))], "one of them is the one that was given up: {report:?}"),
            _ => assert!(lost.is_empty() && report.files.len() == 3 && !report.is_complete()),
        }
        assert_eq!(found.len() as u64, report.records());
    }
}

#[test]
fn a_file_that_was_cut_within_its_header_behind_one_that_is_missing_has_the_hole_at_its_end() {
    let store = small();
    store.folder.remove(&file_name(3)).expect("it is there");
    store.folder.rot(&file_name(4), |data| data.truncate(100));
    let (_, report) = store.scan();
    assert_eq!(report.damages[0].to_string(), "00000004.telemetry: index 21 is next at byte 100, wanted 14; 7 records are lost");
}

#[test]
fn a_file_of_another_place_or_kind_is_told_and_not_read() {
    for (name, copy, error) in [
        ("00000005.telemetry", "00000002.telemetry", "00000005.telemetry: is file 2, wanted 5 as its name says"),
        ("00000005.telemetry", "", "00000005.telemetry: begins with 6e6f742061206669, wanted 89544c4d0d0a1a0a"),
    ] {
        let store = small();
        let data = if copy.is_empty() { b"not a file".repeat(50) } else { store.folder.read(copy).expect("it is there") };
        store.folder.create(name).and_then(|mut file| file.append(&data)).expect("a simulated disk");
        store.folder.create("notes.txt").expect("a simulated disk");
        let (found, report) = store.scan();
        assert_eq!(found, store.found);
        assert_eq!(report.damages.iter().map(ToString::to_string).collect::<Vec<_>>(), [error]);
        assert_eq!(report.others, ["notes.txt"]);
    }
}

#[test]
fn bytes_after_a_footer_and_a_footer_that_is_not_there_are_told() {
    let store = small();
    let (missing, report) = store.changed(1, |data| data.extend([0; 7]));
    assert_eq!((missing, &report.damages[0].fault), (0, &Fault::Trailing { bytes: 7 }));
    let (missing, report) = store.changed(1, |data| data.truncate(data.len() - 112));
    assert_eq!((missing, &report.damages[0].fault), (0, &Fault::Footer));
    let text = report.damages[0].to_string();
    assert!(text.starts_with("00000001.telemetry: no footer at byte ") && text.ends_with("; no record is lost"), "{text}");
}

#[test]
fn a_sealed_file_that_has_lost_its_header_is_read_by_its_footer() {
    let store = small();
    let (missing, report) = store.changed(3, |data| data[..RECORDS_AT].fill(0));
    assert_eq!((missing, report.damages.len()), (0, 1));
    let (missing, report) = store.changed(4, |data| data[..RECORDS_AT].fill(0));
    assert_eq!((missing, report.files[3].end), (6, End::Headless));
    assert_eq!(report.damages[0].to_string(), "00000004.telemetry: begins with 0000000000000000, wanted 89544c4d0d0a1a0a");
}

#[test]
fn what_looks_like_a_record_within_a_body_is_none() {
    let store = small();
    let disk = Disk::new(2);
    let folder = disk.folder("copies");
    let stamp = || Stamp { nonce: 1, created_ns: 1 };
    let mut journal = Journal::create(folder.clone(), [7; 16], 1 << 20, stamp).expect("a simulated disk");
    let mut lengths = Vec::new();
    for round in 0..6 {
        // What another file has, and what this one has so far.
        let own = folder.read(&file_name(1)).expect("it is there");
        let body = [store.folder.read(&file_name(1)).expect("it is there"), own].concat();
        lengths.push(body.len());
        assert_eq!(journal.append(KIND_FIRST, &[&body]).expect("a simulated disk"), round);
        journal.sync().expect("a simulated disk");
    }
    journal.seal().expect("a simulated disk");
    let store = Store::new(folder);
    assert!(store.report.is_complete() && store.found.values().map(Vec::len).eq(lengths));
    let mut at = RECORDS_AT;
    for body in store.found.values() {
        let (missing, report) = store.changed(1, |data| data[at + 5] ^= 1);
        assert_eq!((missing, report.lost()), (1, 1), "{report:?}");
        at += 20 + body.len() + 28;
    }
}

#[test]
fn a_whole_record_of_an_index_that_was_or_cannot_be_is_none() {
    let stamp = Stamp { nonce: 1, created_ns: 1 };
    let header = Header { before: Before::Nothing, session: [7; 16], number: 1, first: 0, settled: 0, stamp };
    let mut data = header.encode().repeat(2);
    for index in [0, 1, 1, 0, 2, 4 + INDEX_JUMP_MAX, u64::MAX, 3, 6] {
        header.salt().encode(&mut data, KIND_FIRST, index, &[b"body"]);
    }
    Note::Watermark(7).encode(header.salt(), &mut data, 7);
    let folder = Disk::new(4).folder("f");
    folder.create(&file_name(1)).and_then(|mut file| file.append(&data)).expect("a simulated disk");
    let mut found = Vec::new();
    let report = scan(&*folder, |record| found.push(record.index)).expect("a folder");
    assert_eq!(found, [0, 1, 2, 3, 6]);
    let damages: Vec<_> = report.damages.iter().map(ToString::to_string).collect();
    let wanted = [
        "00000001.telemetry: no record of index 2 at byte 208; no record is lost",
        "00000001.telemetry: no record of index 3 at byte 280; no record is lost",
        "00000001.telemetry: index 6 is next at byte 352, wanted 4; 2 records are lost",
    ];
    assert_eq!(damages, wanted);
}

#[test]
fn a_thousand_flipped_bits_of_some_megabytes_are_counted_to_the_record() {
    let mut chance = Chance::new(3);
    let folder = Disk::new(3).folder("large");
    let mut nonces = Chance::new(9);
    let stamp = move || Stamp { nonce: nonces.next(), created_ns: 1 };
    let mut journal = Journal::create(folder.clone(), [7; 16], 256 << 10, stamp).expect("a simulated disk");
    while journal.bytes() < 3 << 20 {
        let body = [chance.next() as u8].repeat(chance.below(400));
        let index = journal.append(KIND_FIRST, &[&body]).expect("a simulated disk");
        if index.is_multiple_of(100) {
            journal.sync().expect("a simulated disk");
        }
        if journal.is_full() {
            journal.rotate().expect("a simulated disk");
        }
    }
    journal.seal().expect("a simulated disk");
    let store = Store::new(folder);
    let numbers: Vec<_> = store.report.files.iter().map(|file| (file_name(file.number), file.bytes as usize)).collect();
    assert!(numbers.len() > 10 && store.report.is_complete());
    for _ in 0..20 {
        let mut flips = Vec::new();
        for _ in 0..50 {
            let (name, bytes) = &numbers[chance.below(numbers.len())];
            flips.push((name, chance.below(*bytes), chance.below(8)));
        }
        let flip = || flips.iter().for_each(|(name, at, bit)| store.folder.rot(name, |data| data[*at] ^= 1 << bit));
        flip();
        let (found, report) = store.scan();
        assert!(found.iter().all(|(index, body)| store.found.get(index) == Some(body)));
        let missing = store.found.len() - found.len();
        assert!(missing <= 50 && missing as u64 == report.lost(), "{missing} are missing: {:?}", report.damages);
        flip();
    }
}
