//! The views of a provider: the user's, and behind them one that sets how many series an instrument may have.
//!
//! The SDK reserves memory for all series that an instrument may have when it is created. A user's view that matches takes the place
//! of ours, as the SDK would add a second stream otherwise. No user's view sees our own instruments: one that drops them would end
//! all collections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use opentelemetry_sdk::metrics::{Instrument, MeterProviderBuilder, Stream};

use crate::limits::{OTEL_SERIES_LIMIT_MAX, OTEL_SERIES_MAX};

type View = dyn Fn(&Instrument) -> Option<Stream> + Send + Sync;

/// The views of a provider to be.
pub(crate) struct Views {
    users: Vec<Arc<View>>,
    limit: usize,
}

/// While it is above zero the instruments that are created are our own, and this is their limit.
#[derive(Clone, Default)]
pub(crate) struct OwnLimit(Arc<AtomicUsize>);

impl OwnLimit {
    /// The instruments that are created from here on are our own, with at most so many series; with 0 they are the user's.
    pub(crate) fn set(&self, limit: usize) {
        self.0.store(limit, Ordering::Relaxed); // one thread builds
    }
}

impl Default for Views {
    fn default() -> Self {
        Self { users: Vec::new(), limit: OTEL_SERIES_MAX }
    }
}

impl Views {
    pub(crate) fn push(&mut self, view: impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static) {
        self.users.push(Arc::new(view));
    }

    pub(crate) fn limit(&mut self, limit: usize) {
        self.limit = limit.clamp(1, OTEL_SERIES_LIMIT_MAX);
    }

    /// Gives the views to the SDK.
    pub(crate) fn apply(self, mut provider: MeterProviderBuilder) -> (MeterProviderBuilder, OwnLimit) {
        let (own, limit) = (OwnLimit::default(), self.limit);
        for view in &self.users {
            let (view, own) = (Arc::clone(view), own.clone());
            provider = provider
                .with_view(move |instrument: &Instrument| if own.0.load(Ordering::Relaxed) > 0 { None } else { view(instrument) });
        }
        let (users, of_own) = (self.users, own.clone());
        provider = provider.with_view(move |instrument: &Instrument| {
            let own = of_own.0.load(Ordering::Relaxed);
            if own == 0 && users.iter().any(|view| view(instrument).is_some()) {
                return None;
            }
            Stream::builder().with_cardinality_limit(if own > 0 { own } else { limit }).build().ok()
        });
        (provider, own)
    }
}
