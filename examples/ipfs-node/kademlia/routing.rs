//! The routing table as a snapshot, and the rpc that finds a peer's addresses.

use libp2p::PeerId;
use libp2p::kad::store::MemoryStore;
use libp2p::kad::{self, NodeStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use telemetry_core::{Rpc, RpcError, Snapshot, rpc, snapshot};

use crate::node::Handle;

/// The k-buckets that hold peers, with their peers, their addresses and whether they are connected.
///
/// Null where the node was too busy to answer in time.
#[snapshot(name = "libp2p_kad_routing_table", every = "5s")]
pub static ROUTING_TABLE: Snapshot<Option<RoutingTable>>;

/// Finds a peer's addresses by asking the peers closest to it.
#[rpc(name = "libp2p_kad_find_peer")]
pub static FIND_PEER: Rpc<FindPeer, Found>;

/// The routing table at one moment.
#[derive(Debug, JsonSchema, Serialize)]
pub struct RoutingTable {
    /// Peers in all buckets.
    pub peers: usize,
    /// The buckets that are not empty.
    pub buckets: Vec<Bucket>,
}

/// One k-bucket.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Bucket {
    /// The distance of its peers is at least 2 to the power of this.
    pub index: u32,
    pub peers: Vec<Entry>,
}

/// One peer in a k-bucket.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Entry {
    pub peer: String,
    /// `connected` or `disconnected`.
    pub status: &'static str,
    pub addresses: Vec<String>,
}

/// Reads the routing table out of the behaviour.
pub fn read(kad: &mut kad::Behaviour<MemoryStore>) -> RoutingTable {
    let buckets: Vec<Bucket> = kad
        .kbuckets()
        .filter(|bucket| !bucket.is_empty())
        .map(|bucket| Bucket {
            index: bucket.range().0.ilog2().unwrap_or(0),
            peers: bucket
                .iter()
                .map(|entry| Entry {
                    peer: entry.node.key.preimage().to_string(),
                    status: match entry.status {
                        NodeStatus::Connected => "connected",
                        NodeStatus::Disconnected => "disconnected",
                    },
                    addresses: entry.node.value.iter().map(ToString::to_string).collect(),
                })
                .collect(),
        })
        .collect();
    RoutingTable { peers: buckets.iter().map(|bucket| bucket.peers.len()).sum(), buckets }
}

/// The rpc's request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindPeer {
    /// A peer id, such as `12D3…`.
    pub peer: String,
}

/// The rpc's answer.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Found {
    pub peer: String,
    pub addresses: Vec<String>,
}

/// Answers [`FIND_PEER`].
///
/// # Errors
/// `invalid_argument` for what is no peer id, `not_found` if nobody knows the peer, `failed` if the node cannot ask.
pub async fn find_peer(node: Handle, wanted: FindPeer) -> Result<Found, RpcError> {
    let peer: PeerId = wanted
        .peer
        .parse()
        .map_err(|error| RpcError::invalid_argument(format!("peer: wanted a peer id, found {:?}: {error}", wanted.peer)))?;
    let addresses = node.find_peer(peer).await.map_err(|error| RpcError::failed(error.to_string()))?;
    if addresses.is_empty() {
        return Err(RpcError::not_found(format!("no peer knows {peer}")));
    }
    Ok(Found { peer: peer.to_string(), addresses: addresses.iter().map(ToString::to_string).collect() })
}
