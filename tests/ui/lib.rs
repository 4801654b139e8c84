//! Empty; the test is in `main.rs`, its cases in the folders beside it.
