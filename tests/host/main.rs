//! What a program measures of itself: the process by what the system tells, and its tokio runtimes. The values are true.
//!
//! A test that other tests in the same process would disturb runs in one of its own.

#![allow(missing_docs)]

#[cfg(target_os = "linux")]
mod process;
mod runtime;
mod support;
