//! The allocator of the system, which counts what is taken from it and what is out.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static TAKEN: AtomicU64 = AtomicU64::new(0);
static TAKEN_BYTES: AtomicU64 = AtomicU64::new(0);
static GIVEN_BACK_BYTES: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: all calls go to the allocator of the system with the arguments that they came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.fetch_add(1, Relaxed);
        TAKEN_BYTES.fetch_add(layout.size() as u64, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        GIVEN_BACK_BYTES.fetch_add(layout.size() as u64, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations so far, and their bytes.
pub fn taken() -> (u64, u64) {
    (TAKEN.load(Relaxed), TAKEN_BYTES.load(Relaxed))
}

/// Bytes that were taken and not given back.
pub fn live_bytes() -> i64 {
    TAKEN_BYTES.load(Relaxed).wrapping_sub(GIVEN_BACK_BYTES.load(Relaxed)).cast_signed()
}
