//! What the crates promise together, in one program with real servers on free ports of this machine.
//!
//! The registry is the whole program's: a test looks up what it declares by name, never by count or order.

#![allow(missing_docs)]

mod callbacks;
mod declarations;
mod distributions;
mod events;
mod instruments;
mod libp2p;
mod otel;
mod prometheus;
mod service;
mod structure;
mod support;
