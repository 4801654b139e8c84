//! The bytes of protocol buffers, by [their encoding](https://protobuf.dev/programming-guides/encoding/): what `prost` writes.
//!
//! A field that has the default of its type is left out, unless it is one of a `oneof` or `optional`. Fields come in the order of
//! their numbers.

/// How many bytes a number takes.
pub const fn varint_len(value: u64) -> usize {
    // Seven bits a byte: 9/64 is a little more than 1/7, and right for all of 64 bits.
    ((64 - (value | 1).leading_zeros() as usize) * 9 + 64) / 64
}

pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The number that a signed one is written as.
pub const fn zigzag(value: i32) -> u64 {
    ((value << 1) ^ (value >> 31)).cast_unsigned() as u64
}

/// The temporality of all sums: cumulative.
pub const CUMULATIVE: u64 = 2;

const VARINT: u8 = 0;
pub const FIXED64: u8 = 1;
pub const DELIMITED: u8 = 2;

/// The tag of a field below 16, which is one byte.
pub const fn tag(field: u8, wire: u8) -> u8 {
    field << 3 | wire
}

/// Overwrites eight bytes that are there.
#[inline]
pub fn overwrite(out: &mut [u8], at: usize, bits: u64) {
    if let Some(place) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *place = bits.to_le_bytes();
    }
}

/// Eight bytes, also where they are zero.
pub fn fixed64(out: &mut Vec<u8>, field: u8, bits: u64) {
    let mut bytes = [tag(field, FIXED64); 9];
    bytes[1..].copy_from_slice(&bits.to_le_bytes());
    out.extend_from_slice(&bytes);
}

/// A number, unless it is zero.
pub fn number(out: &mut Vec<u8>, field: u8, value: u64) {
    if value != 0 {
        out.push(tag(field, VARINT));
        varint(out, value);
    }
}

/// The head of text or of a message of this length.
pub fn head(out: &mut Vec<u8>, field: u8, len: usize) {
    out.push(tag(field, DELIMITED));
    varint(out, len as u64);
}

/// How long a field of this many bytes is with its head.
pub const fn delimited_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

/// Bytes, also where there are none.
pub fn bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    head(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

/// Text, unless it is empty.
pub fn text(out: &mut Vec<u8>, field: u8, text: &str) {
    if !text.is_empty() {
        bytes(out, field, text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_takes_as_many_bytes_as_are_written() {
        let edges = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for value in edges.chain([u64::MAX]) {
            let mut out = Vec::new();
            varint(&mut out, value);
            assert_eq!(out.len(), varint_len(value), "{value}");
            assert_eq!(prost::encoding::decode_varint(&mut &*out), Ok(value));
        }
    }
}
