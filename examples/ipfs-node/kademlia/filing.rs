//! What this node stores for others: which records it accepts, and how many.
//!
//! Invariant: a value under `/latest/PEER` came from PEER itself, whom the connection has authenticated.
//! Invariant: at most [`PROVIDERS_MAX`] provider records of others are held; the oldest make room. The behaviour's own
//! store refuses new ones for ever once it is full, and forgets an expired one only when somebody asks for its key.

use std::collections::VecDeque;
use std::time::Instant;

use libp2p::PeerId;
use libp2p::kad::store::RecordStore;
use libp2p::kad::{InboundRequest, ProviderRecord, Record, RecordKey};

/// Most provider records of others that are held.
pub const PROVIDERS_MAX: usize = 8192;

/// Largest value that is stored, in bytes.
pub const VALUE_BYTES_MAX: usize = 4096;

const LATEST: &str = "/latest/";

/// The key under which `peer` tells which blocks are its newest.
pub fn latest_key(peer: &PeerId) -> RecordKey {
    RecordKey::new(&format!("{LATEST}{peer}"))
}

/// Files records in the behaviour's store.
#[derive(Debug, Default)]
pub struct Filing {
    /// In order of arrival. A record that was renewed is in here more than once; only its last entry counts.
    providers: VecDeque<Filed>,
}

#[derive(Debug)]
struct Filed {
    key: RecordKey,
    provider: PeerId,
    expires: Option<Instant>,
}

impl Filing {
    /// Files what an inbound request brought, if it brought anything.
    pub fn file(&mut self, store: &mut impl RecordStore, request: InboundRequest) {
        match request {
            InboundRequest::PutRecord { source, record: Some(record), .. } => Self::value(store, source, record),
            InboundRequest::AddProvider { record: Some(record) } => self.provider(store, record, Instant::now()),
            _ => {}
        }
    }

    /// Stores a value record if `source` may write it.
    fn value(store: &mut impl RecordStore, source: PeerId, record: Record) {
        if record.key == latest_key(&source) && record.value.len() <= VALUE_BYTES_MAX {
            // A full store refuses; the record is then held by the other closest peers.
            let _ = store.put(record);
        }
    }

    /// Stores a provider record and forgets those that are too many or too old.
    fn provider(&mut self, store: &mut impl RecordStore, record: ProviderRecord, now: Instant) {
        self.expire(store, now);
        while self.providers.len() >= PROVIDERS_MAX {
            self.forget_oldest(store);
        }
        self.providers.push_back(Filed { key: record.key.clone(), provider: record.provider, expires: record.expires });
        let _ = store.add_provider(record);
    }

    fn expire(&mut self, store: &mut impl RecordStore, now: Instant) {
        while let Some(first) = self.providers.front()
            && first.expires.is_some_and(|at| at <= now)
        {
            self.forget_oldest(store);
        }
    }

    fn forget_oldest(&mut self, store: &mut impl RecordStore) {
        let Some(old) = self.providers.pop_front() else {
            return;
        };
        let held = store.providers(&old.key).iter().any(|r| r.provider == old.provider && r.expires == old.expires);
        if held {
            store.remove_provider(&old.key, &old.provider);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use libp2p::kad::store::{MemoryStore, MemoryStoreConfig};

    use super::*;

    fn store() -> MemoryStore {
        let config = MemoryStoreConfig { max_provided_keys: PROVIDERS_MAX + 10, ..MemoryStoreConfig::default() };
        MemoryStore::with_config(PeerId::random(), config)
    }

    fn provider(key: usize, peer: PeerId, expires: Instant) -> ProviderRecord {
        let mut record = ProviderRecord::new(key.to_be_bytes().to_vec(), peer, Vec::new());
        record.expires = Some(expires);
        record
    }

    fn held(store: &MemoryStore, key: usize) -> usize {
        store.providers(&RecordKey::from(key.to_be_bytes().to_vec())).len()
    }

    #[test]
    fn the_oldest_provider_records_make_room() {
        let (mut store, mut filing, now) = (store(), Filing::default(), Instant::now());
        let peer = PeerId::random();
        for key in 0..PROVIDERS_MAX + 100 {
            filing.provider(&mut store, provider(key, peer, now + Duration::from_secs(60)), now);
        }
        assert_eq!([0, 99, 100, PROVIDERS_MAX + 99].map(|key| held(&store, key)), [0, 0, 1, 1]);
    }

    #[test]
    fn expired_provider_records_go_and_renewed_ones_stay() {
        let (mut store, mut filing, now) = (store(), Filing::default(), Instant::now());
        let peer = PeerId::random();
        let at = |seconds| now + Duration::from_secs(seconds);
        filing.provider(&mut store, provider(1, peer, at(10)), now);
        filing.provider(&mut store, provider(2, peer, at(10)), now);
        filing.provider(&mut store, provider(1, peer, at(30)), at(5));
        filing.provider(&mut store, provider(3, peer, at(40)), at(20));
        assert_eq!([1, 2, 3].map(|key| held(&store, key)), [1, 0, 1]);
    }

    #[test]
    fn only_the_peer_itself_writes_its_latest_record() {
        let mut store = store();
        let (peer, other) = (PeerId::random(), PeerId::random());
        let record = Record::new(latest_key(&peer), b"[]".to_vec());
        Filing::value(&mut store, other, record.clone());
        assert!(store.get(&record.key).is_none());
        Filing::value(&mut store, peer, record.clone());
        assert!(store.get(&record.key).is_some());
    }
}
