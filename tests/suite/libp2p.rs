//! The same service over libp2p streams, between swarms on this machine, and the bandwidth tests.

use std::process::Command;
use std::time::Duration;

use futures::future::join_all;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use libp2p_stream::Control;
use telemetry_core::Event;
use telemetry_exporter::client::bandwidth::{self, BandwidthError};
use telemetry_exporter::client::{Client, Place};
use telemetry_exporter::limits::{BANDWIDTH_BYTES, BANDWIDTH_BYTES_MAX};
use telemetry_exporter::{Config, DOWNLOAD_PROTOCOL, Policy, Running, StartError, UPLOAD_PROTOCOL, swarm};

use crate::support::{config, drain, messages, start};

fn build<B: NetworkBehaviour>(keypair: Keypair, behaviour: B) -> Swarm<B> {
    let swarm = SwarmBuilder::with_existing_identity(keypair).with_tokio();
    let swarm = swarm.with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default).expect("noise keys");
    let Ok(swarm) = swarm.with_behaviour(|_| behaviour);
    swarm.with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60))).build()
}

/// Listens, and tells where; the swarm is driven from then on.
async fn listen<B: NetworkBehaviour + Send>(mut swarm: Swarm<B>, on: &str) -> Multiaddr
where
    <B as NetworkBehaviour>::ToSwarm: Send,
{
    swarm.listen_on(on.parse().expect("an address")).expect("it listens");
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address;
        }
    };
    let address = address.with(Protocol::P2p(*swarm.local_peer_id()));
    drive(swarm);
    address
}

fn drive<B: NetworkBehaviour + Send>(mut swarm: Swarm<B>)
where
    <B as NetworkBehaviour>::ToSwarm: Send,
{
    tokio::spawn(async move { while swarm.next().await.is_some() {} });
}

const LOOPBACK: &str = "/ip4/127.0.0.1/tcp/0";

/// Serves on a swarm that listens, and tells its address.
async fn serve(running: &Running) -> Multiaddr {
    serve_on(running, LOOPBACK).await
}

async fn serve_on(running: &Running, on: &str) -> Multiaddr {
    let behaviour = swarm::Behaviour::new();
    running.serve_behaviour(&behaviour).expect("not served yet");
    let again = running.serve_behaviour(&behaviour);
    assert!(matches!(again, Err(StartError::AlreadyServed("/telemetry/telemetry/0.5.0"))));
    listen(build(Keypair::generate_ed25519(), behaviour), on).await
}

fn peer(address: &Multiaddr) -> PeerId {
    let Some(Protocol::P2p(peer)) = address.iter().last() else { panic!("the address ends in the peer") };
    peer
}

/// A swarm that is connected there, as this peer.
async fn connected(address: &Multiaddr, keypair: Keypair) -> Control {
    let mut swarm = build(keypair, swarm::Behaviour::new());
    swarm.dial(address.clone()).expect("dialled");
    let control = swarm.behaviour().new_control();
    while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionEstablished { .. }) {}
    drive(swarm);
    control
}

