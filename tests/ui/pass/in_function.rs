//! A declaration may stand in a function.

#![deny(warnings)]

use telemetry_core::{Counter, metric};

fn main() {
    /// .
    #[metric(name = "ui_in_function")]
    static LOCAL: Counter;
    LOCAL.inc();
}
