//! All series whose labels are not known at compile time: by metric, and within it by the exact text of their labels.
//!
//! Invariant: a series is in the list until it is removed, and its cells are its own until the last handle is dropped. No series is
//! dropped, and no code of the user runs, under the lock.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex};

use super::exemplar::Exemplar;
use super::generation::Generation;
use super::key::Packed;
use super::lease::{self, Busy, Locked, Telling, hot};
use super::parts::Encoded;
use super::slabs::Class;
use super::slot::{Bounds, Slot};
use super::verb::Verb;
use crate::label::{Label, LabelSet};
use crate::limits::{EXEMPLAR_ASKS_MAX, TABLE_TEXT_BYTES_MAX};

/// Series whose exemplars are read under one lock.
const EXEMPLARS_TOGETHER: usize = 64;

static NAMES: Mutex<Names> = Mutex::new(Names { metrics: Vec::new(), free: Vec::new(), generation: Generation::ZERO, changes: 0 });

/// The lock as `fork` holds it.
pub(super) fn raw() -> &'static Mutex<Names> {
    &NAMES
}

/// One series of a metric whose label sets are not known at compile time.
pub struct Series {
    pub slot: Slot,
    pub labels: LabelSet,
    pub(super) text: Box<[u8]>,
    removed: AtomicBool,
    is_overflow: bool,
    /// The generation of its metric.
    generation: Arc<AtomicU64>,
}

impl Series {
    fn new(labels: LabelSet, text: Vec<u8>, metric: &Metric, asks: u8) -> Self {
        let generation = Arc::clone(&metric.generation);
        let (slot, text, removed) = (Slot::listed().asking(asks), text.into(), AtomicBool::new(false));
        Self { slot, labels, text, removed, is_overflow: false, generation }
    }

    fn overflow(generation: Arc<AtomicU64>) -> Self {
        let labels = LabelSet::from_iter([("otel.metric.overflow", Label::Bool(true))]);
        let (slot, text, removed) = (Slot::listed(), Box::default(), AtomicBool::new(false));
        Self { slot, labels, text, removed, is_overflow: true, generation }
    }

    /// Whether it is the series of its labels at this generation of some metric. That of the overflow may be no longer.
    pub(super) fn is_of(&self, generation: Generation) -> bool {
        !self.is_overflow && self.is_current(generation)
    }

    /// Whether a table that met it at this generation may still lead to it.
    pub(super) fn is_current(&self, generation: Generation) -> bool {
        // Acquire: whoever made the generation had marked the series before.
        self.generation.load(Acquire) == generation.bits() && !self.removed.load(Relaxed)
    }
}

/// The slot of one series: in its metric, or kept by its handle.
pub enum Held<'a> {
    Own(&'a Slot),
    Shared(Arc<Series>),
}

impl Deref for Held<'_> {
    type Target = Slot;

    #[inline]
    fn deref(&self) -> &Slot {
        match self {
            Self::Own(slot) => slot,
            Self::Shared(series) => &series.slot,
        }
    }
}

impl Held<'_> {
    /// Records.
    #[inline(always)]
    pub fn act(&self, verb: Verb, bits: u64, bounds: &Bounds) -> bool {
        match self {
            Self::Own(slot) => slot.act(Class::Fixed, verb, bits, bounds),
            Self::Shared(series) => series.slot.act(Class::Listed, verb, bits, bounds),
        }
    }
}

/// A series in the list, found by its text.
struct ByText(Arc<Series>);

impl Borrow<[u8]> for ByText {
    fn borrow(&self) -> &[u8] {
        &self.0.text
    }
}

impl Hash for ByText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}

impl PartialEq for ByText {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for ByText {}

/// The series of all metrics.
pub struct Names {
    metrics: Vec<Option<Metric>>,
    free: Vec<u32>,
    /// No two states of any two metrics have the same, so that an entry of a table is of one.
    generation: Generation,
    /// How often a series came or went.
    changes: u64,
}

/// The series of one metric.
struct Metric {
    series: HashSet<ByText>,
    overflow: Arc<Series>,
    overflowed: bool,
    generation: Arc<AtomicU64>,
}

/// All series by the place of their metric, and how often any came or went; none where nothing did since so many times.
pub(super) fn all_series(changes: u64) -> Option<(Vec<Vec<Arc<Series>>>, u64)> {
    let names = Locked::take(&NAMES)?;
    let of = |metric: &Metric| {
        let overflow = metric.overflowed.then_some(&metric.overflow);
        metric.series.iter().map(|series| &series.0).chain(overflow).cloned().collect()
    };
    let all = || names.metrics.iter().map(|metric| metric.as_ref().map(of).unwrap_or_default()).collect();
    (names.changes != changes).then(|| (all(), names.changes))
}

/// The place of a metric that has no series yet, beyond all.
const NONE: u32 = u32::MAX;

impl Names {
    fn generation(&mut self) -> Generation {
        self.generation = self.generation.next();
        self.generation
    }

