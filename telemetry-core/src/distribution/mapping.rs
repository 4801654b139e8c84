//! Which base-2 exponential bucket a number belongs to, as OpenTelemetry's data model defines them ("Exponential Histogram").
//!
//! Bucket `index` holds the values in `(base^index, base^(index + 1)]` with `base = 2^(2^-scale)`. Up to scale [`COARSE`] the mapping is
//! exact and one addition: the bits of a number, read as a whole number, are its logarithm with straight lines between the powers of
//! two, and what is missing to the index is a number for each of 512 bins of the mantissa. A bin has at most one bound in it, and its
//! number is such that the sum carries into the index just beyond that bound. Coarser scales are shifts of the index. This is the
//! look-up of "A fast implementation of histograms with logarithmic bins" (Dynatrace's DynaHist), with the comparison that corrects
//! it made part of the number. Finer scales divide by the bound below and take five terms of the logarithm's series, within 2^-30 of
//! a bucket at the finest; no library is called.

/// The finest scale of the look-up.
pub const COARSE: i32 = 8;

/// The finest resolution: 2^20 buckets for each doubling.
pub const SCALE_MAX: i32 = 20;

const MANTISSA_BITS: u32 = 52;
const MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;
const EXPONENT_BIAS: i32 = 1023;
const BOUNDS: usize = 1 << COARSE;
const BIN_BITS: u32 = 9;

/// `2^(1/2)`, `2^(1/4)` … `2^(1/256)`, with 127 bits behind the point.
const ROOTS: [u128; COARSE as usize] = [
    0xb504f333_f9de6484_597d89b3_754abe9f,
    0x9837f051_8db8a96f_46ad2318_2e42f6f6,
    0x8b95c1e3_ea8bd6e6_fbe46287_58a53c90,
    0x85aac367_cc487b14_c5c95b8c_2154c1b2,
    0x82cd8698_ac2ba1d7_3e2a475b_46520bff,
    0x8164d1f3_bc030773_7be56527_bd14def4,
    0x80b1ed4f_d999ab6c_25335719_b6e6fd20,
    0x8058d7d2_d5e5f6b0_94d589f6_08ee4aa2,
];

/// Beyond these bits of [`coarse_bits`] is the bucket.
pub const COARSE_BITS: u32 = MANTISSA_BITS - COARSE as u32;

/// The bucket of 1.0 and of what is just above it in the upper bits of [`coarse_bits`]. A power of two, so that it may be shifted first.
pub const COARSE_ONE: i32 = (EXPONENT_BIAS + 1) << COARSE;

/// What is added to the bits of a number, by the upper 9 bits of its mantissa. 4 KiB.
const STEPS: &[u64; 1 << BIN_BITS] = &steps(&bounds());

/// The mantissas of the greatest `f64`s that are not above `2^(i/256)`; the last is beyond all.
static BOUND: [u64; BOUNDS + 1] = bounds();

const fn bounds() -> [u64; BOUNDS + 1] {
    let mut bounds = [1 << MANTISSA_BITS; BOUNDS + 1];
    let mut i = 0;
    while i < BOUNDS {
        let (mut product, mut k) = (1_u128 << 127, 0);
        while k < ROOTS.len() {
            if i >> (ROOTS.len() - 1 - k) & 1 == 1 {
                product = multiply(product, ROOTS[k]);
            }
            k += 1;
        }
        bounds[i] = (product >> (127 - MANTISSA_BITS)) as u64 & MANTISSA;
        i += 1;
    }
    bounds
}

const fn steps(bounds: &[u64; BOUNDS + 1]) -> [u64; 1 << BIN_BITS] {
    const BIN: u32 = MANTISSA_BITS - BIN_BITS;
    let mut steps = [0; 1 << BIN_BITS];
    let (mut bin, mut index) = (0, 0);
    while bin < steps.len() {
        // The first number of the bin, and how far its bits alone are beyond the bucket that they show.
        let (first, beyond) = ((bin as u64) << BIN, (bin as u64 & 1) << BIN);
        let shown = bin as u64 >> 1;
        // Of the bound in this bin, by which number it is exceeded. The first bound is the power of two, with which the mantissa begins.
        let bound = if bin == 0 { bounds[0] } else { bounds[index + 1] };
        let has_bound = bound < first + (1 << BIN);
        let before = if bin == 0 { u64::MAX } else { index as u64 };
        let to_index = (before.wrapping_sub(shown).wrapping_add(1 << COARSE)) << COARSE_BITS; // and one octave, for `COARSE_ONE`
        steps[bin] = if has_bound { to_index.wrapping_add((1 << COARSE_BITS) - beyond - (bound + 1 - first)) } else { to_index };
        if has_bound && bin > 0 {
            index += 1;
        }
        bin += 1;
    }
    steps
}

/// The product of two numbers with 127 bits behind the point.
const fn multiply(a: u128, b: u128) -> u128 {
    const LOW: u128 = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & LOW, b >> 64, b & LOW);
    let middle = a1 * b0 + ((a0 * b0) >> 64); // below 2^128: each factor is below 2^64, and the carry fits
    let (middle, carry) = middle.overflowing_add(a0 * b1);
    let high = a1 * b1 + (middle >> 64) + ((carry as u128) << 64);
    (high << 1) | ((middle >> 63) & 1)
}

