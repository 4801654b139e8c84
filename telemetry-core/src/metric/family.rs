//! The series of one metric: one, a block where the label sets are known at compile time, or a list.
//!
//! Invariant: a series that was recorded is read until it is removed; after a removal the same labels start from nothing.
//! Not here: where the numbers of a series are (`thread`), and what they mean (the files of the instruments).

use std::sync::{Arc, OnceLock};

use super::Reader;
use super::labels::{Labels, pairs};
use crate::cell::{self, AtomicU64};
use crate::declaration::MetricKind;
use crate::frame::{Frame, Shape};
use crate::label::LabelSet;
use crate::limits::{DENSE_SERIES_MAX, SERIES_MAX};
use crate::thread::{
    Block, Bounds, Class, Compared, Encoded, Exemplar, Held, Identity, Listing, Located, Packed, Series, SeriesList, Slot, Space,
    Sums, Told, Verb, has_spans, read_distributions, still,
};

/// What an attribute says of a metric beside its name.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Options {
    /// The bounds of a histogram; none for exponential buckets.
    pub bounds: Bounds,
    /// Series of a metric whose label sets are not known.
    pub series_max: usize,
    /// Whether its series ask in which span they are recorded.
    pub exemplars: bool,
}

impl Options {
    pub(super) const DEFAULT: Self = Self { bounds: None, series_max: SERIES_MAX, exemplars: false };
}

/// How the series of an instrument are read.
#[derive(Clone, Copy)]
pub(super) enum Read {
    /// Each shows a number, if it does: its bits, from the sums of all threads; and where the slot has no part in it, by the index of
    /// the cells alone.
    Number(Shape, fn(&Slot, &Sums) -> Option<u64>, Option<fn(&Sums, u32) -> u64>),
    /// Each shows a distribution, where anything was recorded.
    Distribution,
}

/// Distributions that are summed up under one lock.
const TOGETHER: usize = 16;

impl Read {
    /// Reads one series; `is_removable` says whether it may be removed meanwhile.
    fn one(self, slot: &Slot, is_removable: bool, sums: &Sums, frame: &mut Frame, labels: impl Fn() -> LabelSet) {
        match self {
            Self::Number(shape, bits, _) => {
                let read = || (slot.identity(), bits(slot, sums));
                let told = if is_removable { still(|| slot.shows_in(sums).then(read)) } else { Some(read()) };
                if let Some((identity, Some(bits))) = told {
                    frame.number(identity, shape, bits, labels);
                }
            }
            Self::Distribution => {
                let place = distributions([slot.located()].into_iter(), 1, frame);
                frame.distribution_in(place, labels);
            }
        }
    }

    /// Reads listed series.
    fn listed(self, (series, located): (&[Arc<Series>], &[Located]), sums: &Sums, frame: &mut Frame) {
        match self {
            Self::Number(shape, bits, of_cells) => {
                for (series, located) in series.iter().zip(located) {
                    let bits = match of_cells.zip(located.home()) {
                        Some((of_cells, home)) => Some(of_cells(sums, home)),
                        None => bits(&series.slot, sums),
                    };
                    if let Some(bits) = bits {
                        frame.number(located.identity, shape, bits, || series.labels.clone());
                    }
                }
            }
            Self::Distribution => {
                for (series, located) in series.chunks(TOGETHER).zip(located.chunks(TOGETHER)) {
                    let place = distributions(located.iter().map(Located::cells), located.len(), frame);
                    for (place, series) in (place..).zip(series) {
                        frame.distribution_in(place, || series.labels.clone());
                    }
                }
            }
        }
    }
}

/// Reads some distributions into places one after the other, and tells the first.
fn distributions(located: impl Iterator<Item = (Identity, Class, Option<u32>)> + Clone, len: usize, frame: &mut Frame) -> usize {
    let (place, seen, distributions, sum) = frame.room(len);
    read_distributions(located, seen, distributions, sum);
    place
}

