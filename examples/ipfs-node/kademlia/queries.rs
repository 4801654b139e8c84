//! What the node asks the others: queries in flight, and who waits for them.
//!
//! Invariant: each query in flight is known here by its id until its last event, and at most [`QUERIES_MAX`] are.

use std::collections::{HashMap, HashSet};
use std::fmt;

use cid::Cid;
use libp2p::kad::store::MemoryStore;
use libp2p::kad::{self, GetProvidersOk, GetRecordOk, ProgressStep, QueryId, QueryResult, Quorum, Record, RecordKey};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;

/// Most queries in flight.
const QUERIES_MAX: usize = 256;

/// A lookup ends early with that many providers.
const PROVIDERS_PER_LOOKUP_MAX: usize = 16;

/// Most values that one lookup gathers.
const VALUES_PER_LOOKUP_MAX: usize = 16;

type Kad = kad::Behaviour<MemoryStore>;
type Reply<T> = oneshot::Sender<Result<T, QueryError>>;

/// Why a query has no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum QueryError {
    /// [`QUERIES_MAX`] queries are in flight already.
    Busy,
    /// The node is stopping.
    Stopped,
    /// No peer took the record, or the local store is full.
    NotStored(String),
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => write!(f, "{QUERIES_MAX} kademlia queries are in flight already"),
            Self::Stopped => f.write_str("the node is stopping"),
            Self::NotStored(why) => write!(f, "not stored: {why}"),
        }
    }
}

impl std::error::Error for QueryError {}

/// What can be asked.
#[derive(Debug)]
pub enum Query {
    /// Who provides this block?
    Providers { cid: Cid, reply: Reply<Vec<PeerId>> },
    /// Which values have the closest peers under this key?
    Values { key: RecordKey, reply: Reply<Vec<Vec<u8>>> },
    /// Store this value at the closest peers.
    Put { key: RecordKey, value: Vec<u8>, reply: Reply<()> },
    /// Tell the closest peers that this node has the block.
    Provide { cid: Cid, reply: Reply<()> },
    /// Tell them no more; what they know expires.
    StopProviding { cid: Cid },
    /// Where is this peer? The answer is empty if nobody knows.
    Peer { peer: PeerId, reply: Reply<Vec<Multiaddr>> },
}

/// The queries in flight.
#[derive(Debug, Default)]
pub struct Queries {
    pending: HashMap<QueryId, Pending>,
}

#[derive(Debug)]
enum Pending {
    Providers { found: HashSet<PeerId>, reply: Reply<Vec<PeerId>> },
    Values { found: Vec<Vec<u8>>, reply: Reply<Vec<Vec<u8>>> },
    Stored { reply: Reply<()> },
    Peer { peer: PeerId, reply: Reply<Vec<Multiaddr>> },
}

/// The key of a block's provider records: its multihash, so that all CIDs of the same bytes share it.
pub fn provider_key(cid: &Cid) -> RecordKey {
    RecordKey::from(cid.hash().to_bytes())
}

impl Queries {
    /// Starts a query, or answers at once why not.
    pub fn start(&mut self, kad: &mut Kad, query: Query) {
        if self.pending.len() >= QUERIES_MAX {
            return match query {
                Query::StopProviding { cid } => kad.stop_providing(&provider_key(&cid)),
                Query::Providers { reply, .. } => refuse(reply),
                Query::Values { reply, .. } => refuse(reply),
                Query::Put { reply, .. } | Query::Provide { reply, .. } => refuse(reply),
                Query::Peer { reply, .. } => refuse(reply),
            };
        }
        match query {
            Query::StopProviding { cid } => kad.stop_providing(&provider_key(&cid)),
            Query::Providers { cid, reply } => {
                let id = kad.get_providers(provider_key(&cid));
                let found = HashSet::new();
                self.pending.insert(id, Pending::Providers { found, reply });
            }
            Query::Values { key, reply } => {
                let id = kad.get_record(key);
                let found = Vec::new();
                self.pending.insert(id, Pending::Values { found, reply });
            }
            Query::Put { key, value, reply } => {
                let started = kad.put_record(Record::new(key, value), Quorum::One);
                self.stored(started, reply);
            }
            Query::Provide { cid, reply } => {
                let started = kad.start_providing(provider_key(&cid));
                self.stored(started, reply);
            }
            Query::Peer { peer, reply } => {
                let id = kad.get_closest_peers(peer);
                self.pending.insert(id, Pending::Peer { peer, reply });
            }
        }
    }

    fn stored(&mut self, started: Result<QueryId, kad::store::Error>, reply: Reply<()>) {
        match started {
            Ok(id) => {
                self.pending.insert(id, Pending::Stored { reply });
            }
            Err(error) => answer(reply, Err(QueryError::NotStored(error.to_string()))),
        }
    }

    /// Takes a query's progress.
    pub fn progress(&mut self, kad: &mut Kad, id: QueryId, result: QueryResult, step: ProgressStep) {
        let Some(pending) = self.pending.get_mut(&id) else {
            return; // The behaviour's own: bootstrap, republishing.
        };
        let mut enough = false;
        let mut refused = None;
        match (&mut *pending, &result) {
            (Pending::Providers { found, .. }, QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders { providers, .. }))) => {
                found.extend(providers.iter().take(PROVIDERS_PER_LOOKUP_MAX));
                enough = found.len() >= PROVIDERS_PER_LOOKUP_MAX;
            }
            (Pending::Values { found, .. }, QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(record)))) => {
                found.push(record.record.value.clone());
                enough = found.len() >= VALUES_PER_LOOKUP_MAX;
            }
            (Pending::Stored { .. }, QueryResult::PutRecord(Err(error))) => {
                refused = Some(QueryError::NotStored(error.to_string()));
            }
            (Pending::Stored { .. }, QueryResult::StartProviding(Err(error))) => {
                refused = Some(QueryError::NotStored(error.to_string()));
            }
            _ => {}
        }
        if !step.last && !enough {
            return;
        }
        if enough && let Some(mut query) = kad.query_mut(&id) {
            query.finish();
        }
        match self.pending.remove(&id) {
            Some(Pending::Providers { found, reply }) => {
                answer(reply, Ok(found.into_iter().collect()));
            }
            Some(Pending::Values { found, reply }) => answer(reply, Ok(found)),
            Some(Pending::Stored { reply }) => answer(reply, refused.map_or(Ok(()), Err)),
            Some(Pending::Peer { peer, reply }) => answer(reply, Ok(addresses_of(peer, result))),
            None => {}
        }
    }
}

fn addresses_of(wanted: PeerId, result: QueryResult) -> Vec<Multiaddr> {
    let peers = match result {
        QueryResult::GetClosestPeers(Ok(found)) => found.peers,
        QueryResult::GetClosestPeers(Err(kad::GetClosestPeersError::Timeout { peers, .. })) => peers,
        _ => Vec::new(),
    };
    let found = peers.into_iter().find(|info| info.peer_id == wanted);
    found.map_or_else(Vec::new, |info| info.addrs)
}

fn refuse<T>(reply: Reply<T>) {
    answer(reply, Err(QueryError::Busy));
}

/// Answers; whoever does not wait any more does not mind.
fn answer<T>(reply: Reply<T>, result: Result<T, QueryError>) {
    let _ = reply.send(result);
}
