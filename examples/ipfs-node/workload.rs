//! What a node does all day: it publishes blocks, and fetches those that the peers it is connected to publish.
//!
//! Each second a node makes a block, stores it, announces itself as its provider, and lists its newest blocks in a
//! record under `/latest/PEER`. Each second it also reads those records of its peers, looks up providers for the blocks
//! that it lacks, and fetches them over bitswap. Every [`LOST_EVERY`]th block is listed, but lost before it is stored,
//! as happens to blocks: nobody provides it, so looking for it fails.
//! Invariant: what a node remembers is bounded, and old blocks make room for new ones, so it may run for ever.

use std::collections::VecDeque;
use std::time::Duration;

use cid::Cid;
use futures::StreamExt as _;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use multihash_codetable::{Code, MultihashDigest as _};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};

use crate::bitswap::engine::{Bitswap, FetchError};
use crate::bitswap::message::cid_of;
use crate::kademlia::filing::latest_key;
use crate::node::Handle;
use crate::storage::Store;

const TURN: Duration = Duration::from_secs(1);
const RECONNECT_EVERY: Duration = Duration::from_secs(2);

/// Which of a node's blocks are lost: the third of each four.
const LOST_EVERY: u64 = 4;
const LOST_AT: u64 = 2;

/// Blocks that a record lists.
const LISTED_MAX: usize = 4;

/// Own blocks that are kept and provided; the oldest beyond are removed.
const PROVIDED_MAX: usize = 512;

/// Peers that are read in one turn, and how many of them at a time.
const PEERS_PER_TURN_MAX: usize = 32;
const PEERS_AT_ONCE: usize = 4;

/// Blocks that were looked for in vain and are not looked for again.
const GIVEN_UP_MAX: usize = 1024;

/// A block is at least, and less than twice, that many bytes.
const BLOCK_BYTES_MIN: usize = 2048;

/// A record's value: a node's newest blocks, newest first.
#[derive(Debug, Deserialize, Serialize)]
struct Latest {
    turn: u64,
    blocks: Vec<String>,
}

/// What a node does.
#[derive(Clone)]
pub struct Workload {
    node: Handle,
    store: Store,
    bitswap: Bitswap,
    given_up: Arc<Mutex<VecDeque<Cid>>>,
}

impl Workload {
    pub fn new(node: Handle, store: Store, bitswap: Bitswap) -> Self {
        Self { node, store, bitswap, given_up: Arc::default() }
    }

    /// Starts it; it stays connected to the nodes in `connect`.
    pub fn start(self, connect: Vec<Multiaddr>, tasks: &mut JoinSet<()>) {
        tasks.spawn(stay_connected(self.node.clone(), connect));
        tasks.spawn(self.clone().publish());
        tasks.spawn(self.read());
    }

    async fn publish(self) {
        let peer = self.node.peer_id();
        let mut provided = VecDeque::new();
        let mut listed = VecDeque::new();
        let mut turns = turns(TURN);
        for turn in 0_u64.. {
            turns.tick().await;
            let data = content(&peer, turn);
            let cid = cid_of(&data);
            if turn % LOST_EVERY != LOST_AT && self.keep(cid, data).await {
                // A node without peers finds nobody to tell; the next record and the next renewal make up for it.
                let _ = self.node.provide(cid).await;
                provided.push_back(cid);
            }
            if provided.len() > PROVIDED_MAX
                && let Some(old) = provided.pop_front()
            {
                self.node.stop_providing(old).await;
                let store = self.store.clone();
                let _ = spawn_blocking(move || store.remove(&old)).await;
            }
            listed.push_front(cid.to_string());
            listed.truncate(LISTED_MAX);
            let blocks = listed.iter().cloned().collect();
            if let Ok(value) = serde_json::to_vec(&Latest { turn, blocks }) {
                let _ = self.node.put(latest_key(&peer), value).await;
            }
        }
    }

