//! Making a token.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::CliError;
use crate::access::secret_file;
use crate::limits::TOKENS_FILE_BYTES_MAX;

/// What is longer is for ever.
const LASTS_MAX: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// Bytes of a token, before they are letters.
const BYTES: usize = 32;

/// Prints a token, or appends it to a file, with what else is said of it.
pub fn make(path: Option<&Path>, name: Option<&str>, lasts: Option<Duration>, json: bool) -> Result<(), CliError> {
    let other = |why: String| CliError::Other(why);
    if name.is_some_and(|name| name.is_empty() || name.contains(char::is_whitespace)) {
        return Err(other("--name: wanted one word".to_owned()));
    }
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| other(format!("the system has no random bytes: {error}")))?;
    let token = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    if lasts.is_some_and(|lasts| lasts > LASTS_MAX || lasts.is_zero()) {
        return Err(other("--for: wanted a time above zero and at most 100years, or nothing for ever".to_owned()));
    }
    let until = lasts.map(|lasts| humantime::format_rfc3339_seconds(SystemTime::now() + lasts).to_string());
    let Some(path) = path else {
        let line = line(&token, name, until.as_deref());
        let told = if json { format!("{}\n", serde_json::json!({ "token": token, "name": name, "until": until })) } else { line };
        return Ok(io::stdout().lock().write_all(told.as_bytes())?);
    };
    let told = |error: io::Error| other(format!("{}: {error}", path.display()));
    let bytes = if path.exists() { secret_file::read(path, TOKENS_FILE_BYTES_MAX) } else { Ok(Vec::new()) };
    let bytes = bytes.map_err(|why| other(format!("{}: {why}", path.display())))?;
    let end = if bytes.last().is_none_or(|last| *last == b'\n') { "" } else { "\n" };
    let line = format!("{end}{}", line(&token, name, until.as_deref()));
    let mut file = opened(path).map_err(told)?;
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(told)
}

/// As a file of tokens has it.
fn line(token: &str, name: Option<&str>, until: Option<&str>) -> String {
    let name = name.map(|name| format!(" name={name}")).unwrap_or_default();
    let until = until.map(|until| format!(" until={until}")).unwrap_or_default();
    format!("{token}{name}{until}\n")
}

fn opened(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
