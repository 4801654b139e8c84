//! Whole programs: the node with its peers, the command line, and clients in other languages.
//!
//! A test whose program is not installed says "skipped" and why; with `TELEMETRY_REQUIRE_SERVERS=1` that is a failure.

#![allow(missing_docs)]

mod bad_input;
mod binaries;
mod builds;
mod clients;
mod environment;
mod outside;
mod peers;
mod resume;
mod seed;
mod support;
