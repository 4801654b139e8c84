//! What one thread remembers of the series of all metrics, by their packed keys: open addressing, one line an entry.
//!
//! It is a cache: an entry may be forgotten at any time, and the list of all series (`series`) is asked again. An entry keeps its
//! series alive, so that the cells of a removed one are not another's while a thread may be on its way to them.

use std::hint::cold_path;
use std::ptr;
use std::sync::Arc;

use super::key::{Kept, Packed};
use super::series::Series;
use crate::limits::TABLE_SERIES_MAX;

/// Entries of a new table.
const FIRST: usize = 16;

/// Up to so many entries an eighth of them may be taken, so that few series are not in their first place; beyond it a half.
const ROOMY: usize = 256;

/// An entry as the hot path reads it.
#[repr(C, align(64))]
struct Entry {
    key: Kept,
    /// Where this thread records the series: see `Slot::near`.
    at: *const (),
}

const _: () = assert!(size_of::<Entry>() == 64, "an entry is a line");

impl Entry {
    const EMPTY: Self = Self { key: Kept::NONE, at: ptr::null() };
}

/// What a thread without a table reads.
struct Empty(Entry);

// SAFETY: its pointer is null.
unsafe impl Sync for Empty {}

static EMPTY: Empty = Empty(Entry::EMPTY);

/// What else there is to an entry.
struct Rest {
    series: Arc<Series>,
    /// The text of the labels, where the series is that of the overflow.
    text: Option<Arc<[u8]>>,
    /// As much of the hash as finds the place, to place it anew.
    hash: u32,
}

impl Rest {
    fn text(&self) -> &[u8] {
        self.text.as_deref().unwrap_or(&self.series.text)
    }
}

/// Where the entries are, for the hot path.
#[derive(Clone, Copy)]
pub struct Entries {
    start: *const Entry,
    /// What makes an offset in bytes of a hash; their number is a power of two.
    mask: usize,
    rest: *const Option<Rest>,
}

impl Entries {
    /// One entry, where nothing is.
    pub const NONE: Self = Self { start: &raw const EMPTY.0, mask: 0, rest: ptr::null() };

    /// Where this thread records the series of this key, which is exact.
    ///
    /// # Safety
    /// The table that they are of is there and does not change.
    #[inline(always)]
    pub unsafe fn near(self, key: &Packed<'_, true>) -> Option<*const ()> {
        let mut place = key.hash() as usize;
        loop {
            // SAFETY: a mask leaves the offset of an entry within the table, which is there.
            let entry = unsafe { &*self.start.byte_add(place & self.mask) };
            // SAFETY: the text of an entry is that of its `Rest`.
            if unsafe { key.is(&entry.key) } {
                return Some(entry.at);
            }
            cold_path();
            if entry.key.is_none() {
                return None;
            }
            place = place.wrapping_add(size_of::<Entry>());
        }
    }

    /// The same of any key; of one that is not exact, if the text is the same.
    ///
    /// # Safety
    /// As for `near`.
    #[inline(always)]
    pub unsafe fn find(self, key: &Packed<'_, false>, is_same: impl Fn(&[u8]) -> bool) -> Option<*const ()> {
        let mut place = key.hash() as usize;
        loop {
            let offset = place & self.mask;
            // SAFETY: as above.
            let entry = unsafe { &*self.start.byte_add(offset) };
            if entry.key.is_none() {
                return None;
            }
            let is_same = || {
                // SAFETY: there are as many as entries.
                let rest = unsafe { (*self.rest.add(offset / size_of::<Entry>())).as_ref() };
                rest.is_some_and(|rest| is_same(rest.text()))
            };
            // SAFETY: as above.
            if unsafe { key.is(&entry.key) } && (key.is_exact() || is_same()) {
                return Some(entry.at);
            }
            place = place.wrapping_add(size_of::<Entry>());
        }
    }
}

/// The series that one thread has met.
pub struct Table {
    entries: Vec<Entry>,
    rest: Vec<Option<Rest>>,
    taken: usize,
}

/// What was in a table: the last owner of a series frees its cells, which takes a lock, so that it is dropped when the table is back.
pub type Forgotten = Vec<Arc<Series>>;

impl Table {
    /// Without entries, and without memory.
    pub const fn new() -> Self {
        Self { entries: Vec::new(), rest: Vec::new(), taken: 0 }
    }

    /// Its entries, until it changes.
    pub fn entries(&self) -> Entries {
        match self.entries.len() {
            0 => Entries::NONE,
            len => Entries { start: self.entries.as_ptr(), mask: (len - 1) * size_of::<Entry>(), rest: self.rest.as_ptr() },
        }
    }

