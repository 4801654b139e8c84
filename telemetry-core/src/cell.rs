//! Numbers that one thread writes and any may read: an add is a load and a store, without a lock.
//!
//! Intel's cores since Golden Cove hand a number that was just stored to the next load without the five cycles of a load, if both
//! have the address in one register, and if the add is not of a register to memory. A compiler prefers the other form of both, and
//! then one add a nanosecond becomes one in six cycles. [`opaque`] keeps it from that, at no instruction.

use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};

/// The atomics of what threads share: those of `std`, or of `loom` where a model runs them in every order.
#[cfg(loom)]
pub use checked::{AtomicPtr, AtomicU64};
#[cfg(not(loom))]
pub use std::sync::atomic::{AtomicPtr, AtomicU64};

/// The atomics of `loom`, which panic when one is dropped that another thread may still be at.
#[cfg(loom)]
mod checked {
    macro_rules! checked {
        ($($name:ident $(<$of:ident>)?, $value:ty;)*) => {
            $(
                pub struct $name$(<$of>)?(loom::sync::atomic::$name$(<$of>)?);

                impl$(<$of>)? $name$(<$of>)? {
                    pub fn new(value: $value) -> Self {
                        Self(loom::sync::atomic::$name::new(value))
                    }
                }

                impl$(<$of>)? Default for $name$(<$of>)? {
                    fn default() -> Self {
                        Self(Default::default())
                    }
                }

                impl$(<$of>)? std::ops::Deref for $name$(<$of>)? {
                    type Target = loom::sync::atomic::$name$(<$of>)?;

                    fn deref(&self) -> &Self::Target {
                        &self.0
                    }
                }

                impl$(<$of>)? Drop for $name$(<$of>)? {
                    fn drop(&mut self) {
                        if !std::thread::panicking() {
                            self.0.with_mut(|_| ());
                        }
                    }
                }
            )*
        };
    }

    checked! {
        AtomicPtr<T>, *mut T;
        AtomicU64, u64;
    }
}

/// Adds one: a single instruction.
#[inline(always)]
pub fn increment(cell: &AtomicU64) {
    let cell = in_register(cell);
    cell.store(cell.load(Relaxed).wrapping_add(1), Relaxed);
}

/// Takes one away: a single instruction.
#[inline(always)]
pub fn decrement(cell: &AtomicU64) {
    let cell = in_register(cell);
    cell.store(cell.load(Relaxed).wrapping_sub(1), Relaxed);
}

/// Adds one where the place differs from one time to the next, so that nothing waits for what was stored last.
#[inline(always)]
pub fn count(cell: &AtomicU64) {
    cell.store(cell.load(Relaxed).wrapping_add(1), Relaxed);
}

/// Adds a number, modulo 2^64.
#[inline(always)]
pub fn add(cell: &AtomicU64, n: u64) {
    let cell = in_register(cell);
    cell.store(opaque(cell.load(Relaxed)).wrapping_add(n), Relaxed);
}

/// Adds a number, modulo 2^64; true where it went beyond.
#[inline(always)]
pub fn add_carrying(cell: &AtomicU64, n: u64) -> bool {
    let (sum, carry) = cell.load(Relaxed).overflowing_add(n);
    cell.store(sum, Relaxed);
    carry
}

/// Adds a floating-point number.
#[inline(always)]
pub fn add_float(cell: &AtomicU64, x: f64) {
    cell.store((f64::from_bits(cell.load(Relaxed)) + x).to_bits(), Relaxed);
}

/// A number within something that is shared: reached without a look at the whole.
pub struct Part<T> {
    at: NonNull<AtomicU64>,
    _whole: Arc<T>,
}

// SAFETY: it is a shared reference to a part of what the `Arc` shares, an atomic.
unsafe impl<T: Send + Sync> Send for Part<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Part<T> {}

impl<T> Part<T> {
    /// The number that is found in the whole.
    pub fn new(whole: &Arc<T>, find: impl FnOnce(&T) -> &AtomicU64) -> Self {
        Self { at: NonNull::from(find(whole)), _whole: Arc::clone(whole) }
    }
}

impl<T> Clone for Part<T> {
    fn clone(&self) -> Self {
        Self { at: self.at, _whole: Arc::clone(&self._whole) }
    }
}

impl<T> Deref for Part<T> {
    type Target = AtomicU64;

    #[inline(always)]
    fn deref(&self) -> &AtomicU64 {
        // SAFETY: found by a reference that lives as long as the whole does where it is (`find` is for any lifetime, and a static would
        // do as well), which is as long as this has its `Arc`.
        unsafe { self.at.as_ref() }
    }
}

/// Stores a number which another thread swaps, for who swaps it to see all that was before.
///
/// A store that a swap did not see is behind that swap, because nothing comes between a swap and what it saw. `loom` knows that of two
/// swaps alone.
#[inline(always)]
pub fn store_for_swap(cell: &AtomicU64, value: u64) {
    #[cfg(loom)]
    cell.swap(value, Release);
    #[cfg(not(loom))]
    cell.store(value, Release);
}

/// The same reference, whose address the compiler has in one register.
#[inline(always)]
#[allow(clippy::pointers_in_nomem_asm_block)] // the block is empty
fn in_register(cell: &AtomicU64) -> &AtomicU64 {
    #[cfg(all(target_arch = "x86_64", not(any(miri, loom, telemetry_portable))))]
    // SAFETY: there is no instruction in it; what comes out is what went in.
    unsafe {
        let mut address: *const AtomicU64 = cell;
        std::arch::asm!("/* {0} */", inlateout(reg) address, options(pure, nomem, nostack, preserves_flags));
        &*address
    }
    #[cfg(not(all(target_arch = "x86_64", not(any(miri, loom, telemetry_portable)))))]
    cell
}

/// The same number, of which the compiler does not know where it is from.
#[inline(always)]
fn opaque(n: u64) -> u64 {
    #[cfg(all(target_arch = "x86_64", not(any(miri, loom, telemetry_portable))))]
    // SAFETY: there is no instruction in it; what comes out is what went in.
    unsafe {
        let mut n = n;
        std::arch::asm!("/* {0} */", inlateout(reg) n, options(pure, nomem, nostack, preserves_flags));
        n
    }
    #[cfg(not(all(target_arch = "x86_64", not(any(miri, loom, telemetry_portable)))))]
    n
}
