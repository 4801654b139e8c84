//! The sum of the shards of one histogram, at the finest scale that all of them together allow.

use std::sync::atomic::Ordering::Relaxed;

use super::shard::{Shard, Side, excess};
use super::tally::Tally;
use crate::limits::HISTOGRAM_BUCKETS_MAX;
use crate::value::{ExplicitValue, ExponentialValue, Summary, Value};

/// Consecutive counts, from the bucket `start`.
#[derive(Default)]
struct Counts {
    start: i32,
    counts: Vec<u64>,
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

    /// Adds these counts, whose buckets are `2^change` times finer.
    fn add(&mut self, side: &Side, change: i32) {
        for (index, count) in (side.start..).zip(&side.counts.0) {
            let (index, count) = (index >> change, count.load(Relaxed));
            if count == 0 {
                continue;
            }
            if self.counts.is_empty() {
                self.start = index;
            }
            if index < self.start {
                self.counts.splice(0..0, std::iter::repeat_n(0, (self.start - index) as usize));
                self.start = index;
            }
            let at = (index - self.start) as usize;
            if at >= self.counts.len() {
                self.counts.resize(at + 1, 0);
            }
            self.counts[at] += count;
        }
    }

    fn downscale(&mut self, change: i32) {
        let Some((low, high)) = self.span().filter(|_| change > 0) else { return };
        let mut merged = vec![0; ((high >> change) - (low >> change) + 1) as usize];
        for (index, count) in (low..).zip(&self.counts) {
            merged[((index >> change) - (low >> change)) as usize] += count;
        }
        *self = Self { start: low >> change, counts: merged };
    }
}

/// The sum of some shards.
pub struct Merged {
    bounds: Option<&'static [f64]>,
    scale: i32,
    zeros: u64,
    positive: Counts,
    negative: Counts,
    summary: Summary,
}

impl Merged {
    /// The sum of one.
    pub fn new(shard: &Shard) -> Self {
        let summary = Summary { count: 0, sum: 0.0, min: None, max: None };
        let (positive, negative) = (Counts::default(), Counts::default());
        let mut merged = Self { bounds: shard.bounds, scale: shard.scale, zeros: 0, positive, negative, summary };
        merged.add(shard);
        merged
    }

    /// Adds one more of the same histogram.
    pub fn add(&mut self, shard: &Shard) {
        if let Some(bounds) = self.bounds {
            self.positive.counts.resize(bounds.len() + 1, 0); // the first bucket is the first of all, empty or not
            for (sum, count) in self.positive.counts.iter_mut().zip(&shard.positive.counts.0) {
                *sum += count.load(Relaxed);
            }
        } else {
            self.downscale(self.scale - shard.scale);
            // First to where both have room: at a finer scale the buckets between them may be more than there is memory.
            let (finer, negative) = (shard.scale - self.scale, shard.negative.as_deref());
            let positive = self.positive.excess_with(shard.positive.span(), finer);
            self.downscale(positive.max(self.negative.excess_with(negative.and_then(Side::span), finer)));
            self.positive.add(&shard.positive, shard.scale - self.scale);
            if let Some(negative) = negative {
                self.negative.add(negative, shard.scale - self.scale);
            }
            // And again, for what its owner counted meanwhile.
            self.downscale(excess(self.positive.span()).max(excess(self.negative.span())));
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

    /// As it is exported; none where nothing was recorded. The count is that of the buckets.
    pub fn into_value(self) -> Option<Value> {
        let Self { bounds, scale, zeros, positive, negative, mut summary } = self;
        summary.count = zeros + positive.counts.iter().chain(&negative.counts).sum::<u64>();
        if summary.count == 0 {
            return None;
        }
        Some(match bounds {
            Some(bounds) => Value::Explicit(Box::new(ExplicitValue { summary, bounds, counts: positive.counts })),
            None => Value::Exponential(Box::new(ExponentialValue {
                summary,
                scale,
                zero_count: zeros,
                positive: (positive.start, positive.counts),
                negative: (negative.start, negative.counts),
            })),
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Shard {
        let mut shard = Shard::new(None, values[0]);
        for value in values {
            if !shard.any_float(*value) {
                shard = *shard.fitting(*value);
                assert!(shard.any_float(*value));
            }
        }
        shard
    }

    fn merged(shards: &[&[f64]]) -> Merged {
        let mut merged = Merged::new(&of(shards[0]));
        shards[1..].iter().for_each(|shard| merged.add(&of(shard)));
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
