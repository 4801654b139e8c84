//! Sum, least and greatest of what one thread recorded of one histogram.
//!
//! Invariant: as of the shard that it is part of: its owner alone writes it, and a reader may see a part of it before another.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::mapping;
use crate::cell::{self, AtomicU64};

/// How many parts a sum of floating-point numbers has. A number is added to the part that its bucket names, so that it seldom waits
/// for the one before it.
const SUMS: usize = 8;

/// Sum, least and greatest, of floating-point and of whole numbers apart.
pub(super) struct Tally {
    pub zeros: AtomicU64,
    float_sums: [AtomicU64; SUMS],
    whole_sum: AtomicU64,
    /// Of normal numbers above zero, by their bits.
    floats: Range,
    /// Of whole numbers above zero that are numbers of `i64` too.
    wholes: Range,
    /// Of all others.
    others: Extremes,
}

/// The least and the greatest of keys between 1 and 2^63.
struct Range {
    /// Less the least, modulo 2^64: an addition needs one register less than a subtraction. 0 where there was none.
    less_min: AtomicU64,
    /// How many numbers there are from the least to the greatest: one comparison tells whether a key is among them.
    size: AtomicU64,
    max: AtomicU64,
}

impl Range {
    fn new() -> Self {
        Self { less_min: AtomicU64::new(0), size: AtomicU64::new(0), max: AtomicU64::new(0) }
    }

    fn copy(&self) -> Self {
        let copy = |cell: &AtomicU64| AtomicU64::new(cell.load(Relaxed));
        Self { less_min: copy(&self.less_min), size: copy(&self.size), max: copy(&self.max) }
    }

    /// Whether it is between the least and the greatest, and so a key.
    #[inline(always)]
    fn contains(&self, key: u64) -> bool {
        self.less_min.load(Relaxed).wrapping_add(key) < self.size.load(Relaxed)
    }

    fn include(&self, key: u64) {
        let (min, max) = self.get().map_or((key, key), |(min, max)| (min.min(key), max.max(key)));
        self.max.store(max, Relaxed);
        self.size.store(max - min + 1, Relaxed);
        self.less_min.store(min.wrapping_neg(), Release); // the greatest is there for whoever reads this
    }

    fn get(&self) -> Option<(u64, u64)> {
        let less_min = self.less_min.load(Acquire);
        (less_min != 0).then(|| (less_min.wrapping_neg(), self.max.load(Relaxed)))
    }
}

/// The least and the greatest of any numbers, as bits.
struct Extremes {
    /// NaN where there was none.
    min: AtomicU64,
    max: AtomicU64,
}

impl Extremes {
    fn new() -> Self {
        Self { min: AtomicU64::new(f64::NAN.to_bits()), max: AtomicU64::new(f64::NAN.to_bits()) }
    }

    fn copy(&self) -> Self {
        Self { min: AtomicU64::new(self.min.load(Relaxed)), max: AtomicU64::new(self.max.load(Relaxed)) }
    }

    fn include(&self, x: f64) {
        let of = |cell: &AtomicU64| f64::from_bits(cell.load(Relaxed));
        self.max.store(of(&self.max).max(x).to_bits(), Relaxed); // a number, where the other is none
        self.min.store(of(&self.min).min(x).to_bits(), Release);
    }

    fn get(&self) -> Option<(f64, f64)> {
        let min = f64::from_bits(self.min.load(Acquire));
        (!min.is_nan()).then(|| (min, f64::from_bits(self.max.load(Relaxed))))
    }
}

impl Tally {
    pub fn new() -> Self {
        let zero = || AtomicU64::new(0); // also the bits of 0.0
        Self {
            zeros: zero(),
            float_sums: std::array::from_fn(|_| zero()),
            whole_sum: zero(),
            floats: Range::new(),
            wholes: Range::new(),
            others: Extremes::new(),
        }
    }

