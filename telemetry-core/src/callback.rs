//! Running the user's code: observed metrics, collectors, snapshots, properties, callbacks of the OpenTelemetry API.
//!
//! Invariant: a callback that panics or never returns costs its own value only. It runs with no lock of ours held, under
//! `catch_unwind`, and with a deadline; what fails is counted in `telemetry_callback_failures` and named there.
//! Not here: what is done with the values (`collect`, the exporter).

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Labels;
use crate::entry::Entry;
use crate::limits::{CALLBACK_PATIENCE, CALLBACK_THREADS_MAX};
use crate::metric::Counter;
pub use crate::turn::Turn;

/// Callbacks that failed; `own` declares it.
pub(crate) static CALLBACK_FAILURES: Counter<Callback<'static>> = Counter::new();

/// Why a callback of the user's gave no value.
#[derive(Clone, Copy, Labels)]
pub(crate) enum Cause {
    Panic,
    Late,
    Error,
    CreatedInstrument,
}

/// One series a failing callback and cause.
#[derive(Labels)]
pub(crate) struct Callback<'a> {
    kind: &'static str,
    name: &'a str,
    cause: Cause,
}

/// Why a callback gave no value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// It panicked, with this message.
    Panicked(String),
    /// It had not returned by the deadline; it goes on, and is not called again before it has returned.
    Late(Duration),
    /// It answered with an error.
    Failed(String),
    /// It created this instrument of the OpenTelemetry API while it observed. The instrument does nothing; the callback goes on.
    CreatedInstrument(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::Late(deadline) => write!(f, "did not return within {} ms", deadline.as_millis()),
            Self::Failed(message) => f.write_str(message),
            Self::CreatedInstrument(name) => write!(f, "created the instrument \"{name}\": wanted one that was made before"),
        }
    }
}

impl std::error::Error for Failure {}

/// The text of a panic's payload.
pub fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a payload that is no text").to_owned()
}

/// Counts a failure under the kind and name of its declaration.
pub fn report(entry: &Entry, failure: &Failure) {
    entry.note_failure(failure.to_string());
    count(entry.kind().as_str(), entry.name(), failure);
}

/// Counts a failure of a callback that no declaration of this library stands for, such as one of the OpenTelemetry API.
pub fn count(kind: &'static str, name: &str, failure: &Failure) {
    let cause = match failure {
        Failure::Panicked(_) => Cause::Panic,
        Failure::Late(_) => Cause::Late,
        Failure::Failed(_) => Cause::Error,
        Failure::CreatedInstrument(_) => Cause::CreatedInstrument,
    };
    CALLBACK_FAILURES.with(Callback { kind, name, cause }).inc();
}

/// Runs user code on this thread; a panic becomes a [`Failure`]. Nothing is counted: [`report`] does that.
pub fn guarded<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(message)) => Err(Failure::Failed(message)),
        Err(payload) => Err(Failure::Panicked(panic_message(&*payload))),
    }
}

/// A callback that a [`pass`] runs.
pub trait Called: Send + Sync + 'static {
    /// Its turn, which is its own.
    fn turn(&self) -> &Turn;
    /// Counts a failure under its name.
    fn failed(&self, failure: &Failure);
}

impl Called for Entry {
    fn turn(&self) -> &Turn {
        &self.turn
    }

    fn failed(&self, failure: &Failure) {
        report(self, failure);
    }
}

