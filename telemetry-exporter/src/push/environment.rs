//! OpenTelemetry's environment variables: which collectors, and how often all metrics are collected.
//!
//! A variable of one signal wins over that of all; an empty one counts as unset. What cannot be read is an error and not, as the
//! specification has it, a warning: a program that is told where to push and does not is hard to find.

use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::settings::{Compression, Protocol, Push, Temporality, Tls};
use crate::error::StartError;
use crate::limits::PUSH_TIMEOUT_MAX;

/// Looks a variable up; none where it is unset.
pub(crate) struct Variables<'a>(pub(crate) &'a dyn Fn(&str) -> Option<String>);

/// What the variables say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Environment {
    /// Between two collections, where it is said.
    pub collect_every: Option<Duration>,
    /// The collectors: one for all signals, or one for each where they differ.
    pub push: Vec<Push>,
    /// Whether metrics are not to be pushed, whatever the program says.
    pub metrics_off: bool,
    /// The same of events.
    pub events_off: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Signal {
    Metrics,
    Logs,
}

impl Signal {
    const fn word(self) -> &'static str {
        match self {
            Self::Metrics => "METRICS",
            Self::Logs => "LOGS",
        }
    }
}

impl Environment {
    /// # Errors
    /// The first variable that cannot be read, with its value and what is wanted.
    pub(crate) fn read(variables: &Variables<'_>) -> Result<Self, StartError> {
        let collect_every = match variables.milliseconds("OTEL_METRIC_EXPORT_INTERVAL")? {
            Some(Duration::ZERO) => return Err(wrong("OTEL_METRIC_EXPORT_INTERVAL", "0", "milliseconds above 0")),
            every => every,
        };
        if variables.flag("OTEL_SDK_DISABLED")? {
            return Ok(Self { collect_every, push: Vec::new(), metrics_off: true, events_off: true });
        }
        let metrics = variables.push(Signal::Metrics)?;
        let logs = variables.push(Signal::Logs)?;
        let push = match (metrics, logs) {
            (Some(metrics), Some(logs)) => {
                let both = Push { metrics: true, temporality: metrics.temporality, ..logs.clone() };
                let same = !both.exact && both == Push { events: true, ..metrics.clone() };
                if same { vec![both] } else { vec![metrics, logs] }
            }
            (one, other) => one.or(other).into_iter().collect(),
        };
        let off = |signal| Ok(variables.asked(signal)? == Some(false));
        Ok(Self { collect_every, push, metrics_off: off(Signal::Metrics)?, events_off: off(Signal::Logs)? })
    }
}

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The variable of the signal, or that of all, with its name.
    fn of(&self, signal: Signal, what: &str) -> Option<(String, String)> {
        let names = [format!("OTEL_EXPORTER_OTLP_{}_{what}", signal.word()), format!("OTEL_EXPORTER_OTLP_{what}")];
        names.into_iter().find_map(|name| self.get(&name).map(|value| (name, value)))
    }

    fn milliseconds(&self, name: &str) -> Result<Option<Duration>, StartError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        milliseconds(name, &value).map(Some)
    }

    fn flag(&self, name: &str) -> Result<bool, StartError> {
        self.get(name).map_or(Ok(false), |value| flag(name, &value))
    }

    /// Whether the signal is pushed: where it is asked for, or where an endpoint is set and nothing else is asked for.
    fn is_on(&self, signal: Signal) -> Result<bool, StartError> {
        Ok(self.asked(signal)?.unwrap_or_else(|| self.of(signal, "ENDPOINT").is_some()))
    }

    /// Whether it is asked for, or something else is.
    fn asked(&self, signal: Signal) -> Result<Option<bool>, StartError> {
        let name = format!("OTEL_{}_EXPORTER", signal.word());
        let Some(value) = self.get(&name) else { return Ok(None) };
        let mut on = false;
        for word in value.split(',').map(str::trim) {
            match (word, signal) {
                ("otlp", _) => on = true,
                ("none", _) => {}
                ("prometheus", Signal::Metrics) => {} // the service has /metrics in any case
                (_, Signal::Metrics) => return Err(wrong(&name, &value, "otlp, prometheus or none")),
                (_, Signal::Logs) => return Err(wrong(&name, &value, "otlp or none")),
            }
        }
        Ok(Some(on))
    }

    fn push(&self, signal: Signal) -> Result<Option<Push>, StartError> {
        if !self.is_on(signal)? {
            return Ok(None);
        }
        let protocol = match self.of(signal, "PROTOCOL") {
            None => Protocol::HttpProtobuf,
            Some((name, value)) => match value.as_str() {
                "grpc" => Protocol::Grpc,
                "http/protobuf" => Protocol::HttpProtobuf,
                _ => return Err(wrong(&name, &value, "grpc or http/protobuf")),
            },
        };
        let (endpoint, exact) = self.endpoint(signal, protocol)?;
        let headers = self.of(signal, "HEADERS").map_or(Ok(Vec::new()), |(name, value)| headers(&name, &value))?;
        let mut push = Push { endpoint, exact, protocol, headers, ..Push::default() };
        if let Some((name, value)) = self.of(signal, "TIMEOUT") {
            let timeout = milliseconds(&name, &value)?;
            push.timeout = if timeout.is_zero() { PUSH_TIMEOUT_MAX } else { timeout };
        }
        if let Some((name, value)) = self.of(signal, "COMPRESSION") {
            push.compression = match value.as_str() {
                "gzip" => Compression::Gzip,
                "none" => Compression::None,
                _ => return Err(wrong(&name, &value, "gzip or none")),
            };
        }
        let preference = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        if let Some(value) = self.get(preference).filter(|_| signal == Signal::Metrics) {
            push.temporality = match value.to_ascii_lowercase().as_str() {
                "cumulative" => Temporality::Cumulative,
                // Deltas are made of what the stream holds, which takes the memory in any case.
                "delta" | "lowmemory" => Temporality::Delta,
                _ => return Err(wrong(preference, &value, "cumulative, delta or lowmemory")),
            };
        }
        let file = |what| self.of(signal, what).map(|(_, value)| value.into());
        push.tls = Tls {
            certificate: file("CERTIFICATE"),
            client_certificate: file("CLIENT_CERTIFICATE"),
            client_key: file("CLIENT_KEY"),
        };
        (push.metrics, push.events) = (signal == Signal::Metrics, signal == Signal::Logs);
        Ok(Some(push))
    }

    /// The endpoint, and whether it is the whole URL.
    fn endpoint(&self, signal: Signal, protocol: Protocol) -> Result<(String, bool), StartError> {
        let Some((name, value)) = self.of(signal, "ENDPOINT") else { return Ok((protocol.default_endpoint().to_owned(), false)) };
        if value.contains("://") {
            let exact = protocol == Protocol::HttpProtobuf && name.contains(signal.word());
            return Ok((value, exact));
        }
        if protocol == Protocol::HttpProtobuf {
            let shown = Push { endpoint: value, ..Push::default() }.shown_endpoint();
            return Err(wrong(&name, &shown, "a URL that begins with http:// or https://"));
        }
        let insecure = match self.of(signal, "INSECURE") {
            Some((name, value)) => flag(&name, &value)?,
            None => false,
        };
        Ok((format!("{}://{value}", if insecure { "http" } else { "https" }), false))
    }
}