    fn metric(&mut self, index: u32) -> Option<&mut Metric> {
        self.metrics.get_mut(index as usize)?.as_mut()
    }

    /// The metric of a list, and the place that it has from now on.
    fn register(&mut self, list: &SeriesList) -> u32 {
        let index = list.index.load(Relaxed);
        if index != NONE {
            return index;
        }
        let generation = Arc::new(AtomicU64::new(self.generation().bits()));
        list.generation.store(generation.load(Relaxed), Relaxed);
        let overflow = Arc::new(Series::overflow(Arc::clone(&generation)));
        let metric = Some(Metric { series: HashSet::new(), overflow, overflowed: false, generation });
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.metrics.push(None);
                self.metrics.len() as u32 - 1
            }
        };
        self.metrics[index as usize] = metric;
        list.index.store(index, Release);
        index
    }
}

/// The series of one metric, as the metric knows them.
pub struct SeriesList {
    /// The place of the metric in `Names`.
    index: AtomicU32,
    /// What the keys of its series have in their head.
    /// As bits.
    generation: AtomicU64,
    /// Whether a new series asks for an exemplar.
    asks: AtomicBool,
}

/// A label set, told in each of the ways that finding its series may want. This is code of the user's.
pub trait Told {
    fn key<'a>(&'a self, key: &mut Packed<'a, false>);
    fn text(&self, text: &mut Encoded);
    fn is_same(&self, text: &[u8]) -> bool;
    fn labels(&self) -> LabelSet;
}

/// A series that was looked up in the list.
struct Found {
    series: Arc<Series>,
    /// In which it is that of its labels.
    generation: Generation,
    /// The text of the labels, where the series is that of the overflow.
    text: Option<Arc<[u8]>>,
}

impl SeriesList {
    pub const fn new() -> Self {
        let generation = AtomicU64::new(Generation::UNTABLED.bits());
        Self { index: AtomicU32::new(NONE), generation, asks: AtomicBool::new(false) }
    }

    #[inline(always)]
    fn generation(&self) -> Generation {
        Generation::of_bits(self.generation.load(Relaxed))
    }

    /// A key without parts, as this thread's table has them.
    #[inline(always)]
    pub fn key<'a, const NEAR: bool>(&self) -> Packed<'a, NEAR> {
        Packed::new(hot().seed.get(), ptr::from_ref(self).addr(), self.generation())
    }

    /// Records in the series of this key, if it says all of the labels, and this thread remembers the series; false where it was not
    /// recorded.
    #[inline(always)]
    pub fn act_near(key: &Packed<'_, true>, verb: Verb, bits: u64) -> bool {
        // SAFETY: the entries are those of this thread's table, which changes in `with_table` alone and there leaves others; and of the
        // cells of its rows: where one is replaced, they leave others too. Neither is done before the end of this function: recording
        // in a cell replaces nothing. A metric's verbs are those of one kind of cell, or of a gauge.
        key.is_exact() && unsafe { hot().entries.get().near(key).is_some_and(|at| Slot::act_near(at, verb, bits)) }
    }

    /// The same of any key. `is_same` compares its labels with an exact text.
    #[inline(always)]
    pub fn act_further(key: &Packed<'_, false>, is_same: impl Fn(&[u8]) -> bool, verb: Verb, bits: u64) -> bool {
        // It may be code of the user's: what that might record finds the thread busy, and leaves the table as it is.
        let is_same = |text: &[u8]| Busy::take().is_some_and(|_busy| is_same(text));
        // SAFETY: as above.
        unsafe { hot().entries.get().find(key, is_same).is_some_and(|at| Slot::act_near(at, verb, bits)) }
    }

    /// The same of a series that was remembered at another time, and of all after their cells moved.
    fn act_again(&self, wanted: &dyn Told, verb: Verb, bits: u64) -> bool {
        let mut key = self.key();
        if key.generation() == Generation::UNTABLED {
            return false;
        }
        wanted.key(&mut key);
        let renewed = lease::with_table(|table| table.renew(&key, |text| wanted.is_same(text)));
        // SAFETY: as above.
        renewed.flatten().is_some_and(|at| unsafe { Slot::act_near(at, verb, bits) })
    }

