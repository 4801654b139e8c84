//! A place in a stream as one word that a client can store: session, stream, sequence and offset, with a checksum.
//!
//! ```text
//! base64url without padding of
//! ┌───┬──────────────┬───────────────┬───────────────┬─────────────────┬────────────────────┐
//! │ 1 │ 16 bytes:    │ sequence,     │ offset,       │ the name of the │ CRC32C of the      │
//! │   │ the session  │ a base 128    │ a base 128    │ stream, UTF-8   │ others, big-endian │
//! │   │              │ number        │ number        │                 │                    │
//! └───┴──────────────┴───────────────┴───────────────┴─────────────────┴────────────────────┘
//! ```

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::piece::Position;
use crate::compact::Input;
use crate::wire::varint;

/// Where a reader goes on: clients keep it as text, and need not know what it says.
///
/// ```
/// use telemetry_exporter::stream::{Position, Token};
///
/// let token = Token { session: Default::default(), stream: "metrics".into(), at: Position { sequence: 7, offset: 1_000 } };
/// let kept = token.to_string();
/// assert_eq!(kept.parse::<Token>().as_ref(), Ok(&token));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The life of the process.
    pub session: Uuid,
    /// The stream.
    pub stream: String,
    /// The place in it.
    pub at: Position,
}

/// Text that is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenError(&'static str);

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is no resume token: {}", self.0)
    }
}

impl std::error::Error for TokenError {}

const VERSION: u8 = 1;

/// Bytes of text above which nothing is a token.
const TEXT_BYTES_MAX: usize = 512;

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(self.session.as_bytes());
        varint(&mut bytes, self.at.sequence);
        varint(&mut bytes, self.at.offset);
        bytes.extend_from_slice(self.stream.as_bytes());
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_be_bytes());
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl std::str::FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(TokenError("it is too long"));
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError("it is not base64url"))?;
        let (bytes, checksum) = bytes.split_last_chunk().ok_or(TokenError("it is cut"))?;
        if crc32c::crc32c(bytes) != u32::from_be_bytes(*checksum) {
            return Err(TokenError("its checksum is wrong: it was cut or changed"));
        }
        let token = Self::read(&mut Input(bytes)).ok_or(TokenError("it is of another version"))?;
        // A place is one text, so that who compares two as text is right.
        (token.to_string() == text).then_some(token).ok_or(TokenError("its numbers are longer than they need be"))
    }
}

impl Token {
    fn read(input: &mut Input<'_>) -> Option<Self> {
        if input.byte() != Ok(VERSION) {
            return None;
        }
        let session = Uuid::from_slice(input.bytes(16).ok()?).ok()?;
        let at = Position { sequence: input.number().ok()?, offset: input.number().ok()? };
        Some(Self { session, stream: std::str::from_utf8(input.0).ok()?.to_owned(), at })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tokens_come_back_and_every_other_text_is_refused(session: u128, sequence: u64, offset: u64, stream in "[a-z_]{0,40}", at: usize, letter: u8) {
            let token = Token { session: Uuid::from_u128(session), stream, at: Position { sequence, offset } };
            let text = token.to_string();
            prop_assert_eq!(text.parse::<Token>(), Ok(token));
            for cut in 0..text.len() {
                prop_assert!(text[..cut].parse::<Token>().is_err());
            }
            let mut changed = text.clone().into_bytes();
            let at = at % changed.len();
            changed[at] = letter % 128;
            let changed = String::from_utf8(changed).expect("ASCII");
            prop_assert!(changed == text || changed.parse::<Token>().is_err());
        }
    }

    #[test]
    fn a_place_is_one_text() {
        let token = Token { session: Uuid::nil(), stream: "s".into(), at: Position { sequence: 5, offset: 1 } };
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(token.to_string()).expect("a token");
        bytes.truncate(bytes.len() - 4);
        bytes.splice(18..19, [0x81, 0]); // the offset, in a digit more
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend(checksum.to_be_bytes());
        let error = BASE64_URL_SAFE_NO_PAD.encode(&bytes).parse::<Token>().expect_err("another text of it");
        assert!(error.to_string().contains("longer"), "{error}");
    }

    #[test]
    fn one_of_another_version_is_told_from_a_damaged_one() {
        let token = Token { session: Uuid::nil(), stream: "s".into(), at: Position::default() };
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(token.to_string()).expect("a token");
        bytes[0] = 2;
        assert!(BASE64_URL_SAFE_NO_PAD.encode(&bytes).parse::<Token>().expect_err("damaged").to_string().contains("checksum"));
        let len = bytes.len() - 4;
        let checksum = crc32c::crc32c(&bytes[..len]);
        bytes[len..].copy_from_slice(&checksum.to_be_bytes());
        assert!(BASE64_URL_SAFE_NO_PAD.encode(&bytes).parse::<Token>().expect_err("version 2").to_string().contains("version"));
    }
}
