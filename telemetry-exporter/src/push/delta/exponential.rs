//! Buckets of exponential histograms: a coarser scale joins neighbours, so that two points of different scales can be compared.

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;

/// What came since; the buckets before are made coarser by so many scales first. None where a bucket has fallen.
pub fn subtract(now: &Option<Buckets>, before: &Option<Buckets>, coarser_by: u32) -> Option<Option<Buckets>> {
    let empty = Buckets::default();
    let mut counts = now.as_ref().unwrap_or(&empty).bucket_counts.clone();
    let offset = i64::from(now.as_ref().unwrap_or(&empty).offset);
    let before = before.as_ref().unwrap_or(&empty);
    for (index, count) in before.bucket_counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        // An index at a scale is the upper bits of the index at a finer one: each scale halves their number.
        let coarse = (i64::from(before.offset) + index as i64) >> coarser_by.min(63);
        let bucket = counts.get_mut(usize::try_from(coarse - offset).ok()?)?;
        *bucket = bucket.checked_sub(*count)?;
    }
    Some(now.as_ref().map(|now| trimmed(now.offset, counts)))
}

/// Without the empty buckets at both ends.
fn trimmed(offset: i32, mut counts: Vec<u64>) -> Buckets {
    let Some(first) = counts.iter().position(|count| *count > 0) else { return Buckets::default() };
    let end = counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
    counts.truncate(end);
    counts.drain(..first);
    Buckets { offset: offset.saturating_add_unsigned(first as u32), bucket_counts: counts }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(offset: i32, counts: &[u64]) -> Option<Buckets> {
        Some(Buckets { offset, bucket_counts: counts.to_vec() })
    }

    #[test]
    fn buckets_below_zero_are_joined_with_their_right_neighbours() {
        // Indices -3, -2, -1, 0, 1 of a scale are -2, -1, -1, 0, 0 of the next coarser one.
        let now = buckets(-2, &[1, 5, 9]);
        assert_eq!(subtract(&now, &buckets(-3, &[1, 2, 3, 4, 4]), 1), Some(buckets(0, &[1])));
        assert_eq!(subtract(&now, &buckets(-3, &[1, 2, 4, 4, 4]), 1), None, "a bucket has fallen");
    }

    #[test]
    fn what_was_outside_of_the_buckets_of_now_has_fallen() {
        assert_eq!(subtract(&buckets(0, &[5]), &buckets(-1, &[1, 1]), 0), None);
        assert_eq!(subtract(&buckets(0, &[5]), &buckets(0, &[1, 1]), 0), None);
        assert_eq!(subtract(&None, &buckets(0, &[1]), 0), None);
        assert_eq!(subtract(&buckets(0, &[5]), &buckets(-9, &[0, 0]), 0), Some(buckets(0, &[5])), "empty buckets are none");
        assert_eq!(subtract(&None, &None, 0), Some(None));
        assert_eq!(subtract(&buckets(7, &[5]), &buckets(7, &[5]), 0), Some(Some(Buckets::default())));
    }
}
