//! The time between two attempts: doubled with each failure, half of it random, so that programs which lost one collector together do
//! not come back together.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::limits::{PUSH_BACKOFF, PUSH_BACKOFF_MAX};

/// Failures in a row.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The time until the next attempt, after one more failure: the one that the collector asks for where that is longer.
    pub fn next(&mut self, asked: Option<Duration>) -> Duration {
        let delay = delay(self.failures, random());
        self.failures = self.failures.saturating_add(1);
        delay.max(asked.unwrap_or_default())
    }

    /// An attempt has succeeded.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Whether the last attempt has failed.
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }
}

/// The time after so many failures before, for a random number from 0 to 1.
fn delay(failures: u32, random: f64) -> Duration {
    let whole = PUSH_BACKOFF.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(PUSH_BACKOFF_MAX);
    whole.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
}

/// From 0 to 1, of the standard library's random keys.
fn random() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_the_most_and_half_of_it_is_random() {
        for (failures, whole_s) in [(0, 1), (1, 2), (2, 4), (4, 16), (5, 30), (31, 30), (32, 30), (u32::MAX, 30)] {
            let whole = Duration::from_secs(whole_s);
            assert_eq!((delay(failures, 1.0), delay(failures, 0.0)), (whole, whole / 2), "{failures}");
        }
    }

    #[test]
    fn a_success_begins_anew() {
        let mut backoff = Backoff::default();
        for _ in 0..9 {
            assert!(backoff.next(None) <= PUSH_BACKOFF_MAX);
        }
        assert!(backoff.is_failing());
        backoff.reset();
        assert!(!backoff.is_failing() && backoff.next(None) <= PUSH_BACKOFF);
    }

    #[test]
    fn a_collector_may_ask_for_more_time_and_not_for_less() {
        let mut backoff = Backoff::default();
        assert!(backoff.next(Some(Duration::ZERO)) >= PUSH_BACKOFF / 2);
        assert!(backoff.next(Some(Duration::ZERO)) >= PUSH_BACKOFF, "it doubles all the same");
        assert_eq!(backoff.next(Some(PUSH_BACKOFF_MAX * 2)), PUSH_BACKOFF_MAX * 2);
    }

    #[test]
    fn random_numbers_differ() {
        let numbers: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(numbers.iter().all(|number| (0.0..=1.0).contains(number)));
        assert!(numbers.iter().any(|number| *number != numbers[0]));
    }
}
