//! Base-2 exponential buckets whose scale adapts, as OpenTelemetry's data model defines them ("Exponential Histogram").
//!
//! Bucket `index` holds the values in `(base^index, base^(index + 1)]` with `base = 2^(2^-scale)`. A scale above zero maps by a
//! logarithm, the others by the exponent alone; exact powers of two are mapped by their exponent in both, so that no rounding of
//! the logarithm moves them across a bound.

use crate::limits::HISTOGRAM_BUCKETS_MAX;

/// The finest resolution: 2^20 buckets for each doubling.
pub(super) const SCALE_MAX: i32 = 20;

/// The coarsest that is ever needed: one bucket holds all that an `f64` can be.
#[cfg(test)]
pub(super) const SCALE_MIN: i32 = -11;

const MANTISSA_BITS: u32 = 52;
const EXPONENT_BIAS: i32 = 1023;

/// Counts of values above zero, or of absolute values below it, in a run of consecutive buckets.
#[derive(Clone, Default)]
pub(super) struct Buckets {
    /// The index of the first count.
    pub offset: i32,
    pub counts: Vec<u64>,
}

impl Buckets {
    fn last(&self) -> i32 {
        self.offset + self.counts.len() as i32 - 1
    }

    /// By how much the scale must fall so that `index` fits beside what is there.
    fn excess(&self, index: i32) -> i32 {
        if self.counts.is_empty() {
            return 0;
        }
        let (mut low, mut high) = (self.offset.min(index), self.last().max(index));
        let mut excess = 0;
        while i64::from(high) - i64::from(low) >= HISTOGRAM_BUCKETS_MAX as i64 {
            low >>= 1;
            high >>= 1;
            excess += 1;
        }
        excess
    }

    /// Adds one to a bucket that [`excess`](Self::excess) has found to fit.
    fn add(&mut self, index: i32) {
        if self.counts.is_empty() {
            self.offset = index;
        }
        if index < self.offset {
            let missing = (self.offset - index) as usize;
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.offset = index;
        }
        let at = (index - self.offset) as usize;
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += 1;
    }

    /// Merges each run of `2^change` buckets into one.
    fn downscale(&mut self, change: i32) {
        if change <= 0 || self.counts.is_empty() {
            return;
        }
        let offset = self.offset >> change;
        let mut merged = vec![0; ((self.last() >> change) - offset + 1) as usize];
        for (i, count) in self.counts.iter().enumerate() {
            merged[(((self.offset + i as i32) >> change) - offset) as usize] += count;
        }
        *self = Self { offset, counts: merged };
    }
}

/// The buckets of one series.
#[derive(Clone)]
pub(super) struct Exponential {
    pub scale: i32,
    pub zero_count: u64,
    pub positive: Buckets,
    pub negative: Buckets,
}

impl Exponential {
    pub fn new() -> Self {
        Self { scale: SCALE_MAX, zero_count: 0, positive: Buckets::default(), negative: Buckets::default() }
    }

    /// Counts a finite value.
    pub fn record(&mut self, value: f64) {
        if value == 0.0 {
            self.zero_count += 1;
            return;
        }
        let mut index = index(value.abs(), self.scale);
        let side = if value > 0.0 { &self.positive } else { &self.negative };
        let change = side.excess(index);
        if change > 0 {
            self.positive.downscale(change);
            self.negative.downscale(change);
            self.scale -= change;
            index >>= change;
        }
        let side = if value > 0.0 { &mut self.positive } else { &mut self.negative };
        side.add(index);
    }
}

/// The bucket of a finite value above zero.
pub(super) fn index(value: f64, scale: i32) -> i32 {
    let value = value.max(f64::MIN_POSITIVE); // what is below the normal numbers counts with the least of them
    let bits = value.to_bits();
    let exponent = (bits >> MANTISSA_BITS) as i32 - EXPONENT_BIAS;
    let power_of_two = bits.trailing_zeros() >= MANTISSA_BITS;
    if scale <= 0 {
        return (exponent - i32::from(power_of_two)) >> -scale;
    }
    if power_of_two {
        return (exponent << scale) - 1;
    }
    let factor = f64::from(1 << scale) * std::f64::consts::LOG2_E;
    let by_logarithm = (value.ln() * factor).floor() as i32;
    // The logarithm may round to the power of two above or below: its buckets are the bounds.
    by_logarithm.clamp(exponent << scale, ((exponent + 1) << scale) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bounds of a bucket, by the definition.
    fn bounds(index: i32, scale: i32) -> (f64, f64) {
        let at = |index: i32| (f64::from(index) * 2_f64.powi(-scale)).exp2();
        (at(index), at(index + 1))
    }

    #[test]
    fn every_value_lies_within_the_bounds_of_its_bucket() {
        for scale in [SCALE_MIN, -3, 0, 1, 3, 6, 12, SCALE_MAX] {
            for i in 1..4000 {
                let value = f64::from(i) * 0.37 / 64.0;
                let (low, high) = bounds(index(value, scale), scale);
                assert!(low * (1.0 - 1e-12) < value && value <= high * (1.0 + 1e-12), "{value} at scale {scale}: ({low}, {high}]");
            }
        }
    }

    #[test]
    fn a_power_of_two_is_the_upper_bound_of_its_bucket_at_every_scale() {
        for scale in -4..=SCALE_MAX {
            for power in -20_i32..20 {
                let wanted = ((i64::from(power) << 20) - 1) >> (20 - scale); // exact at scale 20, coarser by shifts
                assert_eq!(i64::from(index(2_f64.powi(power), scale)), wanted, "2^{power} at scale {scale}");
            }
        }
    }

    #[test]
    fn the_extremes_of_f64_have_buckets() {
        for scale in SCALE_MIN..=SCALE_MAX {
            assert!(index(f64::MAX, scale) >= index(1.0, scale));
            assert!(index(5e-324, scale) <= index(f64::MIN_POSITIVE, scale));
        }
    }

    #[test]
    fn all_counts_survive_each_change_of_scale() {
        let mut buckets = Exponential::new();
        let mut state = 7_u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let sign = if state & 1 == 0 { 1.0 } else { -1.0 };
            let value = sign * 2_f64.powf((state >> 33) as f64 / f64::from(1_u32 << 24) - 64.0);
            buckets.record(value);
        }
        buckets.record(0.0);
        buckets.record(f64::MAX);
        buckets.record(f64::MIN_POSITIVE);
        let counted: u64 = buckets.positive.counts.iter().chain(&buckets.negative.counts).sum();
        assert_eq!(counted + buckets.zero_count, 20_003);
        assert!(buckets.positive.counts.len() <= HISTOGRAM_BUCKETS_MAX && buckets.negative.counts.len() <= HISTOGRAM_BUCKETS_MAX);
    }

    #[test]
    fn equal_values_stay_at_the_finest_scale() {
        let mut buckets = Exponential::new();
        (0..10).for_each(|_| buckets.record(1.5));
        assert_eq!((buckets.scale, buckets.positive.counts.as_slice()), (SCALE_MAX, &[10][..]));
    }
}
