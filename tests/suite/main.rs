//! What the crates promise together, in one program with real servers on free ports of this machine.
//!
//! The registry is the whole program's: a test looks up what it declares by name, never by count or order.
//! A test whose program is not installed says "skipped" and why; with `TELEMETRY_REQUIRE_SERVERS=1` that is a failure.

#![allow(missing_docs)]

mod callbacks;
mod calls;
mod collector;
mod declarations;
mod distributions;
mod encoding;
mod events;
mod exemplars;
mod history;
mod instruments;
mod libp2p;
mod otel;
mod otel_alone;
mod otel_callbacks;
mod otel_views;
mod prometheus;
mod push;
mod service;
mod stalled;
mod starting;
mod structure;
mod support;
