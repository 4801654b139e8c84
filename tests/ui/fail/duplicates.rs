//! A name that one crate declares twice, in another case and as another kind.

use telemetry_core::{Counter, Event, event, metric, property};

/// .
#[metric(name = "calls.answered")]
static FIRST: Counter;

mod inner {
    use super::*;

    /// .
    #[event(name = "Calls.Answered")]
    pub static AGAIN: Event<u32>;

    /// Not there, and so not a second one.
    #[cfg(any())]
    #[metric(name = "calls.answered")]
    static NOT_THERE: Counter;
}

/// .
#[property(name = "calls_answered")]
fn another() -> i64 {
    0
}

fn main() {}
