//! What a fuzzer begins with: whole records, and a small binary of each format that has some.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::{env, fs};

use object::write::{Object, pe};
use object::{Architecture, BinaryFormat, Endianness, SectionKind};
use telemetry_core::meta::code;
use telemetry_core::write::{
    BEGIN_BYTES, HEAD_BYTES, LabelMeta, MAGIC, Meta, SECTION_ELF, SECTION_MACHO, SECTION_PE, VERSION, checksum, encode_labels,
    labels_size, record,
};
use telemetry_exporter::stream::disk::format::file_name;

use crate::memory::SESSION;

const HISTOGRAM: Meta = Meta {
    name: "n",
    unit: "ms",
    description: "ä",
    package: "p",
    version: "1",
    file: "f",
    line: 7,
    ty: "H",
    bounds: Some(&[0.5, 1.0]),
    every_ms: None,
    shared: true,
    access: "",
    on_demand: false,
};
const SNAPSHOT: Meta = Meta { name: "s", bounds: None, every_ms: Some(250), shared: false, access: "restricted", ..HISTOGRAM };
const LABELS: &[LabelMeta] = &[LabelMeta::Label("k", &["a", "b"]), LabelMeta::Label("l", &[])];

static RECORDS: LazyLock<[Vec<u8>; 2]> =
    LazyLock::new(|| [record(&HISTOGRAM, code::HISTOGRAM, LABELS, "m"), record(&SNAPSHOT, code::SNAPSHOT, &[], "m")]);

const NO_LABELS: [u8; labels_size(&[])] = encode_labels(&[]);

/// Writes them to the folder that `FUZZ_SEEDS` names, if it does. The fuzzer reads its folders after that. A sound seed that is not
/// read would be of no use, and nobody would know.
pub fn write(sound: Vec<Vec<u8>>, refused: Vec<Vec<u8>>, reads: impl Fn(&[u8]) -> bool) {
    for (number, seed) in sound.iter().enumerate() {
        assert!(reads(seed), "seed {number} is not read");
    }
    let Some(folder) = env::var_os("FUZZ_SEEDS").map(PathBuf::from) else { return };
    for (number, seed) in sound.iter().chain(&refused).enumerate() {
        fs::write(folder.join(format!("seed-{number}")), seed).expect("the folder is there");
    }
}

fn whole() -> [&'static [u8]; 2] {
    [&RECORDS[0], &RECORDS[1]]
}

/// Inputs of the target `records`.
pub fn records() -> Vec<Vec<u8>> {
    let section = [RECORDS[0].as_slice(), &[0; 5], &RECORDS[1]].concat();
    let fields = |meta: &Meta| {
        let mut fields = vec![0; meta.size()];
        meta.write(&mut fields);
        fields[BEGIN_BYTES + HEAD_BYTES..].to_vec()
    };
    let twice = fields(&SNAPSHOT).repeat(2);
    vec![
        [&[0, 40, 0], section.as_slice()].concat(),
        [&[1, 9, 0], fields(&HISTOGRAM).as_slice()].concat(),
        [&[1, 0, 0], fields(&SNAPSHOT).as_slice()].concat(),
        [&[2, 200, 0], twice.as_slice()].concat(),
    ]
}

/// The record of a counter without labels that has these fields.
pub fn headed(fields: &[u8]) -> Vec<u8> {
    let length = u32::try_from(fields.len()).expect("an input is short");
    let numbers = [u32::from(VERSION), length, checksum(fields)].map(u32::to_le_bytes);
    [MAGIC.as_slice(), &numbers.concat(), fields, &[code::COUNTER, !code::COUNTER], &NO_LABELS, &[0, !0], &[0, 0]].concat()
}

/// Bytes of the least record: a name of a letter.
pub const LEAST_BYTES: usize = BEGIN_BYTES + HEAD_BYTES + LEAST_FIELDS.len() + 2 + NO_LABELS.len() + 2 + 2;
const LEAST_FIELDS: &[u8] = b"\x01\x01\0\0\0n";

