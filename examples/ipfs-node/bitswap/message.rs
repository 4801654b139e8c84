//! Bitswap messages: protobuf behind a varint length, and the CIDs of the blocks in them.
//!
//! Invariant: no more than [`MESSAGE_BYTES_MAX`] are read for one message, whatever its length claims.
//! Source: <https://specs.ipfs.tech/bitswap-protocol/>. Fields of 1.0.0 (bare blocks) are skipped.

use std::fmt;
use std::io;

use cid::{Cid, Version};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use multihash_codetable::{Code, MultihashDigest as _};
use prost::Message as _;

use crate::network::sniff::{Length, Varint};

/// Largest message, in bytes. Source: the specification's limit.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// Largest block, in bytes. Source: the specification's limit.
pub const BLOCK_BYTES_MAX: usize = 2 << 20;

/// Multicodec of bytes without structure.
const RAW: u64 = 0x55;

/// A bitswap message.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Message {
    #[prost(message, optional, tag = "1")]
    pub wantlist: Option<Wantlist>,
    #[prost(message, repeated, tag = "3")]
    pub payload: Vec<Block>,
    #[prost(message, repeated, tag = "4")]
    pub block_presences: Vec<BlockPresence>,
    #[prost(int32, tag = "5")]
    pub pending_bytes: i32,
}

/// What the sender wants.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Wantlist {
    #[prost(message, repeated, tag = "1")]
    pub entries: Vec<Entry>,
    #[prost(bool, tag = "2")]
    pub full: bool,
}

/// One block that the sender wants, or wants no more.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Entry {
    /// The CID.
    #[prost(bytes = "vec", tag = "1")]
    pub block: Vec<u8>,
    #[prost(int32, tag = "2")]
    pub priority: i32,
    #[prost(bool, tag = "3")]
    pub cancel: bool,
    #[prost(enumeration = "WantType", tag = "4")]
    pub want_type: i32,
    #[prost(bool, tag = "5")]
    pub send_dont_have: bool,
}

/// Whether the block itself is wanted, or only whether it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum WantType {
    Block = 0,
    Have = 1,
}

/// A block.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Block {
    /// The CID without its digest: version, codec, hash function and digest length, as varints.
    #[prost(bytes = "vec", tag = "1")]
    pub prefix: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
}

/// Whether the sender has a block.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BlockPresence {
    #[prost(bytes = "vec", tag = "1")]
    pub cid: Vec<u8>,
    #[prost(enumeration = "Presence", tag = "2")]
    pub r#type: i32,
}

/// What a block presence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum Presence {
    Have = 0,
    DontHave = 1,
}

/// Why what a stream holds is no message.
#[derive(Debug)]
#[non_exhaustive]
pub enum MessageError {
    /// The length is above [`MESSAGE_BYTES_MAX`], or no varint.
    TooLong,
    /// The protobuf is damaged.
    Malformed(prost::DecodeError),
    /// The stream failed or ended within a message.
    Io(io::Error),
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "wanted at most {MESSAGE_BYTES_MAX} bytes of message"),
            Self::Malformed(_) => f.write_str("wanted a protobuf message, found other bytes"),
            Self::Io(_) => f.write_str("the stream failed or ended within a message"),
        }
    }
}

impl std::error::Error for MessageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TooLong => None,
            Self::Malformed(error) => Some(error),
            Self::Io(error) => Some(error),
        }
    }
}

