//! What one thread recorded of one histogram: summary and buckets, written by that thread alone and read by any.
//!
//! Invariant: scale, starts and lengths never change. A value that does not fit makes a new shard with all counts of the old one
//! and takes its place, so that no reader meets buckets of two scales. A record is a few plain adds: a reader may see a count
//! before its sum, never a count twice and never one less than before.
//! Not here: who owns a shard and when it is freed (`thread`).

use std::sync::atomic::Ordering::Relaxed;

use super::mapping::{self, COARSE, COARSE_BITS, COARSE_ONE, SCALE_MAX};
use super::mark::Mark;
use super::tally::Tally;
use crate::cell::{self, AtomicU64};
use crate::limits::HISTOGRAM_BUCKETS_MAX;

/// Room for the counts of one side.
#[repr(align(128))]
pub(super) struct Counts(pub [AtomicU64; HISTOGRAM_BUCKETS_MAX]);

/// Counts of consecutive buckets, from the bucket `start`.
pub(super) struct Side {
    pub start: i32,
    /// The places of the first bucket that counted something, in the upper half, and of the last. (Not of explicit bounds.)
    span: AtomicU64,
    pub counts: Counts,
}

/// The span of a side that counted nothing.
const NO_SPAN: u64 = (u32::MAX as u64) << 32;

impl Side {
    fn from(start: i32) -> Self {
        Self { start, span: AtomicU64::new(NO_SPAN), counts: Counts(std::array::from_fn(|_| AtomicU64::new(0))) }
    }

    /// Where room around these buckets starts, but not beyond that of the greatest number.
    fn start(low: i32, high: i32, scale: i32) -> i32 {
        let spare = HISTOGRAM_BUCKETS_MAX as i32 - (high - low + 1);
        let last = mapping::index(f64::MAX, scale) - (HISTOGRAM_BUCKETS_MAX as i32 - 1);
        low.saturating_sub(spare / 2).min(last)
    }

    /// One more in this bucket, whose place is returned; none where it is out of the room.
    #[inline(always)]
    fn add(&self, index: i32) -> Option<usize> {
        let place = index.wrapping_sub(self.start) as u32;
        self.counts.0.get(place as usize).map(|count| {
            cell::increment(count);
            self.include(place, place);
            place as usize
        })
    }

    /// Has these places and those between them in the span.
    #[inline(always)]
    fn include(&self, first: u32, last: u32) {
        let span = self.span.load(Relaxed);
        let (low, high) = ((span >> 32) as u32, span as u32);
        if first < low || last > high {
            self.span.store(u64::from(first.min(low)) << 32 | u64::from(last.max(high)), Relaxed);
        }
    }

    /// The first and the last bucket that counted something.
    pub fn span(&self) -> Option<(i32, i32)> {
        let span = self.span.load(Relaxed);
        (span != NO_SPAN).then(|| (self.start + (span >> 32) as i32, self.start + (span as u32).cast_signed()))
    }
}

/// How a bucket is looked up, in one word: where the room starts, as the look-up counts at this scale, and in the lower bits by how
/// much what was looked up is shifted.
#[derive(Clone, Copy)]
struct LookUp(u64);

impl LookUp {
    const SHIFT_BITS: u32 = 6;

    /// There is none: the scale is finer, or the bounds are explicit. What is shifted so far is 0 or 1, and in no room that starts there.
    const NONE: Self = Self::new(1 << 20, 63);

    /// The same where the series was removed: the counts are of its old life.
    const STALE: Self = Self::new(1 << 21, 63);

    const fn new(start: i64, shift: u32) -> Self {
        Self(start.cast_unsigned() << Self::SHIFT_BITS | shift as u64)
    }

    /// The place in the room of a number by its bits, which is beyond it where the number does not fit.
    #[inline(always)]
    fn place(self, bits: u64) -> usize {
        let start = (self.0.cast_signed() >> Self::SHIFT_BITS).cast_unsigned();
        // Both are at most 2^21, or less than nothing by as much: 32 bits of the difference are enough.
        (mapping::coarse_bits(bits) >> (self.0 & ((1 << Self::SHIFT_BITS) - 1))).wrapping_sub(start) as usize
    }
}

