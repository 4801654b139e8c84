use telemetry_core::{Counter, Snapshot, metric, snapshot};

/// .
#[metric(nmae = "a", unit = "s", unit = "ms")]
static COUNTER: Counter;

/// .
#[metric(unit = "s")]
static NAMELESS: Counter;

/// .
#[snapshot(name = "often", every = "1 day")]
static OFTEN: Snapshot<u32>;

fn main() {}
