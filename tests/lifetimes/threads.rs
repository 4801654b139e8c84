//! What threads count when they begin and end.

use crate::support::said;

fn threads(way: &str) -> String {
    said(env!("CARGO_BIN_EXE_life_threads"), &[way])
}

/// A thread-local that was there before the first record is destroyed after the library's own.
#[test]
fn counts_of_destructors_that_run_after_the_guard_are_kept() {
    assert_eq!(threads("after_the_guard"), "8");
}

#[test]
fn counts_of_destructors_that_run_before_the_guard_are_kept() {
    assert_eq!(threads("before_the_guard"), "8");
}

#[test]
fn counts_on_both_sides_of_the_guard_are_of_one_series() {
    assert_eq!(threads("around_the_guard"), "20");
}

#[test]
fn a_thread_may_count_for_the_first_time_in_a_destructor() {
    assert_eq!(threads("without_a_guard"), "8");
}

#[test]
fn a_thread_that_gave_back_its_cells_counts_beside_their_next_owner() {
    assert_eq!(threads("ghosts"), "10001");
}

#[test]
fn a_handle_counts_after_the_guard_and_a_removed_one_leaves_a_clean_cell() {
    assert_eq!(threads("handles"), "8 [0, 0] 5");
}

#[test]
fn sums_are_exact_when_all_threads_are_joined() {
    let each = [
        "joined 1600000",
        "joined_by_parity/Bool(false) 1600000",
        "joined_by_parity/Bool(true) 1600000",
        "joined_by_text/text 1600000",
        "joined_float 800000",
        "joined_histogram/count 1600000",
        "joined_histogram/sum 79999200000",
    ];
    assert_eq!(threads("joined"), each.join("\n"));
}

#[test]
fn sums_of_a_thousand_short_threads_are_exact() {
    assert_eq!(threads("waves"), "1000");
}

#[test]
fn no_reader_sees_a_sum_fall_while_threads_begin_record_and_end() {
    assert_eq!(threads("reading"), "true");
}
