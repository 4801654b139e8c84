//! What a reader is told of the files: how each ended, and everything that is damaged.
//!
//! Invariant: if a record is missing there is a damage, or a file whose end is open, or the first files were removed.
//! Not here: how that is found out (`scan`).

use std::fmt;

use super::format::{HeadError, HeaderError, RECORD_BYTES_MIN, RECORDS_AT, VERSION};

/// Bytes that are not what was written, or records that are not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The name of the file.
    pub file: String,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What was found.
    pub fault: Fault,
    /// Records that are lost with it; none where nothing tells, or where they are counted with the damage before.
    pub lost: Option<u64>,
}

/// What was found, and what was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A checksum is another than its bytes have.
    Checksum {
        /// Where it is, in bytes.
        at: u64,
        /// What is there.
        found: u32,
        /// What its bytes have.
        wanted: u32,
    },
    /// A record or a header goes beyond the end of the file.
    Cut {
        /// Bytes that it wants.
        wanted: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// A whole record whose index, length or body no writer would write there.
    Record {
        /// The index that is wanted.
        wanted: u64,
    },
    /// Bytes after the footer.
    Trailing {
        /// So many.
        bytes: u64,
    },
    /// A file that was sealed has no footer.
    Footer,
    /// Records that should be there are not.
    Missing {
        /// The index of the first.
        from: u64,
        /// The index of the record that is there again.
        to: u64,
    },
    /// Another beginning than that of a file of telemetry.
    Magic {
        /// What is there.
        found: [u8; 8],
    },
    /// Another version of the format.
    Version {
        /// What is there.
        found: u32,
    },
    /// A header that no writer writes.
    Header,
    /// A file of another session, or of another number than its name, or of records that were there before it.
    Foreign {
        /// What is there.
        found: String,
        /// What would be.
        wanted: String,
    },
    /// The system does not give the file.
    Unreadable {
        /// What it says.
        error: String,
    },
}

impl Fault {
    pub(super) fn of_header(error: HeaderError, offset: usize) -> Self {
        match error {
            HeaderError::Cut(found) => Self::Cut { wanted: RECORDS_AT as u64, found: (offset + found) as u64 },
            HeaderError::Magic(found) => Self::Magic { found },
            HeaderError::Version(found) => Self::Version { found },
            HeaderError::Checksum { found, wanted } => Self::Checksum { at: (offset + 76) as u64, found, wanted },
            HeaderError::Fields => Self::Header,
        }
    }

    pub(super) fn of_head(error: HeadError, offset: usize, wanted_index: u64) -> Self {
        match error {
            HeadError::Cut(found) => Self::Cut { wanted: RECORD_BYTES_MIN as u64, found: found as u64 },
            HeadError::Checksum { found, wanted } => Self::Checksum { at: (offset + 12) as u64, found, wanted },
            HeadError::Long(_) => Self::Record { wanted: wanted_index },
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, fault, lost } = self;
        write!(f, "{file}: ")?;
        match fault {
            Fault::Checksum { at, found, wanted } => write!(f, "checksum at byte {at} is {found:08x}, wanted {wanted:08x}")?,
            Fault::Cut { wanted, found } => write!(f, "cut at byte {offset}: wanted {wanted} bytes, found {found}")?,
            Fault::Record { wanted } => write!(f, "no record of index {wanted} at byte {offset}")?,
            Fault::Trailing { bytes } => write!(f, "{bytes} bytes after the footer, at byte {offset}")?,
            Fault::Footer => write!(f, "no footer at byte {offset}, wanted one: the next file says that it was sealed")?,
            Fault::Missing { from, to } => write!(f, "index {to} is next at byte {offset}, wanted {from}")?,
            Fault::Magic { found } => write!(f, "begins with {}, wanted {}", hex(found), hex(&super::format::MAGIC))?,
            Fault::Version { found } => write!(f, "is of version {found} of the format, wanted {VERSION}")?,
            Fault::Header => write!(f, "the header at byte {offset} contradicts itself")?,
            Fault::Foreign { found, wanted } => write!(f, "is {found}, wanted {wanted}")?,
            Fault::Unreadable { error } => f.write_str(error)?,
        }
        match lost {
            Some(0) => f.write_str("; no record is lost"),
            Some(1) => f.write_str("; 1 record is lost"),
            Some(lost) => write!(f, "; {lost} records are lost"),
            None => Ok(()),
        }
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// With its footer.
    Sealed {
        /// The footer says that the session ended with it, in order.
        last: bool,
    },
    /// Without one: it is still written, or its writer crashed or gave it up.
    Open {
        /// Records below this index are known to have been durable. Those beyond it may be missing, and that is no damage.
        synced: u64,
    },
    /// It has no header, so nothing can be read of it.
    Headless,
}

/// One file, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// The number in its name.
    pub number: u64,
    /// Its bytes.
    pub bytes: u64,
    /// The index of the first record that it was to have; none where it has no header.
    pub first: Option<u64>,
    /// Records that were found in it.
    pub records: u64,
    /// How it ends.
    pub end: End,
    /// Bytes that are no records, where that is no damage: what was torn at an open end.
    pub loose_bytes: u64,
    /// Records that are not there, where that is no damage: they were never durable.
    pub loose_records: u64,
}

/// All files of a session, as they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The session; none where no file has a header.
    pub session: Option<[u8; 16]>,
    /// The files by their numbers.
    pub files: Vec<FileReport>,
    /// Files at the beginning are not there, as the bound removes them.
    pub is_shortened: bool,
    /// Everything that is damaged, in the order of the files.
    pub damages: Vec<Damage>,
    /// Names in the folder that are not of the journal.
    pub others: Vec<String>,
}

impl Report {
    /// The index that the files begin with, if any has a header.
    pub fn first_index(&self) -> Option<u64> {
        self.files.iter().find_map(|file| file.first)
    }

    /// Whether the session was ended in order, and its last file is there.
    pub fn is_complete(&self) -> bool {
        self.files.last().is_some_and(|file| file.end == End::Sealed { last: true })
    }

    /// Records that were found.
    pub fn records(&self) -> u64 {
        self.files.iter().map(|file| file.records).sum()
    }

    /// Records that are known to be lost by damage.
    pub fn lost(&self) -> u64 {
        self.damages.iter().filter_map(|damage| damage.lost).fold(0, u64::saturating_add)
    }
}
