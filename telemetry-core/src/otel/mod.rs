//! What stands between this library and the OpenTelemetry SDK. OpenTelemetry types appear here, in `telemetry`, and nowhere else.

mod guard;

pub use guard::guarded_meter;
