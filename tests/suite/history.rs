//! Pulling a part of a stream: from a time, up to a time, of metrics every so often, and from where a token says.

use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, metric, number_data_point};
use prost::Message as _;
use telemetry_core::{Counter, Event, Labels, clock, metric};
use telemetry_exporter::client::{Client, GapReason, Mark, Message, Place, PullOptions, Pulled};
use telemetry_exporter::pb::telemetry_client::TelemetryClient;
use telemetry_exporter::pb::{self, pull_response::Item};
use telemetry_exporter::stream::{Position, Token, frames};
use telemetry_exporter::{Running, StreamBounds};

use crate::support::{client, config, drain, is_alone, messages, metrics, start};

#[derive(Clone, Copy, Labels)]
struct Step {
    n: i64,
}

/// Counts the collections of one test.
#[metric(name = "history_steps")]
static STEPS: Counter<Step>;

async fn pull(client: &Client, stream: &str, options: PullOptions) -> Vec<Message> {
    let mut pull = client.pull(stream, &Place::default(), PullOptions { head: true, ..options }).await.expect("a stream");
    let mut all = Vec::new();
    while let Some(pulled) = pull.next().await.expect("an answer") {
        all.push(pulled);
    }
    messages(all)
}

async fn collect(running: &Running) {
    let telemetry = running.telemetry().clone();
    tokio::task::spawn_blocking(move || telemetry.force_flush()).await.expect("no panic").expect("collected");
}

