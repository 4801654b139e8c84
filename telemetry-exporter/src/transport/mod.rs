//! What carries requests: TCP, and libp2p streams. Each gives a connection and who is at its other end.

#[cfg(feature = "libp2p")]
mod bandwidth;
pub mod connection;
mod first_byte;
#[cfg(feature = "libp2p")]
pub mod libp2p;
pub mod tcp;
