//! The command line, and what it, the configuration file and OpenTelemetry's environment variables make together: [`Settings`].
//!
//! Invariant: a flag beats the file, the file beats the environment, the environment beats the default.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use libp2p::Multiaddr;
use telemetry_exporter::{Access, Config, Disk, Policy, ServerTls, StartError, Tokens};

use crate::config::{AccessType, ConfigError, File, duration_flag};

/// Where the telemetry service listens unless told otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4000);

/// An IPFS node that tells what it does.
///
/// Without arguments it starts a small network on this machine: itself and three peers that exchange blocks, records
/// and pings with it until it stops.
///
/// It pushes to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names, as OpenTelemetry's other variables say; OTEL_SERVICE_NAME is its name
/// there, and OTEL_METRIC_EXPORT_INTERVAL the time between two collections.
#[derive(Debug, Parser)]
#[command(name = "ipfs-node", version)]
pub struct Cli {
    /// Address of the telemetry service [default: 127.0.0.1:4000]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,

    /// Time between two collections of the metrics, such as 500ms, 1s, 5m or 1h [default: 15s]
    #[arg(long, value_name = "DURATION", value_parser = duration_flag)]
    collect_every: Option<Duration>,

    /// Stop after this time, with status 0
    #[arg(long = "for", value_name = "DURATION", value_parser = duration_flag)]
    run_for: Option<Duration>,

    /// Peers to start on this machine, each a process of its own
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=64))]
    peers: u8,

    /// JSON file with any of Enabled, AccessType, Whitelist, MetricsPeriod, WindowDuration, ActiveBufferDuration and
    /// BandwidthEnabled
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Directory of the blocks [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    repo: Option<PathBuf>,

    /// Directory in which the telemetry is kept too; what an earlier run left there is served with it [default: in memory alone]
    #[arg(long, value_name = "DIR")]
    history: Option<PathBuf>,

    /// Also serve the telemetry on a Unix socket of this path
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,

    /// File of the tokens whose holders may have the telemetry, one a line
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Certificate of the telemetry service, in PEM: it speaks TLS then
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,

    /// Its key, in PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,

    /// Authorities whose client certificates are taken, in PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    client_authorities: Option<PathBuf>,

    /// File of the key that the node's id is of; made where it is absent [default: a new key at each start]
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,

    /// Connections down to which the oldest are closed
    #[arg(long, value_name = "N", default_value_t = 32)]
    low_water: usize,

    /// Connections above which the oldest are closed
    #[arg(long, value_name = "N", default_value_t = 96)]
    high_water: usize,

    /// Bytes of blocks that are kept
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    storage_max: u64,

    /// Address of the node itself
    #[arg(long, value_name = "MULTIADDR", default_value = "/ip4/127.0.0.1/tcp/0")]
    libp2p_listen: Multiaddr,

    /// Stay connected to this node; may be repeated
    #[arg(long, value_name = "MULTIADDR")]
    connect: Vec<Multiaddr>,

    /// Be a peer that another node started: no telemetry port, and stop when standard input ends
    #[arg(long, hide = true)]
    child: bool,
}

/// Everything that the node has to know.
#[derive(Debug)]
pub struct Settings {
    /// `None` if telemetry is switched off.
    pub telemetry: Option<Config>,
    pub run_for: Option<Duration>,
    pub peers: u8,
    pub repo: Option<PathBuf>,
    pub identity: Option<PathBuf>,
    pub low_water: usize,
    pub high_water: usize,
    pub storage_bytes_max: u64,
    pub libp2p_listen: Multiaddr,
    pub connect: Vec<Multiaddr>,
    pub child: bool,
    /// The configuration file, which holds for the peers on this machine too.
    pub config: Option<PathBuf>,
}

/// Why there are no settings.
#[derive(Debug)]
#[non_exhaustive]
pub enum SettingsError {
    Config(ConfigError),
    Environment(StartError),
    Water { low: usize, high: usize },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Environment(error) => error.fmt(f),
            Self::Water { low, high } => write!(f, "--low-water, --high-water: wanted 1 <= low <= high, found {low} and {high}"),
        }
    }
}

impl std::error::Error for SettingsError {}

