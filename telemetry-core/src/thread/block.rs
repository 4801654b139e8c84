//! The series of a metric whose label sets are known at compile time: one slot for each, found by arithmetic.

use std::ptr;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicPtr, AtomicUsize};

use super::slabs::Class;
use super::slot::Slot;

/// `N` slots, made when the first is wanted. `N` is a constant of the label type that the caller names in every call.
pub struct Block {
    slots: AtomicPtr<Slot>,
    /// How many they are; written before they are.
    len: AtomicUsize,
}

impl Block {
    pub const fn new() -> Self {
        Self { slots: AtomicPtr::new(ptr::null_mut()), len: AtomicUsize::new(0) }
    }

    /// The slot in this place among `len`.
    ///
    /// # Safety
    /// `len` is the same in every call.
    #[inline(always)]
    pub unsafe fn get(&self, index: usize, len: usize) -> Option<&Slot> {
        if index >= len {
            return None;
        }
        let mut slots = self.slots.load(Acquire);
        if slots.is_null() {
            slots = self.make(len)?;
        }
        // SAFETY: `slots` begins a slice of `len` slots, which lives as long as the block.
        Some(unsafe { &*slots.add(index) })
    }

    /// All slots, where they were made.
    pub fn all(&self) -> &[Slot] {
        let slots = self.slots.load(Acquire);
        if slots.is_null() {
            return &[];
        }
        // SAFETY: see `get`; `len` is what the slice was made with, and was written before the pointer.
        unsafe { std::slice::from_raw_parts(slots, self.len.load(Relaxed)) }
    }

    #[cold]
    #[inline(never)]
    fn make(&self, len: usize) -> Option<*mut Slot> {
        let _busy = super::lease::Busy::take()?;
        self.len.store(len, Relaxed); // the same for all who come here
        let made: Box<[Slot]> = (0..len).map(|_| Slot::new(Class::Fixed)).collect();
        let made = Box::into_raw(made);
        match self.slots.compare_exchange(ptr::null_mut(), made.cast(), AcqRel, Acquire) {
            Ok(_) => Some(made.cast()),
            Err(first) => {
                // SAFETY: another thread was first, and nobody has seen this one.
                drop(unsafe { Box::from_raw(made) });
                Some(first)
            }
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let (slots, len) = (*self.slots.get_mut(), *self.len.get_mut());
        if !slots.is_null() {
            // SAFETY: `make` leaked a box of this slice, and `&mut self` says that nobody is at it.
            drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(slots, len)) });
        }
    }
}