/// Settings by which this peer is let in and no other.
fn only(peer: PeerId) -> Config {
    Config { access: Policy::peers([peer.to_string()]), ..config() }
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
async fn a_swarm_with_streams_of_its_own_serves_by_their_control() {
    let running = start(config());
    let behaviour = libp2p_stream::Behaviour::new();
    running.serve_libp2p(behaviour.new_control()).expect("not served yet");
    let again = running.serve_libp2p(behaviour.new_control());
    assert!(matches!(again, Err(StartError::AlreadyServed("/telemetry/telemetry/0.5.0"))));
    let address = listen(build(Keypair::generate_ed25519(), behaviour), LOOPBACK).await;
    let mut control = connected(&address, Keypair::generate_ed25519()).await;
    let client = Client::connect_over(control.clone(), peer(&address)).await.expect("connected");
    assert_eq!(client.session().await.expect("an answer"), running.session().to_string());
    bandwidth::upload(&mut control, peer(&address), 1 << 20).await.expect("rates");
    assert!(bandwidth::upload(&mut control, peer(&address), 1 << 20).await.is_err_and(|error| error.is_refused()));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_opened_all_at_once_are_all_served() {
    let mut config = config();
    config.limits.connections_per_client = config.limits.connections;
    let running = start(config);
    let address = serve(&running).await;
    let control = connected(&address, Keypair::generate_ed25519()).await;
    let asked = (0..32).map(|_| async {
        let client = Client::connect_over(control.clone(), peer(&address)).await.expect("connected");
        client.session().await.expect("an answer")
    });
    assert_eq!(join_all(asked).await, vec![running.session().to_string(); 32]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swarm_outlives_the_telemetry_that_it_served_and_serves_the_next() {
    let behaviour = swarm::Behaviour::new();
    let serve = || {
        let running = start(config());
        running.serve_behaviour(&behaviour).expect("not served");
        running
    };
    let stop = async |running: Running| {
        tokio::task::spawn_blocking(move || running.stop()).await.expect("no panic").expect("stopped");
    };
    let first = serve();
    stop(first).await;
    let second = serve();
    let session = second.session().to_string();
    let address = listen(build(Keypair::generate_ed25519(), behaviour), LOOPBACK).await;
    let control = connected(&address, Keypair::generate_ed25519()).await;
    let client = Client::connect_over(control.clone(), peer(&address)).await.expect("connected");
    assert_eq!(client.session().await.expect("an answer"), session);
    stop(second).await;
    let error = Client::connect_over(control, peer(&address)).await.map(|_| ()).expect_err("nobody serves").to_string();
    assert!(error.contains("does not support /telemetry/telemetry/0.5.0"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restriction_lets_in_the_peers_on_the_list_and_no_others() {
    let (friend, stranger) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
    let running = start(only(friend.public().to_peer_id()));
    let address = serve(&running).await;
    let client = Client::connect_libp2p(&address.to_string(), Some(friend.clone())).await.expect("connected");
    assert_eq!(client.session().await.expect("on the list"), running.session().to_string());
    let mut control = connected(&address, friend).await;
    bandwidth::upload(&mut control, peer(&address), 1 << 20).await.expect("on the list");

    let name = stranger.public().to_peer_id().to_string();
    let mut control = connected(&address, stranger).await;
    let client = Client::connect_over(control.clone(), peer(&address)).await.expect("connected");
    let error = client.session().await.expect_err("not on the list");
    assert_eq!(error.code(), Some(tonic::Code::PermissionDenied));
    assert!(error.to_string().contains(&name), "{error}");
    let upload = bandwidth::upload(&mut control, peer(&address), 1 << 20).await;
    let download = bandwidth::download(&mut control, peer(&address), 1 << 20).await;
    for tested in [upload, download] {
        let error = tested.expect_err("not on the list");
        assert!(matches!(error, BandwidthError::Broken(_)), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bandwidth_test_tells_a_rate_each_way_and_the_next_one_is_refused() {
    let running = start(config());
    let address = serve(&running).await;
    let server = peer(&address);
    let mut control = connected(&address, Keypair::generate_ed25519()).await;
    let upload = bandwidth::upload(&mut control, server, BANDWIDTH_BYTES).await.expect("rates");
    let download = bandwidth::download(&mut control, server, BANDWIDTH_BYTES).await.expect("rates");
    for rates in [upload, download] {
        let (server, client) = (rates.server_bytes_per_s, rates.client_bytes_per_s);
        assert!(rates.bytes == BANDWIDTH_BYTES && server > 0 && client > 0, "{rates:?}");
        assert!(server < 1000 * client && client < 1000 * server, "they are of one transfer: {rates:?}");
    }
    for bytes in [1, 4, 1 << 20, BANDWIDTH_BYTES_MAX] {
        let error = bandwidth::upload(&mut control, server, bytes).await.expect_err("too early");
        assert!(error.is_refused(), "{bytes}: {error}");
        let error = bandwidth::download(&mut control, server, bytes).await.expect_err("too early");
        assert!(error.is_refused(), "{bytes}: {error}");
    }
    // Another peer at the same address, which is not public.
    let mut control = connected(&address, Keypair::generate_ed25519()).await;
    assert_eq!(bandwidth::upload(&mut control, server, 1).await.expect("rates").bytes, 1);
    bandwidth::download(&mut control, server, 3).await.expect("rates");
    // The same peer at another swarm of the program.
    let keypair = Keypair::generate_ed25519();
    let other = serve(&running).await;
    bandwidth::upload(&mut connected(&address, keypair.clone()).await, server, 1).await.expect("rates");
    let again = bandwidth::upload(&mut connected(&other, keypair).await, peer(&other), 1).await;
    assert!(again.is_err_and(|error| error.is_refused()), "it is one program");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_is_too_large_or_none_is_refused_with_four_zeros() {
    let running = start(config());
    let address = serve(&running).await;
    let mut control = connected(&address, Keypair::generate_ed25519()).await;
    for size in [0, BANDWIDTH_BYTES_MAX + 1, u32::MAX] {
        let error = bandwidth::upload(&mut control, peer(&address), size).await.expect_err("no size");
        assert!(matches!(error, BandwidthError::Size(found) if found == size), "{error}");
        for protocol in [UPLOAD_PROTOCOL, DOWNLOAD_PROTOCOL] {
            let mut stream = control.open_stream(peer(&address), StreamProtocol::new(protocol)).await.expect("a stream");
            stream.write_all(&size.to_be_bytes()).await.expect("sent");
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.expect("a refusal");
            assert_eq!(answer, [0; 4]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_without_bandwidth_tests_offers_none() {
    let running = start(Config { bandwidth: false, ..config() });
    let address = serve(&running).await;
    let mut control = connected(&address, Keypair::generate_ed25519()).await;
    let error = bandwidth::upload(&mut control, peer(&address), 1).await.expect_err("no tests");
    assert!(matches!(error, BandwidthError::Open(..)) && error.to_string().contains("does not support"), "{error}");
}

/// Goes on in a network of its own, whose loopback has these addresses: true in that, and false where it has been or cannot be.
fn in_a_network(test: &str, addresses: &[&str]) -> bool {
    const INSIDE: &str = "TELEMETRY_TEST_NETWORK";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let added = addresses.iter().map(|address| format!(" && ip address add {address} dev lo")).collect::<String>();
    let network = |then: &str| {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", &format!("ip link set lo up{added} && {then}")]).env(INSIDE, "1");
        command
    };
    let skipped = match network("true").output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    };
    if let Some(why) = skipped {
        println!("skipped: {why}");
        return false;
    }
    let program = std::env::current_exe().expect("this program");
    let output =
        network("exec \"$0\" \"$@\"").arg(program).args(["--exact", test, "--nocapture"]).output().expect("it starts again");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    false
}

#[test]
fn peers_at_one_public_address_share_its_bandwidth_test() {
    // Where the destination is an address of this host, the source is the same.
    let addresses = ["203.0.113.7/32", "203.0.113.8/32", "2001:db8:1::7/128"];
    if !in_a_network("libp2p::peers_at_one_public_address_share_its_bandwidth_test", &addresses) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let running = start(config());
        let test = async |address: &Multiaddr| {
            let mut control = connected(address, Keypair::generate_ed25519()).await;
            bandwidth::upload(&mut control, peer(address), 1).await.map(|rates| rates.bytes).map_err(|error| error.is_refused())
        };
        let first = serve_on(&running, "/ip4/203.0.113.7/tcp/0").await;
        assert_eq!(test(&first).await, Ok(1));
        assert_eq!(test(&first).await, Err(true), "another peer at the same address");
        let second = serve_on(&running, "/ip4/203.0.113.8/tcp/0").await;
        assert_eq!(test(&second).await, Ok(1), "another address");
        let sixth = serve_on(&running, "/ip6/2001:db8:1::7/tcp/0").await;
        assert_eq!((test(&sixth).await, test(&sixth).await), (Ok(1), Err(true)));
    });
}

#[tokio::test]
async fn an_address_that_is_no_peer_says_what_is_wanted() {
    let error = Client::connect_libp2p("/ip4/127.0.0.1/tcp/1", None).await.map(|_| ()).expect_err("no peer").to_string();
    assert!(error.contains("does not end in /p2p/"), "{error}");
    let error = Client::connect_libp2p("nonsense", None).await.map(|_| ()).expect_err("no address").to_string();
    assert!(error.contains("\"nonsense\" is no address"), "{error}");
    let nobody = format!("/ip4/127.0.0.1/tcp/1/p2p/{}", PeerId::random());
    let error = Client::connect_libp2p(&nobody, None).await.map(|_| ()).expect_err("nobody").to_string();
    assert!(error.starts_with("cannot connect to /ip4/127.0.0.1/tcp/1/p2p/") && error.contains("refused"), "{error}");
}
