//! The series of one metric: one, a block where the label sets are known at compile time, or a list.
//!
//! Invariant: a series that was recorded is read until it is removed; after a removal the same labels start from nothing.
//! Not here: where the numbers of a series are (`thread`), and what they mean (the files of the instruments).

use std::sync::OnceLock;

use super::Reader;
use super::labels::{Labels, pairs};
use crate::label::LabelSet;
use crate::limits::{DENSE_SERIES_MAX, SERIES_MAX};
use crate::thread::{Block, Bounds, Class, Compared, Encoded, Held, Packed, SeriesList, Slot, Verb, Wanted};
use crate::value::{Point, Value};

/// What an attribute says of a metric beside its name.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Options {
    /// The bounds of a histogram; none for exponential buckets.
    pub bounds: Bounds,
    /// Series of a metric whose label sets are not known.
    pub series_max: usize,
}

impl Options {
    pub(super) const DEFAULT: Self = Self { bounds: None, series_max: SERIES_MAX };
}

/// How many series a block has for these labels; 0 where they are too many, or their set is not known at compile time.
const fn cardinality<L: Labels>() -> usize {
    if L::CARDINALITY > DENSE_SERIES_MAX { 0 } else { L::CARDINALITY }
}

/// All series of one metric.
pub(super) struct Family {
    single: Slot,
    dense: Block,
    /// The labels of the block, from the first reading on.
    dense_labels: OnceLock<Box<[LabelSet]>>,
    sparse: SeriesList,
    pub options: Options,
}

impl Family {
    pub const fn new(options: Options) -> Self {
        Self {
            single: Slot::new(Class::Fixed),
            dense: Block::new(),
            dense_labels: OnceLock::new(),
            sparse: SeriesList::new(),
            options,
        }
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
        unsafe { self.dense.get(labels.index(), cardinality::<L>()) }
    }

    /// Records in the series of a metric without labels.
    #[inline(always)]
    pub fn act_single(&self, verb: Verb, bits: u64) -> bool {
        self.single.act(Class::Fixed, verb, bits, &self.options.bounds)
    }

    /// Records in the series of these labels, made where it is new; in that of the overflow where there are too many. False where it
    /// was not recorded.
    #[inline(always)]
    pub fn act<L: Labels>(&self, labels: &L, verb: Verb, bits: u64) -> bool {
        if L::NONE {
            return self.act_single(verb, bits);
        }
        if cardinality::<L>() > 0 {
            return self.dense(labels).is_some_and(|slot| slot.act(Class::Fixed, verb, bits, &self.options.bounds));
        }
        let mut key = Packed::<false>::new();
        labels.key(&mut key);
        if !key.is_exact() {
            return self.act_on_text(labels, verb, bits);
        }
        // SAFETY: the slot is used by `act` and no further.
        match unsafe { self.sparse.find(&key) } {
            Some(slot) => slot.act(Class::Listed, verb, bits, &self.options.bounds),
            None => self.act_slowly(labels, verb, bits),
        }
    }

    /// For labels that the words of a key do not tell: the text is compared.
    #[inline(never)]
    fn act_on_text<L: Labels>(&self, labels: &L, verb: Verb, bits: u64) -> bool {
        let mut key = Packed::<true>::new();
        labels.key(&mut key);
        let is_same = |text: &[u8]| {
            let mut compared = Compared::with(text);
            labels.key(&mut compared);
            compared.is_same()
        };
        // SAFETY: the slot is used by `act` and no further.
        match unsafe { self.sparse.find_text(&key, is_same) } {
            Some(slot) => slot.act(Class::Listed, verb, bits, &self.options.bounds),
            None => self.act_slowly(labels, verb, bits),
        }
    }

    #[cold]
    #[inline(never)]
    fn act_slowly<L: Labels>(&self, labels: &L, verb: Verb, bits: u64) -> bool {
        let mut key = Packed::<true>::new();
        labels.key(&mut key);
        self.sparse.act(&self.wanted(&key, &|text| labels.key(text), &|| pairs(labels)), verb, bits, &self.options.bounds)
    }

    fn wanted<'a>(&self, key: &'a Packed<true>, text: &'a dyn Fn(&mut Encoded), labels: &'a dyn Fn() -> LabelSet) -> Wanted<'a> {
        Wanted { key, text, labels, series_max: self.options.series_max }
    }

    /// The series of these labels, to be kept. None as for `with`.
    pub fn hold<L: Labels>(&self, labels: &L) -> Option<Held<'_>> {
        if L::NONE {
            return Some(Held::Own(&self.single));
        }
        if cardinality::<L>() > 0 {
            return self.dense(labels).map(Held::Own);
        }
        let mut key = Packed::<true>::new();
        labels.key(&mut key);
        self.sparse.hold(&self.wanted(&key, &|text| labels.key(text), &|| pairs(labels))).map(Held::Shared)
    }

    /// Ends a series; true where it existed.
    pub fn remove<L: Labels>(&self, labels: &L) -> bool {
        if L::NONE {
            return false; // a metric without labels is not a series that comes and goes
        }
        if cardinality::<L>() > 0 {
            return self.dense(labels).is_some_and(Slot::hide);
        }
        self.sparse.remove(&|text| labels.key(text))
    }

    /// Adds a point for each series that shows something.
    pub fn read<L: Labels>(&self, reader: &Reader, points: &mut Vec<Point>, value: impl Fn(&Slot) -> Option<Value>) {
        if L::NONE {
            if let Some(value) = value(&self.single) {
                points.push(Point { labels: LabelSet::default(), value });
            }
            return;
        }
        let slots = self.dense.all();
        if !slots.is_empty() {
            let set = |index: usize| L::from_index(index).map(|labels| pairs(&labels)).unwrap_or_default();
            let labels = self.dense_labels.get_or_init(|| (0..slots.len()).map(set).collect());
            let shown = slots.iter().zip(labels).filter(|(slot, _)| slot.shows());
            points.extend(shown.filter_map(|(slot, labels)| Some(Point { labels: labels.clone(), value: value(slot)? })));
        }
        let series = self.sparse.of(&reader.series);
        points
            .extend(series.iter().filter_map(|series| Some(Point { labels: series.labels.clone(), value: value(&series.slot)? })));
    }
}
