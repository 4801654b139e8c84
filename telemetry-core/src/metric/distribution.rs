//! The cell of one series of a histogram: summary and buckets under one lock.

use parking_lot::Mutex;

use super::MEASUREMENTS_REJECTED;
use super::exponential::{Buckets, Exponential};
use super::family::{Cell, Options};
use crate::value::{ExplicitValue, ExponentialValue, Summary, Value};

pub struct HistogramCell(Mutex<Option<Box<State>>>);

struct State {
    summary: Summary,
    buckets: Shape,
}

enum Shape {
    Exponential(Exponential),
    Explicit(Vec<u64>),
}

impl HistogramCell {
    pub(super) fn record(&self, value: f64, options: &Options) {
        if !value.is_finite() {
            return MEASUREMENTS_REJECTED.inc();
        }
        let mut state = self.0.lock();
        let State { summary, buckets } = &mut **state.get_or_insert_with(|| Box::new(State::new(options)));
        summary.count += 1;
        summary.sum += value;
        summary.min = Some(summary.min.map_or(value, |min| min.min(value)));
        summary.max = Some(summary.max.map_or(value, |max| max.max(value)));
        match (buckets, options.bounds) {
            (Shape::Exponential(buckets), _) => buckets.record(value),
            (Shape::Explicit(counts), bounds) => {
                let bucket_idx = bounds.unwrap_or_default().partition_point(|bound| *bound < value);
                counts[bucket_idx] += 1;
            }
        }
    }
}

impl State {
    fn new(options: &Options) -> Self {
        let buckets = match options.bounds {
            None => Shape::Exponential(Exponential::new()),
            Some(bounds) => Shape::Explicit(vec![0; bounds.len() + 1]),
        };
        Self { summary: Summary { count: 0, sum: 0.0, min: None, max: None }, buckets }
    }
}

impl Cell for HistogramCell {
    const NEW: Self = Self(Mutex::new(None));

    fn value(&self, options: &Options) -> Option<Value> {
        let side = |buckets: Buckets| (buckets.offset, buckets.counts);
        let state = self.0.lock();
        let State { summary, buckets } = &**state.as_ref()?;
        Some(match buckets {
            Shape::Exponential(buckets) => {
                let Exponential { scale, zero_count, positive, negative } = buckets.clone();
                let (positive, negative) = (side(positive), side(negative));
                Value::Exponential(Box::new(ExponentialValue { summary: *summary, scale, zero_count, positive, negative }))
            }
            Shape::Explicit(counts) => Value::Explicit(Box::new(ExplicitValue {
                summary: *summary,
                bounds: options.bounds.unwrap_or_default(),
                counts: counts.clone(),
            })),
        })
    }

    fn reset(&self) {
        *self.0.lock() = None;
    }
}
