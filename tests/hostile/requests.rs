//! Requests that are too large, compressed, malformed or left alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hostile::EVENTS;
use prost::Message;
use telemetry_exporter::limits::REQUEST_BYTES_MAX;
use telemetry_exporter::pb;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tonic::Code;

use crate::ground::Ground;
use crate::messages::{Answer, Connection, valid};
use crate::raw::{self, From, attacker, message, send};

/// Mutated requests.
const MUTATIONS: u64 = 10_000;

/// Clients that vanish.
const VANISHING: usize = 3_000;

fn status(answer: &Answer) -> Option<Code> {
    match answer {
        Answer::Status(status, _) => Some(Code::from(*status as i32)),
        Answer::Reset(_) => None,
    }
}

#[test]
fn requests_that_are_too_large_are_refused_by_their_size() {
    let attack = |to: SocketAddr| async move {
        let connection = Connection::new(to, From::address(attacker(0))).await.expect("it is served");
        for _ in 0..100 {
            let just = connection.call("GetSession", &vec![0; REQUEST_BYTES_MAX + 1]).await;
            assert_eq!(status(&just), Some(Code::OutOfRange), "{just:?}");
        }
        let head = [&[0][..], &(100_u32 << 20).to_be_bytes(), &[0; 100]].concat();
        for method in ["GetSession", "GetProperties", "Pull", "GetStream", "Call"] {
            let answer = connection.send_with(method, &head, &[]).await.expect("an answer");
            assert_eq!(status(&answer), Some(Code::OutOfRange), "{method}: {answer:?}");
        }
        let declared = b"POST /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 104857600\r\n\r\n";
        let mut stream = From::address(attacker(1)).connect(to).await.expect("a connection");
        let whole = [&declared[..], &vec![0; 100 << 20]].concat();
        assert!(!send(&mut stream, &whole, Duration::from_secs(20)).await, "100 MiB were taken");
    };
    Ground::new("requests that are too large").under(attack).judge().bit("refused size", 105);
}

#[test]
fn requests_that_never_end_are_refused_by_their_size() {
    let attack = |to: SocketAddr| async move {
        let until = Instant::now() + Duration::from_secs(4);
        let mut all = JoinSet::new();
        for number in 0..32 {
            all.spawn(async move {
                let connection = Connection::new(to, From::address(attacker(number))).await.expect("it is served");
                while Instant::now() < until {
                    // Messages that are empty: each is valid by itself.
                    let body = message(&[]).repeat((4 << 20) / 5);
                    let answer = connection.send_with("GetSession", &body, &[]).await;
                    assert!(!matches!(answer, Ok(Answer::Status(0, _))), "{answer:?}"); // it is reset, or refused
                }
            });
        }
        all.join_all().await;
    };
    Ground::new("requests that never end").under(attack).judge().bit("refused size", 32);
}

#[test]
fn compressed_requests_are_not_implemented_and_never_inflated() {
    let attack = |to: SocketAddr| async move {
        let connection = Connection::new(to, From::address(attacker(0))).await.expect("it is served");
        // What a gibibyte of zeros begins as: it would go on to inflate, and is not asked to.
        let bomb = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0xed, 0xc1, 1, 1, 0, 0, 0, 0x80, 0x90].repeat(1_000)].concat();
        let body = [&[1][..], &(bomb.len() as u32).to_be_bytes(), &bomb].concat();
        for encoding in ["gzip", "deflate", "zstd", "br"] {
            let answer = connection.send_with("Call", &body, &[("grpc-encoding", encoding)]).await.expect("an answer");
            assert_eq!(status(&answer), Some(Code::Unimplemented), "{encoding}: {answer:?}");
        }
        let answer = connection.send_with("Call", &body, &[]).await.expect("an answer");
        assert!(!matches!(status(&answer), None | Some(Code::Ok)), "compressed without saying how: {answer:?}");
    };
    Ground::new("compressed requests").under(attack).judge();
}

#[test]
fn requests_that_are_all_but_whole_hold_little() {
    let attack = |to: SocketAddr| async move {
        let mut all = JoinSet::new();
        for number in 0..64 {
            all.spawn(async move {
                let Ok(stream) = From::address(attacker(number)).connect(to).await else { return };
                let Ok((mut sends, connection)) = h2::client::handshake(stream).await else { return };
                let mut sending = Vec::new();
                let asks = async {
                    for _ in 0..8 {
                        sends = sends.ready().await?;
                        let request = http::Request::post("http://127.0.0.1/telemetry.Telemetry/GetSession");
                        let request = request.header("content-type", "application/grpc").header("te", "trailers");
                        let (_answer, mut body) = sends.send_request(request.body(()).expect("valid"), false)?;
                        let whole = Bytes::from(message(&[0; REQUEST_BYTES_MAX]));
                        body.send_data(whole.slice(..whole.len() - 1), false)?;
                        sending.push((_answer, body));
                    }
                    std::future::pending::<Result<(), h2::Error>>().await
                };
                let _over = tokio::time::timeout(Duration::from_secs(12), async { tokio::join!(asks, connection) }).await;
            });
        }
        all.join_all().await;
    };
    Ground::new("512 requests that are all but whole").under(attack).judge();
}

