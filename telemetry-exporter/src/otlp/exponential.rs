//! The point of an exponential histogram, whose length changes with its counts.

use telemetry_core::collect::{Buckets, Distribution};

use crate::wire;

/// How long a point is, with what of it is worth computing once.
#[derive(Clone, Copy, Default)]
pub struct PointLength {
    /// The whole point, without its head.
    pub point: usize,
    positive: Side,
    negative: Side,
}

/// How long the message of one side is; 0 where it has no counts.
#[derive(Clone, Copy, Default)]
struct Side(usize);

impl Side {
    fn of(Buckets { start, packed, .. }: Buckets<'_>) -> Self {
        if packed.is_empty() {
            return Self::default();
        }
        let offset = if start == 0 { 0 } else { 1 + wire::varint_len(wire::zigzag(start)) };
        Self(offset + wire::delimited_len(packed.len()))
    }

    fn len(self) -> usize {
        if self.0 == 0 { 0 } else { wire::delimited_len(self.0) }
    }

    fn write(self, out: &mut Vec<u8>, field: u8, Buckets { start, packed, .. }: Buckets<'_>) {
        if self.0 == 0 {
            return;
        }
        wire::head(out, field, self.0);
        wire::number(out, 1, wire::zigzag(start));
        wire::bytes(out, 2, packed);
    }
}

impl PointLength {
    /// Of this distribution, with attributes and an exemplar that are so long together.
    pub fn of(sum: &Distribution, beside: usize) -> Self {
        let (positive, negative) = (Side::of(sum.positive()), Side::of(sum.negative()));
        let optional = [sum.summary().min.is_some(), sum.summary().max.is_some(), sum.zero_count() != 0];
        let fixed = 4 + optional.into_iter().map(usize::from).sum::<usize>(); // start, time, count and sum
        let scale = if sum.scale() == 0 { 0 } else { 1 + wire::varint_len(wire::zigzag(sum.scale())) };
        Self { point: beside + fixed * 9 + scale + positive.len() + negative.len(), positive, negative }
    }

    /// Writes the point that this is the length of, with a time of nothing.
    pub fn write(&self, out: &mut Vec<u8>, start_ns: u64, sum: &Distribution, attributes: &[u8], exemplar: &[u8]) {
        out.extend_from_slice(attributes);
        wire::fixed64(out, 2, start_ns);
        wire::fixed64(out, 3, 0);
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
