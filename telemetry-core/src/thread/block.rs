//! The series of a metric whose label sets are known at compile time: one slot for each, found by arithmetic.
//!
//! Where they are sums of whole numbers that only grow their cells lie side by side, and are added to without a look at the slot: that
//! one shows is told by its being more than at its beginning. While they ask for exemplars they are recorded by their slots, so many
//! times in all.

use std::ptr;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU16, AtomicU32, AtomicU64};

use super::lease::{self, INVALID, hot};
use super::slabs::{Class, Space};
use super::slot::Slot;
use crate::cell;
use crate::limits::{EXEMPLAR_ASKS_MAX, RUN_SERIES_MAX};

/// `N` slots, made when the first is wanted. `N` is a constant of the label type that the caller names in every call.
pub struct Block {
    /// Null until they are made, and while those with cells side by side ask for exemplars.
    slots: AtomicPtr<Slot>,
    /// The same, also while they ask.
    made: AtomicPtr<Slot>,
    /// How many they are; written before they are.
    len: AtomicU32,
    /// How many more records look at the slots.
    looks: AtomicU16,
    /// Whether new slots ask for exemplars.
    asks: AtomicBool,
    /// Of the first cell, in bytes, where they lie side by side and the rows of all threads reach the last.
    offset: AtomicU64,
}

const _: () = assert!(RUN_SERIES_MAX * EXEMPLAR_ASKS_MAX as usize <= u16::MAX as usize, "`looks` has room for all of them");

impl Block {
    pub const fn new() -> Self {
        Self {
            slots: AtomicPtr::new(ptr::null_mut()),
            made: AtomicPtr::new(ptr::null_mut()),
            len: AtomicU32::new(0),
            looks: AtomicU16::new(0),
            asks: AtomicBool::new(false),
            offset: AtomicU64::new(INVALID),
        }
    }

    /// Adds to the cell of this thread in this place among `len`; none where it cannot without looking at the slot.
    ///
    /// # Safety
    /// `len` is the same in every call, here and in `get`.
    #[inline(always)]
    pub unsafe fn add(&self, index: usize, len: usize, add: impl FnOnce(&cell::AtomicU64)) -> Option<()> {
        if index >= len {
            return None;
        }
        // SAFETY: an offset that is not `INVALID` is that of `len` cells which are within every row; an add replaces nothing.
        unsafe { hot().fixed.wholes.beyond(self.offset.load(Acquire), index, add) }
    }

    /// The slot in this place among `len`, which are made with cells side by side where they are sums of whole numbers that only
    /// grow.
    ///
    /// # Safety
    /// `len` is the same in every call, here and in `add`.
    #[inline(always)]
    pub unsafe fn get(&self, index: usize, len: usize, are_counted: bool) -> Option<&Slot> {
        if index >= len {
            return None;
        }
        let mut slots = self.slots.load(Acquire);
        if slots.is_null() {
            slots = self.slots(len, are_counted)?;
        }
        // SAFETY: `slots` begins a slice of `len` slots, which lives as long as the block.
        Some(unsafe { &*slots.add(index) })
    }

    /// All slots, where they were made.
    pub fn all(&self) -> &[Slot] {
        let slots = self.made.load(Acquire);
        if slots.is_null() {
            return &[];
        }
        // SAFETY: see `get`; `len` is what the slice was made with, and was written before the pointer.
        unsafe { std::slice::from_raw_parts(slots, self.len.load(Relaxed) as usize) }
    }

    #[cold]
    #[inline(never)]
    fn slots(&self, len: usize, are_counted: bool) -> Option<*mut Slot> {
        let made = self.made.load(Acquire);
        if made.is_null() {
            return self.make(len, are_counted);
        }
        if self.looks.try_update(Relaxed, Relaxed, |looks| looks.checked_sub(1)) == Ok(1) {
            self.lead_back(made);
        }
        Some(made)
    }

    fn make(&self, len: usize, are_counted: bool) -> Option<*mut Slot> {
        let (first, taken) = {
            let mut slabs = lease::slabs()?;
            let slabs = &mut slabs[Class::Fixed as usize];
            let first = (are_counted && len <= RUN_SERIES_MAX).then(|| slabs.take_run(Space::Whole, len as u32)).flatten();
            (first, slabs.taken())
        };
        let busy = lease::Busy::take()?;
        self.len.store(len as u32, Relaxed); // the same for all who come here
        let asks = if self.asks.load(Relaxed) { EXEMPLAR_ASKS_MAX } else { 0 };
        let slot = |i: u32| match first {
            Some(first) => Slot::with_cells(first + i, taken).asking(asks),
            None => Slot::new(Class::Fixed).asking(asks),
        };
        let made: Box<[Slot]> = (0..len as u32).map(slot).collect();
        let made = Box::into_raw(made);
        match self.made.compare_exchange(ptr::null_mut(), made.cast(), AcqRel, Acquire) {
            Ok(_) => {
                drop(busy);
                match (asks, first) {
                    (1.., Some(_)) => self.ask(),
                    _ => self.lead_back(made.cast()),
                }
                Some(made.cast())
            }
            Err(first) => {
                drop(busy);
                // SAFETY: another thread was first, and nobody has seen this one.
                drop(unsafe { Box::from_raw(made) });
                Some(first)
            }
        }
    }

    /// Lets the hot path of every thread add without a look at the slot, if all rows in use reach so far.
    pub fn publish(&self) {
        let Some(first) = self.run_start() else { return };
        if self.offset.load(Relaxed) == INVALID
            && let Some(slabs) = lease::slabs()
            && self.looks.load(Relaxed) == 0
            && slabs[Class::Fixed as usize].is_everywhere(Space::Whole, first + self.len.load(Relaxed) - 1)
        {
            self.offset.store(lease::Cells::<cell::AtomicU64>::offset(first), Release);
        }
    }

    /// The index of the first cell, where they lie side by side.
    fn run_start(&self) -> Option<u32> {
        self.all().first().and_then(Slot::run_start)
    }

    /// Leads the next records to the slots, which ask for exemplars: as many as all of them ask for. New ones ask too.
    pub fn ask(&self) {
        self.asks.store(true, Relaxed);
        if self.run_start().is_none() {
            return; // each of them is looked at in any case
        }
        let Some(_slabs) = lease::slabs() else { return };
        self.looks.store(self.len.load(Relaxed) as u16 * u16::from(EXEMPLAR_ASKS_MAX), Relaxed);
        self.slots.store(ptr::null_mut(), Release);
        self.offset.store(INVALID, Release);
    }

    /// Leads to the slots at once, and to their cells without them, unless they ask.
    fn lead_back(&self, made: *mut Slot) {
        match lease::slabs() {
            Some(_slabs) if self.looks.load(Relaxed) == 0 => self.slots.store(made, Release),
            Some(_) => return, // a reader let them ask again
            None => return self.looks.store(1, Relaxed),
        }
        self.publish();
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let (slots, len) = (*self.made.get_mut(), *self.len.get_mut() as usize);
        if !slots.is_null() {
            // SAFETY: `make` leaked a box of this slice, and `&mut self` says that nobody is at it.
            drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(slots, len)) });
        }
    }
}
