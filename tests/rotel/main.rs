//! Pushing through a real collector: rotel, with a receiver in Python behind it. It is killed for a while, and comes back.
//!
//! A program of its own, with few series: rotel sends again what a receiver does not take within its time.

#![allow(missing_docs)]

#[allow(dead_code)]
#[path = "../process/outside.rs"]
mod outside;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use telemetry_core::{Counter, Event, Labels, event, metric};
use telemetry_exporter::{Compression, Config, Protocol, Push, Running, Temporality};

use outside::{DEADLINE, installed, python, until};

#[derive(Labels)]
struct Test {
    test: &'static str,
}

/// .
#[metric(name = "rotel_pushed")]
static PUSHED: Counter<Test>;

/// .
#[event(name = "rotel_told")]
static TOLD: Event<Vec<u64>>;

/// A process that is ended by its handle.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _ended_already = self.0.wait();
    }
}

/// The receiver, and what it has received.
struct Receiver {
    _process: Process,
    port: u64,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    fn start() -> Self {
        let mut receive = Command::new(python());
        receive.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/python/receive.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = receive.spawn().expect("python runs");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let process = Process(child);
        let mut found = stdout.lines().map_while(Result::ok).map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
        let port = found.next().expect("a first line")["port"].as_u64().expect("a port");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        thread::spawn(move || found.for_each(|line| kept.lock().expect("no panic").push(line)));
        Self { _process: process, port, lines }
    }

    /// Start, time and value of the counter's points, by time.
    fn points(&self, test: &str) -> Vec<(u64, u64, u64)> {
        let lines = self.lines.lock().expect("no panic");
        let of_test = lines.iter().filter(|line| line["metric"] == "rotel_pushed" && line["labels"]["test"] == test);
        let number = |line: &Value, field: &str| line[field].as_u64().expect("a number");
        let mut points: Vec<_> = of_test.map(|line| (number(line, "start"), number(line, "time"), number(line, "value"))).collect();
        points.sort_by_key(|(_, time, _)| *time);
        points
    }
}

/// The collector at these addresses.
fn rotel(folder: &tempfile::TempDir, grpc: SocketAddr, http: SocketAddr, receiver: &Receiver) -> Process {
    let find = "import pathlib, rotel; print(pathlib.Path(rotel.__file__).parent / 'rotel-agent')";
    let found = Command::new(python()).args(["-c", find]).output().expect("python runs").stdout;
    let program = PathBuf::from(String::from_utf8(found).expect("text").trim());
    let mut rotel = Command::new(program);
    rotel.arg("start").args(["--otlp-grpc-endpoint", &grpc.to_string(), "--otlp-http-endpoint", &http.to_string()]);
    rotel.args(["--exporter", "otlp", "--otlp-exporter-endpoint", &format!("http://127.0.0.1:{}", receiver.port)]);
    rotel.arg("--pid-file").arg(folder.path().join("pid")).arg("--log-file").arg(folder.path().join("log"));
    rotel.args(["--batch-timeout", "50ms"]).stdout(Stdio::null()).stderr(Stdio::null());
    let process = Process(rotel.spawn().expect("rotel runs"));
    for addr in [grpc, http] {
        until(DEADLINE, || TcpStream::connect(addr).map_err(|error| format!("rotel at {addr}: {error}")));
    }
    process
}

/// Two addresses that are free.
fn free() -> [SocketAddr; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("bound"))
}

fn is_here() -> bool {
    let modules = "import grpc, rotel, opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc";
    installed(&python(), &["-c", modules], "pip install grpcio opentelemetry-proto rotel, or set TELEMETRY_PYTHON")
}

fn collect(running: &Running, test: &'static str, times: u64) {
    for _ in 0..times {
        PUSHED.with(Test { test }).inc();
        running.telemetry().force_flush().expect("collected");
    }
}

fn appended(running: &Running) -> usize {
    running.streams().metrics().log.state().appended as usize
}

