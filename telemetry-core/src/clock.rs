//! Unix time in nanoseconds, and the moment from which cumulative values count.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

static START_NS: OnceLock<u64> = OnceLock::new();

/// Now, in nanoseconds since the Unix epoch. Zero before 1970; saturates in the year 2554.
pub fn now_ns() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
}

/// The start of all cumulative sums, in nanoseconds since the Unix epoch: when the first registry was made, or this was first asked.
///
/// What was recorded before that is in the sums too, so the rate of the first interval alone may be too high.
pub fn start_ns() -> u64 {
    *START_NS.get_or_init(now_ns)
}
