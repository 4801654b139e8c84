//! Unix time in nanoseconds, and the moment from which cumulative values count.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
#[cfg(any(not(unix), miri))]
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 0 before it is first asked.
static START_NS: AtomicU64 = AtomicU64::new(0);

/// Now, in nanoseconds since the Unix epoch. Zero before 1970; saturates in the year 2554.
#[inline]
pub fn now_ns() -> u64 {
    if cfg!(miri) {
        return 1; // which has no clock to look at
    }
    system_ns()
}

/// What `SystemTime` tells too, but in whole numbers from the start: that takes a fifth less.
#[cfg(all(unix, not(miri)))]
#[allow(unsafe_code)]
fn system_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes a time to where there is one, and fails for nothing but a clock that there is not.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut now) };
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(any(not(unix), miri))]
fn system_ns() -> u64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "it has no clock")]
    fn the_time_is_that_of_the_system() {
        let system =
            || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let (before, now, after) = (system(), now_ns(), system());
        assert!(before <= now && now <= after || after < before, "{before} {now} {after}");
    }
}
