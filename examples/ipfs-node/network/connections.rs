//! The set of open connections, kept by the swarm's loop and read by telemetry.
//!
//! Invariant: a connection is in the set from its `ConnectionEstablished` to its `ConnectionClosed`.
//! Deliberately absent: deciding which to close (`water`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use libp2p::core::ConnectedPoint;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;
use telemetry_core::{Gauge, Snapshot, metric, snapshot};

/// Open libp2p connections.
#[metric(name = "libp2p_network_connections_active", unit = "{connection}")]
static ACTIVE: Gauge;

/// Every open connection: peer, address, direction, when it was opened, and how many substreams it has now.
#[snapshot(name = "libp2p_network_connections", every = "5s")]
pub static CONNECTIONS: Snapshot<Vec<Connection>>;

/// One open connection, at one moment.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Connection {
    pub peer: String,
    pub address: String,
    /// `inbound` or `outbound`.
    pub direction: &'static str,
    /// Unix seconds.
    pub opened: u64,
    /// Open substreams.
    pub streams: usize,
}

/// The open connections. Cheap to clone; all clones are one set.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<Sets>>);

#[derive(Default)]
struct Sets {
    open: BTreeMap<ConnectionId, Open>,
    /// Muxers of connections that the swarm has not reported yet. A dropped muxer's entry is purged at the next one.
    announced: Vec<(Ends, Weak<AtomicUsize>)>,
}

struct Open {
    peer: PeerId,
    address: Multiaddr,
    inbound: bool,
    opened: SystemTime,
    streams: Arc<AtomicUsize>,
}

/// How a muxer and the swarm's event name the same connection: the transport knows no `ConnectionId`. Two dials of one
/// address at the same moment are told apart by their order only.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ends {
    peer: PeerId,
    address: Multiaddr,
    inbound: bool,
}

impl Ends {
    fn of(peer: PeerId, point: &ConnectedPoint) -> Self {
        Self { peer, address: point.get_remote_address().clone(), inbound: point.is_listener() }
    }
}

impl Connections {
    /// Announces a muxer that was just made; returns the count of its open substreams, for the muxer to keep.
    pub fn announce(&self, peer: PeerId, point: &ConnectedPoint) -> Arc<AtomicUsize> {
        let streams = Arc::new(AtomicUsize::new(0));
        let mut sets = self.0.lock();
        sets.announced.retain(|(_, muxer)| muxer.strong_count() > 0);
        sets.announced.push((Ends::of(peer, point), Arc::downgrade(&streams)));
        streams
    }

    /// The swarm reported a new connection.
    pub fn opened(&self, id: ConnectionId, peer: PeerId, point: &ConnectedPoint) {
        let ends = Ends::of(peer, point);
        let mut sets = self.0.lock();
        let announced = sets.announced.iter().position(|(e, _)| *e == ends);
        let streams = announced.and_then(|idx| sets.announced.remove(idx).1.upgrade()).unwrap_or_default();
        sets.open.insert(id, Open { peer, address: ends.address, inbound: ends.inbound, opened: SystemTime::now(), streams });
        ACTIVE.set(sets.open.len() as i64);
    }

    /// The swarm reported the end of a connection.
    pub fn closed(&self, id: ConnectionId) {
        let mut sets = self.0.lock();
        sets.open.remove(&id);
        ACTIVE.set(sets.open.len() as i64);
    }

    /// How many are open.
    pub fn open_count(&self) -> usize {
        self.0.lock().open.len()
    }

    /// The `n` that are open longest; ids are given out in order.
    pub fn oldest(&self, n: usize) -> Vec<ConnectionId> {
        self.0.lock().open.keys().take(n).copied().collect()
    }

    /// The peers at the other ends, each once.
    pub fn peers(&self) -> Vec<PeerId> {
        let mut peers: Vec<PeerId> = self.0.lock().open.values().map(|c| c.peer).collect();
        peers.sort();
        peers.dedup();
        peers
    }

    /// The address of each connection.
    pub fn addresses(&self) -> Vec<(PeerId, Multiaddr)> {
        let sets = self.0.lock();
        sets.open.values().map(|c| (c.peer, c.address.clone())).collect()
    }

    /// All connections, for the snapshot.
    pub fn read(&self) -> Vec<Connection> {
        let sets = self.0.lock();
        sets.open
            .values()
            .map(|c| Connection {
                peer: c.peer.to_string(),
                address: c.address.to_string(),
                direction: if c.inbound { "inbound" } else { "outbound" },
                opened: c.opened.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
                streams: c.streams.load(Relaxed),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbound(port: u16) -> ConnectedPoint {
        ConnectedPoint::Listener {
            local_addr: "/ip4/127.0.0.1/tcp/1".parse().unwrap(),
            send_back_addr: format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap(),
        }
    }

    #[test]
    fn a_connection_shows_the_streams_of_its_own_muxer() {
        let connections = Connections::default();
        let peer = PeerId::random();
        let first = connections.announce(peer, &inbound(5001));
        let second = connections.announce(peer, &inbound(5002));
        first.store(1, Relaxed);
        second.store(2, Relaxed);
        connections.opened(ConnectionId::new_unchecked(8), peer, &inbound(5002));
        connections.opened(ConnectionId::new_unchecked(9), peer, &inbound(5001));
        let streams: Vec<usize> = connections.read().iter().map(|c| c.streams).collect();
        assert_eq!(streams, [2, 1]);
        assert_eq!(connections.peers(), [peer]);
    }

    #[test]
    fn muxers_of_connections_that_never_opened_are_forgotten() {
        let connections = Connections::default();
        for port in 1..1000 {
            drop(connections.announce(PeerId::random(), &inbound(port)));
        }
        assert_eq!(connections.0.lock().announced.len(), 1);
    }

    #[test]
    fn the_oldest_go_first_and_the_closed_are_gone() {
        let connections = Connections::default();
        for id in 1..=4 {
            let id = ConnectionId::new_unchecked(id);
            connections.opened(id, PeerId::random(), &inbound(7));
        }
        connections.closed(ConnectionId::new_unchecked(1));
        assert_eq!(connections.open_count(), 3);
        let wanted = [2, 3].map(ConnectionId::new_unchecked);
        assert_eq!(connections.oldest(2), wanted);
    }
}
