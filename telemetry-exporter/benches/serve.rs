//! How fast a stream is pulled, and how many small calls one connection makes, beside what carries them.
//!
//! A program that serves, and one that asks, over the loopback of this machine. One line a case, tab-separated: the case, the best and the
//! median of the rounds, in MiB of frames or in calls a second, the best in percent of its floor's, and the processor time of all of the server's
//! threads, in milliseconds a MiB or in microseconds a call, the least of the rounds. The rounds are interleaved. `--rounds N` and `--only case` choose.
//!
//! - `window`, `long`, `metrics`: an event's stream of 8 MiB, 32 times; one of 256 MiB, once; and the metrics stream, about 300 MiB of it
//!   as OTLP. Pulled by [`Client`], which makes messages of the frames.
//! - `call/N`: `GetSession` on one connection, so many in flight. The server takes 8 at most, as it does of any client.
//! - `tcp/bytes`, `libp2p/bytes`: 256 MiB written to a socket, and to a libp2p stream (noise, yamux), and read.
//! - `stalled/long`, `stalled/metrics`, `stalled/tonic`: what a pull costs of whose answers the client reads only the first, with the windows that
//!   HTTP/2 has by default: KiB of the server's resident memory a reader, of so many on connections of 8, which come with it. In a server of its own,
//!   once. The third is `stalled/long` from tonic's own server, and so what HTTP/2 holds.
//! - `tonic/long`, `tonic/metrics`, `tonic/call/N`: the same answers, made before, from tonic's own server with its defaults, on one thread too.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use telemetry_core::collect::Collector;
use telemetry_core::{Counter, Event, Labels, Registry, event, metric};
use telemetry_exporter::client::{Client, Place, PullOptions, Pulled};
use telemetry_exporter::limits::{MESSAGE_BYTES_MAX, METRICS_READERS_MAX};
use telemetry_exporter::otlp::Encoder;
use telemetry_exporter::pb;
use telemetry_exporter::pb::telemetry_client::TelemetryClient;
use telemetry_exporter::pb::telemetry_server::{Telemetry, TelemetryServer};
use telemetry_exporter::stream::{FRAME_HEAD_BYTES, Lanes, StreamBounds};
use telemetry_exporter::{Config, Running, start};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};

const MIB: u64 = 1 << 20;
const LONG: u64 = 256 * MIB;
const RAW: StreamProtocol = StreamProtocol::new("/telemetry-bench/bytes");

/// A line of text.
#[event(name = "bench_window")]
static WINDOW: Event<String>;

/// A line of text.
#[event(name = "bench_long")]
static LONG_ONE: Event<String>;

#[derive(Clone, Copy, Labels)]
struct Call {
    code: u32,
}

/// Requests answered.
#[metric(name = "bench_requests", unit = "{request}", max_series = 2000)]
static REQUESTS: Counter<Call>;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (mut rounds, mut only) = (7, String::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rounds" => rounds = arguments.next().and_then(|rounds| rounds.parse().ok()).ok_or("--rounds NUMBER")?,
            "--only" => only = arguments.next().ok_or("--only CASE")?,
            "--serve" => return serve(),
            _ => {}
        }
    }
    measure(rounds, &only)
}

/// Processor time of this process so far, in nanoseconds.
fn processor_ns() -> u128 {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from).unwrap_or_default().as_nanos()
}

/// Resident memory of this process, in bytes, where the system tells it so.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok().and_then(|all| all.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or_default() * 4_096
}

// The program that serves.

/// Serves until its input ends; tells its addresses, and for each line of the input its processor time and resident memory.
fn serve() -> Result<(), Failure> {
    let running = fill()?;
    let host = tokio::runtime::Runtime::new()?;
    let peer = host.block_on(serve_libp2p(&running))?;
    let addr = running.local_addr().ok_or("it listens")?;
    let bare = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let bare_addr = bare.block_on(serve_bare(addr))?;
    let raw = TcpListener::bind("127.0.0.1:0")?;
    let raw_addr = raw.local_addr()?;
    std::thread::spawn(move || raw.incoming().flatten().for_each(|socket| drop(write_raw(socket))));
    println!("{addr} {peer} {bare_addr} {raw_addr}");
    for line in std::io::stdin().lock().lines() {
        line?;
        println!("{} {}", processor_ns(), resident_bytes());
    }
    Ok(())
}

