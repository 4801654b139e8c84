//! All series whose labels are not known at compile time: by metric, and within it by the exact text of their labels.
//!
//! Invariant: a series is in the list until it is removed, and its cells are its own until the last handle is dropped. No series is
//! dropped, and no code of the user runs, under the lock.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex};

use super::key::{Encoded, Packed};
use super::lease::{self, Busy, Locked, Telling, View, hot};
use super::slabs::Class;
use super::slot::{Bounds, Slot, Verb};
use super::table::Table;
use crate::label::{Label, LabelSet};

static NAMES: Mutex<Names> = Mutex::new(Names { metrics: Vec::new(), free: Vec::new(), generation: 0 });

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
}

impl Series {
    fn new(labels: LabelSet, text: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { slot: Slot::new(Class::Listed), labels, text: text.into(), removed: AtomicBool::new(false) })
    }

    /// Whether it has left the list.
    #[inline(always)]
    pub(super) fn is_removed(&self) -> bool {
        self.removed.load(Relaxed)
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
    /// No two states of any two metrics have the same, so that a table knows whose it is.
    generation: u64,
}

/// The series of one metric.
struct Metric {
    series: HashSet<ByText>,
    overflow: Arc<Series>,
    overflowed: bool,
}

/// The place of a metric that has no series yet, beyond all.
const NONE: u32 = u32::MAX;

impl Names {
    fn generation(&mut self) -> u64 {
        self.generation += 1;
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
        let overflow = Series::new(LabelSet::from_iter([("otel.metric.overflow", Label::Bool(true))]), Vec::new());
        let metric = Some(Metric { series: HashSet::new(), overflow, overflowed: false });
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.metrics.push(None);
                self.metrics.len() as u32 - 1
            }
        };
        self.metrics[index as usize] = metric;
        list.generation.store(self.generation(), Relaxed);
        list.offset.store(View::<Table>::offset(index), Release);
        list.index.store(index, Release);
        index
    }
}

/// The series of one metric, as the metric knows them.
pub struct SeriesList {
    /// The place of the metric in `Names`, and of its table in every thread.
    index: AtomicU32,
    /// The same, of the table in the row of a thread's tables.
    offset: AtomicU32,
    generation: AtomicU64,
}

/// A label set, told in each of the ways that finding its series may want.
pub struct Wanted<'a> {
    pub key: &'a Packed<true>,
    pub text: &'a dyn Fn(&mut Encoded),
    pub labels: &'a dyn Fn() -> LabelSet,
    /// Series that the metric may have.
    pub series_max: usize,
}

impl SeriesList {
    pub const fn new() -> Self {
        Self { index: AtomicU32::new(NONE), offset: AtomicU32::new(NONE), generation: AtomicU64::new(0) }
    }

    /// This thread's table of the metric, if nothing was removed since it was last used.
    ///
    /// # Safety
    /// It must not be used after anything that may touch this thread's tables: another look-up, and code of the user. Recording does
    /// not: its cold path replaces rows and no table, and while an instrumented allocator may record within it the thread is busy,
    /// which keeps that off the tables.
    #[inline(always)]
    unsafe fn table(&self) -> Option<&Table> {
        // SAFETY: the offset is of this kind of row, and the rest is the caller's promise.
        let table = unsafe { hot().tables.at(self.offset.load(Relaxed)) }?;
        table.is_of(self.generation.load(Relaxed)).then_some(table)
    }

    /// The series of these labels if their key is exact and this thread remembers it.
    ///
    /// # Safety
    /// The slot must not be used after anything that may touch this thread's tables, which recording does not.
    #[inline(always)]
    pub unsafe fn find(&self, key: &Packed<false>) -> Option<&Slot> {
        if !key.is_exact() {
            return None;
        }
        // SAFETY: `Table::find` runs no code of the user's, and the rest is the caller's promise.
        let series = unsafe { self.table() }?.find(key)?;
        Some(&series.slot)
    }

