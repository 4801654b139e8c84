//! What is kept in files outlives the process: killed at any moment, beside others, and on a disk that fails.
//!
//! A test that may not mount a file system says "skipped" and why.

#![allow(missing_docs)]

mod failing;
mod killed;
mod served;
#[allow(dead_code, unused_imports)]
#[path = "../suite/support.rs"]
mod support;
