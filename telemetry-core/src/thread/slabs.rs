//! Slabs: the cells of all threads, and who owns which.
//!
//! A thread leases a slab when it first records and gives it back when it ends; the next thread that needs one goes on with the
//! values that are there. A value is in one place for good: nothing is folded or zeroed when a thread ends, so no sum ever falls.
//! Invariants: all of this is behind one lock, which `lock` holds. A cell is written by the owner of its slab alone, without the
//! lock, but for a cell that no handle leads to any more, which `free` clears. A row is replaced for its owner alone, under the lock.
//! Not here: the lock, and how a thread finds its slab (`lease`).

use std::collections::BTreeMap;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use super::exemplar::Exemplar;
use crate::cell::{AtomicPtr, AtomicU64};
use crate::distribution::{MARKS, Mark, Marks, Merged, Shard};
use crate::limits::{CELLS_FIRST, CELLS_MAX};
use crate::row::Row;

/// Whose series are in a `Slabs`. Those whose number the program's text bounds are kept apart from those that come and go: else every
/// thread would have room for all of the latter.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Class {
    /// Of metrics without labels, and of label sets that are known at compile time.
    Fixed,
    /// Of other label sets.
    Listed,
}

/// What a cell is for; each has indices and rows of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Space {
    /// Sums of whole numbers, which wrap.
    Whole,
    /// Sums of floating-point numbers, as bits.
    Float,
    /// Distributions.
    Shard,
}

/// The cells of one thread.
pub struct Slab {
    /// By space, whether the hot path of a thread leads to the row.
    used: [bool; 3],
    pub wholes: Row<AtomicU64>,
    pub floats: Row<AtomicU64>,
    pub shards: Row<AtomicPtr<Shard>>,
    /// Of the shards, by their index, so many together; where there never was one of them none.
    marks: Vec<Option<Arc<Marks>>>,
}

/// What was replaced, to be dropped when nothing leads to it any more.
#[derive(Default)]
pub struct Retired {
    _numbers: Option<Row<AtomicU64>>,
    _pointers: Option<Row<AtomicPtr<Shard>>>,
    #[allow(clippy::vec_box)] // as they were in their cells
    _shards: Vec<Box<Shard>>,
}

impl Retired {
    /// Whether there is nothing to drop, and so no row was replaced.
    pub fn is_empty(&self) -> bool {
        self._numbers.is_none() && self._pointers.is_none() && self._shards.is_empty()
    }
}

impl Slab {
    const fn new() -> Self {
        Self { used: [false; 3], wholes: Row::empty(), floats: Row::empty(), shards: Row::empty(), marks: Vec::new() }
    }

    /// Sees to it that the row of this space has so many cells. Cost: a row of twice the length, and a copy.
    #[must_use = "the thread still writes into the row that was there"]
    fn grow(&mut self, space: Space, wanted: usize) -> Retired {
        fn grown<T: Default>(row: &mut Row<T>, wanted: usize, copy: impl Fn(&T, &T)) -> Option<Row<T>> {
            if row.len() >= wanted {
                return None;
            }
            // All memory first: what an instrumented allocator counts meanwhile is copied with the rest.
            let longer = Row::zeroed(wanted.next_power_of_two().max(CELLS_FIRST));
            longer.iter().zip(row.iter()).for_each(|(new, old)| copy(new, old));
            Some(std::mem::replace(row, longer))
        }
        let number = |new: &AtomicU64, old: &AtomicU64| new.store(old.load(Relaxed), Relaxed);
        let pointer = |new: &AtomicPtr<Shard>, old: &AtomicPtr<Shard>| new.store(old.load(Relaxed), Relaxed);
        match space {
            Space::Whole => Retired { _numbers: grown(&mut self.wholes, wanted, number), ..Retired::default() },
            Space::Float => Retired { _numbers: grown(&mut self.floats, wanted, number), ..Retired::default() },
            Space::Shard => Retired { _pointers: grown(&mut self.shards, wanted, pointer), ..Retired::default() },
        }
    }

    /// The mark of a shard.
    fn mark(&mut self, index: u32) -> Mark {
        let (block, place) = (index as usize / MARKS, index as usize % MARKS);
        if self.marks.len() <= block {
            self.marks.resize(block + 1, None);
        }
        Mark::new(self.marks[block].get_or_insert_with(Marks::new), place)
    }

