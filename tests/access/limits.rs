//! The limits of serving as settings: each bites where it is set to, with the status or the end that is documented, and is counted by its cause.

use std::future::pending;
use std::time::Duration;

use telemetry_core::{Event, Value};
use telemetry_exporter::{Limits, Running, pb};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::support::{DEADLINE, client, config, is_alone, start, until, value};
use crate::ways::{Io, Way};

type Client = pb::telemetry_client::TelemetryClient<tonic::transport::Channel>;

const EVENTS: &str = "limits_events";

/// One with these limits, an event that nothing is missing of, and rpcs that wait for ever.
fn serving(limits: Limits) -> (Running, Way) {
    let running = start(telemetry_exporter::Config { limits, ..config() });
    let event: Event<String> = running.telemetry().event(EVENTS).expect("declared");
    (0..2_000).for_each(|_| event.emit(&"x".repeat(1_000)));
    for name in ["limits_waits", "limits_waits_too"] {
        running.telemetry().rpc(name, |()| pending::<Result<(), telemetry_core::RpcError>>()).expect("declared");
    }
    let late = || {
        std::thread::sleep(Duration::from_secs(1));
        7
    };
    running.telemetry().property("limits_late", late).expect("declared");
    let way = Way::Tcp(running.local_addr().expect("it listens"));
    (running, way)
}

fn counted(metric: &str, cause: &str) -> u64 {
    match value(metric, &[("cause", cause)]) {
        None => 0,
        Some(Value::U64(count)) => count,
        other => panic!("{metric} of {cause}: {other:?}"),
    }
}

/// Waits for one more to be counted than before what this does.
async fn counts<T>(metric: &str, cause: &str, does: impl Future<Output = T>) -> T {
    let before = counted(metric, cause);
    let done = does.await;
    until(&format!("one more in {metric} of {cause}"), async || (counted(metric, cause) > before).then_some(())).await;
    done
}

async fn refuses<T>(cause: &str, does: impl Future<Output = T>) -> T {
    counts("telemetry_requests_refused", cause, does).await
}

async fn ends<T>(cause: &str, does: impl Future<Output = T>) -> T {
    counts("telemetry_connections_ended", cause, does).await
}

async fn grpc(way: &Way) -> Client {
    Client::new(way.channel().await.expect("connected"))
}

fn follows() -> pb::PullRequest {
    pb::PullRequest { stream: EVENTS.to_owned(), follow: true, head: true, ..Default::default() }
}

/// The end of what the other end says.
async fn closed(io: &mut Box<dyn Io>) {
    let mut sink = vec![0; 1 << 16];
    let reading = async { while io.read(&mut sink).await.is_ok_and(|bytes| bytes > 0) {} };
    timeout(DEADLINE, reading).await.expect("it is closed");
}

/// A connection that says this and reads nothing.
async fn saying(way: &Way, said: &[u8]) -> Box<dyn Io> {
    let mut io = way.open().await.expect("a connection");
    io.write_all(said).await.expect("sent");
    io
}

