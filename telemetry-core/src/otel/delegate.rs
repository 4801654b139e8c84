//! Instruments that are made before there is a provider, and move to the newest one.
//!
//! Until there is the first, an instrument keeps what is recorded, and gives it to the one that is made for it then. From there on a
//! record is one load and the forwarding; behind a second provider, a read lock more.
//! Invariant: a measurement is kept or forwarded, never both: the backlog is emptied under its lock before the first instrument is seen.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use opentelemetry::metrics::{
    AsyncInstrument, Callback, Counter, Gauge, Histogram, Meter, MeterProvider, SyncInstrument, UpDownCounter,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use parking_lot::{Mutex, RwLock};

use super::measured::Measured;
use crate::limits::OTEL_BACKLOG_MAX;
use crate::metric::MEASUREMENTS_REJECTED;

/// What makes meters.
pub(super) type Meters = dyn MeterProvider + Send + Sync;

/// The text of a builder, or of a part of one.
pub(super) type Text = std::borrow::Cow<'static, str>;

/// What an instrument was asked to be. Two that were asked the same are one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    /// The method of the meter.
    pub(super) method: &'static str,
    pub(super) scope: InstrumentationScope,
    pub(super) name: Text,
    pub(super) description: Option<Text>,
    pub(super) unit: Option<Text>,
    /// The bits of the boundaries.
    pub(super) boundaries: Option<Vec<u64>>,
}

/// An instrument that moves.
pub(super) trait Moves: Send + Sync {
    /// Moves to the provider of this generation, unless it is at that of a later one; to none, where there is none.
    fn move_to(&self, provider: Option<&Meters>, generation: u64);
}

/// An instrument that a measurement is recorded with.
pub(super) trait Records<M>: Send + Sync + 'static {
    /// How measurements are kept until there is a provider.
    const KEPT: Kept;
    fn record_one(&self, value: M, attributes: &[KeyValue]);
}

/// How measurements are kept.
pub(super) enum Kept {
    /// The sum of each set of attributes.
    Sum,
    /// The last of each set of attributes.
    Last,
    /// Each of them.
    All,
}

macro_rules! records {
    ($($instrument:ident, $verb:ident, $kept:ident: $($number:ty),*;)*) => {
        $($(impl Records<$number> for $instrument<$number> {
            const KEPT: Kept = Kept::$kept;

            fn record_one(&self, value: $number, attributes: &[KeyValue]) {
                self.$verb(value, attributes);
            }
        })*)*
    };
}

records! {
    Counter, add, Sum: u64, f64;
    UpDownCounter, add, Sum: i64, f64;
    Gauge, record, Last: u64, i64, f64;
    Histogram, record, All: u64, f64;
}

/// No provider yet: measurements are kept.
const WAITING: u8 = 0;
/// At the first provider.
const FIRST: u8 = 1;
/// At a later one, or at none any more.
const LATER: u8 = 2;

/// An instrument that is recorded with, and moves.
pub(super) struct Recording<I, M> {
    origin: Origin,
    make: fn(&Meter, &Origin) -> I,
    state: AtomicU8,
    first: OnceLock<I>,
    later: RwLock<Option<I>>,
    /// Held while it moves.
    generation: Mutex<u64>,
    backlog: Mutex<Backlog<M>>,
}

#[derive(Default)]
struct Backlog<M> {
    by_attributes: HashMap<Vec<KeyValue>, M>,
    all: Vec<(Vec<KeyValue>, M)>,
}

impl<I, M> Recording<I, M> {
    pub(super) fn new(origin: Origin, make: fn(&Meter, &Origin) -> I) -> Self {
        let backlog = Backlog { by_attributes: HashMap::new(), all: Vec::new() };
        Self {
            origin,
            make,
            state: AtomicU8::new(WAITING),
            first: OnceLock::new(),
            later: RwLock::new(None),
            generation: Mutex::new(0),
            backlog: Mutex::new(backlog),
        }
    }
}

