//! The same service over libp2p streams, between two swarms on this machine, and the bandwidth tests.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use telemetry_core::Event;
use telemetry_exporter::client::{Client, Place};
use telemetry_exporter::{DOWNLOAD_PROTOCOL, Policy, Running, StartError, UPLOAD_PROTOCOL};

use crate::support::{config, drain, messages, start};

fn swarm(keypair: Keypair) -> Swarm<libp2p_stream::Behaviour> {
    let swarm = SwarmBuilder::with_existing_identity(keypair).with_tokio();
    let swarm = swarm.with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default).expect("noise keys");
    let Ok(swarm) = swarm.with_behaviour(|_| libp2p_stream::Behaviour::new());
    swarm.with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60))).build()
}

/// Serves on a swarm that listens, and tells its address.
async fn serve(running: &Running) -> Multiaddr {
    let mut swarm = swarm(Keypair::generate_ed25519());
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("it listens");
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address;
        }
    };
    let address = address.with(Protocol::P2p(*swarm.local_peer_id()));
    running.serve_libp2p(swarm.behaviour().new_control()).expect("not served yet");
    let again = running.serve_libp2p(swarm.behaviour().new_control());
    assert!(matches!(again, Err(StartError::AlreadyServed("/telemetry/telemetry/0.5.0"))));
    tokio::spawn(async move { while swarm.next().await.is_some() {} });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_pulls_over_libp2p_what_it_would_over_tcp() {
    let running = start(config());
    let event: Event<u32> = running.telemetry().event("libp2p_events").expect("declared");
    (0..50).for_each(|i| event.emit(&i));
    let address = serve(&running).await;
    let client = Client::connect_libp2p(&address.to_string(), None).await.expect("connected");
    assert_eq!(client.session().await.expect("an answer"), running.session().to_string());
    let found = messages(drain(&client, "libp2p_events", &mut Place::default()).await);
    let texts: Vec<_> = found.iter().map(|message| String::from_utf8_lossy(&message.payload).into_owned()).collect();
    assert_eq!(texts, (0..50).map(|i| i.to_string()).collect::<Vec<_>>());
    assert!(client.call("libp2p_nope", "null").await.expect_err("no rpc").is_not_found());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restriction_lets_in_the_peers_on_the_list_and_no_others() {
    let (friend, stranger) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
    let mut config = config();
    config.access = Policy::peers([friend.public().to_peer_id().to_string()]);
    let running = start(config);
    let address = serve(&running).await.to_string();
    let client = Client::connect_libp2p(&address, Some(friend)).await.expect("connected");
    assert_eq!(client.session().await.expect("on the list"), running.session().to_string());
    let name = stranger.public().to_peer_id().to_string();
    let client = Client::connect_libp2p(&address, Some(stranger)).await.expect("connected");
    let error = client.session().await.expect_err("not on the list");
    assert_eq!(error.code(), Some(tonic::Code::PermissionDenied));
    assert!(error.to_string().contains(&name), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bandwidth_test_moves_its_payload_and_tells_a_rate_and_the_next_one_is_refused() {
    let running = start(config());
    let address = serve(&running).await;
    let Some(Protocol::P2p(server)) = address.iter().last() else { panic!("the address ends in the peer") };
    let mut swarm = swarm(Keypair::generate_ed25519());
    swarm.dial(address).expect("dialled");
    let mut control = swarm.behaviour().new_control();
    tokio::spawn(async move { while swarm.next().await.is_some() {} });
    let mut open = async |protocol: &'static str, size: u32| {
        let peer: PeerId = server;
        let mut stream =
            crate::support::until("a stream", async || control.open_stream(peer, StreamProtocol::new(protocol)).await.ok()).await;
        stream.write_all(&size.to_be_bytes()).await.expect("sent");
        stream
    };
    const SIZE: u32 = 1 << 20;
    let mut answer = Vec::new();
    open(UPLOAD_PROTOCOL, SIZE).await.read_to_end(&mut answer).await.expect("the payload and the rate");
    assert_eq!(answer.len(), SIZE as usize + 4);
    let rate = u32::from_be_bytes(answer[SIZE as usize..].try_into().expect("four bytes"));
    assert!(rate > 0);

    let mut stream = open(DOWNLOAD_PROTOCOL, SIZE).await;
    stream.write_all(&vec![7; SIZE as usize]).await.expect("sent");
    let mut rate = [0; 4];
    stream.read_exact(&mut rate).await.expect("the rate");
    assert!(u32::from_be_bytes(rate) > 0);

    for (protocol, size) in [(UPLOAD_PROTOCOL, SIZE), (DOWNLOAD_PROTOCOL, SIZE), (UPLOAD_PROTOCOL, u32::MAX)] {
        let mut answer = Vec::new();
        open(protocol, size).await.read_to_end(&mut answer).await.expect("a refusal");
        assert_eq!(answer, [0; 4], "too early, or too large");
    }
}

#[tokio::test]
async fn an_address_that_is_no_peer_says_what_is_wanted() {
    let error = Client::connect_libp2p("/ip4/127.0.0.1/tcp/1", None).await.map(|_| ()).expect_err("no peer").to_string();
    assert!(error.contains("does not end in /p2p/"), "{error}");
    let error = Client::connect_libp2p("nonsense", None).await.map(|_| ()).expect_err("no address").to_string();
    assert!(error.contains("\"nonsense\" is no address"), "{error}");
}
