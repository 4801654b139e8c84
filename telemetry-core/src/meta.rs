//! The record of a declaration that is in the binary: what it declares can be read without running it.
//!
//! ```text
//! "\x7fTLM" │ u16 version │ u16 0 │ u32 length of the fields │ u32 checksum of the fields │ fields
//! a field:  u8 tag │ u32 length │ so many bytes
//! ```
//!
//! All numbers are little-endian. A reader skips tags that it does not know. The linker lays the records of one section after the other
//! and may put zeros between them. Invariant: encoding runs in the compiler alone, and what it writes `Record::read` reads.
//! Not here: how the section is found in a binary (`telemetry-exporter`).

use std::fmt;

/// The section of an ELF file that has the records.
pub const SECTION_ELF: &str = ".telemetry.meta";

/// The section of a Mach-O file.
pub const SECTION_MACHO: &str = "__telemetry_meta";

/// The section of a PE file.
pub const SECTION_PE: &str = ".tlmmeta";

/// What a record begins with.
pub const MAGIC: [u8; 4] = *b"\x7fTLM";

/// The version of the layout.
pub const VERSION: u16 = 1;

/// Bytes before the fields.
pub const HEAD_BYTES: usize = 16;

/// Bytes of the fields of one record. A longer one is damaged.
pub const FIELDS_BYTES_MAX: usize = 1 << 20;

mod tag {
    pub const KIND: u8 = 1;
    pub const NAME: u8 = 2;
    pub const UNIT: u8 = 3;
    pub const DESCRIPTION: u8 = 4;
    pub const PACKAGE: u8 = 5;
    pub const VERSION: u8 = 6;
    pub const MODULE: u8 = 7;
    pub const FILE: u8 = 8;
    pub const LINE: u8 = 9;
    pub const TYPE: u8 = 10;
    pub const LABEL: u8 = 11;
    pub const LABEL_VALUE: u8 = 12;
    pub const BOUND: u8 = 13;
    pub const EVERY: u8 = 14;
}

/// The labels of a metric, as far as they are known at compile time.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub enum LabelMeta {
    /// One label, with its values where they are known.
    Label(&'static str, &'static [&'static str]),
    /// Those of a set within.
    Set(&'static [LabelMeta]),
}

/// What a record is made of.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Meta {
    pub kind: &'static str,
    pub name: &'static str,
    pub unit: &'static str,
    pub description: &'static str,
    pub package: &'static str,
    pub version: &'static str,
    pub module: &'static str,
    pub file: &'static str,
    pub line: u32,
    pub shape: Shape,
}

/// What a record says beside name and place.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Shape {
    /// The type of the value, as it was written.
    pub ty: &'static str,
    pub labels: &'static [LabelMeta],
    pub bounds: Option<&'static [f64]>,
    /// Milliseconds between two snapshots.
    pub every_ms: Option<u64>,
}

impl Shape {
    pub const fn of(ty: &'static str) -> Self {
        Self { ty, labels: &[], bounds: None, every_ms: None }
    }
}

/// Writes fields, or, into nothing, counts their bytes.
struct Fields<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Fields<'_> {
    const fn put(&mut self, tag: u8, value: &[u8]) {
        let begin = self.len;
        self.len += 5 + value.len();
        if self.out.is_empty() {
            return;
        }
        let (_, rest) = self.out.split_at_mut(begin);
        let (head, rest) = rest.split_at_mut(5);
        head[0] = tag;
        let (_, length) = head.split_at_mut(1);
        length.copy_from_slice(&(value.len() as u32).to_le_bytes());
        let (text, _) = rest.split_at_mut(value.len());
        text.copy_from_slice(value);
    }

    const fn put_labels(&mut self, labels: &[LabelMeta]) {
        let mut i = 0;
        while i < labels.len() {
            match labels[i] {
                LabelMeta::Label(key, values) => {
                    self.put(tag::LABEL, key.as_bytes());
                    let mut j = 0;
                    while j < values.len() {
                        self.put(tag::LABEL_VALUE, values[j].as_bytes());
                        j += 1;
                    }
                }
                LabelMeta::Set(labels) => self.put_labels(labels),
            }
            i += 1;
        }
    }
}

impl Meta {
    const fn fields(&self, out: &mut [u8]) -> usize {
        let mut fields = Fields { out, len: 0 };
        fields.put(tag::KIND, self.kind.as_bytes());
        fields.put(tag::NAME, self.name.as_bytes());
        fields.put(tag::UNIT, self.unit.as_bytes());
        fields.put(tag::DESCRIPTION, self.description.as_bytes());
        fields.put(tag::PACKAGE, self.package.as_bytes());
        fields.put(tag::VERSION, self.version.as_bytes());
        fields.put(tag::MODULE, self.module.as_bytes());
        fields.put(tag::FILE, self.file.as_bytes());
        fields.put(tag::LINE, &self.line.to_le_bytes());
        fields.put(tag::TYPE, self.shape.ty.as_bytes());
        fields.put_labels(self.shape.labels);
        if let Some(bounds) = self.shape.bounds {
            let mut i = 0;
            while i < bounds.len() {
                fields.put(tag::BOUND, &bounds[i].to_bits().to_le_bytes());
                i += 1;
            }
        }
        if let Some(every) = self.shape.every_ms {
            fields.put(tag::EVERY, &every.to_le_bytes());
        }
        fields.len
    }

