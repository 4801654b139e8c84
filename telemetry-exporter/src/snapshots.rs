//! Taking the snapshots, each at its own interval, on one thread beside the program.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use telemetry_core::callback::Failure;
use telemetry_core::limits::CALLBACK_DEADLINE;
use telemetry_core::{EntryRef, Kind, Registry, callback, clock};

use crate::limits::{SNAPSHOT_RETRY, TICK};
use crate::stream::{Rejected, Streams};

/// A longer interval is this one.
const EVERY_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// The thread; dropping it ends it after the pass that runs.
pub struct Snapshots {
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Snapshots {
    /// # Errors
    /// The system gave no thread.
    pub fn start(registry: Arc<Registry>, streams: Arc<Streams>) -> std::io::Result<Self> {
        let (end, ended) = mpsc::channel();
        let body = move || {
            let mut due = HashMap::new();
            loop {
                take(&registry, &streams, &mut due, Instant::now());
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

/// Takes what is due and sets when each is due again. The first is due at once; one that nobody provides is tried again soon.
fn take(registry: &Registry, streams: &Streams, due: &mut HashMap<String, Instant>, now: Instant) {
    let every = |entry: &EntryRef| match entry.kind() {
        Kind::Snapshot { every } => Some(every),
        _ => None,
    };
    let is_due = |entry: &EntryRef| every(entry).is_some() && due.get(entry.name()).is_none_or(|due| *due <= now);
    let entries: Vec<EntryRef> = registry.entries().into_iter().filter(is_due).collect();
    let taken = callback::pass(entries, CALLBACK_DEADLINE, |entry| match entry.as_snapshot().map(|source| source.capture()) {
        Some(Some(json)) => json.map(Some),
        _ => Ok(None),
    });
    for (entry, json) in taken {
        let every = every(&entry).unwrap_or(Duration::MAX);
        let wait = if matches!(json, Ok(None)) { every.min(SNAPSHOT_RETRY) } else { every };
        due.insert(entry.name().to_owned(), now.checked_add(wait.min(EVERY_MAX)).unwrap_or(now));
        if let Ok(Some(json)) = json
            && let Err(Rejected { bytes, bytes_max }) = streams.append(&entry, clock::now_ns(), &json)
        {
            let text = format!("it has {bytes} bytes: at most {bytes_max} are allowed");
            callback::report(&entry, &Failure::Failed(text));
        }
    }
}
