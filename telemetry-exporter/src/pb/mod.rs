//! The messages and the service of the wire protocol, generated from `proto/` by `cargo run -p codegen`.

#![allow(missing_docs, clippy::all, clippy::pedantic)] // generated; the .proto files document it

include!("generated.rs");
