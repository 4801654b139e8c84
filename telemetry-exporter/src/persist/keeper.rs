//! The thread that writes, and those that wait for it.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde_json::{Value, json};

use super::own::{self, Operation};
use super::settings::{Disk, Durability};
use super::writer::Writer;
use crate::limits::{DISK_ERROR_BYTES_MAX, DISK_WAIT_MAX};
use crate::stream::Streams;

/// Keeps streams in files, until it is dropped.
pub struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    inner: Mutex<Inner>,
    asked: Condvar,
    settled: Condvar,
    /// Whose thread it is: a child of a fork has none.
    process: u32,
}

#[derive(Default)]
struct Inner {
    /// Syncs that were asked for, and those of them that are done.
    wanted: u64,
    done: u64,
    ends: bool,
    /// The last error, while it lasts.
    error: Option<String>,
    failures: u64,
}

/// How keeping in files goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeeperState {
    /// The last error, while the streams are in memory alone.
    pub error: Option<String>,
    /// Operations that failed so far.
    pub failures: u64,
}

impl KeeperState {
    /// As the property `telemetry_disk` shows it.
    pub fn to_json(&self) -> Value {
        json!({ "is_writing": self.error.is_none(), "error": self.error, "failures": self.failures })
    }
}

impl Keeper {
    /// Begins a session. Where that fails it is told in the state, and tried again.
    ///
    /// # Errors
    /// The system gave no thread.
    pub fn start(disk: &Disk, streams: &Arc<Streams>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            inner: Mutex::default(),
            asked: Condvar::new(),
            settled: Condvar::new(),
            process: std::process::id(),
        });
        let body = {
            let (shared, disk, streams) = (Arc::clone(&shared), disk.clone(), Arc::clone(streams));
            move || shared.run(&disk, &streams)
        };
        let thread = thread::Builder::new().name("telemetry-disk".to_owned()).spawn(body)?;
        if disk.durability == Durability::Each {
            let shared = Arc::clone(&shared);
            streams.acknowledge_by(move || shared.wait());
        }
        Ok(Self { shared, thread: Some(thread) })
    }

    /// How it goes: asked for as often as one likes.
    pub fn watcher(&self) -> impl Fn() -> KeeperState + Send + Sync + use<> {
        let shared = Arc::clone(&self.shared);
        move || {
            let inner = shared.inner.lock();
            KeeperState { error: inner.error.clone(), failures: inner.failures }
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.inner.lock().ends = true;
        self.shared.asked.notify_one();
        let thread = self.thread.take().filter(|_| self.shared.process == std::process::id());
        if let Some(thread) = thread {
            let _a_panic_has_ended_it_too = thread.join();
        }
    }
}

impl Shared {
    /// Waits until what was appended before is synced, the disk fails, or the wait is too long.
    fn wait(&self) {
        if self.process != std::process::id() {
            return own::wait_ended();
        }
        let mut inner = self.inner.lock();
        if inner.ends {
            return; // what comes now is written by the last pass
        }
        inner.wanted += 1;
        let own = inner.wanted;
        self.asked.notify_one();
        let deadline = Instant::now() + DISK_WAIT_MAX;
        while inner.done < own && inner.error.is_none() {
            if self.settled.wait_until(&mut inner, deadline).timed_out() {
                break;
            }
        }
        if inner.done < own {
            drop(inner);
            own::wait_ended();
        }
    }

    fn run(&self, disk: &Disk, streams: &Arc<Streams>) {
        let mut writer = None;
        let mut ends = false;
        while !ends {
            let wanted = self.next(disk.interval);
            ends = wanted.ends;
            let passed = match &mut writer {
                Some(writer) => self.pass(writer),
                None => match Writer::begin(disk, streams) {
                    Ok(begun) => self.pass(writer.insert(begun)),
                    Err(error) => Err((Operation::Begin, error)),
                },
            };
            self.settle(wanted.wanted, passed);
        }
        if let Some(writer) = writer
            && let Err(error) = writer.end()
        {
            self.settle(0, Err((Operation::Write, error)));
        }
        // Who waits now waits for nothing.
        self.inner.lock().done = u64::MAX;
        self.settled.notify_all();
    }

    fn pass(&self, writer: &mut Writer) -> Result<(), (Operation, io::Error)> {
        writer.pass().map_err(|error| (Operation::Write, error))?;
        writer.remove_oldest().map_err(|error| (Operation::Remove, error))
    }

    /// Waits for who asks, for the end, or for the time.
    fn next(&self, interval: Duration) -> Wanted {
        let mut inner = self.inner.lock();
        let deadline = Instant::now() + interval;
        // After an error nobody is waited for: it is tried again when it is time.
        while !inner.ends && (inner.wanted == inner.done || inner.error.is_some()) {
            if self.asked.wait_until(&mut inner, deadline).timed_out() {
                break;
            }
        }
        Wanted { wanted: inner.wanted, ends: inner.ends }
    }

    fn settle(&self, wanted: u64, passed: Result<(), (Operation, io::Error)>) {
        let mut inner = self.inner.lock();
        match passed {
            Ok(()) => (inner.done, inner.error) = (wanted, None),
            Err((operation, error)) => {
                own::failed(operation);
                let mut text = error.to_string();
                text.truncate(text.floor_char_boundary(DISK_ERROR_BYTES_MAX));
                inner.failures += 1;
                if operation == Operation::Remove {
                    inner.done = wanted; // all is written
                } else {
                    inner.error = Some(text);
                }
            }
        }
        drop(inner);
        self.settled.notify_all();
    }
}

struct Wanted {
    wanted: u64,
    ends: bool,
}
