//! One series of a metric: looked up each time it records, or kept by a handle.

use std::marker::PhantomData;

use super::family::Family;
use super::labels::Labels;
use super::{Counter, MEASUREMENTS_REJECTED};
use crate::thread::{Held, Slot, Verb};

/// The series of a set of labels, which each verb looks up. It may be kept: it is right also after a removal.
///
/// Made by `with`. A [`Handle`] saves the look-up.
#[must_use = "labels alone record nothing: write a verb behind them, such as `.inc()`"]
pub struct Series<'a, M, L> {
    pub(super) metric: &'a M,
    pub(super) labels: L,
    /// It cannot become one of another label type, whose sets are counted otherwise.
    pub(super) invariant: PhantomData<fn(L) -> L>,
}

/// One series, to be kept: its verbs look nothing up.
///
/// Made by `handle`. What it records after its series was removed is not shown, or, where the label sets are known at compile time,
/// begins the series anew. One that was made beyond `max_series` stays with the overflow series, also when there is room again.
pub struct Handle<'a, M> {
    pub(super) metric: &'a M,
    /// None where the handle was made within an allocator that was at the list of series: it records nothing.
    pub(super) held: Option<Held<'a>>,
}

/// An instrument: what its series are in.
pub(super) trait Instrument {
    fn family(&self) -> &Family;
}

/// What a verb acts on.
pub(super) trait Target {
    /// Records; false where it was not recorded.
    fn act(&self, verb: Verb, bits: u64) -> bool;

    /// Runs with the series; none where there is none, which is an allocator's case alone.
    fn read<T>(&self, run: impl FnOnce(&Slot) -> T) -> Option<T>;

    /// Records, and counts what was not recorded.
    #[inline(always)]
    fn update(&self, verb: Verb, bits: u64) {
        if !self.act(verb, bits) {
            reject();
        }
    }
}

/// Counts a measurement that was dropped.
#[cold]
pub(super) fn reject() {
    Counter::inc(&MEASUREMENTS_REJECTED);
}

impl<M: Instrument> Target for M {
    #[inline(always)]
    fn act(&self, verb: Verb, bits: u64) -> bool {
        self.family().act_single(verb, bits)
    }

    fn read<T>(&self, run: impl FnOnce(&Slot) -> T) -> Option<T> {
        Some(run(self.family().single()))
    }
}

impl<M: Instrument, L: Labels> Target for Series<'_, M, L> {
    #[inline(always)]
    fn act(&self, verb: Verb, bits: u64) -> bool {
        self.metric.family().act(&self.labels, verb, bits)
    }

    fn read<T>(&self, run: impl FnOnce(&Slot) -> T) -> Option<T> {
        self.metric.family().hold(&self.labels).map(|held| run(&held))
    }
}

impl<M: Instrument> Target for Handle<'_, M> {
    #[inline(always)]
    fn act(&self, verb: Verb, bits: u64) -> bool {
        self.held.as_ref().is_some_and(|held| held.act(verb, bits, &self.metric.family().bounds))
    }

    fn read<T>(&self, run: impl FnOnce(&Slot) -> T) -> Option<T> {
        self.held.as_deref().map(run)
    }
}

