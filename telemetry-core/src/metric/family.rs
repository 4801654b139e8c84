//! The cells of one metric: one, a dense block where the label sets are known at compile time, or a table.
//!
//! Invariant: a series that was recorded is read until it is removed; after a removal the same labels start from nothing.
//! The cells are shared atomics. Not here: what a cell holds (the files of the instruments).

use std::any::TypeId;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use super::labels::{Labels, pairs};
use crate::label::Label;
use crate::limits::SERIES_MAX;
use crate::value::{Point, Value};

/// What an attribute says of a metric beside its name.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Options {
    /// The bounds of a histogram; none for exponential buckets.
    pub bounds: Option<&'static [f64]>,
    /// Series of a metric whose label sets are not known.
    pub series_max: usize,
}

impl Options {
    pub(super) const DEFAULT: Self = Self { bounds: None, series_max: SERIES_MAX };
}

/// The state of one series.
pub(super) trait Cell: Send + Sync {
    /// One that has recorded nothing.
    #[allow(clippy::declare_interior_mutable_const)] // a template for new cells, never used in place
    const NEW: Self;
    /// Its value; none where it shows nothing yet.
    fn value(&self, options: &Options) -> Option<Value>;
    /// Forgets what was recorded.
    fn reset(&self);
}

/// All series of one metric.
pub(super) struct Family<L, C> {
    labels: PhantomData<fn(L)>,
    single: C,
    dense: OnceLock<Box<[Dense<C>]>>,
    sparse: OnceLock<Sparse<C>>,
    pub options: Options,
}

/// Keys and values of one set of labels.
type Pairs = Vec<(&'static str, Label)>;

struct Dense<C> {
    state: AtomicU8,
    cell: C,
}

/// The state of a dense series: one that was never used, one that is shown, one that was removed, and one that is being reset on
/// its way from removed to shown. A new one needs no reset, so that none of its first recordings is lost to it.
mod state {
    pub const NEW: u8 = 0;
    pub const SHOWN: u8 = 1;
    pub const REMOVED: u8 = 2;
    pub const RESETTING: u8 = 3;
}

impl<C: Cell> Dense<C> {
    /// Shows the series; what a handle recorded after a removal does not come back.
    #[cold]
    fn show(&self) {
        loop {
            let change = |from, to| self.state.compare_exchange(from, to, Ordering::Acquire, Ordering::Acquire);
            match self.state.load(Ordering::Acquire) {
                state::SHOWN => return,
                state::NEW => drop(change(state::NEW, state::SHOWN)),
                state::REMOVED if change(state::REMOVED, state::RESETTING).is_ok() => {
                    self.cell.reset();
                    return self.state.store(state::SHOWN, Ordering::Release);
                }
                _ => std::hint::spin_loop(), // another thread resets it, which is a store or a short lock
            }
        }
    }
}

struct Sparse<C> {
    series: RwLock<HashMap<Pairs, Arc<C>>>,
    overflow: Arc<C>,
    overflowed: AtomicBool,
}

/// The cell of one series: in its metric, or kept by its handle.
pub(super) enum Held<'a, C> {
    Dense(&'a C),
    Sparse(Arc<C>),
}

impl<C> std::ops::Deref for Held<'_, C> {
    type Target = C;

    fn deref(&self) -> &C {
        match self {
            Self::Dense(cell) => cell,
            Self::Sparse(cell) => cell,
        }
    }
}

impl<L, C: Cell> Family<L, C> {
    pub const fn new(options: Options) -> Self {
        Self { labels: PhantomData, single: C::NEW, dense: OnceLock::new(), sparse: OnceLock::new(), options }
    }

    /// The cell of a metric without labels.
    pub const fn single(&self) -> &C {
        &self.single
    }
}

impl<L: Labels, C: Cell> Family<L, C> {
    fn dense(&self) -> &[Dense<C>] {
        let block = || (0..L::CARDINALITY).map(|_| Dense { state: AtomicU8::new(state::NEW), cell: C::NEW }).collect();
        self.dense.get_or_init(block)
    }

    fn sparse(&self) -> &Sparse<C> {
        self.sparse.get_or_init(|| Sparse {
            series: RwLock::default(),
            overflow: Arc::new(C::NEW),
            overflowed: AtomicBool::new(false),
        })
    }