    pub fn copy(&self) -> Self {
        let copy = |cell: &AtomicU64| AtomicU64::new(cell.load(Relaxed));
        Self {
            zeros: copy(&self.zeros),
            float_sums: self.float_sums.each_ref().map(copy),
            whole_sum: copy(&self.whole_sum),
            floats: self.floats.copy(),
            wholes: self.wholes.copy(),
            others: self.others.copy(),
        }
    }

    /// A load of each of its lines.
    pub fn touch(&self) -> u64 {
        self.zeros.load(Relaxed) ^ self.whole_sum.load(Relaxed) ^ self.others.max.load(Relaxed)
    }

    #[inline(always)]
    pub fn add_float(&self, place: usize, x: f64) {
        cell::add_float(&self.float_sums[place % SUMS], x);
    }

    #[inline(always)]
    pub fn add_whole(&self, n: u64) {
        if cell::add_carrying(&self.whole_sum, n) {
            self.carry();
        }
    }

    /// Whether it is usual: a number above zero that is between the least and the greatest of those.
    #[inline(always)]
    pub fn spans_float(&self, x: f64) -> bool {
        self.floats.contains(x.to_bits())
    }

    /// The same of a whole number.
    #[inline(always)]
    pub fn spans_whole(&self, n: u64) -> bool {
        self.wholes.contains(n)
    }

    /// Two to the 64th goes to the floating-point sum.
    #[cold]
    fn carry(&self) {
        cell::add_float(&self.float_sums[0], (1_u128 << 64) as f64);
    }

    pub fn include_float(&self, x: f64) {
        if mapping::is_normal(x.to_bits()) { self.floats.include(x.to_bits()) } else { self.others.include(x) }
    }

    pub fn include_whole(&self, n: u64) {
        if (1..1 << 63).contains(&n) { self.wholes.include(n) } else { self.others.include(n as f64) }
    }

    /// The sum of whole numbers, modulo 2^64.
    #[cfg(test)]
    pub fn whole_sum(&self) -> u64 {
        self.whole_sum.load(Relaxed)
    }

    /// The sum of all numbers.
    pub fn sum(&self) -> f64 {
        let parts = self.float_sums.each_ref().map(|sum| f64::from_bits(sum.load(Relaxed)));
        let sum: f64 = parts.iter().sum();
        // Beyond `f64::MAX` on both sides: as one sum would be, which stays where it went first.
        let floats = if sum.is_nan() { parts.into_iter().find(|part| part.is_infinite()).unwrap_or(sum) } else { sum };
        floats + self.whole_sum.load(Relaxed) as f64
    }

    /// The least and the greatest; none where there was nothing.
    pub fn extremes(&self) -> Option<(f64, f64)> {
        let floats = self.floats.get().map(|(min, max)| (f64::from_bits(min), f64::from_bits(max)));
        let wholes = self.wholes.get().map(|(min, max)| (min as f64, max as f64));
        let all = [floats, wholes, self.others.get()];
        all.into_iter().flatten().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_least_and_the_greatest_are_those_of_all_numbers_of_any_kind() {
        let extremes = |floats: &[f64], wholes: &[u64]| {
            let tally = Tally::new();
            floats.iter().for_each(|x| tally.include_float(*x));
            wholes.iter().for_each(|n| tally.include_whole(*n));
            tally.extremes()
        };
        assert_eq!(extremes(&[], &[]), None);
        assert_eq!(extremes(&[1.5, 0.5, 2.5], &[]), Some((0.5, 2.5)));
        assert_eq!(extremes(&[f64::MIN, -0.0, 5e-324, f64::MAX], &[7]), Some((f64::MIN, f64::MAX)));
        assert_eq!(extremes(&[-0.0], &[]), Some((-0.0, -0.0)));
        assert_eq!(extremes(&[3.0], &[0, 5]), Some((0.0, 5.0)));
        assert_eq!(extremes(&[], &[u64::MAX, 1]), Some((1.0, u64::MAX as f64)));
    }
}
