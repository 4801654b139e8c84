//! A network that is cut between a client and a program: in silence, as by a cable that is pulled, and by closing. A follower that goes on
//! from its place has each message exactly once.
//!
//! A program of its own: a silent cut takes as long to be noticed as two keep-alives.

#![allow(missing_docs)]

mod proxy;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use libp2p::{Swarm, SwarmBuilder, noise, tcp, yamux};
use telemetry_core::Event;
use telemetry_exporter::client::{Client, ClientError, Place, PullOptions, Pulled};
use telemetry_exporter::limits::{CONNECT_DEADLINE, KEEP_ALIVE};
use telemetry_exporter::{Config, Policy, Running, swarm};

use proxy::{Mode, Proxy};

/// What a busy machine takes on top of a deadline.
const SLACK: Duration = Duration::from_secs(8);

/// Long enough for any machine; a test that needs it has failed.
const DEADLINE: Duration = Duration::from_secs(60);

/// Messages of one stretch without a cut.
const STRETCH: usize = 200;

fn start() -> Running {
    // Served over libp2p too, on loopback alone.
    let access = Policy { insecure_public: true, ..Policy::default() };
    let listen = Some(([127, 0, 0, 1], 0).into());
    let config = Config { listen, access, collect_every: Duration::from_secs(3600), ..Config::default() };
    telemetry_exporter::start(config).expect("a free port")
}

/// Emits 0, 1, 2 … until it is told to end.
struct Emitter {
    emitted: Arc<AtomicU64>,
    ending: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Emitter {
    fn start(event: Event<u64>) -> Self {
        let (emitted, ending) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, end) = (Arc::clone(&emitted), Arc::clone(&ending));
        let thread = thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                event.emit(&count.load(Ordering::Relaxed));
                count.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(2));
            }
        });
        Self { emitted, ending, thread }
    }

    fn end(self) -> u64 {
        self.ending.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic");
        self.emitted.load(Ordering::Relaxed)
    }
}

/// The way through the proxy.
#[derive(Clone)]
enum Way {
    Tcp(String),
    Libp2p(String),
}

impl Way {
    async fn connect(&self) -> Result<Client, ClientError> {
        match self {
            Self::Tcp(host) => Client::connect(host).await,
            Self::Libp2p(address) => Client::connect_libp2p(address, None).await,
        }
    }
}

/// Who reads, and what it has.
struct Follower {
    stream: &'static str,
    client: Client,
    place: Place,
    numbers: Vec<u64>,
}

impl Follower {
    /// Follows until it has so many messages.
    async fn follow(&mut self, messages: usize) -> Result<(), ClientError> {
        let options = PullOptions { head: true, follow: true, ..PullOptions::default() };
        let mut pull = self.client.pull(self.stream, &self.place, options).await?;
        while self.numbers.len() < messages {
            let pulled = pull.next().await?.expect("the program runs");
            pulled.keep(&mut self.place);
            match pulled {
                Pulled::Messages { messages, .. } => {
                    let number = |payload: &[u8]| serde_json::from_slice::<u64>(payload).expect("a number");
                    self.numbers.extend(messages.iter().map(|message| number(&message.payload)));
                }
                gap => panic!("nothing is missing: {gap:?}"),
            }
        }
        Ok(())
    }