/// What all instruments share: construction by the macro, series by labels, reading by the collection.
///
/// `$read` tells how a slot is read. `$begin` is where it has its cells if it shows at zero as soon as it has a handle.
macro_rules! instrument {
    ($name:ident, $kind:ident, $read:expr, $begin:expr) => {
        impl<L> $name<L> {
            #[doc = "What `#[metric]` completes; alone it records, but is not declared."]
            #[allow(clippy::new_without_default)] // only a macro makes a useful one
            pub const fn new() -> Self {
                Self {
                    family: $crate::metric::family::Family::new($begin, $crate::MetricKind::$kind),
                    labels: ::std::marker::PhantomData,
                }
            }

            pub(crate) const fn with_options(mut self, options: Options) -> Self {
                let buckets = matches!($crate::MetricKind::$kind, $crate::MetricKind::Histogram);
                assert!(buckets || options.bounds.is_none(), "`bounds` belong on a `Histogram`");
                let sums = buckets || matches!($crate::MetricKind::$kind, $crate::MetricKind::Counter);
                assert!(sums || !options.exemplars, "`exemplars` belong on a `Counter`, a `FloatCounter` or a `Histogram`");
                self.family.set(options);
                self
            }
        }

        impl<L: $crate::Labels> $name<L> {
            /// The series of these labels. Each verb looks it up, and makes it where it is new.
            ///
            /// Beyond `max_series` sets of labels that are not known at compile time, it is the overflow series.
            #[inline(always)]
            pub fn with<'l>(&self, labels: L::With<'l>) -> $crate::Series<'_, Self, L::With<'l>> {
                $crate::Series { metric: self, labels, invariant: ::std::marker::PhantomData }
            }

            /// The series of these labels, made where it is new, to be kept: its verbs look nothing up.
            pub fn handle(&self, labels: L::With<'_>) -> $crate::Handle<'_, Self> {
                let held = self.family.hold(&labels);
                if let (Some(slot), Some(space)) = (held.as_deref(), self.family.space) {
                    slot.begin(space);
                }
                $crate::Handle { metric: self, held }
            }

            /// Ends a series; true where it existed, so not for labels that went to the overflow series. When its labels are used again it
            /// starts from nothing. What a [`Handle`](crate::Handle) to it then records: see there.
            ///
            /// A metric without labels cannot be removed.
            pub fn remove(&self, labels: &L::With<'_>) -> bool {
                self.family.remove(labels)
            }
        }

        #[diagnostic::do_not_recommend]
        impl $crate::metric::Unlabelled for $name {}

        impl<L: $crate::Labels> $crate::metric::series::Instrument for $name<L> {
            #[inline(always)]
            fn family(&self) -> &$crate::metric::family::Family {
                &self.family
            }
        }

        impl<L: $crate::Labels + 'static> $crate::metric::Metric for $name<L> {
            type Part = $crate::metric::Of<Self, L, { $crate::MetricKind::$kind.code() }>;
        }

        impl<L: $crate::Labels, const FIELDS: usize, const MODULE: usize>
            $crate::metric::Written<FIELDS, $crate::metric::Of<$name<L>, L, { $crate::MetricKind::$kind.code() }>, MODULE>
        {
            /// The metric with what its declaration says beside its name.
            pub const fn completed(&self, metric: $name<L>, options: Options) -> $name<L> {
                metric.with_options(options)
            }
        }

        $crate::metric::part!(<L: $crate::Labels> static $name<L>, L, $crate::MetricKind::$kind.code(), $name::new(), ());

        impl<L: $crate::Labels> $crate::metric::MetricSource for $name<L> {
            fn read(&self, reader: &$crate::metric::Reader, frame: &mut $crate::frame::Frame) {
                self.family.read::<L>(reader, frame, $read);
            }
        }
    };
}

/// The verbs of an instrument without labels, of a series that is looked up, and of a kept handle.
macro_rules! verbs {
    ($name:ident { $(
        $(#[$attr:meta])*
        pub fn $verb:ident(&$self:ident $(, $value:ident: $ty:ty)?) $(-> $told:ty)? $body:block
    )* }) => {
        impl<L: $crate::Labels> $name<L> {
            $(
                $(#[$attr])*
                pub fn $verb(&$self $(, $value: $ty)?) $(-> $told)?
                where
                    Self: $crate::metric::Unlabelled, // here, so that the compiler says its words
                $body
            )*
        }

        impl<L: $crate::Labels, K: $crate::Labels> $crate::Series<'_, $name<L>, K> {
            $(
                $(#[$attr])*
                pub fn $verb(&$self $(, $value: $ty)?) $(-> $told)? $body
            )*
        }

        impl<L: $crate::Labels> $crate::Handle<'_, $name<L>> {
            $(
                $(#[$attr])*
                pub fn $verb(&$self $(, $value: $ty)?) $(-> $told)? $body
            )*
        }
    };
}

pub(super) use {instrument, verbs};
