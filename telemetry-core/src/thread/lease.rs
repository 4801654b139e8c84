//! What a thread holds: pointers to the rows of its slab, which the hot path reads, and a guard that gives the slab back.
//!
//! `HOT` is initialised by the compiler and has no destructor, so that reaching it is one instruction and it can be reached at any
//! time. The guard is made by the cold path alone. When it has run, the rows are empty again and what the thread still records goes
//! to the shared atomic of each series.
//! Invariant: a row in `HOT` is that of a slab that this thread owns, and is replaced there before it is freed.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fork;
use super::slabs::{Class, Retired, Slab, Slabs, Space};
use super::table::{Entries, Table};
use crate::cell::{AtomicPtr, AtomicU64};
use crate::distribution::Shard;

/// By class. A thread has the same slab of both.
static SLABS: Mutex<[Slabs; 2]> = Mutex::new([const { Slabs::new() }; 2]);

/// A row as the hot path sees it, with its length.
pub struct View<T> {
    start: Cell<*const T>,
    len_bytes: Cell<usize>,
}

impl<T> View<T> {
    const fn empty() -> Self {
        Self { start: Cell::new(ptr::null()), len_bytes: Cell::new(0) }
    }

    fn set(&self, row: &[T]) {
        self.start.set(row.as_ptr());
        self.len_bytes.set(size_of_val(row));
    }

    fn clear(&self) {
        self.len_bytes.set(0);
        self.start.set(ptr::null());
    }

    /// Whether there is an element of this index.
    #[inline(always)]
    fn reaches(&self, index: u32) -> bool {
        (index as usize).saturating_mul(size_of::<T>()) < self.len_bytes.get()
    }

    /// Where the element of this index is; none where the row does not reach so far.
    pub fn place(&self, index: u32) -> Option<*const ()> {
        self.reaches(index).then(|| self.start.get().wrapping_add(index as usize).cast())
    }
}

/// A row of cells as the hot path sees it, without its length.
///
/// A start and an offset are each valid or `INVALID`, and one check tells whether both are: addresses are below 2^62 and offsets
/// below 2^32, so that the sum of what is valid is not negative, and any other sum is. That a valid offset is within every
/// row with a valid start is `Slabs`' promise.
pub struct Cells<T> {
    start: Cell<*const T>,
    pub view: View<T>,
}

/// The offset that is beyond all rows, and the start of no row. Twice this is negative too.
pub const INVALID: u64 = 0b11 << 62;

impl<T> Cells<T> {
    const fn empty() -> Self {
        Self { start: Cell::new(ptr::without_provenance(INVALID as usize)), view: View::empty() }
    }

    fn set(&self, row: &[T]) {
        self.view.set(row);
        // An address with a tag in its upper bits, as some systems have, is left to the view.
        let plain = BY_SUM && (row.as_ptr().addr() as u64) >> 62 == 0;
        self.start.set(if plain { row.as_ptr() } else { ptr::without_provenance(INVALID as usize) });
    }

    fn clear(&self) {
        self.start.set(ptr::without_provenance(INVALID as usize));
        self.view.clear();
    }

    /// The offset of the cell of this index, as `at` wants it.
    pub const fn offset(index: u32) -> u64 {
        index as u64 * size_of::<T>() as u64
    }

    /// Runs with the cell at this offset; none where either is invalid. A closure, because an `Option` of a reference is a pointer that
    /// would be compared with null once more.
    ///
    /// # Safety
    /// The offset is `INVALID`, or one that was published for rows of this space. `run` does nothing that may replace the row: not the
    /// cold path, and no code of the user.
    #[inline(always)]
    pub unsafe fn at<R>(&self, offset: u64, run: impl FnOnce(&T) -> R) -> Option<R> {
        // SAFETY: the caller's promise.
        unsafe { self.beyond(offset, 0, run) }
    }

    /// Runs with the cell so many after that at this offset; none where the offset or the start is invalid.
    ///
    /// # Safety
    /// As for `at`, and so many cells were published with this offset.
    #[inline(always)]
    pub unsafe fn beyond<R>(&self, offset: u64, index: usize, run: impl FnOnce(&T) -> R) -> Option<R> {
        let first = self.start.get().wrapping_byte_add(offset as usize);
        if BY_SUM && (first.addr() as isize) >= 0 {
            // SAFETY: both are valid, so that the start is that of a row which lives until another takes its place here, and the
            // cells at the offset are within it, as `Slabs` promises.
            Some(run(unsafe { &*first.add(index) }))
        } else {
            None
        }
    }

    /// Runs with the cell of this index; none where the row does not reach so far.
    ///
    /// # Safety
    /// `run` as for `at`.
    #[inline(always)]
    pub unsafe fn of<R>(&self, index: u32, run: impl FnOnce(&T) -> R) -> Option<R> {
        if self.view.reaches(index) {
            // SAFETY: `set` took start and length of one slice, which lives until another takes its place here (the invariant above),
            // and the caller uses the element before that can be.
            Some(run(unsafe { &*self.view.start.get().add(index as usize) }))
        } else {
            None
        }
    }
}

