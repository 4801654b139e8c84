//! What a program decides about its telemetry.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use telemetry_core::Access;

use crate::access::Policy;
use crate::admission::Limits;
use crate::error::StartError;
use crate::limits;
use crate::persist::Disk;
use crate::push::{Environment, Push, Variables};
use crate::stream::{Bounds, FRAME_HEAD_BYTES, METRICS, StreamOptions};

/// The settings of [`start`](crate::start).
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the service listens on TCP; none for no TCP. Port 0 takes a free one. Beyond loopback it wants [`tls`](Self::tls) and an
    /// [`access`](Self::access) that is restricted.
    pub listen: Option<SocketAddr>,
    /// TLS for `listen`; without it nothing but loopback is listened on.
    pub tls: Option<ServerTls>,
    /// Where the service listens on a Unix socket, in a file that its owner alone may use: whoever may is as one that is listed.
    pub unix: Option<PathBuf>,
    /// Between two collections of all metrics.
    pub collect_every: Duration,
    /// Who may have what.
    pub access: Policy,
    /// What clients may take of the service.
    pub limits: Limits,
    /// The bounds of every stream, where `bounds` says nothing else.
    pub streams: StreamOptions,
    /// The bounds of some streams, and of all together.
    pub bounds: Bounds,
    /// Where streams are kept in files; in memory alone by default. What earlier lives of the process left there is served too.
    pub disk: Option<Disk>,
    /// Whether libp2p peers may test the bandwidth.
    pub bandwidth: bool,
    /// Attributes of the OpenTelemetry resource, beside those of the environment; these win.
    pub resource: Vec<(String, String)>,
    /// The collectors that metrics and events are pushed to; none by default.
    pub push: Vec<Push>,
    /// Whether this is behind `opentelemetry::global` from its start on, in place of the provider before, until it stops.
    ///
    /// Code that has made instruments there before needs `telemetry_core::otel::install` in front of it.
    pub global: bool,
}

/// The certificate of the service, and whose it takes: files in PEM, which are read again within [`RELOAD_EVERY`](limits::RELOAD_EVERY) when they
/// change. Needs the feature `tls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// The certificate, with those between it and an authority.
    pub certificate: PathBuf,
    /// Its key. On Unix a file that every user of the machine may read is refused.
    pub key: PathBuf,
    /// The authorities whose client certificates are taken: who shows one is listed. Where there are none, no certificate is asked for.
    pub client_authorities: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 4000))),
            collect_every: limits::COLLECT_EVERY,
            tls: None,
            unix: None,
            access: Policy::default(),
            limits: Limits::default(),
            streams: StreamOptions::default(),
            bounds: Bounds::default(),
            disk: None,
            bandwidth: true,
            resource: Vec::new(),
            push: Vec::new(),
            global: true,
        }
    }
}

impl Config {
    /// The defaults, and what OpenTelemetry's environment variables say: see [`with_env`](Self::with_env).
    ///
    /// # Errors
    /// The first variable that cannot be read, with its value and what is wanted.
    pub fn from_env() -> Result<Self, StartError> {
        Self::default().with_env()
    }

    /// These settings, with what OpenTelemetry's environment variables say in place of `collect_every` and `push`, where they say it.
    ///
    /// Read are `OTEL_METRIC_EXPORT_INTERVAL`; `OTEL_METRICS_EXPORTER` and `OTEL_LOGS_EXPORTER` (`otlp`, or `none`, with which that signal is
    /// not pushed, nor `prometheus` for metrics); `ENDPOINT`,
    /// `PROTOCOL` (`grpc` or `http/protobuf`, the default), `HEADERS`, `TIMEOUT`, `COMPRESSION`, `CERTIFICATE`, `CLIENT_CERTIFICATE`,
    /// `CLIENT_KEY` and `INSECURE` after `OTEL_EXPORTER_OTLP_`, and after `OTEL_EXPORTER_OTLP_METRICS_` and `OTEL_EXPORTER_OTLP_LOGS_`,
    /// which win; `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`; and `OTEL_SDK_DISABLED`, with which nothing is pushed. Events
    /// are the signal `LOGS`. A signal is pushed where its exporter is `otlp`, or where it has an endpoint and no exporter is named.
    /// The resource is the SDK's, which reads `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` in any case.
    ///
    /// # Errors
    /// The first variable that cannot be read, with its value and what is wanted.
    pub fn with_env(self) -> Result<Self, StartError> {
        let look_up = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Ok(self.with(Environment::read(&Variables(&look_up))?))
    }

    fn with(mut self, Environment { collect_every, push, metrics_off, events_off }: Environment) -> Self {
        self.collect_every = collect_every.unwrap_or(self.collect_every);
        if !push.is_empty() {
            self.push = push;
        }
        for push in &mut self.push {
            push.metrics &= !metrics_off;
            push.events &= !events_off;
        }
        self.push.retain(|push| push.metrics || push.events);
        self
    }

