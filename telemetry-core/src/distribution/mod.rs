//! Distributions: which bucket a value belongs to (`mapping`), what one thread recorded (`tally`, `shard`), whether a reading has seen it
//! (`mark`), and the sum of all threads (`merge`), which is kept `packed`.

mod mapping;
mod mark;
mod merge;
mod packed;
mod shard;
mod tally;

pub use mark::{MARKS, Mark, Marks};
pub use merge::Merged;
pub use packed::{Buckets, Distribution};
pub use shard::Shard;
