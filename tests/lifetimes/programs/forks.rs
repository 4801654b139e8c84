//! Forks, in the way that the argument names, and says in how many children all was as it should be.

mod forking;
mod instruments;

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use forking::child;
use instruments::{record, recorded, sums};
use telemetry_core::{Attachment, Counter, EntryRef, Event, Gauge, Labels, Registry, Sink, event, metric};

#[derive(Labels)]
struct Text<'a> {
    text: &'a str,
}

#[derive(Labels)]
struct Parity {
    even: bool,
}

/// .
#[metric(name = "fork_texts")]
static TEXTS: Counter<Text>;
/// .
#[metric(name = "fork_gauges")]
static GAUGES: Gauge<Text>;
/// .
#[metric(name = "fork_removed")]
static REMOVED: Counter<Parity>;

/// .
#[event(name = "fork_numbers")]
static NUMBERS: Event<u64>;

/// Whether it holds; says what it is where it does not.
fn is<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> bool {
    if found != wanted {
        println!("{what}: {found:?}, wanted {wanted:?}");
    }
    found == wanted
}

/// Runs this over and over, each time with one more, until it is done.
fn until(done: &AtomicBool, mut run: impl FnMut(u64)) {
    for n in 0.. {
        run(n);
        if done.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Runs it while two threads record and two more make new series and remove them; how often `record` ran in them.
fn meanwhile(run: impl FnOnce()) -> u64 {
    let (done, records) = (AtomicBool::new(false), AtomicU64::new(0));
    let recording = || {
        until(&done, |_| {
            record();
            records.fetch_add(1, Ordering::Relaxed);
        });
    };
    let naming = |thread: u64| {
        until(&done, |n| {
            TEXTS.with(Text { text: &format!("series {n} of {thread}") }).inc();
            TEXTS.remove(&Text { text: &format!("series {} of {thread}", n.wrapping_sub(100)) });
        });
    };
    thread::scope(|scope| {
        let threads = [scope.spawn(recording), scope.spawn(recording), scope.spawn(|| naming(0)), scope.spawn(|| naming(1))];
        while records.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        run();
        done.store(true, Ordering::Relaxed);
        threads.into_iter().for_each(|thread| thread.join().expect("it records"));
    });
    records.load(Ordering::Relaxed)
}

/// What the child of a fork sees and does.
fn clean_and_exact(round: u64) -> bool {
    let clean = is("at its start", recorded(), "0".to_owned()) && is("series of text", sums("fork_texts").len(), 0);
    let unremoved = is("what had a life before", REMOVED.with(Parity { even: true }).value(), 0);
    (0..5).for_each(|_| record());
    let new = format!("new in child {round}");
    (0..5).for_each(|_| TEXTS.with(Text { text: &new }).inc());
    let exact = is("its own", recorded(), "5".to_owned()) && is("its new series", TEXTS.with(Text { text: &new }).value(), 5);
    let joined =
        !round.is_multiple_of(10) || thread::spawn(record).join().is_ok() && is("with a thread", recorded(), "6".to_owned());
    clean && unremoved && exact && joined
}

fn forks() -> String {
    let (mut well, mut own) = (0, 0);
    REMOVED.with(Parity { even: true }).add(7);
    REMOVED.remove(&Parity { even: true });
    REMOVED.with(Parity { even: true }).add(2);
    let records = meanwhile(|| {
        for round in 0..200_u64 {
            if round >= 50 {
                record(); // before that the thread that forks has no cells
                own += 1;
            }
            let grandchild = || !round.is_multiple_of(20) || child(5, || clean_and_exact(round));
            let fork = || child(10, || clean_and_exact(round) && grandchild());
            let by_another = || thread::scope(|scope| scope.spawn(fork).join().expect("it forks"));
            well += u64::from(if round % 3 == 0 { by_another() } else { fork() });
            if well <= round {
                break; // each takes its time to fail
            }
        }
    });
    let exact = is("the parent", recorded(), (records + own).to_string());
    format!("{well} {}", exact && is("its second life", REMOVED.with(Parity { even: true }).value(), 2))
}

/// The same of a program that has nothing but gauges, whose records need no cells.
fn forks_with_gauges() -> String {
    let done = AtomicBool::new(false);
    let mut well = 0;
    let naming = |thread: u64| {
        until(&done, |n| {
            GAUGES.with(Text { text: &format!("series {n} of {thread}") }).set(1);
            GAUGES.remove(&Text { text: &format!("series {n} of {thread}") });
        });
    };
    thread::scope(|scope| {
        let threads = [scope.spawn(|| naming(0)), scope.spawn(|| naming(1))];
        for round in 0..200 {
            let new = format!("new in child {round}");
            well += u64::from(child(10, || {
                GAUGES.with(Text { text: &new }).set(7);
                is("a new gauge", GAUGES.with(Text { text: &new }).value(), 7)
            }));
            if well <= round {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
        threads.into_iter().for_each(|thread| thread.join().expect("it records"));
    });
    well.to_string()
}

/// A thread records for the first time in the process's life while another one forks. Each time in a new child, which has no handlers
/// of the library's, and at another moment.
fn forks_at_the_first_record() -> String {
    let mut well = 0;
    for round in 0..300_u32 {
        let race = || {
            let (ready, go) = (AtomicBool::new(false), AtomicBool::new(false));
            let first = || {
                ready.store(true, Ordering::Release);
                while !go.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
                (0..round * 20).for_each(|_| std::hint::spin_loop());
                record();
            };
            let fork = || {
                go.store(true, Ordering::Release);
                child(2, || {
                    record();
                    is("its own", recorded(), "1".to_owned())
                })
            };
            thread::scope(|scope| {
                let first = scope.spawn(first);
                while !ready.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
                fork() && first.join().is_ok() && is("the parent", recorded(), "1".to_owned())
            })
        };
        well += u32::from(child(10, race));
        if well <= round {
            break;
        }
    }
    well.to_string()
}

/// Forks when its thread ends.
struct ForkAtEnd;

impl Drop for ForkAtEnd {
    fn drop(&mut self) {
        let own = |times: u64| {
            let clean = is("after the guard", recorded(), "0".to_owned());
            (0..times).for_each(|_| record());
            clean && is("its own after the guard", recorded(), times.to_string())
        };
        record();
        println!("{} {}", child(10, || own(3) && child(5, || own(2))), recorded());
    }
}

thread_local! {
    static FORK_AT_END: ForkAtEnd = const { ForkAtEnd };
}

/// A thread forks when it has given its cells back and what it records is in what all threads share.
fn forks_after_the_guard() {
    let thread = || {
        FORK_AT_END.with(|_| ());
        record();
    };
    thread::spawn(thread).join().expect("it forks and ends");
}

/// Keeps the numbers that are emitted.
#[derive(Default)]
struct Numbers(Mutex<Vec<String>>);

impl Sink for Numbers {
    fn event(&self, _: &EntryRef, _: u64, json: &[u8]) {
        self.0.lock().expect("no panic").push(String::from_utf8_lossy(json).into_owned());
    }
}

impl Numbers {
    fn attached() -> (Arc<Self>, Attachment) {
        let numbers = Arc::new(Self::default());
        let sink: Arc<dyn Sink> = numbers.clone();
        (numbers, Registry::new().attach(&sink))
    }

    fn count(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }
}

/// Forks while other threads emit: the child's events are its own, whatever locks its parent's threads have.
fn forks_with_events() -> String {
    let (numbers, _attached) = Numbers::attached();
    let (done, emitted, mut well) = (AtomicBool::new(false), AtomicU64::new(0), 0);
    let emitting = || {
        until(&done, |n| {
            NUMBERS.emit(&n);
            emitted.fetch_add(1, Ordering::Relaxed);
        });
    };
    thread::scope(|scope| {
        let threads = [scope.spawn(emitting), scope.spawn(emitting)];
        for round in 0..200 {
            let own = |mark: u64| {
                (0..3).for_each(|n| NUMBERS.emit(&(mark + n))); // before there is a sink
                let (numbers, _attached) = Numbers::attached();
                (3..5).for_each(|n| NUMBERS.emit(&(mark + n)));
                let wanted = Vec::from_iter((mark..mark + 5).map(|n| n.to_string()));
                is("the child's events", numbers.0.lock().expect("no panic").clone(), wanted)
            };
            let grandchild = || round % 10 != 0 || child(5, || own(2 << 40));
            well += u64::from(child(10, || own(1 << 40) && grandchild()));
            if well <= round {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
        threads.into_iter().for_each(|thread| thread.join().expect("it emits"));
    });
    format!("{well} {}", is("the parent's events", numbers.count() as u64, emitted.into_inner()))
}

/// Starts this program again, without and with a step between fork and exec, in which it records.
fn commands() -> String {
    let mut well = 0;
    let records = meanwhile(|| {
        for round in 0..40 {
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            let step = || {
                record();
                if recorded() == "1" { Ok(()) } else { Err(std::io::ErrorKind::InvalidData.into()) }
            };
            if round % 2 == 0 {
                // SAFETY: that it may use more than the C library is what is tested.
                unsafe { command.pre_exec(step) };
            }
            let output = command.arg("record_once").output();
            well += u64::from(output.is_ok_and(|output| output.status.success() && output.stdout == b"1\n"));
        }
    });
    format!("{well} {}", is("the parent", recorded(), records.to_string()))
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("forks") => println!("{}", forks()),
        Some("forks_with_gauges") => println!("{}", forks_with_gauges()),
        Some("forks_with_events") => println!("{}", forks_with_events()),
        Some("forks_at_the_first_record") => println!("{}", forks_at_the_first_record()),
        Some("forks_after_the_guard") => forks_after_the_guard(),
        Some("commands") => println!("{}", commands()),
        Some("record_once") => {
            record();
            println!("{}", recorded());
        }
        other => unreachable!("{other:?}"),
    }
}