async fn call(client: &mut Client, name: &str) -> Status {
    let request = pb::CallRequest { name: name.to_owned(), json: "null".to_owned() };
    client.call(request).await.expect_err("it waits for ever")
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_as_many_as_may_be_and_end_as_they_are_set_to() {
    if !is_alone("limits::connections_are_as_many_as_may_be_and_end_as_they_are_set_to", &[]) {
        return;
    }
    for limits in [Limits { connections: 1, ..Limits::default() }, Limits { connections_per_client: 1, ..Limits::default() }] {
        let (_running, way) = serving(limits);
        let mut follower = grpc(&way).await;
        let mut follows = follower.pull(follows()).await.expect("an answer").into_inner();
        follows.message().await.expect("an answer");
        let refused = refuses("connections", async { grpc(&way).await.get_session(pb::GetSessionRequest {}).await }).await;
        assert!(refused.is_err(), "there is no place");
        follows.message().await.expect("who reads stays");
    }
    let (_running, way) = serving(Limits { connections_waiting: 1, ..Limits::default() });
    let mut first = saying(&way, b"").await;
    let _second = ends("handshake", saying(&way, b"")).await;
    closed(&mut first).await;

    let (_running, way) = serving(Limits { handshake_deadline: Duration::from_millis(50), ..Limits::default() });
    ends("handshake", async { closed(&mut saying(&way, b"PRI").await).await }).await;
    let slow =
        b"POST /api/rpcs/limits_waits HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\nn";
    refuses("late", async { closed(&mut saying(&way, slow).await).await }).await;

    let (_running, way) = serving(Limits { idle_deadline: Duration::from_millis(50), ..Limits::default() });
    let mut client = grpc(&way).await;
    // On a slow machine it asked nothing for as long before its first request.
    let _answer = ends("idle", async { client.get_session(pb::GetSessionRequest {}).await }).await;

    let unread = format!("GET /api/streams/{EVENTS} HTTP/1.1\r\nhost: localhost\r\n\r\n").repeat(4);
    let (_running, way) = serving(Limits { progress_deadline: Duration::from_millis(100), ..Limits::default() });
    let _stalled = ends("stalled", saying(&way, unread.as_bytes())).await;
    let (_running, way) = serving(Limits { held_bytes: 10_000, ..Limits::default() });
    let _slow = ends("slow", async { (saying(&way, unread.as_bytes()).await, saying(&way, unread.as_bytes()).await) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_as_many_and_as_large_as_may_be() {
    if !is_alone("limits::requests_are_as_many_and_as_large_as_may_be", &[]) {
        return;
    }
    let (_running, way) = serving(Limits { requests_per_connection: 1, ..Limits::default() });
    let mut client = grpc(&way).await;
    let follows = client.pull(follows()).await.expect("an answer").into_inner();
    let (mut waits, mut second) = (client.clone(), Box::pin(async move { client.get_session(pb::GetSessionRequest {}).await }));
    assert!(timeout(Duration::from_millis(100), &mut second).await.is_err(), "there is one already");
    drop(follows);
    timeout(DEADLINE, second).await.expect("its turn").expect("an answer");
    waits.get_session(pb::GetSessionRequest {}).await.expect("an answer");

    let (_running, way) = serving(Limits { requests_per_second: 1, ..Limits::default() });
    let mut client = grpc(&way).await;
    let status = refuses("rate", async {
        loop {
            if let Err(status) = client.get_session(pb::GetSessionRequest {}).await {
                break status;
            }
        }
    });
    assert_eq!(status.await.code(), Code::ResourceExhausted);

    let (_running, way) = serving(Limits { request_bytes: 100, ..Limits::default() });
    let mut client = grpc(&way).await;
    let long = |bytes| pb::GetPropertiesRequest { names: vec!["x".repeat(bytes)] };
    let status = client.get_properties(long(90)).await.expect_err("there is none");
    assert_eq!(status.code(), Code::NotFound);
    let status = refuses("size", client.get_properties(long(101))).await.expect_err("it is larger");
    assert!(status.code() == Code::OutOfRange && status.message().contains("more than 100 bytes"), "{status}");
    let json = [("content-type", "application/json")];
    let path = "POST /api/rpcs/limits_waits";
    let (status, answer) = refuses("size", way.http(path, &json, &"1".repeat(200))).await.expect("an answer");
    assert!(status == 413 && answer.contains("at most 100 bytes"), "{answer}");

    let (_running, way) = serving(Limits { frame_bytes: 1 << 14, ..Limits::default() });
    let frame =
        [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..], &[0, 0x40, 1, 0, 0, 0, 0, 0, 1], &[0; 0x4001]].concat();
    ends("protocol", async { closed(&mut saying(&way, &frame).await).await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rpcs_and_properties_are_as_many_and_take_as_long_as_may_be() {
    if !is_alone("limits::rpcs_and_properties_are_as_many_and_take_as_long_as_may_be", &[]) {
        return;
    }
    for (limits, second) in [
        (Limits { rpcs: 1, ..Limits::default() }, "limits_waits_too"),
        (Limits { rpc_calls: 1, ..Limits::default() }, "limits_waits"),
    ] {
        let (_running, way) = serving(limits);
        let client = grpc(&way).await;
        let (mut first, mut other) = (client.clone(), client);
        let waits = tokio::spawn(async move { call(&mut first, "limits_waits").await });
        let status = refuses("rpcs", async {
            // The first may not have begun yet: then this one is it.
            loop {
                if let Ok(status) = timeout(Duration::from_millis(100), call(&mut other, second)).await {
                    break status;
                }
            }
        });
        assert_eq!(status.await.code(), Code::ResourceExhausted);
        waits.abort();
    }
    let short = Duration::from_millis(50);
    let (running, way) = serving(Limits { rpc_deadline: short, property_deadline: short, ..Limits::default() });
    let late = |name: &str| {
        let entry = running.telemetry().registry().find(name).expect("declared");
        entry.failures()
    };
    let status = call(&mut grpc(&way).await, "limits_waits").await;
    assert!(status.code() == Code::DeadlineExceeded && status.message().contains("50 ms"), "{status}");
    let properties = client(&running).await.properties(&["limits_late".to_owned()]).await.expect("an answer");
    assert!(properties[0].error.contains("50 ms"), "{properties:?}");
    assert_eq!((late("limits_waits"), late("limits_late")), (1, 1));
}
