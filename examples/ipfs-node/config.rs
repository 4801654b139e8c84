//! The configuration file, and durations as they are written there and on the command line.
//!
//! Invariant: an error names the file, the key, what was wanted and what was found.
//! Deliberately absent: merging with the flags (`cli`).

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use libp2p::PeerId;
use serde_json::Value;

/// What a duration looks like, for error messages.
const DURATION_WANTED: &str = "a duration such as 500ms, 1s, 5m or 1h";

/// The keys, for error messages.
const KEYS_WANTED: &str = "one of the keys Enabled, AccessType, Whitelist, MetricsPeriod, WindowDuration, ActiveBufferDuration \
                           or BandwidthEnabled";

/// The longest duration that is taken: ten years.
const DURATION_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What the file says; all of it is optional.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct File {
    /// `Enabled`
    pub enabled: Option<bool>,
    /// `AccessType`
    pub access: Option<AccessType>,
    /// `Whitelist`
    pub whitelist: Option<BTreeSet<PeerId>>,
    /// `MetricsPeriod`
    pub collect_every: Option<Duration>,
    /// `WindowDuration`
    pub window: Option<Duration>,
    /// `ActiveBufferDuration`
    pub seal_after: Option<Duration>,
    /// `BandwidthEnabled`
    pub bandwidth: Option<bool>,
}

/// Who may read the node's telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessType {
    Public,
    Restricted,
    Disabled,
}

/// What is wrong with a configuration file.
#[derive(Debug)]
pub struct ConfigError {
    path: PathBuf,
    key: Option<String>,
    problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.problem)
    }
}

impl std::error::Error for ConfigError {}

impl File {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, is no JSON object, or has a key or value that is not one of those above.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let error =
            |key: Option<&str>, problem: String| ConfigError { path: path.to_owned(), key: key.map(str::to_owned), problem };
        let text = std::fs::read_to_string(path).map_err(|e| error(None, e.to_string()))?;
        Self::parse(&text).map_err(|(key, problem)| error(key.as_deref(), problem))
    }

    fn parse(text: &str) -> Result<Self, (Option<String>, String)> {
        let json: Value = serde_json::from_str(text).map_err(|error| (None, format!("wanted JSON, found none: {error}")))?;
        let Value::Object(entries) = json else {
            return Err((None, format!("wanted a JSON object, found {json}")));
        };
        let mut file = Self::default();
        for (key, value) in &entries {
            file.set(key, value).map_err(|wanted| {
                let found = if wanted == KEYS_WANTED { format!("{key:?}") } else { value.to_string() };
                (Some(key.clone()), format!("wanted {wanted}, found {found}"))
            })?;
        }
        Ok(file)
    }

    /// Takes one entry, or says what was wanted instead.
    fn set(&mut self, key: &str, value: &Value) -> Result<(), &'static str> {
        match key {
            "Enabled" => self.enabled = Some(boolean(value)?),
            "BandwidthEnabled" => self.bandwidth = Some(boolean(value)?),
            "MetricsPeriod" => self.collect_every = Some(duration(value)?),
            "WindowDuration" => self.window = Some(duration(value)?),
            "ActiveBufferDuration" => self.seal_after = Some(duration(value)?),
            "AccessType" => {
                self.access = Some(match value.as_str() {
                    Some("public") => AccessType::Public,
                    Some("restricted") => AccessType::Restricted,
                    Some("disabled") => AccessType::Disabled,
                    _ => return Err("\"public\", \"restricted\" or \"disabled\""),
                });
            }
            "Whitelist" => {
                let peers = value.as_array().map(|peers| {
                    let peer = |peer: &Value| peer.as_str()?.parse().ok();
                    peers.iter().map(peer).collect::<Option<BTreeSet<PeerId>>>()
                });
                self.whitelist = Some(peers.flatten().ok_or("an array of peer ids")?);
            }
            _ => return Err(KEYS_WANTED),
        }
        Ok(())
    }
}

fn boolean(value: &Value) -> Result<bool, &'static str> {
    value.as_bool().ok_or("true or false")
}

fn duration(value: &Value) -> Result<Duration, &'static str> {
    let text = value.as_str();
    text.and_then(parse_duration).ok_or(DURATION_WANTED)
}

/// A duration of the command line; the error says what was wanted.
///
/// # Errors
/// When `text` is no duration, or none that is longer than zero and shorter than ten years.
pub fn duration_flag(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| format!("wanted {DURATION_WANTED}, found {text:?}"))
}

/// One or several whole numbers with a unit: `1h30m`, as Go writes them too.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let part = match &rest[..unit] {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = &rest[unit..];
    }
    (!total.is_zero() && total <= DURATION_MAX).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        let parsed = ["500ms", "1s", "5m", "1h", "1h30m", "1m0s", " 2s "].map(parse_duration);
        let wanted = [500, 1000, 300_000, 3_600_000, 5_400_000, 60_000, 2000];
        assert_eq!(parsed, wanted.map(|ms| Some(Duration::from_millis(ms))));
    }

    #[test]
    fn what_is_no_duration_says_what_is() {
        let texts = ["", "1", "s", "1x", "-1s", "1.5s", "0s", "1 s", "99999999999999999999s", "9999999h"];
        for text in texts {
            assert_eq!(duration_flag(text).unwrap_err(), format!("wanted a duration such as 500ms, 1s, 5m or 1h, found {text:?}"));
        }
    }

    #[test]
    fn all_keys_are_taken() {
        let peer = PeerId::random();
        let text = format!(
            r#"{{"Enabled": true, "AccessType": "restricted", "Whitelist": ["{peer}"], "MetricsPeriod": "500ms",
                "WindowDuration": "1h", "ActiveBufferDuration": "5m", "BandwidthEnabled": false}}"#
        );
        let wanted = File {
            enabled: Some(true),
            access: Some(AccessType::Restricted),
            whitelist: Some([peer].into()),
            collect_every: Some(Duration::from_millis(500)),
            window: Some(Duration::from_secs(3600)),
            seal_after: Some(Duration::from_secs(300)),
            bandwidth: Some(false),
        };
        assert_eq!(File::parse(&text).unwrap(), wanted);
        assert_eq!(File::parse("{}").unwrap(), File::default());
    }

    #[test]
    fn an_error_names_the_file_the_key_and_what_was_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.json");
        let name = path.display().to_string();
        for (text, wanted) in [
            (r#"{"Enabled": 1}"#, "Enabled: wanted true or false, found 1"),
            (r#"{"MetricsPeriod": "1 day"}"#, "MetricsPeriod: wanted a duration such as 500ms, 1s, 5m or 1h, found \"1 day\""),
            (r#"{"AccessType": "open"}"#, "AccessType: wanted \"public\", \"restricted\" or \"disabled\", found \"open\""),
            (r#"{"Whitelist": ["x"]}"#, "Whitelist: wanted an array of peer ids, found [\"x\"]"),
            (
                r#"{"Colour": "red"}"#,
                "Colour: wanted one of the keys Enabled, AccessType, Whitelist, MetricsPeriod, WindowDuration, \
                 ActiveBufferDuration or BandwidthEnabled, found \"Colour\"",
            ),
            ("[]", "wanted a JSON object, found []"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = File::load(&path).unwrap_err();
            assert_eq!(error.to_string(), format!("{name}: {wanted}"));
        }
        let missing = dir.path().join("none.json");
        assert!(File::load(&missing).unwrap_err().to_string().starts_with(&missing.display().to_string()));
    }
}
