//! The bytes of a file: a header that is there twice, records, and a footer. FORMAT.md tells them too, and a test compares.
//!
//! Invariant: what is encoded decodes to the same, and nothing else does but by a collision of 32 bits; each file has a salt of its own.
//! Not here: which records are written (`journal`), and how what is damaged is passed over (`walk`).
//!
//! ```text
//! header 80 │ the same again 80 │ record │ record │ … │ footer
//! record:  head 16 [ kind 1 │ body bytes 3 │ index 8 │ checksum 4 ] │ body │ checksum 4
//! ```
//!
//! Numbers are big-endian, as in the frames of a stream. Checksums are CRC32C, of the nonce of the file and then what is before them
//! in their record: bytes that look like a record are none, where the file was not theirs.

use std::hash::{BuildHasher, RandomState};

use telemetry_core::clock;

/// How a file begins. A transfer as text would break it.
pub const MAGIC: [u8; 8] = *b"\x89TLM\r\n\x1a\n";

/// The version of the format.
pub const VERSION: u32 = 1;

/// Bytes of one copy of the header.
pub const HEADER_BYTES: usize = 80;

/// Where the first record is.
pub const RECORDS_AT: usize = 2 * HEADER_BYTES;

/// Bytes of a record before its body.
pub const HEAD_BYTES: usize = 16;

/// Bytes of a checksum.
pub const CHECKSUM_BYTES: usize = 4;

/// What a record takes beside its body.
pub const RECORD_BYTES_MIN: usize = HEAD_BYTES + CHECKSUM_BYTES;

/// Bytes of one body: a message of 2 MiB, and what is said of it. A larger one is refused.
pub const BODY_BYTES_MAX: usize = (2 << 20) + (64 << 10);

/// The first kind that is not the journal's own.
pub const KIND_FIRST: u8 = 16;

/// The kind of a [`Note::Watermark`].
pub const WATERMARK: u8 = 1;

/// The kind of a [`Note::Footer`].
pub const FOOTER: u8 = 2;

/// Bytes of a footer's body: the header, the number of records, what follows.
pub const FOOTER_BODY_BYTES: usize = HEADER_BYTES + 8 + 4;

/// How much an index may be beyond the one that is expected: more records than any file holds.
pub const INDEX_JUMP_MAX: u64 = 1 << 32;

/// What tells a file from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// A random number, the salt of all checksums in the file.
    pub nonce: u64,
    /// When the file was created, in Unix nanoseconds.
    pub created_ns: u64,
}

impl Stamp {
    /// By the system's clock and the hasher's random keys.
    pub fn now() -> Self {
        let created_ns = clock::now_ns();
        Self { nonce: RandomState::new().hash_one(created_ns), created_ns }
    }
}

/// What became of the file before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Before {
    /// There was none.
    Nothing = 0,
    /// It has a footer.
    Sealed = 1,
    /// It was given up after an error.
    GivenUp = 2,
}

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What became of the file before.
    pub before: Before,
    /// The session, a UUID.
    pub session: [u8; 16],
    /// The file's number, which its name says too.
    pub number: u64,
    /// The index of the first record in it.
    pub first: u64,
    /// Records below this index that earlier files had were durable. Those from here to `first` were given up with the file before.
    pub settled: u64,
    /// Nonce and time.
    pub stamp: Stamp,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Fewer bytes than a header has.
    Cut(usize),
    /// It begins otherwise.
    Magic([u8; 8]),
    /// Another version.
    Version(u32),
    /// Another checksum than its bytes have.
    Checksum {
        /// What is there.
        found: u32,
        /// What its bytes have.
        wanted: u32,
    },
    /// Fields that no writer writes.
    Fields,
}

impl Header {
    /// One copy.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend(MAGIC);
        out.extend(VERSION.to_be_bytes());
        out.extend((self.before as u32).to_be_bytes());
        out.extend(self.session);
        for number in [self.number, self.first, self.settled, self.stamp.nonce, self.stamp.created_ns] {
            out.extend(number.to_be_bytes());
        }
        out.extend([0; 4]);
        out.extend(crc32c::crc32c(&out).to_be_bytes());
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&out);
        header
    }

    /// The copy that the bytes begin with.
    ///
    /// # Errors
    /// They do not begin with one.
    pub fn decode(data: &[u8]) -> Result<Self, HeaderError> {
        let copy = data.first_chunk::<HEADER_BYTES>().ok_or(HeaderError::Cut(data.len()))?;
        let magic = array(copy, 0);
        if magic != MAGIC {
            return Err(HeaderError::Magic(magic));
        }
        let (found, wanted) = (u32_at(copy, 76), crc32c::crc32c(&copy[..76]));
        if found != wanted {
            return Err(HeaderError::Checksum { found, wanted });
        }
        if u32_at(copy, 8) != VERSION {
            return Err(HeaderError::Version(u32_at(copy, 8)));
        }
        let before = match u32_at(copy, 12) {
            0 => Before::Nothing,
            1 => Before::Sealed,
            2 => Before::GivenUp,
            _ => return Err(HeaderError::Fields),
        };
        let [number, first, settled, nonce, created_ns] = [32, 40, 48, 56, 64].map(|at| u64_at(copy, at));
        if settled > first {
            return Err(HeaderError::Fields);
        }
        Ok(Self { before, session: array(copy, 16), number, first, settled, stamp: Stamp { nonce, created_ns } })
    }

    /// The salt of the file's checksums.
    pub fn salt(&self) -> Salt {
        Salt(crc32c::crc32c(&self.stamp.nonce.to_be_bytes()))
    }
}

