//! Every bound of this crate, with its unit, its reason and what happens when it bites.

use std::time::Duration;

pub use crate::name::{HISTOGRAM_BUCKETS_MAX, NAME_BYTES_MAX, UNIT_BYTES_MAX};

/// Series of one metric whose label values are not known at compile time, unless `max_series = N` says otherwise.
///
/// Beyond it observations go to one series with the label `otel.metric.overflow = true`.
pub const SERIES_MAX: usize = 2_000;

/// Series of one metric that are kept as a dense block, where the set of label values is known at compile time.
///
/// A larger set is kept in a table, under the limit of `max_series`.
pub const DENSE_SERIES_MAX: usize = 4_096;

/// Series of a counter with labels that are known at compile time which have their cells side by side, so that a cell is found by
/// arithmetic: 8 bytes each in every thread that records, whether they are recorded or not.
///
/// Of a larger set each series has a cell when it is first recorded, which costs a load more.
pub const RUN_SERIES_MAX: usize = 512;

/// Series of all metrics that one thread remembers, where they are not known at compile time: 192 to 384 bytes each, but
/// up to 48 KiB for the first 33.
///
/// A thread that meets more forgets them all and asks the list of all series again, which takes a lock.
pub const TABLE_SERIES_MAX: usize = 1 << 14;

/// Bytes of the text of one label set beyond `max_series` that a thread remembers, of those whose text is longer than a key holds.
///
/// A longer one is looked up in the list at each record, which takes a lock.
pub const TABLE_TEXT_BYTES_MAX: usize = 256;

/// Removals of series whose labels are not known at compile time, metrics with such labels, and collections of each of those that has
/// `exemplars`, in the life of a process.
///
/// From then on a record by labels takes a lock, in each metric that has had one of them since.
pub const GENERATIONS_MAX: u32 = u32::MAX - 1;

/// Cells of the first row of a thread, which has one for each kind, and others for label sets that are not known at compile time: 8
/// bytes each. A row doubles when a thread records a series beyond it.
///
/// A series beyond the shortest row that a thread has in use costs a call more.
pub const CELLS_FIRST: usize = if cfg!(any(loom, miri)) { 2 } else { 512 };

/// Cells of one kind, in all, and as many again for label sets that are not known at compile time: the series of a program that count
/// whole numbers, those that count floating-point numbers, and its distributions. What is beyond shares one atomic among all threads,
/// and a distribution is counted as rejected.
pub const CELLS_MAX: u32 = 1 << 24;

/// Records of one series after a collection that ask in which span they are, of a metric with `exemplars`: until one of them is in a
/// recorded span. The others take what they do elsewhere.
///
/// Of a counter whose labels are known at compile time, with up to [`RUN_SERIES_MAX`] series, it is so many a series for all of them
/// together; what is recorded after them asks for nothing.
pub const EXEMPLAR_ASKS_MAX: u8 = 8;

/// Forks between a process and its first ancestor with this library after which events are taken. In a child beyond them they are dropped,
/// and counted in `telemetry_events_dropped`; metrics are not bounded so.
pub const FORKS_MAX: usize = 8;

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

/// Series of one instrument of the OpenTelemetry API, unless a view or
/// `TelemetryBuilder::with_cardinality_limit` says otherwise.
///
/// The SDK reserves memory for all of them when an instrument is created: 17 KiB for these, 133 KiB for its own 2,000. Beyond it
/// measurements go to one series with the attribute `otel.metric.overflow = true`.
pub const OTEL_SERIES_MAX: usize = 447;

/// The most that the series of an instrument of the OpenTelemetry API may be set to. A higher setting is this one.
pub const OTEL_SERIES_LIMIT_MAX: usize = 1 << 20;

/// Observations of one callback of an observable instrument of the OpenTelemetry API, in one collection. What is beyond is dropped,
/// and counted in `telemetry_measurements_rejected`.
pub const OTEL_OBSERVATIONS_MAX: usize = 1 << 14;

/// What an instrument of the OpenTelemetry API keeps until there is a global `Telemetry`: sums and last values by sets of attributes,
/// and each value of a histogram. What is beyond is dropped, and counted in `telemetry_measurements_rejected`.
pub const OTEL_BACKLOG_MAX: usize = 1_024;

/// Instruments of OpenTelemetry's global provider. What is recorded with a further one is dropped, and counted in
/// `telemetry_measurements_rejected`, as is once each further observable one.
pub const OTEL_GLOBAL_INSTRUMENTS_MAX: usize = 1 << 14;
