//! A distribution as it is kept between two collections, with its counts in the bytes in which OTLP has them: those of exponential
//! buckets as variable-length numbers, most of which take one byte and not eight.

use super::merge::{Counts, Merged};
use crate::value::{ExplicitValue, ExponentialValue, Summary, Value};

/// A distribution of all threads.
#[derive(Clone, Debug, Default)]
pub struct Distribution {
    bounds: Option<&'static [f64]>,
    scale: i32,
    zeros: u64,
    summary: Summary,
    positive: Packed,
    negative: Packed,
}

/// Counts of consecutive buckets.
#[derive(Clone, Debug, Default)]
struct Packed {
    start: i32,
    len: usize,
    are_fixed: bool,
    bytes: Vec<u8>,
}

/// Counts of consecutive buckets, of all that counted something.
#[derive(Clone, Copy, Debug)]
pub struct Buckets<'a> {
    /// The index of the first.
    pub start: i32,
    /// How many there are.
    pub len: usize,
    /// Their counts in the encoding of [protocol buffers](https://protobuf.dev/programming-guides/encoding/): those of explicit bounds
    /// eight bytes each, the least first; those of exponential buckets as base 128 varints.
    pub packed: &'a [u8],
    are_fixed: bool,
}

impl<'a> Buckets<'a> {
    /// The counts, one after the other.
    pub fn counts(self) -> impl Iterator<Item = u64> + use<'a> {
        let (mut rest, are_fixed) = (self.packed, self.are_fixed);
        std::iter::from_fn(move || {
            let is_last = |(n, byte): (usize, &u8)| if are_fixed { n == 7 } else { *byte < 0x80 };
            let (count, behind) = rest.split_at(rest.iter().enumerate().position(is_last)? + 1);
            rest = behind;
            let (bits, mask) = if are_fixed { (8, 0xff) } else { (7, 0x7f) };
            Some(count.iter().rev().fold(0, |all, byte| all << bits | u64::from(byte & mask)))
        })
    }
}

impl Packed {
    /// Takes over counts of explicit bounds.
    fn set_fixed(&mut self, counts: &[u64]) {
        (self.start, self.len, self.are_fixed) = (0, counts.len(), true);
        self.bytes.resize(counts.len() * 8, 0);
        let (places, _) = self.bytes.as_chunks_mut();
        places.iter_mut().zip(counts).for_each(|(place, count)| *place = count.to_le_bytes());
    }

    /// Takes over counts of exponential buckets.
    fn set(&mut self, Counts { start, counts }: &Counts) {
        (self.start, self.len, self.are_fixed) = (*start, counts.len(), false);
        self.bytes.clear();
        let all = counts.iter().fold(0, |all, count| all | count);
        if all < 0x80 {
            self.bytes.reserve(2 * counts.len()); // they grow
            self.bytes.extend(counts.iter().map(|count| *count as u8));
        } else if all >> 56 == 0 {
            self.set_each(counts, varint_len(all));
        } else {
            counts.iter().for_each(|count| push(&mut self.bytes, *count));
        }
    }

    /// Of counts below 2^56, each of which is at most eight bytes: those are written together, and the next where the last of them ends.
    fn set_each(&mut self, counts: &[u64], longest: usize) {
        self.bytes.resize(counts.len() * longest + 8, 0);
        let mut at = 0;
        for count in counts {
            if let Some(place) = self.bytes[at..].first_chunk_mut() {
                *place = varint(*count).to_le_bytes();
            }
            at += varint_len(*count);
        }
        self.bytes.truncate(at);
    }

    fn buckets(&self) -> Buckets<'_> {
        Buckets { start: self.start, len: self.len, packed: &self.bytes, are_fixed: self.are_fixed }
    }
}

/// How many bytes a number takes.
const fn varint_len(value: u64) -> usize {
    // Seven bits a byte: 9/64 is a little more than 1/7, and right for all of 64 bits.
    ((64 - (value | 1).leading_zeros() as usize) * 9 + 64) / 64
}

/// The bytes of a number below 2^56, the first in the lowest bits: its bits in groups of seven, each but the last with the bit that
/// says that there is another.
const fn varint(value: u64) -> u64 {
    let halves = (value & 0x0fff_ffff) | (value & 0x00ff_ffff_f000_0000) << 4;
    let quarters = (halves & 0x0000_3fff_0000_3fff) | (halves & 0x0fff_c000_0fff_c000) << 2;
    let bytes = (quarters & 0x007f_007f_007f_007f) | (quarters & 0x3f80_3f80_3f80_3f80) << 1;
    let before_last = (1 << (8 * (varint_len(value) - 1))) - 1;
    bytes | 0x8080_8080_8080_8080 & before_last
}

fn push(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

impl Distribution {
    /// Takes over a sum, in the memory that it has.
    pub fn set(&mut self, sum: &Merged) {
        (self.bounds, self.scale, self.zeros, self.summary) = (sum.bounds, sum.scale, sum.zeros, *sum.summary());
        match self.bounds {
            Some(_) => self.positive.set_fixed(&sum.positive.counts),
            None => self.positive.set(&sum.positive),
        }
        self.negative.set(&sum.negative); // none of explicit bounds
    }

    /// Count, sum, least and greatest.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The explicit bounds; none where the buckets are exponential.
    pub fn bounds(&self) -> Option<&'static [f64]> {
        self.bounds
    }

    /// The resolution of exponential buckets, as OpenTelemetry defines it.
    pub fn scale(&self) -> i32 {
        self.scale
    }

    /// How many values were zero, where the buckets are exponential.
    pub fn zero_count(&self) -> u64 {
        self.zeros
    }

    /// Exponential buckets of values above zero, or all explicit ones.
    pub fn positive(&self) -> Buckets<'_> {
        self.positive.buckets()
    }

    /// Exponential buckets of values below zero, by their absolute value.
    pub fn negative(&self) -> Buckets<'_> {
        self.negative.buckets()
    }

    /// The same as a value of its own.
    pub fn to_value(&self) -> Value {
        let Self { bounds, scale, zeros, summary, .. } = *self;
        let counts = |buckets: Buckets<'_>| (buckets.start, buckets.counts().collect());
        match bounds {
            Some(bounds) => Value::Explicit(Box::new(ExplicitValue { summary, bounds, counts: counts(self.positive()).1 })),
            None => Value::Exponential(Box::new(ExponentialValue {
                summary,
                scale,
                zero_count: zeros,
                positive: counts(self.positive()),
                negative: counts(self.negative()),
            })),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn counts_of_every_length_come_back_and_are_written_as_one_by_one() {
        let edges = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]).chain([u64::MAX]);
        let edges: Vec<_> = edges.collect();
        for counts in [&[1, 2, 0, 127], &edges[..20], &edges[..165], &edges[..], &[][..]] {
            let (mut packed, mut bytes) = (Packed::default(), Vec::new());
            packed.set(&Counts { start: -7, counts: vec![300, 1 << 50] });
            packed.set(&Counts { start: 3, counts: counts.to_vec() });
            counts.iter().for_each(|count| push(&mut bytes, *count));
            let buckets = packed.buckets();
            assert_eq!((buckets.start, buckets.len, buckets.packed), (3, counts.len(), &bytes[..]));
            assert_eq!(buckets.counts().collect::<Vec<_>>(), counts);
            packed.set_fixed(counts);
            assert_eq!(
                (packed.buckets().packed.len(), packed.buckets().counts().collect::<Vec<_>>()),
                (counts.len() * 8, counts.to_vec())
            );
        }
    }
}
