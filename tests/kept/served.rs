//! The streams of an earlier life, served by the next one.

use std::path::Path;
use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use prost::Message as _;
use telemetry_core::{Counter, Event, clock, event, metric};
use telemetry_exporter::client::{GapReason, Place, PullOptions, Pulled};
use telemetry_exporter::pb;
use telemetry_exporter::pb::telemetry_client::TelemetryClient;
use telemetry_exporter::stream::frames;
use telemetry_exporter::{Config, Disk, Durability, Running};

use crate::support::{client, config, drain, messages, metrics, start};

/// .
#[event(name = "kept_resumed")]
static RESUMED: Event<u32>;

/// .
#[event(name = "kept_timed")]
static TIMED: Event<u32>;

/// .
#[event(name = "kept_shared")]
static SHARED: Event<u32>;

/// .
#[metric(name = "kept_counter")]
static COUNTER: Counter;

pub fn kept(dir: &Path, durability: Durability) -> Config {
    Config { disk: Some(Disk { durability, ..Disk::at(dir) }), ..config() }
}

/// What was pulled, in words: the payloads, and the gaps with the session behind them.
fn told(pulled: &[Pulled], running: &[&str]) -> Vec<String> {
    let life = |session: &str| running.iter().position(|other| *other == session).expect("one of these");
    let mut told = Vec::new();
    for pulled in pulled {
        match pulled {
            Pulled::Messages { session, messages, .. } => {
                let text = |payload: &[u8]| String::from_utf8_lossy(payload).into_owned();
                told.extend(messages.iter().map(|message| format!("{}:{}", life(session), text(&message.payload))));
            }
            Pulled::Gap { session, reason, .. } => told.push(format!("{} {}", reason.as_str(), life(session))),
            other => panic!("{other:?}"),
        }
    }
    told
}

fn numbers(life: usize, range: std::ops::Range<u32>) -> impl Iterator<Item = String> {
    range.map(move |number| format!("{life}:{number}"))
}