    /// Remembers a series, which this thread records there, with the text of the labels if it is that of the overflow. Of a table that is full the entries that hold no more are forgotten, and
    /// all if there are too many others.
    #[must_use = "see `Forgotten`"]
    pub fn insert(&mut self, key: &Packed<'_, false>, series: Arc<Series>, text: Option<Arc<[u8]>>, at: *const ()) -> Forgotten {
        let hash = (key.hash() / size_of::<Entry>() as u64) as u32;
        let rest = Rest { series, text, hash };
        let known = self.chain(hash).find(|place| {
            let is_known =
                |known: &Rest| Arc::ptr_eq(&known.series, &rest.series) && (key.is_exact() || known.text() == rest.text());
            let is_known = self.rest[*place].as_ref().is_some_and(is_known);
            // SAFETY: as in `Entries::near`.
            unsafe { key.was(&self.entries[*place].key) && (is_known || !self.is_current(*place)) }
        });
        let entry = Entry { key: key.kept(rest.text()), at };
        if let Some(place) = known {
            self.entries[place] = entry;
            return self.rest[place].replace(rest).map(|rest| rest.series).into_iter().collect();
        }
        let forgotten = if self.is_full() { self.rebuild() } else { Vec::new() };
        self.put(entry, rest);
        forgotten
    }

    /// Sees to it that a key of an earlier time leads to its series again, where it still does, and the series does not ask for an
    /// exemplar.
    pub fn renew(&mut self, key: &Packed<'_, false>, is_same: impl Fn(&[u8]) -> bool) -> Option<*const ()> {
        let hash = (key.hash() / size_of::<Entry>() as u64) as u32;
        let place = self.chain(hash).find(|place| {
            let is_free = |rest: &Rest| rest.series.is_of(key.generation()) && !rest.series.slot.is_asking();
            let is_its = |rest: &Rest| is_free(rest) && (key.is_exact() || is_same(rest.text()));
            // SAFETY: as in `Entries::near`.
            unsafe { key.was(&self.entries[*place].key) && self.rest[*place].as_ref().is_some_and(is_its) }
        });
        place.map(|place| {
            self.entries[place].key.renew(key.generation());
            self.entries[place].at
        })
    }

    /// Asks anew where this thread records its series, and forgets those that it has no cell of.
    #[must_use = "see `Forgotten`"]
    pub fn refresh(&mut self) -> Forgotten {
        let place = |rest: &Option<Rest>| rest.as_ref().and_then(|rest| rest.series.slot.near());
        let near: Vec<_> = self.rest.iter().map(place).collect();
        if near.iter().zip(&self.rest).any(|(at, rest)| at.is_none() && rest.is_some()) {
            self.taken = 0;
            self.entries.clear();
            return std::mem::take(&mut self.rest).into_iter().flatten().map(|rest| rest.series).collect();
        }
        self.entries.iter_mut().zip(near).for_each(|(entry, at)| entry.at = at.unwrap_or(ptr::null()));
        Vec::new()
    }

    /// The places from that of a hash to the next where nothing is.
    fn chain(&self, hash: u32) -> impl Iterator<Item = usize> + use<'_> {
        let len = self.entries.len();
        (0..len).map(move |i| (hash as usize).wrapping_add(i) & (len - 1)).take_while(|place| !self.entries[*place].key.is_none())
    }

    /// Whether the series in this place is still that of its key.
    fn is_current(&self, place: usize) -> bool {
        let generation = self.entries[place].key.generation();
        self.rest[place].as_ref().is_some_and(|rest| rest.series.is_current(generation))
    }

    fn is_full(&self) -> bool {
        let len = self.entries.len();
        self.taken >= if len <= ROOMY { len / 8 } else { len / 2 }
    }

    fn rebuild(&mut self) -> Forgotten {
        let current: Vec<_> = (0..self.entries.len()).map(|place| self.is_current(place)).collect();
        let (entries, rest) = (std::mem::take(&mut self.entries), std::mem::take(&mut self.rest));
        let old = entries.into_iter().zip(rest).zip(current).filter_map(|((entry, rest), current)| Some((entry, rest?, current)));
        let (mut kept, mut gone): (Vec<_>, Vec<_>) = old.partition(|(_, _, current)| *current);
        if kept.len() >= TABLE_SERIES_MAX {
            gone.append(&mut kept);
        }
        let (roomy, dense) = ((kept.len() * 16).next_power_of_two(), (kept.len() * 4).next_power_of_two());
        let len = if roomy <= ROOMY { roomy.max(FIRST) } else { dense.max(2 * ROOMY) };
        self.entries = (0..len).map(|_| Entry::EMPTY).collect();
        self.rest = (0..len).map(|_| None).collect();
        self.taken = 0;
        kept.into_iter().for_each(|(entry, rest, _)| self.put(entry, rest));
        gone.into_iter().map(|(_, rest, _)| rest.series).collect()
    }

    fn put(&mut self, entry: Entry, rest: Rest) {
        let mask = self.entries.len() - 1;
        let mut place = rest.hash as usize & mask;
        while !self.entries[place].key.is_none() {
            place = (place + 1) & mask;
        }
        (self.entries[place], self.rest[place]) = (entry, Some(rest));
        self.taken += 1;
    }
}
