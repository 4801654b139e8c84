//! Readers that ask for much and read nothing, or nearly nothing.
//!
//! The deadline of progress, 30 s by default, is 3 s here, so that what it does is seen within the time of a test.

use std::net::SocketAddr;
use std::time::Duration;

use hostile::EVENTS;
use prost::Message;
use telemetry_exporter::pb;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::ground::{Ground, Outcome};
use crate::raw::{self, From, WINDOW_MAX, attacker};

/// Connections that are kept open: each is made anew when it is closed.
const READERS: usize = 400;

/// The addresses that they come from.
const ADDRESSES: usize = 100;

/// How long they go on.
const FOR: Duration = Duration::from_secs(8);

/// Bytes that the system keeps for one of them, so that all else waits in the server.
const RECEIVES: u32 = 4 << 10;

/// Between two looks whether it is closed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What they ask for: all events, all metrics, and the segments of both, on as many streams as there may be.
fn asks() -> Vec<u8> {
    let pull = |stream: &str| {
        pb::PullRequest { stream: stream.to_owned(), head: true, follow: true, ..Default::default() }.encode_to_vec()
    };
    let segments = |stream_id| pb::GetStreamRequest { stream_id, sequence_number_since: 0 }.encode_to_vec();
    let asked = [("Pull", pull(EVENTS)), ("Pull", pull("metrics")), ("GetStream", segments(0)), ("GetStream", segments(1))];
    let requests = asked.iter().cycle().take(8).zip((1..).step_by(2));
    requests.flat_map(|((method, bytes), stream)| raw::request(stream, method, bytes)).collect()
}

/// Waits until it is closed or the time is over, and reads a byte every so often, where it reads.
async fn stall(stream: &mut TcpStream, until: Instant, reads_every: Option<Duration>) {
    let mut last = Instant::now();
    let mut byte = [0; 1];
    while Instant::now() < until {
        sleep(LOOK_EVERY).await;
        // A write tells of an end where nothing is read: of a reset, which the server's end is while it is not read.
        if stream.write_all(&raw::frame(raw::PING, 0, 0, &[0; 8])).await.is_err() {
            return;
        }
        if reads_every.is_some_and(|every| last.elapsed() >= every) {
            last = Instant::now();
            if !stream.read(&mut byte).await.is_ok_and(|bytes| bytes > 0) {
                return;
            }
        }
    }
}

async fn stalled(to: SocketAddr, said: Vec<u8>, reads_every: Option<Duration>) {
    let until = Instant::now() + FOR;
    let mut all = JoinSet::new();
    for number in 0..READERS {
        let said = said.clone();
        let from = From { address: attacker(number % ADDRESSES), receives: Some(RECEIVES), resets: true };
        all.spawn(async move {
            while Instant::now() < until {
                let Ok(mut stream) = from.connect(to).await else { continue };
                if stream.write_all(&said).await.is_ok() {
                    stall(&mut stream, until, reads_every).await;
                }
                sleep(LOOK_EVERY).await;
            }
        });
    }
    all.join_all().await;
}

fn under(name: &str, said: Vec<u8>, reads_every: Option<Duration>) -> Outcome {
    let settings = ["progress_deadline=3000".to_owned()];
    Ground::with(name, &settings).under(|to| stalled(to, said, reads_every)).judge()
}

#[test]
fn readers_that_read_nothing_through_the_default_window_hold_little() {
    let said = [raw::beginning(&[]), asks()].concat();
    let outcome = under("400 readers of 8 streams each that read nothing", said, None);
    outcome.bit_any(&["ended stalled", "ended slow", "ended idle"], 10);
}

#[test]
fn readers_that_read_nothing_through_the_largest_window_hold_little() {
    let said = [raw::beginning(&[(raw::INITIAL_WINDOW, WINDOW_MAX)]), raw::window(0, WINDOW_MAX - 65_535), asks()].concat();
    let outcome = under("400 readers of 8 streams each that read nothing, with windows of 2^31-1", said, None);
    outcome.bit_any(&["ended stalled", "ended slow", "ended idle"], 10);
}

#[test]
fn readers_that_open_no_window_hold_little() {
    let said = [raw::beginning(&[(raw::INITIAL_WINDOW, 0)]), asks()].concat();
    let outcome = under("400 readers of 8 streams each whose windows are 0", said, None);
    outcome.bit_any(&["ended stalled", "ended slow", "ended idle"], 10);
}

#[test]
fn readers_of_a_byte_a_second_hold_little() {
    let said = [raw::beginning(&[(raw::INITIAL_WINDOW, WINDOW_MAX)]), raw::window(0, WINDOW_MAX - 65_535), asks()].concat();
    let outcome = under("400 readers of 8 streams each that read a byte a second", said, Some(Duration::from_secs(1)));
    outcome.bit_any(&["ended stalled", "ended slow", "ended idle"], 10);
}

#[test]
fn scrapes_that_nobody_reads_hold_little() {
    let said = b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".repeat(8);
    let outcome = under("400 connections of HTTP/1 that ask 8 times for /metrics and read nothing", said, None);
    outcome.bit_any(&["ended stalled", "ended slow", "ended idle"], 10);
}

#[test]
fn scrapes_over_http_2_that_nobody_reads_hold_little() {
    let scrape = [(":method", "GET"), (":scheme", "http"), (":path", "/metrics"), (":authority", "127.0.0.1")];
    let ask = |stream| raw::frame(raw::HEADERS, raw::END_HEADERS | raw::END_STREAM, stream, &raw::list(&scrape));
    let asks = (1..16).step_by(2).flat_map(ask);
    let said = raw::beginning(&[(raw::INITIAL_WINDOW, 0)]).into_iter().chain(asks).collect();
    let outcome = under("400 connections of HTTP/2 that ask 8 times for /metrics, with windows of 0", said, None);
    outcome.bit_any(&["ended stalled", "ended slow", "ended idle"], 10);
}

#[test]
fn answers_of_rpcs_that_nobody_reads_hold_little() {
    let call = pb::CallRequest { name: "hostile_large".to_owned(), json: String::new() }.encode_to_vec();
    let asks = (1..16).step_by(2).flat_map(|stream| raw::request(stream, "Call", &call));
    let said = raw::beginning(&[(raw::INITIAL_WINDOW, 0)]).into_iter().chain(asks).collect();
    let outcome = under("400 connections that call an rpc with a large answer 8 times, and read nothing", said, None);
    outcome.bit_any(&["ended stalled", "ended slow", "ended idle"], 10);
}

#[test]
fn large_properties_that_nobody_reads_hold_little() {
    let ask = pb::GetPropertiesRequest { names: vec![hostile::LARGE.to_owned()] }.encode_to_vec();
    let asks = (1..16).step_by(2).flat_map(|stream| raw::request(stream, "GetProperties", &ask));
    let said = raw::beginning(&[(raw::INITIAL_WINDOW, 0)]).into_iter().chain(asks).collect();
    let outcome = under("400 connections that ask for a large property 8 times, and read nothing", said, None);
    outcome.bit_any(&["ended stalled", "ended slow", "ended idle"], 10);
}
