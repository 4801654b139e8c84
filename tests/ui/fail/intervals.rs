//! Intervals that are none, as literals and as const expressions.

use telemetry_core::{Snapshot, snapshot};

const YEARS: &str = "10000h";

/// .
#[snapshot(name = "intervals.days", every = "1 day")]
static DAYS: Snapshot<u32>;

/// .
#[snapshot(name = "intervals.zero", every = "0s")]
fn zero() -> u32 {
    1
}

/// .
#[snapshot(name = "intervals.number", every = 10)]
static NUMBER: Snapshot<u32>;

/// .
#[snapshot(name = "intervals.const", every = YEARS)]
static CONST: Snapshot<u32>;

/// .
#[snapshot(name = "intervals.concat", every = concat!("1", "d"))]
fn concatenated() -> u32 {
    1
}

/// .
#[snapshot(name = "intervals.duration", every = std::time::Duration::from_secs(1))]
static DURATION: Snapshot<u32>;

fn main() {}
