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
use crate::limits::{DISK_ERROR_BYTES_MAX, DISK_STOP_DEADLINE, DISK_WAIT_MAX};
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
    /// The thread has ended.
    is_over: bool,
    /// The last error, while it lasts: nobody waits then.
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
        let (to, of) = (disk.clone(), Arc::clone(streams));
        Self::start_by(disk, streams, move || Writer::begin(&to, &of))
    }

    fn start_by(
        disk: &Disk,
        streams: &Arc<Streams>,
        begin: impl FnMut() -> io::Result<Writer> + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            inner: Mutex::default(),
            asked: Condvar::new(),
            settled: Condvar::new(),
            process: std::process::id(),
        });
        let body = {
            let (shared, interval, streams) = (Arc::clone(&shared), disk.interval, Arc::clone(streams));
            move || shared.run(interval, &streams, begin)
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
    /// Writes what is left, and waits for that up to [`DISK_STOP_DEADLINE`].
    fn drop(&mut self) {
        let Some(thread) = self.thread.take().filter(|_| self.shared.process == std::process::id()) else { return };
        let mut inner = self.shared.inner.lock();
        inner.ends = true;
        self.shared.asked.notify_one();
        let deadline = Instant::now() + DISK_STOP_DEADLINE;
        while !inner.is_over {
            if self.shared.settled.wait_until(&mut inner, deadline).timed_out() {
                break;
            }
        }
        let is_over = inner.is_over;
        drop(inner);
        if is_over {
            let _a_panic_has_ended_it_too = thread.join();
        } else {
            own::failed(Operation::Write);
        }
    }
}

/// The end of the thread, in order or not: who waits now waits for nothing.
struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.inner.lock();
        inner.is_over = true;
        if thread::panicking() {
            inner.error = Some("the thread that writes has panicked".to_owned());
        }
        drop(inner);
        self.0.settled.notify_all();
    }
}

impl Shared {
    /// Waits until what was appended before is synced, the disk fails, or the wait is too long.
    fn wait(&self) {
        if self.process != std::process::id() || !self.is_synced() {
            own::wait_ended();
        }
    }

    fn is_synced(&self) -> bool {
        let mut inner = self.inner.lock();
        if inner.error.is_some() || inner.is_over {
            return false;
        }
        inner.wanted += 1;
        let own = inner.wanted;
        self.asked.notify_one();
        let deadline = Instant::now() + DISK_WAIT_MAX;
        while inner.done < own && inner.error.is_none() && !inner.is_over {
            let is_late = self.settled.wait_until(&mut inner, deadline).timed_out();
            if is_late && inner.done < own && inner.error.is_none() {
                inner.error = Some(format!("the disk has not answered for {DISK_WAIT_MAX:?}"));
                self.settled.notify_all();
            }
        }
        inner.done >= own
    }

    fn run(&self, interval: Duration, streams: &Streams, mut begin: impl FnMut() -> io::Result<Writer>) {
        let _end = End(self);
        let mut writer = None;
        loop {
            let Wanted { wanted, ends } = self.next(interval);
            let is_idle = || streams.all().iter().all(|stream| stream.log.state().appended == 0);
            if ends && writer.is_none() && is_idle() {
                return; // a session of nothing
            }
            let passed = match &mut writer {
                Some(writer) => pass(writer),
                None => match begin() {
                    Ok(begun) => pass(writer.insert(begun)),
                    Err(error) => Err((Operation::Begin, error)),
                },
            };
            writer = writer.filter(|writer| !writer.is_gone());
            self.settle(wanted, passed);
            if ends {
                break;
            }
        }
        if let Some(writer) = writer
            && let Err(error) = writer.end()
        {
            self.settle(0, Err((Operation::Write, error)));
        }
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
        if let Err((operation, error)) = &passed {
            own::failed(*operation);
            inner.failures += 1;
            let mut text = error.to_string();
            text.truncate(text.floor_char_boundary(DISK_ERROR_BYTES_MAX));
            inner.error = Some(text);
        }
        if matches!(passed, Ok(()) | Err((Operation::Remove, _))) {
            (inner.done, inner.error) = (wanted, None); // all is written
        }
        drop(inner);
        self.settled.notify_all();
    }
}

/// Writes what came, and stays within the bound whether that went well or not.
fn pass(writer: &mut Writer) -> Result<(), (Operation, io::Error)> {
    let passed = writer.pass();
    let removed = writer.remove_oldest();
    passed.map_err(|error| (Operation::Write, error))?;
    removed.map_err(|error| (Operation::Remove, error))
}

struct Wanted {
    wanted: u64,
    ends: bool,
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
