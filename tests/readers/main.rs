//! Every message that a program with all kinds of instrument writes is read by libraries that are not ours, and means the same to them.
//!
//! A test whose program is not installed says "skipped" and why; with `TELEMETRY_REQUIRE_SERVERS=1` that is a failure.

#![allow(missing_docs)]

#[allow(dead_code)] // it is that of whole programs too
#[path = "../process/outside.rs"]
mod outside;
mod program;
mod protoc;
mod python;
mod support;
