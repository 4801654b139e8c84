//! Any bytes as a file: an executable, a library, an object file or an archive.

#![no_main]

use std::path::Path;

use fuzz::{peak, seeds};
use libfuzzer_sys::fuzz_target;
use telemetry_exporter::catalogue::read_bytes;

/// Bytes that may be allocated for each byte of a file. The least record has 36 bytes and becomes about 300, a label of 5 becomes 48;
/// twice that where a list has just grown, thrice while it does so.
const PEAK_FACTOR: usize = 64;

/// And for any file, for the text of an error.
const PEAK_BYTES: usize = 16 << 10;

fuzz_target!(init: seeds::write(seeds::binaries(), seeds::oversized(), reads), |file: &[u8]| {
    let (read, peak) = peak::of(|| read_bytes(Path::new("file"), file));
    assert!(peak <= file.len() * PEAK_FACTOR + PEAK_BYTES, "{peak} bytes were allocated for a file of {}", file.len());
    match read {
        Ok(records) => {
            assert!(!records.is_empty() && records.iter().all(|record| !record.name.is_empty() && !record.kind.is_empty()));
            // No byte is of two records.
            assert!(records.len() <= file.len() / seeds::LEAST_BYTES, "{} records of {} bytes", records.len(), file.len());
            assert!(records.is_sorted_by_key(|record| (&record.kind, &record.name)), "{records:?}");
        }
        Err(error) => assert!(error.to_string().starts_with("file"), "{error}"),
    }
});

fn reads(file: &[u8]) -> bool {
    read_bytes(Path::new("seed"), file).is_ok()
}
