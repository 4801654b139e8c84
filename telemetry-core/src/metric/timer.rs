//! A guard that records how long it lived.

use std::time::{Duration, Instant};

/// Records the seconds since its start into a histogram, when it is stopped or dropped.
#[must_use = "a timer that is dropped at once records no time"]
pub struct Timer<R: Recorder> {
    recorder: R,
    began: Instant,
    armed: bool,
}

/// What a timer records into: a histogram without labels, a series of one, or a handle.
pub trait Recorder {
    /// Records a time, in seconds.
    fn seconds(&self, duration: Duration);
}

impl<R: Recorder> Timer<R> {
    pub(super) fn start(recorder: R) -> Self {
        Self { recorder, began: Instant::now(), armed: true }
    }

    /// Records now, and tells the time.
    pub fn stop(mut self) -> Duration {
        self.armed = false;
        let elapsed = self.began.elapsed();
        self.recorder.seconds(elapsed);
        elapsed
    }

    /// Ends without recording.
    pub fn discard(mut self) {
        self.armed = false;
    }
}

impl<R: Recorder> Drop for Timer<R> {
    fn drop(&mut self) {
        if self.armed {
            self.recorder.seconds(self.began.elapsed());
        }
    }
}
