//! What one thread recorded of one histogram: summary and buckets, written by that thread alone and read by any.
//!
//! Invariant: scale, starts and lengths never change. A value that does not fit makes a new shard with all counts of the old one
//! and takes its place, so that no reader meets buckets of two scales. A record is a few plain adds: a reader may see a count
//! before its sum, never a count twice and never one less than before.
//! Not here: who owns a shard and when it is freed (`thread`).

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::mapping::{self, COARSE, SCALE_MAX};
use crate::cell::{self, AtomicBool, AtomicI32, AtomicU64};
use crate::limits::HISTOGRAM_BUCKETS_MAX;

/// Sum, least and greatest: of floating-point and of whole numbers apart, because a sum of `f64` waits for the one before.
pub(super) struct Tally {
    pub zeros: AtomicU64,
    pub sum: AtomicU64,
    pub float: Range,
    pub whole_sum: AtomicU64,
    pub whole: Range,
}

/// The least and the greatest of some keys, which are in the order of their numbers.
pub(super) struct Range {
    pub min: AtomicU64,
    pub max: AtomicU64,
    /// Their difference, for the owner: one comparison tells whether a key is between them.
    width: AtomicU64,
    empty: AtomicBool,
    /// What makes the order of the keys that of whole numbers.
    order: fn(u64) -> u64,
}

impl Range {
    fn new(order: fn(u64) -> u64) -> Self {
        // The last key is of no usual number: of -0.0, or 2^64 - 1.
        let (min, max, width) = (AtomicU64::new(u64::MAX), AtomicU64::new(u64::MAX), AtomicU64::new(0));
        Self { min, max, width, empty: AtomicBool::new(true), order }
    }

    fn copy(&self) -> Self {
        let copy = |cell: &AtomicU64| AtomicU64::new(cell.load(Relaxed));
        let empty = AtomicBool::new(self.empty.load(Relaxed));
        Self { min: copy(&self.min), max: copy(&self.max), width: copy(&self.width), empty, order: self.order }
    }

    #[inline(always)]
    fn include(&self, key: u64) {
        if key.wrapping_sub(self.min.load(Relaxed)) > self.width.load(Relaxed) {
            self.widen(key);
        }
    }

    /// The last of all keys looks to `include` as if it were there already.
    fn begin(&self, key: u64) {
        if self.empty.load(Relaxed) {
            self.widen(key);
        }
    }

    #[cold]
    #[inline(never)]
    fn widen(&self, key: u64) {
        let (min, max) = match self.empty.load(Relaxed) {
            true => (key, key),
            false => {
                let (min, max, order) = (self.min.load(Relaxed), self.max.load(Relaxed), self.order);
                (if order(key) < order(min) { key } else { min }, if order(key) > order(max) { key } else { max })
            }
        };
        self.min.store(min, Relaxed);
        self.max.store(max, Relaxed);
        self.width.store(max.wrapping_sub(min), Relaxed);
        self.empty.store(false, Release); // the three before it are there for whoever reads this
    }

    /// The least and the greatest; none where there was nothing.
    pub fn get(&self) -> Option<(u64, u64)> {
        (!self.empty.load(Acquire)).then(|| (self.min.load(Relaxed), self.max.load(Relaxed)))
    }
}

/// The bits of a float such that, as signed numbers, they are in the order of the floats. Those of a float above zero are its own.
#[inline(always)]
fn key(x: f64) -> u64 {
    let bits = x.to_bits();
    if bits >> 63 == 0 { bits } else { bits ^ u64::MAX >> 1 }
}

/// The float of a key.
pub(super) fn of_key(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 0 { key } else { key ^ u64::MAX >> 1 })
}

impl Tally {
    fn new() -> Self {
        let zero = || AtomicU64::new(0); // also the bits of 0.0
        Self { zeros: zero(), sum: zero(), float: Range::new(|key| key ^ 1 << 63), whole_sum: zero(), whole: Range::new(|n| n) }
    }

    fn copy(&self) -> Self {
        let copy = |cell: &AtomicU64| AtomicU64::new(cell.load(Relaxed));
        Self {
            zeros: copy(&self.zeros),
            sum: copy(&self.sum),
            float: self.float.copy(),
            whole_sum: copy(&self.whole_sum),
            whole: self.whole.copy(),
        }
    }

    #[inline(always)]
    fn float(&self, x: f64) {
        cell::add_float(&self.sum, x);
        self.float.include(key(x));
    }

