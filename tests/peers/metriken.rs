//! metriken: statics of plain atomics, and groups that are sharded by thread.
//!
//! No labels of text: the counters of a group are found by their index. No histogram of `f64`.

use crate::harness::Case;
use crate::inputs::{self, Method};
use metriken::{AtomicCounterHistogram, Counter, CounterGroup, Gauge, ShardedCounterGroup, ShardedCounterHistogram, metric};

#[metric]
static COUNTER: Counter = Counter::new();
#[metric]
static LABELLED: CounterGroup = CounterGroup::new(8);
#[metric]
static HISTOGRAM: AtomicCounterHistogram = AtomicCounterHistogram::new(7, 64);
#[metric]
static GAUGE: Gauge = Gauge::new();

#[metric]
static SHARDED_COUNTER: ShardedCounterGroup = ShardedCounterGroup::new(1);
#[metric]
static SHARDED_LABELLED: ShardedCounterGroup = ShardedCounterGroup::new(8);
#[metric]
static SHARDED_HISTOGRAM: ShardedCounterHistogram = ShardedCounterHistogram::new(7, 64);

pub fn cases() -> Vec<Case> {
    let enum_labels = inputs::enum_labels();
    let nanoseconds = inputs::nanoseconds();
    vec![
        Case::new("metriken", "counter", || {
            COUNTER.increment();
        }),
        Case::fed("metriken", "enum-labels", &enum_labels, |labels| {
            LABELLED.increment(index(labels));
        }),
        Case::fed("metriken", "histogram-u64", &nanoseconds, |value| {
            HISTOGRAM.increment(value).expect("a bucket for every number");
        }),
        Case::new("metriken", "gauge", || {
            GAUGE.set(42);
        }),
        Case::new("metriken-sharded", "counter", || {
            SHARDED_COUNTER.increment(0);
        }),
        Case::fed("metriken-sharded", "enum-labels", &enum_labels, |labels| {
            SHARDED_LABELLED.increment(index(labels));
        }),
        Case::fed("metriken-sharded", "histogram-u64", &nanoseconds, |value| {
            SHARDED_HISTOGRAM.increment(value).expect("a bucket for every number");
        }),
    ]
}

fn index((method, cached): (Method, bool)) -> usize {
    method as usize * 2 + usize::from(cached)
}
