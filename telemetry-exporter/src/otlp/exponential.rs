//! The point of an exponential histogram, whose length changes with its counts.

use telemetry_core::collect::Distribution;

use super::wire;

/// How long a point is, with what of it is worth computing once.
#[derive(Clone, Copy, Default)]
pub struct PointLength {
    /// The whole point, without its head.
    pub point: usize,
    positive: Packed,
    negative: Packed,
}

/// How long the counts of one side are.
#[derive(Clone, Copy, Default)]
struct Packed {
    counts: usize,
    /// The message of the side; 0 where it has no counts.
    side: usize,
}

impl Packed {
    fn of((offset, counts): (i32, &[u64])) -> Self {
        if counts.is_empty() {
            return Self::default();
        }
        let all = counts.iter().fold(0, |all, count| all | count);
        let len = if all < 0x80 { counts.len() } else { counts.iter().map(|count| wire::varint_len(*count)).sum() };
        let offset = if offset == 0 { 0 } else { 1 + wire::varint_len(wire::zigzag(offset)) };
        Self { counts: len, side: offset + wire::delimited_len(len) }
    }

    fn len(self) -> usize {
        if self.side == 0 { 0 } else { wire::delimited_len(self.side) }
    }

    fn write(self, out: &mut Vec<u8>, field: u8, (offset, counts): (i32, &[u64])) {
        if self.side == 0 {
            return;
        }
        wire::head(out, field, self.side);
        wire::number(out, 1, wire::zigzag(offset));
        wire::head(out, 2, self.counts);
        if self.counts == counts.len() {
            out.extend(counts.iter().map(|count| *count as u8)); // each is one byte
        } else {
            counts.iter().for_each(|count| wire::varint(out, *count));
        }
    }
}

impl PointLength {
    /// Of this distribution, with attributes and an exemplar that are written already.
    pub fn of(sum: &Distribution, attributes: &[u8], exemplar: &[u8]) -> Self {
        let (positive, negative) = (Packed::of(sum.positive()), Packed::of(sum.negative()));
        let optional = [sum.summary().min.is_some(), sum.summary().max.is_some(), sum.zero_count() != 0];
        let fixed = 4 + optional.into_iter().map(usize::from).sum::<usize>(); // start, time, count and sum
        let scale = if sum.scale() == 0 { 0 } else { 1 + wire::varint_len(wire::zigzag(sum.scale())) };
        let attributes = attributes.len() + exemplar.len();
        Self { point: attributes + fixed * 9 + scale + positive.len() + negative.len(), positive, negative }
    }

    /// Writes the point that this is the length of.
    pub fn write(&self, out: &mut Vec<u8>, start_ns: u64, time_ns: u64, sum: &Distribution, attributes: &[u8], exemplar: &[u8]) {
        out.extend_from_slice(attributes);
        wire::fixed64(out, 2, start_ns);
        wire::fixed64(out, 3, time_ns);
        wire::fixed64(out, 4, sum.summary().count);
        wire::fixed64(out, 5, sum.summary().sum.to_bits());
        wire::number(out, 6, wire::zigzag(sum.scale()));
        if sum.zero_count() != 0 {
            wire::fixed64(out, 7, sum.zero_count());
        }
        self.positive.write(out, 8, sum.positive());
        self.negative.write(out, 9, sum.negative());
        out.extend_from_slice(exemplar); // field 11
        for (field, value) in [(12, sum.summary().min), (13, sum.summary().max)] {
            if let Some(value) = value {
                wire::fixed64(out, field, value.to_bits());
            }
        }
    }
}
