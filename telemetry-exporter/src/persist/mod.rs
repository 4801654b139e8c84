//! Streams in files: what is appended is written beside, and what an earlier life of the process left is read again.
//!
//! The streams in memory are the queue: a thread writes what came since it last did, and after an error again what was not synced. So
//! appending costs the same with files and without, unless it is to wait for them, and a disk that is slow or full loses what falls out
//! of the streams meanwhile, which is counted.
//!
//! Invariant: nothing is called kept before its sync has returned. No error of the disk is one of the program.
//! Not here: the files and their damages (`stream::disk`).

// In reading order.
mod settings;
mod own;
mod body;
mod writer;
mod keeper;
mod rejoin;
mod rebuild;
mod recover;
#[cfg(test)]
mod witness;

#[cfg(test)]
mod format_tests;

pub use keeper::{Keeper, KeeperState};
pub use recover::{Found, RecoveredSession, RecoveredStream, Recovery, look, read, recover};
pub(crate) use recover::{recover_all, serve};
pub use settings::{Disk, Durability};
