//! The node: its builder, the loop that drives the libp2p host, and the handle that all other tasks have of it.
//!
//! Invariant: only the loop touches the host; everybody else sends it commands, at most [`COMMANDS_MAX`] at a time.
//! Invariant: telemetry starts right after the host, so that nothing the node does goes unseen.

use std::any::Any;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use cid::Cid;
use futures::StreamExt as _;
use libp2p::identity::Keypair;
use libp2p::kad::store::MemoryStore;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{self, NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, identify, kad, ping};
use telemetry_exporter::client::identity;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

use crate::bitswap::engine::Bitswap;
use crate::cli::Settings;
use crate::kademlia::filing::Filing;
use crate::kademlia::queries::{Queries, Query, QueryError};
use crate::kademlia::routing::{self, FIND_PEER, ROUTING_TABLE, RoutingTable};
use crate::network::connections::{CONNECTIONS, Connections};
use crate::network::{self, traffic, water::Water};
use crate::storage::Store;
use crate::workload::Workload;
use crate::{host, kademlia, misc};

const COMMANDS_MAX: usize = 64;

/// Most addresses of one peer that are taken from what it says of itself.
const ADDRESSES_PER_PEER_MAX: usize = 8;

const PING_EVERY: Duration = Duration::from_millis(1500);
const PING_TIME_MAX: Duration = Duration::from_secs(10);

/// A connection without streams is kept that long; the connection manager is what closes connections.
const IDLE_CONNECTION_TIME: Duration = Duration::from_secs(3600);

/// The host listens by then, or does not start.
const LISTEN_TIME_MAX: Duration = Duration::from_secs(10);

/// How long a snapshot waits for the loop.
const SNAPSHOT_TIME_MAX: Duration = Duration::from_secs(1);

/// The host's protocols.
#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    kad: kad::Behaviour<MemoryStore>,
    streams: libp2p_stream::Behaviour,
    telemetry: telemetry_exporter::swarm::Behaviour,
}

/// A running node.
pub struct Node {
    handle: Handle,
    address: Multiaddr,
    telemetry: Option<Telemetry>,
    tasks: JoinSet<()>,
    /// The blocks' directory, where it is to be removed at the end.
    _repo: Option<TempDir>,
}

struct Telemetry {
    running: telemetry_exporter::Running,
    /// What snapshots and rpcs are provided by, until these are dropped.
    guards: Vec<Box<dyn Any + Send>>,
}

impl Node {
    /// Starts a node: store, host, telemetry, then all that uses them.
    ///
    /// # Errors
    /// When the repository, an address or a port is not to be had.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        host::start();
        traffic::start();
        let (directory, repo) = match settings.repo {
            Some(directory) => (directory, None),
            None => {
                let repo = tempfile::Builder::new().prefix("ipfs-node-").tempdir()?;
                (repo.path().to_owned(), Some(repo))
            }
        };
        let store_bytes_max = settings.storage_bytes_max;
        let store = spawn_blocking(move || Store::open(&directory, store_bytes_max)).await??;

        let connections = Connections::default();
        let keypair = match settings.identity {
            Some(path) => identity::load_or_create(path).context("--identity")?,
            None => Keypair::generate_ed25519(),
        };
        let mut swarm = create_host(keypair, &connections)?;
        let address = listen(&mut swarm, settings.libp2p_listen).await?;
        let control = swarm.behaviour().streams.new_control();
        let telemetry = settings.telemetry.map(|config| Telemetry::start(config, &swarm.behaviour().telemetry));
        let mut telemetry = telemetry.transpose()?;

        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let handle = Handle { peer_id: *swarm.local_peer_id(), connections: connections.clone(), commands };
        let mut tasks = JoinSet::new();
        let water = Water::new(settings.low_water, settings.high_water);
        tasks.spawn(Loop::new(swarm, receiver, connections.clone(), water).run());
        if let Some(telemetry) = &mut telemetry {
            telemetry.provide(&handle);
        }
        let bitswap = Bitswap::start(store.clone(), handle.clone(), control, &mut tasks)?;
        Workload::new(handle.clone(), store, bitswap).start(settings.connect, &mut tasks);
        // One node on the machine is enough to trace it.
        if !settings.child {
            tasks.spawn(misc::traceroute::run(connections));
        }
        Ok(Self { handle, address, telemetry, tasks, _repo: repo })
    }

    /// The node's identity.
    pub fn peer_id(&self) -> PeerId {
        self.handle.peer_id
    }

    /// An address at which others reach the node, identity included.
    pub fn address(&self) -> &Multiaddr {
        &self.address
    }

    /// Where the telemetry service listens, if it does.
    pub fn telemetry_address(&self) -> Option<std::net::SocketAddr> {
        self.telemetry.as_ref()?.running.local_addr()
    }

    /// Completes when a task of the node ends, as none should while it runs.
    pub async fn failed(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Err(error)) => anyhow!("a task of the node failed: {error}"),
            _ => anyhow!("a task of the node ended"),
        }
    }

    /// Ends telemetry, so that it still sees the node, then the host and all tasks; a temporary repository is removed.
    ///
    /// # Errors
    /// When telemetry does not end as it should; all the rest has ended nevertheless.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let stopped = match self.telemetry.take() {
            Some(telemetry) => spawn_blocking(move || telemetry.stop()).await?,
            None => Ok(()),
        };
        self.handle.stop().await;
        self.tasks.shutdown().await;
        stopped
    }
}

