//! Why the segments are gone that a log does not hold any more.

use std::collections::VecDeque;

use super::piece::Reason;

/// The runs of segments that were dropped for one reason, the oldest first.
#[derive(Default)]
pub struct Losses {
    runs: VecDeque<Run>,
}

struct Run {
    /// The first segment behind it.
    until: u64,
    /// Messages that were appended before that.
    before: u64,
    reason: Reason,
}

/// Runs that are told apart. Beyond it the oldest two are one, which counts as dropped.
const RUNS_MAX: usize = 64;

impl Losses {
    /// Notes that what is before this segment is gone.
    pub fn add(&mut self, until: u64, before: u64, reason: Reason) {
        match self.runs.back_mut().filter(|run| run.reason == reason) {
            Some(run) => (run.until, run.before) = (until, before),
            None => self.runs.push_back(Run { until, before, reason }),
        }
        if self.runs.len() > RUNS_MAX {
            self.runs.pop_front();
            if let Some(run) = self.runs.front_mut() {
                run.reason = Reason::Dropped;
            }
        }
    }

    /// Of a segment that is gone: the first behind it that is held, or was dropped for another reason; the messages that were appended
    /// before that; and why.
    pub fn of(&self, sequence: u64) -> (u64, u64, Reason) {
        let at = self.runs.partition_point(|run| run.until <= sequence);
        self.runs.get(at).map_or((sequence, 0, Reason::Dropped), |run| (run.until, run.before, run.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_has_its_reason_and_beyond_the_bound_the_oldest_are_one() {
        let mut losses = Losses::default();
        for until in 1..=1_000_u64 {
            losses.add(until, until * 10, if until % 4 < 2 { Reason::Expired } else { Reason::Dropped });
        }
        assert_eq!(losses.runs.len(), RUNS_MAX);
        assert_eq!(losses.of(999), (1_000, 10_000, Reason::Expired));
        assert_eq!(losses.of(998), (999, 9_990, Reason::Dropped));
        assert_eq!(losses.of(997), (999, 9_990, Reason::Dropped));
        assert_eq!(losses.of(996), (997, 9_970, Reason::Expired));
        let (oldest, _, reason) = losses.of(0);
        assert_eq!(reason, Reason::Dropped);
        assert!(oldest > 800);
    }
}
