//! Resume tokens. The first byte of an input says whether the others are text, the bytes of a token whose checksum is made here, or the
//! fields of a token and a change of its text.

#![no_main]

use fuzz::{changes, seeds};
use libfuzzer_sys::fuzz_target;
use telemetry_exporter::stream::{Position, Token};

fuzz_target!(init: seeds::write(seeds::tokens(), Vec::new(), |input| read(input).is_some()), |input: &[u8]| {
    read(input);
});

/// What is read of the input, if it is a token.
fn read(input: &[u8]) -> Option<Token> {
    let (way, bytes) = input.split_first()?;
    match way % 3 {
        0 => parsed(std::str::from_utf8(bytes).ok()?),
        1 => {
            let whole = [bytes, &seeds::crc32c(bytes).to_be_bytes()].concat();
            parsed(&seeds::base64url(&whole))
        }
        _ => changed(bytes),
    }
}

/// A token prints as text that is read as the same token, and is the only such text.
fn parsed(text: &str) -> Option<Token> {
    let token: Token = match text.parse() {
        Ok(token) => token,
        Err(error) => {
            assert!(error.to_string().starts_with("it is no resume token: "), "{error}");
            return None;
        }
    };
    assert_eq!(token.to_string(), text, "{token:?} is one text");
    Some(token)
}

/// A token of these fields, and its text after a change: that is another token only if it was made as one.
fn changed(bytes: &[u8]) -> Option<Token> {
    let ([sequence, offset, rest @ ..], bytes) = bytes.split_first_chunk::<{ 2 + changes::BYTES }>()?;
    let wide = |byte: u8| (u64::from(byte) * 0x0101_0101_0101_0101) >> (byte % 64);
    let at = Position { sequence: wide(*sequence), offset: wide(*offset) };
    let (session, name) = bytes.split_first_chunk::<16>()?;
    let stream = String::from_utf8(name.iter().take(255).copied().collect()).ok()?;
    let session = format!("{:032x}", u128::from_be_bytes(*session)).parse().expect("32 digits");
    let token = Token { session, stream, at };
    let text = token.to_string();
    assert_eq!(parsed(&text).as_ref(), Some(&token));
    let mut other = text.clone().into_bytes();
    changes::apply(&mut other, *rest);
    let other = String::from_utf8_lossy(&other);
    assert!(other == text || other.parse::<Token>().is_err(), "{other} was {text}");
    Some(token)
}