    /// The same by a connection that was cut and is asked again, which takes a moment.
    async fn follow_again(&mut self, messages: usize) {
        let began = Instant::now();
        while let Err(error) = self.follow(messages).await {
            assert!(error.is_disconnected() && began.elapsed() < SLACK, "{error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Nobody answers, and that is told in time.
async fn refused_by_silence(way: &Way) {
    let began = Instant::now();
    let (asked, deadline) = match way.connect().await {
        Err(error) => (Err(error), CONNECT_DEADLINE),
        Ok(client) => (client.session().await, 2 * KEEP_ALIVE), // TCP was taken, by the proxy
    };
    let error = asked.expect_err("nobody is there");
    assert!(error.is_disconnected() && began.elapsed() < deadline + SLACK, "{error}, after {:?}", began.elapsed());
}

async fn every_message_comes_once(running: Running, stream: &'static str, proxy: Proxy, way: Way) {
    let emitter = Emitter::start(running.telemetry().event(stream).expect("declared"));
    let client = way.connect().await.expect("connected");
    let mut follower = Follower { stream, client, place: Place::default(), numbers: Vec::new() };
    follower.follow(STRETCH).await.expect("no cut yet");

    proxy.set(Mode::Silent);
    let began = Instant::now();
    let (ended, ()) = tokio::join!(follower.follow(usize::MAX), refused_by_silence(&way));
    let error = ended.expect_err("the network is cut");
    assert!(error.is_disconnected(), "{error}");
    println!("{stream}: a silent cut was noticed by a follower and a new client after {:?}", began.elapsed());
    let missed = emitter.emitted.load(Ordering::Relaxed) as usize - follower.numbers.len();
    assert!(missed > STRETCH, "events went on: {missed}");

    proxy.set(Mode::Pass);
    let had = follower.numbers.len();
    follower.follow_again(had + missed + STRETCH).await; // by the client of before, too
    assert_eq!(follower.client.session().await.expect("an answer"), running.session().to_string());

    proxy.set(Mode::Closed);
    let began = Instant::now();
    let error = follower.follow(usize::MAX).await.expect_err("the connection is closed");
    assert!(error.is_disconnected() && began.elapsed() < SLACK, "{error}, after {:?}", began.elapsed());
    proxy.set(Mode::Pass);
    follower.client = way.connect().await.expect("connected");
    follower.follow(follower.numbers.len() + STRETCH).await.expect("healed");

    let all = emitter.end();
    tokio::time::timeout(DEADLINE, follower.follow(all as usize)).await.expect("they come").expect("healed");
    assert_eq!(follower.numbers, (0..all).collect::<Vec<_>>(), "nothing is lost, and nothing comes twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_over_tcp_has_every_message_once_through_cuts() {
    let running = start();
    let proxy = Proxy::start(running.local_addr().expect("it listens")).await;
    let way = Way::Tcp(proxy.addr.to_string());
    every_message_comes_once(running, "partition_tcp", proxy, way).await;
}

/// A swarm that serves, and the port that it listens on.
async fn listening(running: &Running) -> (Swarm<swarm::Behaviour>, u16) {
    let behaviour = swarm::Behaviour::new();
    running.serve_behaviour(&behaviour).expect("not served yet");
    let swarm = SwarmBuilder::with_existing_identity(Keypair::generate_ed25519()).with_tokio();
    let swarm = swarm.with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default).expect("noise keys");
    let Ok(swarm) = swarm.with_behaviour(|_| behaviour);
    let mut swarm = swarm.with_swarm_config(|config| config.with_idle_connection_timeout(DEADLINE)).build();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("it listens");
    let port = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address.iter().find_map(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None }).expect("a port");
        }
    };
    (swarm, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_over_libp2p_has_every_message_once_through_cuts() {
    let running = start();
    let (mut swarm, port) = listening(&running).await;
    let peer = *swarm.local_peer_id();
    tokio::spawn(async move { while swarm.next().await.is_some() {} });
    let proxy = Proxy::start(([127, 0, 0, 1], port).into()).await;
    let way = Way::Libp2p(format!("/ip4/127.0.0.1/tcp/{}/p2p/{peer}", proxy.addr.port()));
    every_message_comes_once(running, "partition_libp2p", proxy, way).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_dropped_leaves_no_connection_over_libp2p() {
    let running = start();
    let (mut swarm, port) = listening(&running).await;
    let address = format!("/ip4/127.0.0.1/tcp/{port}/p2p/{}", swarm.local_peer_id());
    let (closed, closing) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionClosed { .. }) {}
        let _the_test_failed = closed.send(());
        while swarm.next().await.is_some() {}
    });
    let client = Client::connect_libp2p(&address, None).await.expect("connected");
    client.session().await.expect("an answer");
    drop(client);
    tokio::time::timeout(CONNECT_DEADLINE + SLACK, closing).await.expect("it is closed").expect("no panic");
}
