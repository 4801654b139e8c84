//! A program that emits a million events a second, or as many as the machine can, and four clients that follow it, each of them a
//! process: 2 seconds, or as many as `TELEMETRY_SOAK_SECONDS` says.
//!
//! How fast the machine is fails nothing, and is printed: `TELEMETRY_SOAK_SECONDS=60 cargo test --release -p soak -- --nocapture`.

#![allow(missing_docs)]

use std::env;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use soak::{Account, Emitted, FOLLOWERS};

/// Bytes above the bound of the stream that the program's memory may grow by.
const BESIDE_BYTES_MAX: u64 = 16 << 20;

/// A process, and the lines that it says.
struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(path: &str, argument: &str) -> Self {
        let mut command = Command::new(path);
        let mut child = command.arg(argument).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
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
    let mut emitters = Program::start(env!("CARGO_BIN_EXE_soak_emitters"), &seconds);
    let mut followers = Program::start(env!("CARGO_BIN_EXE_soak_followers"), &emitters.said());
    assert_eq!(followers.said(), "following");
    emitters.goes_on();
    let accounts: Vec<Account> = (0..FOLLOWERS).map(|_| serde_json::from_str(&followers.said()).expect("an account")).collect();
    followers.ends();
    emitters.goes_on();
    let emitted: Emitted = serde_json::from_str(&emitters.said()).expect("a report");
    emitters.ends();

    let Emitted { event_bytes, seconds, rate, appended, kept, dropped, bytes_max, .. } = &emitted;
    println!("{rate:.0} events of {event_bytes} bytes a second for {seconds:.1} s");
    for (number, Account { got, missed, gaps, .. }) in accounts.iter().enumerate() {
        println!("follower {number}: {got} events and {gaps} gaps of {missed}, of {appended}");
    }
    assert_eq!(emitted.events.iter().sum::<u64>(), *appended, "what was emitted was appended");
    assert_eq!(kept + dropped, *appended);
    for account in &accounts {
        assert_eq!(account.difference(&emitted), None);
    }
    let Some(memory) = &emitted.memory else { return println!("skipped: the system does not tell memory") };
    let (grown, most) = (memory.peak.saturating_sub(memory.before), *bytes_max as u64 + BESIDE_BYTES_MAX);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "memory: {:.1} MiB before, {:.1} more at the most, of {:.1}; {:.1} after",
        mib(memory.before),
        mib(grown),
        mib(most),
        mib(memory.after)
    );
    assert!(grown <= most, "{memory:?}: wanted at most {most} bytes more than before");
}
