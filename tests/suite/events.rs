//! Events: from the emission to the stream, before and after an exporter is there.

use std::sync::{Arc, Mutex};

use serde::Serialize;
use telemetry_core::{EntryRef, Event, Registry, Sink, Telemetry, Value, event};

use crate::support::value;

#[derive(Default)]
struct Kept(Mutex<Vec<(String, String)>>);

impl Sink for Kept {
    fn event(&self, entry: &EntryRef, time_ns: u64, json: &[u8]) {
        assert!(time_ns > 0);
        self.0.lock().expect("no panic").push((entry.name().to_owned(), String::from_utf8_lossy(json).into_owned()));
    }
}

impl Kept {
    fn of(&self, name: &str) -> Vec<String> {
        self.0.lock().expect("no panic").iter().filter(|(of, _)| of == name).map(|(_, json)| json.clone()).collect()
    }
}

#[derive(Serialize)]
struct Ping {
    peer: &'static str,
    rtt_us: u64,
}

/// .
#[event(name = "events_linked")]
static LINKED: Event<Ping>;

/// .
#[event(name = "events_bad")]
static BAD: Event<Bad>;

struct Bad(bool);

impl Serialize for Bad {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        if self.0 { panic!("serialize boom") } else { Err(serde::ser::Error::custom("no")) }
    }
}

fn dropped(cause: &str) -> u64 {
    match value("telemetry_events_dropped", &[("cause", cause)]) {
        Some(Value::U64(count)) => count,
        _ => 0,
    }
}

#[test]
fn a_linked_event_reaches_every_sink_that_is_attached_and_none_that_was_dropped() {
    let registry = Registry::new();
    let (first, second) = (Arc::new(Kept::default()), Arc::new(Kept::default()));
    let sink = |kept: &Arc<Kept>| -> Arc<dyn Sink> { kept.clone() };
    let attached = (registry.attach(&sink(&first)), registry.attach(&sink(&second)));
    LINKED.emit(&Ping { peer: "a", rtt_us: 5 });
    drop(attached.1);
    LINKED.emit(&Ping { peer: "b", rtt_us: 6 });
    let [a, b] = [r#"{"peer":"a","rtt_us":5}"#, r#"{"peer":"b","rtt_us":6}"#];
    assert_eq!(first.of("events_linked"), [a, b]);
    assert_eq!(second.of("events_linked"), [a]);
}

#[test]
fn what_is_emitted_before_a_sink_is_kept_in_order_the_newest_of_it() {
    let telemetry = Telemetry::builder().build().expect("valid");
    let event: Event<usize> = telemetry.event("events_backlog").expect("declared");
    let (before, max) = (dropped("backlog"), telemetry_core::limits::BACKLOG_EVENTS_MAX);
    (0..max + 3).for_each(|i| event.emit(&i));
    let kept = Arc::new(Kept::default());
    let sink: Arc<dyn Sink> = kept.clone();
    let _attached = telemetry.registry().attach(&sink);
    event.emit(&usize::MAX);
    let mut wanted: Vec<_> = (3..max + 3).map(|i| i.to_string()).collect();
    wanted.push(usize::MAX.to_string());
    assert_eq!(kept.of("events_backlog"), wanted);
    assert!(dropped("backlog") >= before + 3);
}

#[test]
fn what_does_not_serialise_is_counted_and_harms_nobody() {
    let before = dropped("unserializable");
    BAD.emit(&Bad(false));
    BAD.emit(&Bad(true));
    assert_eq!(dropped("unserializable"), before + 2);
    let before = dropped("undeclared");
    Event::<u32>::new().emit(&1);
    assert_eq!(dropped("undeclared"), before + 1);
    let before = dropped("too_large");
    let telemetry = Telemetry::builder().build().expect("valid");
    let event: Event<String> = telemetry.event("events_large").expect("declared");
    let kept = Arc::new(Kept::default());
    let sink: Arc<dyn Sink> = kept.clone();
    let _attached = telemetry.registry().attach(&sink);
    event.emit(&"x".repeat(telemetry_core::limits::RECORD_BYTES_MAX - 2)); // the quotes make it the limit
    event.emit(&"x".repeat(telemetry_core::limits::RECORD_BYTES_MAX - 1));
    assert_eq!(kept.of("events_large").len(), 1);
    assert_eq!(dropped("too_large"), before + 1);
}
