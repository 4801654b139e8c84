//! The messages of a layout, built once and patched at each collection.
//!
//! The points of numbers and of explicit buckets keep their length: their times and values are overwritten where they are. Those of
//! exponential buckets do not: they come behind the others of their scope, and where the length of one changed the whole is put
//! together again (`changing`). Of a distribution that did not change only the time is written. Byte for byte it is what `prost` writes
//! of the same values.
//! Not here: how they are built (`build`), what comes beside the registry's metrics (`encoder`).

use std::ops::Range;
use std::sync::Arc;

use telemetry_core::collect::{Distribution, Frame};

use super::changing::Changing;
use super::exemplar;
use crate::compact::Template;
use crate::wire;

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
    /// The message, where something changes its length, and how long it is by itself.
    pub(super) whole: Vec<u8>,
    pub(super) whole_len: usize,
    /// What the message was before, where it is being put together; else room for a point.
    pub(super) spare: Vec<u8>,
    /// What of it is constant.
    pub(super) template: Option<Arc<Template>>,
    /// Whether it tells that series have ended.
    pub(super) tells_ends: bool,
}

/// Where the point of a number has its time, with its value behind it.
#[derive(Clone, Copy)]
pub(super) struct NumberPatch {
    pub(super) series: u32,
    pub(super) at: u32,
    /// The value's bits at most: OpenTelemetry's whole numbers are signed, and what is beyond them saturates.
    pub(super) max: u64,
    pub(super) is_float: bool,
}

/// Where the point of explicit buckets has its time, with count, sum and counts behind it, and where its least and greatest.
#[derive(Clone, Copy)]
pub(super) struct ExplicitPatch {
    pub(super) series: u32,
    pub(super) at: u32,
    pub(super) min_at: u32,
    /// How many counts there are.
    pub(super) counts: u32,
    /// That of the distribution that is written there.
    pub(super) version: u64,
}

/// Where the exemplar of a point of constant length is.
#[derive(Clone, Copy)]
pub(super) struct ExemplarPatch {
    pub(super) series: u32,
    pub(super) at: u32,
    /// The number of its field.
    pub(super) field: u8,
}

/// A scope: what is fixed of it, and which of its metrics change their length.
pub(super) struct ScopePart {
    pub(super) fixed: Range<usize>,
    pub(super) changing: Range<usize>,
    /// Where in the whole message what is fixed was put.
    pub(super) at: usize,
}

impl Part {
    /// One that is no template.
    pub fn once(message: Vec<u8>) -> Self {
        Self { fixed: message, ..Self::default() }
    }

    /// Writes times and values of a frame of the layout that this was built for.
    pub fn patch(&mut self, frame: &Frame) {
        self.patch_numbers(frame);
        for patch in &mut self.explicits {
            patch.write(&mut self.fixed, frame);
        }
        for ExemplarPatch { series, at, field } in &self.exemplars {
            if let (Some(exemplar), Some(place)) =
                (exemplar::field(*field, frame, *series as usize), self.fixed[*at as usize..].first_chunk_mut())
            {
                *place = exemplar;
            }
        }
        if self.changing.is_empty() {
            return;
        }
        let resized = self.changing.iter_mut().fold(self.whole.is_empty(), |resized, metric| metric.measure(frame) | resized);
        if resized {
            self.put_together(frame);
        } else {
            for scope in &self.scopes {
                let fixed = &self.fixed[scope.fixed.clone()];
                self.whole[scope.at..scope.at + fixed.len()].copy_from_slice(fixed);
            }
            self.changing.iter_mut().for_each(|metric| metric.overwrite(&mut self.whole, &mut self.spare, frame));
        }
    }

    fn patch_numbers(&mut self, frame: &Frame) {
        let (time, values) = (frame.time_ns().to_le_bytes(), frame.values());
        for NumberPatch { series, at, max, .. } in &self.numbers {
            // Eight bytes of time, a tag, and eight of the value.
            if let Some(point) = self.fixed[*at as usize..].first_chunk_mut::<17>() {
                point[..8].copy_from_slice(&time);
                point[9..].copy_from_slice(&values[*series as usize].min(*max).to_le_bytes());
            }
        }
    }

    fn put_together(&mut self, frame: &Frame) {
        std::mem::swap(&mut self.whole, &mut self.spare);
        self.whole.clear();
        let changing: usize = self.changing.iter().map(|metric| wire::delimited_len(metric.len())).sum();
        let room = self.fixed.len() + self.scopes.len() * 8 + changing;
        for message in [&mut self.whole, &mut self.spare] {
            message.reserve((room + room / 4).saturating_sub(message.len())); // for the next few changes too
        }
        self.whole.extend_from_slice(&self.fixed[..self.resource_len]);
        for ScopePart { fixed, changing, at } in &mut self.scopes {
            let changing = &mut self.changing[changing.clone()];
            let len = changing.iter().map(|metric| wire::delimited_len(metric.len())).sum::<usize>();
            wire::head(&mut self.whole, 2, fixed.len() + len);
            *at = self.whole.len();
            self.whole.extend_from_slice(&self.fixed[fixed.clone()]);
            changing.iter_mut().for_each(|metric| metric.write(&mut self.whole, &self.spare, frame));
        }
        self.whole_len = self.whole.len();
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
        self.numbers.len() + self.explicits.len() + self.changing.iter().map(|metric| metric.series().len()).sum::<usize>()
    }

    /// Adds fields behind the message, until it is cut again.
    pub fn extend(&mut self, fields: &[u8]) {
        if self.changing.is_empty() { &mut self.fixed } else { &mut self.whole }.extend_from_slice(fields);
    }

    /// Takes off what it was extended by.
    pub fn cut(&mut self) {
        self.fixed.truncate(self.fixed_len);
        self.whole.truncate(self.whole_len);
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
    /// Where the counts are: behind time, count and sum, and a head.
    pub(super) fn counts_at(&self) -> u32 {
        self.at + 26 + 1 + wire::varint_len(u64::from(self.counts) * 8) as u32
    }

    fn write(&mut self, out: &mut [u8], frame: &Frame) {
        let place = frame.values()[self.series as usize];
        wire::overwrite(out, self.at as usize, frame.time_ns());
        let version = frame.version(place);
        if version == self.version {
            return;
        }
        if let Some(sum) = frame.distribution(place) {
            self.write_values(out, sum);
            self.version = version;
        }
    }

    fn write_values(&self, out: &mut [u8], sum: &Distribution) {
        let (summary, counts) = (sum.summary(), sum.positive());
        let at = self.at as usize;
        wire::overwrite(out, at + 9, summary.count);
        wire::overwrite(out, at + 18, summary.sum.to_bits());
        let at = self.counts_at() as usize;
        if let Some(place) = out.get_mut(at..at + counts.packed.len()) {
            place.copy_from_slice(counts.packed);
        }
        wire::overwrite(out, self.min_at as usize, summary.min.unwrap_or_default().to_bits());
        wire::overwrite(out, self.min_at as usize + 9, summary.max.unwrap_or_default().to_bits());
    }
}