/// A sequence of numbers that is the same each time (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    /// Some bytes of these are others, come twice, are cut off or come between.
    fn mutated(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let random = self.below(256) as u8;
            match (self.below(5), bytes.get_mut(at)) {
                (0, Some(byte)) => *byte = random,
                (1, Some(byte)) => *byte ^= 1 << (random % 8),
                (2, _) => bytes.truncate(at),
                (3, _) => {
                    let again = bytes[at..].to_vec();
                    bytes.extend(again);
                }
                _ => bytes.insert(at, random),
            }
        }
        bytes
    }
}

#[test]
fn each_malformed_request_gets_an_answer_or_a_status() {
    let attack = |to: SocketAddr| async move {
        let valid = Arc::new(valid());
        let mut all = JoinSet::new();
        for client in 0..8 {
            let valid = Arc::clone(&valid);
            all.spawn(async move {
                let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 ^ (client + 1));
                let from = From::address(attacker(client as usize));
                let connection = Connection::new(to, from).await.expect("it is served");
                for _ in 0..MUTATIONS / 8 {
                    let (method, bytes) = &valid[numbers.below(valid.len())];
                    let bytes = numbers.mutated(bytes);
                    let follows = *method == "Pull" && pb::PullRequest::decode(&*bytes).is_ok_and(|request| request.follow);
                    if !follows {
                        let answer = connection.call(method, &bytes).await;
                        assert!(
                            status(&answer).is_some_and(|code| code != Code::Internal || is_told(&bytes, method)),
                            "{method} {bytes:?}: {answer:?}"
                        );
                    }
                }
            });
        }
        all.join_all().await;
    };
    Ground::new("10,000 malformed requests").under(attack).judge();
}

/// Whether INTERNAL is what gRPC has for these bytes: they are no message of this method.
fn is_told(bytes: &[u8], method: &str) -> bool {
    match method {
        "Pull" => pb::PullRequest::decode(bytes).is_err(),
        "Call" => pb::CallRequest::decode(bytes).is_err(),
        "GetStream" => pb::GetStreamRequest::decode(bytes).is_err(),
        "GetProperties" => pb::GetPropertiesRequest::decode(bytes).is_err(),
        _ => pb::GetSessionRequest::decode(bytes).is_err(),
    }
}

#[test]
fn clients_that_vanish_leave_nothing() {
    let attack = |to: SocketAddr| async move {
        let pull = pb::PullRequest { stream: EVENTS.to_owned(), head: true, follow: true, ..Default::default() }.encode_to_vec();
        let metrics = pb::PullRequest { stream: "metrics".to_owned(), ..Default::default() }.encode_to_vec();
        let said = [raw::beginning(&[]), raw::request(1, "Pull", &pull), raw::request(3, "Pull", &metrics)].concat();
        let mut all = JoinSet::new();
        for client in 0..30 {
            let said = said.clone();
            all.spawn(async move {
                for number in 0..VANISHING / 30 {
                    let from = From { resets: number % 2 == 0, ..From::address(attacker(client)) };
                    let Ok(mut stream) = from.connect(to).await else { continue };
                    let _sent_or_not = stream.write_all(&said).await;
                    sleep(Duration::from_millis((number % 4) as u64)).await;
                }
            });
        }
        all.join_all().await;
    };
    Ground::new("3,000 clients that vanish").under(attack).judge();
}

#[test]
fn rpcs_that_hang_panic_and_wait_are_as_many_as_there_may_be() {
    let attack = |to: SocketAddr| async move {
        let mut all = JoinSet::new();
        for client in 0..32 {
            all.spawn(async move {
                let connection = Connection::new(to, From::address(attacker(client / 8))).await.expect("it is served");
                for name in ["hostile_blocks", "hostile_late", "hostile_panics", "hostile_now"].iter().cycle().take(12) {
                    let call = pb::CallRequest { name: (*name).to_owned(), json: "7".to_owned() };
                    let answer = connection.call("Call", &call.encode_to_vec()).await;
                    assert!(status(&answer).is_some(), "{name}: {answer:?}");
                }
            });
        }
        all.join_all().await;
    };
    Ground::new("rpcs that block, wait and panic").under(attack).judge().bit("refused rpcs", 1);
}
