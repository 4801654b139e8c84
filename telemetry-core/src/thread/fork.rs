//! After a fork the child starts clean and harms nobody: its sums begin at zero, its locks are free, and its parent's threads, which
//! do not exist in it, own nothing.
//!
//! The thread that forks holds the locks of `thread` across it, so that the child gets what they protect in one piece. Nothing else
//! of this library is made for a child: it starts a `Telemetry` of its own or executes another program.

#[cfg(all(unix, not(miri)))]
mod handlers {
    use std::cell::UnsafeCell;
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
    use std::sync::{MutexGuard, PoisonError};

    use super::EPOCH;
    use crate::clock;
    use crate::thread::lease;
    use crate::thread::series::{self, Names};
    use crate::thread::slabs::Slabs;

    type Held = (lease::Busy, MutexGuard<'static, [Slabs; 2]>, MutexGuard<'static, Names>);

    /// The guards of the thread that forks.
    struct Stash(UnsafeCell<Option<Held>>);

    // SAFETY: `prepare` writes it when it has both locks, and `take` empties it before it releases them, so that only the thread that
    // holds the locks, or its copy in the child, is ever at it.
    unsafe impl Sync for Stash {}

    static STASH: Stash = Stash(UnsafeCell::new(None));

    extern "C" fn prepare() {
        let Some(busy) = lease::Busy::take() else { return };
        let slabs = lease::raw().lock().unwrap_or_else(PoisonError::into_inner);
        let names = series::raw().lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: this thread has the locks, see `Stash`.
        unsafe { *STASH.0.get() = Some((busy, slabs, names)) }
    }

    fn take() -> Option<Held> {
        // SAFETY: called between `prepare` and the release of the locks, by the thread that holds them, see `Stash`.
        unsafe { (*STASH.0.get()).take() }
    }

    extern "C" fn parent() {
        if let Some((busy, slabs, names)) = take() {
            drop((names, slabs));
            drop(busy);
        }
    }

    extern "C" fn child() {
        EPOCH.fetch_add(1, Relaxed);
        clock::restart();
        WATCHER.store(DONE, Relaxed); // or this would not have been called
        lease::forget();
        if let Some((busy, mut slabs, names)) = take() {
            slabs.iter_mut().for_each(Slabs::abandon);
            drop((names, slabs));
            drop(busy);
        }
    }

    /// The process that asks the C library to call the handlers; `NOBODY` before, `DONE` after.
    static WATCHER: AtomicU32 = AtomicU32::new(NOBODY);
    const NOBODY: u32 = 0;
    const DONE: u32 = u32::MAX;

    #[inline]
    pub fn watch() {
        if WATCHER.load(Acquire) != DONE {
            ask();
        }
    }

    #[cold]
    fn ask() {
        let own = std::process::id();
        loop {
            let watcher = WATCHER.load(Acquire);
            if watcher == DONE {
                return;
            }
            // Another process is the parent, one of whose threads was here when it forked: there is no such thread in this one.
            if watcher != own && WATCHER.compare_exchange(watcher, own, Acquire, Relaxed).is_ok() {
                // SAFETY: the handlers live as long as the code that they are part of; the C library forgets them when it unloads that.
                // A failure is the lack of memory for one record: then a fork is not noticed, and the child goes on with its copy.
                unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
                return WATCHER.store(DONE, Release);
            }
            std::thread::yield_now(); // another thread is at it
        }
    }
}

use std::sync::atomic::AtomicU32;

/// Forks between the first process and this one, and one more: 0 is no process.
pub static EPOCH: AtomicU32 = AtomicU32::new(1);

/// Forks between the first process and this one.
#[inline]
pub fn forks() -> u32 {
    EPOCH.load(std::sync::atomic::Ordering::Relaxed) - 1
}

/// Has forks noticed, from the first call on.
pub fn watch() {
    #[cfg(all(unix, not(miri)))]
    handlers::watch();
}
