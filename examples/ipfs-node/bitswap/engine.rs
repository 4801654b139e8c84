//! Fetches blocks from peers, and gives them the blocks that they want.
//!
//! Invariant: at most [`STREAMS_MAX`] streams are read, [`STREAMS_PER_PEER_MAX`] of one peer.
//! Deliberately absent: remembering what others want. A want is answered when it comes; for a block that arrives later,
//! the peer asks again.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use cid::Cid;
use futures::StreamExt as _;
use libp2p::PeerId;
use libp2p_stream::{AlreadyRegistered, Control, IncomingStreams};
use telemetry_core::{Counter, metric};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

use crate::bitswap::PROTOCOL;
use crate::bitswap::message::{self, Block, BlockPresence, Entry, Message, Presence, WantType, Wantlist};
use crate::bitswap::outbox::Outboxes;
use crate::bitswap::wants::{Answer, Want, Wants};
use crate::kademlia::queries::QueryError;
use crate::node::Handle;
use crate::storage::{Store, StoreError};

/// Bitswap messages received and decoded.
#[metric(name = "libp2p_bitswap_messages_in", unit = "{message}")]
static MESSAGES_IN: Counter;

/// Provider lookups for a wanted block that found at least one provider.
#[metric(name = "libp2p_bitswap_discovery_success", unit = "{discovery}")]
static DISCOVERY_SUCCESS: Counter;

/// Provider lookups for a wanted block that found none.
#[metric(name = "libp2p_bitswap_discovery_failure", unit = "{discovery}")]
static DISCOVERY_FAILURE: Counter;

const STREAMS_MAX: usize = 256;
const STREAMS_PER_PEER_MAX: usize = 8;

/// Most wantlist entries of one message that are answered.
const ENTRIES_MAX: usize = 1024;

/// Most providers that are asked for one block.
const ASKED_MAX: usize = 4;

/// A message of blocks is sent as soon as it holds that many bytes.
const ANSWER_BYTES: usize = 512 << 10;

/// No block is waited for longer.
const FETCH_TIME_MAX: Duration = Duration::from_secs(10);

/// A stream on which no message begins for this long is closed.
const IDLE_TIME_MAX: Duration = Duration::from_secs(120);

/// A message has to be complete that long after its beginning.
const BODY_TIME_MAX: Duration = Duration::from_secs(20);

/// Why a block was not fetched.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// It is being fetched already, or too many others are.
    Busy,
    /// The lookup for providers could not be made.
    Lookup(QueryError),
    /// Nobody provides it.
    NoProviders,
    /// None of the providers sent it in time.
    NotSent { asked: usize },
    /// It came, but could not be stored.
    Store(StoreError),
    /// The node is stopping.
    Stopped,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("the block is being fetched already, or too many others are"),
            Self::Lookup(error) => write!(f, "provider lookup: {error}"),
            Self::NoProviders => f.write_str("no peer provides the block"),
            Self::NotSent { asked } => write!(f, "none of {asked} providers sent the block"),
            Self::Store(error) => write!(f, "the block was not stored: {error}"),
            Self::Stopped => f.write_str("the node is stopping"),
        }
    }
}

impl std::error::Error for FetchError {}

/// The engine. Cheap to clone.
#[derive(Clone)]
pub struct Bitswap {
    store: Store,
    node: Handle,
    outboxes: Outboxes,
    wants: Wants,
}

impl Bitswap {
    /// Starts to serve blocks from `store`; `streams` accepts the peers' streams.
    ///
    /// # Errors
    /// When bitswap is served on this host already.
    pub fn start(store: Store, node: Handle, mut control: Control, tasks: &mut JoinSet<()>) -> Result<Self, AlreadyRegistered> {
        let incoming = control.accept(PROTOCOL)?;
        let engine = Self { store, node, outboxes: Outboxes::new(control), wants: Wants::default() };
        tasks.spawn(engine.clone().accept(incoming));
        Ok(engine)
    }

    /// Finds providers of a block that is not in the store, fetches it from them, verifies and stores it.
    ///
    /// # Errors
    /// See [`FetchError`]; the store is unchanged then.
    pub async fn fetch(&self, cid: Cid) -> Result<(), FetchError> {
        if self.store.has(&cid) {
            return Ok(());
        }
        let want = self.wants.want(cid).ok_or(FetchError::Busy)?;
        let providers = self.discover(cid).await?;
        self.fetch_from(cid, &providers, want).await
    }

    async fn discover(&self, cid: Cid) -> Result<Vec<PeerId>, FetchError> {
        let mut providers = self.node.providers(cid).await.map_err(FetchError::Lookup)?;
        providers.retain(|peer| *peer != self.node.peer_id());
        if providers.is_empty() {
            DISCOVERY_FAILURE.inc();
            return Err(FetchError::NoProviders);
        }
        DISCOVERY_SUCCESS.inc();
        providers.truncate(ASKED_MAX);
        Ok(providers)
    }

