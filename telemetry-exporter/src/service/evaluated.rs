//! The values of properties, evaluated when they are asked for.
//!
//! Invariant: a value is of a run that began after it was asked for. Who asks while a pass runs is answered by the next, together with all who do: however many
//! ask, each property is in one pass at a time, and nobody waits for more than two. Those that were slow have passes of their own, so that the others do not wait for them.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use telemetry_core::callback::{self, Failure};
use telemetry_core::{Entry, EntryRef, PropertyValue};
use tokio::sync::oneshot;

use super::answers;
use crate::limits::{PROPERTIES_REMEMBERED_MAX, PROPERTY_SLOW_AFTER};

/// What a property said, or that it has no value yet.
pub type Value = Result<Option<PropertyValue>, Failure>;

/// The same, and how long that took.
type Timed = Result<(Option<PropertyValue>, Duration), Failure>;

/// Which property: two crates may have one of the same name.
type Key = usize;

/// What all properties of a pass said, which they stay for.
type Values = Arc<HashMap<Key, (EntryRef, Value)>>;

/// Who asks for what, and what runs.
pub struct Evaluations {
    deadline: Duration,
    slow_after: Duration,
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    /// Of the fast, and of the slow.
    passes: [Passes; 2],
    known: HashMap<Key, Known>,
}

/// What a property was the last time.
#[derive(Clone, Copy, Default)]
struct Known {
    is_slow: bool,
    bytes: usize,
}

#[derive(Default)]
struct Passes {
    runs: bool,
    /// What is evaluated now.
    running: HashSet<Key>,
    next: Batch,
}

#[derive(Default)]
struct Batch {
    wanted: HashMap<Key, EntryRef>,
    tell: Vec<oneshot::Sender<Values>>,
}

/// What was asked for, in its order.
pub struct Evaluated {
    wanted: Vec<EntryRef>,
    values: Vec<Values>,
}

fn key(entry: &EntryRef) -> Key {
    std::ptr::from_ref::<Entry>(entry).addr()
}

/// Bytes of a property as it is sent, nearly.
pub fn bytes(entry: &Entry, value: &Value) -> usize {
    let value = value.as_ref().ok().and_then(Option::as_ref).map_or(0, answers::bytes);
    entry.name().len() + entry.declaration().description().len() + value
}

impl Evaluations {
    /// Each property has so much time.
    pub fn new(deadline: Duration) -> Arc<Self> {
        Self::with(deadline, PROPERTY_SLOW_AFTER)
    }

    fn with(deadline: Duration, slow_after: Duration) -> Arc<Self> {
        Arc::new(Self { deadline, slow_after, all: Mutex::default() })
    }

    /// Bytes that these had the last time.
    pub fn bytes(&self, wanted: &[EntryRef]) -> usize {
        let all = self.all.lock();
        wanted.iter().filter_map(|entry| all.known.get(&key(entry))).map(|known| known.bytes).sum()
    }

    /// What these say; none where the telemetry stops.
    pub async fn of(self: &Arc<Self>, wanted: Vec<EntryRef>) -> Option<Evaluated> {
        let told = self.ask(&wanted);
        let mut values = Vec::with_capacity(told.len());
        for told in told {
            values.push(told.await.ok()?);
        }
        Some(Evaluated { wanted, values })
    }

