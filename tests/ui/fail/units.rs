//! Units that UCUM does not know, as literals and as const expressions.

use telemetry_core::{Counter, Histogram, metric, property};

const SPACED: &str = "k g";

/// .
#[metric(name = "units.open", unit = "{call")]
static OPEN: Counter;

/// .
#[metric(name = "units.spaced", unit = "per second")]
static IN_WORDS: Counter;

/// .
#[metric(name = "units.micro", unit = "µs")]
static MICRO: Histogram;

/// .
#[metric(name = "units.const", unit = SPACED)]
static CONST: Counter;

/// .
#[property(name = "units.concat", unit = concat!("{a", "{b}}"))]
fn concatenated() -> i64 {
    1
}

fn main() {}