fn texts(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8_lossy(&message.payload).into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_pulled_by_its_times_across_segments_and_the_head() {
    let running = start(config());
    let event: Event<u32> = running.telemetry().event("history_times").expect("declared");
    let stream = running.streams().by_name("history_times").expect("a stream");
    let mut times = Vec::new();
    for n in 0..20 {
        event.emit(&n);
        if n % 6 == 5 {
            stream.log.seal();
        }
        while clock::now_ns() == times.last().copied().unwrap_or(0) {}
        times.push(clock::now_ns()); // after n, and before n + 1
    }
    let client = client(&running).await;
    for (from, to) in [(0, 20), (3, 4), (5, 6), (6, 12), (17, 20), (7, 7)] {
        let since_ns = (from > 0).then(|| times[from - 1]);
        let until_ns = (to < 20).then(|| times[to.max(1) - 1]);
        let found = pull(&client, "history_times", PullOptions { since_ns, until_ns, ..PullOptions::default() }).await;
        assert_eq!(texts(&found), (from..to).map(|n| n.to_string()).collect::<Vec<_>>(), "{from} to {to}");
    }
    let both = PullOptions { follow: true, until_ns: Some(1), ..PullOptions::default() };
    let error = client.pull("history_times", &Place::default(), both).await.map(drop).expect_err("it would not end");
    assert_eq!(error.to_string(), "INVALID_ARGUMENT: wanted follow or until, not both");
    let every = PullOptions { every: Some(Duration::from_secs(1)), ..PullOptions::default() };
    let error = client.pull("history_times", &Place::default(), every).await.map(drop).expect_err("events are no metrics");
    assert!(error.to_string().contains("\"history_times\" is no stream of metrics"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_metrics_every_so_often_the_last_is_pulled_and_no_end_of_a_series_is_missed() {
    // Alone, since the series of other tests come and go.
    if !is_alone("history::of_metrics_every_so_often_the_last_is_pulled_and_no_end_of_a_series_is_missed", &[]) {
        return;
    }
    let mut config = config();
    config.bounds.of("metrics", StreamBounds { segment_bytes: Some(20_000), ..StreamBounds::default() });
    let running = start(config);
    for n in 0..40 {
        STEPS.with(Step { n: 7 }).inc();
        if n == 20 {
            STEPS.with(Step { n: 8 }).inc();
        }
        if n == 25 {
            STEPS.remove(&Step { n: 8 });
        }
        collect(&running).await;
    }
    let client = client(&running).await;
    let all = pull(&client, "metrics", PullOptions::default()).await;
    assert!(all.len() >= 40, "{} messages", all.len());
    let some = pull(&client, "metrics", PullOptions { every: Some(Duration::from_secs(3_600)), ..PullOptions::default() }).await;
    assert!(some.len() < 20, "{} messages", some.len());
    assert!(some.iter().all(|message| all.contains(message)), "they are messages of the stream, at their places");
    assert_eq!(some.last(), all.last());
    let points = |messages: &[Message], series: i64| {
        let mut found = Vec::new();
        for message in messages {
            let decoded = ResourceMetrics::decode(&*message.payload).expect("a ResourceMetrics");
            for (_, metric) in metrics(&decoded, "history_steps") {
                let Some(metric::Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
                let of_it =
                    sum.data_points.iter().filter(|point| format!("{:?}", point.attributes).contains(&format!("({series})")));
                found.extend(of_it.map(|point| (point.flags, point.value)));
            }
        }
        found
    };
    assert_eq!(points(&some, 7).last(), Some(&(0, Some(number_data_point::Value::AsInt(40)))));
    assert_eq!(points(&some, 8).last(), Some(&(1, None)), "that it ended");
    assert_eq!(points(&some, 8).first(), Some(&(0, Some(number_data_point::Value::AsInt(1)))), "its last value");
    let begins: Vec<_> = all.iter().map(|message| message.at).collect();
    assert!(begins.is_sorted_by(|a, b| a < b), "{begins:?}");
    // Each position of a message is one to go on from.
    for number in [0, all.len() / 2, all.len() - 1] {
        let mut place = Place::default();
        let session = running.session().to_string();
        place.streams.insert("metrics".to_owned(), Mark { session, at: all[number].at });
        assert_eq!(messages(drain(&client, "metrics", &mut place).await), all[number..]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_any_answer_is_where_the_next_request_goes_on() {
    let running = start(config());
    let event: Event<u32> = running.telemetry().event("history_token").expect("declared");
    let addr = running.local_addr().expect("it listens");
    let mut grpc = TelemetryClient::new(
        tonic::transport::Endpoint::from_shared(format!("http://{addr}")).expect("an address").connect().await.expect("it answers"),
    );
    let (mut token, mut found) = (String::new(), Vec::new());
    for n in 0..30 {
        event.emit(&n);
        if n % 7 == 3 {
            running.streams().seal();
        }
        if n % 4 != 0 {
            continue;
        }
        let stream = if token.is_empty() { "history_token" } else { "" };
        let request = pb::PullRequest { stream: stream.to_owned(), token: token.clone(), head: true, ..Default::default() };
        let mut answers = grpc.pull(request).await.expect("a stream").into_inner();
        while let Some(answer) = answers.message().await.expect("an answer") {
            let Some(Item::Chunk(chunk)) = answer.item else { panic!("no gap: {answer:?}") };
            let next = chunk.next.expect("set");
            let at = Position { sequence: next.sequence, offset: next.offset };
            assert_eq!(chunk.token.parse(), Ok(Token { session: running.session(), stream: "history_token".into(), at }));
            found.extend(frames(&chunk.data).map(|frame| String::from_utf8_lossy(frame.expect("whole").payload).into_owned()));
            token = chunk.token;
        }
    }
    assert_eq!(found, (0..29).map(|n| n.to_string()).collect::<Vec<_>>());
    let with = |stream: &str, token: String, session: &str| pb::PullRequest {
        stream: stream.to_owned(),
        token,
        session: session.to_owned(),
        ..Default::default()
    };
    for (request, wanted) in [
        (with("metrics", token.clone(), ""), "the token is of the stream \"history_token\", not of \"metrics\""),
        (with("", token.clone(), "x"), "wanted a token or a position, not both"),
        (with("", token[..token.len() - 1].to_owned(), ""), "it is no resume token: "),
    ] {
        let status = grpc.pull(request).await.expect_err("refused");
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert!(status.message().starts_with(wanted), "{status}");
    }
    // That of a life which is over leads to the news that it is.
    let at = Position { sequence: 4, offset: 0 };
    let old = Token { session: Default::default(), stream: "history_token".into(), at }.to_string();
    let mut answers = grpc.pull(with("", old, "")).await.expect("a stream").into_inner();
    let Some(Item::Gap(gap)) = answers.message().await.expect("an answer").expect("one").item else { panic!("a gap comes first") };
    assert_eq!(
        (gap.reason(), gap.session, gap.from.map(|from| from.sequence)),
        (pb::GapReason::Restarted, running.session().to_string(), Some(4))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_streams_together_stay_within_their_bytes_and_a_reader_counts_what_it_missed() {
    let mut config = config();
    (config.streams.message_bytes_max, config.streams.segment_bytes) = (10_000, 10_000);
    config.bounds.bytes_max = 200_000;
    let running = start(config);
    let quiet: Event<u32> = running.telemetry().event("history_quiet").expect("declared");
    let noisy: Event<String> = running.telemetry().event("history_noisy").expect("declared");
    quiet.emit(&1);
    let client = client(&running).await;
    let mut place = Place::default();
    let mut got = messages(drain(&client, "history_noisy", &mut place).await).len() as u64;
    for round in 0..10 {
        for _ in 0..round * 10 {
            noisy.emit(&"x".repeat(1_000));
        }
        let bytes: usize = running.streams().all().iter().map(|stream| stream.log.state().bytes).sum();
        assert!(bytes <= 200_000 + 10_000, "{bytes} bytes");
        if round % 3 == 0 {
            for pulled in drain(&client, "history_noisy", &mut place).await {
                if let Pulled::Gap { messages_before, reason, .. } = &pulled {
                    assert_eq!(*reason, GapReason::Dropped);
                    got = *messages_before;
                }
                got += messages(vec![pulled]).len() as u64;
            }
            assert_eq!(got, (0..=round).map(|round| round * 10).sum::<u64>(), "got, or known to be gone");
        }
    }
    let state = running.streams().by_name("history_quiet").expect("a stream").log.state();
    assert_eq!((state.kept, state.dropped), (0, 1), "the oldest of all gave way");
}