    fn ask(self: &Arc<Self>, wanted: &[EntryRef]) -> Vec<oneshot::Receiver<Values>> {
        let mut all = self.all.lock();
        let (slow, fast): (Vec<_>, Vec<_>) = wanted.iter().partition(|entry| all.is_slow(key(entry)));
        let mut told = Vec::new();
        for (which, wanted) in [fast, slow].into_iter().enumerate().filter(|(_, wanted)| !wanted.is_empty()) {
            let passes = &mut all.passes[which];
            passes.next.wanted.extend(wanted.into_iter().map(|entry| (key(entry), entry.clone())));
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
        while let Some(Batch { wanted, tell }) = self.begin(which) {
            let deadline = self.deadline;
            // They are the user's functions, and may block.
            let pass = tokio::task::spawn_blocking(move || {
                callback::pass(wanted.into_values().collect(), deadline, |entry: &Entry| {
                    let began = Instant::now();
                    let value = entry.as_property().and_then(|property| property.value());
                    Ok((value, began.elapsed()))
                })
            });
            let Ok(evaluated) = pass.await else { continue }; // who asked is told by what is dropped
            let values = Arc::new(self.note(evaluated));
            for tell in tell {
                let _gone = tell.send(Arc::clone(&values));
            }
        }
    }

    fn begin(&self, which: usize) -> Option<Batch> {
        self.all.lock().passes[which].begin()
    }

    /// Notes how they were.
    fn note(&self, evaluated: Vec<(EntryRef, Timed)>) -> HashMap<Key, (EntryRef, Value)> {
        let mut all = self.all.lock();
        if all.known.len() + evaluated.len() > PROPERTIES_REMEMBERED_MAX {
            all.known.clear();
        }
        let mut noted = HashMap::with_capacity(evaluated.len());
        for (entry, timed) in evaluated {
            let is_slow = timed.as_ref().map_or(true, |(_, took)| *took >= self.slow_after);
            // What may not be sent is not kept either.
            let value = timed.and_then(|(value, _)| value.map(answers::sendable).transpose());
            all.known.insert(key(&entry), Known { is_slow, bytes: bytes(&entry, &value) });
            noted.insert(key(&entry), (entry, value));
        }
        noted
    }
}

impl All {
    /// Whether it is evaluated with the slow ones: while it is among others already, it stays there.
    fn is_slow(&self, key: Key) -> bool {
        let among = |passes: &Passes| passes.running.contains(&key) || passes.next.wanted.contains_key(&key);
        let [fast, slow] = self.passes.each_ref().map(among);
        !fast && (slow || self.known.get(&key).is_some_and(|known| known.is_slow))
    }
}

impl Passes {
    /// What is to be evaluated now; none where nobody asks.
    fn begin(&mut self) -> Option<Batch> {
        let batch = mem::take(&mut self.next);
        self.running = batch.wanted.keys().copied().collect();
        self.runs = !batch.tell.is_empty();
        self.runs.then_some(batch)
    }
}

impl Evaluated {
    /// Bytes of all as they are sent, nearly.
    pub fn bytes(&self) -> usize {
        self.wanted.iter().filter_map(|entry| self.value(entry).map(|value| bytes(entry, value))).sum()
    }

    fn value(&self, entry: &EntryRef) -> Option<&Value> {
        self.values.iter().find_map(|values| values.get(&key(entry))).map(|(_, value)| value)
    }
}

impl IntoIterator for Evaluated {
    type Item = (EntryRef, Value);
    type IntoIter = Box<dyn Iterator<Item = Self::Item> + Send>;

