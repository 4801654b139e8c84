//! The messages of a layout, built once and patched at each collection.
//!
//! The points of numbers and of explicit buckets keep their length: their times and values are overwritten where they are. Those of
//! exponential buckets do not: they are written anew, behind the others of their scope, and the whole is put together again. Byte for
//! byte it is what `prost` writes of the same values.
//! Not here: how they are built (`build`), what comes beside the registry's metrics (`encoder`).

use std::ops::Range;

use telemetry_core::collect::{Distribution, Frame};

use super::exponential::PointLength;
use super::{exemplar, wire};

/// The temporality of all sums: cumulative.
pub const CUMULATIVE: u64 = 2;

/// One message: of all metrics, or of as many as fit.
#[derive(Default)]
pub struct Part {
    /// The resource, then all scopes without what changes its length. Where nothing does it is the message.
    pub(super) fixed: Vec<u8>,
    pub(super) numbers: Vec<NumberPatch>,
    pub(super) explicits: Vec<ExplicitPatch>,
    pub(super) exemplars: Vec<ExemplarPatch>,
    pub(super) scopes: Vec<ScopePart>,
    pub(super) changing: Vec<Changing>,
    pub(super) resource_len: usize,
    /// How long `fixed` is by itself.
    pub(super) fixed_len: usize,
    /// The message, where something changes its length.
    pub(super) whole: Vec<u8>,
    pub(super) scratch: Vec<u8>,
}

/// Where the point of a number has its time, with its value behind it.
#[derive(Clone, Copy)]
pub(super) struct NumberPatch {
    pub(super) series: u32,
    pub(super) at: u32,
    /// The value's bits at most: OpenTelemetry's whole numbers are signed, and what is beyond them saturates.
    pub(super) max: u64,
}

/// Where the point of explicit buckets has its time, with count, sum and counts behind it, and where its least and greatest.
#[derive(Clone, Copy)]
pub(super) struct ExplicitPatch {
    pub(super) series: u32,
    pub(super) at: u32,
    pub(super) min_at: u32,
}

/// Where the exemplar of a point of constant length is.
#[derive(Clone, Copy)]
pub(super) struct ExemplarPatch {
    pub(super) series: u32,
    pub(super) at: u32,
    /// The number of its field.
    pub(super) field: u8,
}

/// A scope that has metrics of changing length: what is fixed of it, and which they are.
pub(super) struct ScopePart {
    pub(super) fixed: Range<usize>,
    pub(super) changing: Range<usize>,
}

/// A metric of changing length.
pub(super) struct Changing {
    /// Name, description and unit.
    pub(super) prefix: Vec<u8>,
    pub(super) series: Range<usize>,
    /// The attributes of each series.
    pub(super) attributes: Vec<Vec<u8>>,
    /// The length of each point, as it was written last.
    pub(super) lengths: Vec<PointLength>,
    /// Where in the scratch it was written last.
    pub(super) written: Range<usize>,
}

impl Part {
    /// One that is no template.
    pub fn once(message: Vec<u8>) -> Self {
        Self { fixed: message, ..Self::default() }
    }

    /// Writes times and values of a frame of the layout that this was built for.
    pub fn patch(&mut self, frame: &Frame) {
        self.patch_numbers(frame);
        for patch in &self.explicits {
            if let Some(sum) = frame.distribution(frame.values()[patch.series as usize]) {
                patch.write(&mut self.fixed, frame.time_ns(), sum);
            }
        }
        for ExemplarPatch { series, at, field } in &self.exemplars {
            if let (Some(exemplar), Some(place)) =
                (exemplar::field(*field, frame, *series as usize), self.fixed[*at as usize..].first_chunk_mut())
            {
                *place = exemplar;
            }
        }
        if !self.changing.is_empty() {
            self.put_together(frame);
        }
    }

    fn patch_numbers(&mut self, frame: &Frame) {
        let (time, values) = (frame.time_ns().to_le_bytes(), frame.values());
        for NumberPatch { series, at, max } in &self.numbers {
            // Eight bytes of time, a tag, and eight of the value.
            if let Some(point) = self.fixed[*at as usize..].first_chunk_mut::<17>() {
                point[..8].copy_from_slice(&time);
                point[9..].copy_from_slice(&values[*series as usize].min(*max).to_le_bytes());
            }
        }
    }

