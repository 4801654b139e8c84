//! What the targets use.

pub mod changes;
pub mod memory;
pub mod metrics;
pub mod peak;
pub mod seeds;
pub mod source;
