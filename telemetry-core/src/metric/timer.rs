//! A guard that records how long it lived.

use std::time::{Duration, Instant};

use super::distribution::HistogramCell;
use super::family::{Held, Options};

/// Records the seconds since its start into a histogram, when it is stopped or dropped.
#[must_use = "a timer that is dropped at once records no time"]
pub struct Timer<'a> {
    cell: Held<'a, HistogramCell>,
    options: &'a Options,
    began: Instant,
    armed: bool,
}

impl<'a> Timer<'a> {
    pub(super) fn start(cell: Held<'a, HistogramCell>, options: &'a Options) -> Self {
        Self { cell, options, began: Instant::now(), armed: true }
    }

    /// Records now, and tells the time.
    pub fn stop(mut self) -> Duration {
        self.armed = false;
        let elapsed = self.began.elapsed();
        self.cell.record(elapsed.as_secs_f64(), self.options);
        elapsed
    }

    /// Ends without recording.
    pub fn discard(mut self) {
        self.armed = false;
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.cell.record(self.began.elapsed().as_secs_f64(), self.options);
        }
    }
}
