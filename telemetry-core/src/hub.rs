//! Where events go: to every attached sink, or into a bounded backlog that keeps the newest until one is attached.
//!
//! Invariant: a record is either in the backlog or has been given to all sinks attached at that moment, in the order of emission; when
//! a sink is detached nobody uses it any more.
//!
//! A sink is asked once for what takes the events of a declaration, and the answers stand in the row of its slot. There is a copy of
//! the rows in each of [`SHARDS`] shards, of which a thread reads its own: emitting threads share a line of memory only where their
//! sink has one. Who changes the sinks holds the lock of the backlog until the rows of all shards are cleared; who finds no row waits
//! for that lock, and so sees either all of a change or nothing of it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, LazyLock};

use parking_lot::{Mutex, RwLock};

use crate::Labels;
use crate::clock;
use crate::entry::EntryRef;
use crate::limits::{BACKLOG_BYTES_MAX, BACKLOG_EVENTS_MAX, FORKS_MAX};
use crate::metric::Counter;
use crate::thread::{forks, watch_forks};

/// Events that did not reach a stream; `own` declares it.
pub(crate) static EVENTS_DROPPED: Counter<EventLoss> = Counter::new();

/// Why an event did not reach a stream.
#[derive(Clone, Copy, Labels)]
#[label(name = "cause")]
pub(crate) enum EventLoss {
    /// The backlog was full before a sink was attached.
    Backlog,
    /// It does not serialise.
    Unserializable,
    /// Larger than one record may be.
    TooLarge,
    /// Emitted through a static that no macro declared.
    Undeclared,
    /// Emitted in the child of a fork by what its parent declared at run time, or in a child of too many forks.
    Forked,
}

/// Takes what is emitted. It is called with a lock held, so it must not block, must not emit and must not attach.
pub trait Sink: Send + Sync {
    /// One event: when, in Unix nanoseconds, and its JSON.
    fn event(&self, entry: &EntryRef, time_ns: u64, json: &[u8]);

    /// What takes the events of this declaration from now on, so that they need no look-up; none where [`event`](Self::event) does.
    ///
    /// It is asked anew whenever a sink was attached or detached, and may be asked several times.
    fn outlet(self: Arc<Self>, entry: &EntryRef) -> Option<Arc<dyn Outlet>> {
        let _ = entry;
        None
    }
}

/// Takes the events of one declaration, for a [`Sink`] and under the same terms.
pub trait Outlet: Send + Sync {
    /// One event: when, in Unix nanoseconds, and its JSON. Tells whether [`settle`](Self::settle) is to be called.
    fn event(&self, time_ns: u64, json: &[u8]) -> bool;

    /// Waits until the events so far are as surely kept as they are to be. It is called after [`event`](Self::event), with no lock held.
    fn settle(&self) {}
}

/// The outlet of a sink that has none.
struct Direct {
    sink: Arc<dyn Sink>,
    entry: EntryRef,
}

impl Outlet for Direct {
    fn event(&self, time_ns: u64, json: &[u8]) -> bool {
        self.sink.event(&self.entry, time_ns, json);
        false
    }
}

/// The hubs of all linked declarations: of the first process, of its children, of theirs, and so on. Whose locks a thread of the parent
/// had, and whose sinks the parent has, is not of the child.
static GLOBAL_HUBS: [LazyLock<Arc<Hub>>; FORKS_MAX] = [const { LazyLock::new(Arc::default) }; FORKS_MAX];

/// The hub of all linked declarations in this process; none in a child of too many forks.
#[inline]
pub(crate) fn global_hub() -> Option<&'static Arc<Hub>> {
    GLOBAL_HUBS.get(forks() as usize).map(LazyLock::deref)
}

/// Copies of the rows. Threads beyond so many share one, which costs time and nothing else.
const SHARDS: usize = 16;

pub(crate) struct Hub {
    /// Taken before the lock of a shard.
    state: Mutex<State>,
    shards: [Shard; SHARDS],
    /// Forks between the first process and that which it is of.
    forks: u32,
}

impl Default for Hub {
    fn default() -> Self {
        watch_forks();
        Self { state: Mutex::default(), shards: Default::default(), forks: forks() }
    }
}

#[derive(Default)]
struct State {
    sinks: Vec<(u64, Arc<dyn Sink>)>,
    next_id: u64,
    backlog: VecDeque<Record>,
    backlog_bytes: usize,
}

/// In lines of its own: two, since processors fetch the neighbour too.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    rows: RwLock<Rows>,
}

/// By slot: an outlet of each sink; none where nobody was asked since the sinks last changed.
type Rows = Vec<Vec<Arc<dyn Outlet>>>;

struct Record {
    entry: EntryRef,
    time_ns: u64,
    json: Box<[u8]>,
}

