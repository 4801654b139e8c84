//! Traces the route to a connected peer, from time to time.
//!
//! The system's `traceroute` or `tracepath` does it; where neither is installed the node says so and the stream stays empty.
//! Invariant: one trace runs at a time, for at most [`TRACE_TIME_MAX`].

use std::net::IpAddr;
use std::process::Stdio;
use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use schemars::JsonSchema;
use serde::Serialize;
use telemetry_core::{Event, event};
use tokio::process::Command;
use tokio::time::timeout;

use crate::network::connections::Connections;

/// A traceroute to a connected peer: each hop's address and round-trip time.
#[event(name = "libp2p_misc_traceroute")]
static TRACEROUTES: Event<Traceroute>;

const FIRST_AFTER: Duration = Duration::from_secs(3);
const TRACE_EVERY: Duration = Duration::from_secs(10);
const TRACE_TIME_MAX: Duration = Duration::from_secs(30);
const HOPS_MAX: u8 = 30;

#[derive(Debug, JsonSchema, Serialize)]
struct Traceroute {
    peer: String,
    address: IpAddr,
    /// `traceroute` or `tracepath`.
    program: &'static str,
    hops: Vec<Hop>,
}

/// One step of the route. Without an address, nothing answered there.
#[derive(Debug, PartialEq, JsonSchema, Serialize)]
struct Hop {
    ttl: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_ms: Option<f64>,
}

/// Traces the connected peers, one after the other, for ever.
pub async fn run(connections: Connections) {
    let Some(program) = installed().await else {
        eprintln!("ipfs-node: neither traceroute nor tracepath is installed: libp2p_misc_traceroute stays empty");
        return std::future::pending().await;
    };
    tokio::time::sleep(FIRST_AFTER).await;
    for turn in 0.. {
        let targets = targets(&connections);
        if !targets.is_empty() {
            let (peer, address) = targets[turn % targets.len()];
            let hops = trace_with(program, address).await;
            if !hops.is_empty() {
                TRACEROUTES.emit(&Traceroute { peer: peer.to_string(), address, program, hops });
            }
        }
        tokio::time::sleep(TRACE_EVERY).await;
    }
}

fn targets(connections: &Connections) -> Vec<(PeerId, IpAddr)> {
    let open = connections.addresses().into_iter();
    open.filter_map(|(peer, address)| Some((peer, ip_of(&address)?))).collect()
}

fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

async fn installed() -> Option<&'static str> {
    for program in ["traceroute", "tracepath"] {
        let mut command = Command::new(program);
        command.arg("-V").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        if timeout(TRACE_TIME_MAX, command.status()).await.is_ok_and(|status| status.is_ok()) {
            return Some(program);
        }
    }
    None
}

async fn trace_with(program: &str, address: IpAddr) -> Vec<Hop> {
    let mut command = Command::new(program);
    command.args(["-n", "-m", &HOPS_MAX.to_string(), &address.to_string()]).stdin(Stdio::null()).kill_on_drop(true);
    match timeout(TRACE_TIME_MAX, command.output()).await {
        Ok(Ok(output)) => parse(&String::from_utf8_lossy(&output.stdout)),
        _ => Vec::new(),
    }
}

/// Reads the hops out of what `traceroute -n` or `tracepath -n` prints; other lines are skipped. Of several answers to
/// one time to live, the first with an address counts.
fn parse(output: &str) -> Vec<Hop> {
    let mut hops: Vec<Hop> = Vec::new();
    for line in output.lines() {
        let Some(hop) = parse_line(line) else {
            continue;
        };
        match hops.iter_mut().find(|known| known.ttl == hop.ttl) {
            None => hops.push(hop),
            Some(known) if known.address.is_none() => *known = hop,
            Some(_) => {}
        }
    }
    hops
}

/// `traceroute`: ` 2  10.0.0.1  0.431 ms  0.402 ms *`, ` 3  * * *`.
/// `tracepath`: ` 2:  10.0.0.1   0.431ms reached`, ` 1?: [LOCALHOST]  pmtu 65535`, ` 3:  no reply`.
fn parse_line(line: &str) -> Option<Hop> {
    let mut words = line.split_whitespace();
    let ttl = words.next()?;
    if ttl.ends_with("?:") {
        return None;
    }
    let ttl = ttl.trim_end_matches(':').parse().ok()?;
    let words: Vec<&str> = words.collect();
    let address = words.iter().find_map(|word| word.parse::<IpAddr>().ok());
    let rtt_ms = words.iter().enumerate().find_map(|(idx, word)| {
        let joined = word.strip_suffix("ms").and_then(|n| n.parse().ok());
        let apart = || (*words.get(idx + 1)? == "ms").then(|| word.parse().ok())?;
        joined.or_else(apart)
    });
    Some(Hop { ttl, address: address.map(|ip| ip.to_string()), rtt_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(ttl: u8, address: Option<&str>, rtt_ms: Option<f64>) -> Hop {
        let address = address.map(str::to_owned);
        Hop { ttl, address, rtt_ms }
    }

    #[test]
    fn traceroute_prints_hops_with_three_times_each() {
        let output = "traceroute to 192.0.2.9 (192.0.2.9), 30 hops max, 60 byte packets\n \
                      1  10.0.0.1  0.431 ms  0.402 ms  0.398 ms\n \
                      2  * * *\n \
                      3  * 192.0.2.9  8.125 ms !X *\n";
        let wanted = [hop(1, Some("10.0.0.1"), Some(0.431)), hop(2, None, None), hop(3, Some("192.0.2.9"), Some(8.125))];
        assert_eq!(parse(output), wanted);
    }

    #[test]
    fn tracepath_prints_hops_between_remarks() {
        let output = " 1?: [LOCALHOST]                      pmtu 1500\n \
                      1:  10.0.0.1                                              0.431ms \n \
                      1:  10.0.0.1                                              0.399ms \n \
                      2:  no reply\n \
                      3:  2001:db8::9                                           8.125ms reached\n     \
                      Resume: pmtu 1500 hops 3 back 3 \n";
        let wanted = [hop(1, Some("10.0.0.1"), Some(0.431)), hop(2, None, None), hop(3, Some("2001:db8::9"), Some(8.125))];
        assert_eq!(parse(output), wanted);
    }

    #[test]
    fn what_is_no_route_has_no_hops() {
        assert_eq!(parse("traceroute: unknown host\n\n999  *\n-1: x\n"), []);
    }
}