fn fill() -> Result<Running, Failure> {
    let mut config = Config { listen: Some("127.0.0.1:0".parse()?), global: false, ..Config::default() };
    config.collect_every = Duration::from_secs(3_600);
    config.access.insecure_public = true; // over libp2p, on loopback
    // What is measured is what one client may not have by default.
    config.limits.requests_per_second = u32::MAX;
    config.limits.connections_per_client = config.limits.connections;
    config.limits.metrics_readers_per_client = config.limits.metrics_readers;
    config.limits.held_bytes = 1 << 30;
    config.limits.progress_deadline = Duration::from_secs(3_600);
    config.bounds.bytes_max = 1 << 30;
    let of = |bytes_max| StreamBounds { bytes_max: Some(bytes_max), ..StreamBounds::default() };
    config.bounds.of("bench_long", of((LONG + 4 * MIB) as usize)).of("metrics", of(64 << 20));
    let running = start(config)?;
    let line = "a line of a usual length, ".repeat(8);
    let frame_bytes = (FRAME_HEAD_BYTES + line.len() + 2) as u64;
    (0..8 * MIB / frame_bytes).for_each(|_| WINDOW.emit(&line));
    (0..LONG / frame_bytes).for_each(|_| LONG_ONE.emit(&line));
    let registry = Registry::new();
    let mut collector = Collector::of(&registry, |entry| entry.name() == "bench_requests");
    let (mut encoder, mut lanes) = (Encoder::new(MESSAGE_BYTES_MAX), Lanes::default());
    let mut dice = 7_u64;
    for _ in 0..3_600 {
        for code in 0..1_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = dice >> 33;
            if number % 10 < 3 {
                REQUESTS.with(Call { code }).add(1 + number / 10 % 100);
            }
        }
        let frame = collector.collect(Duration::from_secs(1));
        let messages = encoder.encode(frame, ResourceMetrics::default());
        running.streams().append_metrics(&mut lanes, frame.time_ns(), messages).map_err(|_| "a message is too large")?;
    }
    Ok(running)
}

fn swarm() -> Result<Swarm<libp2p_stream::Behaviour>, Failure> {
    let swarm = SwarmBuilder::with_new_identity().with_tokio();
    let swarm = swarm.with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?;
    let Ok(swarm) = swarm.with_behaviour(|_| libp2p_stream::Behaviour::new());
    Ok(swarm.with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600))).build())
}

async fn serve_libp2p(running: &Running) -> Result<Multiaddr, Failure> {
    let mut swarm = swarm()?;
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address;
        }
    };
    let mut control = swarm.behaviour().new_control();
    running.serve_libp2p(control.clone())?;
    let mut raw = control.accept(RAW)?;
    tokio::spawn(async move {
        while let Some((_, mut stream)) = raw.next().await {
            tokio::spawn(async move {
                let bytes = vec![7; 64 << 10];
                for _ in 0..LONG / bytes.len() as u64 {
                    stream.write_all(&bytes).await?;
                }
                stream.close().await
            });
        }
    });
    let address = address.with(Protocol::P2p(*swarm.local_peer_id()));
    tokio::spawn(async move { while swarm.next().await.is_some() {} });
    Ok(address)
}

fn write_raw(mut socket: TcpStream) -> std::io::Result<()> {
    let bytes = vec![7; 64 << 10];
    (0..LONG / bytes.len() as u64).try_for_each(|_| socket.write_all(&bytes))
}

/// What the service answered, from a server that has it ready.
struct Bare {
    session: pb::GetSessionResponse,
    long: Arc<Vec<pb::PullResponse>>,
    metrics: Arc<Vec<pb::PullResponse>>,
}