/// Whether the sum of a start and an offset tells that both are valid. Elsewhere each record of a fixed slot takes the slow path's call.
pub const BY_SUM: bool = cfg!(all(target_pointer_width = "64", not(telemetry_portable)));

/// The rows of one slab.
pub struct Rows {
    pub wholes: Cells<AtomicU64>,
    pub floats: Cells<AtomicU64>,
    pub shards: Cells<AtomicPtr<Shard>>,
}

impl Rows {
    const fn empty() -> Self {
        Self { wholes: Cells::empty(), floats: Cells::empty(), shards: Cells::empty() }
    }

    fn set(&self, space: Space, slab: &Slab) {
        match space {
            Space::Whole => self.wholes.set(&slab.wholes),
            Space::Float => self.floats.set(&slab.floats),
            Space::Shard => self.shards.set(&slab.shards),
        }
    }

    fn clear(&self) {
        self.wholes.clear();
        self.floats.clear();
        self.shards.clear();
    }
}

/// What the hot path reads.
pub struct Hot {
    pub fixed: Rows,
    pub listed: Rows,
    pub entries: Cell<Entries>,
    /// What the hashes of this thread begin with; 0 before there is a table.
    pub seed: Cell<u64>,
    /// See `Telling`.
    telling: Cell<bool>,
    /// See `Busy`.
    busy: Cell<bool>,
}

thread_local! {
    static HOT: Hot = const {
        Hot {
            fixed: Rows::empty(),
            listed: Rows::empty(),
            entries: Cell::new(Entries::NONE),
            seed: Cell::new(0),
            telling: Cell::new(false),
            busy: Cell::new(false),
        }
    };
    static LEASE: Lease = const { Lease { slab: Cell::new(None), table: RefCell::new(Table::new()), moved: Cell::new(false) } };
}

/// What the hot path of this thread reads.
#[inline(always)]
pub fn hot() -> &'static Hot {
    // SAFETY: it has no destructor, so that it is there as long as the thread, and it is not `Sync`, so that the reference stays with
    // the thread. A closure within `with` would be the same, but the compiler does not always inline a long one.
    unsafe { &*HOT.with(ptr::from_ref) }
}

impl Hot {
    #[inline(always)]
    pub fn rows(&self, class: Class) -> &Rows {
        match class {
            Class::Fixed => &self.fixed,
            Class::Listed => &self.listed,
        }
    }

    fn clear_rows(&self) {
        self.fixed.clear();
        self.listed.clear();
    }
}

/// Says that this thread is at something of this module, which an instrumented allocator that records meanwhile must not touch.
pub struct Busy(());

impl Busy {
    /// None where the thread is busy already.
    pub fn take() -> Option<Self> {
        (!hot().busy.replace(true)).then(|| Self(()))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        hot().busy.set(false);
    }
}

/// Whether this thread may run code that may record: it is not busy, and has not ended.
pub fn can_ask() -> bool {
    !hot().busy.get() && LEASE.try_with(|_| ()).is_ok()
}

/// Says that this thread tells the text of labels, for which it takes memory: an instrumented allocator that counts it by labels would
/// tell them again, without end.
pub struct Telling(());

impl Telling {
    /// None where the thread does already.
    pub fn take() -> Option<Self> {
        (!hot().telling.replace(true)).then(|| Self(()))
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        hot().telling.set(false);
    }
}

/// A guard of a lock of this module. The lock is released first, then the thread is no longer busy.
pub struct Locked<T: 'static>(MutexGuard<'static, T>, Busy);

impl<T> Locked<T> {
    /// Takes the lock; none where this thread is busy.
    pub fn take(lock: &'static Mutex<T>) -> Option<Self> {
        let busy = Busy::take()?;
        fork::watch(); // while it is busy, so that a signal handler that records does not wait for the thread that it interrupts
        // Nothing that is done under the lock panics half-way: a poisoned one is as good.
        Some(Self(lock.lock().unwrap_or_else(PoisonError::into_inner), busy))
    }

    /// Releases the lock and stays busy.
    pub fn unlock(self) -> Busy {
        self.1
    }
}

impl<T> Deref for Locked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Locked<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// The lock of all cells; none where this thread has it already, as an allocator may find that records.
pub fn slabs() -> Option<Locked<[Slabs; 2]>> {
    Locked::take(&SLABS)
}

/// The lock as `fork` holds it.
pub(super) fn raw() -> &'static Mutex<[Slabs; 2]> {
    &SLABS
}