    #[inline(always)]
    fn whole(&self, n: u64) {
        if cell::add_carrying(&self.whole_sum, n) {
            self.carry();
        }
        self.whole.include(n);
    }

    /// Two to the 64th goes to the floating-point sum.
    #[cold]
    fn carry(&self) {
        cell::add_float(&self.sum, (1_u128 << 64) as f64);
    }
}

/// Room for the counts of one side.
#[repr(align(128))]
pub(super) struct Counts(pub [AtomicU64; HISTOGRAM_BUCKETS_MAX]);

/// Counts of consecutive buckets, from the bucket `start`.
pub(super) struct Side {
    pub start: i32,
    pub counts: Box<Counts>,
}

impl Side {
    fn from(start: i32) -> Self {
        Self { start, counts: Box::new(Counts(std::array::from_fn(|_| AtomicU64::new(0)))) }
    }

    /// Where room around these buckets starts, but not beyond that of the greatest number: what `Shard::whole` does not take is there.
    fn start(low: i32, high: i32, scale: i32) -> i32 {
        let spare = HISTOGRAM_BUCKETS_MAX as i32 - (high - low + 1);
        let last = mapping::index(f64::MAX, scale) - (HISTOGRAM_BUCKETS_MAX as i32 - 1);
        low.saturating_sub(spare / 2).min(last)
    }

    /// One more in this bucket; false where it is out of the room.
    #[inline(always)]
    fn add(&self, index: i32) -> bool {
        match self.counts.0.get(index.wrapping_sub(self.start) as u32 as usize) {
            Some(count) => {
                cell::increment(count);
                true
            }
            None => false,
        }
    }

    /// The first and the last bucket that counted something.
    pub fn span(&self) -> Option<(i32, i32)> {
        let first = self.counts.0.iter().position(|count| count.load(Relaxed) > 0)?;
        let last = self.counts.0.iter().rposition(|count| count.load(Relaxed) > 0)?;
        Some((self.start + first as i32, self.start + last as i32))
    }
}

/// The scale is finer than the look-up, or the bounds are explicit.
const NO_LOOK_UP: i32 = -1;

/// The series was removed: the counts are of its old life.
const STALE: i32 = -2;

/// What one thread recorded of one histogram.
pub struct Shard {
    /// By how much an index of the look-up is shifted, or one of the two below.
    shift: AtomicI32,
    pub(super) scale: i32,
    pub(super) positive: Side,
    pub(super) negative: Option<Side>,
    pub(super) tally: Tally,
    pub(super) bounds: Option<&'static [f64]>,
}

impl Shard {
    /// One that has recorded nothing, with room around this value.
    pub fn new(bounds: Option<&'static [f64]>, value: f64) -> Self {
        let (scale, tally, shift) = (SCALE_MAX, Tally::new(), AtomicI32::new(NO_LOOK_UP));
        if bounds.is_some() {
            return Self { shift, scale, positive: Side::from(0), negative: None, tally, bounds };
        }
        let index = if value == 0.0 { 0 } else { mapping::index(value.abs(), scale) };
        let start = Side::start(index, index, scale);
        let negative = (value < 0.0).then(|| Side::from(start));
        Self { shift, scale, positive: Side::from(start), negative, tally, bounds }
    }

    /// Says that the series was removed: from now on nothing fits.
    pub fn end(&self) {
        self.shift.store(STALE, Relaxed);
    }

    /// Whether the series was removed since this began.
    pub fn is_stale(&self) -> bool {
        self.shift.load(Relaxed) == STALE
    }

    /// Records what is usual: a number above zero, at a scale of the look-up, that fits. False where it is not, and nothing changed.
    #[inline(always)]
    pub fn float(&self, value: f64) -> bool {
        let (shift, bits) = (self.shift.load(Relaxed), value.to_bits());
        let done = shift >= 0 && mapping::is_normal(bits) && self.positive.add(mapping::coarse(bits) >> shift);
        if done {
            self.tally.float(value);
        }
        done
    }

    /// The same of a whole number.
    #[inline(always)]
    pub fn whole(&self, n: u64) -> bool {
        let shift = self.shift.load(Relaxed);
        // As a signed number it is converted in one instruction. What is beyond that is negative, and `Side::start` has no room for the
        // buckets that are looked up for a number below zero, or for zero.
        let bits = (n.cast_signed() as f64).to_bits();
        let done = shift >= 0 && self.positive.add(mapping::coarse(bits) >> shift);
        if done {
            self.tally.whole(n);
        }
        done
    }

