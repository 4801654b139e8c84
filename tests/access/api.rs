//! What people look at, over HTTP.

use serde_json::{Value, json};
use telemetry_core::{Declaration, Event, PropertyValue, RpcError};
use telemetry_exporter::Running;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{config, start};
use crate::ways::Way;

fn way(running: &Running) -> Way {
    Way::Tcp(running.local_addr().expect("it listens"))
}

async fn json(running: &Running, path: &str) -> Value {
    let (status, answer) = way(running).http(&format!("GET {path}"), &[], "").await.expect("an answer");
    assert_eq!(status, 200, "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let body = if head.contains("transfer-encoding: chunked") { dechunked(body) } else { body.to_owned() };
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
}

fn dechunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).expect("a length");
        whole += &rest[..length];
        body = rest[length..].trim_start_matches("\r\n");
    }
    whole
}

fn messages(list: &Value) -> Vec<u64> {
    list.as_array().expect("a list").iter().filter_map(|item| item["message"].as_u64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_reads_session_catalogue_properties_and_streams() {
    let running = start(config());
    let telemetry = running.telemetry();
    telemetry.property(Declaration::new("api_value").with_unit("By"), || PropertyValue::from(7_i64)).expect("declared");
    let event: Event<u64> = telemetry.event("api_events").expect("declared");
    (0..3).for_each(|number| event.emit(&number));
    assert_eq!(json(&running, "/api/session").await["session"], running.session().to_string());
    let property = json(&running, "/api/properties/api_value").await;
    assert_eq!((&property["value"], &property["unit"]), (&json!(7), &json!("By")));
    let named = |list: Value, name: &str| list.as_array().expect("a list").iter().find(|item| item["name"] == name).cloned();
    assert_eq!(named(json(&running, "/api/properties").await, "api_value"), Some(property));
    let stream = named(json(&running, "/api/streams").await, "api_events").expect("it is listed");
    assert_eq!((&stream["messages_kept"], &stream["kind"]), (&json!(3), &json!("event")));
    let declaration = named(json(&running, "/api/catalogue").await, "api_events").expect("it is declared");
    assert_eq!(declaration["kind"], "event");
    let all = json(&running, "/api/streams/api_events").await;
    assert_eq!(messages(&all), [0, 1, 2]);
    assert_eq!(messages(&json(&running, "/api/streams/api_events?latest=true").await), [2]);
    assert_eq!(messages(&json(&running, "/api/streams/api_events?until=1h").await), [0_u64; 0]);
    assert_eq!(messages(&json(&running, "/api/streams/api_events?since=1h").await), [0, 1, 2]);
    tokio::task::spawn_blocking({
        let telemetry = telemetry.clone();
        move || telemetry.force_flush()
    })
    .await
    .expect("no panic")
    .expect("collected");
    let metrics = json(&running, "/api/streams/metrics?latest=true").await;
    let collected = metrics[0]["message"].as_array().expect("metrics");
    assert!(collected.iter().any(|metric| metric["name"] == "telemetry_collections"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rpc_is_called_with_json_and_by_no_web_page() {
    let running = start(config());
    let twice = async |number: u64| number.checked_mul(2).ok_or_else(|| RpcError::invalid_argument("too large"));
    running.telemetry().rpc("api_twice", twice).expect("declared");
    let call = async |headers: &[(&str, &str)], body: &str| {
        way(&running).http("POST /api/rpcs/api_twice", headers, body).await.expect("an answer")
    };
    let as_json = [("content-type", "application/json; charset=utf-8")];
    let (status, answer) = call(&as_json, "21").await;
    assert!(status == 200 && answer.ends_with("\r\n\r\n42"), "{answer}");
    let (status, answer) = call(&as_json, "18446744073709551615").await;
    assert!(status == 400 && answer.contains("too large"), "{answer}");
    let (status, answer) = call(&as_json, "\"x\"").await;
    assert!(status == 400 && answer.contains("column"), "{answer}");
    // What a page of another host may send without being asked whether it may.
    for page in [&[("content-type", "text/plain")][..], &[]] {
        let (status, answer) = call(page, "21").await;
        assert!(status == 415 && answer.contains("application/json"), "{answer}");
    }
    assert_eq!(call(&as_json, &"9".repeat(70_000)).await.0, 413);
    let (status, answer) = way(&running).http("GET /api/rpcs/api_twice", &[], "").await.expect("an answer");
    assert_eq!(status, 405, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_wrongly_is_told() {
    let running = start(config());
    let _event: Event<u64> = running.telemetry().event("api_asked").expect("declared");
    let cases = [
        ("/api/streams/api_nope", 404, "no stream is named \"api_nope\""),
        ("/api/properties/api_nope", 404, "no property is named \"api_nope\""),
        ("/api/streams/api_asked?since=soon", 400, "since: wanted a time such as"),
        ("/api/streams/api_asked?every=often", 400, "every: wanted a time such as 10s"),
        ("/api/streams/api_asked?colour=red", 400, "unknown field `colour`"),
        ("/api/streams/api_asked?follow=yes", 400, "follow"),
        ("/api/streams/api_asked?token=x", 400, "token"),
        ("/api/streams/api_asked?follow=true&until=1h", 400, "not both"),
        ("/api/nope", 404, "nothing is at /api/nope"),
    ];
    for (path, wanted, text) in cases {
        let (status, answer) = way(&running).http(&format!("GET {path}"), &[], "").await.expect("an answer");
        assert!(status == wanted && answer.contains(text), "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_id_of_each_message_goes_on_behind_it() {
    let running = start(config());
    let event: Event<u64> = running.telemetry().event("api_ids").expect("declared");
    let log = &running.streams().by_name("api_ids").expect("a stream").log;
    for number in 0..9 {
        event.emit(&number);
        if number % 4 == 3 {
            log.seal();
        }
    }
    let telemetry = running.telemetry().clone();
    let collected = tokio::task::spawn_blocking(move || (0..4).try_for_each(|_| telemetry.force_flush()));
    collected.await.expect("no panic").expect("collected");
    for (name, count) in [("api_ids", 9), ("metrics", 4)] {
        let mut events = Events::open(&running, &format!("/api/streams/{name}?follow=true"), "").await;
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(events.next().await);
        }
        for (index, (id, _)) in all.iter().enumerate().take(count - 1) {
            let mut rest = Events::open(&running, &format!("/api/streams/{name}?follow=true"), id).await;
            let next = rest.next().await;
            assert!(next == all[index + 1], "{name}: what follows message {index}");
        }
    }
}

/// Server-sent events as they come: the ids and the data.
struct Events {
    io: Box<dyn crate::ways::Io>,
    text: String,
}

impl Events {
    async fn open(running: &Running, path: &str, last: &str) -> Self {
        let mut io = way(running).open().await.expect("a connection");
        let last = if last.is_empty() { String::new() } else { format!("last-event-id: {last}\r\n") };
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{last}\r\n");
        io.write_all(request.as_bytes()).await.expect("sent");
        let mut events = Self { io, text: String::new() };
        let head = events.until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-type: text/event-stream"), "{head}");
        events
    }

    async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some((found, rest)) = self.text.split_once(end) {
                let found = found.to_owned();
                self.text = rest.to_owned();
                return found;
            }
            let mut block = [0; 4096];
            let read = self.io.read(&mut block).await.expect("it goes on");
            assert_ne!(read, 0, "it ended: {}", self.text);
            self.text += &String::from_utf8_lossy(&block[..read]);
        }
    }

    /// The next message: its id, and what it is.
    async fn next(&mut self) -> (String, Value) {
        let event = self.until("\n\n").await;
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
        let data: Value = serde_json::from_str(&field("data:").expect("data")).expect("JSON");
        (field("id:").expect("an id"), data["message"].clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_follows_and_goes_on_behind_the_last_that_it_had() {
    let running = start(config());
    let event: Event<u64> = running.telemetry().event("api_followed").expect("declared");
    event.emit(&0);
    let mut events = Events::open(&running, "/api/streams/api_followed?follow=true", "").await;
    assert_eq!(events.next().await.1, json!(0));
    (1..4).for_each(|number| event.emit(&number));
    let (last, message) = events.next().await;
    assert_eq!(message, json!(1));
    drop(events); // the others may have come by then, and are asked for again
    event.emit(&4);
    let mut events = Events::open(&running, "/api/streams/api_followed?follow=true", &last).await;
    for wanted in 2..5 {
        assert_eq!(events.next().await.1, json!(wanted));
    }
}