/// How many series a block has for these labels; 0 where they are too many, or their set is not known at compile time.
const fn cardinality<L: Labels>() -> usize {
    if L::CARDINALITY > DENSE_SERIES_MAX { 0 } else { L::CARDINALITY }
}

/// Whether this is the exact text of these labels.
fn is_same<L: Labels>(labels: &L, text: &[u8]) -> bool {
    let mut compared = Compared::with(text);
    labels.key(&mut compared);
    compared.is_same()
}

/// A label set, as the list of series asks for it.
struct Of<'a, L>(&'a L);

impl<L: Labels> Told for Of<'_, L> {
    fn key<'k>(&'k self, key: &mut Packed<'k, false>) {
        self.0.key(key);
    }

    fn text(&self, text: &mut Encoded) {
        self.0.key(text);
    }

    fn is_same(&self, text: &[u8]) -> bool {
        is_same(self.0, text)
    }

    fn labels(&self) -> LabelSet {
        pairs(self.0)
    }
}

/// All series of one metric.
pub(super) struct Family {
    single: Slot,
    dense: Block,
    /// The labels of the block, from the first reading on.
    dense_labels: OnceLock<Box<[LabelSet]>>,
    sparse: SeriesList,
    /// Where a series has its cells, if it shows at zero as soon as it has a handle.
    pub space: Option<Space>,
    /// Whether it is of sums of whole numbers that only grow.
    counts: bool,
    // What its attribute says: see `Options`.
    pub bounds: Bounds,
    series_max: u32,
    exemplars: bool,
}

const _: () = assert!(size_of::<Family>() <= 144, "each metric has one");

impl Family {
    pub const fn new(space: Option<Space>, kind: MetricKind) -> Self {
        let mut family = Self {
            single: Slot::new(Class::Fixed),
            dense: Block::new(),
            dense_labels: OnceLock::new(),
            sparse: SeriesList::new(),
            space,
            counts: matches!((space, kind), (Some(Space::Whole), MetricKind::Counter)),
            bounds: None,
            series_max: 0,
            exemplars: false,
        };
        family.set(Options::DEFAULT);
        family
    }

    /// Takes over what the attribute says.
    pub const fn set(&mut self, Options { bounds, series_max, exemplars }: Options) {
        self.bounds = bounds;
        self.series_max = if series_max > u32::MAX as usize { u32::MAX } else { series_max as u32 };
        self.exemplars = exemplars;
    }

    /// The series of a metric without labels.
    #[inline(always)]
    pub const fn single(&self) -> &Slot {
        &self.single
    }

    /// The series of these labels, where their set is known at compile time. None where a `Labels` that was written by hand says a
    /// place beyond its own cardinality; of a derived one the compiler knows that it does not.
    #[inline(always)]
    fn dense<L: Labels>(&self, labels: &L) -> Option<&Slot> {
        // SAFETY: a family is of one metric, whose methods call this with `With` of one label type, which has one cardinality. (The
        // metric is invariant in its label type, so that it cannot become one of another.)
        unsafe { self.dense.get(labels.index(), cardinality::<L>(), self.counts) }
    }

    /// Records in the series of a metric without labels.
    #[inline(always)]
    pub fn act_single(&self, verb: Verb, bits: u64) -> bool {
        self.single.act(Class::Fixed, verb, bits, &self.bounds)
    }

    /// Records in the series of these labels, made where it is new; in that of the overflow where there are too many. False where it
    /// was not recorded.
    #[inline(always)]
    pub fn act<L: Labels>(&self, labels: &L, verb: Verb, bits: u64) -> bool {
        if L::NONE {
            return self.act_single(verb, bits);
        }
        if cardinality::<L>() > 0 {
            return self.add_by_arithmetic(labels, verb, bits).is_some()
                || self.dense(labels).is_some_and(|slot| slot.act(Class::Fixed, verb, bits, &self.bounds));
        }
        let mut key = self.sparse.key();
        labels.key(&mut key);
        if SeriesList::act_near(&key, verb, bits) {
            return true;
        }
        // Where it can, a copy leaves this function, so that the labels themselves stay in registers.
        match labels.copied() {
            Some(labels) => self.act_further(&labels, verb, bits),
            None => self.act_further(labels, verb, bits),
        }
    }

