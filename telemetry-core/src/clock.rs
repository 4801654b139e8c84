//! Unix time in nanoseconds, and the moment from which cumulative values count.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

static START_NS: OnceLock<u64> = OnceLock::new();

/// Now, in nanoseconds since the Unix epoch. Zero before 1970; saturates in the year 2554.
pub fn now_ns() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
}

/// When this process first asked, in nanoseconds since the Unix epoch: the start of all cumulative sums.
pub fn start_ns() -> u64 {
    *START_NS.get_or_init(now_ns)
}
