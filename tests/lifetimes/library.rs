//! What a library counts that is loaded at run time.

use crate::support::{built, said};

fn host(way: &str) -> String {
    let plugin = built(&["--example", "life_plugin"], "debug/examples/liblife_plugin.so");
    said(env!("CARGO_BIN_EXE_life_host"), &[way, &plugin])
}

/// A `cdylib` has cells and a registry of its own: the host and the library declare metrics of the same names here, and neither sees
/// what the other counts.
#[test]
fn a_loaded_library_and_its_host_count_apart_and_exactly() {
    assert_eq!(host("outlive"), "8000 16000");
}

/// The C library may keep it in memory, and its counts with it.
#[test]
fn a_library_may_be_closed_and_loaded_again_and_leaves_nothing_that_runs_at_a_fork() {
    let said = host("reload");
    let again = ["2000, unloaded\n2000, unloaded\n2000, unloaded\nfork: true", "2000, kept\n4000, kept\n6000, kept\nfork: true"];
    assert!(again.contains(&said.as_str()), "{said}");
}
