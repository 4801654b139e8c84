//! What the server and its clients agree on: the names of what it declares, and how much of it there is.

/// The stream of numbered events.
pub const EVENTS: &str = "hostile_event";

/// A small snapshot.
pub const SNAPSHOT: &str = "hostile_snapshot";

/// The property that is large.
pub const LARGE: &str = "hostile_large_text";

/// The properties that an honest client asks for.
pub const PROPERTIES: [&str; 2] = ["hostile_number", "hostile_text"];

/// The counter of [`SERIES`] series.
pub const COUNTER: &str = "hostile_counter";

/// Series of the counter.
pub const SERIES: u64 = 1_000;

/// Collections that were made of them before the server says where it is.
pub const COLLECTIONS: u64 = 60;

/// The rpcs: one answers at once, one after a while, one panics, one holds its thread, and one answers with much.
pub const RPCS: [&str; 5] = ["hostile_now", "hostile_late", "hostile_panics", "hostile_blocks", "hostile_large"];