impl Cli {
    /// Joins the flags with the configuration file and the environment.
    ///
    /// # Errors
    /// When the file, a variable or the water marks are wrong.
    pub fn settings(self) -> Result<Settings, SettingsError> {
        let file = match &self.config {
            Some(path) => File::load(path).map_err(SettingsError::Config)?,
            None => File::default(),
        };
        let (low, high) = (self.low_water, self.high_water);
        if !(1..=high).contains(&low) {
            return Err(SettingsError::Water { low, high });
        }
        let telemetry =
            file.enabled.unwrap_or(true).then(|| self.telemetry(file)).transpose().map_err(SettingsError::Environment)?;
        Ok(Settings {
            telemetry,
            run_for: self.run_for,
            peers: self.peers,
            repo: self.repo,
            identity: self.identity,
            low_water: low,
            high_water: high,
            storage_bytes_max: self.storage_max,
            libp2p_listen: self.libp2p_listen,
            connect: self.connect,
            child: self.child,
            config: self.config,
        })
    }

    fn telemetry(&self, file: File) -> Result<Config, StartError> {
        let listen = (!self.child).then(|| self.listen.unwrap_or(LISTEN));
        let mut config = Config { listen, ..Config::default() };
        if !self.child {
            config = config.with_env()?; // the peers' series would be those of the node
        }
        if !self.child {
            config.disk = self.history.as_ref().map(Disk::at);
        }
        if let Some(every) = self.collect_every.or(file.collect_every) {
            config.collect_every = every;
        }
        if let Some(window) = file.window {
            config.streams.window = window;
        }
        if let Some(seal_after) = file.seal_after {
            config.streams.seal_after = seal_after;
        }
        if let Some(bandwidth) = file.bandwidth {
            config.bandwidth = bandwidth;
        }
        let whitelist = file.whitelist.unwrap_or_default();
        config.access = Policy::peers(whitelist.iter().map(ToString::to_string));
        match file.access {
            Some(AccessType::Restricted) => {}
            Some(AccessType::Public) => (config.access.whole, config.access.insecure_public) = (Access::Public, true),
            Some(AccessType::Disabled) => config.access.whole = Access::Disabled,
            None => config.access.trust_loopback = true, // this machine, and who shows a token
        }
        if !self.child {
            config.access.tokens = self.token_file.as_ref().map(Tokens::in_file).unwrap_or_default();
            config.unix.clone_from(&self.unix);
            config.tls = self.certificate.clone().zip(self.key.clone()).map(|(certificate, key)| ServerTls {
                certificate,
                key,
                client_authorities: self.client_authorities.clone(),
            });
        }
        if !is_named() {
            config.resource.push(("service.name".to_owned(), "ipfs-node".to_owned()));
        }
        Ok(config)
    }
}

/// Whether the environment names the service.
fn is_named() -> bool {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let attributes = variable("OTEL_RESOURCE_ATTRIBUTES");
    let named = attributes.split(',').any(|pair| pair.split_once('=').is_some_and(|(key, _)| key.trim() == "service.name"));
    named || !variable("OTEL_SERVICE_NAME").is_empty()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn settings(args: &[&str]) -> Result<Settings, SettingsError> {
        let args = ["ipfs-node"].iter().chain(args);
        Cli::try_parse_from(args).unwrap().settings()
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_beat_the_file_and_the_file_beats_the_default() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.json");
        std::fs::write(&path, r#"{"MetricsPeriod": "7s", "WindowDuration": "9m"}"#).unwrap();
        let path = path.to_str().unwrap();
        let telemetry = |args: &[&str]| settings(args).unwrap().telemetry.unwrap();
        let from_file = telemetry(&["--config", path]);
        assert_eq!(from_file.collect_every, Duration::from_secs(7));
        assert_eq!(from_file.streams.window, Duration::from_secs(540));
        assert_eq!(from_file.listen, Some(LISTEN));
        let with_flag = telemetry(&["--config", path, "--collect-every", "500ms"]);
        assert_eq!(with_flag.collect_every, Duration::from_millis(500));
    }

    #[test]
    fn a_node_that_is_not_enabled_has_no_telemetry() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.json");
        std::fs::write(&path, r#"{"Enabled": false}"#).unwrap();
        assert!(settings(&["--config", path.to_str().unwrap()]).unwrap().telemetry.is_none());
    }

    #[test]
    fn a_bad_duration_names_its_flag_and_what_was_wanted() {
        let error = Cli::try_parse_from(["ipfs-node", "--for", "soon"]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("--for"), "{text}");
        assert!(text.contains("wanted a duration such as 500ms, 1s, 5m or 1h"), "{text}");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn water_marks_are_in_order() {
        let error = settings(&["--low-water", "9", "--high-water", "8"]).unwrap_err();
        assert_eq!(error.to_string(), "--low-water, --high-water: wanted 1 <= low <= high, found 9 and 8");
        assert!(settings(&["--low-water", "0"]).is_err());
    }
}
