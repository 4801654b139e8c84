//! What a program declares, read from its binary without running it: the records (`binary`), what changed between two (`diff`), and
//! what is wrong in one (`check`).

mod binary;
mod check;
mod diff;

pub use binary::{BinaryError, read, read_bytes};
pub use check::duplicates;
pub use diff::{Change, changes};
pub use telemetry_core::meta::Record;