    /// Whether the service may listen where it is to.
    ///
    /// # Errors
    /// An address that others reach, without TLS or without anything that tells them apart.
    pub(crate) fn judge_reach(&self, takes_credentials: bool) -> Result<(), StartError> {
        let Some(addr) = self.listen.filter(|addr| !addr.ip().to_canonical().is_loopback()) else { return Ok(()) };
        if self.access.insecure_public || self.access.whole == Access::Disabled {
            return Ok(());
        }
        let mut missing = Vec::new();
        if self.tls.is_none() {
            missing.push("`tls` with a certificate and its key");
        }
        if self.access.whole == Access::Public {
            missing.push("an `access` that is restricted");
        } else if !takes_credentials {
            missing.push("tokens in `access`, or authorities of client certificates in `tls`");
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(StartError::Setting(format!(
            "listen is {addr}, which others than this machine may reach: wanted {}; or a loopback address; or access.insecure_public, which says \
             that everybody there may read all of it, and what they send",
            missing.join(", and ")
        )))
    }

    /// # Errors
    /// The first setting that cannot be, with what is wanted.
    pub(crate) fn validate(&self) -> Result<(), StartError> {
        if self.collect_every.is_zero() {
            return Err(StartError::Setting("collect_every is zero: wanted a time above zero".to_owned()));
        }
        self.access.validate().map_err(StartError::Setting)?;
        self.limits.validate().map_err(|text| StartError::Setting(format!("limits.{text}")))?;
        if self.tls.is_some() && !cfg!(feature = "tls") {
            return Err(StartError::Setting("tls: wanted the feature `tls` of telemetry-exporter".to_owned()));
        }
        if self.unix.is_some() && !cfg!(unix) {
            return Err(StartError::Setting("unix: this system has no Unix sockets".to_owned()));
        }
        self.streams.validate().map_err(|text| StartError::Setting(format!("streams.{text}")))?;
        for name in self.bounds.names() {
            if name.is_empty() || name.trim_end_matches('*').len() + 1 < name.len() || name.trim_end_matches('*').contains('*') {
                let wanted = "wanted the name of a stream, or how names begin and one * behind it";
                return Err(StartError::Setting(format!("bounds of \"{name}\": {wanted}")));
            }
            let resolved = self.bounds.resolve(&self.streams, name.trim_end_matches('*'));
            resolved.validate().map_err(|text| StartError::Setting(format!("bounds of \"{name}\": {text}")))?;
        }
        let metrics = self.bounds.resolve(&self.streams, METRICS);
        metrics.validate().map_err(|text| StartError::Setting(format!("bounds of \"{METRICS}\": {text}")))?;
        let least = metrics.message_bytes_max + FRAME_HEAD_BYTES;
        if self.bounds.bytes_max < least {
            let text = format!("bounds.bytes_max is {}: wanted at least {least}, one message and its frame", self.bounds.bytes_max);
            return Err(StartError::Setting(text));
        }
        if let Some(disk) = &self.disk {
            disk.validate().map_err(|text| StartError::Setting(format!("disk.{text}")))?;
        }
        self.push.iter().enumerate().try_for_each(|(index, push)| push.validate(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_environment_puts_off_is_not_pushed_though_the_program_says_so() {
        let with = |variables: &[(&str, &str)]| {
            let look_up = |name: &str| variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned());
            let environment = Environment::read(&Variables(&look_up)).expect("it can be read");
            let config = Config { push: vec![Push::default()], ..Config::default() }.with(environment);
            config.push.into_iter().map(|push| (push.metrics, push.events)).collect::<Vec<_>>()
        };
        assert_eq!(with(&[]), [(true, true)]);
        assert_eq!(with(&[("OTEL_SDK_DISABLED", "true")]), []);
        assert_eq!(with(&[("OTEL_METRICS_EXPORTER", "none")]), [(false, true)]);
        assert_eq!(with(&[("OTEL_METRICS_EXPORTER", "prometheus")]), [(false, true)]);
        assert_eq!(with(&[("OTEL_METRICS_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "none")]), []);
        assert_eq!(with(&[("OTEL_LOGS_EXPORTER", "otlp"), ("OTEL_METRICS_EXPORTER", "none")]), [(false, true)]);
    }

    #[test]
    fn bytes_beyond_all_are_an_error() {
        let streams = StreamOptions { message_bytes_max: usize::MAX, ..StreamOptions::default() };
        let error = Config { streams, ..Config::default() }.validate().expect_err("no stream holds them");
        assert!(error.to_string().contains("streams.bytes_max"), "{error}");
    }
}
