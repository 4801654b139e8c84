//! Taking the snapshots, each at its own interval, on one thread beside the program.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use telemetry_core::callback::Failure;
use telemetry_core::limits::CALLBACK_DEADLINE;
use telemetry_core::{EntryRef, Kind, Registry, callback, clock};

use crate::leases::Leases;
use crate::limits::{SNAPSHOT_RETRY, TICK};
use crate::stream::{Rejected, Streams};

/// The thread; dropping it ends it after the pass that runs.
pub struct Snapshots {
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Snapshots {
    /// # Errors
    /// The system gave no thread.
    pub fn start(registry: Arc<Registry>, streams: Arc<Streams>, leases: Arc<Leases>) -> std::io::Result<Self> {
        let (end, ended) = mpsc::channel();
        let body = move || {
            let mut last = HashMap::new();
            loop {
                take(&registry, &streams, &leases, &mut last, Instant::now());
                streams.tick(Instant::now());
                if ended.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("telemetry-streams".to_owned()).spawn(body)?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Snapshots {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a pass is bounded by its deadline, so this is too
        }
    }
}

/// When a snapshot was taken, and how long it is until the next.
type Taken = (Instant, Duration);

/// Takes what is due, by its declaration or by a lease. The first is due at once; one that nobody provides is tried again soon.
fn take(registry: &Registry, streams: &Streams, leases: &Leases, last: &mut HashMap<String, Taken>, now: Instant) {
    let every = |entry: &EntryRef| match entry.kind() {
        Kind::Snapshot { every } => Some(every),
        _ => None,
    };
    let is_due = |entry: &EntryRef| {
        every(entry).is_some()
            && last.get(entry.name()).is_none_or(|(taken, wait)| {
                let wait = leases.every(entry.name()).map_or(*wait, |every| every.min(*wait));
                now.saturating_duration_since(*taken) >= wait
            })
    };
    let entries: Vec<EntryRef> = registry.entries().into_iter().filter(is_due).collect();
    let taken = callback::pass(entries, CALLBACK_DEADLINE, |entry| match entry.as_snapshot().map(|source| source.capture()) {
        Some(Some(json)) => json.map(Some),
        _ => Ok(None),
    });
    for (entry, json) in taken {
        let every = every(&entry).unwrap_or(Duration::MAX);
        let wait = if matches!(json, Ok(None)) { every.min(SNAPSHOT_RETRY) } else { every };
        last.insert(entry.name().to_owned(), (now, wait));
        if let Ok(Some(json)) = json
            && let Err(Rejected { bytes, bytes_max }) = streams.append(&entry, clock::now_ns(), &json)
        {
            let text = format!("it has {bytes} bytes: at most {bytes_max} are allowed");
            callback::report(&entry, &Failure::Failed(text));
        }
    }
}
