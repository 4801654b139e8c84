//! Clients that do not read what they asked for: what is held for them, and how they go on.

use futures::future::join_all;
use telemetry_core::{Counter, Event, Labels, metric};
use telemetry_exporter::limits::{METRICS_READERS_MAX, METRICS_READERS_PER_CLIENT_MAX, STREAMS_PER_CONNECTION_MAX};
use telemetry_exporter::pb::telemetry_client::TelemetryClient;
use telemetry_exporter::pb::{self, pull_response::Item};
use telemetry_exporter::stream::{Piece, Position, Reader, frames};
use telemetry_exporter::{Running, StreamBounds};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::support::{DEADLINE, client, config, is_alone, start, until};

/// A connection on which no more is sent unread than HTTP/2 has it at the least.
async fn narrow(running: &Running) -> TelemetryClient<Channel> {
    let endpoint = format!("http://{}", running.local_addr().expect("it listens"));
    let endpoint = Endpoint::from_shared(endpoint).expect("an address").initial_stream_window_size(65_535);
    TelemetryClient::new(endpoint.connect().await.expect("connected"))
}

fn request(stream: &str) -> pb::PullRequest {
    pb::PullRequest { stream: stream.to_owned(), head: true, ..pb::PullRequest::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_holds_nothing_of_what_is_dropped_and_is_told_what_it_missed() {
    let running = start(config());
    let event: Event<String> = running.telemetry().event("stalled_events").expect("declared");
    (0..6_000).for_each(|_| event.emit(&"x".repeat(1_000)));
    let stream = running.streams().by_name("stalled_events").expect("a stream");
    let (mut segments, mut at) = (Vec::new(), Position::default());
    while let Piece::Data { next, data, .. } = stream.log.read(at, false) {
        segments.push(data);
        at = next;
    }
    assert!(segments.len() > 20 && !segments.iter().any(|segment| segment.is_unique()), "the log has them too");
    let mut pulls = Vec::new();
    for _ in 0..4 {
        let mut client = narrow(&running).await;
        let mut answers = client.pull(request("stalled_events")).await.expect("a stream").into_inner();
        let Some(Item::Chunk(first)) = answers.message().await.expect("an answer").expect("one").item else { panic!("a chunk") };
        pulls.push((answers, frames(&first.data).count() as u64));
    }
    while stream.log.state().kept > 0 {
        stream.log.give_way();
    }
    until("the end of what is held", async || segments.iter().all(|segment| segment.is_unique()).then_some(())).await;
    event.emit(&"the last".to_owned());
    for (mut answers, mut found) in pulls {
        let (mut missed, mut reasons) = (0, Vec::new());
        while let Some(answer) = answers.message().await.expect("an answer") {
            match answer.item.expect("something") {
                Item::Chunk(chunk) => found += frames(&chunk.data).count() as u64,
                Item::Gap(gap) => {
                    missed = gap.messages_before - found;
                    reasons.push(gap.reason());
                }
            }
        }
        assert_eq!((found + missed, reasons), (6_001, vec![pb::GapReason::Dropped]));
        assert!(missed > 3_000, "{missed} of 6,000: the client got nearly all, so it never waited");
    }
}

#[derive(Clone, Copy, Labels)]
struct Row {
    n: i64,
}

/// Makes the collections of one test large.
#[metric(name = "stalled_rows")]
static ROWS: Counter<Row>;

#[tokio::test(flavor = "multi_thread")]
async fn segments_of_metrics_come_whole_and_pulls_in_pieces_with_the_places_of_their_messages() {
    // What other tests record would make each collection a segment.
    let name = "stalled::segments_of_metrics_come_whole_and_pulls_in_pieces_with_the_places_of_their_messages";
    if !is_alone(name, &[]) {
        return;
    }
    let mut config = config();
    config.bounds.of("metrics", StreamBounds { segment_bytes: Some(1 << 20), ..StreamBounds::default() });
    let running = start(config);
    (0..1_000).for_each(|n| ROWS.with(Row { n }).inc());
    let telemetry = running.telemetry().clone();
    let collected = tokio::task::spawn_blocking(move || (0..30).try_for_each(|_| telemetry.force_flush()));
    collected.await.expect("no panic").expect("collected");
    running.streams().seal();
    let mut reader = Reader::new(running.streams().metrics().clone());
    let (mut at, mut segments, mut wanted) = (Position::default(), Vec::new(), Vec::new());
    while let Piece::Data { from, next, data } = reader.read(at, false) {
        wanted.extend(reader.begins().iter().copied().zip(frames(&data).map(|frame| frame.expect("whole").payload.to_vec())));
        segments.push((from.sequence as u32, data));
        at = next;
    }
    let mut client = narrow(&running).await;
    let mut answers = client.get_stream(pb::GetStreamRequest::default()).await.expect("metrics").into_inner();
    let mut found = Vec::new();
    while let Some(pb::StreamSegment { sequence_number, data }) = answers.message().await.expect("an answer") {
        found.push((sequence_number, data));
    }
    assert!(found == segments && segments.iter().any(|(_, data)| data.len() > 500_000), "{} segments", segments.len());
    let sealed = pb::PullRequest { head: false, ..request("metrics") }; // the program's first collection may come meanwhile
    let mut answers = client.pull(sealed).await.expect("metrics").into_inner();
    let (mut found, mut pieces) = (Vec::new(), 0);
    while let Some(answer) = answers.message().await.expect("an answer") {
        let Some(Item::Chunk(pb::Chunk { data, at, .. })) = answer.item else { panic!("a chunk") };
        let at = at.into_iter().map(|at| Position { sequence: at.sequence, offset: at.offset });
        found.extend(at.zip(frames(&data).map(|frame| frame.expect("whole").payload.to_vec())));
        pieces += 1;
    }
    assert_eq!(found.len(), wanted.len());
    assert_eq!(found.iter().map(|(at, _)| at).collect::<Vec<_>>(), wanted.iter().map(|(at, _)| at).collect::<Vec<_>>());
    assert!(found == wanted, "the bytes");
    assert!(pieces > segments.len(), "{} messages in {pieces} pieces of {} segments", found.len(), segments.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_of_one_client_and_of_all_read_metrics_at_a_time_and_one_that_leaves_makes_room() {
    for (per_client, most, words) in [
        (METRICS_READERS_PER_CLIENT_MAX, METRICS_READERS_PER_CLIENT_MAX, "32 requests of this client read metrics"),
        (usize::MAX, METRICS_READERS_MAX, "128 requests read metrics"),
    ] {
        let mut config = config();
        config.limits.connections_per_client = config.limits.connections;
        config.limits.metrics_readers_per_client = per_client;
        let running = start(config);
        let telemetry = running.telemetry().clone();
        tokio::task::spawn_blocking(move || telemetry.force_flush()).await.expect("no panic").expect("collected");
        let follow = || pb::PullRequest { follow: true, ..request("metrics") };
        let streams = STREAMS_PER_CONNECTION_MAX as usize;
        let mut clients = join_all((0..most.div_ceil(streams)).map(|_| narrow(&running))).await;
        let mut pulls = Vec::new();
        for n in 0..most {
            pulls.push(clients[n / streams].pull(follow()).await.expect("there is room").into_inner());
        }
        let last = client(&running).await;
        let refused = last.latest("metrics").await.expect_err("no room");
        assert_eq!(refused.code(), Some(Code::ResourceExhausted), "{refused}");
        assert!(refused.to_string().contains(words), "{refused}");
        drop(pulls.pop());
        let latest = until("room", async || last.latest("metrics").await.ok()).await;
        assert!(!latest.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_all_there_is_gets_it_however_much_is_held_and_so_do_others() {
    let mut config = config();
    config.limits.held_bytes = 4 << 20;
    let running = start(config);
    for number in 0..136 {
        let declared = running.telemetry().property(format!("stalled_large_{number}"), || "x".repeat(4 << 10));
        declared.expect("declared");
    }
    let event: Event<String> = running.telemetry().event("stalled_large_events").expect("declared");
    (0..100).for_each(|_| event.emit(&"x".repeat(60_000)));
    let names: Vec<_> = (0..136).map(|number| format!("stalled_large_{number}")).collect();
    let mut connections = Vec::new();
    for _ in 0..3 {
        connections.push(narrow(&running).await);
    }
    let mut answers = Vec::new();
    for client in &mut connections {
        let asked = pb::GetPropertiesRequest { names: names.clone() };
        answers.push(client.get_properties(asked).await.expect("an answer").into_inner());
    }
    // A little more than there may be is held by now, unread.
    let reading = answers.into_iter().map(async |mut answers| {
        let mut bytes = 0;
        while let Some(property) = answers.message().await.expect("an answer") {
            bytes += property.value.map_or(0, |value| match value {
                pb::property::Value::StringValue(text) => text.len(),
                pb::property::Value::IntegerValue(_) => 0,
            });
        }
        bytes
    });
    let json = async || {
        let address = running.local_addr().expect("it listens");
        let mut io = tokio::net::TcpStream::connect(address).await.expect("connected");
        let asked = b"GET /api/streams/stalled_large_events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        io.write_all(asked).await.expect("sent");
        let mut answer = Vec::new();
        io.read_to_end(&mut answer).await.expect("all of it");
        answer.len()
    };
    let mut other = narrow(&running).await;
    let pulling = async {
        let mut answers = other.pull(request("stalled_large_events")).await.expect("an answer").into_inner();
        let mut messages = 0;
        while let Some(Item::Chunk(chunk)) = answers.message().await.expect("an answer").and_then(|answer| answer.item) {
            messages += frames(&chunk.data).count();
        }
        messages
    };
    let all = async { tokio::join!(join_all(reading), join_all((0..8).map(|_| json())), pulling) };
    let (properties, lists, messages) = tokio::time::timeout(DEADLINE, all).await.expect("nobody waits for himself");
    assert!(properties.iter().all(|bytes| *bytes == 136 << 12), "{properties:?}");
    assert!(lists.iter().all(|bytes| *bytes > 6_000_000), "{lists:?}");
    assert_eq!(messages, 100);

    for number in 136..400 {
        running.telemetry().property(format!("stalled_large_{number}"), || "x".repeat(64 << 10)).expect("declared");
    }
    let names = (0..400).map(|number| format!("stalled_large_{number}")).collect();
    let refused = other.get_properties(pb::GetPropertiesRequest { names }).await.expect_err("it is more than may be held");
    assert!(
        refused.code() == Code::ResourceExhausted && refused.message().contains("at most 1398101 are answered together"),
        "{refused}"
    );
}