/// What one thread recorded of one histogram.
#[repr(C)] // what the usual path reads lies together
pub struct Shard {
    /// The bits of a `LookUp`.
    look_up: AtomicU64,
    mark: Mark,
    pub(super) scale: i32,
    /// The bits of the number above zero that was counted last without the look-up, and the place of its bucket: at the finest scales
    /// are numbers that are often equal.
    last: [AtomicU64; 2],
    pub(super) tally: Tally,
    pub(super) bounds: Option<&'static [f64]>,
    pub(super) negative: Option<Box<Side>>,
    pub(super) positive: Side,
}

impl Shard {
    /// One that has recorded nothing, with room around this value.
    pub fn new(bounds: Option<&'static [f64]>, value: f64, mark: Mark) -> Self {
        let index = if value == 0.0 { 0 } else { mapping::index(value.abs(), SCALE_MAX) };
        let start = if bounds.is_some() { 0 } else { Side::start(index, index, SCALE_MAX) };
        let negative = (bounds.is_none() && value < 0.0).then(|| Box::new(Side::from(start)));
        Self {
            look_up: AtomicU64::new(LookUp::NONE.0),
            mark,
            scale: SCALE_MAX,
            last: [AtomicU64::new(0), AtomicU64::new(0)],
            tally: Tally::new(),
            bounds,
            negative,
            positive: Side::from(start),
        }
    }

    /// Says that the series was removed: from now on nothing fits.
    pub fn end(&self) {
        self.look_up.store(LookUp::STALE.0, Relaxed);
        self.mark.set();
    }

    /// Brings near what a sum reads of it: who looks at several waits for all of them together.
    pub fn touch(&self) {
        let span = self.positive.span.load(Relaxed);
        let (first, last) = match self.bounds {
            Some(bounds) => (0, bounds.len()),
            None => ((span >> 32) as usize, span as u32 as usize),
        };
        let counts = self.positive.counts.0.get(first..=last).unwrap_or_default();
        std::hint::black_box(counts.iter().step_by(8).fold(self.tally.touch(), |all, count| all ^ count.load(Relaxed)));
    }

    /// Whether the series was removed since this began.
    pub fn is_stale(&self) -> bool {
        self.look_up.load(Relaxed) == LookUp::STALE.0
    }

    /// Counts a number above zero by its bits, where the scale has a look-up and it fits. Where it does is returned.
    #[inline(always)]
    fn look_up(&self, bits: u64) -> Option<usize> {
        let place = LookUp(self.look_up.load(Relaxed)).place(bits);
        self.positive.counts.0.get(place).map(|count| {
            cell::count(count);
            place
        })
    }

    /// Records what is usual: a number between the least and the greatest above zero, at a scale of the look-up. False where it is not,
    /// and nothing changed.
    #[inline(always)]
    pub fn float(&self, value: f64) -> bool {
        if !self.tally.spans_float(value) {
            return false;
        }
        let record = |place| {
            self.tally.add_float(place, value);
            self.mark.set();
        };
        self.look_up(value.to_bits()).map(record).is_some()
    }

    /// The same of a whole number.
    #[inline(always)]
    pub fn whole(&self, n: u64) -> bool {
        if !self.tally.spans_whole(n) {
            return false;
        }
        let bits = (n.cast_signed() as f64).to_bits(); // which a signed number is in one instruction, and this one is below 2^63
        let record = |_| {
            self.tally.add_whole(n);
            self.mark.set();
        };
        self.look_up(bits).map(record).is_some()
    }

    /// Records any number; false, and nothing changed, where it is not finite or does not fit.
    #[inline(never)]
    pub fn any_float(&self, value: f64) -> bool {
        let place = if value.is_finite() { self.count(value) } else { None };
        place
            .map(|place| {
                self.tally.add_float(place, value);
                self.tally.include_float(value);
                self.mark.set();
            })
            .is_some()
    }

