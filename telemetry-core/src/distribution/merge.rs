//! The sum of the shards of one histogram, at the finest scale that all of them together allow.

use std::sync::atomic::Ordering::Relaxed;

use super::shard::{Shard, Side, excess};
use super::tally::Tally;
use crate::limits::HISTOGRAM_BUCKETS_MAX;
use crate::value::Summary;

/// Consecutive counts, from the bucket `start`.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub start: i32,
    pub counts: Vec<u64>,
}

impl Counts {
    fn span(&self) -> Option<(i32, i32)> {
        (!self.counts.is_empty()).then(|| (self.start, self.start + self.counts.len() as i32 - 1))
    }

    /// By how much the scale must fall so that these buckets, which are `2^change` times finer, have room too.
    fn excess_with(&self, other: Option<(i32, i32)>, change: i32) -> i32 {
        let other = other.map(|(low, high)| (low >> change, high >> change));
        let both = self.span().zip(other).map(|(a, b)| (a.0.min(b.0), a.1.max(b.1)));
        excess(both.or(self.span()).or(other))
    }

    /// Adds these counts, whose buckets are `2^change` times finer. `span` is of those that count something.
    fn add(&mut self, side: &Side, span: Option<(i32, i32)>, change: i32) {
        let Some((low, high)) = span else { return };
        let counts = side.counts.0[(low - side.start) as usize..=(high - side.start) as usize].iter();
        if self.counts.is_empty() && change == 0 {
            self.start = low;
            return self.counts.extend(counts.map(|count| count.load(Relaxed)));
        }
        if self.counts.is_empty() {
            self.start = low >> change;
        }
        let before = (self.start - (low >> change)).max(0) as usize;
        let len = (self.counts.len() + before).max(((high >> change) - self.start.min(low >> change) + 1) as usize);
        self.counts.resize(len, 0);
        self.counts.rotate_right(before); // what was added at the end is zero
        self.start -= before as i32;
        for (index, count) in (low..).zip(counts) {
            self.counts[((index >> change) - self.start) as usize] += count.load(Relaxed);
        }
    }

    fn downscale(&mut self, change: i32) {
        let Some((low, high)) = self.span().filter(|_| change > 0) else { return };
        let start = low >> change;
        for index in low..=high {
            let count = std::mem::take(&mut self.counts[(index - low) as usize]);
            self.counts[((index >> change) - start) as usize] += count; // which is no later one
        }
        self.counts.truncate(((high >> change) - start + 1) as usize);
        self.start = start;
    }

    fn clear(&mut self) {
        self.counts.clear();
    }
}

/// A distribution: the sum of what all threads recorded.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    pub(super) bounds: Option<&'static [f64]>,
    pub(super) scale: i32,
    pub(super) zeros: u64,
    pub(super) positive: Counts,
    pub(super) negative: Counts,
    summary: Summary,
    /// Whether anything was added since it was cleared.
    begun: bool,
}

impl Merged {
    /// Begins a sum of nothing, in the same memory.
    pub fn clear(&mut self) {
        self.positive.clear();
        self.negative.clear();
        (self.bounds, self.scale, self.zeros, self.summary, self.begun) = (None, 0, 0, Summary::default(), false);
    }

    /// Adds one more of the same histogram.
    pub fn add(&mut self, shard: &Shard) {
        if !self.begun {
            (self.begun, self.bounds, self.scale) = (true, shard.bounds, shard.scale);
        }
        if let Some(bounds) = self.bounds {
            self.positive.counts.resize(bounds.len() + 1, 0); // the first bucket is the first of all, empty or not
            for (sum, count) in self.positive.counts.iter_mut().zip(&shard.positive.counts.0) {
                *sum += count.load(Relaxed);
            }
        } else {
            self.downscale(self.scale - shard.scale);
            // First to where both have room: at a finer scale the buckets between them may be more than there is memory.
            let (finer, negative) = (shard.scale - self.scale, shard.negative.as_deref());
            let (positive_span, negative_span) = (shard.positive.span(), negative.and_then(Side::span));
            let positive = self.positive.excess_with(positive_span, finer);
            self.downscale(positive.max(self.negative.excess_with(negative_span, finer)));
            self.positive.add(&shard.positive, positive_span, shard.scale - self.scale);
            if let Some(negative) = negative {
                self.negative.add(negative, negative_span, shard.scale - self.scale);
            }
            debug_assert!(
                self.positive.counts.len() <= HISTOGRAM_BUCKETS_MAX && self.negative.counts.len() <= HISTOGRAM_BUCKETS_MAX
            );
        }
        self.zeros += shard.tally.zeros.load(Relaxed);
        self.summarize(&shard.tally);
    }

    fn downscale(&mut self, change: i32) {
        self.positive.downscale(change);
        self.negative.downscale(change);
        self.scale -= change.max(0);
    }

    fn summarize(&mut self, tally: &Tally) {
        let summary = &mut self.summary;
        summary.sum += tally.sum();
        if let Some((min, max)) = tally.extremes() {
            summary.min = Some(summary.min.map_or(min, |least| least.min(min)));
            summary.max = Some(summary.max.map_or(max, |greatest| greatest.max(max)));
        }
    }

    /// Counts what was added, by the buckets.
    pub fn finish(&mut self) {
        let sum = |side: &Counts| side.counts.iter().sum::<u64>();
        self.summary.count = self.zeros + sum(&self.positive) + sum(&self.negative);
    }

    /// Whether there is something to show: not where nothing was recorded, or the first value only by half.
    pub fn shows(&self) -> bool {
        self.summary.count > 0 && self.summary.min.is_some()
    }

    /// Count, sum, least and greatest.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::distribution::mark::{Mark, Marks};

    fn of(values: &[f64]) -> Shard {
        let mut shard = Shard::new(None, values[0], Mark::new(&Marks::new(), 0));
        for value in values {
            if !shard.any_float(*value) {
                shard = *shard.fitting(*value);
                assert!(shard.any_float(*value));
            }
        }
        shard
    }

    fn merged(shards: &[&[f64]]) -> Merged {
        let mut merged = Merged::default();
        shards.iter().for_each(|shard| merged.add(&of(shard)));
        merged
    }

    #[test]
    fn shards_that_are_far_apart_have_the_scale_and_the_counts_of_one_of_all_their_values() {
        let (low, high) = (f64::MIN_POSITIVE, f64::MAX); // at the finest scale there are 2^31 buckets between them
        let all: &[&[&[f64]]] =
            &[&[&[low], &[high]], &[&[high], &[low]], &[&[-low], &[1.0], &[-high]], &[&[1.0, 2.0], &[-high, low]]];
        for shards in all {
            let (several, one) = (merged(shards), merged(&[&shards.concat()]));
            assert_eq!(several.scale, one.scale);
            assert_eq!((several.positive.span(), several.negative.span()), (one.positive.span(), one.negative.span()));
            assert_eq!((&several.positive.counts, &several.negative.counts), (&one.positive.counts, &one.negative.counts));
            assert!(several.positive.counts.capacity() + several.negative.counts.capacity() < 1000);
        }
    }
}
