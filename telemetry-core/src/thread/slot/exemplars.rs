//! A series that asks for exemplars: its next records take the cold path, until one of them is within a recorded span or
//! [`EXEMPLAR_ASKS_MAX`] of them are not.
//!
//! The reader lets it ask at each collection: the offset of a fixed slot becomes invalid, and the index of a listed one a number
//! beyond all rows. The cells are the same meanwhile, so that no value is lost or counted twice.
//! Invariant: whether a listed series asks is told by its index, which changes under the lock of all cells alone. A table leads to
//! none that asks.

use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::{ASKING, INVALID, NONE, Slot};
use crate::clock;
use crate::limits::EXEMPLAR_ASKS_MAX;
use crate::thread::exemplar::{Asking, Exemplar};
use crate::thread::lease;
use crate::thread::slabs::Class;

impl Slot {
    /// A new one whose first records ask, so many of them.
    pub fn asking(mut self, asks: u8) -> Self {
        self.asks = AtomicU8::new(asks);
        self
    }

    /// The index of its cells while it shows, also where it asks; else beyond all rows.
    pub(super) fn row_index(&self) -> u32 {
        match self.index.load(Acquire) {
            ASKING => self.home.load(Relaxed),
            index => index,
        }
    }

    /// The index of a slot that shows and has these cells.
    pub(super) fn shown_index(&self, home: u32) -> u32 {
        let asks = self.class == Class::Listed && self.asks.load(Relaxed) > 0;
        if asks { ASKING } else { home }
    }

    /// Whether it is a listed one whose next record takes the cold path to ask.
    pub fn is_asking(&self) -> bool {
        self.index.load(Acquire) == ASKING
    }

    /// Which of its lives it is in.
    pub(super) fn life(&self) -> u64 {
        self.since_ns.load(Relaxed)
    }

    /// Keeps the span that this thread is in as the one of this value, which was recorded in that life, if the series asks for one.
    pub(super) fn exemplify(&self, life: u64, bits: u64) {
        if self.asks.load(Relaxed) > 0
            && let Some(asking) = Asking::begin()
            && let Ok(asks) = self.asks.try_update(Relaxed, Relaxed, |asks| asks.checked_sub(1))
        {
            let of = |(trace_id, span_id)| Exemplar { bits, time_ns: clock::now_ns().max(1), trace_id, span_id };
            let exemplar = asking.ids().map(of);
            if exemplar.is_some() || asks == 1 {
                self.answer(life, exemplar);
            }
        }
    }

    /// Asks no more, and leads back to the hot path.
    fn answer(&self, life: u64, exemplar: Option<Exemplar>) {
        let Some(mut slabs) = lease::slabs() else { return self.asks.store(1, Relaxed) };
        let slabs = &mut slabs[self.class as usize];
        self.asks.store(0, Relaxed);
        let shows = self.shows();
        let Some((space, home)) = self.cells().filter(|_| shows) else { return };
        if let Some(exemplar) = exemplar.filter(|_| life == self.life()) {
            slabs.keep_exemplar(space, home, exemplar);
        }
        match self.class {
            Class::Fixed => self.publish(slabs, space, home),
            Class::Listed => drop(self.index.compare_exchange(ASKING, home, Release, Relaxed)),
        }
    }

    /// Tells the exemplars of some slots, and lets them ask for the next. True where a table may lead to one that did not ask
    /// before. Cost: a lock for all of them together.
    pub fn exemplars<'a>(slots: impl Iterator<Item = &'a Self>, mut tell: impl FnMut(&Self, Option<&Exemplar>)) -> bool {
        let Some(slabs) = lease::slabs() else { return false };
        let mut are_new = false;
        for slot in slots {
            let kept = slot.cells().and_then(|(space, home)| slabs[slot.class as usize].exemplar(space, home));
            tell(slot, kept);
            are_new |= slot.ask();
        }
        are_new
    }

    /// Called with the lock of all cells.
    fn ask(&self) -> bool {
        self.asks.store(EXEMPLAR_ASKS_MAX, Relaxed);
        let home = self.home.load(Relaxed);
        match self.class {
            Class::Fixed => self.offset.store(INVALID, Release),
            Class::Listed if home != NONE => return self.index.compare_exchange(home, ASKING, Release, Relaxed).is_ok(),
            Class::Listed => {}
        }
        false
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::thread::exemplar::set_span;
    use crate::thread::exemplar_tests::hook;
    use crate::thread::lease::BY_SUM;
    use crate::thread::slabs::Space;
    use crate::thread::verb::Verb;

    #[test]
    fn a_slot_leads_to_its_cell_again_when_it_asks_no_more() {
        set_span(hook);
        for (class, slot) in [(Class::Fixed, Slot::new(Class::Fixed)), (Class::Listed, Slot::listed())] {
            let has_cell = || slot.on_whole(class, |_| ()).is_some();
            let has_cells = BY_SUM || class == Class::Listed;
            slot.begin(Space::Whole);
            assert_eq!(has_cell(), has_cells);
            for _ in 0..3 {
                assert_eq!(Slot::exemplars([&slot].into_iter(), |_, _| ()), class == Class::Listed);
                assert!(!Slot::exemplars([&slot].into_iter(), |_, _| ()), "it asks already");
                for _ in 0..EXEMPLAR_ASKS_MAX {
                    assert!(!has_cell() && slot.shows());
                    slot.act(class, Verb::Count, 1, &None);
                }
                assert_eq!(has_cell(), has_cells);
            }
            assert_eq!(slot.shared(), 0, "all of it is in cells");
            assert_eq!(slot.whole(None), 3 * u64::from(EXEMPLAR_ASKS_MAX));
        }
    }
}
