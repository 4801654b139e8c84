//! A meter whose callbacks cannot end the SDK's reader thread: a panic in one is caught and counted, and the others go on.
//!
//! The SDK calls the callbacks of observable instruments on the thread that collects; a panic there would stop all metrics for good.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use opentelemetry::metrics::{
    AsyncInstrument, AsyncInstrumentBuilder, Callback, Counter, Gauge, Histogram, HistogramBuilder, InstrumentBuilder,
    InstrumentProvider, Meter, ObservableCounter, ObservableGauge, ObservableUpDownCounter, UpDownCounter,
};

use crate::callback::{self, Failure};

/// The same meter, with every callback guarded.
pub fn guarded_meter(meter: Meter) -> Meter {
    Meter::new(Arc::new(Guarded { meter }))
}

struct Guarded {
    meter: Meter,
}

fn guarded<M: 'static>(name: &str, callbacks: Vec<Callback<M>>) -> Vec<Callback<M>> {
    let guard = |callback: Callback<M>| {
        let name = name.to_owned();
        let guarded = move |observer: &dyn AsyncInstrument<M>| {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| callback(observer))) {
                let failure = Failure::Panicked(callback::panic_message(&*payload));
                callback::count("otel_instrument", &name, &failure);
            }
        };
        Box::new(guarded) as Callback<M>
    };
    callbacks.into_iter().map(guard).collect()
}

/// Passes a builder on to the inner meter, with what it was given.
macro_rules! pass_on {
    ($($method:ident: $instrument:ty;)*) => {
        $(fn $method(&self, builder: InstrumentBuilder<'_, $instrument>) -> $instrument {
            let mut inner = self.meter.$method(builder.name);
            inner.description = builder.description;
            inner.unit = builder.unit;
            inner.build()
        })*
    };
    (histogram $($method:ident: $number:ty;)*) => {
        $(fn $method(&self, builder: HistogramBuilder<'_, Histogram<$number>>) -> Histogram<$number> {
            let mut inner = self.meter.$method(builder.name);
            inner.description = builder.description;
            inner.unit = builder.unit;
            inner.boundaries = builder.boundaries;
            inner.build()
        })*
    };
    (observable $($method:ident: $instrument:ident<$number:ty>;)*) => {
        $(fn $method(&self, builder: AsyncInstrumentBuilder<'_, $instrument<$number>, $number>) -> $instrument<$number> {
            let callbacks = guarded(&builder.name, builder.callbacks);
            let mut inner = self.meter.$method(builder.name);
            inner.description = builder.description;
            inner.unit = builder.unit;
            inner.callbacks = callbacks;
            inner.build()
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