/// Keeps a sink attached until it is dropped.
#[must_use = "the sink is detached when this is dropped"]
pub struct Attachment(Vec<(Arc<Hub>, u64)>);

impl Attachment {
    pub(crate) fn new(sink: &Arc<dyn Sink>, hubs: &[&Arc<Hub>]) -> Self {
        Self(hubs.iter().map(|hub| (Arc::clone(hub), hub.attach(Arc::clone(sink)))).collect())
    }
}

impl Hub {
    /// Gives a record to all sinks. Cost, where their outlets are known: a shared lock that other threads do not touch, and the time.
    #[inline]
    pub fn emit(&self, entry: &EntryRef, json: &[u8]) {
        if self.forks != forks() {
            return EVENTS_DROPPED.with(EventLoss::Forked).inc();
        }
        let shard = &self.shards[own_shard()];
        let rows = shard.rows.read();
        match rows.get(entry.slot.load(Relaxed)) {
            Some(row) if !row.is_empty() => {
                let waits = give(row, clock::now_ns(), json);
                drop(rows);
                waits.iter().for_each(|outlet| outlet.settle());
            }
            _ => {
                drop(rows);
                self.emit_unknown(shard, entry, json);
            }
        }
    }

    /// The first record of a declaration since the sinks changed, or one that nobody takes yet.
    #[cold]
    fn emit_unknown(&self, shard: &Shard, entry: &EntryRef, json: &[u8]) {
        let mut state = self.state.lock();
        let time_ns = clock::now_ns();
        if state.sinks.is_empty() {
            return state.keep(Record { entry: entry.clone(), time_ns, json: json.into() });
        }
        let slot = state.slot(entry);
        let mut rows = shard.rows.write();
        if rows.len() <= slot {
            rows.resize_with(slot + 1, Vec::new);
        }
        let outlet = |sink: &Arc<dyn Sink>| {
            let direct = || -> Arc<dyn Outlet> { Arc::new(Direct { sink: Arc::clone(sink), entry: entry.clone() }) };
            Arc::clone(sink).outlet(entry).unwrap_or_else(direct)
        };
        rows[slot] = state.sinks.iter().map(|(_, sink)| outlet(sink)).collect();
        let waits = give(&rows[slot], time_ns, json);
        drop(rows);
        drop(state);
        waits.iter().for_each(|outlet| outlet.settle());
    }

    fn attach(&self, sink: Arc<dyn Sink>) -> u64 {
        let mut state = self.state.lock();
        for record in std::mem::take(&mut state.backlog) {
            sink.event(&record.entry, record.time_ns, &record.json);
        }
        state.backlog_bytes = 0;
        let id = state.next_id;
        state.next_id += 1;
        state.sinks.push((id, sink));
        let cleared = self.clear();
        drop(state);
        drop(cleared);
        id
    }

    fn detach(&self, id: u64) {
        let mut state = self.state.lock();
        let detached: Vec<_> = state.sinks.extract_if(.., |(other, _)| *other == id).collect();
        let cleared = self.clear();
        drop(state);
        drop((detached, cleared)); // a destructor of the sink's runs under no lock
    }

    /// Takes all rows, when nobody uses them any more. The caller holds the lock of the state.
    fn clear(&self) -> [Rows; SHARDS] {
        self.shards.each_ref().map(|shard| std::mem::take(&mut *shard.rows.write()))
    }
}

/// Gives a record to all of a row. Those that are to be settled, which takes no memory where none is.
#[inline]
fn give(row: &[Arc<dyn Outlet>], time_ns: u64, json: &[u8]) -> Vec<Arc<dyn Outlet>> {
    let mut waits = Vec::new();
    for outlet in row {
        if outlet.event(time_ns, json) {
            waits.push(Arc::clone(outlet));
        }
    }
    waits
}

/// The shard of this thread: they take them in turn.
fn own_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static OWN: Cell<usize> = const { Cell::new(SHARDS) }); // without a destructor, so it is always there
    match OWN.get() {
        SHARDS => {
            OWN.set(NEXT.fetch_add(1, Relaxed) % SHARDS);
            OWN.get()
        }
        own => own,
    }
}

impl State {
    /// The slot of a declaration, which it keeps. The first is 1: in 0, where it has none yet, nothing is.
    fn slot(&self, entry: &EntryRef) -> usize {
        static SLOTS: AtomicUsize = AtomicUsize::new(1); // of all hubs, since an entry is in one after another where processes fork
        if entry.slot.load(Relaxed) == 0 {
            entry.slot.store(SLOTS.fetch_add(1, Relaxed), Relaxed);
        }
        entry.slot.load(Relaxed)
    }

