//! The ids of the protocols on libp2p streams.

/// The protocol of the gRPC service.
pub const TELEMETRY_PROTOCOL: &str = "/telemetry/telemetry/0.5.0";

/// The protocol of a bandwidth test in which the server sends.
pub const UPLOAD_PROTOCOL: &str = "/telemetry/upload/0.5.0";

/// The protocol of a bandwidth test in which the client sends.
pub const DOWNLOAD_PROTOCOL: &str = "/telemetry/download/0.5.0";