    /// The same of a whole number.
    #[inline(never)]
    pub fn any_whole(&self, n: u64) -> bool {
        self.count(n as f64)
            .map(|_| {
                self.tally.add_whole(n);
                self.tally.include_whole(n);
                self.mark.set();
            })
            .is_some()
    }

    /// Counts a finite number, and tells the place of its bucket; none, and nothing changed, where it does not fit.
    fn count(&self, value: f64) -> Option<usize> {
        if self.is_stale() {
            return None;
        }
        if let Some(bounds) = self.bounds {
            // A few are compared all at once, without a branch that the processor may guess wrong.
            let below = match bounds.len() {
                0..=32 => bounds.iter().map(|bound| u32::from(*bound < value)).sum(),
                _ => bounds.partition_point(|bound| *bound < value) as u32,
            };
            return self.positive.counts.0.get(below as usize).map(cell::increment).map(|()| below as usize);
        }
        if value == 0.0 {
            cell::increment(&self.tally.zeros);
            return Some(0);
        }
        if value < 0.0 {
            return self.negative.as_ref()?.add(mapping::index(-value, self.scale));
        }
        let [last, last_place] = &self.last;
        if last.load(Relaxed) == value.to_bits() {
            let place = last_place.load(Relaxed) as usize;
            return self.positive.counts.0.get(place).map(cell::increment).map(|()| place);
        }
        let place = self.positive.add(mapping::index(value, self.scale))?;
        last.store(value.to_bits(), Relaxed);
        last_place.store(place as u64, Relaxed);
        Some(place)
    }

    /// The same counts with room for this finite value; the scale falls where it must.
    ///
    /// All memory is taken first: what an instrumented allocator records here meanwhile is copied with the rest.
    pub fn fitting(&self, value: f64) -> Box<Self> {
        let has_negative = value < 0.0 || self.negative.is_some();
        let mut new = Box::new(Self {
            look_up: AtomicU64::new(LookUp::NONE.0),
            mark: self.mark.clone(),
            scale: self.scale,
            last: [AtomicU64::new(0), AtomicU64::new(0)],
            tally: Tally::new(),
            bounds: self.bounds,
            negative: has_negative.then(|| Box::new(Side::from(0))),
            positive: Side::from(0),
        });
        let index = mapping::index(value.abs(), self.scale);
        let with = |span: Option<(i32, i32)>, here: bool| match (span, here) {
            (Some((low, high)), true) => Some((low.min(index), high.max(index))),
            (None, true) => Some((index, index)),
            (span, false) => span,
        };
        let positive = with(self.positive.span(), value > 0.0);
        let negative = with(self.negative.as_deref().and_then(Side::span), value < 0.0);
        let change = excess(positive).max(excess(negative));
        let scale = self.scale - change;
        let take = |new: &mut Side, span: Option<(i32, i32)>, old: Option<&Side>| {
            let (low, high) = span.unwrap_or((index, index));
            new.start = Side::start(low >> change, high >> change, scale);
            if let Some((low, high)) = old.and_then(Side::span) {
                let place = |index: i32| ((index >> change) - new.start).cast_unsigned();
                new.include(place(low), place(high));
            }
            for (i, count) in old.into_iter().flat_map(|old| (old.start..).zip(&old.counts.0)) {
                let count = count.load(Relaxed);
                if count > 0 {
                    cell::add(&new.counts.0[((i >> change) - new.start) as usize], count);
                }
            }
        };
        take(&mut new.positive, positive, Some(&self.positive));
        if let Some(side) = &mut new.negative {
            take(side, negative, self.negative.as_deref());
        }
        (new.scale, new.tally) = (scale, self.tally.copy());
        let coarser = COARSE - scale;
        // Only as far as the bucket of 1.0 is a whole number: beyond that all numbers have a dozen buckets.
        if (0..=COARSE_ONE.trailing_zeros().cast_signed()).contains(&coarser) {
            let start = i64::from((COARSE_ONE >> coarser) + new.positive.start);
            new.look_up.store(LookUp::new(start, COARSE_BITS + coarser.cast_unsigned()).0, Relaxed);
        }
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
    use crate::distribution::mark::Marks;

    fn shard(bounds: Option<&'static [f64]>, value: f64) -> Shard {
        Shard::new(bounds, value, Mark::new(&Marks::new(), 0))
    }

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
        let (many, mut shard) = (if cfg!(miri) { 50 } else { 20_000 }, shard(None, 1.0));
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
        let mut shard = shard(None, 1.5);
        (0..10).for_each(|_| record(&mut shard, 1.5));
        assert_eq!((shard.scale, counted(&shard)), (SCALE_MAX, 10));
        record(&mut shard, 1.50001); // another bucket, then the first again
        record(&mut shard, 1.5);
        let buckets: Vec<_> = shard.positive.counts.0.iter().map(|count| count.load(Relaxed)).filter(|count| *count > 0).collect();
        assert_eq!((shard.scale, buckets), (SCALE_MAX, vec![11, 1]));
    }

