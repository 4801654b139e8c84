//! Histograms of either form as Prometheus' classic buckets: cumulative counts up to ascending bounds, the last of which is infinite.

use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogramDataPoint, HistogramDataPoint};

use super::exponential::merged;
use super::families::Point;
use crate::limits::CLASSIC_BUCKETS_MAX;

/// A histogram in classic buckets.
pub struct Classic {
    /// What was recorded up to each finite bound; ascending.
    pub buckets: Vec<(f64, u64)>,
    /// All that was recorded.
    pub count: u64,
    /// The sum of it: none where it is not known, or might fall, since what is below zero was recorded.
    pub sum: Option<f64>,
}

impl Classic {
    /// None for what is no histogram.
    pub fn of(point: Point) -> Option<Self> {
        match point {
            Point::Explicit(point) => Some(explicit(point)),
            Point::Exponential(point) => Some(exponential(point)),
            Point::Number(_) | Point::Summary(_) => None,
        }
    }

    fn new(counts: impl Iterator<Item = (f64, u64)>, (count, sum): (u64, Option<f64>)) -> Self {
        let mut buckets: Vec<(f64, u64)> = Vec::new();
        let mut below = 0_u64;
        for (bound, in_bucket) in counts {
            below = below.saturating_add(in_bucket);
            match buckets.last_mut() {
                // What has no place of its own is within the next bound that has.
                _ if !bound.is_finite() => {}
                Some((last, up_to)) if *last == bound => *up_to = below,
                Some((last, _)) if *last > bound => {}
                _ => buckets.push((bound, below)),
            }
        }
        let negative = buckets.first().is_some_and(|(bound, _)| *bound < 0.0);
        Self { buckets, count: count.max(below), sum: sum.filter(|_| !negative) }
    }
}

fn explicit(point: &HistogramDataPoint) -> Classic {
    Classic::new(point.explicit_bounds.iter().copied().zip(point.bucket_counts.iter().copied()), (point.count, point.sum))
}

fn exponential(point: &ExponentialHistogramDataPoint) -> Classic {
    let sides = || [&point.negative, &point.positive].into_iter().flatten();
    let mut finer = 0;
    while sides().map(|side| side.bucket_counts.len()).sum::<usize>() >> finer > CLASSIC_BUCKETS_MAX {
        finer += 1;
    }
    let base_log2 = (f64::from(finer) - f64::from(point.scale)).exp2();
    #[allow(clippy::cast_precision_loss)] // an index that long has no finite bound
    let bound = |index: i64| (index as f64 * base_log2).exp2();
    let mut counts = Vec::new();
    // A bucket below zero holds [-base^(i + 1), -base^i): its upper bound is the one nearer to zero.
    let negative = merged(point.negative.as_ref(), finer.into());
    counts.extend(negative.into_iter().rev().map(|(index, count)| (-bound(index), count)));
    if point.zero_count > 0 {
        counts.push((point.zero_threshold.max(0.0), point.zero_count));
    }
    let positive = merged(point.positive.as_ref(), finer.into());
    counts.extend(positive.into_iter().map(|(index, count)| (bound(index + 1), count)));
    Classic::new(counts.into_iter(), (point.count, point.sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;

    #[test]
    fn exponential_buckets_are_cumulative_and_end_at_the_count() {
        let point = ExponentialHistogramDataPoint {
            count: 7,
            sum: Some(10.0),
            zero_count: 1,
            negative: Some(Buckets { offset: 0, bucket_counts: vec![2] }), // [-2, -1)
            positive: Some(Buckets { offset: -1, bucket_counts: vec![1, 3] }), // (0.5, 1], (1, 2]
            ..Default::default()
        };
        let classic = exponential(&point);
        assert_eq!(classic.buckets, [(-1.0, 2), (0.0, 3), (1.0, 4), (2.0, 7)]);
        assert_eq!((classic.count, classic.sum), (7, None), "a sum that may fall is not shown");
    }

    #[test]
    fn neighbours_are_merged_where_there_are_too_many() {
        let counts = vec![1; CLASSIC_BUCKETS_MAX * 3];
        let positive = Some(Buckets { offset: 0, bucket_counts: counts });
        let point = ExponentialHistogramDataPoint { scale: 4, positive, ..Default::default() };
        let classic = exponential(&point);
        assert_eq!(classic.buckets.len(), CLASSIC_BUCKETS_MAX * 3 / 4);
        assert_eq!(classic.buckets[0], (2_f64.powf(0.25), 4));
        assert_eq!(classic.count, 120);
    }

    #[test]
    fn bounds_ascend_whatever_was_sent() {
        let point = HistogramDataPoint {
            count: 1,
            bucket_counts: vec![1, 2, 3, 4, 5],
            explicit_bounds: vec![1.0, 0.5, f64::NAN, 1.0, f64::INFINITY],
            ..Default::default()
        };
        let classic = explicit(&point);
        assert_eq!((classic.buckets, classic.count), (vec![(1.0, 10)], 15));
    }
}
