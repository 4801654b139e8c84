//! Hashes and comparisons of short texts: what is done with each label of each record.
//!
//! The hash is wyhash's folded product over 16 bytes at a time (Wang Yi, "wyhash"), with a number that only this process knows, so
//! that nobody can choose labels that collide.

/// One of the multipliers of wyhash.
pub const MIX: u64 = 0xe703_7ed1_a0b4_28db;

#[inline(always)]
pub fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// The hash so far, which has the seed in it, with two words. Whoever chooses the words knows no factor of the product.
#[inline(always)]
pub fn mix(hash: u64, seed: u64, a: u64, b: u64) -> u64 {
    fold(hash ^ a, seed ^ b)
}

/// The hash so far with a text of more than 32 bytes.
#[inline(never)]
pub fn longer(mut hash: u64, seed: u64, bytes: &[u8]) -> u64 {
    let (chunks, _) = bytes.as_chunks::<16>();
    for chunk in chunks.iter().chain(bytes.last_chunk()) {
        // The last overlaps the one before.
        let (low, high) = halves(chunk);
        hash = mix(hash, seed, low, high);
    }
    hash
}

#[inline(always)]
pub fn halves(chunk: &[u8; 16]) -> (u64, u64) {
    let both = u128::from_le_bytes(*chunk);
    (both as u64, (both >> 64) as u64)
}

/// Two words that say, with the length, what a text of at most 16 bytes is.
///
/// As wyhash reads them, by words that overlap: of eight bytes, of four, and up to three each byte.
#[inline(always)]
pub fn short(bytes: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return (u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32, 0);
    }
    match (bytes.first(), bytes.get(bytes.len() / 2), bytes.last()) {
        (Some(first), Some(middle), Some(last)) => (u64::from(*first) | u64::from(*middle) << 8 | u64::from(*last) << 16, 0),
        _ => (0, 0),
    }
}

/// Whether two texts of one length, of 16 to 32 bytes, are the same.
#[inline(always)]
pub fn are_same_to_32(a: &[u8], b: &[u8]) -> bool {
    let chunk = |a: &[u8; 16], b: &[u8; 16]| u128::from_ne_bytes(*a) ^ u128::from_ne_bytes(*b);
    match (a.first_chunk(), a.last_chunk(), b.first_chunk(), b.last_chunk()) {
        (Some(first), Some(last), Some(other_first), Some(other_last)) => chunk(first, other_first) | chunk(last, other_last) == 0,
        _ => false,
    }
}

/// Whether two texts of one length, of at least 16 bytes, are the same. A call of `memcmp` costs more than most of them.
#[inline(always)]
pub fn are_same(a: &[u8], b: &[u8]) -> bool {
    let chunk = |(a, b): (&[u8; 16], &[u8; 16])| u128::from_ne_bytes(*a) == u128::from_ne_bytes(*b);
    let ((chunks, _), (others, _)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    a.last_chunk().zip(b.last_chunk()).is_some_and(chunk) && chunks.iter().zip(others).all(chunk)
}
