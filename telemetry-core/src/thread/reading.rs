//! Series as the collection reads them. Distributions that changed are summed up, the others are left as they were.

use super::lease;
use super::slabs::Class;
use super::slabs::Slabs;
use super::slot::Identity;
use crate::distribution::{Distribution, Merged};

/// Which distribution is in a place, and as of when.
#[derive(Clone, Default)]
pub struct Seen {
    pub identity: Identity,
    /// The number of the reading at which it was last summed up; 0 before the first.
    pub reading: u64,
    /// Whether it shows something.
    pub shows: bool,
}

/// Runs while no series is removed and none gets cells. Cost: a lock, which who records for the first time waits for.
pub fn still<T>(run: impl FnOnce() -> T) -> T {
    let _slabs = lease::slabs();
    run()
}

/// Reads the distributions of some slots, of which this says which they are and where their cells are, as they are now, each in the place where it was before, if it changed since; `sum` is for one
/// after the other. Cost: a lock for all of them together, which who records for the first time waits for; where nothing changed one
/// load a thread.
pub fn read_distributions(
    slots: impl Iterator<Item = (Identity, Class, Option<u32>)> + Clone,
    seen: &mut [Seen],
    distributions: &mut [Distribution],
    sum: &mut Merged,
) {
    let Some(mut slabs) = lease::slabs() else { return seen.fill(Seen::default()) };
    let readings = slabs.each_mut().map(Slabs::begin_reading);
    // First all are looked at, so that the memory of those that changed is on its way before the first is summed up.
    for ((identity, class, home), seen) in slots.clone().zip(seen.iter_mut()) {
        if seen.identity != identity || home.is_none() {
            *seen = Seen { identity, ..Seen::default() };
        }
        let reading = readings[class as usize];
        if home.is_some_and(|home| slabs[class as usize].has_changed(home, reading, seen.reading)) {
            slabs[class as usize].touch(home.unwrap_or_default());
            seen.reading = reading;
        }
    }
    for ((_, class, home), (seen, distribution)) in slots.zip(seen.iter_mut().zip(distributions)) {
        if let Some(home) = home.filter(|_| seen.reading == readings[class as usize]) {
            slabs[class as usize].distribution(home, sum);
            seen.shows = sum.shows();
            distribution.set(sum);
        }
    }
}
