//! What Prometheus scrapes of a `ResourceMetrics`, by OpenTelemetry's "Prometheus and OpenMetrics Compatibility".
//!
//! ```
//! use telemetry_exporter::prometheus::{Exposition, Format, expose};
//!
//! let wanted = Exposition::accepted(["application/openmetrics-text; version=1.0.0; q=0.8, text/plain; version=0.0.4; q=0.5"]);
//! assert_eq!(wanted.format, Format::OpenMetrics100);
//! assert_eq!(expose(&Default::default(), wanted), b"# EOF\n");
//! ```
//!
//! Sums that only grow are counters, other sums are gauges; each series carries its scope. Exponential histograms are native in protobuf
//! and classic buckets at the upper bounds of theirs in text. Not here: the names (`telemetry_core::prometheus`), who asks
//! (`service::http`).

// In reading order: each imports from those above it only.
mod negotiate;
mod number;
mod name;
mod labels;
mod families;
mod exemplar;
mod exponential;
mod classic;
mod lines;
mod text;
mod openmetrics;
mod protobuf;

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;

use families::Families;
pub(crate) use negotiate::accepts_gzip;
pub use negotiate::{Escaping, Exposition, Format};

/// Text 0.0.4 of all metrics, sorted by name, with names in ASCII.
///
/// Cost: linear in the series, and one sort of the names. What Prometheus cannot say beside another is left out, and counted in
/// `telemetry_prometheus_series_omitted`.
pub fn text(metrics: &ResourceMetrics) -> String {
    text::write(&Families::of(metrics, Escaping::Underscores))
}

/// All metrics as this reader wants them. Costs and omits as [`text`] does.
pub fn expose(metrics: &ResourceMetrics, wanted: Exposition) -> Vec<u8> {
    let families = Families::of(metrics, wanted.escaping);
    match wanted.format {
        Format::Text004 | Format::Text100 => text::write(&families).into_bytes(),
        Format::OpenMetrics001 | Format::OpenMetrics100 => openmetrics::write(&families).into_bytes(),
        Format::Protobuf => protobuf::write(&families),
    }
}
