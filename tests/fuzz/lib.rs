//! What the targets use.

pub mod memory;
pub mod peak;
pub mod seeds;