impl Telemetry {
    fn start(config: telemetry_exporter::Config, behaviour: &telemetry_exporter::swarm::Behaviour) -> anyhow::Result<Self> {
        let running = telemetry_exporter::start(config).context("telemetry")?;
        running.serve_behaviour(behaviour).context("telemetry over libp2p")?;
        let guards = Vec::new();
        Ok(Self { running, guards })
    }

    fn stop(self) -> anyhow::Result<()> {
        self.running.stop().context("telemetry")
    }

    /// Connects the snapshots and the rpc with the node.
    fn provide(&mut self, node: &Handle) {
        let connections = node.connections.clone();
        let guard = CONNECTIONS.provide(move || connections.read());
        self.guards.push(Box::new(guard));
        let asked = node.clone();
        let guard = ROUTING_TABLE.provide(move || asked.routing_table());
        self.guards.push(Box::new(guard));
        let asked = node.clone();
        let guard = FIND_PEER.serve(move |wanted| routing::find_peer(asked.clone(), wanted));
        self.guards.push(Box::new(guard));
    }
}

fn create_host(keypair: Keypair, connections: &Connections) -> anyhow::Result<Swarm<Behaviour>> {
    let peer_id = keypair.public().to_peer_id();
    let transport = network::transport(&keypair, connections)?;
    let ping = ping::Config::new().with_interval(PING_EVERY).with_timeout(PING_TIME_MAX);
    let identify = identify::Config::new("ipfs/0.1.0".into(), keypair.public())
        .with_agent_version(concat!("telemetry-ipfs-node/", env!("CARGO_PKG_VERSION")).into());
    let behaviour = Behaviour {
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping),
        kad: kademlia::behaviour(peer_id),
        streams: libp2p_stream::Behaviour::new(),
        telemetry: telemetry_exporter::swarm::Behaviour::new(),
    };
    let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(IDLE_CONNECTION_TIME);
    Ok(Swarm::new(transport, behaviour, peer_id, config))
}

/// Listens, and waits for the first address that comes of it.
async fn listen(swarm: &mut Swarm<Behaviour>, wanted: Multiaddr) -> anyhow::Result<Multiaddr> {
    let failed = |error: &(dyn std::error::Error + 'static)| anyhow!("--libp2p-listen {wanted}: {}", innermost(error));
    swarm.listen_on(wanted.clone()).map_err(|error| failed(&error))?;
    let listening = async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { address, .. } => return Ok(address),
                SwarmEvent::ListenerClosed { reason: Err(error), .. } | SwarmEvent::ListenerError { error, .. } => {
                    return Err(failed(&error));
                }
                _ => {}
            }
        }
    };
    let address = timeout(LISTEN_TIME_MAX, listening).await.map_err(|late| failed(&late))??;
    Ok(address.with(Protocol::P2p(*swarm.local_peer_id())))
}

/// What is behind libp2p's wrappers, some of which say nothing and others the same again.
fn innermost<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

enum Command {
    Query(Query),
    Dial(Multiaddr),
    RoutingTable(SyncSender<RoutingTable>),
    Stop(oneshot::Sender<()>),
}

/// What other tasks can ask of the node. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    peer_id: PeerId,
    connections: Connections,
    commands: mpsc::Sender<Command>,
}

impl Handle {
    /// The node's identity.
    pub fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// The open connections.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// The peers that provide a block, as far as kademlia knows.
    pub async fn providers(&self, cid: Cid) -> Result<Vec<PeerId>, QueryError> {
        self.query(|reply| Query::Providers { cid, reply }).await
    }