    /// The series of these labels, whose key is not exact, if this thread remembers it. `is_same` compares them with an exact text.
    ///
    /// # Safety
    /// As for `find`.
    #[inline(always)]
    pub unsafe fn find_text(&self, key: &Packed<true>, is_same: impl Fn(&[u8]) -> bool) -> Option<&Slot> {
        // `is_same` may be code of the user's: what it might record finds the thread busy, and leaves the table as it is.
        let _busy = Busy::take()?;
        // SAFETY: see above, and the rest is the caller's promise.
        let series = unsafe { self.table() }?.find_text(key, is_same)?;
        Some(&series.slot)
    }

    /// Records in the series of these labels, made where it is new; in that of the overflow where there are too many. False where it
    /// was not recorded.
    pub fn act(&self, wanted: &Wanted<'_>, verb: Verb, bits: u64, bounds: &Bounds) -> bool {
        self.hold(wanted).is_some_and(|series| series.slot.act(Class::Listed, verb, bits, bounds))
    }

    /// The series of these labels, to be kept.
    pub fn hold(&self, wanted: &Wanted<'_>) -> Option<Arc<Series>> {
        let _telling = Telling::take()?;
        let mut text = Encoded(Vec::with_capacity(64));
        (wanted.text)(&mut text);
        self.series(wanted, text.0)
    }

    #[cold]
    fn series(&self, wanted: &Wanted<'_>, text: Vec<u8>) -> Option<Arc<Series>> {
        let mut made = None;
        loop {
            let mut names = Locked::take(&NAMES)?;
            let index = names.register(self);
            let generation = self.generation.load(Relaxed); // changes under this lock alone
            let metric = names.metric(index)?;
            let series = match metric.series.get(text.as_slice()) {
                Some(series) => Arc::clone(&series.0),
                None if metric.series.len() >= wanted.series_max => {
                    metric.overflowed = true;
                    Arc::clone(&metric.overflow)
                }
                None => match made.take() {
                    Some(series) => {
                        metric.series.insert(ByText(Arc::clone(&series)));
                        series
                    }
                    None => {
                        drop(names); // the labels are told by code of the user's
                        made = Some(Series::new((wanted.labels)(), text.clone()));
                        continue;
                    }
                },
            };
            drop(names);
            let forgotten = lease::with_table(index, |table| {
                let mut gone = if table.is_of(generation) { Vec::new() } else { table.clear(generation) };
                gone.extend(table.insert(wanted.key, Arc::clone(&series)));
                gone
            });
            drop(forgotten);
            return Some(series);
        }
    }

    /// Ends a series; true where it existed.
    pub fn remove(&self, text: &dyn Fn(&mut Encoded)) -> bool {
        let mut encoded = Encoded::default();
        text(&mut encoded);
        let Some(mut names) = Locked::take(&NAMES) else { return false };
        let removed = names.metric(self.index.load(Relaxed)).and_then(|metric| metric.series.take(encoded.0.as_slice()));
        if let Some(series) = &removed {
            series.0.removed.store(true, Relaxed);
            let overflowed = names.metric(self.index.load(Relaxed)).is_some_and(|metric| metric.overflowed);
            if overflowed {
                // There is room again: no table may go on to say that these labels are beyond the limit.
                let generation = names.generation();
                self.generation.store(generation, Relaxed);
            }
        }
        drop(names); // and then the series
        removed.is_some()
    }

    /// The series of this metric among those that were found.
    pub fn of<'a>(&self, found: &'a [Vec<Arc<Series>>]) -> &'a [Arc<Series>] {
        found.get(self.index.load(Acquire) as usize).map_or(&[], Vec::as_slice)
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
        if let Some(metric) = &metric {
            metric.series.iter().for_each(|series| series.0.removed.store(true, Relaxed));
        }
        names.free.push(index);
        drop(names); // and then the series
    }
}

/// All series now, by the place of their metric. Cost: two atomics a series.
pub fn all() -> Vec<Vec<Arc<Series>>> {
    let Some(names) = Locked::take(&NAMES) else { return Vec::new() };
    let of = |metric: &Metric| {
        let overflow = metric.overflowed.then_some(&metric.overflow);
        metric.series.iter().map(|series| &series.0).chain(overflow).cloned().collect()
    };
    names.metrics.iter().map(|metric| metric.as_ref().map(of).unwrap_or_default()).collect()
}
