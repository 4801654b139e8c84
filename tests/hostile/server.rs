//! A server in a process of its own, and what the system and the server itself tell of it.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::honest::HONEST;
use crate::raw::From;
use crate::target::{Certificate, Target};

/// What the allocator of glibc is told, other allocators do not know it: memory from so many bytes on goes back to the system at once, so that what the
/// system tells is what the server holds, and little that is free between. Of smaller blocks it keeps those that are free: the first attack of 512 requests
/// that are all but whole left 9 MiB of them, a second 3 MiB more, a third none. So what an attack leaves is told by the server, which counts what it holds.
const ALLOCATOR: [(&str, &str); 2] = [("MALLOC_MMAP_THRESHOLD_", "32768"), ("MALLOC_ARENA_MAX", "1")];

/// What the server tells of itself.
pub struct Told {
    /// What it refused and ended, by `refused` or `ended` and the cause.
    pub counters: HashMap<String, u64>,
    /// Bytes that it holds of its allocator.
    pub live: u64,
}

pub struct Server {
    child: Child,
    pub target: Target,
}

impl Server {
    /// With these settings in place of the default ones, and TLS where there is a certificate.
    pub fn start(settings: &[String], certificate: Option<&Certificate>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostile_server"));
        command
            .args(settings)
            .args(certificate.map(Certificate::settings).into_iter().flatten())
            .envs(ALLOCATOR)
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("it says where it is");
        let addr: SocketAddr = line.trim().parse().unwrap_or_else(|_| panic!("no address: {line:?}"));
        Self { child, target: Target::new(addr, certificate) }
    }

    /// Bytes of memory that are its own.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("the system tells it");
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).expect("a number") << 10
    }

    /// File descriptors that it has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs").count()
    }

    /// What it tells now.
    pub async fn told(&self) -> Told {
        let mut stream = self.target.connect(From::address(HONEST)).await.expect("it is served");
        let request = "GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("an answer");
        assert!(text.starts_with("HTTP/1.1 200"), "{}", text.lines().next().unwrap_or_default());
        let told = |line: &str| {
            let name = line.strip_prefix("telemetry_requests_refused").or(line.strip_prefix("telemetry_connections_ended"))?;
            let (_, labels) = name.split_once("cause=\"")?;
            let (cause, _) = labels.split_once('"')?;
            let value = line.rsplit_once(' ')?.1.parse::<f64>().ok()? as u64;
            let kind = if line.starts_with("telemetry_requests") { "refused" } else { "ended" };
            Some((format!("{kind} {cause}"), value))
        };
        let live = text.lines().find_map(|line| line.strip_prefix("hostile_live_bytes")).and_then(|line| line.rsplit_once(' '));
        let live = live.and_then(|(_, bytes)| bytes.parse::<f64>().ok()).expect("it tells") as u64;
        Told { counters: text.lines().filter_map(told).collect(), live }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _it_has_ended = self.child.kill();
        let _it_is_gone = self.child.wait();
    }
}
