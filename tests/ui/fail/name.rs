use telemetry_core::{Counter, metric};

/// .
#[metric(name = "what?", unit = "{call")]
static COUNTER: Counter;

/// .
#[metric(name = concat!("1", "st"))]
static CONCAT: Counter;

fn main() {}