async fn serve_bare(of: SocketAddr) -> Result<SocketAddr, Failure> {
    let channel = Endpoint::from_shared(format!("http://{of}"))?.connect().await?;
    let mut client = TelemetryClient::new(channel);
    let mut all = Vec::new();
    for stream in ["bench_long", "metrics"] {
        let request = pb::PullRequest { stream: stream.to_owned(), head: true, ..pb::PullRequest::default() };
        let mut answers = client.pull(request).await?.into_inner();
        let mut held = Vec::new();
        while let Some(answer) = answers.message().await? {
            held.push(answer);
        }
        all.push(Arc::new(held));
    }
    let session = client.get_session(pb::GetSessionRequest {}).await?.into_inner();
    let [long, metrics] = all.try_into().map_err(|_| "two streams")?;
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?.with_nodelay(Some(true));
    let addr = incoming.local_addr()?;
    let service = TelemetryServer::new(Bare { session, long, metrics });
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
    Ok(addr)
}

fn none<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("it is there to be measured"))
}

#[tonic::async_trait]
impl Telemetry for Bare {
    type GetPropertiesStream = tokio_stream::Empty<Result<pb::Property, Status>>;
    type GetStreamStream = tokio_stream::Empty<Result<pb::StreamSegment, Status>>;
    type LeaseStream = tokio_stream::Empty<Result<pb::LeaseResponse, Status>>;
    type PullStream = futures::stream::BoxStream<'static, Result<pb::PullResponse, Status>>;

    async fn get_session(&self, _: Request<pb::GetSessionRequest>) -> Result<Response<pb::GetSessionResponse>, Status> {
        Ok(Response::new(self.session.clone()))
    }

    async fn pull(&self, request: Request<pb::PullRequest>) -> Result<Response<Self::PullStream>, Status> {
        let held = Arc::clone(if request.get_ref().stream == "metrics" { &self.metrics } else { &self.long });
        let answers = (0..held.len()).map(move |n| Ok(held[n].clone()));
        Ok(Response::new(futures::stream::iter(answers).boxed()))
    }

    async fn get_properties(&self, _: Request<pb::GetPropertiesRequest>) -> Result<Response<Self::GetPropertiesStream>, Status> {
        none()
    }

    async fn get_stream_descriptors(
        &self,
        _: Request<pb::GetStreamDescriptorsRequest>,
    ) -> Result<Response<pb::GetStreamDescriptorsResponse>, Status> {
        none()
    }

    async fn get_stream(&self, _: Request<pb::GetStreamRequest>) -> Result<Response<Self::GetStreamStream>, Status> {
        none()
    }

    async fn get_catalogue(&self, _: Request<pb::GetCatalogueRequest>) -> Result<Response<pb::GetCatalogueResponse>, Status> {
        none()
    }

    async fn call(&self, _: Request<pb::CallRequest>) -> Result<Response<pb::CallResponse>, Status> {
        none()
    }

    async fn lease(&self, _: Request<pb::LeaseRequest>) -> Result<Response<Self::LeaseStream>, Status> {
        none()
    }
}

// The program that asks.

/// A case under way: what it moved, in MiB or in calls, and how long that took.
struct Case {
    name: &'static str,
    floor: Option<&'static str>,
    a_second: Vec<f64>,
    processor: Vec<f64>,
}

struct Served {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Served {
    /// One, and its addresses: of the service over TCP and libp2p, of tonic's server, of the socket.
    fn start() -> Result<(Self, [String; 4]), Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg("--serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take().ok_or("piped")?, BufReader::new(child.stdout.take().ok_or("piped")?));
        let mut served = Self { child, input, output };
        let mut line = String::new();
        served.output.read_line(&mut line)?;
        let addresses: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        Ok((served, addresses.try_into().map_err(|_| "wanted four addresses")?))
    }

