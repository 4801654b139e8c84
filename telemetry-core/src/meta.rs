//! The record of a declaration, as a binary has it: what a program declares is read without running it.
//!
//! The layout is told where it is written, in `telemetry-macros`' `write`. Invariant: what is written is read, and a damaged record is an
//! error that says where. Not here: how the section is found in a binary (`telemetry-exporter`).

use std::fmt;

use crate::access::Access;
use crate::write::{BEGIN_BYTES, HEAD_BYTES, UNDER_TEST, checksum, tag};
pub use crate::write::{FIELDS_BYTES_MAX, MAGIC, SECTION_ELF, SECTION_MACHO, SECTION_PE, VERSION};

/// What stands for a kind in a record.
#[doc(hidden)]
pub mod code {
    #![allow(missing_docs)]
    pub const COUNTER: u8 = 1;
    pub const UP_DOWN_COUNTER: u8 = 2;
    pub const GAUGE: u8 = 3;
    pub const HISTOGRAM: u8 = 4;
    pub const PROPERTY: u8 = 5;
    pub const EVENT: u8 = 6;
    pub const SNAPSHOT: u8 = 7;
    pub const RPC: u8 = 8;
    pub const COLLECTOR: u8 = 9;
}

/// The words of [`Kind::as_str`](crate::Kind::as_str), by their code less one.
const KINDS: [&str; 9] = ["counter", "up_down_counter", "gauge", "histogram", "property", "event", "snapshot", "rpc", "collector"];

/// One declaration, as a binary tells it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// `counter`, `event` …: the word of [`Kind::as_str`](crate::Kind::as_str).
    pub kind: String,
    /// The name.
    pub name: String,
    /// The unit in UCUM; empty where there is none.
    pub unit: String,
    /// The text of the doc comment.
    pub description: String,
    /// The crate that declares.
    pub package: String,
    /// Its version.
    pub version: String,
    /// The path of the module.
    pub module: String,
    /// The file, as the compiler was given it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The type of the value, as it was written.
    pub value_type: String,
    /// The labels, with their values where they are known at compile time.
    pub labels: Vec<(String, Vec<String>)>,
    /// The bounds of a histogram that has explicit ones.
    pub bounds: Vec<f64>,
    /// Milliseconds between two snapshots.
    pub every_ms: Option<u64>,
    /// Whether other crates may declare the name as well.
    pub shared: bool,
    /// Who may read or call it, where the declaration says so.
    pub access: Option<Access>,
    /// Whether it is an event that is emitted only while somebody wants it.
    pub on_demand: bool,
    /// Whether its crate is compiled for its own tests.
    pub under_test: bool,
}

/// Why a section is not a row of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaError {
    /// The byte of the section where the record begins.
    pub at: usize,
    what: String,
}

impl fmt::Display for MetaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the record at byte {}: {}", self.at, self.what)
    }
}

impl std::error::Error for MetaError {}

impl Record {
    /// All records of a section, in its order.
    ///
    /// # Errors
    /// The first record that is damaged or of a version that this reader does not know, with its place and what was wanted.
    pub fn read_all(section: &[u8]) -> Result<Vec<Self>, MetaError> {
        let (mut records, mut at) = (Vec::new(), 0);
        while let Some(zeros) = section[at..].iter().position(|byte| *byte != 0) {
            at += zeros; // the linker's
            let (record, size) = Self::read(&section[at..]).map_err(|what| MetaError { at, what })?;
            records.push(record);
            at += size;
        }
        Ok(records)
    }

    /// The record that begins here, and its size.
    fn read(bytes: &[u8]) -> Result<(Self, usize), String> {
        let mut rest = bytes;
        let mut record = Self::default();
        for (tag, value) in begin(&mut rest).and_then(|()| fields(&mut rest))? {
            record.set(tag, value)?;
        }
        let [code, complement] = *taken(&mut rest)?;
        let word = KINDS.get(usize::from(code).wrapping_sub(1)).filter(|_| code == !complement);
        record.kind = (*word.ok_or_else(|| format!("its kind is {code:02x} {complement:02x}, which is none"))?).to_owned();
        for (tag, value) in fields(&mut rest)? {
            record.set(tag, value)?;
        }
        let [flags, complement] = *taken(&mut rest)?;
        if flags != !complement || flags & !UNDER_TEST != 0 {
            return Err(format!("its flags are {flags:02x} {complement:02x}, which are none"));
        }
        record.under_test = flags & UNDER_TEST != 0;
        record.module = std::str::from_utf8(until_zero(&mut rest)?).map_err(|_| "its module is no text")?.to_owned();
        if until_zero(&mut rest)? != record.module.as_bytes() {
            return Err("the module is not the same in both places".to_owned());
        }
        if record.name.is_empty() {
            return Err("it has no name".to_owned());
        }
        Ok((record, bytes.len() - rest.len()))
    }

