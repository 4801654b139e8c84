//! Connecting over libp2p: on a swarm that the program has, or as a small peer that dials and opens one stream.
//!
//! Invariant: each connection of a peer of our own has a swarm of its own, which ends with it. One that broke without a word, which yamux
//! never notices, is not used again.

use std::future::Future;
use std::io;
use std::time::Duration;

use futures::StreamExt;
use hyper_util::rt::TokioIo;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, SwarmBuilder, noise, tcp, yamux};
use libp2p_stream::{Behaviour, Control};
use tokio::time::timeout;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};
use tonic::transport::{Channel, Endpoint, Uri};

use super::error::{ClientError, chain};
use super::settings;
use crate::limits::CONNECT_DEADLINE;
use crate::protocol::TELEMETRY_PROTOCOL;

/// A connection of our own without streams is kept this long.
const IDLE: Duration = Duration::from_secs(5);

type Io = TokioIo<Compat<libp2p::Stream>>;

/// Connects as a peer of our own.
pub async fn connect(address: &str, keypair: Option<Keypair>) -> Result<Channel, ClientError> {
    let peer = Peer::parse(address, keypair)?;
    let open = move || {
        let peer = peer.clone();
        async move { open(peer.dial().await.map_err(io::Error::other)?, peer.id).await }
    };
    channel(open).await.map_err(|why| ClientError::Connect(address.to_owned(), why))
}

/// Connects on the swarm of this control.
pub async fn connect_over(control: Control, peer: PeerId) -> Result<Channel, ClientError> {
    channel(move || open(control.clone(), peer)).await.map_err(|why| ClientError::Connect(peer.to_string(), why))
}

/// A connection that is made by the first request, and again by the one after it broke.
async fn channel<F>(open: impl Fn() -> F + Send + 'static) -> Result<Channel, String>
where
    F: Future<Output = io::Result<Io>> + Send + 'static,
{
    let connector = tower::service_fn(move |_: Uri| within(CONNECT_DEADLINE, open()));
    // The connector has the deadline.
    let endpoint = settings(Endpoint::from_static("http://telemetry")).connect_timeout(2 * CONNECT_DEADLINE);
    endpoint.connect_with_connector(connector).await.map_err(|error| chain(&error))
}

async fn within<T>(deadline: Duration, opening: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "nobody answered in time");
    timeout(deadline, opening).await.map_err(late)?
}

async fn open(mut control: Control, peer: PeerId) -> io::Result<Io> {
    let stream = control.open_stream(peer, StreamProtocol::new(TELEMETRY_PROTOCOL)).await;
    stream.map(|stream| TokioIo::new(stream.compat())).map_err(|error| io::Error::other(error.to_string()))
}

/// Where a peer is, and who we are to it.
#[derive(Clone)]
pub struct Peer {
    address: Multiaddr,
    id: PeerId,
    keypair: Keypair,
}

impl Peer {
    /// # Errors
    /// [`ClientError::Address`].
    pub fn parse(address: &str, keypair: Option<Keypair>) -> Result<Self, ClientError> {
        let no_address = |why: String| ClientError::Address(address.to_owned(), why);
        let multiaddr: Multiaddr = address.parse().map_err(|error: libp2p::multiaddr::Error| no_address(error.to_string()))?;
        let Some(Protocol::P2p(id)) = multiaddr.iter().last() else {
            let wanted = "it does not end in /p2p/ and a peer id: wanted such as /ip4/127.0.0.1/tcp/4001/p2p/12D3…";
            return Err(no_address(wanted.to_owned()));
        };
        Ok(Self { address: multiaddr, id, keypair: keypair.unwrap_or_else(Keypair::generate_ed25519) })
    }

    /// A control of a swarm with a connection to this peer. The swarm ends with the connection: open a stream at once.
    ///
    /// # Errors
    /// [`ClientError::Connect`].
    #[cfg(feature = "cli")]
    pub async fn control(&self) -> Result<(Control, PeerId), ClientError> {
        let dialled = within(CONNECT_DEADLINE, async { self.dial().await.map_err(io::Error::other) }).await;
        let control = dialled.map_err(|error| ClientError::Connect(self.address.to_string(), error.to_string()))?;
        Ok((control, self.id))
    }

    async fn dial(&self) -> Result<Control, String> {
        let swarm = SwarmBuilder::with_existing_identity(self.keypair.clone()).with_tokio();
        let swarm = swarm.with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default);
        let swarm = swarm.map_err(|error| error.to_string())?.with_behaviour(|_| Behaviour::new());
        let Ok(swarm) = swarm;
        let mut swarm = swarm.with_swarm_config(|config| config.with_idle_connection_timeout(IDLE)).build();
        let control = swarm.behaviour().new_control();
        swarm.dial(self.address.clone()).map_err(|error| error.to_string())?;
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { .. } => break, // it is of the peer that the address names
                SwarmEvent::OutgoingConnectionError { error, .. } => return Err(chain(&error)),
                _ => {}
            }
        }
        let driving = async move { while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionClosed { .. }) {} };
        drop(tokio::spawn(driving));
        Ok(control)
    }
}
