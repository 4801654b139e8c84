//! Connections over libp2p streams: the same gRPC, and the bandwidth tests, on a swarm that the program has already.

use std::sync::Arc;

use futures::StreamExt;
use libp2p::StreamProtocol;
use libp2p_stream::{Control, IncomingStreams};
use tokio::io::BufWriter;
use tokio_util::compat::FuturesAsyncReadCompatExt;

use super::bandwidth::{self, Direction, Tests};
use super::connection::Connections;
use crate::error::StartError;
use crate::limits::FRAME_BYTES_MAX;
use crate::protocol::{DOWNLOAD_PROTOCOL, TELEMETRY_PROTOCOL, UPLOAD_PROTOCOL};
use crate::service::{Identity, Service};

/// The inbound streams of the telemetry's protocols.
pub struct Incoming {
    telemetry: IncomingStreams,
    upload: Option<IncomingStreams>,
    download: Option<IncomingStreams>,
}

/// Registers the protocols on the swarm of this control.
///
/// # Errors
/// [`StartError::AlreadyServed`].
pub fn register(control: &mut Control, with_bandwidth: bool) -> Result<Incoming, StartError> {
    let mut accept =
        |protocol: &'static str| control.accept(StreamProtocol::new(protocol)).map_err(|_| StartError::AlreadyServed(protocol));
    let telemetry = accept(TELEMETRY_PROTOCOL)?;
    let (upload, download) = match with_bandwidth {
        true => (Some(accept(UPLOAD_PROTOCOL)?), Some(accept(DOWNLOAD_PROTOCOL)?)),
        false => (None, None),
    };
    Ok(Incoming { telemetry, upload, download })
}

/// The record of the bandwidth tests of a service.
pub fn tests(service: Arc<Service>) -> Arc<Tests> {
    Tests::new(service)
}

/// Serves until the swarm ends or the task is ended.
pub async fn accept(incoming: Incoming, connections: Arc<Connections>, tests: Arc<Tests>) {
    let Incoming { mut telemetry, upload, download } = incoming;
    let calls = async {
        while let Some((peer, stream)) = telemetry.next().await {
            // Each write becomes a frame of its own, and what HTTP/2 writes begins with a small one.
            let io = BufWriter::with_capacity(FRAME_BYTES_MAX as usize, stream.compat());
            connections.serve(io, Identity::Peer(peer.to_string()));
        }
    };
    tokio::join!(calls, test(upload, Direction::Upload, &tests), test(download, Direction::Download, &tests));
}

async fn test(incoming: Option<IncomingStreams>, direction: Direction, tests: &Arc<Tests>) {
    let Some(mut incoming) = incoming else { return };
    while let Some((peer, stream)) = incoming.next().await {
        let identity = Identity::Peer(peer.to_string());
        let Some(room) = tests.room(&identity) else { continue };
        tokio::spawn(bandwidth::serve(stream, identity, direction, Arc::clone(tests), room));
    }
}
