//! A moment as people say it.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment in Unix nanoseconds: itself, or how long ago it was.
///
/// # Errors
/// What was wanted.
pub fn moment(text: &str) -> Result<u64, String> {
    let time = match humantime::parse_duration(text) {
        Ok(ago) => SystemTime::now().checked_sub(ago),
        Err(_) => humantime::parse_rfc3339_weak(text).ok(),
    };
    let since_epoch = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let ns = since_epoch.and_then(|since| u64::try_from(since.as_nanos()).ok()).filter(|ns| *ns > 0);
    ns.ok_or_else(|| "wanted a time such as 2026-01-31T12:00:00Z, or how long ago, such as 10m".to_owned())
}