    fn keep(&mut self, record: Record) {
        self.backlog_bytes += record.json.len();
        self.backlog.push_back(record);
        while self.backlog.len() > BACKLOG_EVENTS_MAX || self.backlog_bytes > BACKLOG_BYTES_MAX {
            let Some(oldest) = self.backlog.pop_front() else { break };
            self.backlog_bytes -= oldest.json.len();
            EVENTS_DROPPED.with(EventLoss::Backlog).inc();
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        for (hub, id) in &self.0 {
            hub.detach(*id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declaration::{Declaration, Kind};
    use crate::entry::{Entry, Item};
    use std::sync::atomic::AtomicBool;
    use std::thread;

    fn entry(name: &'static str) -> EntryRef {
        EntryRef::Runtime(Arc::new(Entry::new(Declaration::new(name), Kind::Event, Item::Event(None))))
    }

    /// Keeps the numbers it is given, by declaration, and counts how often it is asked.
    #[derive(Default)]
    struct Numbers {
        of: Mutex<Vec<(String, usize)>>,
        asked: AtomicUsize,
        is_detached: AtomicBool,
    }

    struct Named(Arc<Numbers>, String);

    impl Sink for Numbers {
        fn event(&self, entry: &EntryRef, _: u64, json: &[u8]) {
            self.keep(entry.name(), json);
        }

        fn outlet(self: Arc<Self>, entry: &EntryRef) -> Option<Arc<dyn Outlet>> {
            self.asked.fetch_add(1, Relaxed);
            let name = entry.name().to_owned();
            (name != "direct").then(|| Arc::new(Named(self, name)) as Arc<dyn Outlet>)
        }
    }

    impl Outlet for Named {
        fn event(&self, _: u64, json: &[u8]) -> bool {
            self.0.keep(&self.1, json);
            false
        }
    }

    impl Numbers {
        fn keep(&self, name: &str, json: &[u8]) {
            assert!(!self.is_detached.load(Relaxed), "it is used no more");
            self.of.lock().push((name.to_owned(), serde_json::from_slice(json).expect("a number")));
        }

        fn of(&self, name: &str) -> Vec<usize> {
            self.of.lock().iter().filter(|(of, _)| of == name).map(|(_, number)| *number).collect()
        }

        fn attached(hub: &Arc<Hub>) -> (Arc<Self>, Attachment) {
            let numbers = Arc::new(Self::default());
            let sink: Arc<dyn Sink> = numbers.clone();
            (numbers, Attachment::new(&sink, &[hub]))
        }
    }

    #[test]
    fn a_sink_is_asked_once_a_declaration_and_anew_when_the_sinks_change() {
        let (hub, [a, b]) = (Arc::<Hub>::default(), [entry("a"), entry("direct")]);
        let (first, _attached) = Numbers::attached(&hub);
        let emit = |number: usize| [&a, &b].iter().for_each(|entry| hub.emit(entry, number.to_string().as_bytes()));
        (0..3).for_each(emit);
        assert_eq!(first.asked.load(Relaxed), 2);
        let (second, attached) = Numbers::attached(&hub);
        (3..6).for_each(emit);
        drop(attached);
        assert_eq!(Arc::strong_count(&second), 1);
        (6..9).for_each(emit);
        assert_eq!(first.asked.load(Relaxed), 6);
        for name in ["a", "direct"] {
            assert_eq!(first.of(name), Vec::from_iter(0..9));
            assert_eq!(second.of(name), [3, 4, 5]);
        }
    }

    #[test]
    fn threads_lose_nothing_and_change_no_order_while_sinks_come_and_go() {
        const THREADS: usize = 4;
        const RECORDS: usize = if cfg!(miri) { 40 } else { 20_000 };
        const NAMES: [&str; THREADS] = ["a", "b", "c", "d"];
        let hub = Arc::<Hub>::default();
        let shared = entry("shared");
        let mut whiles = Vec::new();
        let (first, attached) = thread::scope(|scope| {
            let threads = NAMES.map(|name| {
                let (hub, shared) = (&hub, &shared);
                scope.spawn(move || {
                    let own = entry(name);
                    for number in 0..RECORDS {
                        // A backlog keeps them all until the first sink is there.
                        while number >= 100 && hub.state.lock().sinks.is_empty() {
                            thread::yield_now();
                        }
                        let json = number.to_string();
                        hub.emit(&own, json.as_bytes());
                        hub.emit(shared, json.as_bytes());
                    }
                })
            });
            let first = Numbers::attached(&hub);
            while !threads.iter().all(|thread| thread.is_finished()) {
                let (second, attached) = Numbers::attached(&hub);
                thread::yield_now();
                drop(attached);
                second.is_detached.store(true, Relaxed);
                whiles.push(second);
            }
            first
        });
        drop(attached);
        for name in NAMES {
            assert_eq!(first.of(name), Vec::from_iter(0..RECORDS));
            for second in &whiles {
                let numbers = second.of(name);
                assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "a hole in {numbers:?}");
            }
        }
        assert_eq!(first.of("shared").len(), THREADS * RECORDS);
    }
}
