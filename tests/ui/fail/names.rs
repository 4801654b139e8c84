//! Names that are none, as literals and as const expressions.

use telemetry_core::{Counter, event, metric, property, rpc};
use telemetry_core::{Event, RpcError};

const SPACED: &str = "names of a const";

mod names {
    pub const NUMBER: u32 = 5;
}

/// .
#[metric(name = "what?")]
static LITERAL: Counter;

/// .
#[metric(name = "")]
static EMPTY: Counter;

/// .
#[event(name = "größe")]
static NOT_ASCII: Event<u32>;

/// .
#[metric(name = SPACED)]
static CONST: Counter;

/// .
#[metric(name = concat!("1", "st"))]
static CONCAT: Counter;

/// .
#[property(name = concat!("names.", "of a function"))]
fn property_with_a_space() -> bool {
    true
}

/// .
#[rpc(name = names::NUMBER)]
fn number() -> Result<u32, RpcError> {
    Ok(1)
}

/// .
#[metric(name = String::from("names.run_time"))]
static RUN_TIME: Counter;

fn main() {
    LITERAL.inc();
}