    /// Its processor time in nanoseconds, and its resident bytes.
    fn used(&mut self) -> Result<(u128, u64), Failure> {
        writeln!(self.input)?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let (processor_ns, bytes) = line.trim().split_once(' ').ok_or("wanted two numbers")?;
        Ok((processor_ns.parse()?, bytes.parse()?))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _it_has_ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn measure(rounds: usize, only: &str) -> Result<(), Failure> {
    let (mut served, [addr, peer, bare, raw]) = Served::start()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let to = Asked {
        tcp: runtime.block_on(Client::connect(&addr))?,
        libp2p: runtime.block_on(Client::connect_libp2p(&peer, None))?,
        bare: runtime.block_on(Client::connect(&bare))?,
        control: runtime.block_on(control(peer.parse()?))?,
        peer: peer.parse()?,
        raw: raw.parse()?,
    };
    let case = |name, floor| Case { name, floor, a_second: Vec::new(), processor: Vec::new() };
    let mut cases = [
        case("tcp/bytes", None),
        case("tonic/long", None),
        case("tcp/long", Some("tonic/long")),
        case("tcp/window", Some("tonic/long")),
        case("tonic/metrics", None),
        case("tcp/metrics", Some("tonic/metrics")),
        case("libp2p/bytes", None),
        case("libp2p/long", Some("libp2p/bytes")),
        case("libp2p/metrics", Some("libp2p/bytes")),
        case("tonic/call/1", None),
        case("tcp/call/1", Some("tonic/call/1")),
        case("tonic/call/8", None),
        case("tcp/call/8", Some("tonic/call/8")),
        case("libp2p/call/8", Some("tonic/call/8")),
    ];
    for _ in 0..=rounds {
        for case in cases.iter_mut().filter(|case| case.name.contains(only)) {
            let (before, _) = served.used()?;
            let began = Instant::now();
            let moved = runtime.block_on(to.run(case.name))?;
            let took = began.elapsed();
            let processor = served.used()?.0 - before;
            case.a_second.push(moved / took.as_secs_f64());
            case.processor.push(processor as f64 / moved / if case.name.contains("call") { 1e3 } else { 1e6 });
        }
    }
    println!("case\tbest\tmedian\tof its floor\tserver's CPU");
    let best = |name: &str| {
        let case = cases.iter().find(|case| case.name == name)?;
        case.a_second.iter().skip(1).copied().reduce(f64::max) // the first is for warmth
    };
    for case in cases.iter().filter(|case| !case.a_second.is_empty()) {
        let mut all = case.a_second[1..].to_vec();
        all.sort_unstable_by(f64::total_cmp);
        let (most, median) = (all.last().copied().unwrap_or_default(), all.get(all.len() / 2).copied().unwrap_or_default());
        let floor = case.floor.and_then(best).map_or_else(|| "-".to_owned(), |floor| format!("{:.0} %", 100.0 * most / floor));
        let processor = case.processor[1..].iter().copied().fold(f64::MAX, f64::min);
        println!("{}\t{most:.0}\t{median:.0}\t{floor}\t{processor:.3}", case.name);
    }
    drop((to, served));
    for (name, readers) in [("stalled/tonic", 400), ("stalled/long", 400), ("stalled/metrics", METRICS_READERS_MAX)] {
        if name.contains(only) {
            println!("{name}\t{:.0} KiB of {readers}", runtime.block_on(stall(name, readers))?);
        }
    }
    Ok(())
}

/// KiB of memory a reader, of so many that stall.
async fn stall(case: &str, readers: usize) -> Result<f64, Failure> {
    let (mut served, [addr, _, bare, _]) = Served::start()?;
    let of = if case.ends_with("tonic") { bare } else { addr };
    let stream = if case.ends_with("metrics") { "metrics" } else { "bench_long" };
    let (_, before) = served.used()?;
    let mut held = Vec::new();
    for _ in 0..readers.div_ceil(8) {
        let endpoint = Endpoint::from_shared(format!("http://{of}"))?;
        let endpoint = endpoint.initial_stream_window_size(65_535).initial_connection_window_size(65_535 * 9);
        let mut client = TelemetryClient::new(endpoint.connect().await?);
        for _ in 0..8.min(readers - held.len()) {
            let request = pb::PullRequest { stream: stream.to_owned(), head: true, ..pb::PullRequest::default() };
            let mut answers = client.pull(request).await?.into_inner();
            answers.message().await?.ok_or("an answer")?;
            held.push(answers);
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await; // until what may be sent is sent
    Ok((served.used()?.1.saturating_sub(before)) as f64 / 1024.0 / readers as f64)
}

async fn control(peer: Multiaddr) -> Result<libp2p_stream::Control, Failure> {
    let mut swarm = swarm()?;
    swarm.dial(peer)?;
    let control = swarm.behaviour().new_control();
    while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionEstablished { .. }) {}
    tokio::spawn(async move { while swarm.next().await.is_some() {} });
    Ok(control)
}

/// Where everything is asked.
struct Asked {
    tcp: Client,
    libp2p: Client,
    bare: Client,
    control: libp2p_stream::Control,
    peer: Multiaddr,
    raw: SocketAddr,
}

const CALLS: usize = 4_000;

impl Asked {
    /// How much was moved, in MiB or in calls.
    async fn run(&self, case: &str) -> Result<f64, Failure> {
        let mut parts = case.split('/');
        let client = match parts.next() {
            Some("tonic") => &self.bare,
            Some("libp2p") => &self.libp2p,
            _ => &self.tcp,
        };
        match (parts.next(), parts.next()) {
            (Some("bytes"), _) if case.starts_with("libp2p") => self.bytes_over_libp2p().await,
            (Some("bytes"), _) => Ok(bytes_over_tcp(self.raw)?),
            (Some("window"), _) => {
                let mut moved = 0.0;
                for _ in 0..32 {
                    moved += pull(client.clone(), "bench_window").await?;
                }
                Ok(moved)
            }
            (Some("long"), _) => pull(client.clone(), "bench_long").await,
            (Some("metrics"), _) => pull(client.clone(), "metrics").await,
            (_, Some(in_flight)) => {
                let in_flight = in_flight.parse()?;
                let callers = (0..in_flight).map(|_| call(client.clone(), CALLS / in_flight));
                futures::future::try_join_all(callers).await?;
                Ok(CALLS as f64)
            }
            _ => Err(format!("{case} is no case").into()),
        }
    }

    async fn bytes_over_libp2p(&self) -> Result<f64, Failure> {
        let Some(Protocol::P2p(peer)) = self.peer.iter().last() else { return Err("an address with a peer".into()) };
        let mut stream = self.control.clone().open_stream(peer, RAW).await?;
        let (mut bytes, mut read) = (vec![0; 256 << 10], 0);
        loop {
            match stream.read(&mut bytes).await? {
                0 => return Ok(read as f64 / MIB as f64),
                some => read += some,
            }
        }
    }
}

fn bytes_over_tcp(raw: SocketAddr) -> std::io::Result<f64> {
    let mut socket = TcpStream::connect(raw)?;
    let (mut bytes, mut read) = (vec![0; 256 << 10], 0);
    loop {
        match socket.read(&mut bytes)? {
            0 => return Ok(read as f64 / MIB as f64),
            some => read += some,
        }
    }
}

/// Pulls all of a stream, in MiB of frames.
async fn pull(client: Client, stream: &str) -> Result<f64, Failure> {
    let options = PullOptions { head: true, ..PullOptions::default() };
    let mut pull = client.pull(stream, &Place::default(), options).await?;
    let mut bytes = 0;
    while let Some(pulled) = pull.next().await? {
        let Pulled::Messages { messages, .. } = pulled else { return Err("a gap".into()) };
        bytes += messages.iter().map(|message| FRAME_HEAD_BYTES + message.payload.len()).sum::<usize>();
    }
    Ok(bytes as f64 / MIB as f64)
}

async fn call(client: Client, calls: usize) -> Result<(), Failure> {
    for _ in 0..calls {
        client.session().await?;
    }
    Ok(())
}
