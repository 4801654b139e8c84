//! A meter whose observable instruments cannot hold up, end or lock the SDK's reader: their callbacks run in the pass of [`observe`].
//!
//! The SDK collects with a lock held that creating an instrument takes. So a callback that creates one is refused: what it gets does
//! nothing, and the failure is counted. Another thread's creation waits for the callbacks, which the deadline ends.
//!
//! [`observe`]: super::observe

use std::sync::Arc;

use opentelemetry::metrics::{
    AsyncInstrumentBuilder, Counter, Gauge, Histogram, HistogramBuilder, InstrumentBuilder, InstrumentProvider, Meter,
    ObservableCounter, ObservableGauge, ObservableUpDownCounter, UpDownCounter,
};

use super::observe::{Observables, may_create};

/// The same meter, with every callback guarded.
pub(crate) fn guarded_meter(meter: Meter, observables: &Arc<Observables>) -> Meter {
    Meter::new(Arc::new(Guarded { meter, observables: Arc::clone(observables) }))
}

struct Guarded {
    meter: Meter,
    observables: Arc<Observables>,
}

/// Makes instruments that do nothing.
pub(super) struct Nothing;

impl InstrumentProvider for Nothing {}

/// Passes a builder on to the inner meter, with what it was given.
macro_rules! pass_on {
    ($($method:ident: $instrument:ty;)*) => {
        $(fn $method(&self, builder: InstrumentBuilder<'_, $instrument>) -> $instrument {
            if !may_create(&builder.name) {
                return Nothing.$method(builder);
            }
            let mut inner = self.meter.$method(builder.name);
            inner.description = builder.description;
            inner.unit = builder.unit;
            inner.build()
        })*
    };
    (histogram $($method:ident: $number:ty;)*) => {
        $(fn $method(&self, builder: HistogramBuilder<'_, Histogram<$number>>) -> Histogram<$number> {
            if !may_create(&builder.name) {
                return Nothing.$method(builder);
            }
            let mut inner = self.meter.$method(builder.name);
            inner.description = builder.description;
            inner.unit = builder.unit;
            inner.boundaries = builder.boundaries;
            inner.build()
        })*
    };
    (observable $($method:ident: $instrument:ident<$number:ty>;)*) => {
        $(fn $method(&self, builder: AsyncInstrumentBuilder<'_, $instrument<$number>, $number>) -> $instrument<$number> {
            if !may_create(&builder.name) {
                return Nothing.$method(builder);
            }
            let (replays, observables) = Observables::replays(&builder.name, builder.callbacks);
            let mut inner = self.meter.$method(builder.name);
            inner.description = builder.description;
            inner.unit = builder.unit;
            inner.callbacks = replays;
            let instrument = inner.build();
            self.observables.keep(observables);
            instrument
        })*
    };
}

impl InstrumentProvider for Guarded {
    pass_on! {
        u64_counter: Counter<u64>;
        f64_counter: Counter<f64>;
        i64_up_down_counter: UpDownCounter<i64>;
        f64_up_down_counter: UpDownCounter<f64>;
        u64_gauge: Gauge<u64>;
        i64_gauge: Gauge<i64>;
        f64_gauge: Gauge<f64>;
    }
    pass_on! { histogram
        u64_histogram: u64;
        f64_histogram: f64;
    }
    pass_on! { observable
        u64_observable_counter: ObservableCounter<u64>;
        f64_observable_counter: ObservableCounter<f64>;
        i64_observable_up_down_counter: ObservableUpDownCounter<i64>;
        f64_observable_up_down_counter: ObservableUpDownCounter<f64>;
        u64_observable_gauge: ObservableGauge<u64>;
        i64_observable_gauge: ObservableGauge<i64>;
        f64_observable_gauge: ObservableGauge<f64>;
    }
}