fn wrong(name: &str, value: &str, wanted: &str) -> StartError {
    StartError::Setting(format!("{name} is \"{value}\": wanted {wanted}"))
}

fn milliseconds(name: &str, value: &str) -> Result<Duration, StartError> {
    let parsed = value.parse().ok().map(Duration::from_millis).filter(|time| *time <= PUSH_TIMEOUT_MAX);
    parsed.ok_or_else(|| wrong(name, value, &format!("milliseconds, 0 to {}", PUSH_TIMEOUT_MAX.as_millis())))
}

fn flag(name: &str, value: &str) -> Result<bool, StartError> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(wrong(name, value, "true or false")),
    }
}

/// `key=value,key=value` with percent-encoded values. An error does not tell the values, which may be secrets.
fn headers(name: &str, value: &str) -> Result<Vec<(String, String)>, StartError> {
    let mut headers = Vec::new();
    for (index, pair) in value.split(',').map(str::trim).enumerate().filter(|(_, pair)| !pair.is_empty()) {
        let parsed = pair.split_once('=').and_then(|(key, value)| {
            let decode = |text: &str| percent_decode_str(text.trim()).decode_utf8().ok().map(|text| text.into_owned());
            Some((decode(key).filter(|key| !key.is_empty())?, decode(value)?))
        });
        let text = || format!("{name} has a pair {} that is none: wanted key=value,…, percent-encoded UTF-8", index + 1);
        headers.push(parsed.ok_or_else(|| StartError::Setting(text()))?);
    }
    Ok(headers)
}

#[cfg(test)]
#[path = "environment_tests.rs"]
mod tests;
