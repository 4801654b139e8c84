//! What a process counts while it ends.

use crate::support::{built, said};

fn process(way: &str) -> String {
    said(env!("CARGO_BIN_EXE_life_process"), &[way])
}

/// The same program, which a panic ends at once.
fn aborting_process(way: &str) -> String {
    said(&built(&["--profile", "abort", "--bin", "life_process"], "abort/life_process"), &[way])
}

/// Four threads and the main thread, four times each, and the handler itself.
#[test]
fn counts_after_main_are_kept_up_to_an_exit_handler() {
    assert_eq!(process("ended"), "unwind 21 1");
}

#[test]
fn counts_after_main_are_kept_where_a_panic_aborts() {
    assert_eq!(aborting_process("ended"), "abort 21 1");
}

/// The thread that ends it records four times, in its destructors too, and the handler once.
#[test]
fn a_process_may_end_while_its_threads_record() {
    assert_eq!(process("exit_while_recording"), r#"true {"life_counter": 5.0}"#);
}

const BAD: &str = r#"{"process_float_counter": 0.5, "process_float_gauge": 0.5, "process_histogram/count": 1.0, "process_histogram/sum": 0.5} [13.0]"#;

#[test]
fn measurements_that_are_none_are_dropped_and_counted() {
    assert_eq!(process("bad_measurements"), BAD);
}

#[test]
fn measurements_that_are_none_do_not_end_a_process_that_a_panic_aborts() {
    assert_eq!(aborting_process("bad_measurements"), BAD);
}