async fn collect(running: &Running) {
    let telemetry = running.telemetry().clone();
    tokio::task::spawn_blocking(move || telemetry.force_flush()).await.expect("no panic").expect("collected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_in_the_earlier_life_is_told_once_and_then_has_the_present_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = start(kept(dir.path(), Durability::Interval));
    assert!(first.recovery().is_some_and(|recovery| recovery.sessions.is_empty()));
    (0..10).for_each(|number| RESUMED.emit(&number));
    COUNTER.add(7);
    collect(&first).await;
    let mut place = Place::default();
    assert_eq!(drain(&client(&first).await, "kept_resumed", &mut place).await.len(), 1);
    (10..20).for_each(|number| RESUMED.emit(&number));
    let id = first.session().to_string();
    first.stop().expect("in order");

    let second = start(kept(dir.path(), Durability::Interval));
    (20..25).for_each(|number| RESUMED.emit(&number));
    let ids = [id.as_str(), &second.session().to_string()];
    let found = &second.recovery().expect("there are files").sessions;
    assert_eq!(found.iter().map(|session| session.session.to_string()).collect::<Vec<_>>(), [ids[0]]);
    let stream = &found[0].streams["kept_resumed"];
    assert_eq!((stream.messages, stream.lost, stream.missed, stream.appended), (20, 0, 0, 20));
    let restarted = || std::iter::once("restarted 1".to_owned());
    let grpc = client(&second).await;
    let resumed = told(&drain(&grpc, "kept_resumed", &mut place).await, &ids);
    assert_eq!(resumed, numbers(0, 10..20).chain(restarted()).chain(numbers(1, 20..25)).collect::<Vec<_>>());
    assert_eq!(drain(&grpc, "kept_resumed", &mut place).await, []);
    RESUMED.emit(&25);
    assert_eq!(told(&drain(&grpc, "kept_resumed", &mut place).await, &ids), ["1:25"]);
    let fresh = told(&drain(&grpc, "kept_resumed", &mut Place::default()).await, &ids);
    assert_eq!(fresh, numbers(0, 0..20).chain(restarted()).chain(numbers(1, 20..26)).collect::<Vec<_>>());

    // The metrics of the earlier life are readable.
    let pulled = drain(&grpc, "metrics", &mut Place::default()).await;
    let old = pulled.iter().take_while(|pulled| matches!(pulled, Pulled::Messages { .. })).cloned().collect();
    let old: Vec<_> = messages(old).iter().map(|message| ResourceMetrics::decode(&*message.payload).expect("OTLP")).collect();
    assert!(old.iter().any(|message| !metrics(message, "kept_counter").is_empty()), "{} messages", old.len());
    let restarts = pulled.iter().filter(|pulled| matches!(pulled, Pulled::Gap { reason: GapReason::Restarted, .. }));
    assert_eq!(restarts.count(), 1);

    // An old client has the present life alone.
    second.streams().seal();
    let stream_id = second.streams().by_name("kept_resumed").expect("a stream").id;
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", second.local_addr().expect("it listens")));
    let mut old = TelemetryClient::new(endpoint.expect("an address").connect().await.expect("it answers"));
    let mut segments =
        old.get_stream(pb::GetStreamRequest { stream_id, sequence_number_since: 0 }).await.expect("an answer").into_inner();
    let mut found = Vec::new();
    while let Some(segment) = segments.message().await.expect("a segment") {
        found.extend(frames(&segment.data).map(|frame| String::from_utf8_lossy(frame.expect("whole").payload).into_owned()));
    }
    assert_eq!(found, (20..26).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn times_lead_through_all_lives() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut times, mut ids, mut last) = (Vec::new(), Vec::new(), None);
    for life in 0..3 {
        drop(last.take());
        let running = start(kept(dir.path(), Durability::Each));
        for number in life * 10..life * 10 + 10 {
            times.push(clock::now_ns());
            while clock::now_ns() == times[number as usize] {}
            TIMED.emit(&number);
            if number % 4 == 0 {
                running.streams().seal();
            }
        }
        ids.push(running.session().to_string());
        last = Some(running);
    }
    let running = last.expect("the third");
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let grpc = client(&running).await;
    for (since, until) in [(0, 30), (3, 30), (10, 30), (15, 30), (25, 30), (0, 5), (0, 10), (4, 17), (12, 13), (9, 21), (20, 29)] {
        let options = PullOptions {
            head: true,
            since_ns: (since > 0).then(|| times[since]),
            until_ns: (until < 30).then(|| times[until]),
            ..PullOptions::default()
        };
        let mut pull = grpc.pull("kept_timed", &Place::default(), options).await.expect("the stream exists");
        let mut pulled = Vec::new();
        while let Some(item) = pull.next().await.expect("an answer") {
            pulled.push(item);
        }
        let found = told(&pulled, &ids).into_iter().filter(|text| !text.starts_with("restarted")).collect::<Vec<_>>();
        let wanted: Vec<_> = (since..until).map(|number| format!("{}:{number}", number / 10)).collect();
        assert_eq!(found, wanted, "{since} to {until}");
        let restarts = pulled.iter().filter(|pulled| matches!(pulled, Pulled::Gap { .. })).count();
        assert!(restarts == (until - 1) / 10 - since / 10 || (until % 10 == 0 && until < 30), "{since} to {until}: {restarts}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shares_a_folder_leaves_the_files_of_others_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let folders = || {
        std::fs::read_dir(dir.path()).expect("a folder").filter(|entry| entry.as_ref().expect("an entry").path().is_dir()).count()
    };
    let config = || {
        let disk =
            Disk { durability: Durability::Each, bytes_max: 1 << 20, interval: Duration::from_millis(1), ..Disk::at(dir.path()) };
        Config { disk: Some(disk), ..config() }
    };
    let (first, second) = (start(config()), start(config()));
    SHARED.emit(&1); // to both
    let third = start(Config { disk: Some(Disk { durability: Durability::Memory, ..Disk::at(dir.path()) }), ..config() });
    let found = third.recovery().expect("a folder");
    assert_eq!((found.live, found.sessions.len(), folders()), (2, 0, 2));
    first.stop().expect("in order");
    let fourth = start(config());
    let found = fourth.recovery().expect("a folder");
    assert_eq!((found.live, found.sessions.len()), (1, 1));
    assert_eq!(found.sessions[0].session, first.session());
    let ids = [first.session().to_string(), fourth.session().to_string()];
    let ids = ids.each_ref().map(String::as_str);
    let pulled = drain(&client(&fourth).await, "kept_shared", &mut Place::default()).await;
    assert_eq!(told(&pulled, &ids), ["0:1", "restarted 1"]);
    second.stop().expect("in order");
    drop(third);
    drop(fourth);
    let last = start(config());
    assert_eq!(last.recovery().map(|recovery| (recovery.live, recovery.sessions.len())), Some((0, 3)), "one was to write none");
}

/// .
#[event(name = "kept_rare")]
static RARE: Event<u32>;

/// .
#[event(name = "kept_often")]
static OFTEN: Event<u32>;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_does_not_come_again_whatever_the_lives_behind_it_left() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut place, mut found) = (Place::default(), Vec::new());
    for life in 0..5_u32 {
        // The third life is in no file.
        let running = start(kept(dir.path(), if life == 2 { Durability::Memory } else { Durability::Interval }));
        if life == 0 || life == 4 {
            (0..3).for_each(|number| RARE.emit(&(10 * life + number)));
        }
        OFTEN.emit(&life);
        let pulled = drain(&client(&running).await, "kept_rare", &mut place).await;
        let restarts = pulled.iter().filter(|pulled| matches!(pulled, Pulled::Gap { reason: GapReason::Restarted, .. }));
        assert_eq!(restarts.count(), usize::from(life > 0), "life {life}");
        found.extend(messages(pulled).into_iter().map(|message| String::from_utf8_lossy(&message.payload).into_owned()));
        tokio::task::spawn_blocking(move || running.stop()).await.expect("no panic").expect("in order");
    }
    assert_eq!(found, ["0", "1", "2", "40", "41", "42"]);
}
