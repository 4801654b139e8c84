//! The connection manager: above the high water mark it closes the oldest connections, down to the low one.
//!
//! Deliberately absent: scoring of connections; age alone decides.

use telemetry_core::{Gauge, metric};

/// The mark down to which connections are closed.
#[metric(name = "libp2p_network_connections_low_water", unit = "{connection}")]
static LOW_WATER: Gauge;

/// The mark above which connections are closed.
#[metric(name = "libp2p_network_connections_high_water", unit = "{connection}")]
static HIGH_WATER: Gauge;

/// The two marks, in connections.
#[derive(Clone, Copy, Debug)]
pub struct Water {
    low: usize,
    high: usize,
}

impl Water {
    /// Takes the marks into use. `low` is at least 1 and at most `high`.
    pub fn new(low: usize, high: usize) -> Self {
        LOW_WATER.set(low as i64);
        HIGH_WATER.set(high as i64);
        Self { low, high }
    }

    /// How many of `open` connections are to be closed.
    pub fn excess(self, open: usize) -> usize {
        if open > self.high { open - self.low } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_closed_up_to_the_high_mark_and_all_above_the_low_one_beyond_it() {
        let water = Water::new(3, 5);
        assert_eq!([2, 3, 5, 6, 9].map(|open| water.excess(open)), [0, 0, 0, 3, 6]);
    }
}
