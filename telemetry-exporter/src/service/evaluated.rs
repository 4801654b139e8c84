//! The values of properties, evaluated when they are asked for.
//!
//! Invariant: a value is of a run that began after it was asked for. Who asks while a pass runs is answered by the next, together with all who do: however many
//! ask, each property runs once at a time, and nobody waits for more than two passes. Those that were slow have passes of their own, so that the others do not wait for them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use telemetry_core::callback::{self, Failure};
use telemetry_core::{EntryRef, PropertyValue};
use tokio::sync::oneshot;

use crate::limits::PROPERTY_SLOW_AFTER;

/// What a property said, or that it has no value yet.
pub type Value = Result<Option<PropertyValue>, Failure>;

/// The same, and how long that took.
type Timed = Result<(Option<PropertyValue>, Duration), Failure>;

/// What all properties of a pass said, by their names.
type Values = Arc<HashMap<String, Value>>;

/// Who asks for what, and what runs.
pub struct Evaluations {
    deadline: Duration,
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    /// Of the fast, and of the slow.
    passes: [Passes; 2],
    /// Names of those that were slow the last time.
    slow: HashSet<String>,
}

#[derive(Default)]
struct Passes {
    runs: bool,
    next: Batch,
}

#[derive(Default)]
struct Batch {
    wanted: BTreeMap<String, EntryRef>,
    tell: Vec<oneshot::Sender<Values>>,
}

impl Evaluations {
    /// Each property has so much time.
    pub fn new(deadline: Duration) -> Arc<Self> {
        Arc::new(Self { deadline, all: Mutex::default() })
    }

    /// What these say, in their order; none where the telemetry stops.
    pub async fn of(self: &Arc<Self>, wanted: Vec<EntryRef>) -> Option<Vec<(EntryRef, Value)>> {
        let told = self.ask(&wanted);
        let mut values = Vec::with_capacity(told.len());
        for told in told {
            values.push(told.await.ok()?);
        }
        let value = |entry: EntryRef| {
            let value = values.iter().find_map(|values| values.get(entry.name())).cloned()?;
            Some((entry, value))
        };
        wanted.into_iter().map(value).collect()
    }

    fn ask(self: &Arc<Self>, wanted: &[EntryRef]) -> Vec<oneshot::Receiver<Values>> {
        let mut all = self.all.lock();
        let (slow, fast): (Vec<_>, Vec<_>) = wanted.iter().partition(|entry| all.slow.contains(entry.name()));
        let mut told = Vec::new();
        for (which, wanted) in [fast, slow].into_iter().enumerate().filter(|(_, wanted)| !wanted.is_empty()) {
            let passes = &mut all.passes[which];
            passes.next.wanted.extend(wanted.into_iter().map(|entry| (entry.name().to_owned(), entry.clone())));
            let (tell, receiver) = oneshot::channel();
            passes.next.tell.push(tell);
            told.push(receiver);
            if !mem::replace(&mut passes.runs, true) {
                tokio::spawn(Arc::clone(self).run(which));
            }
        }
        told
    }

    /// Runs one pass after the other, as long as there is anything to run.
    async fn run(self: Arc<Self>, which: usize) {
        loop {
            let batch = {
                let mut all = self.all.lock();
                let passes = &mut all.passes[which];
                if passes.next.tell.is_empty() {
                    passes.runs = false;
                    return;
                }
                mem::take(&mut passes.next)
            };
            let deadline = self.deadline;
            // They are the user's functions, and may block.
            let pass = tokio::task::spawn_blocking(move || {
                callback::pass(batch.wanted.into_values().collect(), deadline, |entry: &telemetry_core::Entry| {
                    let began = Instant::now();
                    let value = entry.as_property().and_then(|property| property.value());
                    Ok((value, began.elapsed()))
                })
            });
            let Ok(evaluated) = pass.await else { continue }; // who asked is told by what is dropped
            let values = Arc::new(self.note(evaluated));
            for tell in batch.tell {
                let _gone = tell.send(Arc::clone(&values));
            }
        }
    }

