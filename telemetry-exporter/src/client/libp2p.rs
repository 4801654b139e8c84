//! A connection over libp2p: a swarm of one peer that dials, opens one stream, and speaks gRPC on it.

use std::io;
use std::time::Duration;

use futures::StreamExt;
use hyper_util::rt::TokioIo;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, SwarmBuilder, noise, tcp, yamux};
use libp2p_stream::{Behaviour, Control};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_util::compat::FuturesAsyncReadCompatExt;
use tonic::transport::{Channel, Endpoint, Uri};

use super::error::ClientError;
use super::{chain, settings};
use crate::limits::CONNECT_DEADLINE;
use crate::protocol::TELEMETRY_PROTOCOL;

/// A connection without streams is kept this long; the telemetry's stream is open for as long as the client lives.
const IDLE: Duration = Duration::from_secs(60);

/// Drives the swarm until it is dropped.
pub struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub async fn connect(address: &str, keypair: Option<Keypair>) -> Result<(Channel, Driver), ClientError> {
    let no_address = |why: String| ClientError::Address(address.to_owned(), why);
    let multiaddr: Multiaddr = address.parse().map_err(|error: libp2p::multiaddr::Error| no_address(error.to_string()))?;
    let Some(Protocol::P2p(peer)) = multiaddr.iter().last() else {
        return Err(no_address(
            "it does not end in /p2p/ and a peer id: wanted such as /ip4/127.0.0.1/tcp/4001/p2p/12D3…".to_owned(),
        ));
    };
    let failed = |why: String| ClientError::Connect(address.to_owned(), why);
    let dialled = timeout(CONNECT_DEADLINE, dial(multiaddr, peer, keypair.unwrap_or_else(Keypair::generate_ed25519)));
    let (control, driver) = dialled.await.map_err(|_| failed("nobody answered in time".to_owned()))?.map_err(failed)?;
    let connector = tower::service_fn(move |_: Uri| {
        let mut control = control.clone();
        async move {
            let stream = control.open_stream(peer, StreamProtocol::new(TELEMETRY_PROTOCOL)).await;
            stream.map(|stream| TokioIo::new(stream.compat())).map_err(|error| io::Error::other(error.to_string()))
        }
    });
    let endpoint = settings(Endpoint::from_static("http://telemetry"));
    let channel = endpoint.connect_with_connector(connector).await.map_err(|error| failed(chain(&error)))?;
    Ok((channel, driver))
}

async fn dial(address: Multiaddr, peer: PeerId, keypair: Keypair) -> Result<(Control, Driver), String> {
    let swarm = SwarmBuilder::with_existing_identity(keypair).with_tokio();
    let swarm = swarm.with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default);
    let swarm = swarm.map_err(|error| error.to_string())?.with_behaviour(|_| Behaviour::new());
    let Ok(swarm) = swarm;
    let mut swarm = swarm.with_swarm_config(|config| config.with_idle_connection_timeout(IDLE)).build();
    let control = swarm.behaviour().new_control();
    swarm.dial(address).map_err(|error| error.to_string())?;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished { peer_id, .. } if peer_id == peer => break,
            SwarmEvent::OutgoingConnectionError { error, .. } => return Err(chain(&error)),
            _ => {}
        }
    }
    let driving = tokio::spawn(async move { while swarm.next().await.is_some() {} });
    Ok((control, Driver(driving.abort_handle())))
}