    /// The cell for these labels, made where it is new; the overflow cell where there are too many.
    pub fn cell(&self, labels: L) -> Held<'_, C> {
        if TypeId::of::<L>() == TypeId::of::<()>() {
            return Held::Dense(&self.single);
        }
        if L::CARDINALITY > 0
            && let Some(dense) = self.dense().get(labels.index())
        {
            if dense.state.load(Ordering::Acquire) != state::SHOWN {
                dense.show();
            }
            return Held::Dense(&dense.cell);
        }
        let (sparse, labels) = (self.sparse(), pairs(&labels));
        if let Some(cell) = sparse.series.read().get(&labels) {
            return Held::Sparse(Arc::clone(cell));
        }
        let mut series = sparse.series.write();
        if series.len() >= self.options.series_max && !series.contains_key(&labels) {
            sparse.overflowed.store(true, Ordering::Relaxed);
            return Held::Sparse(Arc::clone(&sparse.overflow));
        }
        Held::Sparse(Arc::clone(series.entry(labels).or_insert_with(|| Arc::new(C::NEW))))
    }

    /// Ends a series; true where it existed. What a handle that was kept records is not shown, until the labels are used anew.
    pub fn remove(&self, labels: &L) -> bool {
        if TypeId::of::<L>() == TypeId::of::<()>() {
            return false; // a metric without labels is not a series that comes and goes
        }
        if L::CARDINALITY > 0
            && let Some(dense) = self.dense().get(labels.index())
        {
            let removed = dense.state.compare_exchange(state::SHOWN, state::REMOVED, Ordering::AcqRel, Ordering::Relaxed);
            return removed.is_ok();
        }
        self.sparse().series.write().remove(&pairs(labels)).is_some()
    }

    /// Adds a point for each series that shows something.
    pub fn read(&self, points: &mut Vec<Point>) {
        for (index, dense) in self.dense.get().into_iter().flatten().enumerate() {
            let labels = (dense.state.load(Ordering::Acquire) == state::SHOWN).then(|| L::from_index(index)).flatten();
            if let (Some(labels), Some(value)) = (labels, dense.cell.value(&self.options)) {
                points.push(Point { labels: pairs(&labels), value });
            }
        }
        let Some(sparse) = self.sparse.get() else { return };
        for (labels, cell) in sparse.series.read().iter() {
            if let Some(value) = cell.value(&self.options) {
                points.push(Point { labels: labels.clone(), value });
            }
        }
        if sparse.overflowed.load(Ordering::Relaxed)
            && let Some(value) = sparse.overflow.value(&self.options)
        {
            points.push(Point { labels: vec![("otel.metric.overflow", Label::Bool(true))], value });
        }
    }
}

/// The methods that all instruments share: construction by the macro, series by labels, reading by the collection.
macro_rules! instrument {
    ($name:ident, $series:ident, $cell:ty, $kind:ident) => {
        impl<L: $crate::Labels> $name<L> {
            #[doc = concat!("What `#[metric]` completes; alone it records, but is not declared.")]
            #[allow(clippy::new_without_default)] // only a macro makes a useful one
            pub const fn new() -> Self {
                Self { family: Family::new(Options::DEFAULT) }
            }

            #[doc(hidden)]
            #[must_use]
            pub const fn __declared(mut self, options: Options) -> Self {
                let buckets = matches!($crate::MetricKind::$kind, $crate::MetricKind::Histogram);
                assert!(buckets || options.bounds.is_none(), "`bounds` belong on a `Histogram`");
                self.family.options = options;
                self
            }

            /// The series of these labels, made where it is new. A handle may be kept, which saves the look-up.
            ///
            /// Beyond `max_series` sets of labels that are not known at compile time, this is the overflow series.
            pub fn with(&self, labels: L) -> $series<'_> {
                $series { cell: self.family.cell(labels), options: &self.family.options }
            }

            /// Ends a series; true where it existed. When its labels are used again it starts from nothing.
            ///
            /// What a kept handle records after this is not shown. A metric without labels cannot be removed.
            pub fn remove(&self, labels: &L) -> bool {
                self.family.remove(labels)
            }
        }

        impl<L: $crate::Labels> $crate::metric::Metric for $name<L> {
            const KIND: $crate::MetricKind = $crate::MetricKind::$kind;
        }

        impl<L: $crate::Labels> $crate::metric::MetricSource for $name<L> {
            fn read(&self, points: &mut Vec<$crate::value::Point>) {
                if std::any::TypeId::of::<L>() == std::any::TypeId::of::<()>() {
                    if let Some(value) = <$cell as Cell>::value(self.family.single(), &self.family.options) {
                        points.push($crate::value::Point { labels: Vec::new(), value });
                    }
                } else {
                    self.family.read(points);
                }
            }
        }
    };
}

pub(super) use instrument;
