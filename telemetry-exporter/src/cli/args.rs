//! The flags and commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::json::moment;

/// What looks at files, and so has no program to ask.
const OF_FILES: &[&str] = &[
    "list",
    "diff",
    "check",
    "dashboard",
    "dump",
    "verify",
    "token",
    #[cfg(feature = "libp2p")]
    "identity",
];

/// The heading of what tells where a program is, and how it is asked.
const PROGRAM: &str = "The program";

/// Looks at the telemetry of a running program.
#[derive(Parser)]
#[command(name = "telemetry", version, arg_required_else_help = true)]
pub struct Args {
    /// Where the program serves its telemetry: host:port, https://host:port, or unix: and the path of a socket.
    #[arg(long, global = true, help_heading = PROGRAM, env = "TELEMETRY_HOST", default_value = "127.0.0.1:4000", value_name = "ADDRESS")]
    pub host: String,

    #[command(flatten)]
    pub shown: Shown,

    /// Where it serves its telemetry over libp2p; this is used then, whatever --host says.
    #[cfg(feature = "libp2p")]
    #[arg(long, global = true, help_heading = PROGRAM, value_name = "MULTIADDR/p2p/ID")]
    pub peer: Option<String>,

    /// The file of the key that we are known by over libp2p; without it we have a new id each time. `telemetry identity` makes one.
    #[cfg(feature = "libp2p")]
    #[arg(long, global = true, help_heading = PROGRAM, env = "TELEMETRY_IDENTITY", value_name = "FILE")]
    pub identity: Option<PathBuf>,

    /// Print JSON: an array for a list, a line a message for a stream.
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,

    #[command(subcommand)]
    pub command: Command,
}

/// What is shown to the program, and whom it is trusted by.
#[derive(clap::Args, Clone, Default)]
#[command(next_help_heading = PROGRAM)]
pub struct Shown {
    /// A file whose first line has the token to show; that of the variable TELEMETRY_TOKEN is shown where there is none.
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// The authorities to trust for https://, in PEM, in place of the system's.
    #[arg(long, global = true, value_name = "FILE")]
    pub authorities: Option<PathBuf>,

    /// The certificate to show for https://, in PEM.
    #[arg(long, global = true, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,

    /// Its key, in PEM.
    #[arg(long, global = true, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,

    /// Show the token also where others can read it on the way.
    #[arg(long, global = true)]
    pub insecure: bool,
}

/// What tells where a program is, and how it is asked.
const OF_PROGRAMS: [&str; 8] = ["host", "peer", "identity", "token_file", "authorities", "certificate", "key", "insecure"];

/// The arguments of this process; ends it where they are not as wanted, or ask for help.
pub fn parse() -> Args {
    Args::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit())
}

/// The whole command line. The help of what looks at files does not offer what tells where a program is.
fn command() -> clap::Command {
    let mut command = Args::command();
    command.build(); // gives the global arguments to the commands
    for name in OF_FILES {
        command = command.mut_subcommand(name, |command| {
            command.mut_args(|arg| if OF_PROGRAMS.contains(&arg.get_id().as_str()) { arg.hide(true) } else { arg })
        });
    }
    command
}

