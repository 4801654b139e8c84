//! Deltas of cumulative messages: each point of a counter or a histogram becomes what came since the point of its series before.
//!
//! Invariant: the sum of all deltas that were delivered is the last cumulative value that was. The series move on only when a request
//! is taken: what was refused, and what fell out of the stream, is in the next delta. A series that begins anew, by its start time or
//! by a value that fell, gives the whole of its new value.
//!
//! Up-down counters and gauges stay as they are, as OpenTelemetry's preference for deltas has it. The smallest and the largest value
//! of a histogram are left out: those of an interval are not known.

mod exponential;
mod point;

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, DataPointFlags, Metric, ResourceMetrics, ScopeMetrics, metric,
};
use prost::Message;

use self::point::{Last, Point};
use crate::limits::{PUSH_SERIES_MAX, WINDOW};

/// What identifies a series: its scope, its metric and its attributes, encoded.
type Key = Vec<u8>;

/// The series as they were when a request was taken last.
pub struct Deltas {
    series: HashMap<Key, Last>,
    series_max: usize,
}

/// The series as they are when the request in the making is taken.
#[derive(Default)]
pub struct Draft {
    /// None where a series has ended.
    series: HashMap<Key, Option<Last>>,
    added: usize,
    points_dropped: u64,
}

impl Default for Deltas {
    fn default() -> Self {
        Self { series: HashMap::new(), series_max: PUSH_SERIES_MAX }
    }
}

impl Draft {
    /// Points that were left out, since there was no room for their series.
    pub fn points_dropped(&self) -> u64 {
        self.points_dropped
    }
}

impl Deltas {
    /// The next message with what came since those of the draft, or since what was taken last.
    pub fn make(&self, mut metrics: ResourceMetrics, draft: &mut Draft) -> ResourceMetrics {
        for scope in &mut metrics.scope_metrics {
            let prefix = scope_key(scope);
            for metric in &mut scope.metrics {
                self.metric(&prefix, metric, draft);
            }
            scope.metrics.retain(|metric| !is_empty(metric));
        }
        metrics.scope_metrics.retain(|scope| !scope.metrics.is_empty());
        metrics
    }

    /// The request was taken: its draft is what the series are.
    pub fn commit(&mut self, draft: Draft) {
        for (key, last) in draft.series {
            match last {
                Some(last) => self.series.insert(key, last),
                None => self.series.remove(&key),
            };
        }
        if self.series.len() >= self.series_max {
            // Only when there is need: a series that is forgotten and comes back would count its past twice.
            let newest_ns = self.series.values().map(Last::time_ns).max().unwrap_or_default();
            let oldest_ns = newest_ns.saturating_sub(Duration::as_nanos(&WINDOW) as u64);
            self.series.retain(|_, last| last.time_ns() >= oldest_ns);
        }
    }

    fn metric(&self, scope: &[u8], metric: &mut Metric, draft: &mut Draft) {
        let (cumulative, delta) = (AggregationTemporality::Cumulative as i32, AggregationTemporality::Delta as i32);
        let key = |kind: u8| {
            let mut key = scope.to_vec();
            for text in [&metric.name, &metric.unit, &metric.description] {
                key.extend_from_slice(&(text.len() as u32).to_be_bytes());
                key.extend_from_slice(text.as_bytes());
            }
            key.push(kind);
            key
        };
        let keys = [key(0), key(1), key(2)];
        match &mut metric.data {
            Some(metric::Data::Sum(data)) if data.is_monotonic && data.aggregation_temporality == cumulative => {
                self.points(&keys[0], &mut data.data_points, draft);
                data.aggregation_temporality = delta;
            }
            Some(metric::Data::Histogram(data)) if data.aggregation_temporality == cumulative => {
                self.points(&keys[1], &mut data.data_points, draft);
                data.aggregation_temporality = delta;
            }
            Some(metric::Data::ExponentialHistogram(data)) if data.aggregation_temporality == cumulative => {
                self.points(&keys[2], &mut data.data_points, draft);
                data.aggregation_temporality = delta;
            }
            _ => {}
        }
    }

    fn points<P: Point>(&self, metric: &[u8], points: &mut Vec<P>, draft: &mut Draft) {
        points.retain_mut(|point| {
            let key = series_key(metric, point);
            let known = draft.series.get(&key).map_or_else(|| self.series.get(&key), Option::as_ref);
            if point.flags() & DataPointFlags::NoRecordedValueMask as u32 != 0 {
                if known.is_some() {
                    draft.series.insert(key, None);
                }
                return true;
            }
            let last = point.last();
            match known.and_then(P::of_last) {
                Some(before) => point.since(before),
                None if self.series.len() + draft.added >= self.series_max => {
                    draft.points_dropped += 1;
                    return false;
                }
                None => {
                    draft.added += 1;
                    point.whole();
                }
            }
            draft.series.insert(key, Some(last));
            true
        });
    }
}

fn is_empty(metric: &Metric) -> bool {
    match &metric.data {
        Some(metric::Data::Sum(data)) => data.data_points.is_empty(),
        Some(metric::Data::Gauge(data)) => data.data_points.is_empty(),
        Some(metric::Data::Histogram(data)) => data.data_points.is_empty(),
        Some(metric::Data::ExponentialHistogram(data)) => data.data_points.is_empty(),
        Some(metric::Data::Summary(data)) => data.data_points.is_empty(),
        None => true,
    }
}

fn scope_key(scope: &ScopeMetrics) -> Key {
    let mut key = scope.scope.as_ref().map(Message::encode_length_delimited_to_vec).unwrap_or_default();
    key.extend_from_slice(&(scope.schema_url.len() as u32).to_be_bytes());
    key.extend_from_slice(scope.schema_url.as_bytes());
    key
}

/// Attributes are the same in any order.
fn series_key(metric: &[u8], point: &impl Point) -> Key {
    let mut attributes: Vec<Vec<u8>> = point.attributes().iter().map(Message::encode_length_delimited_to_vec).collect();
    attributes.sort_unstable();
    let mut key = Vec::with_capacity(metric.len() + attributes.iter().map(Vec::len).sum::<usize>());
    key.extend_from_slice(metric);
    attributes.iter().for_each(|attribute| key.extend_from_slice(attribute));
    key
}

#[cfg(test)]
mod tests;
