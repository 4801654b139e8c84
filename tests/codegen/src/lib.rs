//! Generates the Rust of the wire protocol from its `.proto` files, without protoc.

use std::path::PathBuf;

use anyhow::Context;

/// The crate whose code is generated.
fn exporter() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../telemetry-exporter")
}

/// Where the generated code is checked in.
pub fn checked_in() -> PathBuf {
    exporter().join("src/pb/generated.rs")
}

/// The code as it is generated now.
///
/// # Errors
/// A mistake in the `.proto` files, with its place.
pub fn generate() -> anyhow::Result<String> {
    let protos = exporter().join("proto");
    let descriptors = protox::compile(["telemetry.proto"], [&protos])?;
    let out = tempfile::tempdir()?;
    tonic_prost_build::configure()
        .build_transport(false)
        .out_dir(out.path())
        .extern_path(".opentelemetry.proto.common.v1", "::opentelemetry_proto::tonic::common::v1")
        .bytes(".telemetry.StreamSegment.data")
        .bytes(".telemetry.Chunk.data")
        .compile_fds(descriptors)?;
    std::fs::read_to_string(out.path().join("telemetry.rs")).context("tonic-prost-build wrote no telemetry.rs")
}
