//! The callbacks of observable instruments: all are run in one pass on threads of their own, before the SDK asks for the first.
//!
//! The SDK calls them one after the other on the thread that collects, with a lock held that the creation of instruments takes. One
//! that hangs there holds up all metrics, one that panics ends them for good, and one that creates an instrument does both. So the SDK
//! has none of them: what it calls first in each collection is the heartbeat, which runs the pass; what it calls for each instrument
//! only replays what the pass gathered for it.
//! Invariant: what is replayed was observed in the same collection, on whatever thread that runs. Not here: deadlines (`callback`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use opentelemetry::metrics::{AsyncInstrument, Callback};
use opentelemetry::{Context, KeyValue};
use parking_lot::Mutex;

use super::measured::{Measured, Number};
use crate::callback::{self, Called, Failure, Turn};
use crate::limits::OTEL_OBSERVATIONS_MAX;
use crate::metric::MEASUREMENTS_REJECTED;

/// What failures of these callbacks are counted under.
const KIND: &str = "otel_instrument";

/// What one callback observed.
pub(super) type Observed = Vec<(Number, Vec<KeyValue>)>;

thread_local! {
    /// What the pass of the collection that runs on this thread gathered, until it is replayed.
    static GATHERED: RefCell<HashMap<u64, Observed>> = RefCell::new(HashMap::new());
    /// The instrument whose callback this thread runs.
    static OBSERVING: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// The callbacks of one provider's instruments.
#[derive(Default)]
pub(crate) struct Observables {
    callbacks: Mutex<Vec<Weak<Observable>>>,
}

/// One callback.
pub(super) struct Observable {
    id: u64,
    name: Arc<str>,
    turn: Turn,
    /// None when the provider has ended.
    callback: Mutex<Option<Arc<Observe>>>,
}

type Observe = dyn Fn(&Notes) + Send + Sync;

/// A number that no other instrument has.
pub(super) fn id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Whether this thread runs a callback of an observable instrument.
pub(super) fn is_observing() -> bool {
    OBSERVING.with_borrow(Option::is_some)
}

/// Whether this instrument may be created; it may not by a callback, whose failure that is.
pub(super) fn may_create(name: &str) -> bool {
    let observing = OBSERVING.with_borrow(Option::clone);
    if let Some(observing) = &observing {
        callback::count(KIND, observing, &Failure::CreatedInstrument(name.to_owned()));
    }
    observing.is_none()
}

impl Observables {
    /// The callbacks that the SDK is given instead of these, and what [`keep`](Self::keep) takes once it has taken them.
    pub(super) fn replays<M: Measured>(name: &str, callbacks: Vec<Callback<M>>) -> (Vec<Callback<M>>, Vec<Weak<Observable>>) {
        let wrap = |callback: Callback<M>| {
            let observe: Arc<Observe> = Arc::new(move |notes: &Notes| callback(notes));
            let (name, callback) = (Arc::from(name), Mutex::new(Some(observe)));
            let observable = Arc::new(Observable { id: id(), name, turn: Turn::default(), callback });
            let weak = Arc::downgrade(&observable);
            (replay(observable.id, observable), weak)
        };
        callbacks.into_iter().map(wrap).unzip()
    }

    /// Adds the callbacks whose replays the SDK keeps. It drops those of an instrument that it refuses or that a view drops.
    pub(super) fn keep(&self, mut observables: Vec<Weak<Observable>>) {
        observables.retain(|observable| observable.strong_count() > 0);
        self.callbacks.lock().extend(observables);
    }

    /// Runs all callbacks and keeps what they observed for this thread's replays.
    pub(crate) fn pass(&self, deadline: Duration) {
        let mut callbacks = self.callbacks.lock();
        callbacks.retain(|callback| callback.strong_count() > 0);
        let live: Vec<Arc<Observable>> = callbacks.iter().filter_map(Weak::upgrade).collect();
        drop(callbacks);
        let outcomes = callback::pass(live, deadline, Observable::run);
        let observed = outcomes.into_iter().filter_map(|(observable, observed)| Some((observable.id, observed.ok()?)));
        GATHERED.set(observed.collect());
    }

    /// Drops all callbacks, with what they hold. One that still runs is dropped when it returns.
    pub(crate) fn end(&self) {
        for observable in std::mem::take(&mut *self.callbacks.lock()).iter().filter_map(Weak::upgrade) {
            let callback = observable.callback.lock().take();
            drop(callback); // without the lock
        }
    }
}

/// Adds what stands for an instrument without a callback of its own.
pub(super) fn gather(id: u64, observed: Observed) {
    GATHERED.with_borrow_mut(|gathered| gathered.insert(id, observed));
}

/// A callback for the SDK that observes what was gathered under this id in the collection that runs; `held` lives as long as it.
pub(super) fn replay<M: Measured>(id: u64, held: impl Send + Sync + 'static) -> Callback<M> {
    Box::new(move |observer: &dyn AsyncInstrument<M>| {
        let _held = &held;
        let observed = GATHERED.with_borrow_mut(|gathered| gathered.remove(&id)).unwrap_or_default();
        for (number, attributes) in observed {
            if let Some(value) = M::of(number) {
                observer.observe(value, &attributes);
            }
        }
    })
}

impl Observable {
    fn run(&self) -> Result<Observed, String> {
        let Some(callback) = self.callback.lock().clone() else { return Ok(Observed::new()) };
        let _suppressed = Context::enter_telemetry_suppressed_scope(); // as on the thread of the SDK's reader
        let _observing = Observing::enter(&self.name);
        let notes = Notes::default();
        callback(&notes);
        Ok(notes.observed.into_inner())
    }
}

impl Called for Observable {
    fn turn(&self) -> &Turn {
        &self.turn
    }

    fn failed(&self, failure: &Failure) {
        callback::count(KIND, &self.name, failure);
    }
}

/// Marks this thread until it is dropped, by a panic too.
struct Observing;

impl Observing {
    fn enter(name: &Arc<str>) -> Self {
        OBSERVING.set(Some(Arc::clone(name)));
        Self
    }
}

impl Drop for Observing {
    fn drop(&mut self) {
        OBSERVING.set(None);
    }
}

/// Notes what a callback observes.
#[derive(Default)]
struct Notes {
    observed: Mutex<Observed>,
}

impl<M: Measured> AsyncInstrument<M> for Notes {
    fn observe(&self, measurement: M, attributes: &[KeyValue]) {
        let mut observed = self.observed.lock();
        if observed.len() < OTEL_OBSERVATIONS_MAX {
            observed.push((measurement.number(), attributes.to_vec()));
        } else {
            MEASUREMENTS_REJECTED.inc();
        }
    }
}
