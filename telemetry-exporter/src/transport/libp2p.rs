//! Connections over libp2p streams: the same gRPC, and the bandwidth tests, on a swarm that the program has already.

use std::net::IpAddr;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use libp2p::StreamProtocol;
use libp2p_stream::Control;
use tokio::io::BufWriter;
use tokio_util::compat::FuturesAsyncReadCompatExt;

use super::bandwidth::{Direction, Test, Tests};
use super::connection::{Connections, Far};
use crate::access::{Caller, Identity};
use crate::admission::Client;
use crate::error::StartError;
use crate::limits::FRAME_BYTES_MAX;
use crate::protocol::{DOWNLOAD_PROTOCOL, TELEMETRY_PROTOCOL, UPLOAD_PROTOCOL};
use crate::service::Service;
use crate::swarm::{Behaviour, Inbound};

/// The inbound streams of the telemetry's protocols.
pub type Incoming = BoxStream<'static, Inbound>;

fn protocols(with_bandwidth: bool) -> &'static [&'static str] {
    if with_bandwidth { &[TELEMETRY_PROTOCOL, UPLOAD_PROTOCOL, DOWNLOAD_PROTOCOL] } else { &[TELEMETRY_PROTOCOL] }
}

/// Offers the protocols on the swarm of this behaviour.
///
/// # Errors
/// [`StartError::AlreadyServed`].
pub fn offer(behaviour: &Behaviour, with_bandwidth: bool) -> Result<Incoming, StartError> {
    let receiver = behaviour.offer().serve(protocols(with_bandwidth));
    let mut receiver = receiver.ok_or(StartError::AlreadyServed(TELEMETRY_PROTOCOL))?;
    Ok(stream::poll_fn(move |context| receiver.poll_recv(context)).boxed())
}

/// Registers the protocols on the swarm of this control, which does not tell where a stream comes from.
///
/// # Errors
/// [`StartError::AlreadyServed`].
pub fn register(control: &mut Control, with_bandwidth: bool) -> Result<Incoming, StartError> {
    let mut all = stream::SelectAll::new();
    for &protocol in protocols(with_bandwidth) {
        let streams = control.accept(StreamProtocol::new(protocol)).map_err(|_| StartError::AlreadyServed(protocol))?;
        all.push(streams.map(move |(peer, stream)| Inbound { peer, remote: None, protocol, stream }));
    }
    Ok(all.boxed())
}

/// Serves until the swarm ends or the task is ended.
pub async fn accept(mut incoming: Incoming, service: Arc<Service>, connections: Arc<Connections>, tests: Arc<Tests>) {
    while let Some(Inbound { peer, remote, protocol, stream }) = incoming.next().await {
        let identity = Identity::Peer(peer.to_string());
        let direction = match protocol {
            UPLOAD_PROTOCOL => Direction::Upload,
            DOWNLOAD_PROTOCOL => Direction::Download,
            _ => {
                let client = client(&service, &identity, remote);
                // Each write becomes a frame of its own, and what HTTP/2 writes begins with a small one.
                let io = BufWriter::with_capacity(FRAME_BYTES_MAX as usize, stream.compat());
                connections.serve(io, Far { client, identity, loopback: false });
                continue;
            }
        };
        tests.serve(Test { stream, direction, peer, remote }, &identity);
    }
}

/// Whom the limits count a peer as. An id costs nothing to make, so who is not listed is as all that come from its address, or from where nobody tells.
fn client(service: &Service, identity: &Identity, remote: Option<IpAddr>) -> Client {
    match (identity, remote) {
        (Identity::Peer(peer), _) if service.rules.listed(&Caller::of(identity.clone())).is_some() => Client::Peer(peer.clone()),
        (_, Some(remote)) => Client::of(remote),
        (_, None) => Client::Peer(String::new()), // all of them
    }
}
