//! A counter of a library crate, and a function that a listing can be made of.

use telemetry_core::{Counter, metric};

/// .
#[metric(name = "listing_library_counter")]
pub static LIBRARY: Counter;

/// `inc` of a counter of this crate.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn listing_library_inc() {
    LIBRARY.inc();
}