    async fn fetch_from(&self, cid: Cid, providers: &[PeerId], mut want: Want) -> Result<(), FetchError> {
        for peer in providers {
            self.outboxes.send(*peer, wantlist(&cid, false)).await;
        }
        let mut open = providers.to_vec();
        let arrived = timeout(FETCH_TIME_MAX, async {
            while !open.is_empty() {
                match want.answer().await? {
                    Answer::Block { from, data } => {
                        open.retain(|peer| *peer != from);
                        return Some(data);
                    }
                    Answer::DontHave { from } => open.retain(|peer| *peer != from),
                }
            }
            None
        });
        let arrived = arrived.await.ok().flatten();
        for peer in open {
            self.outboxes.send(peer, wantlist(&cid, true)).await;
        }
        let Some(data) = arrived else {
            let asked = providers.len();
            return Err(FetchError::NotSent { asked });
        };
        let store = self.store.clone();
        let put = spawn_blocking(move || store.put(&cid, &data)).await;
        put.map_err(|_| FetchError::Stopped)?.map_err(FetchError::Store)
    }

    async fn accept(self, mut incoming: IncomingStreams) {
        let mut readers: JoinSet<PeerId> = JoinSet::new();
        let mut streams: HashMap<PeerId, usize> = HashMap::new();
        loop {
            tokio::select! {
                next = incoming.next() => {
                    let Some((peer, stream)) = next else { return };
                    let held = streams.get(&peer).copied().unwrap_or(0);
                    // A stream beyond the bounds is dropped, which resets it.
                    if held < STREAMS_PER_PEER_MAX && readers.len() < STREAMS_MAX {
                        streams.insert(peer, held + 1);
                        let engine = self.clone();
                        readers.spawn(async move {
                            engine.read(peer, stream).await;
                            peer
                        });
                    }
                }
                Some(ended) = readers.join_next() => {
                    if let Ok(peer) = ended
                        && let Some(held) = streams.get_mut(&peer)
                    {
                        *held -= 1;
                        if *held == 0 {
                            streams.remove(&peer);
                        }
                    }
                }
            }
        }
    }

    /// Reads one stream until it ends, fails or is idle for too long.
    async fn read(&self, peer: PeerId, mut stream: libp2p::Stream) {
        loop {
            let length = match timeout(IDLE_TIME_MAX, message::read_length(&mut stream)).await {
                Ok(Ok(Some(length))) => length,
                _ => return,
            };
            let body = timeout(BODY_TIME_MAX, message::read_body(&mut stream, length));
            let Ok(Ok(message)) = body.await else {
                return;
            };
            MESSAGES_IN.inc();
            self.wants.deliver(peer, message.payload, &message.block_presences);
            if let Some(wantlist) = message.wantlist {
                self.answer(peer, wantlist).await;
            }
        }
    }

    /// Answers a wantlist, with several messages if the blocks are many.
    async fn answer(&self, peer: PeerId, wantlist: Wantlist) {
        let mut message = Message::default();
        let mut bytes = 0;
        for entry in wantlist.entries.into_iter().take(ENTRIES_MAX) {
            let Ok(cid) = Cid::try_from(entry.block.as_slice()) else {
                continue;
            };
            if entry.cancel {
                continue;
            }
            let wants_block = entry.want_type == WantType::Block as i32;
            if wants_block && let Some(data) = self.load(cid).await {
                bytes += data.len();
                message.payload.push(Block::new(&cid, data));
            } else if !wants_block && self.store.has(&cid) {
                message.block_presences.push(presence(entry.block, Presence::Have));
            } else if entry.send_dont_have {
                message.block_presences.push(presence(entry.block, Presence::DontHave));
            }
            if bytes >= ANSWER_BYTES {
                bytes = 0;
                if !self.outboxes.send(peer, std::mem::take(&mut message)).await {
                    return;
                }
            }
        }
        if message != Message::default() {
            self.outboxes.send(peer, message).await;
        }
    }

    async fn load(&self, cid: Cid) -> Option<Vec<u8>> {
        if !self.store.has(&cid) {
            return None;
        }
        let store = self.store.clone();
        spawn_blocking(move || store.get(&cid)).await.ok().flatten()
    }
}

fn wantlist(cid: &Cid, cancel: bool) -> Message {
    Message {
        wantlist: Some(Wantlist {
            entries: vec![Entry {
                block: cid.to_bytes(),
                priority: 1,
                cancel,
                want_type: WantType::Block as i32,
                send_dont_have: !cancel,
            }],
            full: false,
        }),
        ..Message::default()
    }
}

fn presence(cid: Vec<u8>, presence: Presence) -> BlockPresence {
    BlockPresence { cid, r#type: presence as i32 }
}
