//! Learns a substream's protocol by reading multistream-select on the side that decides.
//!
//! Invariant: whatever the remote sends, a sniffer holds at most [`LINE_BYTES_MAX`] bytes and never fails the stream.
//! Deliberately absent: negotiating. libp2p does that; this only reads along.
//!
//! The side that decides is the answering one: what we read on a substream that we opened, what we write on one that
//! the remote opened. Each line is `varint length | text | \n`; the first one that is neither the header nor `na`
//! names the protocol, and the byte after it is the first of the payload.
//! Source: <https://github.com/multiformats/multistream-select>.

/// Longest line that is read, in bytes. A longer one makes the substream [`Step::Unreadable`].
pub const LINE_BYTES_MAX: usize = 1024;

const HEADER: &str = "/multistream/1.0.0";
const REFUSED: &str = "na";

/// What is known after some more bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The decision has not been read yet.
    More,
    /// Both sides agreed; `payload_from` is the offset of the first payload byte in the bytes just fed.
    Decided { protocol: String, payload_from: usize },
    /// This is not multistream-select.
    Unreadable,
}

/// Reads the deciding side of one substream, in pieces of any size.
#[derive(Debug, Default)]
pub struct Sniffer {
    length: Varint,
    line: Vec<u8>,
    line_bytes: Option<usize>,
}

impl Sniffer {
    /// Reads on. Not to be called again after anything but [`Step::More`].
    pub fn feed(&mut self, bytes: &[u8]) -> Step {
        for (idx, &byte) in bytes.iter().enumerate() {
            let Some(line_bytes) = self.line_bytes else {
                match self.length.feed(byte) {
                    Length::More => continue,
                    Length::Is(n) if (1..=LINE_BYTES_MAX as u64).contains(&n) => {
                        self.line_bytes = Some(n as usize);
                        continue;
                    }
                    Length::Is(_) | Length::TooLong => return Step::Unreadable,
                }
            };
            self.line.push(byte);
            if self.line.len() < line_bytes {
                continue;
            }
            self.line_bytes = None;
            let line = std::mem::take(&mut self.line);
            let Some(text) = line.strip_suffix(b"\n").and_then(|l| std::str::from_utf8(l).ok()) else {
                return Step::Unreadable;
            };
            if text == HEADER || text == REFUSED {
                continue;
            }
            if !text.starts_with('/') {
                return Step::Unreadable;
            }
            return Step::Decided { protocol: text.to_owned(), payload_from: idx + 1 };
        }
        Step::More
    }
}

/// What a varint is, after one more byte.
#[derive(Debug, PartialEq, Eq)]
pub enum Length {
    More,
    Is(u64),
    TooLong,
}

/// Reads one unsigned varint after the other, byte by byte.
#[derive(Debug, Default)]
pub struct Varint {
    value: u64,
    shift: u32,
}

impl Varint {
    /// Reads one byte; after [`Length::Is`] the next varint begins.
    pub fn feed(&mut self, byte: u8) -> Length {
        if self.shift > 56 {
            return Length::TooLong;
        }
        self.value |= u64::from(byte & 0x7f) << self.shift;
        self.shift += 7;
        if byte & 0x80 != 0 {
            return Length::More;
        }
        let value = self.value;
        *self = Self::default();
        Length::Is(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"\x13/multistream/1.0.0\n\x03na\n\x11/ipfs/ping/1.0.0\npayload";

    fn decided(payload_from: usize) -> Step {
        Step::Decided { protocol: "/ipfs/ping/1.0.0".to_owned(), payload_from }
    }

    #[test]
    fn the_first_line_that_is_neither_header_nor_refusal_decides() {
        let from = ANSWER.len() - b"payload".len();
        assert_eq!(Sniffer::default().feed(ANSWER), decided(from));
    }

    #[test]
    fn a_split_at_any_byte_changes_nothing() {
        let end = ANSWER.len() - b"payload".len();
        for split in 0..end {
            let mut sniffer = Sniffer::default();
            assert_eq!(sniffer.feed(&ANSWER[..split]), Step::More, "split at {split}");
            assert_eq!(sniffer.feed(&ANSWER[split..]), decided(end - split), "split at {split}");
        }
    }

    #[test]
    fn single_bytes_decide_at_the_last_byte_of_the_line() {
        let mut sniffer = Sniffer::default();
        let line_end = ANSWER.len() - b"payload".len() - 1;
        for byte in &ANSWER[..line_end] {
            assert_eq!(sniffer.feed(&[*byte]), Step::More);
        }
        assert_eq!(sniffer.feed(&ANSWER[line_end..=line_end]), decided(1));
    }

    #[test]
    fn what_is_not_multistream_select_is_given_up() {
        for bytes in
            [&b"\x04GET "[..], b"\x00", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x81\x08", b"\x03\xff\xff\n", b"\x03/ab"]
        {
            assert_eq!(Sniffer::default().feed(bytes), Step::Unreadable, "{bytes:?}");
        }
    }

    #[test]
    fn varints_follow_each_other() {
        let mut varint = Varint::default();
        assert_eq!(varint.feed(0xac), Length::More);
        assert_eq!(varint.feed(0x02), Length::Is(300));
        assert_eq!(varint.feed(0x07), Length::Is(7));
    }
}
