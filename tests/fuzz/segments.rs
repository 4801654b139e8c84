//! Files of a session on disk. The first byte of an input says whether the others are a file as they are, the fields of records whose
//! checksums are made here, or changes of the files of a sound session.

#![no_main]

use std::collections::BTreeMap;

use fuzz::memory::{Files, Memory, SESSION};
use fuzz::{changes, peak, seeds};
use libfuzzer_sys::fuzz_target;
use telemetry_exporter::stream::disk::format::{HEADER_BYTES, file_name};
use telemetry_exporter::stream::disk::{Record, Report, scan};

/// Bytes that may be allocated for each byte of the files: a break takes about 100, and there may be one for each record of 20; thrice
/// that while its list grows, and again for the damage that is made of it, with the name of the file.
const PEAK_FACTOR: usize = 64;

/// And for the report of any file.
const PEAK_BYTES: usize = 16 << 10;

type Records = BTreeMap<u64, (u8, Vec<u8>)>;

fuzz_target!(init: seeds::write(seeds::segments(), Vec::new(), reads), |input: &[u8]| {
    let Some((way, bytes)) = input.split_first() else { return };
    match way % 3 {
        0 => drop(read(one(bytes.to_vec()))),
        1 => drop(read(one(seeds::session_file(bytes)))),
        _ => changed(bytes),
    }
});

/// A folder of one file.
fn one(data: Vec<u8>) -> Files {
    Files::from([(file_name(1), data)])
}

/// Reads the files; what is found is there, sound and in order.
fn read(files: Files) -> (Records, Report) {
    let bytes = files.values().map(Vec::len).sum::<usize>();
    let memory = Memory::default();
    memory.0.lock().expect("one thread").clone_from(&files);
    let (mut found, mut places) = (Records::new(), Vec::new());
    let mut last = None;
    let (report, peak) = peak::of(|| {
        let visit = |record: Record<'_>| {
            assert!(last.is_none_or(|last| last < record.index), "record {} after {last:?}", record.index);
            last = Some(record.index);
            let data = &files[&file_name(record.file)];
            assert!(seeds::is_record(data, record.offset, record.kind, record.index, record.body), "{record:?}");
            places.push((record.file, record.offset, record.body.len() + 20));
            found.insert(record.index, (record.kind, record.body.to_vec()));
        };
        scan(&memory, visit).expect("a folder")
    });
    assert!(places.is_sorted_by(|a, b| a.0 < b.0 || (a.0 == b.0 && a.1 + a.2 <= b.1)), "no byte is of two records: {places:?}");
    let most = bytes * PEAK_FACTOR + PEAK_BYTES * files.len();
    assert!(peak <= most, "{peak} bytes were allocated for files of {bytes}");
    assert_eq!(report.records(), found.len() as u64);
    for (file, data) in report.files.iter().zip(files.values()) {
        assert_eq!(file.bytes, data.len() as u64);
        let own = places.iter().filter(|place| place.0 == file.number).map(|place| place.2 as u64);
        assert!(file.loose_bytes + own.sum::<u64>() <= file.bytes, "{file:?}");
    }
    for damage in &report.damages {
        let bytes = files[&damage.file].len() as u64;
        assert!(damage.offset <= bytes && damage.to_string().starts_with(&damage.file), "{damage:?}");
    }
    (found, report)
}

/// The files of a sound session after some changes: nothing is found that was not written, and what is missing is told.
fn changed(bytes: &[u8]) {
    let mut files = SESSION.files.clone();
    for change in bytes.chunks_exact(6) {
        let [file, way, low, high, value, length] = *change else { return };
        let name = file_name((usize::from(file) % SESSION.files.len()) as u64 + 1);
        match files.get_mut(&name) {
            Some(_) if way % 8 == 7 && value < 16 => drop(files.remove(&name)),
            Some(data) => changes::apply(data, [low, high, way, value, length]),
            None => {}
        }
    }
    let is_sound = files == SESSION.files;
    let (found, report) = read(files);
    for (index, record) in &found {
        assert_eq!(SESSION.records.get(index), Some(record), "record {index} was written");
    }
    let missing = SESSION.records.len() - found.len();
    assert!(!is_sound || (missing == 0 && report.damages.is_empty()), "{report:?}");
    let loose: u64 = report.files.iter().map(|file| file.loose_records).sum();
    let is_open = !report.is_complete() || report.is_shortened;
    if !is_open {
        // Both ends are there, so every hole is between two records.
        assert_eq!(report.lost() + loose, missing as u64, "{report:?}");
    }
    assert!(missing == 0 || !report.damages.is_empty() || loose > 0 || is_open, "{report:?}");
}

fn reads(input: &[u8]) -> bool {
    let data = match input[0] % 3 {
        0 => input[1..].to_vec(),
        1 => seeds::session_file(&input[1..]),
        _ => return (input.len() - 1).is_multiple_of(6),
    };
    data.len() > HEADER_BYTES && !read(one(data)).0.is_empty()
}
