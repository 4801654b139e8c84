//! Records at the edges of threads' lives, in the way that the argument names, and says what was counted.

mod instruments;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use instruments::{record, recorded, sums};
use telemetry_core::{Counter, FloatCounter, Handle, Histogram, Labels, metric};

/// Makes the library's guard in a thread, and nothing of what `record` makes.
static FIRST: Counter = Counter::new();

/// How many destructors ran before the one that asks.
static ENDED: AtomicU64 = AtomicU64::new(0);

/// Records twice when its thread ends.
struct AtEnd(&'static [u64]);

impl Drop for AtEnd {
    fn drop(&mut self) {
        assert!(self.0.contains(&(ENDED.fetch_add(1, Ordering::Relaxed) % 2)), "the C library destroys in reverse order");
        record();
        record();
    }
}

thread_local! {
    static ANY: AtEnd = const { AtEnd(&[0, 1]) };
    static SECOND: AtEnd = const { AtEnd(&[1]) };
    static FIRST_OF_TWO: AtEnd = const { AtEnd(&[0]) };
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

#[derive(Labels)]
struct Text<'a> {
    text: &'a str,
}

#[derive(Labels)]
struct Parity {
    even: bool,
}

/// .
#[metric(name = "kept")]
static BY_TEXT: Counter<Text>;

/// .
#[metric(name = "joined")]
static JOINED: Counter;
/// .
#[metric(name = "joined_float")]
static JOINED_FLOAT: FloatCounter;
/// .
#[metric(name = "joined_histogram")]
static JOINED_HISTOGRAM: Histogram;
/// .
#[metric(name = "joined_by_parity")]
static JOINED_BY_PARITY: Counter<Parity>;
/// .
#[metric(name = "joined_by_text")]
static JOINED_BY_TEXT: Counter<Text>;

/// Records through a handle when its thread ends.
struct Kept(Handle<'static, Counter<Text<'static>>>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.inc();
    }
}

/// Runs it in so many threads at once, and waits until their destructors have run too.
fn threads(count: usize, run: impl Fn() + Sync) {
    let barrier = Barrier::new(count);
    thread::scope(|scope| {
        let body = || {
            run();
            barrier.wait();
        };
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(body)).collect();
        threads.into_iter().for_each(|thread| thread.join().expect("it records and ends"));
    });
}

/// Sixteen threads record a hundred thousand times each, in instruments of each kind of cell.
fn joined() -> String {
    threads(16, || {
        for n in 0..100_000_u64 {
            JOINED.inc();
            JOINED_FLOAT.add(0.5);
            JOINED_HISTOGRAM.record(n);
            JOINED_BY_PARITY.with(Parity { even: n % 2 == 0 }).add(2);
            JOINED_BY_TEXT.with(Text { text: "text" }).inc();
        }
    });
    sums("joined").iter().map(|(name, sum)| format!("{name} {sum}\n")).collect()
}

/// A handle outlives its series, and the guard of the thread that keeps it; its cell goes to another series, from zero.
fn handles() -> String {
    threads(4, || {
        KEPT.with(|kept| *kept.borrow_mut() = Some(Kept(BY_TEXT.handle(Text { text: "kept" }))));
        BY_TEXT.with(Text { text: "kept" }).inc();
    });
    let kept = BY_TEXT.with(Text { text: "kept" }).value();
    threads(1, || {
        let handle = BY_TEXT.handle(Text { text: "removed" });
        handle.inc();
        assert!(BY_TEXT.remove(&Text { text: "removed" }));
        KEPT.with(|kept| *kept.borrow_mut() = Some(Kept(handle)));
    });
    let again = ["removed", "new"].map(|text| BY_TEXT.with(Text { text }).value());
    BY_TEXT.with(Text { text: "new" }).add(5);
    format!("{kept} {again:?} {}", BY_TEXT.with(Text { text: "new" }).value())
}

/// Goes on to record in its thread's last destructor, while another thread has the cells that this one has given back.
struct Ghost;

/// The ghost and its heir.
static BOTH: Barrier = Barrier::new(2);

impl Drop for Ghost {
    fn drop(&mut self) {
        BOTH.wait();
        (0..5_000).for_each(|_| record());
    }
}

thread_local! {
    static GHOST: Ghost = const { Ghost };
}

fn ghosts() {
    let ghost = thread::spawn(|| {
        GHOST.with(|_| ());
        record();
    });
    let heir = thread::spawn(|| {
        BOTH.wait();
        (0..5_000).for_each(|_| record());
    });
    [ghost, heir].into_iter().for_each(|thread| thread.join().expect("it records and ends"));
}

/// Threads that begin, record and end while others read, who see no sum fall.
fn reading() -> String {
    const READS: usize = 3_000;
    let (done, records) = (AtomicBool::new(false), AtomicU64::new(0));
    let lives = || {
        while !done.load(Ordering::Relaxed) {
            threads(2, || {
                ANY.with(|_| ());
                (0..20).for_each(|_| record());
            });
            records.fetch_add(2 * 22, Ordering::Relaxed);
        }
    };
    let read = |read: fn() -> BTreeMap<String, f64>| {
        let mut last = BTreeMap::<String, f64>::new();
        for _ in 0..READS {
            let next = read();
            let grows = |name: &String| !name.ends_with("/sum") && !name.starts_with("life_up_down");
            let fell = last.iter().find(|(name, sum)| grows(name) && next.get(*name).is_none_or(|next| next < *sum));
            assert_eq!(fell, None, "it fell to {:?}", fell.and_then(|(name, _)| next.get(name)));
            last = next;
        }
    };
    thread::scope(|scope| {
        let writers = [scope.spawn(lives), scope.spawn(lives)];
        let readers = [scope.spawn(|| read(|| sums("life_"))), scope.spawn(|| read(instruments::values))];
        let results = readers.map(|reader| reader.join().is_ok());
        done.store(true, Ordering::Relaxed);
        writers.into_iter().for_each(|writer| writer.join().expect("it records"));
        assert_eq!(results, [true; 2]);
    });
    (recorded() == records.load(Ordering::Relaxed).to_string()).to_string()
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("after_the_guard") => threads(4, || {
            ANY.with(|_| ());
            FIRST.inc();
        }),
        Some("before_the_guard") => threads(4, || {
            FIRST.inc();
            ANY.with(|_| ());
        }),
        Some("around_the_guard") => (0..4).for_each(|_| {
            threads(1, || {
                SECOND.with(|_| ());
                record();
                FIRST_OF_TWO.with(|_| ());
            });
        }),
        Some("without_a_guard") => threads(4, || ANY.with(|_| ())),
        Some("joined") => return println!("{}", joined()),
        Some("waves") => (0..100).for_each(|_| threads(10, record)),
        Some("ghosts") => ghosts(),
        Some("handles") => return println!("{}", handles()),
        Some("reading") => return println!("{}", reading()),
        other => unreachable!("{other:?}"),
    }
    println!("{}", recorded());
}
