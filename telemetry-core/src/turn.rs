//! Whose turn a callback is: it runs once at a time, and one that hangs is not started again.

use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;

/// Stands beside each callback.
#[derive(Default)]
pub struct Turn {
    /// Held while the callback runs: a second caller waits.
    pub(crate) running: Mutex<()>,
    /// Set while a callback that was reported late still runs. Nobody waits for it: it holds one thread, not one for each collection.
    pub(crate) overdue: AtomicBool,
}
