//! Connections that never come to ask anything: they say nothing, or say it a byte a second.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::ground::Ground;
use crate::raw::{self, From, attacker, closes};

/// Silent connections.
pub const SILENT: usize = 2_000;

/// Connections that say a byte a second.
pub const SLOW: usize = 400;

/// How long each of the attacks here goes on.
pub const FOR: Duration = Duration::from_secs(12);

async fn silent(to: std::net::SocketAddr, addresses: usize) {
    let mut all = JoinSet::new();
    for number in 0..SILENT {
        let from = From::address(attacker(number % addresses));
        all.spawn(async move {
            if let Ok(mut stream) = from.connect(to).await {
                closes(&mut stream, FOR).await;
            }
        });
    }
    all.join_all().await;
}

#[test]
fn silent_connections_of_one_address_shut_nobody_out() {
    let outcome = Ground::new("2,000 silent connections of one address").under(|to| silent(to, 1)).judge();
    outcome.bit("ended handshake", SILENT as u64);
}

#[test]
fn silent_connections_of_many_addresses_shut_nobody_out() {
    let outcome = Ground::new("2,000 silent connections of 500 addresses").under(|to| silent(to, 500)).judge();
    outcome.bit("ended handshake", SILENT as u64);
}

/// Says what it has to a byte a second, from many addresses, and begins anew where it is closed.
pub async fn dribble(
    to: std::net::SocketAddr,
    addresses: usize,
    said: impl Fn() -> (Vec<u8>, Vec<u8>) + Clone + Send + Sync + 'static,
) {
    let end = Instant::now() + FOR;
    let mut all = JoinSet::new();
    for number in 0..SLOW {
        let (from, said) = (From::address(attacker(number % addresses)), said.clone());
        all.spawn(async move {
            while Instant::now() < end {
                let Ok(mut stream) = from.connect(to).await else { continue };
                let (at_once, slowly) = said();
                let mut is_open = stream.write_all(&at_once).await.is_ok();
                for byte in slowly {
                    is_open = is_open && Instant::now() < end && stream.write_all(&[byte]).await.is_ok();
                    if !is_open || closes(&mut stream, Duration::from_secs(1)).await {
                        break;
                    }
                }
                sleep(Duration::from_secs(1)).await;
            }
        });
    }
    all.join_all().await;
}

#[test]
fn heads_of_http_1_that_come_a_byte_a_second_shut_nobody_out() {
    let said = || (b"G".to_vec(), b"ET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".to_vec());
    let outcome = Ground::new("400 heads of HTTP/1, a byte a second").under(|to| dribble(to, 100, said)).judge();
    outcome.bit("ended idle", 100);
}

#[test]
fn prefaces_of_http_2_that_come_a_byte_a_second_shut_nobody_out() {
    let said = || (Vec::new(), raw::PREFACE.to_vec());
    let outcome = Ground::new("400 prefaces of HTTP/2, a byte a second").under(|to| dribble(to, 100, said)).judge();
    outcome.bit("ended handshake", 100);
}

#[test]
fn requests_that_come_a_byte_a_second_shut_nobody_out() {
    let said = || {
        let headers = raw::frame(raw::HEADERS, raw::END_HEADERS, 1, &raw::grpc_headers("GetSession", &[]));
        let body = raw::frame(raw::DATA, 0, 1, &raw::message(&[0; 60]));
        ([raw::beginning(&[]), headers].concat(), body)
    };
    let outcome = Ground::new("400 bodies of requests, a byte a second").under(|to| dribble(to, 100, said)).judge();
    outcome.bit("ended idle", 100);
}
