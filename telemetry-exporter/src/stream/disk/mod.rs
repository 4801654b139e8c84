//! A journal of opaque records in numbered files, which says what it has lost.
//!
//! Invariant: a record that a successful sync covered is found again with its bytes, in order, until the bound removes its file; what
//! is missing between two records that are found is told. A file is only ever appended to, and after an error never touched again.
//! Not here: what the bodies mean, when to sync, which thread does it.
//!
//! ```text
//! append ─▶ buffer ──flush──▶ file ──sync──▶ durable          00000001.telemetry  sealed, the oldest to be removed
//!                    └─ error ─▶ restart: the next file       00000002.telemetry  given up after an error
//!                                                             00000003.telemetry  written
//! ```
//!
//! The bytes are told in FORMAT.md.

pub mod format;
pub mod device;
pub mod journal;
pub mod damage;
pub mod walk;
pub mod scan;
pub mod folder;

pub use damage::{Damage, End, Fault, FileReport, Report};
pub use device::{Device, DeviceFile, Directory, Only};
pub use folder::{Folder, Locked, Session};
pub use format::{BODY_BYTES_MAX, KIND_FIRST, Stamp};
pub use journal::{Journal, Removed};
pub use scan::scan;
pub use walk::Record;

#[cfg(test)]
pub(crate) mod simulated;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod error_tests;
#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod rot_tests;
