//! FORMAT.md and the code say the same.

use std::sync::Arc;

use super::format::{
    Before, CHECKSUM_BYTES, FOOTER_BODY_BYTES, HEAD_BYTES, HEADER_BYTES, Header, HeaderError, MAGIC, RECORDS_AT, file_name,
    file_number,
};
use super::simulated::{Disk, Folder};
use super::{BODY_BYTES_MAX, Device, Journal, KIND_FIRST, Stamp, scan};

const DOCUMENT: &str = include_str!("../../../../FORMAT.md");

/// The lines of a section.
fn section(title: &str) -> impl Iterator<Item = &'static str> {
    let (_, text) = DOCUMENT.split_once(&format!("\n## {title}\n")).expect("a section of this title");
    text.split("\n## ").next().unwrap_or_default().lines()
}

/// Where the fields of a section's table are, how long they are and their names. A body counts as empty.
fn fields(title: &str) -> Vec<(usize, usize, &'static str)> {
    let number = |text: &str| text.trim().replace("+n", "").replace('n', "0").parse().ok();
    let row = |line: &'static str| {
        let cells: Vec<_> = line.split('|').collect();
        Some((number(cells.get(1)?)?, number(cells.get(2)?)?, cells.get(3)?.trim()))
    };
    section(title).filter_map(row).collect()
}

fn stamp() -> Stamp {
    Stamp { nonce: 0x0123_4567_89ab_cdef, created_ns: 1_700_000_000_000_000_000 }
}

fn example() -> (Arc<Folder>, Vec<u8>) {
    let session = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    let folder = Disk::new(0).folder("example");
    let mut journal = Journal::create(folder.clone(), session, 1 << 20, stamp).expect("a simulated disk");
    journal.append(16, &[b"hel", b"lo"]).expect("a simulated disk");
    journal.sync().expect("a simulated disk");
    journal.append(17, &[]).expect("a simulated disk");
    journal.seal().expect("a simulated disk");
    let data = folder.read("00000001.telemetry").expect("it is there");
    (folder, data)
}

