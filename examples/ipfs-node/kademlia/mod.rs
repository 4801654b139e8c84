//! Kademlia: its configuration and its twelve message counters.
//!
//! In reading order: this file, [`queries`] what the node asks, [`filing`] what it stores for others, [`routing`] the
//! routing table and the rpc that finds a peer.
//!
//! Requests received are counted from the behaviour's events. Requests sent are counted where they are written to a
//! substream (`network::tap`): the behaviour's query statistics tell neither the phases of a query apart nor what
//! republishing sends. The kademlia in use has no ping message; the two ping counters count the ping protocol's.

pub mod filing;
pub mod queries;
pub mod routing;

use std::time::Duration;

use libp2p::kad::store::{MemoryStore, MemoryStoreConfig};
use libp2p::kad::{self, InboundRequest, Mode, StoreInserts};
use libp2p::{PeerId, StreamProtocol};
use telemetry_core::{Counter, metric};

use crate::network::tap::Way;

/// The protocol's name on the wire.
pub const PROTOCOL: StreamProtocol = kad::PROTOCOL_NAME;

/// A query that takes longer ends with what it has.
const QUERY_TIME_MAX: Duration = Duration::from_secs(10);

/// How long a provider record lives that nobody renews.
const PROVIDER_TTL: Duration = Duration::from_secs(30 * 60);

/// How often the node renews its own provider records.
const PROVIDE_EVERY: Duration = Duration::from_secs(10 * 60);

/// Most keys with provider records, this node's own included.
const PROVIDER_KEYS_MAX: usize = filing::PROVIDERS_MAX + 4096;

/// Most value records.
const RECORDS_MAX: usize = 1024;

/// Kademlia requests received: PUT_VALUE.
#[metric(name = "libp2p_kad_messages_in_put_value", unit = "{message}")]
static IN_PUT_VALUE: Counter;

/// Kademlia requests received: GET_VALUE.
#[metric(name = "libp2p_kad_messages_in_get_value", unit = "{message}")]
static IN_GET_VALUE: Counter;

/// Kademlia requests received: ADD_PROVIDER.
#[metric(name = "libp2p_kad_messages_in_add_provider", unit = "{message}")]
static IN_ADD_PROVIDER: Counter;

/// Kademlia requests received: GET_PROVIDERS.
#[metric(name = "libp2p_kad_messages_in_get_providers", unit = "{message}")]
static IN_GET_PROVIDERS: Counter;

/// Kademlia requests received: FIND_NODE.
#[metric(name = "libp2p_kad_messages_in_find_node", unit = "{message}")]
static IN_FIND_NODE: Counter;

/// Pings received over the ping protocol; the kademlia in use has no ping message.
#[metric(name = "libp2p_kad_messages_in_ping", unit = "{message}")]
static IN_PING: Counter;

/// Kademlia requests sent, as written to the substreams: PUT_VALUE.
#[metric(name = "libp2p_kad_messages_out_put_value", unit = "{message}")]
static OUT_PUT_VALUE: Counter;

/// Kademlia requests sent, as written to the substreams: GET_VALUE.
#[metric(name = "libp2p_kad_messages_out_get_value", unit = "{message}")]
static OUT_GET_VALUE: Counter;

/// Kademlia requests sent, as written to the substreams: ADD_PROVIDER.
#[metric(name = "libp2p_kad_messages_out_add_provider", unit = "{message}")]
static OUT_ADD_PROVIDER: Counter;

/// Kademlia requests sent, as written to the substreams: GET_PROVIDERS.
#[metric(name = "libp2p_kad_messages_out_get_providers", unit = "{message}")]
static OUT_GET_PROVIDERS: Counter;

/// Kademlia requests sent, as written to the substreams: FIND_NODE.
#[metric(name = "libp2p_kad_messages_out_find_node", unit = "{message}")]
static OUT_FIND_NODE: Counter;

/// Pings sent over the ping protocol; the kademlia in use has no ping message.
#[metric(name = "libp2p_kad_messages_out_ping", unit = "{message}")]
static OUT_PING: Counter;

/// The behaviour of a server whose records go through [`filing`].
pub fn behaviour(peer: PeerId) -> kad::Behaviour<MemoryStore> {
    let store = MemoryStore::with_config(
        peer,
        MemoryStoreConfig {
            max_records: RECORDS_MAX,
            max_value_bytes: filing::VALUE_BYTES_MAX + 1,
            max_provided_keys: PROVIDER_KEYS_MAX,
            ..MemoryStoreConfig::default()
        },
    );
    let mut config = kad::Config::new(PROTOCOL);
    config
        .set_query_timeout(QUERY_TIME_MAX)
        .set_record_filtering(StoreInserts::FilterBoth)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_record_ttl(Some(PROVIDER_TTL))
        .set_provider_publication_interval(Some(PROVIDE_EVERY));
    let mut behaviour = kad::Behaviour::with_config(peer, store, config);
    behaviour.set_mode(Some(Mode::Server));
    behaviour
}

/// Counts a request that the behaviour has received.
pub fn count_request_in(request: &InboundRequest) {
    match request {
        InboundRequest::PutRecord { .. } => IN_PUT_VALUE.inc(),
        InboundRequest::GetRecord { .. } => IN_GET_VALUE.inc(),
        InboundRequest::AddProvider { .. } => IN_ADD_PROVIDER.inc(),
        InboundRequest::GetProvider { .. } => IN_GET_PROVIDERS.inc(),
        InboundRequest::FindNode { .. } => IN_FIND_NODE.inc(),
    }
}

/// Counts a request that was written to a substream, by its message type on the wire.
pub fn count_request_out(kind: u8) {
    match kind {
        0 => OUT_PUT_VALUE.inc(),
        1 => OUT_GET_VALUE.inc(),
        2 => OUT_ADD_PROVIDER.inc(),
        3 => OUT_GET_PROVIDERS.inc(),
        4 => OUT_FIND_NODE.inc(),
        _ => {}
    }
}

/// Counts whole pings of the ping protocol.
pub fn count_pings(way: Way, pings: u64) {
    match way {
        Way::In => IN_PING.add(pings),
        Way::Out => OUT_PING.add(pings),
    }
}
