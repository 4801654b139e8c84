//! Where events go: to every attached sink, or into a bounded backlog that keeps the newest until one is attached.
//!
//! Invariant: a record is either in the backlog or has been given to all sinks attached at that moment, in the order of emission.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;

use crate::Labels;
use crate::clock;
use crate::entry::EntryRef;
use crate::limits::{BACKLOG_BYTES_MAX, BACKLOG_EVENTS_MAX};
use crate::metric::Counter;

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
}

/// Takes what is emitted. It is called with a shared lock held, so it must not block and must not emit.
pub trait Sink: Send + Sync {
    /// One event: when, in Unix nanoseconds, and its JSON.
    fn event(&self, entry: &EntryRef, time_ns: u64, json: &[u8]);
}

/// The hub of all linked declarations.
pub(crate) static GLOBAL_HUB: LazyLock<Arc<Hub>> = LazyLock::new(Arc::default);

#[derive(Default)]
pub(crate) struct Hub {
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    sinks: Vec<(u64, Arc<dyn Sink>)>,
    next_id: u64,
    backlog: VecDeque<Record>,
    backlog_bytes: usize,
}

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
    pub fn emit(&self, entry: &EntryRef, json: &[u8]) {
        let state = self.state.read();
        if !state.sinks.is_empty() {
            let time_ns = clock::now_ns();
            return state.sinks.iter().for_each(|(_, sink)| sink.event(entry, time_ns, json));
        }
        drop(state);
        let mut state = self.state.write();
        let time_ns = clock::now_ns();
        if state.sinks.is_empty() {
            state.keep(Record { entry: entry.clone(), time_ns, json: json.into() });
        } else {
            state.sinks.iter().for_each(|(_, sink)| sink.event(entry, time_ns, json)); // one was attached in between
        }
    }

    fn attach(&self, sink: Arc<dyn Sink>) -> u64 {
        let mut state = self.state.write();
        for record in std::mem::take(&mut state.backlog) {
            sink.event(&record.entry, record.time_ns, &record.json);
        }
        state.backlog_bytes = 0;
        let id = state.next_id;
        state.next_id += 1;
        state.sinks.push((id, sink));
        id
    }

    fn detach(&self, id: u64) {
        self.state.write().sinks.retain(|(other, _)| *other != id);
    }
}

impl State {
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
