//! Generates the Rust of the wire protocol and of Prometheus' messages from their `.proto` files, without protoc.

use std::path::PathBuf;

use anyhow::Context;

/// The crate whose code is generated.
fn exporter() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../telemetry-exporter")
}

/// A file of generated code: where it is checked in, and what it is now.
pub struct Generated {
    /// Within `telemetry-exporter/src/pb`.
    pub name: &'static str,
    /// The code.
    pub code: String,
}

impl Generated {
    /// Where it is checked in.
    pub fn checked_in(&self) -> PathBuf {
        exporter().join("src/pb").join(self.name)
    }
}

/// All code as it is generated now.
///
/// # Errors
/// A mistake in the `.proto` files, with its place.
pub fn generate() -> anyhow::Result<Vec<Generated>> {
    let protos = exporter().join("proto");
    let descriptors = protox::compile(["telemetry.proto", "io/prometheus/client/metrics.proto"], [&protos])?;
    let out = tempfile::tempdir()?;
    tonic_prost_build::configure()
        .build_transport(false)
        .out_dir(out.path())
        .extern_path(".opentelemetry.proto.common.v1", "::opentelemetry_proto::tonic::common::v1")
        .bytes(".telemetry.StreamSegment.data")
        .bytes(".telemetry.Chunk.data")
        .compile_fds(descriptors)?;
    let files = [("generated.rs", "telemetry.rs"), ("prometheus.generated.rs", "io.prometheus.client.rs")];
    let read = |(name, written): (&'static str, &str)| {
        let code = std::fs::read_to_string(out.path().join(written));
        Ok(Generated { name, code: code.with_context(|| format!("tonic-prost-build wrote no {written}"))? })
    };
    files.into_iter().map(read).collect()
}
