//! The command line `telemetry`: people read a table, programs `--json`.

mod args;
mod binaries;
mod commands;
mod deliver;
mod files;
mod line;
mod output;
#[cfg(feature = "libp2p")]
mod peers;
mod target;
mod token;

use std::io;
use std::process::ExitCode;

use crate::client::{ClientError, PlaceError};

/// Why a command failed: the text is for a person.
#[derive(Debug)]
pub(crate) enum CliError {
    Client(ClientError),
    Place(PlaceError),
    Io(io::Error),
    Other(String),
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<PlaceError> for CliError {
    fn from(error: PlaceError) -> Self {
        Self::Place(error)
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl std::fmt::Display for CliError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client(error) => error.fmt(f),
            Self::Place(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// Runs the program: 0 on success, 1 on a failure that is told on standard error, 2 on arguments that are not as wanted.
pub fn main() -> ExitCode {
    let args = args::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&CliError::Io(error)),
    };
    match runtime.block_on(commands::run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(CliError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &CliError) -> ExitCode {
    output::note(&format!("telemetry: {error}"));
    ExitCode::FAILURE
}
