//! Distributions: which bucket a value belongs to (`mapping`), what one thread recorded (`tally`, `shard`), and the sum of all threads
//! (`merge`).

mod mapping;
mod merge;
mod shard;
mod tally;

pub use merge::Merged;
pub use shard::Shard;
