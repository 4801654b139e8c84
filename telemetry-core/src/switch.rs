//! Whether anybody wants an event that is emitted on demand.
//!
//! Invariant: it is on while a [`SwitchedOn`] of it lives. Asking takes one load, for a linked event of an address that the compiler knows.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// How many want it.
#[doc(hidden)]
pub struct Wanted(AtomicUsize);

impl Wanted {
    /// By nobody.
    #[allow(clippy::new_without_default)] // only a macro makes a useful one
    pub const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Relaxed) > 0
    }
}

/// The switch of an event, beside its static or of its own.
#[derive(Clone)]
pub(crate) enum Switch {
    Linked(&'static Wanted),
    Runtime(Arc<Wanted>),
}

impl Switch {
    pub fn runtime() -> Self {
        Self::Runtime(Arc::new(Wanted::new()))
    }

    pub fn on(&self) -> SwitchedOn {
        self.0.fetch_add(1, Relaxed);
        SwitchedOn(self.clone())
    }
}

impl Deref for Switch {
    type Target = Wanted;

    fn deref(&self) -> &Wanted {
        match self {
            Self::Linked(wanted) => wanted,
            Self::Runtime(wanted) => wanted,
        }
    }
}

/// Keeps an event on that is emitted on demand, until it is dropped. Others may want it at the same time.
#[must_use = "the event is wanted until this is dropped"]
pub struct SwitchedOn(Switch);

impl Drop for SwitchedOn {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_is_on_while_anybody_wants_it() {
        static WANTED: Wanted = Wanted::new();
        for switch in [Switch::Linked(&WANTED), Switch::runtime()] {
            assert!(!switch.is_on());
            let (first, second) = (switch.on(), switch.on());
            drop(first);
            assert!(switch.is_on());
            drop(second);
            assert!(!switch.is_on());
        }
    }
}