/// What a thread gives back when it ends.
struct Lease {
    slab: Cell<Option<usize>>,
    table: RefCell<Table>,
    /// Whether the cells are elsewhere than the table says.
    moved: Cell<bool>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        hot().clear_rows();
        hot().entries.set(Entries::NONE);
        drop(self.table.replace(Table::new()));
        if let Some(slab) = self.slab.take()
            && let Some(mut slabs) = slabs()
        {
            slabs.iter_mut().for_each(|slabs| slabs.give_back(slab));
        }
    }
}

/// Runs the cold path with the slab of this thread, none where the thread has ended; none where it cannot run now.
///
/// What was replaced is dropped when the lock is released and nothing leads to it.
pub fn with_slab<T, R>(class: Class, run: impl FnOnce(&mut Slabs, Option<usize>) -> (T, R)) -> Option<T> {
    let mut slabs = self::slabs()?;
    let claim = |lease: &Lease| {
        let slab = lease.slab.get().unwrap_or_else(|| {
            let [fixed, listed] = &mut *slabs;
            let (slab, same) = (fixed.claim(), listed.claim());
            debug_assert_eq!(slab, same, "both are claimed and given back together");
            slab
        });
        lease.slab.set(Some(slab));
        slab
    };
    let slab = LEASE.try_with(claim).ok();
    let (done, replaced) = run(&mut slabs[class as usize], slab);
    let _busy = slabs.unlock();
    drop(replaced);
    Some(done)
}

/// Makes all cells of this space in the slab of this thread reachable by the hot path.
pub fn reach(slabs: &mut Slabs, class: Class, slab: usize, space: Space) -> Retired {
    let (slab, retired) = slabs.reach(slab, space);
    hot().rows(class).set(space, slab);
    if class == Class::Listed && !retired.is_empty() {
        table_is_moved();
    }
    retired
}

/// Keeps the hot path from the table until `with_table` has asked where the cells are.
fn table_is_moved() {
    hot().entries.set(Entries::NONE);
    let _ = LEASE.try_with(|lease| lease.moved.set(true));
}

/// Runs with this thread's table; none where the thread has ended, or cannot now.
///
/// The table is out of the hot path's reach meanwhile.
pub fn with_table<T>(run: impl FnOnce(&mut Table) -> T) -> Option<T> {
    LEASE.try_with(|_| ()).ok()?; // what `run` has is dropped before the thread is busy
    let busy = Busy::take()?;
    let run = |lease: &Lease| {
        let mut table = lease.table.try_borrow_mut().ok()?;
        hot().entries.set(Entries::NONE);
        let forgotten = if lease.moved.replace(false) { table.refresh() } else { Vec::new() };
        let done = run(&mut table);
        hot().entries.set(table.entries());
        Some((done, forgotten))
    };
    let (done, forgotten) = LEASE.try_with(run).ok().flatten()?;
    drop(busy);
    drop(forgotten);
    Some(done)
}

/// What this thread's hashes begin with, which is drawn when it is first wanted.
pub fn seed() -> u64 {
    let hot = hot();
    if hot.seed.get() == 0 {
        hot.seed.set(RandomState::new().hash_one(0_u8) | 1); // of which each process has its own, but for one that it forked from
    }
    hot.seed.get()
}

/// The lease of the thread that forked leads to its parent's cells.
pub(super) fn forget() {
    hot().clear_rows();
    table_is_moved();
    let _ = LEASE.try_with(|lease| lease.slab.set(None));
}

/// The sums of all threads at one moment, by class.
#[derive(Default)]
pub struct Sums {
    wholes: [Vec<u64>; 2],
    floats: [Vec<f64>; 2],
    /// How many indices there had been.
    taken: [u64; 2],
}

impl Sums {
    /// Reads all cells, into the memory of the sums before. Cost: one load a cell that a thread has room for.
    pub fn read(&mut self) {
        let Some(slabs) = slabs() else { return *self = Self::default() };
        for class in [Class::Fixed as usize, Class::Listed as usize] {
            slabs[class].all_wholes(&mut self.wholes[class]);
            slabs[class].all_floats(&mut self.floats[class]);
            self.taken[class] = slabs[class].taken();
        }
    }

    /// Whether a series that got its index so late was not there yet: what these sums have at its index is another's.
    #[inline]
    pub fn are_before(&self, class: Class, taken: u64) -> bool {
        taken > self.taken[class as usize]
    }

    /// The bits of the sum of a listed series, by the index of its cells.
    pub fn listed_whole(&self, index: u32) -> u64 {
        self.whole(Class::Listed, index)
    }

    /// The same of floating-point numbers.
    pub fn listed_float(&self, index: u32) -> u64 {
        self.float(Class::Listed, index).to_bits()
    }

    pub fn whole(&self, class: Class, index: u32) -> u64 {
        self.wholes[class as usize].get(index as usize).copied().unwrap_or(0)
    }

    pub fn float(&self, class: Class, index: u32) -> f64 {
        self.floats[class as usize].get(index as usize).copied().unwrap_or(0.0)
    }
}
