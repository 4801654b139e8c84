//! Bitswap 1.2.0: how blocks come and go.
//!
//! In reading order: [`message`] what is on the wire, [`wants`] what is waited for, [`engine`] what is asked and
//! answered, [`outbox`] how messages reach a peer.

pub mod engine;
pub mod message;
pub mod outbox;
pub mod wants;

use libp2p::StreamProtocol;

/// The protocol's name on the wire.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/ipfs/bitswap/1.2.0");