    /// Adds to a sum that only grows, where the cells of these labels lie side by side.
    #[inline(always)]
    fn add_by_arithmetic<L: Labels>(&self, labels: &L, verb: Verb, bits: u64) -> Option<()> {
        let add = |cell: &AtomicU64| if verb == Verb::Count { cell::increment(cell) } else { cell::add(cell, bits) };
        // Nothing added does not show by itself.
        let counts = verb == Verb::Count || verb == Verb::CountMany && bits != 0;
        // SAFETY: as in `dense`.
        if counts { unsafe { self.dense.add(labels.index(), cardinality::<L>(), add) } } else { None }
    }

    /// For labels that a near key does not tell, and those that this thread does not remember.
    #[inline(never)]
    fn act_further<L: Labels>(&self, labels: &L, verb: Verb, bits: u64) -> bool {
        if verb == Verb::RecordFloat && !f64::from_bits(bits).is_finite() {
            return false;
        }
        let mut key = self.sparse.key();
        labels.key(&mut key);
        SeriesList::act_further(&key, |text| is_same(labels, text), verb, bits)
            || self.sparse.act(&Of(labels), self.series_max as usize, verb, bits, &self.bounds)
    }

    /// The series of these labels, to be kept. None as for `with`.
    pub fn hold<L: Labels>(&self, labels: &L) -> Option<Held<'_>> {
        if L::NONE {
            return Some(Held::Own(&self.single));
        }
        if cardinality::<L>() > 0 {
            return self.dense(labels).map(Held::Own);
        }
        self.sparse.hold(&Of(labels), self.series_max as usize).map(Held::Shared)
    }

    /// Ends a series; true where it existed.
    pub fn remove<L: Labels>(&self, labels: &L) -> bool {
        if L::NONE {
            return false; // a metric without labels is not a series that comes and goes
        }
        if cardinality::<L>() > 0 {
            return self.dense(labels).is_some_and(Slot::hide);
        }
        self.sparse.remove(&Of(labels))
    }

    /// Shows each series that has something to show.
    pub fn read<L: Labels>(&self, reader: &Reader, frame: &mut Frame, read: Read) {
        if L::NONE {
            read.one(&self.single, false, &reader.sums, frame, LabelSet::default);
            return self.exemplars(&reader.series, frame);
        }
        let slots = self.dense.all();
        if !slots.is_empty() {
            let set = |index: usize| L::from_index(index).map(|labels| pairs(&labels)).unwrap_or_default();
            let labels = self.dense_labels.get_or_init(|| (0..slots.len()).map(set).collect());
            self.dense.publish();
            for (slot, labels) in slots.iter().zip(labels).filter(|(slot, _)| slot.shows_in(&reader.sums)) {
                read.one(slot, true, &reader.sums, frame, || labels.clone());
            }
        }
        read.listed(reader.series.of(&self.sparse), &reader.sums, frame);
        self.exemplars(&reader.series, frame);
    }

    /// Shows the exemplars of the series that were shown, and lets all of them ask for the next.
    fn exemplars(&self, listing: &Listing, frame: &mut Frame) {
        if !self.exemplars || !has_spans() {
            return;
        }
        let mut tell = |slot: &Slot, exemplar: Option<&Exemplar>| frame.exemplar_of(slot.identity(), exemplar);
        Slot::exemplars([&self.single].into_iter(), &mut tell);
        for slots in self.dense.all().chunks(TOGETHER) {
            Slot::exemplars(slots.iter(), &mut tell);
        }
        self.dense.ask();
        self.sparse.exemplars(listing.of(&self.sparse).0, tell);
    }
}