    /// Bytes of the record.
    pub const fn size(&self) -> usize {
        HEAD_BYTES + self.fields(&mut [])
    }

    /// The record; `N` is its size.
    pub const fn encode<const N: usize>(&self) -> [u8; N] {
        let mut record = [0; N];
        let (head, fields) = record.split_at_mut(HEAD_BYTES);
        self.fields(fields);
        let (magic, rest) = head.split_at_mut(4);
        magic.copy_from_slice(&MAGIC);
        let (version, rest) = rest.split_at_mut(4);
        version.copy_from_slice(&(VERSION as u32).to_le_bytes());
        let (length, sum) = rest.split_at_mut(4);
        length.copy_from_slice(&(fields.len() as u32).to_le_bytes());
        sum.copy_from_slice(&checksum(fields).to_le_bytes());
        record
    }
}

/// Eight bytes at a time, because the compiler runs it for each declaration; the last ones with zeros behind them.
#[doc(hidden)] // the fuzzer's, which has to make a record whose fields are read
pub const fn checksum(bytes: &[u8]) -> u32 {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut sum = bytes.len() as u64;
    let mut i = 0;
    while i <= chunks.len() {
        let mut word = [0; 8];
        if i < chunks.len() {
            word = chunks[i];
        } else {
            let (begin, _) = word.split_at_mut(rest.len());
            begin.copy_from_slice(rest);
        }
        sum = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        i += 1;
    }
    (sum ^ sum >> 32) as u32
}

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
        let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
            return Err(format!("it ends after {} bytes, its head alone has {HEAD_BYTES}", bytes.len()));
        };
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if head[..4] != MAGIC {
            return Err(format!("it begins with {:02x?}, wanted {MAGIC:02x?}", &head[..4]));
        }
        if number(4) != u32::from(VERSION) {
            return Err(format!("its version is {}, this reader knows {VERSION}", number(4)));
        }
        let length = number(8) as usize;
        let Some(fields) = rest.get(..length).filter(|_| length <= FIELDS_BYTES_MAX) else {
            return Err(format!("its fields have {length} bytes, and {} are left", rest.len()));
        };
        if checksum(fields) != number(12) {
            return Err(format!("its checksum is {:08x}, wanted {:08x}", checksum(fields), number(12)));
        }
        Ok((Self::of_fields(fields)?, HEAD_BYTES + length))
    }

    fn of_fields(mut fields: &[u8]) -> Result<Self, String> {
        let mut record = Self::default();
        while let Some(([tag, length @ ..], rest)) = fields.split_first_chunk::<5>() {
            let Some((value, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else {
                return Err(format!("field {tag} is longer than what is left"));
            };
            fields = rest;
            let text = || String::from_utf8(value.to_vec()).map_err(|_| format!("field {tag} is no text"));
            let wide =
                || value.try_into().map(u64::from_le_bytes).map_err(|_| format!("field {tag} has {} bytes, wanted 8", value.len()));
            match *tag {
                tag::KIND => record.kind = text()?,
                tag::NAME => record.name = text()?,
                tag::UNIT => record.unit = text()?,
                tag::DESCRIPTION => record.description = text()?,
                tag::PACKAGE => record.package = text()?,
                tag::VERSION => record.version = text()?,
                tag::MODULE => record.module = text()?,
                tag::FILE => record.file = text()?,
                tag::LINE => {
                    let bytes = value.try_into().map_err(|_| format!("field {tag} has {} bytes, wanted 4", value.len()))?;
                    record.line = u32::from_le_bytes(bytes);
                }
                tag::TYPE => record.value_type = text()?,
                tag::LABEL => record.labels.push((text()?, Vec::new())),
                tag::LABEL_VALUE => match record.labels.last_mut() {
                    Some((_, values)) => values.push(text()?),
                    None => return Err("a label's value before its key".to_owned()),
                },
                tag::BOUND => record.bounds.push(f64::from_bits(wide()?)),
                tag::EVERY => record.every_ms = Some(wide()?),
                _ => {} // of a later version
            }
        }
        if !fields.is_empty() || record.name.is_empty() || record.kind.is_empty() {
            return Err("its fields are not whole, or have no name".to_owned());
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: &[f64] = &[0.5, 1.0];
    const META: Meta = Meta {
        kind: "counter",
        name: "calls",
        unit: "{call}",
        description: "Calls answered: ä.",
        package: "some-crate",
        version: "1.2.3",
        module: "some_crate::calls",
        file: "src/calls.rs",
        line: 42,
        shape: Shape {
            ty: "Counter<Call>",
            labels: &[
                LabelMeta::Label("method", &["get", "put"]),
                LabelMeta::Set(&[LabelMeta::Label("ok", &["false", "true"]), LabelMeta::Label("route", &[])]),
            ],
            bounds: Some(BOUNDS),
            every_ms: Some(60_000),
        },
    };
    static RECORD: [u8; META.size()] = META.encode();

    fn section() -> Vec<u8> {
        [&[0; 3], RECORD.as_slice(), &[0; 9], &RECORD].concat()
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
        assert_eq!(Record::read_all(&[0; 100]), Ok(Vec::new()));
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_found_and_told_where() {
        let section = section();
        let last = section.len() - RECORD.len();
        for bit in 0..RECORD.len() * 8 {
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