    fn put_together(&mut self, frame: &Frame) {
        self.scratch.clear();
        for changing in &mut self.changing {
            let begin = self.scratch.len();
            changing.write(&mut self.scratch, frame);
            changing.written = begin..self.scratch.len();
        }
        self.whole.clear();
        self.whole.extend_from_slice(&self.fixed[..self.resource_len]);
        for ScopePart { fixed, changing } in &self.scopes {
            let changing = &self.changing[changing.clone()];
            let written = match (changing.first(), changing.last()) {
                (Some(first), Some(last)) => &self.scratch[first.written.start..last.written.end],
                _ => &[],
            };
            wire::head(&mut self.whole, 2, fixed.len() + written.len());
            self.whole.extend_from_slice(&self.fixed[fixed.clone()]);
            self.whole.extend_from_slice(written);
        }
    }
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        if self.changing.is_empty() { &self.fixed } else { &self.whole }
    }
}

impl Part {
    /// How many series it has.
    pub fn series(&self) -> usize {
        self.numbers.len() + self.explicits.len() + self.changing.iter().map(|metric| metric.series.len()).sum::<usize>()
    }

    /// Adds fields behind the message, until it is cut again.
    pub fn extend(&mut self, fields: &[u8]) {
        if self.changing.is_empty() { &mut self.fixed } else { &mut self.whole }.extend_from_slice(fields);
    }

    /// Takes off what it was extended by.
    pub fn cut(&mut self) {
        self.fixed.truncate(self.fixed_len);
    }
}

impl Changing {
    fn write(&mut self, out: &mut Vec<u8>, frame: &Frame) {
        let of = |number: usize| frame.distribution(frame.values()[number]);
        self.lengths.clear();
        self.lengths.extend(self.series.clone().zip(&self.attributes).map(|(number, attributes)| {
            of(number).map_or_else(PointLength::default, |sum| {
                PointLength::of(sum, attributes, exemplar::bytes(&exemplar::field(11, frame, number)))
            })
        }));
        let data = self.lengths.iter().map(|length| wire::delimited_len(length.point)).sum::<usize>() + 2; // and the temporality
        wire::head(out, 2, self.prefix.len() + wire::delimited_len(data));
        out.extend_from_slice(&self.prefix);
        wire::head(out, 10, data);
        for ((number, attributes), length) in self.series.clone().zip(&self.attributes).zip(&self.lengths) {
            if let Some(sum) = of(number) {
                wire::head(out, 1, length.point);
                let exemplar = exemplar::field(11, frame, number);
                length.write(out, frame.series()[number].start_ns, frame.time_ns(), sum, attributes, exemplar::bytes(&exemplar));
            }
        }
        wire::number(out, 2, CUMULATIVE);
    }
}

impl Part {
    /// Writes the head of each scope, where its length is final.
    pub(super) fn write_heads(&mut self) {
        let mut out = Vec::with_capacity(self.fixed.len() + self.scopes.len() * 6);
        out.extend_from_slice(&self.fixed[..self.resource_len]);
        let mut moves = Vec::new();
        for ScopePart { fixed, .. } in &self.scopes {
            wire::head(&mut out, 2, fixed.len());
            moves.push((fixed.end as u32, (out.len() - fixed.start) as u32));
            out.extend_from_slice(&self.fixed[fixed.clone()]);
        }
        self.fixed = out;
        let by = |at: u32| moves[moves.partition_point(|(end, _)| *end <= at)].1;
        self.numbers.iter_mut().for_each(|patch| patch.at += by(patch.at));
        self.exemplars.iter_mut().for_each(|patch| patch.at += by(patch.at));
        for patch in &mut self.explicits {
            let by = by(patch.at);
            (patch.at, patch.min_at) = (patch.at + by, patch.min_at + by);
        }
    }
}

impl ExplicitPatch {
    fn write(&self, out: &mut [u8], time_ns: u64, sum: &Distribution) {
        let (summary, counts) = (sum.summary(), sum.positive().1);
        let mut at = self.at as usize;
        let mut put = |at: usize, bits: u64| {
            if let Some(place) = out[at..].first_chunk_mut() {
                *place = bits.to_le_bytes();
            }
        };
        put(at, time_ns);
        put(at + 9, summary.count);
        put(at + 18, summary.sum.to_bits());
        at += 26 + 1 + wire::varint_len(counts.len() as u64 * 8);
        counts.iter().enumerate().for_each(|(n, count)| put(at + n * 8, *count));
        put(self.min_at as usize, summary.min.unwrap_or_default().to_bits());
        put(self.min_at as usize + 9, summary.max.unwrap_or_default().to_bits());
    }
}
