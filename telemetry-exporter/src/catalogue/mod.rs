//! What a program declares, read from its binary without running it: the records (`binary`), what changed between two (`diff`), what is
//! wrong in one (`check`), which crates should be in it and are not (`lock`), a reference for people (`markdown`), and a dashboard of its
//! metrics for Grafana (`dashboard`).

mod binary;
mod lock;
mod metric;
mod check;
mod diff;
mod markdown;
mod panel;
mod dashboard;

pub use binary::{BinaryError, read, read_bytes};
pub use check::{Collision, collisions, duplicates};
pub use dashboard::dashboard;
pub use diff::{Change, changes};
pub use lock::{Lock, LockError, Package};
pub use markdown::reference;
pub use telemetry_core::meta::Record;
