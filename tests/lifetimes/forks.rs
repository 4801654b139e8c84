//! What a process counts that forks or starts another.

use crate::support::said;

fn forks(way: &str) -> String {
    said(env!("CARGO_BIN_EXE_life_forks"), &[way])
}

/// While other threads record, and make and remove series, so that all locks are taken when it forks.
#[test]
fn the_child_of_a_fork_starts_at_zero_and_counts_and_its_parent_goes_on() {
    assert_eq!(forks("forks"), "200 true");
}

#[test]
fn the_child_of_a_fork_has_free_locks_where_there_are_only_gauges() {
    assert_eq!(forks("forks_with_gauges"), "200");
}

#[test]
fn the_child_of_a_fork_has_its_own_events_while_others_emit_in_the_parent() {
    assert_eq!(forks("forks_with_events"), "200 true");
}

/// The moment is short: where the promise is broken most runs find it, not all.
#[test]
fn the_child_of_a_fork_counts_where_another_thread_was_at_the_first_record_of_all() {
    assert_eq!(forks("forks_at_the_first_record"), "300");
}

#[test]
fn the_child_of_a_thread_that_forks_after_the_guard_starts_at_zero_too() {
    assert_eq!(forks("forks_after_the_guard"), "true 2");
}

#[test]
fn a_process_that_records_starts_others() {
    assert_eq!(forks("commands"), "40 true");
}