    fn set(&mut self, tag: u8, value: &[u8]) -> Result<(), String> {
        match tag {
            tag::NAME => self.name = text(tag, value)?,
            tag::UNIT => self.unit = text(tag, value)?,
            tag::DESCRIPTION => self.description = text(tag, value)?,
            tag::PACKAGE => self.package = text(tag, value)?,
            tag::VERSION => self.version = text(tag, value)?,
            tag::FILE => self.file = text(tag, value)?,
            tag::LINE => self.line = u32::from_le_bytes(number(tag, value)?),
            tag::TYPE => self.value_type = text(tag, value)?,
            tag::BOUND => self.bounds.push(f64::from_bits(u64::from_le_bytes(number(tag, value)?))),
            tag::EVERY => self.every_ms = Some(u64::from_le_bytes(number(tag, value)?)),
            tag::SHARED => self.shared = true,
            tag::ACCESS => self.access = Some(access(tag, value)?),
            tag::ON_DEMAND => self.on_demand = true,
            tag::LABEL => self.labels.push((text(tag, value)?, Vec::new())),
            tag::LABEL_VALUE => match self.labels.last_mut() {
                Some((_, values)) => values.push(text(tag, value)?),
                None => return Err("a label's value before its key".to_owned()),
            },
            _ => {} // of a later version
        }
        Ok(())
    }
}

/// Takes the begin of a record.
fn begin(rest: &mut &[u8]) -> Result<(), String> {
    let [magic @ .., a, b, c, d] = *taken::<BEGIN_BYTES>(rest)?;
    if magic != MAGIC {
        return Err(format!("it begins with {magic:02x?}, wanted {MAGIC:02x?}"));
    }
    match u32::from_le_bytes([a, b, c, d]) {
        version if version == u32::from(VERSION) => Ok(()),
        version => Err(format!("its version is {version}, this reader knows {VERSION}")),
    }
}

/// Takes fields with their head.
fn fields<'a>(rest: &mut &'a [u8]) -> Result<Vec<(u8, &'a [u8])>, String> {
    let [l0, l1, l2, l3, s0, s1, s2, s3] = *taken::<HEAD_BYTES>(rest)?;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let Some((mut bytes, behind)) = rest.split_at_checked(length).filter(|_| length <= FIELDS_BYTES_MAX) else {
        return Err(format!("its fields have {length} bytes, and {} are left", rest.len()));
    };
    *rest = behind;
    let (found, wanted) = (checksum(bytes), u32::from_le_bytes([s0, s1, s2, s3]));
    if found != wanted {
        return Err(format!("the checksum of its fields is {found:08x}, wanted {wanted:08x}"));
    }
    let mut fields = Vec::new();
    while let Some(([tag, length @ ..], behind)) = bytes.split_first_chunk::<5>() {
        let Some((value, behind)) = behind.split_at_checked(u32::from_le_bytes(*length) as usize) else {
            return Err(format!("field {tag} is longer than what is left"));
        };
        fields.push((*tag, value));
        bytes = behind;
    }
    if bytes.is_empty() { Ok(fields) } else { Err(format!("{} bytes are left behind its fields", bytes.len())) }
}

fn taken<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], String> {
    match rest.split_first_chunk() {
        Some((taken, behind)) => {
            *rest = behind;
            Ok(taken)
        }
        None => Err(format!("it ends {} bytes into a part of {N}", rest.len())),
    }
}

fn until_zero<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], String> {
    let end = rest.iter().position(|byte| *byte == 0).ok_or("its module has no end")?;
    let (text, behind) = rest.split_at(end);
    *rest = &behind[1..];
    Ok(text)
}

fn text(tag: u8, value: &[u8]) -> Result<String, String> {
    borrowed(tag, value).map(str::to_owned)
}

fn borrowed(tag: u8, value: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(value).map_err(|_| format!("field {tag} is no text"))
}

fn access(tag: u8, value: &[u8]) -> Result<Access, String> {
    borrowed(tag, value)?.parse().map_err(|error| format!("field {tag}: {error}"))
}

fn number<const N: usize>(tag: u8, value: &[u8]) -> Result<[u8; N], String> {
    value.try_into().map_err(|_| format!("field {tag} has {} bytes, wanted {N}", value.len()))
}

/// What the first fields of a record say, as the program itself reads them.
#[derive(Default)]
pub(crate) struct Linked {
    pub name: &'static str,
    pub unit: &'static str,
    pub description: &'static str,
    pub package: &'static str,
    pub version: &'static str,
    pub file: &'static str,
    pub line: u32,
    pub shared: bool,
    pub access: Option<Access>,
    pub on_demand: bool,
}

impl Linked {
    /// # Errors
    /// Somebody changed the program.
    pub fn read(record: &'static [u8]) -> Result<Self, MetaError> {
        let mut said = Self::default();
        let mut rest = record;
        begin(&mut rest)
            .and_then(|()| fields(&mut rest))
            .and_then(|fields| fields.into_iter().try_for_each(|(tag, value)| said.set(tag, value)))
            .map_err(|what| MetaError { at: 0, what })?;
        Ok(said)
    }

