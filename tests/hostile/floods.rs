//! Frames of HTTP/2 without end: each costs who sends it little, and must cost the server no more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::ground::{Ground, Outcome};
use crate::raw::{self, From, attacker, send};

/// Connections that flood, each made anew when it is closed.
const FLOODING: usize = 32;

/// How long a flood goes on.
const FOR: Duration = Duration::from_secs(4);

/// Bytes that are sent at once.
const BURST_BYTES: usize = 256 << 10;

/// Sends bursts, of which it is told the number, one after the other on connections from a few addresses.
async fn flood(to: SocketAddr, burst: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) {
    let (until, burst) = (Instant::now() + FOR, Arc::new(burst));
    let mut all = JoinSet::new();
    for number in 0..FLOODING {
        let (from, burst) = (From::address(attacker(number % 8)), Arc::clone(&burst));
        all.spawn(async move {
            while Instant::now() < until {
                let Ok(mut stream) = from.connect(to).await else { continue };
                let mut goes_on = stream.write_all(&raw::beginning(&[])).await.is_ok();
                for number in 0.. {
                    let left = until.saturating_duration_since(Instant::now());
                    if !goes_on || left.is_zero() {
                        break;
                    }
                    goes_on = send(&mut stream, &burst(number), left).await;
                }
                sleep(Duration::from_millis(5)).await; // an attacker who is refused comes again
            }
        });
    }
    all.join_all().await;
}

fn under(name: &str, burst: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Outcome {
    Ground::new(name).under(|to| flood(to, burst)).judge()
}

/// The same frame as often as a burst has room for.
fn many(frame: &[u8]) -> Vec<u8> {
    frame.repeat(BURST_BYTES / frame.len())
}

/// The ids of the streams of a burst of so many.
fn streams(burst: u32, each: u32) -> impl Iterator<Item = u32> {
    (burst * each..(burst + 1) * each).map(|number| 2 * number + 1)
}

#[test]
fn far_more_streams_than_there_may_be_are_refused() {
    let outcome = under("streams", |burst| {
        let headers = raw::grpc_headers("GetSession", &[]);
        streams(burst, 1_000).flat_map(|stream| raw::frame(raw::HEADERS, raw::END_HEADERS, stream, &headers)).collect()
    });
    outcome.bit("ended protocol", 1);
}

#[test]
fn streams_that_are_reset_at_once_harm_nobody() {
    let outcome = under("streams that are opened and reset", |burst| {
        let headers = raw::grpc_headers("GetSession", &[]);
        let both = |stream| [raw::frame(raw::HEADERS, raw::END_HEADERS, stream, &headers), raw::reset(stream)].concat();
        streams(burst, 1_000).flat_map(both).collect()
    });
    outcome.bit("ended protocol", 1);
}

#[test]
fn requests_without_end_are_refused_beyond_their_rate() {
    let outcome =
        under("whole requests", |burst| streams(burst, 1_000).flat_map(|stream| raw::request(stream, "GetSession", &[])).collect());
    outcome.bit_any(&["refused rate", "ended protocol"], 1);
}

#[test]
fn settings_without_end_harm_nobody() {
    under("SETTINGS", |_| many(&raw::settings(&[(raw::INITIAL_WINDOW, 7), (raw::INITIAL_WINDOW, 70_000)])));
}

#[test]
fn pings_without_end_harm_nobody() {
    under("PING", |_| many(&raw::frame(raw::PING, 0, 0, &[7; 8])));
}

#[test]
fn windows_that_open_without_end_are_refused() {
    let outcome = under("WINDOW_UPDATE", |_| many(&raw::window(0, 1 << 20)));
    outcome.bit("ended protocol", 1);
}

#[test]
fn small_window_updates_without_end_harm_nobody() {
    under("WINDOW_UPDATE of 1", |_| many(&raw::window(0, 1)));
}

#[test]
fn data_without_content_harms_nobody() {
    under("DATA that is empty", |burst| {
        let headers = raw::frame(raw::HEADERS, raw::END_HEADERS, 1, &raw::grpc_headers("GetSession", &[]));
        let data = many(&raw::frame(raw::DATA, 0, 1, &[]));
        if burst == 0 { [headers, data].concat() } else { data }
    });
}

#[test]
fn continuations_without_end_are_refused() {
    let outcome = under("CONTINUATION", |burst| {
        let headers = raw::frame(raw::HEADERS, 0, 1, &raw::grpc_headers("GetSession", &[]));
        let more = many(&raw::frame(raw::CONTINUATION, 0, 1, &raw::list(&[("a", "b")])));
        if burst == 0 { [headers, more].concat() } else { more }
    });
    outcome.bit("ended protocol", 1);
}

#[test]
fn huge_lists_of_headers_are_refused() {
    under("lists of 1 MiB of headers", |burst| {
        let value = "x".repeat(16_000);
        let headers = |stream| {
            let first = raw::frame(raw::HEADERS, 0, stream, &raw::grpc_headers("GetSession", &[]));
            let more = raw::frame(raw::CONTINUATION, 0, stream, &raw::list(&[("a", &value)])).repeat(64);
            [first, more, raw::frame(raw::CONTINUATION, raw::END_HEADERS, stream, &raw::list(&[("b", "c")]))].concat()
        };
        streams(burst, 1).flat_map(headers).collect()
    });
}
