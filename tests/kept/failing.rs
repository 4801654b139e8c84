//! Folders that cannot be written to: the program goes on in memory, and writes what is held when they can.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use telemetry_core::{Event, Value as Number, event};
use telemetry_exporter::client::Place;
use telemetry_exporter::pb::property;
use telemetry_exporter::persist::{Found, recover};
use telemetry_exporter::{Config, Disk, Durability, Running};

use crate::support::{client, config, drain, messages, points, start, until};

/// .
#[event(name = "kept_vanished")]
static VANISHED: Event<u32>;

/// .
#[event(name = "kept_occupied")]
static OCCUPIED: Event<u32>;

/// .
#[event(name = "kept_full")]
static FULL: Event<String>;

/// .
#[event(name = "kept_read_only")]
static READ_ONLY: Event<u32>;

fn kept(dir: &Path) -> Config {
    let disk = Disk { durability: Durability::Each, interval: Duration::from_millis(20), ..Disk::at(dir) };
    Config { disk: Some(disk), ..config() }
}

/// What the property says.
async fn state(running: &Running) -> Value {
    let found = client(running).await.properties(&["telemetry_disk".to_owned()]).await.expect("it is declared");
    let Some(property::Value::StringValue(text)) = &found[0].value else { panic!("{found:?}") };
    serde_json::from_str(text).expect("JSON")
}

/// Waits until the disk fails, and tells why.
async fn failing(running: &Running) -> String {
    until("a failure", async || state(running).await["error"].as_str().map(ToOwned::to_owned)).await
}

async fn writing(running: &Running) {
    until("a success", async || (state(running).await["is_writing"] == true).then_some(())).await;
}

fn failures() -> u64 {
    let count = |number: Number| match number {
        Number::U64(count) => count,
        other => panic!("{other:?}"),
    };
    points("telemetry_disk_failures").into_iter().map(|point| count(point.value)).sum()
}

/// The payloads that the files of all sessions have.
fn files(dir: &Path, stream: &str) -> Vec<String> {
    let mut found = Vec::new();
    for session in &mut recover(dir, None).expect("a folder").sessions {
        session.read(stream, |message| {
            let Found::Message { payload, .. } = message else { panic!("{message:?}") };
            found.push(String::from_utf8_lossy(payload).into_owned());
        });
    }
    found
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_removed_is_made_again_with_all_that_is_held() {
    let dir = tempfile::tempdir().expect("a folder");
    let running = start(kept(&dir.path().join("below")));
    (0..10).for_each(|number| VANISHED.emit(&number));
    let before = failures();
    fs::remove_dir_all(dir.path().join("below")).expect("removed");
    VANISHED.emit(&10);
    assert!(failures() > before, "a sync of a file without a name is none");
    writing(&running).await;
    VANISHED.emit(&11);
    running.stop().expect("in order");
    assert_eq!(files(&dir.path().join("below"), "kept_vanished"), numbers(0..12));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_file_is_in_the_way_the_program_goes_on_until_it_is_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("occupied");
    fs::write(&path, "a file").expect("written");
    let running = start(kept(&path));
    assert!(running.recovery().is_some_and(|recovery| recovery.errors.len() == 1), "it cannot be listed");
    OCCUPIED.emit(&0);
    let error = failing(&running).await;
    assert!(error.contains("occupied"), "{error}");
    let began = Instant::now();
    (1..2_000).for_each(|number| OCCUPIED.emit(&number));
    assert!(began.elapsed() < Duration::from_secs(10), "2,000 emissions took {:?}", began.elapsed());
    let pulled = messages(drain(&client(&running).await, "kept_occupied", &mut Place::default()).await);
    assert_eq!(pulled.len(), 2_000);
    fs::remove_file(&path).expect("removed");
    writing(&running).await;
    running.stop().expect("in order");
    assert_eq!(files(&path, "kept_occupied"), numbers(0..2_000));
}

/// A file system in memory with these options, until it is dropped.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(at: &'a Path, options: &str) -> Option<Self> {
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        match output {
            Ok(output) if output.status.success() => Some(Self(at)),
            Ok(output) => {
                println!("skipped: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                println!("skipped: mount: {error}");
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(self.0).status();
        assert!(done.expect("mount runs").success(), "{options}");
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _none_is_left = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_full_disk_could_not_take_is_written_when_there_is_room() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some(mounted) = Mounted::new(dir.path(), "size=256k") else { return };
    let running = start(kept(&dir.path().join("kept")));
    let wanted: Vec<_> = (0..100).map(|number| format!("{number} {}", "x".repeat(5_000))).collect();
    wanted.iter().for_each(|text| FULL.emit(text));
    let error = failing(&running).await;
    assert!(error.contains("No space left on device"), "{error}");
    let pulled = messages(drain(&client(&running).await, "kept_full", &mut Place::default()).await);
    assert_eq!(pulled.len(), 100);
    mounted.remount("size=8m");
    writing(&running).await;
    running.stop().expect("in order");
    let found = files(&dir.path().join("kept"), "kept_full");
    assert!(found.iter().map(|text| text.trim_matches('"')).eq(&wanted), "{} of {} are there", found.len(), wanted.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_cannot_be_written_to_is_told_until_it_can() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some(mounted) = Mounted::new(dir.path(), "size=8m,ro") else { return };
    let running = start(kept(&dir.path().join("kept")));
    READ_ONLY.emit(&0);
    let error = failing(&running).await;
    assert!(error.contains("Read-only file system"), "{error}");
    mounted.remount("rw");
    writing(&running).await;
    READ_ONLY.emit(&1);
    running.stop().expect("in order");
    assert_eq!(files(&dir.path().join("kept"), "kept_read_only"), numbers(0..2));
}