    /// At which reading the shard of this index was found changed last, as [`Marks::changed`] tells; 0 where there never was one.
    fn changed(&self, index: u32, reading: u64) -> u64 {
        let marks = self.marks.get(index as usize / MARKS).and_then(Option::as_ref);
        marks.map_or(0, |marks| marks.changed(index as usize % MARKS, reading))
    }

    fn shard(&self, index: u32) -> Option<&Shard> {
        // Acquire: pairs with the Release of `install`, for a reader that has the lock and for the next owner alike.
        let pointer = self.shards.get(index as usize)?.load(Acquire);
        // SAFETY: what a cell points to is a box that `install` leaked. It is freed by `install`, for the owner of the slab, and by
        // `free`, both of which have the lock that `&self` is behind, and only after the cell points elsewhere.
        unsafe { pointer.as_ref() }
    }
}

/// The indices of one space: given out in order, and again after they were freed.
struct Indices {
    next: u32,
    free: Vec<u32>,
    /// What a sum was when its series was removed, as bits: what is beyond it is of the new life.
    bases: BTreeMap<u32, u64>,
    /// The last of each series that has one.
    exemplars: BTreeMap<u32, Exemplar>,
}

impl Indices {
    const fn new() -> Self {
        Self { next: 0, free: Vec::new(), bases: BTreeMap::new(), exemplars: BTreeMap::new() }
    }

    fn take(&mut self) -> Option<u32> {
        if let Some(index) = self.free.pop() {
            return Some(index);
        }
        (self.next < CELLS_MAX).then(|| {
            self.next += 1;
            self.next - 1
        })
    }

    /// So many indices, one after the other; the first of them.
    fn take_run(&mut self, len: u32) -> Option<u32> {
        self.free.sort_unstable();
        let is_run = |run: &[u32]| run[run.len() - 1] - run[0] == len - 1;
        if let Some(at) = self.free.windows(len.max(1) as usize).position(is_run) {
            return self.free.drain(at..at + len as usize).next();
        }
        (len <= CELLS_MAX - self.next).then(|| {
            self.next += len;
            self.next - len
        })
    }
}

/// The cells of all threads.
pub struct Slabs {
    slabs: Vec<Slab>,
    /// Those that no thread owns.
    idle: Vec<usize>,
    /// Distributions of threads that have given back their slab; they record under the lock.
    common: Slab,
    indices: [Indices; 3],
    /// How many indices were given out so far, new or again.
    taken: u64,
    /// How often distributions were read.
    readings: u64,
}

impl Slabs {
    pub const fn new() -> Self {
        let indices = [const { Indices::new() }; 3];
        Self { slabs: Vec::new(), idle: Vec::new(), common: Slab::new(), indices, taken: 0, readings: 0 }
    }

    /// A slab for one thread: one that was given back, or a new one.
    pub fn claim(&mut self) -> usize {
        self.idle.pop().unwrap_or_else(|| {
            self.slabs.push(Slab::new());
            self.idle.reserve(self.slabs.len()); // so that giving back takes no memory
            self.slabs.len() - 1
        })
    }

    /// Gives back a slab. Its thread writes to it no more; the values stay.
    pub fn give_back(&mut self, slab: usize) {
        self.slabs[slab].used = [false; 3];
        self.idle.push(slab);
    }

    /// The slab of the calling thread with all cells of this space that there are now, to be used by its hot path.
    #[must_use = "the thread still writes into the row that was there"]
    pub fn reach(&mut self, slab: usize, space: Space) -> (&Slab, Retired) {
        let cells = self.indices[space as usize].next as usize;
        let slab = &mut self.slabs[slab];
        let retired = slab.grow(space, cells);
        slab.used[space as usize] = true;
        (slab, retired)
    }

    /// Whether this index is within every row that a hot path leads to. It stays so: a row is reached with all cells that there are,
    /// and does not shrink.
    pub fn is_everywhere(&self, space: Space, index: u32) -> bool {
        let len = |slab: &Slab| match space {
            Space::Whole => slab.wholes.len(),
            Space::Float => slab.floats.len(),
            Space::Shard => slab.shards.len(),
        };
        self.slabs.iter().filter(|slab| slab.used[space as usize]).all(|slab| len(slab) > index as usize)
    }

