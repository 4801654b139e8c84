//! Numbers at and beyond the ends of what there is: each request is answered, and by what PROTOCOL.md says.

use std::net::SocketAddr;

use hostile::{EVENTS, SNAPSHOT};
use prost::Message;
use telemetry_exporter::pb;
use tonic::Code;

use crate::ground::Ground;
use crate::messages::{Answer, Connection};
use crate::raw::{From, attacker};

#[test]
fn every_number_of_a_request_may_be_any_number() {
    Ground::new("numbers at and beyond the ends").under(ends).judge();
}

async fn ends(to: SocketAddr) {
    let connection = Connection::new(to, From::address(attacker(0))).await.expect("it is served");
    let call = async |method: &str, bytes: Vec<u8>| match connection.call(method, &bytes).await {
        Answer::Status(status, read) => (Code::from(status as i32), read),
        Answer::Reset(why) => panic!("{method} {bytes:?}: {why}"),
    };
    for stream_id in [0, 1, 2, u32::MAX] {
        for since in [0, 1, 2, 31, 32, 33, 1_000, u32::MAX - 1, u32::MAX] {
            let request = pb::GetStreamRequest { stream_id, sequence_number_since: since };
            let (code, read) = call("GetStream", request.encode_to_vec()).await;
            let wanted = if stream_id == u32::MAX { Code::NotFound } else { Code::Ok };
            assert_eq!(code, wanted, "{request:?}");
            assert!(since < u32::MAX - 1 || read == 0, "{request:?}: {read} bytes of what is not there");
        }
    }
    let session = String::new();
    let numbers = [0, 1, 2, 3, 30, 31, 32, 33, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
    for stream in [EVENTS, SNAPSHOT, "metrics"] {
        for sequence in numbers {
            for offset in [0, 1, 12, 1_040, 262_144, u64::from(u32::MAX), u64::MAX] {
                let from = Some(pb::Position { sequence, offset });
                let until_ns = u64::from(sequence < 1_000); // not all that there is
                let request =
                    pb::PullRequest { stream: stream.to_owned(), session: session.clone(), from, until_ns, ..Default::default() };
                let (code, _) = call("Pull", request.encode_to_vec()).await;
                assert!(matches!(code, Code::Ok | Code::OutOfRange), "{request:?}: {code:?}");
                let beyond = sequence > 1_000 && code == Code::Ok;
                assert!(!beyond, "{request:?} is beyond the end");
            }
        }
        for (since_ns, until_ns, every_ns) in
            numbers.iter().flat_map(|a| numbers.iter().map(|b| (*a, *b, 0))).chain(numbers.map(|every| (u64::MAX, 0, every)))
        {
            if until_ns > 1_000_000 || since_ns < u64::MAX - 1 {
                continue; // all there is: the readers' tests ask for that
            }
            let request = pb::PullRequest { stream: stream.to_owned(), since_ns, until_ns, every_ns, ..Default::default() };
            let (code, _) = call("Pull", request.encode_to_vec()).await;
            let wanted = if every_ns != 0 && stream != "metrics" { Code::InvalidArgument } else { Code::Ok };
            assert_eq!(code, wanted, "{request:?}");
        }
        let (long, wide) = ("x".repeat(60_000), "ü".repeat(511));
        for token in ["x", "0", "-1", "18446744073709551616", "\0", &long, &wide] {
            let request = pb::PullRequest { stream: stream.to_owned(), token: token.to_owned(), ..Default::default() };
            let (code, _) = call("Pull", request.encode_to_vec()).await;
            assert_eq!(code, Code::InvalidArgument, "{request:?}");
        }
        for session in ["x", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", &long] {
            let from = Some(pb::Position { sequence: u64::MAX, offset: u64::MAX });
            let request =
                pb::PullRequest { stream: stream.to_owned(), session: session.to_owned(), from, until_ns: 1, ..Default::default() };
            let (code, _) = call("Pull", request.encode_to_vec()).await;
            assert_eq!(code, Code::Ok, "an earlier session is over: {request:?}");
        }
    }
}