    /// Records any number; false, and nothing changed, where it is not finite or does not fit.
    #[inline(never)]
    pub fn any_float(&self, value: f64) -> bool {
        let fits = value.is_finite() && self.count(value);
        if fits {
            self.tally.float(value);
            self.tally.float.begin(key(value)); // that of -0.0 is the last of all keys
        }
        fits
    }

    /// The same of a whole number.
    #[inline(never)]
    pub fn any_whole(&self, n: u64) -> bool {
        let fits = self.count(n as f64);
        if fits {
            self.tally.whole(n);
            self.tally.whole.begin(n);
        }
        fits
    }

    fn count(&self, value: f64) -> bool {
        if self.is_stale() {
            return false;
        }
        if let Some(bounds) = self.bounds {
            // A few are compared all at once, without a branch that the processor may guess wrong.
            let below = match bounds.len() {
                0..=32 => bounds.iter().map(|bound| u32::from(*bound < value)).sum(),
                _ => bounds.partition_point(|bound| *bound < value) as u32,
            };
            return self.positive.add(below.cast_signed());
        }
        if value == 0.0 {
            cell::increment(&self.tally.zeros);
            return true;
        }
        let index = mapping::index(value.abs(), self.scale);
        if value > 0.0 { self.positive.add(index) } else { self.negative.as_ref().is_some_and(|negative| negative.add(index)) }
    }

    /// The same counts with room for this finite value; the scale falls where it must.
    ///
    /// All memory is taken first: what an instrumented allocator records here meanwhile is copied with the rest.
    pub fn fitting(&self, value: f64) -> Box<Self> {
        let has_negative = value < 0.0 || self.negative.is_some();
        let mut new = Box::new(Self {
            shift: AtomicI32::new(NO_LOOK_UP),
            scale: self.scale,
            positive: Side::from(0),
            negative: has_negative.then(|| Side::from(0)),
            tally: Tally::new(),
            bounds: self.bounds,
        });
        let index = mapping::index(value.abs(), self.scale);
        let with = |span: Option<(i32, i32)>, here: bool| match (span, here) {
            (Some((low, high)), true) => Some((low.min(index), high.max(index))),
            (None, true) => Some((index, index)),
            (span, false) => span,
        };
        let positive = with(self.positive.span(), value > 0.0);
        let negative = with(self.negative.as_ref().and_then(Side::span), value < 0.0);
        let change = excess(positive).max(excess(negative));
        let scale = self.scale - change;
        let take = |new: &mut Side, span: Option<(i32, i32)>, old: Option<&Side>| {
            let (low, high) = span.unwrap_or((index, index));
            new.start = Side::start(low >> change, high >> change, scale);
            for (i, count) in old.into_iter().flat_map(|old| (old.start..).zip(&old.counts.0)) {
                let count = count.load(Relaxed);
                if count > 0 {
                    cell::add(&new.counts.0[((i >> change) - new.start) as usize], count);
                }
            }
        };
        take(&mut new.positive, positive, Some(&self.positive));
        if let Some(side) = &mut new.negative {
            take(side, negative, self.negative.as_ref());
        }
        (new.scale, new.tally) = (scale, self.tally.copy());
        new.shift.store(if scale > COARSE { NO_LOOK_UP } else { COARSE - scale }, Relaxed);
        new
    }
}

