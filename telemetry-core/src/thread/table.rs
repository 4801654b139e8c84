//! What one thread remembers of the series of one metric, by their packed keys: open addressing, one line an entry.
//!
//! It is a cache: an entry may be forgotten at any time, and the list of all series (`series`) is asked again. An entry keeps its
//! series alive, so that the cells of a removed one are not another's while a thread may be on its way to them.

use std::sync::Arc;

use super::key::{HASH, Packed, Words};
use super::series::Series;
use crate::limits::TABLE_SERIES_MAX;

/// Entries of a new table; at most half of them are taken.
const FIRST: usize = 16;

#[repr(align(64))]
struct Entry {
    words: Words,
    series: Arc<Series>,
}

/// The series of one metric that one thread has met.
#[derive(Default)]
pub struct Table {
    generation: u64,
    taken: usize,
    entries: Box<[Option<Entry>]>,
}

impl Table {
    /// Whether it is of this metric, at this time. A new table is of none.
    #[inline(always)]
    pub fn is_of(&self, generation: u64) -> bool {
        self.generation == generation
    }

    /// The series of this key, which is exact.
    #[inline(always)]
    pub fn find(&self, key: &Packed<false>) -> Option<&Arc<Series>> {
        let mask = self.entries.len().wrapping_sub(1);
        let mut at = (key.hash() & HASH) as usize;
        loop {
            let entry = self.entries.get(at & mask)?.as_ref()?;
            if key.is(&entry.words) && !entry.series.is_removed() {
                return Some(&entry.series);
            }
            at = at.wrapping_add(1);
        }
    }

    /// The series of this key that is not exact, and of a text that is the same.
    pub fn find_text(&self, key: &Packed<true>, is_same: impl Fn(&[u8]) -> bool) -> Option<&Arc<Series>> {
        let mask = self.entries.len().wrapping_sub(1);
        let mut at = (key.hash() & HASH) as usize;
        loop {
            let entry = self.entries.get(at & mask)?.as_ref()?;
            if key.is(&entry.words) && !entry.series.is_removed() && is_same(&entry.series.text) {
                return Some(&entry.series);
            }
            at = at.wrapping_add(1);
        }
    }

    /// Forgets everything: the table is of another metric, or of another time. Returned is what the caller drops when the table is back
    /// in its place.
    #[must_use = "the last owner of a series frees its cells, which takes a lock"]
    pub fn clear(&mut self, generation: u64) -> Vec<Arc<Series>> {
        self.generation = generation;
        self.taken = 0;
        std::mem::take(&mut self.entries).into_iter().flatten().map(|entry| entry.series).collect()
    }

    /// Remembers a series. Of a table that is half full the removed series are forgotten, and all if there are too many others.
    #[must_use = "the last owner of a series frees its cells, which takes a lock"]
    pub fn insert(&mut self, key: &Packed<true>, series: Arc<Series>) -> Vec<Arc<Series>> {
        let mut forgotten = Vec::new();
        if self.taken * 2 >= self.entries.len() {
            let old = std::mem::take(&mut self.entries);
            let (mut kept, gone): (Vec<_>, Vec<_>) = old.into_iter().flatten().partition(|entry| !entry.series.is_removed());
            forgotten.extend(gone.into_iter().map(|entry| entry.series));
            if kept.len() >= TABLE_SERIES_MAX {
                forgotten.extend(kept.drain(..).map(|entry| entry.series));
            }
            let len = (kept.len() * 4).next_power_of_two().max(FIRST);
            self.entries = (0..len).map(|_| None).collect();
            self.taken = 0;
            kept.into_iter().for_each(|entry| self.put(entry));
        }
        self.put(Entry { words: key.words(), series });
        forgotten
    }

    fn put(&mut self, entry: Entry) {
        let mask = self.entries.len().wrapping_sub(1);
        let mut at = entry.words.hash() as usize;
        while let Some(Some(_)) = self.entries.get(at & mask) {
            at = at.wrapping_add(1);
        }
        if let Some(place) = self.entries.get_mut(at & mask) {
            *place = Some(entry);
            self.taken += 1;
        }
    }
}
