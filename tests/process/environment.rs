//! The node under OpenTelemetry's environment variables: what they say holds, and its own flags win.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{http, node_program};

/// For the node to push, and to say what it pushes.
const DEADLINE: Duration = Duration::from_secs(30);

/// Ended with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _ended_already = self.0.wait();
    }
}

/// The next connection.
fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).expect("set");
    let end = Instant::now() + DEADLINE;
    loop {
        match listener.accept() {
            Ok((socket, _)) => {
                socket.set_nonblocking(false).expect("set");
                return socket;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < end => sleep(Duration::from_millis(10)),
            Err(error) => panic!("nobody pushes: {error}"),
        }
    }
}

#[test]
fn the_environment_names_the_collector_and_the_service_and_the_flag_for_the_interval_wins() {
    let collector = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", collector.local_addr().expect("it listens"));
    let mut command = Command::new(node_program());
    command.args(["--listen", "127.0.0.1:0", "--peers", "0", "--for", "1m", "--collect-every", "100ms"]);
    command.env("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", format!("{endpoint}/here"));
    command.env("OTEL_SERVICE_NAME", "named outside").env("OTEL_METRIC_EXPORT_INTERVAL", "3600000");
    let mut node = Ended(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the node starts"));
    let mut lines = BufReader::new(node.0.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let host = lines.find_map(|line| line.strip_prefix("telemetry: ").map(ToOwned::to_owned)).expect("it says where it serves");
    assert!(http(&host, "/metrics").contains("service_name=\"named outside\""));
    // One collection a second after the start is not for the interval; what comes behind it is.
    for _ in 0..3 {
        let mut socket = accept(&collector);
        socket.set_read_timeout(Some(DEADLINE)).expect("set");
        let mut head = vec![0; "POST /here HTTP/1.1".len()];
        socket.read_exact(&mut head).expect("a request");
        assert_eq!(String::from_utf8_lossy(&head), "POST /here HTTP/1.1");
        let mut rest = BufReader::new(socket.try_clone().expect("one more"));
        let mut length = 0;
        for line in rest.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
            let value = line.to_ascii_lowercase().strip_prefix("content-length: ").map(ToOwned::to_owned);
            length = value.map_or(length, |value| value.parse().expect("a number"));
        }
        let mut body = vec![0; length];
        rest.read_exact(&mut body).expect("the whole body");
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").expect("answered");
    }
}

#[test]
fn a_variable_that_cannot_be_read_is_an_error_that_names_it() {
    let output = Command::new(node_program()).env("OTEL_METRIC_EXPORT_INTERVAL", "soon").output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("OTEL_METRIC_EXPORT_INTERVAL is \"soon\": wanted milliseconds"), "{errors}");
}