/// By how much the scale must fall so that these buckets have room.
pub(super) fn excess(span: Option<(i32, i32)>) -> i32 {
    let Some((mut low, mut high)) = span else { return 0 };
    let mut excess = 0;
    while i64::from(high) - i64::from(low) >= HISTOGRAM_BUCKETS_MAX as i64 {
        low >>= 1;
        high >>= 1;
        excess += 1;
    }
    excess
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Records like an owner does.
    fn record(shard: &mut Shard, value: f64) {
        if !shard.float(value) && !shard.any_float(value) {
            *shard = *shard.fitting(value);
            assert!(shard.any_float(value), "{value} has room at scale {}", shard.scale);
        }
    }

    fn counted(shard: &Shard) -> u64 {
        let sides = shard.positive.counts.0.iter().chain(shard.negative.iter().flat_map(|side| &side.counts.0));
        sides.map(|count| count.load(Relaxed)).sum::<u64>() + shard.tally.zeros.load(Relaxed)
    }

    #[test]
    fn all_counts_survive_each_change_of_scale() {
        let (many, mut shard) = (if cfg!(miri) { 50 } else { 20_000 }, Shard::new(None, 1.0));
        let mut state = 7_u64;
        for n in 0..many {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let sign = if state & 1 == 0 { 1.0 } else { -1.0 };
            record(&mut shard, sign * 2_f64.powf((state >> 33) as f64 / f64::from(1_u32 << 24) - 64.0));
            assert_eq!(counted(&shard), n + 1);
        }
        [0.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324].into_iter().for_each(|value| record(&mut shard, value));
        assert_eq!(counted(&shard), many + 5);
    }

    #[test]
    fn equal_values_stay_at_the_finest_scale() {
        let mut shard = Shard::new(None, 1.5);
        (0..10).for_each(|_| record(&mut shard, 1.5));
        assert_eq!((shard.scale, counted(&shard)), (SCALE_MAX, 10));
    }

    #[test]
    fn a_value_that_does_not_fit_changes_nothing() {
        let shard = Shard::new(None, 1.5);
        [2.5, f64::NAN, f64::INFINITY, -1.0].into_iter().for_each(|value| assert!(!shard.float(value) && !shard.any_float(value)));
        assert!(!shard.whole(7) && !shard.any_whole(7));
        let sum = f64::from_bits(shard.tally.sum.load(Relaxed)) + shard.tally.whole_sum.load(Relaxed) as f64;
        assert_eq!((counted(&shard), sum), (0, 0.0));
    }

    #[test]
    fn the_usual_path_takes_what_the_general_one_takes_and_nothing_else() {
        let at = |value: f64| {
            let mut shard = Shard::new(None, 1.0);
            [1e-3, 1e3, 1.0].into_iter().for_each(|value| record(&mut shard, value));
            (shard.float(value), shard.any_float(value))
        };
        for value in [1e-3, 0.5, 1.0, 2.0, 1e3, 999.0] {
            assert_eq!(at(value), (true, true), "{value}");
        }
        for value in [0.0, -0.0] {
            assert_eq!(at(value), (false, true), "{value}");
        }
        for value in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 5e-324] {
            assert_eq!(at(value), (false, false), "{value}");
        }
        let mut top = Shard::new(None, f64::MAX);
        [f64::MAX, f64::MAX / 4.0].into_iter().for_each(|value| record(&mut top, value));
        assert!(top.float(f64::MAX) && !top.float(f64::INFINITY) && !top.any_float(f64::INFINITY));
    }

    #[test]
    fn zero_and_whole_numbers_beyond_the_signed_ones_are_not_for_the_usual_path_at_any_scale() {
        for least in [1e-3, 1e-30, 1e-150, f64::MIN_POSITIVE] {
            for values in [[-least, f64::MIN, 1.0], [least, f64::MAX, 1.0], [f64::MIN, -least, least], [1.0, -least, 1.0 / least]] {
                let mut shard = Shard::new(None, 1.0);
                for value in values {
                    record(&mut shard, value);
                    for n in [0, 1 << 63, (1 << 63) + (1 << 53), u64::MAX - 1, u64::MAX] {
                        assert!(!shard.whole(n), "{n} at scale {}", shard.scale);
                    }
                }
            }
        }
    }

    #[test]
    fn the_least_and_the_greatest_are_told_by_their_keys() {
        let sorted = [f64::MIN, -1.5, -f64::MIN_POSITIVE, -0.0, 0.0, 5e-324, 1.0, f64::MAX];
        assert!(sorted.windows(2).all(|pair| key(pair[0]).cast_signed() <= key(pair[1]).cast_signed()));
        assert!(sorted.iter().all(|x| of_key(key(*x)) == *x));
        let range = Range::new(|n| n);
        assert_eq!(range.get(), None);
        for n in [u64::MAX, 0, 5] {
            range.include(n);
            range.begin(n);
        }
        assert_eq!(range.get(), Some((0, u64::MAX)));
    }

    #[test]
    fn a_sum_of_whole_numbers_carries_beyond_64_bits() {
        let mut shard = Shard::new(None, 1.0);
        for n in [u64::MAX, u64::MAX, 2] {
            if !shard.any_whole(n) {
                shard = *shard.fitting(n as f64);
                assert!(shard.any_whole(n));
            }
        }
        assert_eq!(f64::from_bits(shard.tally.sum.load(Relaxed)), (1_u128 << 65) as f64);
        assert_eq!(shard.tally.whole_sum.load(Relaxed), 0);
    }
}
