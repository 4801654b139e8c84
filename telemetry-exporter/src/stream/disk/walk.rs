//! One file from its first byte to its last: records, notes, and breaks between them.
//!
//! Invariant: each byte behind the header is of one step, and each index is passed once: what is no record is within a break.
//! What is looked at is bounded by the bytes that are there, whatever they claim.
//! Not here: whether a break is damage or an end that was open (`scan`).

use super::damage::Fault;
use super::format::{
    BODY_BYTES_MAX, CHECKSUM_BYTES, HEAD_BYTES, HEADER_BYTES, Head, HeadError, Header, HeaderError, INDEX_JUMP_MAX, KIND_FIRST,
    Note, RECORDS_AT, Salt, header_of_footer,
};

/// One record that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The number of its file.
    pub file: u64,
    /// Where it begins in the file, in bytes.
    pub offset: usize,
    /// Its index in the session.
    pub index: u64,
    /// What it is.
    pub kind: u8,
    /// The body.
    pub body: &'a [u8],
}

/// Bytes that are no record, and the indices that are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// Where it begins.
    pub offset: usize,
    /// So many.
    pub bytes: usize,
    /// The index that was expected there.
    pub from: u64,
    /// The index that is expected behind it; none where nothing more is found.
    pub to: Option<u64>,
    /// What was found first.
    pub fault: Fault,
}

/// What comes next in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A record of the owner's.
    Record(Record<'a>),
    /// A record of the journal's.
    Note(Note),
    /// Something else.
    Break(Break),
}

/// The steps of a file. It ends with the footer, and what follows it as a break, or with the last byte.
pub struct Walk<'a> {
    data: &'a [u8],
    number: u64,
    salt: Salt,
    at: usize,
    expected: u64,
    /// After the footer.
    is_over: bool,
}

/// The header of a file: of its copies the first that is whole. Where the first is not, what is wrong with it comes with it; where the
/// second is not, what is wrong with that, and where it is.
///
/// # Errors
/// No copy is whole, nor that in a footer at the end: what is wrong with the first.
pub fn header(data: &[u8]) -> Result<(Header, Option<(usize, HeaderError)>), HeaderError> {
    let second = data.get(HEADER_BYTES..).map_or(Err(HeaderError::Cut(0)), Header::decode);
    match (Header::decode(data), second) {
        (Ok(first), Ok(_)) => Ok((first, None)),
        (Ok(first), Err(error)) => Ok((first, Some((HEADER_BYTES, error)))),
        (Err(error), Ok(second)) => Ok((second, Some((0, error)))),
        (Err(error), Err(_)) => header_of_footer(data).map(|header| (header, Some((0, error)))).ok_or(error),
    }
}

impl<'a> Walk<'a> {
    /// The steps behind the header.
    pub fn new(data: &'a [u8], header: &Header) -> Self {
        let at = RECORDS_AT.min(data.len());
        Self { data, number: header.number, salt: header.salt(), at, expected: header.first, is_over: false }
    }

    /// The index of the next record.
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// A head that could be of the next record, or of one after it. Those of records that are in a body, because somebody recorded
    /// what is in a file, have lower indices.
    fn head(&self, at: usize) -> Result<Head, HeadError> {
        self.salt.head(&self.data[at..])
    }

    fn is_near(&self, head: &Head) -> bool {
        let jump = head.index.checked_sub(self.expected);
        jump.is_some_and(|jump| jump <= INDEX_JUMP_MAX) && head.index < u64::MAX
    }

    /// The next head at this place or behind it. Most places are passed by the first comparison.
    fn search(&self, from: usize) -> Option<(usize, Head)> {
        let last = self.data.len().checked_sub(HEAD_BYTES)?;
        (from..=last).find_map(|at| {
            let bytes_high = self.data[at + 1];
            if usize::from(bytes_high) << 16 > BODY_BYTES_MAX {
                return None;
            }
            self.head(at).ok().filter(|head| self.is_near(head)).map(|head| (at, head))
        })
    }

    fn broken(&mut self, end: usize, to: Option<u64>, fault: Fault) -> Step<'a> {
        let step = Break { offset: self.at, bytes: end - self.at, from: self.expected, to, fault };
        self.at = end;
        self.expected = to.unwrap_or(self.expected);
        Step::Break(step)
    }

    /// Where there is no head, at the next one.
    fn resume(&mut self, fault: Fault) -> Step<'a> {
        match self.search(self.at + 1) {
            Some((at, head)) => self.broken(at, Some(head.index), fault),
            None => self.broken(self.data.len(), None, fault),
        }
    }

    fn record(&mut self, head: &Head) -> Step<'a> {
        let (begin, end) = (self.at, self.at + head.record_bytes());
        let Some((body, checksum)) = self.data.get(begin + HEAD_BYTES..end).and_then(<[u8]>::split_last_chunk::<CHECKSUM_BYTES>)
        else {
            let fault = Fault::Cut { wanted: head.record_bytes() as u64, found: (self.data.len() - begin) as u64 };
            return self.broken(self.data.len(), None, fault);
        };
        let next = head.index + u64::from(head.kind >= KIND_FIRST);
        let (found, wanted) = (u32::from_be_bytes(*checksum), head.body_checksum(body));
        if found != wanted {
            return self.broken(end, Some(next), Fault::Checksum { at: (end - CHECKSUM_BYTES) as u64, found, wanted });
        }
        if head.kind >= KIND_FIRST {
            (self.at, self.expected) = (end, next);
            return Step::Record(Record { file: self.number, offset: begin, index: head.index, kind: head.kind, body });
        }
        let Some(note) = Note::decode(head, body) else {
            return self.broken(end, Some(next), Fault::Record { wanted: self.expected });
        };
        self.at = end;
        self.is_over = matches!(note, Note::Footer { .. });
        Step::Note(note)
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        let bytes = self.data.len() - self.at;
        if bytes == 0 {
            return None;
        }
        if self.is_over {
            return Some(self.broken(self.data.len(), Some(self.expected), Fault::Trailing { bytes: bytes as u64 }));
        }
        Some(match self.head(self.at) {
            Err(error) => self.resume(Fault::of_head(error, self.at, self.expected)),
            Ok(head) if !self.is_near(&head) => self.resume(Fault::Record { wanted: self.expected }),
            Ok(head) if head.index > self.expected => {
                let fault = Fault::Missing { from: self.expected, to: head.index };
                self.broken(self.at, Some(head.index), fault)
            }
            Ok(head) => self.record(&head),
        })
    }
}
