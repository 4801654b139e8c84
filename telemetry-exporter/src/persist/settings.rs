//! What a program decides about its files.

use std::path::PathBuf;
use std::time::Duration;

use crate::limits;

/// Where streams are kept in files, and how surely.
///
/// ```no_run
/// use telemetry_exporter::{Config, Disk};
///
/// let _telemetry = telemetry_exporter::start(Config { disk: Some(Disk::at("/var/lib/node/telemetry")), ..Config::default() })?;
/// # Ok::<(), telemetry_exporter::StartError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The folder. It is made where it is not there. Each life of a process has a folder in it, and processes may share it.
    pub dir: PathBuf,
    /// When messages are in the files.
    pub durability: Durability,
    /// Bytes of all files of sessions that are over and of this one. The oldest file is removed beyond it.
    pub bytes_max: u64,
    /// Between two syncs of [`Durability::Interval`], and two attempts after an error.
    pub interval: Duration,
}

/// When messages are in the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Never: the files of earlier sessions are read, and none is written.
    Memory,
    /// Every half second, or what [`interval`](Disk::interval) says: a crash of the system loses what came since the last sync, one of the process what came since the last write,
    /// which is the same.
    #[default]
    Interval,
    /// Before an event has been emitted: `emit` returns when its record has been synced, together with those of all threads that wait.
    /// That takes what a sync takes, some 0.1 to 10 ms, and where the disk takes more than
    /// [`DISK_WAIT_MAX`](crate::limits::DISK_WAIT_MAX), `emit` returns all the same, which is counted in `telemetry_disk_waits_ended`. From then
    /// on, and after an error, none waits until a sync has succeeded. Events from before the start, metrics and snapshots are synced as by
    /// `Interval`, and whenever an event is.
    Each,
}

impl Disk {
    /// In this folder, with the defaults.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            durability: Durability::default(),
            bytes_max: limits::DISK_BYTES_MAX,
            interval: limits::DISK_INTERVAL,
        }
    }

    /// Bytes after which a file is sealed.
    pub(super) fn file_bytes(&self) -> u64 {
        (self.bytes_max / 8).clamp(limits::DISK_FILE_BYTES_MIN, limits::DISK_FILE_BYTES_MAX)
    }

    /// # Errors
    /// The first setting that cannot be, with what is wanted.
    pub(crate) fn validate(&self) -> Result<(), String> {
        if self.dir.as_os_str().is_empty() {
            return Err("dir is empty: wanted a folder".to_owned());
        }
        if self.interval.is_zero() {
            return Err("interval is zero: wanted a time above zero".to_owned());
        }
        if self.interval > limits::DISK_INTERVAL_MAX {
            return Err(format!("interval is {:?}: wanted at most {:?}", self.interval, limits::DISK_INTERVAL_MAX));
        }
        let least = limits::DISK_BYTES_MIN;
        if self.bytes_max < least {
            return Err(format!("bytes_max is {}: wanted at least {least}", self.bytes_max));
        }
        Ok(())
    }
}
