//! What recording takes from the allocator.

use crate::support::said;

fn memory(way: &str) -> String {
    said(env!("CARGO_BIN_EXE_life_memory"), &[way])
}

/// The other program has no line of the library in it.
#[test]
fn a_thread_that_records_nothing_takes_nothing() {
    assert_eq!(memory("silent"), said(env!("CARGO_BIN_EXE_life_silent"), &[]));
}

#[test]
fn a_thousand_counters_in_a_hundred_threads_take_less_than_4_mib() {
    let said = memory("many");
    let numbers: Vec<u64> = said.split(' ').filter_map(|number| number.parse().ok()).collect();
    println!("1,000 counters in 100 threads: {} bytes", numbers[0]);
    assert!((1_000 * 100 * 8..4 << 20).contains(&numbers[0]) && numbers[1..] == [1_000 * 100], "{said}");
}

#[test]
fn the_sizes_of_all_things_are_told() {
    println!("{}", memory("sizes"));
}

/// So there are no more slabs than threads at once.
#[test]
fn threads_leave_their_cells_to_those_that_come_after_them() {
    assert_eq!(memory("waves"), "1000 0");
}

#[test]
fn a_million_short_series_leave_nothing_and_each_comes_back_from_zero() {
    let said = memory("series");
    println!("{said}");
    let bytes: Vec<i64> = said.lines().filter_map(|line| line.split(": ").nth(1)?.parse().ok()).collect();
    assert!(bytes.len() == 3 && bytes.iter().all(|later| (later - bytes[0]).abs() < 256 << 10), "{said}");
}
