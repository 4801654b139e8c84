//! The global provider: what code that uses `opentelemetry::global` records is exported by the newest `Telemetry`, whenever it was made.
//!
//! OpenTelemetry's own global provider gives instruments that do nothing until one is set, and those stay so for ever. This one is set
//! once, and its instruments move to the `Telemetry` that was made global last.
//! Invariant: it keeps no `Telemetry` alive, and no lock of its own is held while one makes an instrument.

use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Weak};

use opentelemetry::metrics::{
    AsyncInstrumentBuilder, Callback, Counter, Gauge, Histogram, HistogramBuilder, InstrumentBuilder, InstrumentProvider, Meter,
    MeterProvider, ObservableCounter, ObservableGauge, ObservableUpDownCounter, SyncInstrument, UpDownCounter,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use parking_lot::Mutex;

use super::delegate::{Meters, Moves, Observed, Origin, Recording, Records};
use super::exemplars::follow_spans;
use super::measured::Measured;
use super::observe::is_observing;
use crate::callback;
use crate::limits::OTEL_GLOBAL_INSTRUMENTS_MAX;
use crate::metric::MEASUREMENTS_REJECTED;

/// Makes [`Global`] OpenTelemetry's global provider. Call it first in `main`.
///
/// Instruments that any code makes through `opentelemetry::global` after this count from the moment they are made: what they record
/// before a [`Telemetry`](crate::Telemetry) is global is kept, up to [`OTEL_BACKLOG_MAX`](crate::limits::OTEL_BACKLOG_MAX). Those that
/// were made before this do nothing, which is OpenTelemetry's own. A provider that was set before is replaced. Metrics with `exemplars`
/// ask OpenTelemetry's context for a span from the first collection after this, or after the first `Telemetry` is built.
///
/// ```
/// use std::sync::LazyLock;
///
/// static CALLS: LazyLock<opentelemetry::metrics::Counter<u64>> =
///     LazyLock::new(|| opentelemetry::global::meter("anybody").u64_counter("calls").build());
///
/// telemetry_core::otel::install();
/// CALLS.add(1, &[]); // kept
/// let telemetry = telemetry_core::Telemetry::builder().global().build()?; // there it goes
/// # Ok::<(), telemetry_core::DeclareError>(())
/// ```
pub fn install() {
    follow_spans();
    opentelemetry::global::set_meter_provider(Global);
}

/// The provider whose instruments move to the [`Telemetry`](crate::Telemetry) that was made global last.
///
/// Until there is one they keep what is recorded. When theirs is stopped they do nothing, until the next is made global. Two instruments
/// that were asked to be the same are one, which stays for the length of the program, and so do callbacks. A callback may create
/// instruments here: they count at once, and are exported from the next collection on. Cost of a record: a load, beside what the SDK
/// takes; once they have moved a second time a read lock more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Global;

static STATE: LazyLock<Mutex<State>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct State {
    /// The newest provider. A later one, or the end of one, has a higher generation.
    provider: Option<Weak<Meters>>,
    generation: u64,
    recording: HashMap<Origin, Arc<dyn Any + Send + Sync>>,
    /// All instruments, in the order of their creation.
    all: Vec<Arc<dyn Moves>>,
}

/// Moves all instruments to this provider.
pub(crate) fn set(provider: Weak<Meters>) {
    install();
    let mut state = STATE.lock();
    state.provider = Some(provider);
    state.generation += 1;
    drop(state);
    if is_observing() { move_all_aside() } else { move_all() }
}

/// Moves all instruments away from this provider, if they are there.
pub(crate) fn unset(provider: *const ()) {
    let mut state = STATE.lock();
    if state.provider.as_ref().is_none_or(|newest| newest.as_ptr().cast::<()>() != provider) {
        return;
    }
    state.provider = None;
    state.generation += 1;
    drop(state);
    move_all();
}

/// Moves all instruments to the newest provider, in the order of their creation.
fn move_all() {
    let state = STATE.lock();
    let (provider, generation, all) = (state.provider.clone(), state.generation, state.all.clone());
    drop(state);
    let provider = provider.and_then(|provider| provider.upgrade());
    for instrument in all {
        instrument.move_to(provider.as_deref(), generation);
    }
}

/// Moves a new instrument to where the others are.
fn arrive(instrument: Arc<dyn Moves>) {
    let state = STATE.lock();
    let (provider, generation) = (state.provider.clone(), state.generation);
    drop(state);
    let Some(provider) = provider.and_then(|provider| provider.upgrade()) else { return };
    if is_observing() {
        drop(provider);
        return move_all_aside();
    }
    instrument.move_to(Some(&*provider), generation);
}

/// Moves all instruments on another thread, for a callback: the collection that waits for it holds the lock that making them takes.
fn move_all_aside() {
    /// Whether a thread is on its way.
    static ASIDE: AtomicBool = AtomicBool::new(false);
    if !ASIDE.swap(true, Ordering::AcqRel) {
        let started = callback::aside(|| {
            ASIDE.store(false, Ordering::Release); // what is made from here on has a thread of its own
            move_all();
        });
        ASIDE.fetch_and(started, Ordering::AcqRel); // without a thread the next one tries again
    }
}

/// The instrument of this origin; none beyond the limit.
fn recording<I: Records<M>, M: Measured>(
    origin: Origin,
    make: fn(&Meter, &Origin) -> I,
) -> Arc<dyn SyncInstrument<M> + Send + Sync> {
    let mut state = STATE.lock();
    if let Some(same) = state.recording.get(&origin).and_then(|same| Arc::clone(same).downcast::<Recording<I, M>>().ok()) {
        return same;
    }
    if state.all.len() >= OTEL_GLOBAL_INSTRUMENTS_MAX {
        return Arc::new(Rejecting);
    }
    let made = Arc::new(Recording::new(origin.clone(), make));
    state.recording.insert(origin, made.clone());
    state.all.push(made.clone());
    drop(state);
    arrive(made.clone());
    made
}

fn observed<M: Measured>(origin: Origin, make: fn(&Meter, &Origin, Vec<Callback<M>>), callbacks: Vec<Callback<M>>) {
    let made = Arc::new(Observed::new(origin, make, callbacks));
    let mut state = STATE.lock();
    if state.all.len() >= OTEL_GLOBAL_INSTRUMENTS_MAX {
        return MEASUREMENTS_REJECTED.inc();
    }
    state.all.push(made.clone());
    drop(state);
    arrive(made);
}

/// An instrument beyond the limit.
struct Rejecting;

impl<M> SyncInstrument<M> for Rejecting {
    fn measure(&self, _: M, _: &[KeyValue]) {
        MEASUREMENTS_REJECTED.inc();
    }
}

impl MeterProvider for Global {
    fn meter_with_scope(&self, scope: InstrumentationScope) -> Meter {
        Meter::new(Arc::new(Moving { scope }))
    }
}

struct Moving {
    scope: InstrumentationScope,
}

macro_rules! moving {
    ($($method:ident: $instrument:ident<$number:ty>;)*) => {
        $(fn $method(&self, builder: InstrumentBuilder<'_, $instrument<$number>>) -> $instrument<$number> {
            let (name, description, unit) = (builder.name, builder.description, builder.unit);
            let origin = Origin { method: stringify!($method), scope: self.scope.clone(), name, description, unit, boundaries: None };
            $instrument::new(recording::<$instrument<$number>, $number>(origin, |meter, origin| {
                let mut builder = meter.$method(origin.name.clone());
                (builder.description, builder.unit) = (origin.description.clone(), origin.unit.clone());
                builder.build()
            }))
        })*
    };
    (histogram $($method:ident: $number:ty;)*) => {
        $(fn $method(&self, builder: HistogramBuilder<'_, Histogram<$number>>) -> Histogram<$number> {
            let (name, description, unit) = (builder.name, builder.description, builder.unit);
            let boundaries = builder.boundaries.map(|bounds| bounds.into_iter().map(f64::to_bits).collect());
            let origin = Origin { method: stringify!($method), scope: self.scope.clone(), name, description, unit, boundaries };
            Histogram::new(recording::<Histogram<$number>, $number>(origin, |meter, origin| {
                let mut builder = meter.$method(origin.name.clone());
                (builder.description, builder.unit) = (origin.description.clone(), origin.unit.clone());
                builder.boundaries = origin.boundaries.as_ref().map(|bits| bits.iter().map(|bits| f64::from_bits(*bits)).collect());
                builder.build()
            }))
        })*
    };
    (observable $($method:ident: $instrument:ident<$number:ty>;)*) => {
        $(fn $method(&self, builder: AsyncInstrumentBuilder<'_, $instrument<$number>, $number>) -> $instrument<$number> {
            let (name, description, unit) = (builder.name, builder.description, builder.unit);
            let origin = Origin { method: stringify!($method), scope: self.scope.clone(), name, description, unit, boundaries: None };
            let make = |meter: &Meter, origin: &Origin, callbacks| {
                let mut builder = meter.$method(origin.name.clone());
                (builder.description, builder.unit) = (origin.description.clone(), origin.unit.clone());
                builder.callbacks = callbacks;
                let _it_lives_with_the_provider = builder.build();
            };
            observed::<$number>(origin, make, builder.callbacks);
            $instrument::new()
        })*
    };
}

impl InstrumentProvider for Moving {
    moving! {
        u64_counter: Counter<u64>;
        f64_counter: Counter<f64>;
        i64_up_down_counter: UpDownCounter<i64>;
        f64_up_down_counter: UpDownCounter<f64>;
        u64_gauge: Gauge<u64>;
        i64_gauge: Gauge<i64>;
        f64_gauge: Gauge<f64>;
    }
    moving! { histogram
        u64_histogram: u64;
        f64_histogram: f64;
    }
    moving! { observable
        u64_observable_counter: ObservableCounter<u64>;
        f64_observable_counter: ObservableCounter<f64>;
        i64_observable_up_down_counter: ObservableUpDownCounter<i64>;
        f64_observable_up_down_counter: ObservableUpDownCounter<f64>;
        u64_observable_gauge: ObservableGauge<u64>;
        i64_observable_gauge: ObservableGauge<i64>;
        f64_observable_gauge: ObservableGauge<f64>;
    }
}