/// The bucket at scale [`COARSE`], above [`COARSE_BITS`] bits of no meaning and counted from `-COARSE_ONE`, of a normal number above
/// zero, by its bits. Of other bits it is something else.
#[inline(always)]
pub fn coarse_bits(bits: u64) -> u64 {
    bits.wrapping_add(STEPS[(bits >> (MANTISSA_BITS - BIN_BITS)) as usize % STEPS.len()])
}

/// The bucket at scale [`COARSE`] of a normal number above zero, by its bits.
fn coarse(bits: u64) -> i32 {
    (coarse_bits(bits) >> COARSE_BITS) as i32 - COARSE_ONE
}

/// Whether these are the bits of a normal number above zero.
pub fn is_normal(bits: u64) -> bool {
    const LEAST: u64 = 1 << MANTISSA_BITS; // the bits of the least normal number; infinity's are 0x7FF times that
    bits.wrapping_sub(LEAST) < 0x7FE * LEAST
}

/// The bucket of a finite number above zero, at any scale; what is below the normal numbers counts with the least of them.
pub fn index(value: f64, scale: i32) -> i32 {
    let bits = value.max(f64::MIN_POSITIVE).to_bits();
    let coarse = coarse(bits);
    if scale <= COARSE {
        return coarse >> (COARSE - scale);
    }
    let unit = |mantissa: u64| f64::from_bits((EXPONENT_BIAS as u64) << MANTISSA_BITS | mantissa);
    // A power of two is the upper end of the bucket below it: 2.0 with the exponent one less.
    let mantissa = bits & MANTISSA;
    let scaled = if mantissa == 0 { 2.0 } else { unit(mantissa) };
    let bound = unit(BOUND[coarse.rem_euclid(BOUNDS as i32) as usize]);
    let t = (scaled - bound) / bound;
    let log2 = t * (1.0 - t * (1.0 / 2.0 - t * (1.0 / 3.0 - t * (1.0 / 4.0 - t / 5.0)))) * std::f64::consts::LOG2_E;
    let fine = 1 << (scale - COARSE);
    let exact = log2 * f64::from(1 << scale); // not negative; its ceiling less one, without the call of `ceil`
    let within = exact as i32 - i32::from(f64::from(exact as i32) == exact);
    (coarse << (scale - COARSE)) + within.clamp(0, fine - 1)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use num_bigint::BigUint;

    /// The bounds of a bucket, by the definition.
    fn bounds_of(index: i32, scale: i32) -> (f64, f64) {
        let at = |index: i32| (f64::from(index) * 2_f64.powi(-scale)).exp2();
        (at(index), at(index + 1))
    }

    #[test]
    fn every_value_lies_within_the_bounds_of_its_bucket() {
        for scale in [-11, -3, 0, 1, 3, 6, 8, 9, 12, SCALE_MAX] {
            for i in 1..4000 {
                let value = f64::from(i) * 0.37 / 64.0;
                let (low, high) = bounds_of(index(value, scale), scale);
                assert!(low * (1.0 - 1e-12) < value && value <= high * (1.0 + 1e-12), "{value} at scale {scale}: ({low}, {high}]");
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "large numbers are slow")]
    fn each_bound_of_the_look_up_is_where_whole_numbers_say() {
        for (i, bits) in BOUND.into_iter().enumerate().take(BOUNDS) {
            // With 52 bits behind the point, and its 256th power with 256 times as many: it is not above 2^i, and the next number is.
            let power = |mantissa: u64| BigUint::from(1 << MANTISSA_BITS | mantissa).pow(BOUNDS as u32);
            let wanted = BigUint::from(1_u8) << (i + BOUNDS * MANTISSA_BITS as usize);
            assert!(power(bits) <= wanted && wanted < power(bits + 1), "2^({i}/256)");
            for octave in [1 - EXPONENT_BIAS, -512, -1, 0, 1, 62, 63, 512, EXPONENT_BIAS] {
                let (bound, index) = (((EXPONENT_BIAS + octave) as u64) << MANTISSA_BITS | bits, octave * BOUNDS as i32 + i as i32);
                assert_eq!((coarse(bound), coarse(bound + 1)), (index - 1, index), "2^({octave} + {i}/256)");
                assert!(coarse(bound - 1) == index - 1 || bound == f64::MIN_POSITIVE.to_bits(), "2^({octave} + {i}/256)");
            }
        }
    }

    #[test]
    fn a_power_of_two_is_the_upper_bound_of_its_bucket_at_every_scale() {
        for scale in -4..=SCALE_MAX {
            for power in -20_i32..20 {
                let wanted = ((i64::from(power) << 20) - 1) >> (20 - scale); // exact at scale 20, coarser by shifts
                let value = f64::from_bits(((EXPONENT_BIAS + power) as u64) << MANTISSA_BITS);
                assert_eq!(i64::from(index(value, scale)), wanted, "2^{power} at scale {scale}");
            }
        }
    }

    #[test]
    fn the_extremes_of_f64_have_buckets() {
        for scale in -11..=SCALE_MAX {
            assert!(index(f64::MAX, scale) >= index(1.0, scale));
            assert!(index(5e-324, scale) <= index(f64::MIN_POSITIVE, scale));
        }
    }

    #[test]
    fn a_finer_bucket_lies_within_the_coarser_one() {
        for i in 1..20_000 {
            let value = f64::from(i).powi(3) * 1.7e-9;
            for scale in -10..=SCALE_MAX {
                assert_eq!(index(value, scale) >> 1, index(value, scale - 1), "{value} at scale {scale}");
            }
        }
    }
}