    /// An index that no series has; none beyond [`CELLS_MAX`].
    pub fn take(&mut self, space: Space) -> Option<u32> {
        self.taken += 1;
        self.indices[space as usize].take()
    }

    /// So many indices side by side that no series has; none beyond [`CELLS_MAX`]. The first is returned.
    pub fn take_run(&mut self, space: Space, len: u32) -> Option<u32> {
        self.taken += 1;
        self.indices[space as usize].take_run(len)
    }

    /// How many indices were given out so far: sums that were read before are not of a series that got its index after.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes back an index that no handle leads to: its cells are cleared.
    pub fn free(&mut self, space: Space, index: u32) -> Retired {
        let mut retired = Retired::default();
        for slab in self.slabs.iter().chain([&self.common]) {
            let numbers = if space == Space::Whole { &slab.wholes } else { &slab.floats };
            match space {
                Space::Whole | Space::Float => drop(numbers.get(index as usize).map(|cell| cell.store(0, Relaxed))),
                Space::Shard => retired._shards.extend(take_shard(slab, index)),
            }
        }
        let indices = &mut self.indices[space as usize];
        indices.bases.remove(&index);
        indices.exemplars.remove(&index);
        indices.free.push(index);
        retired
    }

    /// Begins a new life of a series: what was recorded so far is not of it.
    pub fn renew(&mut self, space: Space, index: u32) {
        self.indices[space as usize].exemplars.remove(&index);
        let base = match space {
            Space::Whole => self.raw_whole(index),
            Space::Float => self.raw_float(index).to_bits(),
            Space::Shard => {
                return self.slabs.iter().chain([&self.common]).filter_map(|slab| slab.shard(index)).for_each(Shard::end);
            }
        };
        self.indices[space as usize].bases.insert(index, base);
        self.taken += 1; // as if it were another's from here on
    }

    /// Keeps an exemplar of a series, in the place of the one before.
    pub fn keep_exemplar(&mut self, space: Space, index: u32, exemplar: Exemplar) {
        self.indices[space as usize].exemplars.insert(index, exemplar);
    }

    /// The last exemplar of a series.
    pub fn exemplar(&self, space: Space, index: u32) -> Option<&Exemplar> {
        self.indices[space as usize].exemplars.get(&index)
    }

    /// The shard of a thread, or of those that have no slab.
    pub fn shard(&self, slab: Option<usize>, index: u32) -> Option<&Shard> {
        slab.map_or(&self.common, |slab| &self.slabs[slab]).shard(index)
    }

    /// Puts a shard with room for this value in the place of the one that is there, if any, with its counts.
    ///
    /// `slab` is that of the calling thread, none for the common one.
    pub fn install(&mut self, slab: Option<usize>, index: u32, bounds: Option<&'static [f64]>, value: f64) -> (&Shard, Retired) {
        let slab = match slab {
            Some(slab) => &mut self.slabs[slab],
            None => {
                drop(self.common.grow(Space::Shard, index as usize + 1)); // nothing leads to the old row but this lock
                &mut self.common
            }
        };
        let mark = slab.mark(index);
        let new = match slab.shard(index).filter(|old| !old.is_stale()) {
            Some(old) => old.fitting(value),
            None => Box::new(Shard::new(bounds, value, mark.clone())),
        };
        mark.set();
        let new = Box::into_raw(new); // and no memory is taken from here on
        let old = slab.shards[index as usize].swap(new, AcqRel);
        // SAFETY: what was in the cell is a box that this function leaked, to which no cell leads any more. Its owner is the caller.
        let old = (!old.is_null()).then(|| unsafe { Box::from_raw(old) });
        // SAFETY: the new box is there until the cell points elsewhere, which takes this lock again.
        (unsafe { &*new }, Retired { _shards: old.into_iter().collect(), ..Retired::default() })
    }

    fn raw_whole(&self, index: u32) -> u64 {
        let cells = self.slabs.iter().filter_map(|slab| slab.wholes.get(index as usize));
        cells.fold(0, |sum, cell| sum.wrapping_add(cell.load(Relaxed)))
    }

