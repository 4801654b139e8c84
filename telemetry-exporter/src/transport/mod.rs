//! What carries requests: TCP, and libp2p streams. Each gives a connection and who is at its other end.

#[cfg(feature = "libp2p")]
pub mod bandwidth;
mod first_byte;
mod write_deadline;
pub mod connection;
#[cfg(feature = "libp2p")]
pub mod libp2p;
#[cfg(feature = "libp2p")]
mod turns;
pub mod tcp;
