//! Bounds that do not increase or are no numbers, as literals and as const expressions.

use telemetry_core::{Histogram, metric};

const FALLING: [f64; 2] = [2.0, 1.0];

const fn powers() -> [f64; 3] {
    [1.0, 2.0, f64::INFINITY]
}

/// .
#[metric(name = "bounds.falling", bounds = [0.5, 2.0, 1.0, 3.0])]
static LITERALS: Histogram;

/// .
#[metric(name = "bounds.equal", bounds = [-1.0, -1.0])]
static EQUAL: Histogram;

/// .
#[metric(name = "bounds.const", bounds = FALLING)]
static CONST: Histogram;

/// .
#[metric(name = "bounds.mixed", bounds = [2.0, FALLING[1]])]
static MIXED: Histogram;

/// .
#[metric(name = "bounds.function", bounds = powers())]
static FUNCTION: Histogram;

/// .
#[metric(name = "bounds.whole", bounds = [1, 2.0, -3])]
static WHOLE: Histogram;

/// .
#[metric(name = "bounds.text", bounds = "1, 2")]
static TEXT: Histogram;

/// .
#[metric(name = "bounds.number", bounds = 1.0)]
static NUMBER: Histogram;

fn main() {}
