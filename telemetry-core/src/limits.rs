//! Every bound of this crate, with its unit, its reason and what happens when it bites.

use std::time::Duration;

/// Bytes of a name. OpenTelemetry's limit; a longer one does not compile.
pub const NAME_BYTES_MAX: usize = 255;

/// Bytes of a unit. OpenTelemetry's limit; a longer one does not compile.
pub const UNIT_BYTES_MAX: usize = 63;

/// Series of one metric whose label values are not known at compile time, unless `max_series = N` says otherwise.
///
/// Beyond it observations go to one series with the label `otel.metric.overflow = true`.
pub const SERIES_MAX: usize = 2_000;

/// Series of one metric that are kept as a dense block, where the set of label values is known at compile time.
///
/// A larger set is kept in a table, under the limit of `max_series`.
pub const DENSE_SERIES_MAX: usize = 4_096;

/// Buckets of an exponential histogram, on each side of zero. OpenTelemetry's default; the scale adapts to stay within it.
pub const HISTOGRAM_BUCKETS_MAX: usize = 160;

/// Events that are kept before a sink is attached. The oldest is dropped beyond it, and counted in `telemetry_events_dropped`.
pub const BACKLOG_EVENTS_MAX: usize = 1_024;

/// Bytes of JSON in the backlog of events. The oldest is dropped beyond it, and counted in `telemetry_events_dropped`.
pub const BACKLOG_BYTES_MAX: usize = 1 << 20;

/// Bytes of JSON of one event or snapshot. A larger one is dropped, and counted in `telemetry_events_dropped`.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// How long one pass over the callbacks of a kind may take. Those that are not done by then are left out, and counted as late.
pub const CALLBACK_DEADLINE: Duration = Duration::from_secs(1);

/// How long a pass waits without progress before another thread takes the callbacks that have not started yet.
pub const CALLBACK_PATIENCE: Duration = Duration::from_millis(20);

/// Threads of one pass over callbacks. Beyond it the remaining callbacks wait for one of them, until the deadline.
pub const CALLBACK_THREADS_MAX: usize = 8;
