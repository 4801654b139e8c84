//! What emitting an event of about 200 bytes of JSON costs, beside its serialisation alone and beside `tracing` with the JSON layer of
//! `tracing-subscriber`.
//!
//! The floor, `plain`, is `serde_json::to_writer` into a `Vec` that is used again. `telemetry/event` is stored in a stream of the
//! exporter's. `tracing/event` has the same fields, no span, and a writer that forgets what it has as often as a segment is sealed;
//! `telemetry/forgotten` has such a sink too. `telemetry/backlog` has none, so that the oldest is dropped. Nothing is read meanwhile,
//! and nothing leaves the process.
//!
//! After the lines of the harness, which also tells the arguments: how many times the floor an event takes, how many times that
//! `tracing` takes, and for each case the allocations of 100,000 events, after as many.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::io::{self, Write};
use std::sync::{Arc, LazyLock, Mutex};

use serde::Serialize;
use telemetry_core::{EntryRef, Event, Outlet, Registry, Sink, Telemetry, event};
use telemetry_exporter::StreamOptions;
use telemetry_exporter::limits::SEGMENT_BYTES;
use telemetry_exporter::stream::{Bounds, Streams};

#[allow(dead_code)] // what only cases with inputs take
#[path = "../../telemetry-core/benches/harness.rs"]
mod harness;

use harness::{Case, FLOOR, Line};

thread_local!(static TAKEN: Cell<usize> = const { Cell::new(0) });

/// Counts what the calling thread takes.
struct Counting;

// SAFETY: the system's allocator does all of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.with(|taken| taken.set(taken.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        TAKEN.with(|taken| taken.set(taken.get() + 1));
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Direction {
    Inbound,
    #[allow(dead_code)] // a choice of one would be none
    Outbound,
}

impl Direction {
    fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

#[derive(Serialize)]
struct Transfer {
    peer: String,
    protocol: &'static str,
    direction: Direction,
    request: u64,
    received_bytes: u64,
    sent_bytes: u64,
    duration_us: u64,
    relayed: bool,
    loss: f64,
}

/// A transfer that ended.
#[event(name = "bench_transfer")]
static TRANSFERS: Event<Transfer>;

static TRANSFER: LazyLock<Transfer> = LazyLock::new(|| Transfer {
    peer: "12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo".to_owned(),
    protocol: "/ipfs/bitswap/1.2.0",
    direction: Direction::Inbound,
    request: 7_482_113,
    received_bytes: 262_158,
    sent_bytes: 93,
    duration_us: 18_264,
    relayed: false,
    loss: 0.0375,
});

fn serialise() {
    thread_local!(static OUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) });
    let mut out = OUT.take();
    out.clear();
    serde_json::to_writer(&mut out, black_box(&*TRANSFER)).expect("it serialises");
    black_box(&out);
    OUT.set(out);
}

fn emit() {
    TRANSFERS.emit(black_box(&TRANSFER));
}

fn trace() {
    let transfer = black_box(&*TRANSFER);
    tracing::info!(
        peer = transfer.peer,
        protocol = transfer.protocol,
        direction = transfer.direction.as_str(),
        request = transfer.request,
        received_bytes = transfer.received_bytes,
        sent_bytes = transfer.sent_bytes,
        duration_us = transfer.duration_us,
        relayed = transfer.relayed,
        loss = transfer.loss,
    );
}

/// What takes the lines of `tracing`.
#[derive(Default)]
struct Forgetful(Vec<u8>);

impl Write for Forgetful {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.len() + line.len() > SEGMENT_BYTES {
            self.0.clear();
        }
        self.0.extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sink of the declarations of run time alone.
#[derive(Default)]
struct Forgetting(Arc<Forgotten>);

#[derive(Default)]
struct Forgotten(Mutex<Forgetful>);

/// Takes what the streams have.
struct Nothing;

impl Sink for Forgetting {
    fn event(&self, _: &EntryRef, _: u64, _: &[u8]) {}

    fn outlet(self: Arc<Self>, entry: &EntryRef) -> Option<Arc<dyn Outlet>> {
        match entry {
            EntryRef::Linked(_) => Some(Arc::new(Nothing)),
            EntryRef::Runtime(_) => Some(self.0.clone()),
        }
    }
}

impl Outlet for Forgotten {
    fn event(&self, time_ns: u64, json: &[u8]) -> bool {
        let mut lines = self.0.lock().expect("no panic");
        lines.write_all(&time_ns.to_be_bytes()).and_then(|()| lines.write_all(json)).expect("there is room");
        false
    }
}

impl Outlet for Nothing {
    fn event(&self, _: u64, _: &[u8]) -> bool {
        false
    }
}

fn leaked(operation: impl Fn() + Send + Sync + 'static) -> &'static (dyn Fn() + Send + Sync) {
    Box::leak(Box::new(operation))
}

/// Events whose allocations are counted: several segments of them.
const COUNTED: usize = 100_000;

fn allocations(operation: &dyn Fn()) -> usize {
    (0..COUNTED).for_each(|_| operation());
    let before = TAKEN.get();
    (0..COUNTED).for_each(|_| operation());
    TAKEN.get() - before
}

fn main() {
    let registry = Registry::new();
    let streams: Arc<dyn Sink> = Streams::new(Arc::clone(&registry), StreamOptions::default(), Bounds::default());
    let _attached = registry.attach(&streams);
    let declared = |name: &'static str| {
        let telemetry = Telemetry::builder().build().expect("the declarations are valid");
        let event: Event<Transfer> = telemetry.event(name).expect("declared");
        (telemetry, event)
    };
    let (without, event) = declared("bench_backlog");
    let backlog = leaked(move || event.emit(black_box(&TRANSFER)));
    let (with, event) = declared("bench_forgotten");
    let forgotten = leaked(move || event.emit(black_box(&TRANSFER)));
    let sink: Arc<dyn Sink> = Arc::new(Forgetting::default());
    let _attached_too = with.registry().attach(&sink);
    // The least that it writes: no span, and the fields beside the time, the level and the target.
    let lines = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).with_span_list(false);
    lines.with_writer(Mutex::new(Forgetful::default())).init();

    let cases: [(&str, &str, &'static (dyn Fn() + Send + Sync)); 5] = [
        (FLOOR, "event", &serialise),
        ("telemetry", "event", &emit),
        ("tracing", "event", &trace),
        ("telemetry", "forgotten", forgotten),
        ("telemetry", "backlog", backlog),
    ];
    let lines = cases.into_iter().map(|(subject, case, operation)| Case::new(subject, case, operation)).collect();
    let lines = harness::main(lines, &[1, 2]);
    println!("\nthreads\ttelemetry / plain\ttracing / telemetry");
    for threads in [1, 2] {
        let of = |subject: &str| -> Option<&Line> {
            lines.iter().find(|line| line.subject == subject && line.case == "event" && line.threads == threads)
        };
        if let (Some(plain), Some(ours), Some(theirs)) = (of(FLOOR), of("telemetry"), of("tracing")) {
            println!("{threads}\t{:.2}\t{:.1}", ours.median / plain.median, theirs.median / ours.median);
        }
    }
    println!("\nsubject/case\tallocations of {COUNTED}");
    let was_timed = |subject, case| lines.iter().any(|line| (line.subject, line.case) == (subject, case));
    for (subject, case, operation) in cases.into_iter().filter(|(subject, case, _)| was_timed(*subject, *case)) {
        println!("{subject}/{case}\t{}", allocations(operation));
    }
    drop((with, without));
    println!("\nbytes of JSON\t{}", serde_json::to_vec(&*TRANSFER).map_or(0, |json| json.len()));
}