    #[test]
    fn a_value_that_does_not_fit_changes_nothing() {
        let shard = shard(None, 1.5);
        [2.5, f64::NAN, f64::INFINITY, -1.0].into_iter().for_each(|value| assert!(!shard.float(value) && !shard.any_float(value)));
        assert!(!shard.whole(7) && !shard.any_whole(7));
        assert_eq!((counted(&shard), shard.tally.sum()), (0, 0.0));
    }

    #[test]
    fn the_usual_path_takes_what_the_general_one_takes_and_nothing_else() {
        let at = |value: f64| {
            let mut shard = shard(None, 1.0);
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
        let mut top = shard(None, f64::MAX);
        [f64::MAX, f64::MAX / 4.0].into_iter().for_each(|value| record(&mut top, value));
        assert!(top.float(f64::MAX) && !top.float(f64::INFINITY) && !top.any_float(f64::INFINITY));
    }

    #[test]
    fn without_a_look_up_no_number_is_usual() {
        let explicit = shard(Some(&[1.0, 2.0]), 1.0);
        let fine = shard(None, 1.0);
        for shard in [explicit, fine] {
            assert_eq!(shard.look_up.load(Relaxed), LookUp::NONE.0);
            let (octaves, beside) = if cfg!(miri) { (256, 2) } else { (1, 300) };
            for octave in (0..2048_u64).step_by(octaves) {
                for near in -beside..beside {
                    let bits = (octave << 52).wrapping_add_signed(near) & u64::MAX >> 1;
                    assert!(LookUp::NONE.place(bits) >= HISTOGRAM_BUCKETS_MAX, "{bits:#x}");
                    assert!(LookUp::STALE.place(bits) >= HISTOGRAM_BUCKETS_MAX, "{bits:#x}");
                }
            }
        }
    }

    #[test]
    fn zero_and_whole_numbers_beyond_the_signed_ones_are_not_for_the_usual_path_at_any_scale() {
        for least in [1e-3, 1e-30, 1e-150, f64::MIN_POSITIVE] {
            for values in [[-least, f64::MIN, 1.0], [least, f64::MAX, 1.0], [f64::MIN, -least, least], [1.0, -least, 1.0 / least]] {
                let mut shard = shard(None, 1.0);
                for value in values {
                    record(&mut shard, value);
                    [1, i64::MAX as u64, u64::MAX, 0].into_iter().for_each(|n| shard.tally.include_whole(n));
                    for n in [0, 1 << 63, (1 << 63) + (1 << 53), u64::MAX - 1, u64::MAX] {
                        assert!(!shard.whole(n), "{n} at scale {}", shard.scale);
                    }
                }
            }
        }
    }

    #[test]
    fn a_sum_of_whole_numbers_carries_beyond_64_bits() {
        let mut shard = shard(None, 1.0);
        for n in [u64::MAX, u64::MAX, 2] {
            if !shard.any_whole(n) {
                shard = *shard.fitting(n as f64);
                assert!(shard.any_whole(n));
            }
        }
        assert_eq!(shard.tally.sum(), (1_u128 << 65) as f64);
        assert_eq!(shard.tally.whole_sum(), 0);
    }
}
