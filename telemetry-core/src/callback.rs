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
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
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

/// The failure of a callback that panicked with this payload, which is dropped here: that is the user's code too.
pub fn panicked(payload: Box<dyn Any + Send>) -> Failure {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("a payload that is no text").to_owned();
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second); // leaked, since dropping it may panic once more, and so on
    }
    Failure::Panicked(text)
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
        Err(payload) => Err(panicked(payload)),
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
    let runs = callbacks.iter().map(|_| AtomicU64::new(UNSTARTED)).collect();
    let work = Arc::new(Work { callbacks, runs, next: AtomicUsize::new(0), deadline, ends: began.checked_add(deadline), run });
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
            Err(_) if left.is_zero() => break,
            Err(_) => {
                let unstarted = work.next.load(Ordering::Relaxed) < results.len();
                if unstarted && threads < CALLBACK_THREADS_MAX {
                    threads += usize::from(start(&work, &sender));
                }
            }
        }
    }
    let mut outcomes = Vec::with_capacity(results.len());
    for ((callback, run), result) in work.callbacks.iter().cloned().zip(&work.runs).zip(results) {
        if result.is_none() {
            callback.turn().note_late(run.swap(NEVER, Ordering::AcqRel)); // what has not started by now is not started
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

/// In place of the number of a callback's run: it has not started.
const UNSTARTED: u64 = 0;
/// In place of it: the pass has ended, and it must not start.
const NEVER: u64 = u64::MAX;

struct Work<C, F> {
    callbacks: Vec<C>,
    /// By callback: the number of the run that this pass has started.
    runs: Vec<AtomicU64>,
    next: AtomicUsize,
    deadline: Duration,
    ends: Option<Instant>,
    run: F,
}

impl<C: Deref<Target: Called>, F> Work<C, F> {
    /// Runs one callback, after the one of another pass that runs now has ended.
    fn one<T>(&self, callback: &C::Target, run: &AtomicU64) -> Result<T, Failure>
    where
        F: Fn(&C::Target) -> Result<T, String>,
    {
        let late = Err(Failure::Late(self.deadline));
        let Some(running) = callback.turn().take(self.ends) else { return late };
        if run.compare_exchange(UNSTARTED, running.number(), Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return late;
        }
        guarded(|| (self.run)(callback))
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
            let Some((callback, run)) = work.callbacks.get(index).zip(work.runs.get(index)) else { return };
            let result = work.one(callback, run);
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

#[cfg(test)]
mod tests {
    use std::panic::panic_any;
    use std::sync::Mutex;

    use super::*;

    /// Far beyond what any of these takes.
    const LONG: Duration = Duration::from_secs(3600);

    #[derive(Default)]
    struct Plain {
        turn: Turn,
        failures: Mutex<Vec<Failure>>,
    }

    impl Called for Plain {
        fn turn(&self) -> &Turn {
            &self.turn
        }

        fn failed(&self, failure: &Failure) {
            self.failures.lock().expect("no panic").push(failure.clone());
        }
    }

    /// A pass that waits, and what releases it.
    type Held = (thread::JoinHandle<Result<u32, Failure>>, mpsc::Sender<()>);

    /// A pass over one callback that says when it runs, and ends when it is released. None where no thread came to it in time.
    fn try_held(callback: &Arc<Plain>, deadline: Duration) -> Option<Held> {
        let ((runs, began), (release, released)) = (mpsc::channel(), mpsc::channel());
        let (callback, released) = (Arc::clone(callback), Mutex::new(released));
        let passing = thread::spawn(move || {
            let run = move |_: &Plain| {
                runs.send(()).expect("it is waited for");
                let _released = released.lock().expect("one at a time").recv();
                Ok(1)
            };
            pass(vec![callback], deadline, run).remove(0).1
        });
        began.recv().ok().map(|()| (passing, release))
    }

    fn held(callback: &Arc<Plain>, deadline: Duration) -> Held {
        std::iter::repeat_with(|| try_held(callback, deadline)).flatten().next().expect("some time it runs")
    }

    #[test]
    fn a_pass_that_waited_in_vain_makes_no_run_of_another_pass_overdue() {
        let callback = Arc::new(Plain::default());
        let (passing, release) = held(&callback, LONG);
        let deadline = Duration::from_millis(1);
        let waited = pass(vec![Arc::clone(&callback)], deadline, |_| Ok(2)).remove(0).1;
        assert_eq!(waited, Err(Failure::Late(deadline)));
        assert!(!callback.turn.is_overdue(), "its own pass still waits for it");
        release.send(()).expect("it is held");
        assert_eq!(passing.join().expect("no panic"), Ok(1));
        assert_eq!(pass(vec![Arc::clone(&callback)], LONG, |_| Ok(3)).remove(0).1, Ok(3));
    }

    #[test]
    fn a_run_is_overdue_from_its_deadline_to_its_end() {
        let callback = Arc::new(Plain::default());
        let (passing, release) = held(&callback, Duration::from_millis(1));
        let deadline = Duration::from_millis(1);
        assert_eq!(passing.join().expect("no panic"), Err(Failure::Late(deadline)));
        assert!(callback.turn.is_overdue());
        assert_eq!(pass(vec![Arc::clone(&callback)], LONG, |_| Ok(2)).remove(0).1, Err(Failure::Late(LONG)), "nobody waits");
        release.send(()).expect("it is held");
        while callback.turn.is_overdue() {
            thread::yield_now();
        }
        assert_eq!(pass(vec![Arc::clone(&callback)], LONG, |_| Ok(3)).remove(0).1, Ok(3));
    }

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_any(Bomb);
        }
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_is_one_failure() {
        let failed = guarded::<()>(|| panic_any(Bomb));
        assert_eq!(failed, Err(Failure::Panicked("a payload that is no text".to_owned())));
        assert_eq!(guarded::<()>(|| panic!("as {}", "usual")), Err(Failure::Panicked("as usual".to_owned())));
    }
}
