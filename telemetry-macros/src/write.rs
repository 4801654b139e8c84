//! How the record of a declaration is written into the binary, so that what it declares can be read without running it.
//!
//! ```text
//! "\x7fTLM" │ u16 version │ u16 0 │ fields │ u8 kind │ u8 !kind │ fields of the labels │ u8 flags │ u8 !flags │ module \0 │ module \0
//! fields:   u32 length │ u32 checksum │ so many bytes of
//! a field:  u8 tag │ u32 length │ so many bytes
//! ```
//!
//! All numbers are little-endian. A reader skips tags that it does not know. The linker lays the records of one section after the other
//! and may put zeros between them. A macro writes the fields where all are literals; otherwise the compiler does, by the same functions.
//! What only the compiler knows has a place of its own: the kind and the labels are told by the type, the module by the compiler.
//! Not here: reading (`telemetry_core::meta`).

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

/// Bytes of fields of one record. A longer one is damaged.
pub const FIELDS_BYTES_MAX: usize = 1 << 20;

/// The flag of a crate that is compiled for its own tests.
pub const UNDER_TEST: u8 = 1;

/// Bytes before the first fields.
pub const BEGIN_BYTES: usize = 8;

/// Bytes of the length and the checksum of fields.
pub const HEAD_BYTES: usize = 8;

/// What a declaration may say of who reads or calls what it declares; the later is the stricter.
pub const ACCESS: [&str; 3] = ["public", "restricted", "disabled"];

/// What tells fields apart.
pub mod tag {
    #![allow(missing_docs)]
    pub const NAME: u8 = 1;
    pub const UNIT: u8 = 2;
    pub const DESCRIPTION: u8 = 3;
    pub const PACKAGE: u8 = 4;
    pub const VERSION: u8 = 5;
    pub const FILE: u8 = 6;
    pub const LINE: u8 = 7;
    pub const TYPE: u8 = 8;
    pub const BOUND: u8 = 9;
    pub const EVERY: u8 = 10;
    pub const SHARED: u8 = 11;
    pub const LABEL: u8 = 12;
    pub const LABEL_VALUE: u8 = 13;
    pub const ACCESS: u8 = 14;
    pub const ON_DEMAND: u8 = 15;
}

/// What a declaration says, but for its kind, its labels and its module.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Meta<'a> {
    pub name: &'a str,
    pub unit: &'a str,
    pub description: &'a str,
    pub package: &'a str,
    pub version: &'a str,
    pub file: &'a str,
    pub line: u32,
    /// The type of the value, as it was written.
    pub ty: &'a str,
    pub bounds: Option<&'a [f64]>,
    /// Milliseconds between two snapshots.
    pub every_ms: Option<u64>,
    /// Whether other crates may declare the name as well.
    pub shared: bool,
    /// One of [`ACCESS`]; empty where the declaration does not say.
    pub access: &'a str,
    /// Whether an event is emitted only while somebody wants it.
    pub on_demand: bool,
}

/// The labels of a metric, as far as they are known at compile time.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub enum LabelMeta<'a> {
    /// One label, with its values where they are known.
    Label(&'a str, &'a [&'a str]),
    /// Those of a set within.
    Set(&'a [LabelMeta<'a>]),
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

impl Meta<'_> {
    const fn fields(&self, out: &mut [u8]) -> usize {
        let mut fields = Fields { out, len: 0 };
        fields.put(tag::NAME, self.name.as_bytes());
        fields.put(tag::UNIT, self.unit.as_bytes());
        fields.put(tag::DESCRIPTION, self.description.as_bytes());
        fields.put(tag::PACKAGE, self.package.as_bytes());
        fields.put(tag::VERSION, self.version.as_bytes());
        fields.put(tag::FILE, self.file.as_bytes());
        fields.put(tag::LINE, &self.line.to_le_bytes());
        fields.put(tag::TYPE, self.ty.as_bytes());
        if let Some(bounds) = self.bounds {
            let mut i = 0;
            while i < bounds.len() {
                fields.put(tag::BOUND, &bounds[i].to_bits().to_le_bytes());
                i += 1;
            }
        }
        if let Some(every) = self.every_ms {
            fields.put(tag::EVERY, &every.to_le_bytes());
        }
        if self.shared {
            fields.put(tag::SHARED, &[]);
        }
        if !self.access.is_empty() {
            fields.put(tag::ACCESS, self.access.as_bytes());
        }
        if self.on_demand {
            fields.put(tag::ON_DEMAND, &[]);
        }
        fields.len
    }

    /// Bytes of the begin of the record and its first fields.
    pub const fn size(&self) -> usize {
        BEGIN_BYTES + HEAD_BYTES + self.fields(&mut [])
    }

    /// The begin of the record and its first fields into `out`, which has their size.
    pub const fn write(&self, out: &mut [u8]) {
        let (begin, rest) = out.split_at_mut(BEGIN_BYTES);
        let (magic, version) = begin.split_at_mut(4);
        magic.copy_from_slice(&MAGIC);
        version.copy_from_slice(&(VERSION as u32).to_le_bytes());
        let (head, fields) = rest.split_at_mut(HEAD_BYTES);
        self.fields(fields);
        write_head(head, fields);
    }

    /// The same as an array; `N` is the size.
    pub const fn encode<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.write(&mut out);
        out
    }
}

/// Bytes of the fields of labels, with their head.
#[doc(hidden)]
pub const fn labels_size(labels: &[LabelMeta]) -> usize {
    let mut fields = Fields { out: &mut [], len: 0 };
    fields.put_labels(labels);
    HEAD_BYTES + fields.len
}

/// The fields of labels, with their head; `N` is their size.
#[doc(hidden)]
pub const fn encode_labels<const N: usize>(labels: &[LabelMeta]) -> [u8; N] {
    let mut out = [0; N];
    write_labels(labels, &mut out);
    out
}

const fn write_labels(labels: &[LabelMeta], out: &mut [u8]) {
    let (head, fields) = out.split_at_mut(HEAD_BYTES);
    if !fields.is_empty() {
        Fields { out: fields, len: 0 }.put_labels(labels);
    }
    write_head(head, fields);
}

/// A whole record, for tests of who reads them.
#[doc(hidden)]
pub fn record(meta: &Meta, kind: u8, labels: &[LabelMeta], module: &str) -> Vec<u8> {
    let (mut fields, mut told) = (vec![0; meta.size()], vec![0; labels_size(labels)]);
    meta.write(&mut fields);
    write_labels(labels, &mut told);
    [fields, vec![kind, !kind], told, vec![0, !0], format!("{module}\0{module}\0").into_bytes()].concat()
}

const fn write_head(head: &mut [u8], fields: &[u8]) {
    let (length, sum) = head.split_at_mut(4);
    length.copy_from_slice(&(fields.len() as u32).to_le_bytes());
    sum.copy_from_slice(&checksum(fields).to_le_bytes());
}

/// Eight bytes at a time, because the compiler may run it for each declaration; the last ones with zeros behind them.
#[doc(hidden)]
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
