//! The messages and the service of the wire protocol, and the messages that Prometheus scrapes, generated from `proto/` by
//! `cargo run -p codegen`.

#![allow(missing_docs, clippy::all, clippy::pedantic)] // generated; the .proto files document it

include!("generated.rs");

/// What Prometheus scrapes in its protobuf format: package `io.prometheus.client`.
pub mod prometheus {
    include!("prometheus.generated.rs");
}
