//! Distributions as the collection reads them: those that changed are summed up, the others are left as they were.

use super::lease;
use super::slabs::Slabs;
use super::slot::{Identity, Slot};
use crate::distribution::Merged;

/// Which distribution is in a place, and as of when.
#[derive(Clone, Default)]
pub struct Seen {
    pub identity: Identity,
    /// The number of the reading at which it was last summed up; 0 before the first.
    pub reading: u64,
    /// Whether it shows something.
    pub shows: bool,
}

/// Sums up the distributions of some slots as they are now, each in the place where it was before, if it changed since. Cost: a lock
/// for all of them together, which who records for the first time waits for; where nothing changed one load a thread.
pub fn read_distributions<'a>(slots: impl Iterator<Item = &'a Slot>, seen: &mut [Seen], sums: &mut [Merged]) {
    let Some(mut slabs) = lease::slabs() else { return seen.fill(Seen::default()) };
    let readings = slabs.each_mut().map(Slabs::begin_reading);
    for (slot, (seen, sum)) in slots.zip(seen.iter_mut().zip(sums)) {
        let (identity, (class, home)) = (slot.identity(), slot.home());
        if seen.identity != identity || home.is_none() {
            *seen = Seen { identity, ..Seen::default() };
        }
        let (slabs, reading) = (&slabs[class as usize], readings[class as usize]);
        if home.is_some_and(|home| slabs.distribution(home, reading, seen.reading, sum)) {
            (seen.reading, seen.shows) = (reading, sum.shows());
        }
    }
}
