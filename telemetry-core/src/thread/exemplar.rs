//! In which span a value was recorded: an example for each series, asked for now and then.
//!
//! Who is asked is a hook, so that this crate can do without OpenTelemetry. Invariant: it runs under no lock of ours, its panic ends
//! here, and what it records itself asks for nothing.
//! Not here: when a series asks (`slot`), where its exemplar is kept (`slabs`).

use std::cell::Cell;
use std::panic::catch_unwind;
use std::ptr;
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::Ordering::{Acquire, Release};

use super::lease;

/// The ids of a trace and of a span in it.
pub type Ids = ([u8; 16], [u8; 8]);

/// Tells the span that this thread is in, if it is recorded.
type Hook = fn() -> Option<Ids>;

/// One value that was recorded within a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exemplar {
    /// What was recorded: the bits of a number in the shape of its counter, of an `f64` for a distribution.
    pub bits: u64,
    /// When, in Unix nanoseconds; never 0.
    pub time_ns: u64,
    /// The trace.
    pub trace_id: [u8; 16],
    /// The span in it.
    pub span_id: [u8; 8],
}

/// A `Hook`; null where there is none.
static HOOK: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

thread_local!(static ASKING: Cell<bool> = const { Cell::new(false) });

/// Sets who is asked.
pub fn set_span(hook: Hook) {
    HOOK.store(hook as *mut (), Release);
}

fn hook() -> Option<Hook> {
    let hook = HOOK.load(Acquire);
    // SAFETY: what is not null is what `set_span` stored, a `Hook`.
    (!hook.is_null()).then(|| unsafe { std::mem::transmute::<*mut (), Hook>(hook) })
}

/// Whether there is anybody to ask.
pub fn has_spans() -> bool {
    hook().is_some()
}

/// Says that this thread asks, so that what is recorded meanwhile does not.
pub struct Asking(Hook);

impl Asking {
    /// None where nobody can be asked now: by an allocator within this library, within the hook, or by a thread that has ended.
    pub fn begin() -> Option<Self> {
        let hook = hook()?;
        (lease::can_ask() && !ASKING.replace(true)).then_some(Self(hook))
    }

    /// The span that this thread is in, if it is recorded.
    pub fn ids(&self) -> Option<Ids> {
        catch_unwind(self.0).ok().flatten()
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        ASKING.set(false);
    }
}
