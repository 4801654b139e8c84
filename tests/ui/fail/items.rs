//! Items that an attribute cannot stand on.

use telemetry_core::{Counter, collector, event, metric, property, snapshot};

/// .
#[metric(name = "items.struct")]
struct Struct;

/// .
#[property(name = "items.const")]
const CONST: u32 = 1;

/// .
#[metric(name = "items.mutable")]
static mut MUTABLE: Counter;

/// .
#[event(name = "items.function")]
fn function() {}

/// .
#[collector]
static COLLECTOR: Counter = Counter::new();

trait Node {
    /// .
    #[snapshot(name = "items.trait_method")]
    fn peers() -> u32;

    /// .
    #[metric(name = "items.trait_method_of_a_value")]
    fn count(&self) -> u32;
}

struct Host;

impl Host {
    /// .
    #[metric(name = "items.associated")]
    fn associated() -> i64 {
        1
    }
}

fn main() {
    MUTABLE.inc();
    function();
    let _ = Struct;
}