/// Inputs of the target `binaries`.
pub fn binaries() -> Vec<Vec<u8>> {
    use Architecture::{Aarch64, I386, PowerPc, S390x, X86_64};
    use Endianness::{Big, Little};
    let least = headed(LEAST_FIELDS);
    let (one, many) = (least.as_slice(), least.repeat(40));
    let elf = object(BinaryFormat::Elf, X86_64, Little, SECTION_ELF, whole());
    vec![
        archive(&[("a.o/", &elf), ("lib.rmeta/", b"no binary"), ("b.o/", &elf)]),
        archive(&[("//", b"a long name.o/\n\n"), ("/0", &elf)]),
        archive(&[("#1/4", &[b"c.o\0", elf.as_slice()].concat())]),
        object(BinaryFormat::Elf, I386, Little, SECTION_ELF, whole()),
        object(BinaryFormat::Elf, PowerPc, Big, SECTION_ELF, whole()),
        object(BinaryFormat::Elf, S390x, Big, SECTION_ELF, whole()),
        object(BinaryFormat::MachO, Aarch64, Little, SECTION_MACHO, whole()),
        object(BinaryFormat::MachO, I386, Little, SECTION_MACHO, whole()),
        object(BinaryFormat::Coff, X86_64, Little, SECTION_PE, whole()),
        object(BinaryFormat::Elf, X86_64, Little, SECTION_ELF, [one, &many]),
        executable(true),
        executable(false),
        elf,
    ]
}

/// More of them, which are to be refused: what claims more than the file has. A fuzzer does not come upon these.
pub fn oversized() -> Vec<Vec<u8>> {
    let least = headed(LEAST_FIELDS);
    let elf = object(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little, SECTION_ELF, [&least, &least.repeat(40)]);
    let headers = u64::from_le_bytes(elf[40..48].try_into().expect("eight bytes")) as usize;
    let (first, second) = (headers + 64, headers + 2 * 64);
    let mut overlapping = elf.clone();
    overlapping.copy_within(second + 24..second + 40, first + 24); // offset and size
    let mut compressed = elf;
    compressed[first + 8 + 1] |= 8; // in the flags: SHF_COMPRESSED
    vec![overlapping, compressed]
}

/// Inputs of the target `segments`.
pub fn segments() -> Vec<Vec<u8>> {
    let whole = |number| SESSION.files[&file_name(number)].as_slice();
    let changes = |changes: &[[u8; 6]]| [&[2], changes.concat().as_slice()].concat();
    vec![
        [&[0], whole(1)].concat(),
        [&[1], [16, 0, 0, 2, 7, 7].as_slice(), &[1, 0, 0, 0], &[17, 1, 0, 1, 9], &[2, 0, 0, 0]].concat(),
        [&[1], [200, 3, 0, 5, 1, 2, 3, 4, 5].as_slice(), &[20, 0, 1, 0]].concat(),
        changes(&[]),
        changes(&[[0, 0, 200, 0, 1, 0], [1, 2, 250, 0, 0, 0]]),
        changes(&[[2, 3, 170, 0, 0, 90], [3, 4, 180, 0, 0, 60], [0, 5, 210, 0, 190, 80]]),
        changes(&[[1, 6, 180, 0, 5, 30], [2, 7, 0, 0, 3, 0]]),
    ]
}

/// Inputs of the target `frames`: for a segment.
pub fn frames(segment: &[u8]) -> Vec<Vec<u8>> {
    let length = segment.len() as u8;
    vec![
        [&[0, 20, 0], segment].concat(),
        [&[0, 3, 0], segment[..12].repeat(3).as_slice()].concat(),
        vec![1, length, 0],
        vec![1, 200, 0, 90, 0, 0, 200, 0, 60, 0, 3, 0, 30],
    ]
}

