//! What Prometheus shows of a record that is a metric's.

use telemetry_core::MetricKind;
use telemetry_core::prometheus;

use super::Record;

/// The instrument; none where the record is of something else.
pub fn kind(record: &Record) -> Option<MetricKind> {
    let kinds = [MetricKind::Counter, MetricKind::UpDownCounter, MetricKind::Gauge, MetricKind::Histogram];
    kinds.into_iter().find(|kind| kind.as_str() == record.kind)
}

/// The name in `/metrics`.
pub fn shown_name(record: &Record) -> Option<String> {
    kind(record).map(|kind| prometheus::metric_name(&record.name, &record.unit, kind))
}

/// All names that it occupies there.
pub fn series_names(record: &Record) -> Vec<String> {
    kind(record).map_or_else(Vec::new, |kind| prometheus::series_names(&record.name, &record.unit, kind))
}