    fn set(&mut self, tag: u8, value: &'static [u8]) -> Result<(), String> {
        match tag {
            tag::NAME => self.name = borrowed(tag, value)?,
            tag::UNIT => self.unit = borrowed(tag, value)?,
            tag::DESCRIPTION => self.description = borrowed(tag, value)?,
            tag::PACKAGE => self.package = borrowed(tag, value)?,
            tag::VERSION => self.version = borrowed(tag, value)?,
            tag::FILE => self.file = borrowed(tag, value)?,
            tag::LINE => self.line = u32::from_le_bytes(number(tag, value)?),
            tag::SHARED => self.shared = true,
            tag::ACCESS => self.access = Some(access(tag, value)?),
            tag::ON_DEMAND => self.on_demand = true,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::{self, LabelMeta, Meta};

    const BOUNDS: &[f64] = &[0.5, 1.0];
    const META: Meta = Meta {
        name: "calls",
        unit: "{call}",
        description: "Calls answered: ä.",
        package: "some-crate",
        version: "1.2.3",
        file: "src/calls.rs",
        line: 42,
        ty: "Counter<Call>",
        bounds: Some(BOUNDS),
        every_ms: Some(60_000),
        shared: true,
        access: "restricted",
        on_demand: true,
    };
    static FIELDS: [u8; META.size()] = META.encode();
    const LABELS: &[LabelMeta] = &[
        LabelMeta::Label("method", &["get", "put"]),
        LabelMeta::Set(&[LabelMeta::Label("ok", &["false", "true"]), LabelMeta::Label("route", &[])]),
    ];

    fn record() -> Vec<u8> {
        write::record(&META, code::COUNTER, LABELS, "some_crate::calls")
    }

    fn section() -> Vec<u8> {
        [&[0; 3][..], &record(), &[0; 9], &record()].concat()
    }

    #[test]
    fn what_is_encoded_is_read() {
        let records = Record::read_all(&section()).expect("it is whole");
        assert_eq!(records.len(), 2);
        let record = &records[0];
        assert_eq!((record.kind.as_str(), record.name.as_str(), record.unit.as_str()), ("counter", "calls", "{call}"));
        assert_eq!((record.description.as_str(), record.package.as_str()), ("Calls answered: ä.", "some-crate"));
        assert_eq!((record.version.as_str(), record.module.as_str()), ("1.2.3", "some_crate::calls"));
        assert_eq!((record.file.as_str(), record.line, record.value_type.as_str()), ("src/calls.rs", 42, "Counter<Call>"));
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let labels = [
            ("method".to_owned(), values(&["get", "put"])),
            ("ok".to_owned(), values(&["false", "true"])),
            ("route".to_owned(), Vec::new()),
        ];
        assert_eq!((record.labels.as_slice(), record.bounds.as_slice(), record.every_ms), (&labels[..], BOUNDS, Some(60_000)));
        assert_eq!((record.shared, record.access, record.on_demand), (true, Some(Access::Restricted), true));
        let linked = Linked::read(&FIELDS).expect("it is whole");
        assert_eq!(
            (linked.name, linked.unit, linked.file, linked.line, linked.shared),
            ("calls", "{call}", "src/calls.rs", 42, true)
        );
        assert_eq!((linked.access, linked.on_demand), (Some(Access::Restricted), true));
        assert_eq!(Record::read_all(&[0; 100]), Ok(Vec::new()));
    }

    #[test]
    fn what_a_declaration_does_not_say_takes_no_bytes_and_an_access_that_is_none_is_told() {
        let silent = Meta { access: "", on_demand: false, ..META };
        assert_eq!(META.size() - silent.size(), 5 + "restricted".len() + 5, "two fields");
        let read = |meta: &Meta| Record::read_all(&write::record(meta, code::EVENT, &[], "m"));
        let records = read(&silent).expect("it is whole");
        assert_eq!((records[0].access, records[0].on_demand), (None, false));
        let error = read(&Meta { access: "secret", ..META }).expect_err("no such access").to_string();
        assert!(error.contains("unknown access \"secret\": wanted \"public\""), "{error}");
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_found_and_told_where() {
        let section = section();
        let last = section.len() - record().len();
        for bit in 0..record().len() * 8 {
            let mut damaged = section.clone();
            damaged[last + bit / 8] ^= 1 << (bit % 8);
            let error = Record::read_all(&damaged).expect_err("a bit is wrong");
            // A first byte of zero cannot be, but one that was flipped may begin the record where it is.
            assert!(error.at == last, "bit {bit}: {error}");
        }
        for len in last + 1..section.len() {
            let error = Record::read_all(&section[..len]).expect_err("it is cut");
            assert_eq!(error.at, last, "{len}: {error}");
        }
    }
}