/// Inputs of the target `tokens`.
pub fn tokens() -> Vec<Vec<u8>> {
    let bytes = [&[1], [7; 16].as_slice(), &[5, 0x81, 2], b"metrics"].concat();
    let text = base64url(&[bytes.as_slice(), &crc32c(&bytes).to_be_bytes()].concat());
    let fields = |change: &[u8]| [&[2, 9, 200], change, &[3; 16], b"metrics"].concat();
    vec![
        [b"\0", text.as_bytes()].concat(),
        [&[1], bytes.as_slice()].concat(),
        fields(&[7, 0, 0, 1, 0]),
        fields(&[9, 0, 2, 0, 0]),
        fields(&[30, 0, 3, b'A', 9]),
    ]
}

/// Inputs of the target `compact`: of templates as they are written against the first, and of messages.
pub fn compact(templates: &[Vec<u8>], messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let run = |messages: &[Vec<u8>]| -> Vec<u8> {
        let one = |message: &Vec<u8>| [&(message.len() as u16).to_le_bytes(), message.as_slice()].concat();
        messages.iter().filter(|message| message[0] == 1).flat_map(one).collect()
    };
    let mut seeds: Vec<_> = templates.iter().map(|template| [&[0, 0], template.as_slice()].concat()).collect();
    let first = &templates[0];
    seeds.extend([
        [&[1, first.len() as u8, (first.len() >> 8) as u8], first.as_slice(), &run(&messages[..9])].concat(),
        vec![2],
        [&[2], [3, 0, 4, 0, 0, 1, 0].as_slice(), &[5, 0, 9, 0, 3, 7, 2], &[20, 0, 0, 0, 2, 0, 0]].concat(),
    ]);
    seeds.extend((0..6_u32).map(|seed| {
        let random =
            (0..600_u32).map(|n| (seed * 600 + n).wrapping_mul(0x9e37_79b1).rotate_left(15).wrapping_mul(0x85eb_ca6b) >> 24);
        [3].into_iter().chain(random.map(|byte| byte as u8)).collect()
    }));
    seeds
}

/// CRC32C, bit by bit.
pub fn crc32c(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc)))
}

/// The text of bytes in base64url, without padding.
pub fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letters = bytes.chunks(3).flat_map(|three| {
        let bits = (0..3).fold(0, |bits, n| bits << 8 | usize::from(*three.get(n).unwrap_or(&0)));
        (0..=three.len()).map(move |n| char::from(LETTERS[bits >> (18 - 6 * n) & 63]))
    });
    letters.collect()
}

const NONCE: [u8; 8] = *b"a nonce ";

/// A copy of the header of the file that [`session_file`] makes.
fn session_header() -> [u8; 80] {
    let mut header = [0; 80];
    header[..8].copy_from_slice(b"\x89TLM\r\n\x1a\n");
    (header[11], header[39]) = (1, 1); // version and number
    header[56..64].copy_from_slice(&NONCE);
    let checksum = crc32c(&header[..76]);
    header[76..].copy_from_slice(&checksum.to_be_bytes());
    header
}