    /// Stores a block of this node's own; the oldest blocks make room and are provided no more.
    async fn keep(&self, cid: Cid, data: Vec<u8>) -> bool {
        let store = self.store.clone();
        let stored = spawn_blocking(move || {
            let removed = store.make_room(data.len() as u64);
            (removed, store.put(&cid, &data).is_ok())
        });
        let Ok((removed, stored)) = stored.await else {
            return false;
        };
        for old in removed {
            self.node.stop_providing(old).await;
        }
        stored
    }

    async fn read(self) {
        let mut turns = turns(TURN);
        loop {
            turns.tick().await;
            let peers = self.node.connections().peers();
            futures::stream::iter(peers.into_iter().take(PEERS_PER_TURN_MAX))
                .for_each_concurrent(PEERS_AT_ONCE, |peer| self.read_peer(peer))
                .await;
        }
    }

    /// Fetches what a peer's newest record lists and this node lacks.
    async fn read_peer(&self, peer: PeerId) {
        let Ok(values) = self.node.values(latest_key(&peer)).await else {
            return;
        };
        let records = values.iter().filter_map(|v| serde_json::from_slice(v).ok());
        let Some(latest) = records.max_by_key(|latest: &Latest| latest.turn) else {
            return;
        };
        for name in latest.blocks.iter().take(LISTED_MAX) {
            let Ok(cid) = name.parse::<Cid>() else {
                continue;
            };
            if self.store.has(&cid) || self.given_up.lock().contains(&cid) {
                continue;
            }
            match self.bitswap.fetch(cid).await {
                Err(FetchError::NoProviders | FetchError::NotSent { .. }) => self.give_up(cid),
                Err(FetchError::Store(_)) => self.collect_garbage().await,
                _ => {}
            }
        }
    }

    fn give_up(&self, cid: Cid) {
        let mut given_up = self.given_up.lock();
        given_up.push_back(cid);
        if given_up.len() > GIVEN_UP_MAX {
            given_up.pop_front();
        }
    }

    /// Frees a tenth of the store; what was removed is provided no more.
    async fn collect_garbage(&self) {
        let store = self.store.clone();
        let freeing = spawn_blocking(move || store.make_room(store.capacity_bytes() / 10));
        for old in freeing.await.unwrap_or_default() {
            self.node.stop_providing(old).await;
        }
    }
}

async fn stay_connected(node: Handle, addresses: Vec<Multiaddr>) {
    let mut turns = turns(RECONNECT_EVERY);
    loop {
        turns.tick().await;
        let peers = node.connections().peers();
        for address in &addresses {
            let peer = address.iter().find_map(|part| match part {
                Protocol::P2p(peer) => Some(peer),
                _ => None,
            });
            if peer.is_none_or(|peer| !peers.contains(&peer)) {
                node.dial(address.clone()).await;
            }
        }
    }
}

fn turns(every: Duration) -> tokio::time::Interval {
    let mut turns = interval(every);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns
}

/// A block's bytes: a chain of hashes that no other node and no other turn has.
fn content(peer: &PeerId, turn: u64) -> Vec<u8> {
    let mut link = Code::Sha2_256.digest(format!("{peer}/{turn}").as_bytes());
    let bytes = BLOCK_BYTES_MIN + link.digest().first().map_or(0, |b| usize::from(*b) * 8);
    let mut data = Vec::with_capacity(bytes + link.digest().len());
    while data.len() < bytes {
        data.extend_from_slice(link.digest());
        link = Code::Sha2_256.digest(link.digest());
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_blocks_are_alike_and_all_are_a_few_kib() {
        let (one, other) = (PeerId::random(), PeerId::random());
        let blocks: Vec<Vec<u8>> = (0..50).flat_map(|turn| [content(&one, turn), content(&other, turn)]).collect();
        let cids: std::collections::HashSet<Cid> = blocks.iter().map(|b| cid_of(b)).collect();
        assert_eq!(cids.len(), blocks.len());
        let sizes = BLOCK_BYTES_MIN..2 * BLOCK_BYTES_MIN + 64;
        assert!(blocks.iter().all(|block| sizes.contains(&block.len())));
    }
}