    /// Notes which were slow.
    fn note(&self, evaluated: Vec<(EntryRef, Timed)>) -> HashMap<String, Value> {
        let mut all = self.all.lock();
        let mut noted = HashMap::with_capacity(evaluated.len());
        for (entry, value) in evaluated {
            let is_slow = match &value {
                Ok((_, took)) => *took >= PROPERTY_SLOW_AFTER,
                Err(failure) => matches!(failure, Failure::Late(_)),
            };
            if is_slow {
                all.slow.insert(entry.name().to_owned());
            } else {
                all.slow.remove(entry.name());
            }
            noted.insert(entry.name().to_owned(), value.map(|(value, _)| value));
        }
        noted
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::sync::mpsc;

    use telemetry_core::Telemetry;

    use super::*;

    fn entry(telemetry: &Telemetry, name: &str) -> EntryRef {
        telemetry.registry().find(name).expect("declared")
    }

    async fn value(evaluations: &Arc<Evaluations>, entry: EntryRef) -> Value {
        evaluations.of(vec![entry]).await.expect("it is told").pop().expect("one").1
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn however_many_ask_a_property_runs_once_at_a_time_and_after_each_asked() {
        let telemetry = Telemetry::builder().build().expect("nothing is wrong");
        let runs = Arc::new(AtomicI64::new(0));
        let counted = Arc::clone(&runs);
        let slow = move || {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(300));
            run
        };
        telemetry.property("evaluated_counted", slow).expect("declared");
        // Two runs take longer than one may.
        let evaluations = Evaluations::new(Duration::from_millis(500));
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let (evaluations, entry, runs) = (Arc::clone(&evaluations), entry(&telemetry, "evaluated_counted"), Arc::clone(&runs));
            asking.spawn(async move {
                let before = runs.load(Ordering::SeqCst);
                match value(&evaluations, entry).await {
                    Ok(Some(PropertyValue::I64(run))) => assert!(run >= before, "run {run} began before it was asked for"),
                    other => panic!("{other:?}"),
                }
            });
        }
        asking.join_all().await;
        assert!(runs.load(Ordering::SeqCst) <= 3, "{runs:?} runs");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_asks_for_what_is_fast_does_not_wait_for_what_was_slow() {
        let telemetry = Telemetry::builder().build().expect("nothing is wrong");
        let (release, wait) = mpsc::channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let (entered, enters) = mpsc::channel();
        let blocked = move || {
            entered.send(()).expect("the test waits");
            std::thread::sleep(PROPERTY_SLOW_AFTER);
            let _released = wait.lock().expect("no panic").recv();
            7
        };
        telemetry.property("evaluated_blocked", blocked).expect("declared");
        telemetry.property("evaluated_quick", || 8).expect("declared");
        let evaluations = Evaluations::new(Duration::from_secs(60));
        let both = || vec![entry(&telemetry, "evaluated_blocked"), entry(&telemetry, "evaluated_quick")];
        release.send(()).expect("it waits");
        let first = evaluations.of(both()).await.expect("told");
        assert!(
            matches!(first[..], [(_, Ok(Some(PropertyValue::I64(7)))), (_, Ok(Some(PropertyValue::I64(8))))]),
            "in their order"
        );
        enters.recv().expect("it ran");
        let waits = tokio::spawn({
            let (evaluations, both) = (Arc::clone(&evaluations), both());
            async move { evaluations.of(both).await }
        });
        tokio::task::block_in_place(|| enters.recv()).expect("it runs");
        let quick = value(&evaluations, entry(&telemetry, "evaluated_quick")).await;
        assert!(matches!(quick, Ok(Some(PropertyValue::I64(8)))) && !waits.is_finished());
        release.send(()).expect("it waits");
        waits.await.expect("no panic").expect("told");
    }
}