    /// Each is copied when it is asked for: until then all who asked share them.
    fn into_iter(mut self) -> Self::IntoIter {
        let wanted = mem::take(&mut self.wanted);
        Box::new(wanted.into_iter().filter_map(move |entry| {
            let value = self.value(&entry)?.clone();
            Some((entry, value))
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
    use std::sync::mpsc;

    use telemetry_core::Telemetry;

    use super::*;

    fn entry(telemetry: &Telemetry, name: &str) -> EntryRef {
        telemetry.registry().find(name).expect("declared")
    }

    async fn value(evaluations: &Arc<Evaluations>, entry: EntryRef) -> Value {
        evaluations.of(vec![entry]).await.expect("it is told").into_iter().next().expect("one").1
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_too_large_to_be_sent_takes_no_room_from_the_others() {
        let telemetry = Telemetry::builder().build().expect("nothing is wrong");
        telemetry.property("evaluated_huge", || "x".repeat(8 << 20)).expect("declared");
        telemetry.property("evaluated_small", || 9).expect("declared");
        let wanted = vec![entry(&telemetry, "evaluated_huge"), entry(&telemetry, "evaluated_small")];
        let evaluated = Evaluations::new(Duration::from_secs(60)).of(wanted).await.expect("told");
        assert!(evaluated.bytes() < 100, "{} bytes", evaluated.bytes());
        let values: Vec<_> = evaluated.into_iter().map(|(_, value)| value).collect();
        assert!(
            matches!(&values[0], Err(Failure::Failed(why)) if why.contains("it has 8388608 bytes: at most 1048576")),
            "{values:?}"
        );
        assert!(matches!(values[1], Ok(Some(PropertyValue::I64(9)))));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn however_many_ask_a_property_runs_once_at_a_time_and_after_each_asked() {
        let telemetry = Telemetry::builder().build().expect("nothing is wrong");
        let runs = Arc::new(AtomicI64::new(0));
        let counted = Arc::clone(&runs);
        let slow = move || {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(600));
            run
        };
        telemetry.property("evaluated_counted", slow).expect("declared");
        // Two runs take longer than one may.
        let evaluations = Evaluations::new(Duration::from_millis(1_150));
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
        let ((release, wait), (entered, enters)) = (mpsc::channel::<()>(), mpsc::channel());
        let (wait, has_failed) = (std::sync::Mutex::new(wait), AtomicBool::new(false));
        let blocked = move || {
            assert!(has_failed.swap(true, Ordering::SeqCst), "as slow as can be");
            entered.send(()).expect("the test waits");
            let _released = wait.lock().expect("no panic").recv();
            7
        };
        telemetry.property("evaluated_blocked", blocked).expect("declared");
        telemetry.property("evaluated_quick", || 8).expect("declared");
        // On whatever machine, the quick one is not slow.
        let evaluations = Evaluations::with(Duration::from_secs(60), Duration::MAX);
        let both = || vec![entry(&telemetry, "evaluated_blocked"), entry(&telemetry, "evaluated_quick")];
        let first: Vec<_> = evaluations.of(both()).await.expect("told").into_iter().collect();
        assert!(matches!(first[..], [(_, Err(Failure::Panicked(_))), (_, Ok(Some(PropertyValue::I64(8))))]), "in their order");
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

    #[tokio::test(flavor = "multi_thread")]
    async fn what_becomes_slow_while_others_wait_for_it_stays_in_one_pass() {
        let telemetry = Telemetry::builder().build().expect("nothing is wrong");
        let ((release, wait), (entered, enters)) = (mpsc::channel::<()>(), mpsc::channel());
        let wait = std::sync::Mutex::new(wait);
        let blocked = move || {
            entered.send(()).expect("the test waits");
            let _released = wait.lock().expect("no panic").recv();
            7
        };
        telemetry.property("evaluated_becomes", blocked).expect("declared");
        let evaluations = Evaluations::with(Duration::from_secs(60), Duration::ZERO); // all are slow
        let asked = || evaluations.ask(&[entry(&telemetry, "evaluated_becomes")]);
        let entered = || tokio::task::block_in_place(|| enters.recv()).expect("it runs");
        let mut told = asked();
        entered();
        told.extend(asked());
        release.send(()).expect("it waits");
        entered(); // it was slow by now, and the second pass runs
        told.extend(asked());
        let key = key(&entry(&telemetry, "evaluated_becomes"));
        let waits = evaluations.all.lock().passes.each_ref().map(|passes| passes.next.wanted.contains_key(&key));
        assert_eq!(waits, [true, false]);
        for _ in 0..2 {
            release.send(()).expect("it waits");
        }
        for told in told {
            assert!(matches!(told.await.expect("told")[&key], (_, Ok(Some(PropertyValue::I64(7))))));
        }
    }
}
