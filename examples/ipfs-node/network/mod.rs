//! The libp2p host's transport, with every byte and connection counted.
//!
//! In reading order: [`connections`] the open ones, [`water`] which to close, [`traffic`] bytes on the sockets,
//! [`protocols`] bytes of the substreams, by what [`sniff`] and [`tap`] read in them.

pub mod connections;
pub mod protocols;
pub mod sniff;
pub mod tap;
pub mod traffic;
pub mod water;

use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, Transport};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, noise, tcp, yamux};

use connections::Connections;
use protocols::Metered;
use traffic::Counted;

/// A connection that is not encrypted and multiplexed by then is given up.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// TCP, noise and yamux, counted below and above.
///
/// # Errors
/// When noise cannot make its keys.
pub fn transport(keypair: &Keypair, connections: &Connections) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let connections = connections.clone();
    Ok(tcp::tokio::Transport::new(tcp::Config::new().nodelay(true))
        .map(|stream, _| Counted(stream))
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(keypair)?)
        .multiplex(yamux::Config::default())
        .timeout(HANDSHAKE_TIME_MAX)
        .map(move |(peer, muxer), point| {
            let open = connections.announce(peer, &point);
            let metered = Metered::new(StreamMuxerBox::new(muxer), open);
            (peer, StreamMuxerBox::new(metered))
        })
        .boxed())
}
