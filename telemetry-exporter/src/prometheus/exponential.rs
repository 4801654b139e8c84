//! OTLP's exponential histograms as Prometheus' native ones.
//!
//! OTLP's bucket `i` is `(base^i, base^(i+1)]` and Prometheus' `(base^(i-1), base^i]`, so an index is one higher here. Buckets are runs of
//! neighbours; each count is the difference to the one before.

use opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;

/// The finest and the coarsest schema there are: what is finer is merged, what is coarser cannot be said.
const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;

/// The width of the zero bucket where none is said, by the specification. Without a width an empty histogram would be a classic one.
const ZERO_THRESHOLD: f64 = 1e-128;

/// Empty buckets between two that are not, at most, which cost less than a new run.
const GAP_MAX: i64 = 2;

/// A native histogram.
pub struct Native {
    /// The base is `2^(2^-schema)`.
    pub schema: i32,
    /// What is no farther from zero is in the zero bucket.
    pub zero_threshold: f64,
    /// How many are.
    pub zero_count: u64,
    /// All that were recorded, as the buckets have it.
    pub count: u64,
    /// The buckets below zero, by distance from it.
    pub negative: Side,
    /// The buckets above zero.
    pub positive: Side,
}

/// The buckets on one side of zero.
#[derive(Default)]
pub struct Side {
    /// How far from the end of the run before, and how many buckets.
    pub spans: Vec<(i32, u32)>,
    /// The first count, then differences.
    pub deltas: Vec<i64>,
}

impl Native {
    /// None where it cannot be said: buckets too coarse, or numbers too large.
    pub fn of(point: &ExponentialHistogramDataPoint) -> Option<Self> {
        let schema = point.scale.min(*SCHEMAS.end());
        if !SCHEMAS.contains(&schema) {
            return None;
        }
        let finer = i64::from(point.scale) - i64::from(schema);
        let (negative, positive) = (merged(point.negative.as_ref(), finer), merged(point.positive.as_ref(), finer));
        let counts = negative.iter().chain(&positive).map(|(_, count)| *count);
        let count = counts.chain([point.zero_count]).try_fold(0_u64, u64::checked_add)?;
        let zero_threshold = if point.zero_threshold > 0.0 { point.zero_threshold } else { ZERO_THRESHOLD };
        let (negative, positive) = (Side::of(&negative)?, Side::of(&positive)?);
        Some(Self { schema, zero_threshold, zero_count: point.zero_count, count, negative, positive })
    }
}

impl Side {
    fn of(buckets: &[(i64, u64)]) -> Option<Self> {
        let mut side = Self::default();
        let (mut next, mut before) = (0, 0);
        for (index, count) in buckets.iter().filter(|(_, count)| *count > 0) {
            let index = index + 1;
            let gap = index - next;
            if let Some((_, length)) = side.spans.last_mut().filter(|_| gap <= GAP_MAX) {
                for _ in 0..gap {
                    side.deltas.push(-before);
                    before = 0;
                }
                *length = length.checked_add(u32::try_from(gap + 1).ok()?)?;
            } else {
                side.spans.push((i32::try_from(gap).ok()?, 1));
            }
            let count = i64::try_from(*count).ok()?;
            side.deltas.push(count - before);
            (before, next) = (count, index + 1);
        }
        Some(side)
    }
}

/// The buckets of one side by their index, `2^finer` of them merged into one; ascending.
pub fn merged(side: Option<&Buckets>, finer: i64) -> Vec<(i64, u64)> {
    let Some(side) = side else { return Vec::new() };
    let mut merged: Vec<(i64, u64)> = Vec::new();
    for (index, count) in (i64::from(side.offset)..).zip(&side.bucket_counts) {
        let index = index >> finer.min(63);
        match merged.last_mut() {
            Some((last, sum)) if *last == index => *sum = sum.saturating_add(*count),
            _ => merged.push((index, *count)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(scale: i32, offset: i32, counts: &[u64]) -> ExponentialHistogramDataPoint {
        let positive = Some(Buckets { offset, bucket_counts: counts.to_vec() });
        ExponentialHistogramDataPoint { scale, positive, ..Default::default() }
    }

    #[test]
    fn buckets_are_runs_with_an_index_one_higher() {
        let native = Native::of(&point(0, -1, &[1, 3, 0, 0, 2, 0, 0, 0, 5])).expect("it can be said");
        assert_eq!(native.positive.spans, [(0, 5), (3, 1)]);
        assert_eq!(native.positive.deltas, [1, 2, -3, 0, 2, 3]);
        assert_eq!((native.schema, native.count, native.zero_threshold), (0, 11, 1e-128));
        let native = Native::of(&point(3, -20, &[4])).expect("it can be said");
        assert_eq!((native.positive.spans, native.positive.deltas), (vec![(-19, 1)], vec![4]));
    }

    #[test]
    fn buckets_that_are_too_fine_are_merged_and_too_coarse_ones_are_not_said() {
        // Of scale 10, 4 are one of scale 8: indices -5, and -4 to -1, and 0.
        let native = Native::of(&point(10, -5, &[1, 2, 3, 4, 5, 6])).expect("it can be said");
        assert_eq!((native.schema, native.positive.spans), (8, vec![(-1, 3)]));
        assert_eq!(native.positive.deltas, [1, 13, -8]);
        assert!(Native::of(&point(-4, 0, &[1])).is_some());
        assert!(Native::of(&point(-5, 0, &[1])).is_none());
        assert!(Native::of(&point(0, i32::MAX, &[1])).is_none(), "its index is none of theirs");
        assert!(Native::of(&point(0, 0, &[u64::MAX])).is_none(), "its count is none of theirs");
        assert!(Native::of(&point(i32::MAX, i32::MIN, &[1, 1])).is_some());
    }
}
