//! What both targets use.

pub mod peak;
pub mod seeds;
