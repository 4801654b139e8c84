//! A process that is killed has lost no event whose emission returned.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use telemetry_core::{Event, event};
use telemetry_exporter::limits::{DISK_WAIT_MAX, PAST_SESSIONS_MAX};
use telemetry_exporter::persist::{Found, RecoveredSession, recover};
use telemetry_exporter::{Config, Disk, Durability};

/// Processes that are killed, all with one folder.
const ROUNDS: u64 = 200;

/// Bytes of all files: enough for some of the rounds.
const BYTES_MAX: u64 = 1 << 20;

const FOLDER: &str = "TELEMETRY_TEST_FOLDER";
const THREADS: u64 = 2;

#[derive(Serialize, Deserialize)]
struct Numbered {
    thread: u64,
    number: u64,
    filler: String,
}

/// A number, of one of the threads.
#[event(name = "kept_numbered")]
static NUMBERED: Event<Numbered>;

/// The process that is killed: it says the number of each event after its emission has returned.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let disk = Disk { durability: Durability::Each, bytes_max: BYTES_MAX, ..Disk::at(folder) };
    let config = Config { listen: None, disk: Some(disk), collect_every: Duration::from_millis(2), ..Config::default() };
    let running = telemetry_exporter::start(config).expect("it starts");
    let read = running.recovery().map_or(0, |recovery| recovery.sessions.len());
    let stdout = Mutex::new(std::io::stdout());
    let say = |line: String| {
        // One write a line: what was said is whole.
        let mut stdout = stdout.lock().expect("no panic");
        stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()).expect("somebody reads");
    };
    say(format!("\nsession {} {read}\n", running.session()));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let say = &say;
            scope.spawn(move || {
                for number in 0.. {
                    let began = Instant::now();
                    NUMBERED.emit(&Numbered { thread, number, filler: "x".repeat(150) });
                    if began.elapsed() >= DISK_WAIT_MAX {
                        std::process::exit(3); // a disk that slow is told otherwise
                    }
                    say(format!("synced {thread} {number}\n"));
                }
            });
        }
    });
}

fn start(folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "killed::child", "--nocapture"]).env(FOLDER, folder).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("it starts again")
}

/// What a process said before it was killed after so many numbers: its session, and how many each thread had.
fn killed_after(mut child: Child, numbers: u64) -> (String, BTreeMap<u64, u64>) {
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let (mut session, mut said, mut count) = (String::new(), BTreeMap::new(), 0);
    for line in lines.map_while(Result::ok) {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["session", id, _] => id.clone_into(&mut session),
            ["synced", thread, number] => {
                let (thread, number): (u64, u64) = (thread.parse().expect("a number"), number.parse().expect("a number"));
                assert_eq!(said.insert(thread, number + 1).unwrap_or(0), number, "in order");
                count += 1;
            }
            _ => continue,
        }
        if count == numbers {
            child.kill().expect("it runs");
        }
    }
    let status = child.wait().expect("it has ended");
    assert!(status.code().is_none_or(|code| code == 3), "{status}");
    (session, said)
}

/// How many numbers of each thread are there: all up to it, in order.
fn numbers(session: &mut RecoveredSession) -> BTreeMap<u64, u64> {
    let mut found = BTreeMap::new();
    session.read("kept_numbered", |message| {
        let Found::Message { payload, .. } = message else { panic!("{message:?}") };
        let numbered: Numbered = serde_json::from_slice(payload).expect("it was emitted so");
        assert_eq!(found.insert(numbered.thread, numbered.number + 1).unwrap_or(0), numbered.number, "each once and in order");
    });
    found
}

#[test]
fn no_event_whose_emission_returned_is_lost_by_a_kill() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut acknowledged, mut found, mut seed, mut readable) = (0, 0, 88_172_645_463_325_252_u64, 0);
    let began = Instant::now();
    for round in 0..ROUNDS {
        for shift in [13, -7, 17] {
            seed ^= if shift > 0 { seed << shift } else { seed >> -shift };
        }
        let (session, said) = killed_after(start(dir.path()), seed % 40);
        let mut recovery = recover(dir.path(), None).expect("a folder");
        assert!(recovery.live == 0 && recovery.errors.is_empty(), "{:?}", recovery.errors);
        assert!(recovery.sessions.len() <= PAST_SESSIONS_MAX);
        acknowledged += said.values().sum::<u64>();
        let of_it = recovery.sessions.iter_mut().find(|other| other.session.to_string() == session);
        let Some(of_it) = of_it else {
            assert!(said.is_empty(), "round {round}: nothing is there of {said:?}");
            continue;
        };
        assert!(of_it.report.damages.is_empty(), "round {round}: a kill is no damage: {:?}", of_it.report.damages);
        assert_eq!(of_it.malformed, 0);
        let there = numbers(of_it);
        for thread in 0..THREADS {
            let (said, there) = (said.get(&thread).copied().unwrap_or(0), there.get(&thread).copied().unwrap_or(0));
            // One may have been written, and its thread killed before it said so.
            assert!(there == said || there == said + 1, "round {round}: thread {thread} said {said}, {there} are there");
            found += there;
        }
        of_it.read("metrics", |message| {
            let Found::Message { payload, .. } = message else { panic!("{message:?}") };
            ResourceMetrics::decode(payload).expect("a ResourceMetrics");
            readable += 1;
        });
    }
    let files =
        |path: &Path| std::fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>();
    let sessions: Vec<_> = files(dir.path()).into_iter().filter(|path| path.is_dir()).collect();
    let all = sessions.iter().flat_map(|path| files(path));
    let bytes: u64 = all.map(|path| std::fs::metadata(path).expect("a file").len()).sum();
    assert!(bytes < BYTES_MAX + (1 << 18), "{bytes} bytes are left in {} sessions", sessions.len());
    println!(
        "{ROUNDS} processes killed in {:?}: {acknowledged} acknowledged, {found} found, 0 lost, {readable} collections; {} sessions and {bytes} bytes are left",
        began.elapsed(),
        sessions.len()
    );
}
