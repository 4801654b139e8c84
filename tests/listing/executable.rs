//! A counter of an executable, and a function that a listing can be made of.

use telemetry_core::{Counter, metric};

/// .
#[metric(name = "listing_executable_counter")]
static EXECUTABLE: Counter;

/// `inc` of a counter of this executable.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn listing_executable_inc() {
    EXECUTABLE.inc();
}

fn main() {
    listing_executable_inc();
}
