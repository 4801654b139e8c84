//! Bounded streams of a program's telemetry, served to remote clients.
//!
//! ```no_run
//! let telemetry = telemetry_exporter::start(telemetry_exporter::Config::default())?;   // serves on 127.0.0.1:4000
//! // … the program …
//! telemetry.stop()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything that the program's crates declare with `telemetry-core` is collected, kept for a while, and pulled by clients that
//! resume where they stopped: over gRPC on TCP and over libp2p streams. Prometheus scrapes the same port.

#![forbid(unsafe_code)]

// In reading order: each imports from those above it only.
pub mod limits;
mod error;
mod wire;
#[cfg(feature = "tls")]
mod pem;
mod protocol;
mod own;
#[cfg(feature = "process")]
pub mod process;
#[cfg(feature = "runtime")]
pub mod runtime;
pub mod pb;
pub mod compact;
pub mod stream;
pub mod persist;
mod push;
mod access;
mod admission;
mod config;
mod sdk;
pub mod otlp;
mod export;
pub mod prometheus;
mod leases;
mod snapshots;
mod json;
mod service;
#[cfg(feature = "libp2p")]
pub mod swarm;
mod transport;
mod credentials;
mod running;
pub mod client;
#[cfg(feature = "cli")]
pub mod catalogue;
#[cfg(feature = "cli")]
pub mod cli;

pub use access::{Policy, Tokens};
pub use admission::Limits;
pub use config::{Config, ServerTls};
pub use error::{StartError, StopError};
pub use export::StreamExporter;
pub use persist::{Disk, Durability};
pub use prometheus::text as prometheus_text;
pub use protocol::{DOWNLOAD_PROTOCOL, TELEMETRY_PROTOCOL, UPLOAD_PROTOCOL};
pub use push::{Compression, Protocol, Push, PushState, Temporality, Tls};
pub use running::{Running, start, start_with};
pub use stream::{Bounds, StreamBounds, StreamOptions};
pub use telemetry_core::Access;