    /// Records in the series of these labels, made where it is new; in that of the overflow where there are too many. False where it
    /// was not recorded.
    ///
    /// `series_max` is how many series the metric may have.
    #[cold]
    #[inline(never)]
    pub fn act(&self, wanted: &dyn Told, series_max: usize, verb: Verb, bits: u64, bounds: &Bounds) -> bool {
        if self.act_again(wanted, verb, bits) {
            return true;
        }
        let Some(_telling) = Telling::take() else { return false };
        let Some(Found { series, generation, text }) = self.series(wanted, series_max) else { return false };
        let done = series.slot.act(Class::Listed, verb, bits, bounds);
        if generation != Generation::UNTABLED && done && !series.slot.is_asking() {
            let mut key = Packed::new(lease::seed(), ptr::from_ref(self).addr(), generation);
            wanted.key(&mut key);
            let text = text.filter(|_| key.points_to_text());
            if text.as_ref().is_none_or(|text| text.len() <= TABLE_TEXT_BYTES_MAX) {
                drop(lease::with_table(|table| match series.slot.near() {
                    Some(at) => table.insert(&key, series, text, at),
                    None => vec![series],
                }));
            }
        }
        done
    }

    /// The series of these labels, to be kept.
    pub fn hold(&self, wanted: &dyn Told, series_max: usize) -> Option<Arc<Series>> {
        let _telling = Telling::take()?;
        self.series(wanted, series_max).map(|found| found.series)
    }

    /// The series of these labels, made where it is new.
    #[cold]
    fn series(&self, wanted: &dyn Told, series_max: usize) -> Option<Found> {
        let mut text = Encoded(Vec::with_capacity(64));
        wanted.text(&mut text);
        let (text, mut labels) = (text.0, None);
        loop {
            let mut names = Locked::take(&NAMES)?;
            let index = names.register(self);
            let generation = self.generation(); // changes under this lock alone
            let metric = names.metric(index)?;
            if let Some(series) = metric.series.get(text.as_slice()) {
                return Some(Found { series: Arc::clone(&series.0), generation, text: None });
            }
            if metric.series.len() >= series_max {
                let (series, is_first) = (Arc::clone(&metric.overflow), !metric.overflowed);
                metric.overflowed = true;
                names.changes += u64::from(is_first);
                return Some(Found { series, generation, text: Some(text.into()) });
            }
            if let Some(labels) = labels.take() {
                let asks = if self.asks.load(Relaxed) { EXEMPLAR_ASKS_MAX } else { 0 };
                let series = Arc::new(Series::new(labels, text, metric, asks));
                metric.series.insert(ByText(Arc::clone(&series)));
                names.changes += 1;
                return Some(Found { series, generation, text: None });
            }
            drop(names); // the labels are told by code of the user's
            labels = Some(wanted.labels());
        }
    }

    /// Ends a series; true where it existed.
    pub fn remove(&self, told: &dyn Told) -> bool {
        let mut encoded = Encoded::default();
        told.text(&mut encoded);
        let Some(mut names) = Locked::take(&NAMES) else { return false };
        let removed = names.metric(self.index.load(Relaxed)).and_then(|metric| metric.series.take(encoded.0.as_slice()));
        if let Some(series) = &removed {
            series.0.removed.store(true, Relaxed);
            // No table may go on to lead to it, or to say that other labels are beyond the limit.
            names.changes += 1;
            self.renew(&mut names);
        }
        drop(names); // and then the series
        removed.is_some()
    }

    /// Keeps every table from all of its series until it has met them anew.
    fn renew(&self, names: &mut Names) {
        let generation = names.generation();
        self.generation.store(generation.bits(), Relaxed);
        if let Some(metric) = names.metric(self.index.load(Relaxed)) {
            metric.generation.store(generation.bits(), Release);
        }
    }

    /// Tells the exemplars of series that were found, and lets all of this metric ask for the next. Cost: a lock for some of them
    /// together, and another where one of them did not ask before.
    pub fn exemplars(&self, found: &[Arc<Series>], mut tell: impl FnMut(&Slot, Option<&Exemplar>)) {
        self.asks.store(true, Relaxed);
        let some = |some: &[Arc<Series>]| Slot::exemplars(some.iter().map(|series| &series.slot), &mut tell);
        let are_new = found.chunks(EXEMPLARS_TOGETHER).map(some).fold(false, |any, some| any | some);
        if are_new && let Some(mut names) = Locked::take(&NAMES) {
            self.renew(&mut names);
        }
    }

    /// The place of the metric among all; beyond them where it has no series yet.
    pub(super) fn place(&self) -> usize {
        self.index.load(Acquire) as usize
    }
}

impl Drop for SeriesList {
    fn drop(&mut self) {
        let index = self.index.load(Relaxed);
        if index == NONE {
            return;
        }
        let Some(mut names) = Locked::take(&NAMES) else { return };
        let metric = names.metrics.get_mut(index as usize).and_then(Option::take);
        names.free.push(index);
        names.changes += 1;
        drop(names); // and then the series
        if let Some(metric) = metric {
            metric.generation.store(Generation::ZERO.bits(), Release);
        }
    }
}