impl<I: Records<M>, M: Measured> SyncInstrument<M> for Recording<I, M> {
    fn measure(&self, value: M, attributes: &[KeyValue]) {
        match self.state.load(Ordering::Acquire) {
            FIRST => {
                if let Some(first) = self.first.get() {
                    first.record_one(value, attributes);
                }
            }
            WAITING => {
                let mut backlog = self.backlog.lock();
                if self.state.load(Ordering::Acquire) == WAITING {
                    return backlog.keep(I::KEPT, value, attributes);
                }
                drop(backlog);
                self.measure(value, attributes);
            }
            _ => {
                if let Some(later) = &*self.later.read() {
                    later.record_one(value, attributes);
                }
            }
        }
    }
}

impl<M: Measured> Backlog<M> {
    fn keep(&mut self, kept: Kept, value: M, attributes: &[KeyValue]) {
        let fits = self.by_attributes.len() + self.all.len() < OTEL_BACKLOG_MAX;
        if !value.is_finite() {
            return MEASUREMENTS_REJECTED.inc(); // the SDK drops it too
        }
        match (kept, self.by_attributes.get_mut(attributes)) {
            (Kept::Sum, Some(sum)) => *sum = sum.plus(value),
            (Kept::Last, Some(last)) => *last = value,
            _ if !fits => MEASUREMENTS_REJECTED.inc(),
            (Kept::All, _) => self.all.push((attributes.to_vec(), value)),
            (Kept::Sum | Kept::Last, None) => {
                self.by_attributes.insert(attributes.to_vec(), value);
            }
        }
    }

    fn replay(&mut self, instrument: &impl Records<M>) {
        for (attributes, value) in std::mem::take(&mut self.by_attributes).into_iter().chain(std::mem::take(&mut self.all)) {
            instrument.record_one(value, &attributes);
        }
    }
}

impl<I: Records<M>, M: Measured> Moves for Recording<I, M> {
    fn move_to(&self, provider: Option<&Meters>, generation: u64) {
        let mut at = self.generation.lock();
        if generation <= *at {
            return;
        }
        *at = generation;
        let made = provider.map(|provider| (self.make)(&provider.meter_with_scope(self.origin.scope.clone()), &self.origin));
        let mut backlog = self.backlog.lock();
        if self.state.load(Ordering::Acquire) == WAITING {
            let Some(made) = made else { return };
            backlog.replay(&made);
            let _empty_until_now = self.first.set(made);
            return self.state.store(FIRST, Ordering::Release);
        }
        let _before = std::mem::replace(&mut *self.later.write(), made);
        self.state.store(LATER, Ordering::Release);
    }
}

/// An observable instrument that moves: the callbacks are kept here, and the provider's lead to them while it is the newest.
pub(super) struct Observed<M> {
    origin: Origin,
    make: fn(&Meter, &Origin, Vec<Callback<M>>),
    callbacks: Arc<Vec<Callback<M>>>,
    /// Of the provider whose callbacks lead here.
    newest: Arc<AtomicU64>,
    /// Held while it moves.
    generation: Mutex<u64>,
}

impl<M> Observed<M> {
    pub(super) fn new(origin: Origin, make: fn(&Meter, &Origin, Vec<Callback<M>>), callbacks: Vec<Callback<M>>) -> Self {
        let (callbacks, newest, generation) = (Arc::new(callbacks), Arc::default(), Mutex::new(0));
        Self { origin, make, callbacks, newest, generation }
    }
}

impl<M: Measured> Moves for Observed<M> {
    fn move_to(&self, provider: Option<&Meters>, generation: u64) {
        let mut at = self.generation.lock();
        if generation <= *at {
            return;
        }
        *at = generation;
        self.newest.store(generation, Ordering::Release);
        let Some(provider) = provider else { return };
        let lead = |index: usize| {
            let (callbacks, newest) = (Arc::clone(&self.callbacks), Arc::clone(&self.newest));
            let lead = move |observer: &dyn AsyncInstrument<M>| {
                if newest.load(Ordering::Acquire) == generation
                    && let Some(callback) = callbacks.get(index)
                {
                    callback(observer);
                }
            };
            Box::new(lead) as Callback<M>
        };
        let leads = (0..self.callbacks.len()).map(lead).collect();
        (self.make)(&provider.meter_with_scope(self.origin.scope.clone()), &self.origin, leads);
    }
}