    fn raw_float(&self, index: u32) -> f64 {
        let cells = self.slabs.iter().filter_map(|slab| slab.floats.get(index as usize));
        cells.map(|cell| f64::from_bits(cell.load(Relaxed))).sum()
    }

    /// The sum of all threads, modulo 2^64.
    pub fn whole(&self, index: u32) -> u64 {
        let base = self.indices[Space::Whole as usize].bases.get(&index);
        self.raw_whole(index).wrapping_sub(base.copied().unwrap_or(0))
    }

    /// The sum of all threads.
    pub fn float(&self, index: u32) -> f64 {
        let base = self.indices[Space::Float as usize].bases.get(&index);
        self.raw_float(index) - base.map_or(0.0, |bits| f64::from_bits(*bits))
    }

    /// All sums of whole numbers by their index. Cost: one load a cell, slab by slab.
    pub fn all_wholes(&self, sums: &mut Vec<u64>) {
        let indices = &self.indices[Space::Whole as usize];
        sums.clear();
        sums.resize(indices.next as usize, 0);
        for slab in &self.slabs {
            sums.iter_mut().zip(slab.wholes.iter()).for_each(|(sum, cell)| *sum = sum.wrapping_add(cell.load(Relaxed)));
        }
        indices.bases.iter().for_each(|(index, base)| sums[*index as usize] = sums[*index as usize].wrapping_sub(*base));
    }

    /// All sums of floating-point numbers by their index.
    pub fn all_floats(&self, sums: &mut Vec<f64>) {
        let indices = &self.indices[Space::Float as usize];
        sums.clear();
        sums.resize(indices.next as usize, 0.0);
        for slab in &self.slabs {
            sums.iter_mut().zip(slab.floats.iter()).for_each(|(sum, cell)| *sum += f64::from_bits(cell.load(Relaxed)));
        }
        indices.bases.iter().for_each(|(index, base)| sums[*index as usize] -= f64::from_bits(*base));
    }

    /// Begins a reading of distributions, and gives it its number: one more than the one before.
    pub fn begin_reading(&mut self) -> u64 {
        self.readings += 1;
        self.readings
    }

    /// Whether the distribution of any thread changed since the reading `before`, or there is none. `reading` is the number of this one,
    /// which is about to sum them up. Cost: one load a thread.
    pub fn has_changed(&self, index: u32, reading: u64, before: u64) -> bool {
        // All marks are taken: what is summed up after this is what changed until now.
        let changed = self.slabs.iter().chain([&self.common]).map(|slab| slab.changed(index, reading)).max();
        changed.is_none_or(|changed| changed == 0 || changed > before)
    }

    /// Brings a distribution near, which is about to be summed up.
    pub fn touch(&self, index: u32) {
        self.shards(index).for_each(Shard::touch);
    }

    /// Sums up the distributions of all threads.
    pub fn distribution(&self, index: u32, sum: &mut Merged) {
        sum.clear();
        self.shards(index).filter(|shard| !shard.is_stale()).for_each(|shard| sum.add(shard));
        sum.finish();
    }

    fn shards(&self, index: u32) -> impl Iterator<Item = &Shard> {
        self.slabs.iter().chain([&self.common]).filter_map(move |slab| slab.shard(index))
    }

    /// Forgets all cells of all threads, as the child of a fork does; which series has which index stays.
    ///
    /// The memory is not given back: in the child it is a copy that nobody writes, and giving it back would touch all of it.
    pub fn abandon(&mut self) {
        std::mem::forget(std::mem::take(&mut self.slabs));
        std::mem::forget(std::mem::replace(&mut self.common, Slab::new()));
        self.idle.clear();
        for indices in &mut self.indices {
            indices.bases.clear();
            indices.exemplars.clear();
        }
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        for index in 0..self.shards.len() as u32 {
            drop(take_shard(self, index));
        }
    }
}

/// Takes a shard out of its cell; the caller drops it when its owner cannot use it any more.
fn take_shard(slab: &Slab, index: u32) -> Option<Box<Shard>> {
    let pointer = slab.shards.get(index as usize)?.swap(ptr::null_mut(), Relaxed);
    // SAFETY: a pointer in a cell is that of a box which `install` leaked, and the swap leaves no second one to it in any cell.
    (!pointer.is_null()).then(|| unsafe { Box::from_raw(pointer) })
}
