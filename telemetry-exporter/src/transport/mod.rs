//! What carries requests: TCP, with TLS or without, a Unix socket, and libp2p streams. Each gives a connection and who is at its other end.

#[cfg(feature = "libp2p")]
pub mod bandwidth;
mod through;
mod fair;
mod words;
mod write_deadline;
#[cfg(feature = "tls")]
pub mod tls;
pub mod connection;
#[cfg(feature = "libp2p")]
pub mod libp2p;
#[cfg(feature = "libp2p")]
mod turns;
pub mod tcp;
#[cfg(unix)]
pub mod unix;