/// Reads the length of the next message; `None` at the stream's end.
///
/// # Errors
/// [`MessageError::TooLong`], or the stream's failure.
pub async fn read_length(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<usize>, MessageError> {
    let mut varint = Varint::default();
    let mut byte = [0];
    for idx in 0.. {
        let n = stream.read(&mut byte).await.map_err(MessageError::Io)?;
        if n == 0 && idx == 0 {
            return Ok(None);
        }
        if n == 0 {
            return Err(MessageError::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        match varint.feed(byte[0]) {
            Length::More => {}
            Length::Is(length) if length <= MESSAGE_BYTES_MAX as u64 => {
                return Ok(Some(length as usize));
            }
            Length::Is(_) | Length::TooLong => return Err(MessageError::TooLong),
        }
    }
    Err(MessageError::TooLong)
}

/// Reads the message whose length was just read. Memory grows with what arrives, not with what was claimed.
///
/// # Errors
/// [`MessageError::Malformed`], or the stream's failure.
pub async fn read_body(stream: &mut (impl AsyncRead + Unpin), length: usize) -> Result<Message, MessageError> {
    let mut body = Vec::new();
    let mut limited = stream.take(length as u64);
    limited.read_to_end(&mut body).await.map_err(MessageError::Io)?;
    if body.len() < length {
        return Err(MessageError::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    Message::decode(body.as_slice()).map_err(MessageError::Malformed)
}

/// Writes one message and flushes it.
///
/// # Errors
/// The stream's failure.
pub async fn write(stream: &mut (impl AsyncWrite + Unpin), message: &Message) -> io::Result<()> {
    stream.write_all(&message.encode_length_delimited_to_vec()).await?;
    stream.flush().await
}

/// The CID under which this node stores `data`: version 1, raw, SHA2-256.
pub fn cid_of(data: &[u8]) -> Cid {
    Cid::new_v1(RAW, Code::Sha2_256.digest(data))
}

/// Whether `data` is what `cid` names. A hash function that this node lacks never matches.
pub fn matches_cid(cid: &Cid, data: &[u8]) -> bool {
    digest(cid.hash().code(), data).is_some_and(|hash| hash == *cid.hash())
}

impl Block {
    /// Packs a block for the wire.
    pub fn new(cid: &Cid, data: Vec<u8>) -> Self {
        let mut prefix = Vec::new();
        let version = if cid.version() == Version::V0 { 0 } else { 1 };
        let digest_bytes = u64::from(cid.hash().size());
        for value in [version, cid.codec(), cid.hash().code(), digest_bytes] {
            prost::encoding::encode_varint(value, &mut prefix);
        }
        Self { prefix, data }
    }

    /// The CID that the data really has: the prefix says how to hash, never what comes out.
    pub fn cid(&self) -> Option<Cid> {
        if self.data.len() > BLOCK_BYTES_MAX {
            return None;
        }
        let mut prefix = self.prefix.as_slice();
        let mut next = || prost::encoding::decode_varint(&mut prefix).ok();
        let (version, codec, function, digest_bytes) = (next()?, next()?, next()?, next()?);
        let hash = digest(function, &self.data)?;
        if !prefix.is_empty() || digest_bytes != u64::from(hash.size()) {
            return None;
        }
        Cid::new(Version::try_from(version).ok()?, codec, hash).ok()
    }
}

fn digest(function: u64, data: &[u8]) -> Option<cid::multihash::Multihash<64>> {
    Some(Code::try_from(function).ok()?.digest(data))
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::io::Cursor;

    use super::*;

    fn sample() -> Message {
        let cid = cid_of(b"hello");
        Message {
            wantlist: Some(Wantlist {
                entries: vec![Entry {
                    block: cid.to_bytes(),
                    priority: 7,
                    cancel: true,
                    want_type: WantType::Have as i32,
                    send_dont_have: true,
                }],
                full: true,
            }),
            payload: vec![Block::new(&cid, b"hello".to_vec())],
            block_presences: vec![BlockPresence { cid: cid.to_bytes(), r#type: Presence::DontHave as i32 }],
            pending_bytes: 9,
        }
    }

    fn read(bytes: &[u8]) -> Result<Option<Message>, MessageError> {
        block_on(async {
            let mut stream = Cursor::new(bytes);
            match read_length(&mut stream).await? {
                None => Ok(None),
                Some(length) => read_body(&mut stream, length).await.map(Some),
            }
        })
    }

    fn written(message: &Message) -> Vec<u8> {
        let mut stream = Cursor::new(Vec::new());
        block_on(write(&mut stream, message)).unwrap();
        stream.into_inner()
    }

    #[test]
    fn messages_come_back_as_they_were_written() {
        assert_eq!(read(&written(&sample())).unwrap(), Some(sample()));
        assert_eq!(read(&written(&Message::default())).unwrap(), Some(Message::default()));
    }

    #[test]
    fn a_want_is_these_bytes() {
        let message = Message {
            wantlist: Some(Wantlist {
                entries: vec![Entry { block: vec![0xaa], priority: 1, send_dont_have: true, ..Entry::default() }],
                full: false,
            }),
            ..Message::default()
        };
        let golden = b"\x0b\x0a\x09\x0a\x07\x0a\x01\xaa\x10\x01\x28\x01";
        assert_eq!(written(&message), golden);
    }

    #[test]
    fn every_truncation_is_an_error_and_nothing_is_the_end() {
        let bytes = written(&sample());
        assert_eq!(read(&[]).unwrap(), None);
        for end in 1..bytes.len() {
            assert!(matches!(read(&bytes[..end]), Err(MessageError::Io(_))), "cut at {end}");
        }
    }

    #[test]
    fn a_flipped_bit_never_panics_and_a_block_never_keeps_its_cid() {
        let bytes = written(&sample());
        let cid = cid_of(b"hello");
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(Some(message)) = read(&damaged) {
                for block in &message.payload {
                    assert!(block.data == b"hello" || block.cid() != Some(cid), "bit {bit}");
                }
            }
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_body() {
        for bytes in [&[0x81, 0x80, 0x80, 0x02][..], &[0xff; 10]] {
            assert!(matches!(read(bytes), Err(MessageError::TooLong)));
        }
    }

    #[test]
    fn a_block_is_known_by_its_hash_alone() {
        let cid = cid_of(b"hello");
        let block = Block::new(&cid, b"hello".to_vec());
        assert_eq!(block.prefix, [1, 0x55, 0x12, 32]);
        assert_eq!(block.cid(), Some(cid));
        let forged = Block { data: b"hellp".to_vec(), ..block.clone() };
        assert_ne!(forged.cid(), Some(cid));
        for prefix in [&[][..], &[1, 0x55, 0x12], &[1, 0x55, 0x12, 20], &[1, 0x55, 0x00, 32]] {
            let prefix = prefix.to_vec();
            assert_eq!(Block { prefix, ..block.clone() }.cid(), None);
        }
        assert!(matches_cid(&cid, b"hello") && !matches_cid(&cid, b"hellp"));
    }

    #[test]
    fn version_0_blocks_are_packed_and_named_too() {
        let cid = Cid::new_v0(Code::Sha2_256.digest(b"old")).unwrap();
        assert_eq!(Block::new(&cid, b"old".to_vec()).cid(), Some(cid));
    }
}