/// A file whose records have these fields, and right checksums but where a field says otherwise: kind, the step of the index, what is
/// wrong, and bytes of the body, which follow. The body of a note is made where that is wanted to be right.
pub fn session_file(mut fields: &[u8]) -> Vec<u8> {
    let mut file = session_header().repeat(2);
    let mut index = 0_u64;
    while let Some(([kind, step, wrong, length], rest)) = fields.split_first_chunk() {
        let (mut body, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        fields = rest;
        let note = match kind {
            1 => index.to_be_bytes().to_vec(),
            2 => [session_header().as_slice(), &index.to_be_bytes(), &[0, 0, 0, wrong & 1]].concat(),
            _ => Vec::new(),
        };
        if *kind < 16 && *length == 0 {
            body = &note;
        }
        index = index.wrapping_add_signed(i64::from(*step as i8));
        let mut head = u32::try_from(body.len()).expect("an input is short").to_be_bytes().to_vec();
        head[0] = *kind;
        head.extend(index.to_be_bytes());
        let (of_head, of_body) = checksums(&NONCE, &head, body);
        file.extend(&head);
        file.extend((of_head ^ u32::from(wrong >> 4 & 1)).to_be_bytes());
        file.extend(body);
        file.extend((of_body ^ u32::from(wrong >> 5 & 1)).to_be_bytes());
        index = index.wrapping_add(u64::from(*kind >= 16));
    }
    file
}

fn checksums(nonce: &[u8], head: &[u8], body: &[u8]) -> (u32, u32) {
    (crc32c(&[nonce, head].concat()), crc32c(&[nonce, head, body].concat()))
}

/// Whether there is such a record at a place of a file, by what FORMAT.md says of both.
pub fn is_record(file: &[u8], at: usize, kind: u8, index: u64, body: &[u8]) -> bool {
    let is_header = |copy: &&[u8]| copy.len() == 80 && crc32c(&copy[..76]).to_be_bytes() == copy[76..];
    let footer = file.len().saturating_sub(96);
    let copies = [0, 80, footer].into_iter().filter_map(|at| file.get(at..at + 80));
    let Some(header) = copies.filter(is_header).find(|copy| copy.starts_with(b"\x89TLM")) else { return false };
    let mut head = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    head[0] = kind;
    head.extend(index.to_be_bytes());
    let (of_head, of_body) = checksums(&header[56..64], &head, body);
    let record = [&head, of_head.to_be_bytes().as_slice(), body, &of_body.to_be_bytes()].concat();
    kind >= 16 && at >= 160 && file.get(at..).is_some_and(|rest| rest.starts_with(&record))
}

/// An object file with two sections of records, and a symbol of each.
fn object(format: BinaryFormat, on: Architecture, endianness: Endianness, section: &str, records: [&[u8]; 2]) -> Vec<u8> {
    let mut object = Object::new(format, on, endianness);
    for bytes in records {
        let id = object.add_section(b"__DATA".to_vec(), section.as_bytes().to_vec(), SectionKind::ReadOnlyData);
        object.append_section_data(id, bytes, 1);
        object.section_symbol(id);
    }
    object.write().expect("it is whole")
}

/// A PE file.
fn executable(is_64: bool) -> Vec<u8> {
    let section = whole().concat();
    let size = u32::try_from(section.len()).expect("it is short");
    let mut bytes = Vec::new();
    let mut writer = pe::Writer::new(is_64, 16, 16, &mut bytes);
    writer.reserve_dos_header();
    writer.reserve_nt_headers(0);
    writer.reserve_section_headers(1);
    let mut name = [0; 8];
    name[..SECTION_PE.len()].copy_from_slice(SECTION_PE.as_bytes());
    let characteristics = object::pe::IMAGE_SCN_CNT_INITIALIZED_DATA | object::pe::IMAGE_SCN_MEM_READ;
    let range = writer.reserve_section(name, characteristics, size, size);
    writer.write_empty_dos_header().expect("it is first");
    writer.write_nt_headers(pe::NtHeaders {
        machine: if is_64 { object::pe::IMAGE_FILE_MACHINE_AMD64 } else { object::pe::IMAGE_FILE_MACHINE_I386 },
        time_date_stamp: 0,
        characteristics: object::pe::IMAGE_FILE_EXECUTABLE_IMAGE,
        major_linker_version: 0,
        minor_linker_version: 0,
        address_of_entry_point: 0,
        image_base: 0,
        major_operating_system_version: 0,
        minor_operating_system_version: 0,
        major_image_version: 0,
        minor_image_version: 0,
        major_subsystem_version: 0,
        minor_subsystem_version: 0,
        subsystem: object::pe::IMAGE_SUBSYSTEM_WINDOWS_CUI,
        dll_characteristics: 0,
        size_of_stack_reserve: 0,
        size_of_stack_commit: 0,
        size_of_heap_reserve: 0,
        size_of_heap_commit: 0,
    });
    writer.write_section_headers();
    writer.write_section(range.file_offset, &section);
    bytes
}

fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = object::archive::MAGIC.to_vec();
    for (name, member) in members {
        bytes.extend(format!("{name:16}{:12}{:6}{:6}{:8}{:<10}`\n", 0, 0, 0, 644, member.len()).into_bytes());
        bytes.extend(*member);
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    bytes
}