/// Pushes through an outage; what was received at the end, and how many messages the stream took.
fn through_an_outage(receiver: &Receiver, test: &'static str, settings: Push) -> (Vec<(u64, u64, u64)>, usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let [grpc, http] = free();
    let collector = rotel(&folder, grpc, http, receiver);
    let addr = if settings.protocol == Protocol::Grpc { grpc } else { http };
    let push = Push { endpoint: format!("http://{addr}"), compression: Compression::Gzip, ..settings };
    let collect_every = Duration::from_secs(3_600); // beside the one after a second
    PUSHED.with(Test { test }).inc();
    let config = Config { listen: None, collect_every, push: vec![push], ..Config::default() };
    let running = telemetry_exporter::start(config).expect("it starts");
    TOLD.emit(&vec![7, 8]); // behind the start: what is before goes to whichever telemetry is first
    let all_received = |running: &Running| {
        until(DEADLINE, || {
            let (received, appended) = (receiver.points(test).len(), appended(running));
            if received >= appended { Ok(()) } else { Err(format!("{received} of {appended} received")) }
        });
    };
    collect(&running, test, 5);
    all_received(&running); // the collector owes nothing when it is killed
    drop(collector);
    collect(&running, test, 5);
    until(DEADLINE, || {
        let states = running.push_state();
        if states.iter().any(|state| state.failures > 0) { Ok(()) } else { Err(format!("a failure: {states:?}")) }
    });
    let _collector = rotel(&folder, grpc, http, receiver);
    collect(&running, test, 5);
    all_received(&running);
    PUSHED.with(Test { test }).inc();
    let streams = Arc::clone(running.streams());
    running.stop().expect("the last collection is taken too");
    let appended = streams.metrics().log.state().appended as usize;
    until(DEADLINE, || {
        let received = receiver.points(test).len();
        if received >= appended { Ok(()) } else { Err(format!("{received} of {appended} received")) }
    });
    (receiver.points(test), appended)
}

#[test]
fn no_value_is_lost_or_counted_twice_while_the_collector_is_killed_over_grpc_and_http() {
    if !is_here() {
        return;
    }
    for (test, protocol) in [("grpc", Protocol::Grpc), ("http", Protocol::HttpProtobuf)] {
        let receiver = Receiver::start();
        let (points, appended) = through_an_outage(&receiver, test, Push { protocol, ..Push::default() });
        assert_eq!(points.len(), appended, "{test}: one point of each collection");
        assert!(points.windows(2).all(|pair| pair[0].1 < pair[1].1), "{test}: no time twice: {points:?}");
        let mut values: Vec<u64> = points.iter().map(|(_, _, value)| *value).collect();
        assert!(values.is_sorted(), "{test}: {values:?}");
        values.dedup(); // the collection after a second may have found nothing new
        assert_eq!(values.last(), Some(&17));
        assert!(values.windows(2).all(|pair| pair[1] == pair[0] + 1), "{test}: {values:?}");
        let told = || {
            let lines = receiver.lines.lock().expect("no panic");
            lines.iter().filter(|line| line["event"] == "rotel_told").cloned().collect::<Vec<_>>()
        };
        let told = until(DEADLINE, || Some(told()).filter(|told| !told.is_empty()).ok_or_else(|| "the event".to_owned()));
        assert_eq!(told[0]["body"], serde_json::json!([7, 8]));
        assert_eq!(told[0]["scope"], "tests");
        assert!(told[0]["resource"].get("service.name").is_some(), "{}", told[0]);
    }
}

#[test]
fn deltas_sum_up_to_the_final_value_although_the_collector_was_killed() {
    if !is_here() {
        return;
    }
    let (receiver, test) = (Receiver::start(), "delta");
    let settings = Push { protocol: Protocol::Grpc, temporality: Temporality::Delta, ..Push::default() };
    let (points, appended) = through_an_outage(&receiver, test, settings);
    assert_eq!(points.len(), appended);
    assert_eq!(points.iter().map(|(_, _, value)| value).sum::<u64>(), 17, "{points:?}");
    assert!(points.windows(2).all(|pair| pair[0].1 == pair[1].0), "each begins where the last ended: {points:?}");
    assert!(points.iter().filter(|(_, _, value)| *value > 1).count() <= 1, "no collection is joined with another: {points:?}");
}