#[derive(Subcommand)]
pub enum Command {
    /// Which life of the process this is.
    Session,
    /// The properties, evaluated now.
    Properties {
        /// Only these.
        names: Vec<String>,
    },
    /// The streams, with what they hold.
    Streams,
    /// All declarations, with the failures of their callbacks.
    Catalogue,
    /// The JSON schema of an event or a snapshot, or those of what an rpc takes and answers.
    Schema {
        /// The event, snapshot or rpc.
        name: String,
    },
    /// The metrics of the newest collection.
    Metrics {
        /// Every collection that is held, from the place on.
        #[arg(long)]
        all: bool,
        /// Of each step of so long the last collection, and those after which a series came or went.
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        every: Option<Duration>,
        #[command(flatten)]
        span: Span,
        #[command(flatten)]
        keep: Keep,
    },
    /// The messages of an event that are held, from the place on.
    Events {
        /// The event.
        name: String,
        #[command(flatten)]
        span: Span,
        #[command(flatten)]
        keep: Keep,
    },
    /// The newest snapshot.
    Snapshots {
        /// The snapshot.
        name: String,
        /// Every one that is held, from the place on.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        span: Span,
        #[command(flatten)]
        keep: Keep,
    },
    /// The rpcs that can be called.
    Rpcs,
    /// Calls an rpc.
    Call {
        /// The rpc.
        name: String,
        /// The request, in JSON.
        #[arg(default_value = "null", value_name = "JSON")]
        request: String,
    },
    /// Tests the bandwidth to a program that serves over libp2p, each way. It allows one test in 5 minutes.
    #[cfg(feature = "libp2p")]
    Bandwidth {
        /// The payload, at most 128MiB.
        #[arg(long, default_value = "32MiB", value_name = "SIZE", value_parser = payload)]
        bytes: u32,
    },
    /// Prints the peer id of a key, for the list of a program that lets in some peers only; makes the key where there is no such file.
    #[cfg(feature = "libp2p")]
    Identity {
        /// The key, for --identity: libp2p's protobuf of the key pair, in base64. It is written for its owner alone, and never again.
        file: PathBuf,
    },
    /// What a binary declares, without running it.
    List {
        /// An executable, a library, an object file or an archive.
        binary: PathBuf,
        /// Print a reference in Markdown: an index, then all that is known of each declaration.
        #[arg(long, conflicts_with = "json")]
        markdown: bool,
    },
    /// What changed between the declarations of two binaries; fails where that breaks who reads them.
    Diff {
        /// The binary before.
        old: PathBuf,
        /// The binary now.
        new: PathBuf,
    },
    /// Looks for names that a binary declares more than once and for metrics that Prometheus shows under one name; fails where there is
    /// one.
    Check {
        /// An executable, a library, an object file or an archive.
        binary: PathBuf,
        /// The Cargo.lock that it was built with: look also for crates that depend on telemetry-core and declare nothing in the binary.
        #[arg(long, value_name = "FILE")]
        lock: Option<PathBuf>,
        /// The program's package, where the lock is of several programs and this one declares nothing itself.
        #[arg(long, value_name = "NAME", requires = "lock")]
        package: Option<String>,
    },
    /// Prints a Grafana dashboard, in JSON: a panel for each metric that a binary declares, of what Prometheus scrapes from /metrics.
    Dashboard {
        /// An executable, a library, an object file or an archive.
        binary: PathBuf,
        /// The dashboard's title; the name of the file where there is none.
        #[arg(long)]
        title: Option<String>,
        /// The Prometheus data source that is chosen at first; Grafana's default where there is none.
        #[arg(long, value_name = "UID")]
        datasource: Option<String>,
    },
    /// Prints the messages in the files of a program, which need not run any more: session by session, and stream by stream.
    Dump {
        /// The folder of all sessions, that of one, or one file.
        path: PathBuf,
        /// Only this stream.
        #[arg(long, value_name = "NAME")]
        stream: Option<String>,
    },
    /// Says what is in the files of a program and how they ended, with all that is damaged; fails where anything is lost.
    Verify {
        /// The folder of all sessions, that of one, or one file.
        path: PathBuf,
    },
    /// Makes a token of 256 random bits for who may ask a restricted program.
    Token {
        /// Append it to this file, which is made for its owner alone where it is not there, in place of printing it.
        file: Option<PathBuf>,
        /// Who is to have it.
        #[arg(long, value_name = "WORD")]
        name: Option<String>,
        /// How long it is taken, such as 30d; for ever where nothing is said.
        #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration)]
        lasts: Option<Duration>,
    },
    /// Has an event that is emitted on demand emitted, or snapshots or metrics taken more often, and prints what comes; ends with the lease.
    Watch {
        /// The event, the snapshot, or `metrics`.
        name: String,
        /// Between two snapshots or collections: 250ms at least, and 1s where nothing is said.
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        every: Option<Duration>,
        /// How long.
        #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "5m")]
        lasts: Duration,
    },
    /// Prints what comes, as it comes; connects again when the connection breaks.
    Follow {
        /// One stream; all where none is named.
        name: Option<String>,
        #[command(flatten)]
        keep: Keep,
    },
}

/// Which time is of interest; what is held of it is then read, not only the newest.
#[derive(clap::Args, Clone, Copy, Default)]
pub struct Span {
    /// From then on: a time such as 2026-01-31T12:00:00Z, or how long ago, such as 10m. A place that knows the stream wins.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<u64>,

    /// Before then, said in the same way.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<u64>,
}

impl Span {
    pub fn is_any(self) -> bool {
        self.since.is_some() || self.until.is_some()
    }
}

/// Bytes of a payload, such as 65536, 512KiB or 32MiB.
#[cfg(feature = "libp2p")]
fn payload(text: &str) -> Result<u32, String> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "" | "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        _ => None,
    };
    let bytes = unit.zip(digits.parse::<u32>().ok()).and_then(|(unit, number)| number.checked_mul(unit));
    let fits = bytes.filter(|bytes| (1..=crate::limits::BANDWIDTH_BYTES_MAX).contains(bytes));
    fits.ok_or_else(|| "wanted 1 to 128MiB, such as 65536, 512KiB or 32MiB".to_owned())
}

/// Where a reader stands, and where its output goes.
#[derive(clap::Args, Clone, Default)]
pub struct Keep {
    /// Go on where this file says, and keep it up to date; what is held is then read from there on, not only the newest.
    #[arg(long, value_name = "FILE")]
    pub place: Option<PathBuf>,

    /// Append the messages to this file. With --place each is there exactly once, however often the client is killed; on standard
    /// output those of the last moment may come again.
    #[arg(long, value_name = "FILE", requires = "place")]
    pub output: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_of_what_looks_at_files_offers_no_host() {
        let mut command = command();
        for name in OF_FILES {
            let help = command.find_subcommand_mut(name).expect("it is there").render_long_help().to_string();
            let offered = OF_PROGRAMS.iter().any(|name| help.contains(&format!("--{name} <")));
            assert!(!offered && help.contains("--json"), "{help}");
        }
        assert!(command.find_subcommand_mut("metrics").expect("it is there").render_long_help().to_string().contains("--host"));
    }

    #[cfg(feature = "libp2p")]
    #[test]
    fn a_payload_has_a_size_that_a_test_may_have() {
        assert_eq!(payload("32MiB"), Ok(crate::limits::BANDWIDTH_BYTES));
        assert_eq!((payload("1"), payload("512KiB")), (Ok(1), Ok(512 << 10)));
        for text in ["", "0", "129MiB", "4096MiB", "1GiB", "-1", "1.5MiB", "MiB", "99999999999"] {
            assert_eq!(payload(text), Err("wanted 1 to 128MiB, such as 65536, 512KiB or 32MiB".to_owned()), "{text}");
        }
    }
}