    /// The values that the closest peers have under a key.
    pub async fn values(&self, key: kad::RecordKey) -> Result<Vec<Vec<u8>>, QueryError> {
        self.query(|reply| Query::Values { key, reply }).await
    }

    /// Stores a value at the peers closest to its key.
    pub async fn put(&self, key: kad::RecordKey, value: Vec<u8>) -> Result<(), QueryError> {
        self.query(|reply| Query::Put { key, value, reply }).await
    }

    /// Announces that this node has a block.
    pub async fn provide(&self, cid: Cid) -> Result<(), QueryError> {
        self.query(|reply| Query::Provide { cid, reply }).await
    }

    /// Ends the announcements of a block.
    pub async fn stop_providing(&self, cid: Cid) {
        let command = Command::Query(Query::StopProviding { cid });
        let _ = self.commands.send(command).await;
    }

    /// The addresses of a peer; none if nobody knows it.
    pub async fn find_peer(&self, peer: PeerId) -> Result<Vec<Multiaddr>, QueryError> {
        self.query(|reply| Query::Peer { peer, reply }).await
    }

    /// Connects to a node, some time.
    pub async fn dial(&self, address: Multiaddr) {
        let _ = self.commands.send(Command::Dial(address)).await;
    }

    /// The routing table; `None` if the loop does not answer in time. Blocks: not for asynchronous code.
    fn routing_table(&self) -> Option<RoutingTable> {
        let (reply, answer) = sync_channel(1);
        self.commands.try_send(Command::RoutingTable(reply)).ok()?;
        answer.recv_timeout(SNAPSHOT_TIME_MAX).ok()
    }

    async fn stop(&self) {
        let (reply, stopped) = oneshot::channel();
        if self.commands.send(Command::Stop(reply)).await.is_ok() {
            let _ = stopped.await;
        }
    }

    async fn query<T>(&self, query: impl FnOnce(oneshot::Sender<Result<T, QueryError>>) -> Query) -> Result<T, QueryError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Query(query(reply));
        let sent = self.commands.send(command).await;
        sent.map_err(|_| QueryError::Stopped)?;
        answer.await.map_err(|_| QueryError::Stopped)?
    }
}

/// Drives the host.
struct Loop {
    swarm: Swarm<Behaviour>,
    commands: mpsc::Receiver<Command>,
    connections: Connections,
    water: Water,
    queries: Queries,
    filing: Filing,
}

impl Loop {
    fn new(swarm: Swarm<Behaviour>, commands: mpsc::Receiver<Command>, connections: Connections, water: Water) -> Self {
        Self { swarm, commands, connections, water, queries: Queries::default(), filing: Filing::default() }
    }

    async fn run(mut self) {
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.event(event),
                command = self.commands.recv() => match command {
                    Some(Command::Stop(reply)) => {
                        drop(self);
                        let _ = reply.send(());
                        return;
                    }
                    Some(command) => self.command(command),
                    None => return,
                },
            }
        }
    }

    fn command(&mut self, command: Command) {
        let kad = &mut self.swarm.behaviour_mut().kad;
        match command {
            Command::Query(query) => self.queries.start(kad, query),
            Command::RoutingTable(reply) => {
                let _ = reply.try_send(routing::read(kad));
            }
            Command::Dial(address) => {
                if let Err(error) = self.swarm.dial(address.clone()) {
                    eprintln!("ipfs-node: {address}: {error}");
                }
            }
            Command::Stop(_) => {}
        }
    }

    fn event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.connections.opened(connection_id, peer_id, &endpoint);
                let excess = self.water.excess(self.connections.open_count());
                for oldest in self.connections.oldest(excess) {
                    self.swarm.close_connection(oldest);
                }
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.connections.closed(connection_id);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }))
                if info.protocols.contains(&kademlia::PROTOCOL) =>
            {
                let kad = &mut self.swarm.behaviour_mut().kad;
                for address in info.listen_addrs.into_iter().take(ADDRESSES_PER_PEER_MAX) {
                    kad.add_address(&peer_id, address);
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => misc::pinged(&event),
            SwarmEvent::Behaviour(BehaviourEvent::Kad(event)) => self.kad_event(event),
            _ => {}
        }
    }

    fn kad_event(&mut self, event: kad::Event) {
        let kad = &mut self.swarm.behaviour_mut().kad;
        match event {
            kad::Event::OutboundQueryProgressed { id, result, step, .. } => self.queries.progress(kad, id, result, step),
            kad::Event::InboundRequest { request } => {
                kademlia::count_request_in(&request);
                self.filing.file(kad.store_mut(), request);
            }
            _ => {}
        }
    }
}
