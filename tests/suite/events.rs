//! Events: from the emission to the stream, before and after an exporter is there.

use std::sync::{Arc, Mutex};

use serde::Serialize;
use telemetry_core::{Declaration, EntryRef, Event, Registry, Sink, Telemetry, Value, event};

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

/// Emitted while somebody wants it.
#[event(name = "events_on_demand", on_demand)]
static ON_DEMAND: Event<u32>;

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

#[test]
fn an_event_on_demand_is_on_while_somebody_keeps_it_so() {
    let telemetry = Telemetry::builder().build().expect("valid");
    let kept = Arc::new(Kept::default());
    let sink: Arc<dyn Sink> = kept.clone();
    let _attached = telemetry.registry().attach(&sink);
    let runtime: Event<u32> = telemetry.event(Declaration::new("events_on_demand_runtime").on_demand()).expect("declared");
    for (name, event) in [("events_on_demand", &ON_DEMAND), ("events_on_demand_runtime", &runtime)] {
        event.emit(&1);
        let first = telemetry.switch_on(name).expect("it is on demand");
        event.emit(&2);
        let second = telemetry.registry().find(name).and_then(|entry| entry.switch_on()).expect("it is on demand");
        drop(first);
        assert!(event.is_on(), "{name}");
        event.emit(&3);
        drop(second);
        assert!(!event.is_on(), "{name}");
        event.emit(&4);
        assert_eq!(kept.of(name), ["2", "3"], "{name}");
    }
}

#[test]
fn what_is_no_event_on_demand_is_not_switched_on_and_says_why() {
    let telemetry = Telemetry::builder().build().expect("valid");
    let refused = |name: &str| telemetry.switch_on(name).map(drop).expect_err("it is none").to_string();
    let wanted = "wanted an event that is declared `on_demand`";
    assert_eq!(refused("events_nope"), format!("nothing is called \"events_nope\": {wanted}"));
    assert_eq!(refused("events_linked"), "the event \"events_linked\" is always on: wanted one that is declared `on_demand`");
    assert_eq!(refused("decl_rpc"), format!("\"decl_rpc\" is of kind rpc: {wanted}"));
    assert!(LINKED.is_on() && telemetry.registry().find("events_linked").is_some_and(|entry| entry.switch_on().is_none()));
    let error = telemetry.property(Declaration::new("events_property").on_demand(), || 1_i64).expect_err("it is no event");
    assert_eq!(error.to_string(), "the property \"events_property\" is declared on demand: wanted an event");
}