/// What the checksums of a file begin with.
#[derive(Clone, Copy, Debug)]
pub struct Salt(u32);

/// What is before the body of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What the body is: below [`KIND_FIRST`] the journal's own.
    pub kind: u8,
    /// Bytes of the body.
    pub body_bytes: usize,
    /// Records of the session before this one, those of the journal's own kinds not counted.
    pub index: u64,
    /// Its checksum, which that of the body goes on from.
    checksum: u32,
}

/// A head as it is found: whole, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// Fewer bytes than a head has.
    Cut(usize),
    /// Another checksum than its bytes have.
    Checksum {
        /// What is there.
        found: u32,
        /// What its bytes have.
        wanted: u32,
    },
    /// A body above [`BODY_BYTES_MAX`].
    Long(usize),
}

impl Salt {
    /// Appends a record. The body is at most [`BODY_BYTES_MAX`] bytes, which the journal sees to.
    pub(super) fn encode(self, out: &mut Vec<u8>, kind: u8, index: u64, parts: &[&[u8]]) {
        let begin = out.len();
        let body_bytes = parts.iter().map(|part| part.len()).sum::<usize>() as u32;
        out.extend_from_slice(&(u32::from(kind) << 24 | body_bytes).to_be_bytes());
        out.extend_from_slice(&index.to_be_bytes());
        let mut checksum = crc32c::crc32c_append(self.0, &out[begin..]);
        out.extend_from_slice(&checksum.to_be_bytes());
        for part in parts {
            checksum = crc32c::crc32c_append(checksum, part);
            out.extend_from_slice(part);
        }
        out.extend_from_slice(&checksum.to_be_bytes());
    }

    /// The head that the bytes begin with.
    ///
    /// # Errors
    /// They do not begin with one of this file.
    pub fn head(self, data: &[u8]) -> Result<Head, HeadError> {
        let head = data.first_chunk::<HEAD_BYTES>().ok_or(HeadError::Cut(data.len()))?;
        let (found, wanted) = (u32_at(head, 12), crc32c::crc32c_append(self.0, &head[..12]));
        if found != wanted {
            return Err(HeadError::Checksum { found, wanted });
        }
        let body_bytes = (u32_at(head, 0) & 0xff_ffff) as usize;
        if body_bytes > BODY_BYTES_MAX {
            return Err(HeadError::Long(body_bytes));
        }
        Ok(Head { kind: head[0], body_bytes, index: u64_at(head, 4), checksum: found })
    }
}

impl Head {
    /// Bytes of the whole record.
    pub fn record_bytes(&self) -> usize {
        RECORD_BYTES_MIN + self.body_bytes
    }

    /// The checksum that this body has.
    pub fn body_checksum(&self, body: &[u8]) -> u32 {
        crc32c::crc32c_append(self.checksum, body)
    }
}

/// A record that the journal writes for itself. It has the index of the record that comes next, and takes none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// All records of this file below this index are durable.
    Watermark(u64),
    /// The file is whole.
    Footer {
        /// The header once more.
        header: Header,
        /// Records in the file.
        records: u64,
        /// No file follows: the session was ended in order.
        last: bool,
    },
}

impl Note {
    /// Appends it.
    pub(super) fn encode(&self, salt: Salt, out: &mut Vec<u8>, index: u64) {
        match self {
            Self::Watermark(synced) => salt.encode(out, WATERMARK, index, &[&synced.to_be_bytes()]),
            Self::Footer { header, records, last } => {
                let parts: [&[u8]; 3] = [&header.encode(), &records.to_be_bytes(), &u32::from(*last).to_be_bytes()];
                salt.encode(out, FOOTER, index, &parts);
            }
        }
    }

    /// From a body of a kind below [`KIND_FIRST`]; none where no writer writes it.
    pub fn decode(head: &Head, body: &[u8]) -> Option<Self> {
        match (head.kind, body.len()) {
            (WATERMARK, 8) => Some(u64_at(body, 0)).filter(|synced| *synced <= head.index).map(Self::Watermark),
            (FOOTER, FOOTER_BODY_BYTES) => {
                let header = Header::decode(body).ok()?;
                let records = u64_at(body, HEADER_BYTES);
                let last = u32_at(body, HEADER_BYTES + 8);
                let is_sound = header.first.checked_add(records) == Some(head.index) && last <= 1;
                is_sound.then_some(Self::Footer { header, records, last: last == 1 })
            }
            _ => None,
        }
    }
}

/// The header in the footer that the bytes end with, for a file that has lost both copies at its beginning.
pub fn header_of_footer(data: &[u8]) -> Option<Header> {
    let record = data.last_chunk::<{ RECORD_BYTES_MIN + FOOTER_BODY_BYTES }>()?;
    let header = Header::decode(&record[HEAD_BYTES..]).ok()?;
    let head = header.salt().head(record).ok()?;
    let (body, checksum) = record[HEAD_BYTES..].split_last_chunk::<CHECKSUM_BYTES>()?;
    let is_whole = head.body_bytes == body.len() && head.body_checksum(body) == u32::from_be_bytes(*checksum);
    (is_whole && Note::decode(&head, body).is_some()).then_some(header)
}

/// The name of a file.
pub fn file_name(number: u64) -> String {
    format!("{number:08}.telemetry")
}

/// The number of a file of this name; none where it is no name of a file.
pub fn file_number(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".telemetry")?.parse().ok()?;
    (file_name(number) == name && number > 0).then_some(number)
}

fn array<const N: usize>(data: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&data[at..at + N]);
    bytes
}

fn u32_at(data: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(data, at))
}

fn u64_at(data: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(array(data, at))
}