/// The places in the example where a line of the document begins, and what it says there.
fn lines() -> Vec<(usize, &'static str)> {
    let header: [(usize, &str); 11] = [
        (0, "magic"),
        (8, "version"),
        (12, "before: none"),
        (16, "session"),
        (32, "number"),
        (40, "first"),
        (48, "settled"),
        (56, "nonce"),
        (64, "created"),
        (72, "reserved"),
        (76, "checksum"),
    ];
    let head = |at: usize, what: &'static str, body: &'static [(usize, &'static str)]| {
        let begin = [(at, what), (at + 4, "index"), (at + 12, "checksum")];
        begin.into_iter().chain(body.iter().map(move |(offset, what)| (at + 16 + offset, *what))).collect::<Vec<_>>()
    };
    let mut lines: Vec<_> = header.to_vec();
    lines.push((80, "the header again"));
    lines.extend(head(160, "kind 16, 5 bytes", &[(0, "hello"), (5, "checksum")]));
    lines.extend(head(185, "kind 1, 8 bytes: a watermark", &[(0, "synced"), (8, "checksum")]));
    lines.extend(head(213, "kind 17, no bytes", &[(0, "checksum")]));
    lines.extend(head(
        233,
        "kind 2, 92 bytes: the footer",
        &[(0, "the header once more"), (80, "records"), (88, "last"), (92, "checksum")],
    ));
    lines
}

/// The bytes as the document has them.
fn written(data: &[u8]) -> String {
    let lines = lines();
    let mut text = String::new();
    for (place, (begin, what)) in lines.iter().enumerate() {
        let end = lines.get(place + 1).map_or(data.len(), |next| next.0);
        for (row, bytes) in data[*begin..end].chunks(16).enumerate() {
            let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let what = if row == 0 { *what } else { "" };
            text += format!("{:03} │ {:47} │ {what}", begin + 16 * row, hex.join(" ")).trim_end();
            text.push('\n');
        }
    }
    text
}

#[test]
fn the_example_of_the_document_is_what_the_code_writes() {
    let (folder, data) = example();
    let text = written(&data);
    let (_, document) = DOCUMENT.split_once("```hex\n").expect("the example");
    let (document, _) = document.split_once("```").expect("its end");
    assert!(document == text, "FORMAT.md has another example than the code writes:\n{text}");
    let mut found = Vec::new();
    let report = scan(&*folder, |record| found.push((record.index, record.kind, record.body.to_vec()))).expect("a folder");
    assert_eq!(found, [(0, 16, b"hello".to_vec()), (1, 17, Vec::new())]);
    assert!(report.is_complete() && report.damages.is_empty());
}

#[test]
fn the_tables_of_the_document_have_the_fields_of_the_code_at_their_places() {
    for (title, bytes) in
        [("Header", HEADER_BYTES), ("Record", HEAD_BYTES + CHECKSUM_BYTES), ("Watermark", 8), ("Footer", FOOTER_BODY_BYTES)]
    {
        let fields = fields(title);
        let end = fields.iter().fold(0, |at, (begin, bytes, name)| {
            assert_eq!(at, *begin, "{title}: {name}");
            at + bytes
        });
        assert_eq!(end, bytes, "{title}: {fields:?}");
    }
    let header = header();
    let changed = [
        ("before", Header { before: Before::GivenUp, ..header }),
        ("session", Header { session: [!0; 16], ..header }),
        ("number", Header { number: !0, ..header }),
        ("first", Header { first: !0, ..header }),
        ("settled", Header { settled: !0, ..header }),
        ("nonce", Header { stamp: Stamp { nonce: !0, ..header.stamp }, ..header }),
        ("created", Header { stamp: Stamp { created_ns: !0, ..header.stamp }, ..header }),
    ];
    for (name, other) in changed {
        let (at, bytes, _) = *fields("Header").iter().find(|field| field.2 == name).expect("a field of this name");
        let places = header.encode().into_iter().zip(other.encode()).take(76).enumerate();
        let differ: Vec<_> = places.filter(|(_, (one, other))| one != other).map(|(place, _)| place).collect();
        assert!(differ.first() >= Some(&at) && differ.last() < Some(&(at + bytes)), "{name} is in {differ:?}");
    }
    let document: String = DOCUMENT.replace(',', "");
    assert!(document.contains(&format!("at most {BODY_BYTES_MAX} |")), "the length of a body");
    assert!(document.contains(&format!("more than {RECORDS_AT} bytes")), "the place of the first record");
    assert_eq!(KIND_FIRST, 16);
    assert!(section("Header").any(|line| line.contains(&MAGIC.map(|byte| format!("{byte:02x}")).join(" "))));
    assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
}

fn header() -> Header {
    Header { before: Before::Sealed, session: [1; 16], number: 7, first: 9, settled: 3, stamp: stamp() }
}

#[test]
fn a_header_comes_back_as_it_was_written_and_no_other_bit_or_length_is_one() {
    let header = header();
    let bytes = header.encode();
    assert_eq!(Header::decode(&bytes), Ok(header));
    assert_eq!(Header::decode(&bytes.repeat(2)), Ok(header));
    for length in 0..HEADER_BYTES {
        assert_eq!(Header::decode(&bytes[..length]), Err(HeaderError::Cut(length)));
    }
    for bit in 0..HEADER_BYTES * 8 {
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(Header::decode(&flipped), Err(HeaderError::Magic(_) | HeaderError::Checksum { .. })), "bit {bit}");
    }
}

#[test]
fn a_header_of_another_version_or_that_contradicts_itself_is_refused() {
    let decoded = |change: fn(&mut [u8])| {
        let mut bytes = header().encode();
        change(&mut bytes);
        let checksum = crc32c::crc32c(&bytes[..76]);
        bytes[76..].copy_from_slice(&checksum.to_be_bytes());
        Header::decode(&bytes)
    };
    assert_eq!(decoded(|bytes| bytes[11] = 2), Err(HeaderError::Version(2)));
    assert_eq!(decoded(|bytes| bytes[15] = 3), Err(HeaderError::Fields));
    assert_eq!(decoded(|bytes| bytes[55] = 10), Err(HeaderError::Fields), "settled is above first");
    assert_eq!(decoded(|bytes| bytes[75] = 1), Ok(header()), "what is reserved is not looked at");
}

#[test]
fn names_of_files_are_numbers_of_eight_digits_or_more() {
    for number in [1, 42, 99_999_999, 100_000_000, u64::MAX] {
        assert_eq!(file_number(&file_name(number)), Some(number));
    }
    assert_eq!(file_name(42), "00000042.telemetry");
    for name in ["", "1.telemetry", "00000000.telemetry", "+0000001.telemetry", "000000001.telemetry", "00000001.telemetry.new"] {
        assert_eq!(file_number(name), None, "{name}");
    }
}
