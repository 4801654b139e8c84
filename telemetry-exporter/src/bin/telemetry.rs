//! The command line `telemetry`: looks at the telemetry of a running program.

use std::process::ExitCode;

fn main() -> ExitCode {
    telemetry_exporter::cli::main()
}
