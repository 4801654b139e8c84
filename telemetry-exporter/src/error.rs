//! Why telemetry does not start or stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::{fmt, io};

use telemetry_core::DeclareError;

/// Why [`start`](crate::start) gave up; nothing runs then.
///
/// `Debug` is the same text as `Display`: that is what `fn main() -> Result<…>` prints.
#[non_exhaustive]
pub enum StartError {
    /// A setting that cannot be: which, and what is wanted.
    Setting(String),
    /// The declarations contradict each other.
    Declare(DeclareError),
    /// The address cannot be listened on.
    Listen(SocketAddr, io::Error),
    /// The file of the Unix socket cannot be listened on.
    ListenUnix(PathBuf, io::Error),
    /// The system gave no thread or no runtime.
    Runtime(io::Error),
    /// The protocol is served on this swarm already.
    AlreadyServed(&'static str),
    /// The telemetry was stopped before.
    Stopped,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(text) => f.write_str(text),
            Self::Declare(error) => error.fmt(f),
            Self::Listen(addr, error) => write!(f, "cannot listen on {addr}: {error}"),
            Self::ListenUnix(path, error) => write!(f, "cannot listen on {}: {error}", path.display()),
            Self::Runtime(error) => write!(f, "cannot start the telemetry's threads: {error}"),
            Self::AlreadyServed(protocol) => write!(f, "{protocol} is served on this swarm already"),
            Self::Stopped => f.write_str("the telemetry was stopped already"),
        }
    }
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Declare(error) => Some(error),
            Self::Listen(_, error) | Self::ListenUnix(_, error) | Self::Runtime(error) => Some(error),
            _ => None,
        }
    }
}

/// What went wrong during [`Running::stop`](crate::Running::stop); everything is stopped all the same.
///
/// `Debug` is the same text as `Display`: that is what `fn main() -> Result<…>` prints.
#[non_exhaustive]
pub enum StopError {
    /// The last collection was not exported.
    Flush(String),
    /// Requests were cut off at the deadline.
    Late,
    /// So many messages were left that no collector had taken by the deadline.
    Unsent(u64),
}

impl fmt::Display for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flush(error) => write!(f, "the last collection was not exported: {error}"),
            Self::Late => write!(f, "requests were cut off after {} s", crate::limits::STOP_DEADLINE.as_secs()),
            Self::Unsent(messages) => {
                let deadline_s = crate::limits::PUSH_STOP_DEADLINE.as_secs();
                write!(f, "{messages} messages were not taken by their collectors within {deadline_s} s")
            }
        }
    }
}

impl fmt::Debug for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for StopError {}