/// Runs `run` once for each callback and gives the results in their order.
///
/// One thread takes them in turn. When it makes no progress for [`CALLBACK_PATIENCE`], another one goes on with those that have not
/// started, so a slow callback holds up the others by no more than that. What is not done at the deadline is [`Failure::Late`].
/// Failures are counted. Cost: one thread started a pass.
pub fn pass<C, T>(
    callbacks: Vec<C>,
    deadline: Duration,
    run: impl Fn(&C::Target) -> Result<T, String> + Send + Sync + 'static,
) -> Vec<(C, Result<T, Failure>)>
where
    C: Deref<Target: Called> + Clone + Send + Sync + 'static,
    T: Send + 'static,
{
    if callbacks.is_empty() {
        return Vec::new();
    }
    let began = Instant::now();
    let mut results: Vec<Option<Result<T, Failure>>> = callbacks.iter().map(|_| None).collect();
    let work = Arc::new(Work { callbacks, next: AtomicUsize::new(0), deadline, ends: began.checked_add(deadline), run });
    let (sender, receiver) = mpsc::channel();
    let mut threads = usize::from(start(&work, &sender));
    let mut missing = results.len();
    while missing > 0 {
        let left = deadline.saturating_sub(began.elapsed());
        match receiver.recv_timeout(CALLBACK_PATIENCE.min(left)) {
            Ok((index, result)) => {
                let slot: &mut Option<_> = &mut results[index];
                *slot = Some(result);
                missing -= 1;
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if left.is_zero() => break,
            Err(RecvTimeoutError::Timeout) => {
                let unstarted = work.next.load(Ordering::Relaxed) < results.len();
                if unstarted && threads < CALLBACK_THREADS_MAX {
                    threads += usize::from(start(&work, &sender));
                }
            }
        }
    }
    let started = work.next.swap(usize::MAX / 2, Ordering::Relaxed); // what has not started by now is not started
    let mut outcomes = Vec::with_capacity(results.len());
    for (index, (callback, result)) in work.callbacks.iter().cloned().zip(results).enumerate() {
        let turn = callback.turn();
        if result.is_none() && index < started && turn.running.is_locked() {
            turn.overdue.store(true, Ordering::Release);
        }
        outcomes.push((callback, result.unwrap_or(Err(Failure::Late(deadline)))));
    }
    for (callback, result) in &outcomes {
        if let Err(failure) = result {
            callback.failed(failure);
        }
    }
    outcomes
}

struct Work<C, F> {
    callbacks: Vec<C>,
    next: AtomicUsize,
    deadline: Duration,
    ends: Option<Instant>,
    run: F,
}

impl<C: Deref<Target: Called>, F> Work<C, F> {
    /// Runs one callback, after the one of another pass that runs now has ended.
    fn one<T>(&self, callback: &C::Target) -> Result<T, Failure>
    where
        F: Fn(&C::Target) -> Result<T, String>,
    {
        let (turn, late) = (callback.turn(), Err(Failure::Late(self.deadline)));
        // The mark alone may be left over from a callback that ended while it was made.
        if turn.overdue.load(Ordering::Acquire) && turn.running.is_locked() {
            return late;
        }
        let running = match self.ends {
            Some(ends) => turn.running.try_lock_until(ends),
            None => Some(turn.running.lock()), // a deadline beyond what the clock can tell
        };
        let Some(_running) = running else { return late };
        let result = guarded(|| (self.run)(callback));
        turn.overdue.store(false, Ordering::Release);
        result
    }
}

type Done<T> = (usize, Result<T, Failure>);

/// Starts one more thread on the work; false when the system has no thread to give.
fn start<C, T, F>(work: &Arc<Work<C, F>>, sender: &mpsc::Sender<Done<T>>) -> bool
where
    C: Deref<Target: Called> + Send + Sync + 'static,
    T: Send + 'static,
    F: Fn(&C::Target) -> Result<T, String> + Send + Sync + 'static,
{
    let (work, sender) = (Arc::clone(work), sender.clone());
    aside(move || {
        loop {
            let index = work.next.fetch_add(1, Ordering::Relaxed);
            let Some(callback) = work.callbacks.get(index) else { return };
            let result = work.one(callback);
            if sender.send((index, result)).is_err() {
                return;
            }
        }
    })
}

/// Runs this on a thread of its own; false when the system has no thread to give.
pub(crate) fn aside(run: impl FnOnce() + Send + 'static) -> bool {
    thread::Builder::new().name("telemetry-callback".to_owned()).spawn(run).is_ok()
}
