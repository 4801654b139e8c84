//! What clients that are listed have for a time: an event that is emitted on demand, snapshots and collections that come more often.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use telemetry_core::{Declaration, Event};
use telemetry_exporter::client::{Client, Credentials, PullOptions, Pulled};
use telemetry_exporter::limits::LEASE_MAX;
use telemetry_exporter::{Access, Config, Policy, Running, Tokens, pb};
use tonic::Code;

use crate::credentials::{Files, RIGHT, WRONG};
use crate::support::{DEADLINE, client, config, messages, start, until};

/// What is public, served to those who show a token, and to others.
fn served(files: &Files) -> Running {
    let access = Policy::new(Access::Public).with_tokens(Tokens::in_file(files.path("tokens")));
    start(Config { access, ..config() })
}

async fn listed(running: &Running) -> Client {
    let address = running.local_addr().expect("it listens").to_string();
    Client::connect_with(&address, &Credentials::default().with_token(RIGHT).expect("a token")).await.expect("connected")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_on_demand_is_emitted_while_a_lease_of_it_is_held() {
    let files = Files::new();
    let running = served(&files);
    let event: Event<u32> = running.telemetry().event(Declaration::new("lease_event").on_demand()).expect("declared");
    event.emit(&0);
    let client = listed(&running).await;
    let lease = client.lease("LEASE_event", None, None).await.expect("it is listed");
    assert_eq!(lease.name(), "lease_event");
    assert!(event.is_on());
    event.emit(&1);
    let options = PullOptions { head: true, follow: true, ..PullOptions::default() };
    let mut pull = client.pull(lease.name(), &lease.place(), options).await.expect("an answer");
    let Some(Pulled::Messages { messages, .. }) = pull.next().await.expect("an answer") else { panic!("a message") };
    assert_eq!(messages.iter().map(|message| &*message.payload).collect::<Vec<_>>(), [b"1"]);
    drop(lease);
    until("the end of the lease", async || (!event.is_on()).then_some(())).await;
    event.emit(&2);
    assert_eq!(running.streams().by_name("lease_event").expect("a stream").log.state().appended, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_ends_with_its_time_with_its_connection_and_with_the_token() {
    let files = Files::new();
    let running = served(&files);
    let event: Event<u32> = running.telemetry().event(Declaration::new("lease_ends").on_demand()).expect("declared");
    let off = async || until("the end of the lease", async || (!event.is_on()).then_some(())).await;
    let mut short = listed(&running).await.lease("lease_ends", None, Some(Duration::from_millis(100))).await.expect("it is listed");
    tokio::time::timeout(DEADLINE, short.ended()).await.expect("in time").expect("it has ended as it was to");
    off().await;

    // A client that is killed: its runtime ends with all that it had.
    let address = running.local_addr().expect("it listens").to_string();
    let on = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let credentials = Credentials::default().with_token(RIGHT).expect("a token");
            let client = Client::connect_with(&address, &credentials).await.expect("connected");
            client.lease("lease_ends", None, None).await.map(std::mem::forget)
        })
    });
    on.join().expect("no panic").expect("it is listed");
    off().await;

    let mut lease = listed(&running).await.lease("lease_ends", None, None).await.expect("it is listed");
    assert!(event.is_on());
    files.write("tokens", WRONG);
    running.reload().expect("it can be read");
    let error = tokio::time::timeout(DEADLINE, lease.ended()).await.expect("in time").expect_err("it is withdrawn");
    assert_eq!(error.code(), Some(Code::Unauthenticated), "{error}");
    off().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_whose_answer_is_never_read_ends_all_the_same() {
    let files = Files::new();
    let running = served(&files);
    let event: Event<u32> = running.telemetry().event(Declaration::new("lease_unread").on_demand()).expect("declared");
    let endpoint = format!("http://{}", running.local_addr().expect("it listens"));
    // Not a byte of an answer has room on its way.
    let endpoint = tonic::transport::Endpoint::from_shared(endpoint).expect("an address").initial_stream_window_size(0);
    let grpc = pb::telemetry_client::TelemetryClient::new(endpoint.connect().await.expect("connected"));
    let ask = |lasts: Duration| {
        let mut grpc = grpc.clone();
        let message = pb::LeaseRequest { name: "lease_unread".to_owned(), for_ns: lasts.as_nanos() as u64, ..Default::default() };
        let mut request = tonic::Request::new(message);
        request.metadata_mut().insert("authorization", format!("Bearer {RIGHT}").parse().expect("a header"));
        tokio::spawn(async move { grpc.lease(request).await.map(|answer| answer.into_inner()) })
    };
    let on = async || until("the lease", async || event.is_on().then_some(())).await;
    let off = async || until("its end", async || (!event.is_on()).then_some(())).await;
    let _held = ask(Duration::from_secs(1));
    on().await;
    off().await;
    let _held = ask(Duration::from_secs(600));
    on().await;
    files.write("tokens", WRONG);
    running.reload().expect("it can be read");
    off().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_and_collections_come_more_often_while_that_is_leased() {
    let files = Files::new();
    let running = served(&files);
    let taken = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&taken);
    let state = move || counted.fetch_add(1, Ordering::Relaxed);
    running.telemetry().snapshot("lease_snapshot", Duration::from_secs(3_600), state).expect("declared");
    until("the first", async || (taken.load(Ordering::Relaxed) == 1).then_some(())).await;
    let client = listed(&running).await;
    for (name, least) in [("lease_snapshot", 3), ("metrics", 3)] {
        let lease = client.lease(name, Some(Duration::from_millis(250)), None).await.expect("it is listed");
        let options = PullOptions { head: true, follow: true, ..PullOptions::default() };
        let mut pull = client.pull(name, &lease.place(), options).await.expect("an answer");
        let mut times = std::collections::BTreeSet::new();
        while times.len() < least {
            let pulled = tokio::time::timeout(DEADLINE, pull.next()).await.expect("in time").expect("an answer");
            times.extend(messages(pulled.into_iter().collect()).iter().map(|message| message.time_ns));
        }
    }
    // Both leases have gone. One that was under way may still come, and no other.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = taken.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(taken.load(Ordering::Relaxed), before, "its own interval is an hour");
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_are_for_those_who_are_listed_are_as_wanted_and_are_so_many() {
    let files = Files::new();
    let mut config = config();
    config.access = Policy::new(Access::Public).with_tokens(Tokens::in_file(files.path("tokens")));
    config.limits.leases_per_client = 2;
    let running = start(config);
    let _always: Event<u32> = running.telemetry().event("lease_always").expect("declared");
    let _event: Event<u32> = running.telemetry().event(Declaration::new("lease_wanted").on_demand()).expect("declared");
    let anonymous = client(&running).await.lease("lease_wanted", None, None).await.err().expect("it is not listed");
    assert_eq!(anonymous.code(), Some(Code::Unauthenticated), "{anonymous}");
    let client = listed(&running).await;
    let second = Some(Duration::from_secs(1));
    let cases = [
        ("lease_nope", None, None, Code::NotFound, "no stream is named \"lease_nope\""),
        ("lease_always", None, None, Code::InvalidArgument, "\"lease_always\" is emitted in any case"),
        ("lease_wanted", second, None, Code::InvalidArgument, "every: wanted none of an event"),
        ("metrics", Some(Duration::from_millis(249)), None, Code::InvalidArgument, "every 249ms: wanted 250ms or more"),
        ("metrics", second, Some(LEASE_MAX + Duration::from_secs(1)), Code::InvalidArgument, "for 3601s: wanted at most 3600s"),
    ];
    for (name, every, lasts, code, text) in cases {
        let error = client.lease(name, every, lasts).await.err().expect(name);
        assert!(error.code() == Some(code) && error.to_string().contains(text), "{name}: {error}");
    }
    let held = [client.lease("lease_wanted", None, None).await, client.lease("metrics", second, None).await];
    assert!(held.iter().all(Result::is_ok));
    let error = client.lease("metrics", second, None).await.err().expect("it has two");
    assert!(error.code() == Some(Code::ResourceExhausted) && error.to_string().contains("holds 2 leases"), "{error}");
    drop(held);
    until("room", async || client.lease("metrics", second, None).await.ok()).await;
}
