//! What an allocator counts that is instrumented.

use crate::support::said;

fn allocator(way: &str) -> String {
    said(env!("CARGO_BIN_EXE_life_allocator"), &[way])
}

/// A plain counter counts each call. What the others cannot take, as the library itself is at them, is told by the count of rejected
/// measurements.
#[test]
fn an_allocator_counts_every_call_and_loses_nothing_in_silence() {
    assert_eq!(allocator("threads"), "(true, true) 0");
}

#[test]
fn an_allocator_counts_in_the_child_of_a_fork() {
    assert_eq!(allocator("forks"), "true");
}
