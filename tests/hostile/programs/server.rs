//! Serves streams, properties and rpcs whose content is known, with the limits that are the default or what its arguments say, each
//! `name=milliseconds` or `certificate=file` and `key=file`. It says where it serves, and ends with its input.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use std::{env, thread};

use hostile::{COLLECTIONS, SERIES};
use serde::Serialize;
use telemetry_core::{Counter, Event, Labels, Property, RpcError, Snapshot, event, metric, property, rpc, snapshot};
use telemetry_exporter::limits::STREAM_BYTES_MAX;
use telemetry_exporter::{Config, Limits, ServerTls};

/// How long the rpc takes that answers late, and the one that blocks.
const LATE: Duration = Duration::from_secs(2);

/// Bytes of the text of an event.
const TEXT_BYTES: usize = 1_000;

/// Bytes that the rpc answers which answers with much, and that the long text has.
const LARGE_BYTES: usize = 1 << 19;

/// Bytes that the program holds of its allocator.
static LIVE: AtomicI64 = AtomicI64::new(0);

/// Counts what is taken and given back.
struct Counting;

// SAFETY: the system's allocator does all of it.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as i64, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size as i64 - layout.size() as i64, Ordering::Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that the program holds of its allocator.
#[metric(name = "hostile_live", unit = "By")]
fn live() -> i64 {
    LIVE.load(Ordering::Relaxed)
}

/// A numbered event.
#[derive(Serialize)]
struct Numbered {
    number: u64,
    text: String,
}

/// A numbered event.
#[event(name = "hostile_event")]
static EVENTS: Event<Numbered>;

/// One of many.
#[derive(Labels)]
struct One {
    number: u64,
}

/// Something that is counted.
#[metric(name = "hostile_counter")]
static COUNTER: Counter<One>;

/// A number.
#[property(name = "hostile_number")]
static NUMBER: Property<i64>;

/// A text.
#[property(name = "hostile_text")]
fn text() -> String {
    "some text".repeat(10)
}

/// A long text.
#[property(name = "hostile_large_text")]
fn large_text() -> String {
    "x".repeat(LARGE_BYTES)
}

/// A small state.
#[snapshot(name = "hostile_snapshot", every = "1s")]
static SNAPSHOT: Snapshot<u32>;

/// Answers at once.
#[rpc(name = "hostile_now")]
fn now(number: i64) -> Result<i64, RpcError> {
    Ok(number.wrapping_add(1))
}

/// Answers after a while. It waits on its thread, since it has no runtime of its own.
#[rpc(name = "hostile_late")]
fn late(_: Option<i64>) -> Result<(), RpcError> {
    thread::sleep(LATE);
    Ok(())
}

/// Panics.
#[rpc(name = "hostile_panics")]
fn panics(_: Option<i64>) -> Result<(), RpcError> {
    panic!("as it was asked")
}

/// Holds its thread for long.
#[rpc(name = "hostile_blocks")]
fn blocks(_: Option<i64>) -> Result<(), RpcError> {
    thread::sleep(2 * LATE);
    Ok(())
}

/// Answers with much.
#[rpc(name = "hostile_large")]
fn large(_: Option<i64>) -> Result<String, RpcError> {
    Ok("x".repeat(LARGE_BYTES))
}

fn main() {
    let settings: HashMap<String, String> = env::args()
        .skip(1)
        .filter_map(|setting| setting.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect();
    let time =
        |name: &str, or: Duration| settings.get(name).map_or(or, |ms| Duration::from_millis(ms.parse().expect("milliseconds")));
    let default = Limits::default();
    let limits = Limits {
        handshake_deadline: time("handshake_deadline", default.handshake_deadline),
        idle_deadline: time("idle_deadline", default.idle_deadline),
        progress_deadline: time("progress_deadline", default.progress_deadline),
        ..default
    };
    let path = |name: &str| settings.get(name).map(PathBuf::from);
    let tls = path("certificate").zip(path("key"));
    let tls = tls.map(|(certificate, key)| ServerTls { certificate, key, client_authorities: None });
    let listen = Some(([127, 0, 0, 1], 0).into());
    // What is collected is what is asked for below, and nothing in between.
    let collect_every = Duration::from_secs(3_600);
    let running = telemetry_exporter::start(Config { listen, limits, tls, collect_every, ..Config::default() }).expect("it starts");
    NUMBER.set(7);
    let _provides = SNAPSHOT.provide(|| 7);
    let events = STREAM_BYTES_MAX / TEXT_BYTES; // some fall out at the front: the stream is full
    for number in 0..events as u64 {
        EVENTS.emit(&Numbered { number, text: "x".repeat(TEXT_BYTES) });
    }
    for _ in 0..COLLECTIONS {
        for number in 0..SERIES {
            COUNTER.with(One { number }).add(number);
        }
        running.telemetry().force_flush().expect("it collects");
    }
    let snapshots = running.streams().by_name(hostile::SNAPSHOT).expect("it is declared");
    while snapshots.log.state().appended == 0 {
        thread::sleep(Duration::from_millis(10));
    }
    println!("{}", running.local_addr().expect("it listens"));
    let _its_end = io::stdin().lock().read_to_end(&mut Vec::new());
    running.stop().expect("it stops");
}
