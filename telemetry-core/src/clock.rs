//! Unix time in nanoseconds, and the moment from which cumulative values count.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 0 before it is first asked.
static START_NS: AtomicU64 = AtomicU64::new(0);

/// Now, in nanoseconds since the Unix epoch. Zero before 1970; saturates in the year 2554.
pub fn now_ns() -> u64 {
    if cfg!(miri) {
        return 1; // which has no clock to look at
    }
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
}

/// The start of all cumulative sums, in nanoseconds since the Unix epoch: when the first registry was made, or this was first asked.
///
/// What was recorded before that is in the sums too, so the rate of the first interval alone may be too high.
pub fn start_ns() -> u64 {
    match START_NS.load(Relaxed) {
        0 => {
            let now = now_ns();
            START_NS.compare_exchange(0, now, Relaxed, Relaxed).err().unwrap_or(now)
        }
        start => start,
    }
}

/// Sums begin again, as they do in the child of a fork.
#[cfg(all(unix, not(miri)))]
pub(crate) fn restart() {
    START_NS.store(0, Relaxed);
}
