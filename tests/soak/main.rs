//! A program that emits a million events a second, or as many as the machine can, and four clients that follow it, each of them a
//! process: 2 seconds, or as many as `TELEMETRY_SOAK_SECONDS` says.
//!
//! Compared is the resident memory of the program that emits, which has no client in it: when all was started and each follower had got
//! an event, and the most from then until each had the last. Its allocator gives back what has the size of a segment, so that this is what
//! is held: with the defaults of glibc the holes between segments that live differently long were seen to take up to 13 MiB more.
//!
//! How fast the machine is fails nothing, and is printed: `TELEMETRY_SOAK_SECONDS=60 cargo test --release -p soak -- --nocapture`.

#![allow(missing_docs)]

use std::env;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use soak::{Account, Emitted, FOLLOWERS};

/// Bytes above the bound of the stream that the program's memory may grow by.
const BESIDE_BYTES_MAX: u64 = 16 << 20;

/// Bytes from which on glibc gives memory back at once.
const GIVEN_BACK_BYTES: &str = "131072";

/// A process, and the lines that it says.
struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Self { child, lines }
    }

    fn said(&mut self) -> String {
        self.lines.next().and_then(Result::ok).expect("it says something, unless it failed")
    }

    fn goes_on(&mut self) {
        writeln!(self.child.stdin.as_mut().expect("it is piped")).expect("it reads");
    }

    fn ends(mut self) {
        assert!(self.child.wait().expect("it can be waited for").success());
    }
}

#[test]
fn each_event_comes_to_each_follower_or_is_told_as_missing_and_memory_stays_within_the_window() {
    let seconds = env::var("TELEMETRY_SOAK_SECONDS").unwrap_or("2".to_owned());
    let mut command = Command::new(env!("CARGO_BIN_EXE_soak_emitters"));
    command.arg(seconds).env("MALLOC_MMAP_THRESHOLD_", GIVEN_BACK_BYTES); // other allocators do not know it
    let mut emitters = Program::start(&mut command);
    let mut followers = Program::start(Command::new(env!("CARGO_BIN_EXE_soak_followers")).arg(emitters.said()));
    assert_eq!(followers.said(), "following");
    emitters.goes_on();
    let accounts: Vec<Account> = (0..FOLLOWERS).map(|_| serde_json::from_str(&followers.said()).expect("an account")).collect();
    followers.ends();
    emitters.goes_on();
    let emitted: Emitted = serde_json::from_str(&emitters.said()).expect("a report");
    emitters.ends();

    let Emitted { event_bytes, seconds, rate, appended, kept, dropped, bytes_max, .. } = &emitted;
    println!("{rate:.0} events of {event_bytes} bytes a second for {seconds:.1} s");
    for (number, Account { got, pieces, missed, gaps, .. }) in accounts.iter().enumerate() {
        println!("follower {number}: {got} events in {pieces} pieces and {missed} in {gaps} gaps, of {appended}");
    }
    assert_eq!(emitted.events.iter().sum::<u64>(), *appended, "what was emitted was appended");
    assert_eq!(kept + dropped, *appended);
    for account in &accounts {
        assert_eq!(account.difference(&emitted), None);
    }
    let Some(memory) = &emitted.memory else { return println!("skipped: the system does not tell memory") };
    let (grown, most) = (memory.peak.saturating_sub(memory.before), *bytes_max as u64 + BESIDE_BYTES_MAX);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let (before, half, grown_mib) = (mib(memory.before), mib(memory.half.saturating_sub(memory.before)), mib(grown));
    println!("memory: {before:.1} MiB before; {half:.1} more in the first half, {grown_mib:.1} in all, of {:.1}", mib(most));
    assert!(grown <= most, "{memory:?}: wanted at most {most} bytes more than before");
}
