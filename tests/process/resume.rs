//! A client that is killed goes on where it was, and one whose program restarts is told.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::{DEADLINE, Node, telemetry_program, until};

const FAST: &str = r#"{"ActiveBufferDuration": "300ms", "MetricsPeriod": "50ms"}"#;

fn node(listen: &str, dir: &Path) -> Node {
    let config = dir.join("config.json");
    fs::write(&config, FAST).expect("written");
    Node::start(&["--listen", listen, "--peers", "0", "--for", "5m", "--config", config.to_str().expect("text")])
}

/// Follows one stream, or all, into a folder.
fn follower(host: &str, stream: Option<&str>, dir: &Path) -> Child {
    let mut command = Command::new(telemetry_program());
    command.args(["--json", "--host", host, "follow"]).args(stream).arg("--place").arg(dir.join("place.json"));
    let errors = fs::OpenOptions::new().create(true).append(true).open(dir.join("errors.txt")).expect("opened");
    command.arg("--output").arg(dir.join("output.jsonl")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
    command.spawn().expect("the command line runs")
}

fn kill(mut child: Child) {
    child.kill().expect("it runs");
    child.wait().expect("it has ended");
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Waits until the output has grown by at least so much; a client that is killed in between may have grown it by any part.
fn grown(path: &Path, from: u64, by: u64) {
    until(DEADLINE, || if size(path) >= from + by { Ok(()) } else { Err(format!("{by} more bytes of output")) });
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("every line is whole")).collect()
}

fn at(line: &Value) -> (String, String, u64) {
    let text = |key: &str| line[key].as_str().unwrap_or_else(|| panic!("{key} in {line}")).to_owned();
    (text("session"), text("at"), line["time_ns"].as_u64().expect("a time"))
}

#[test]
fn a_killed_client_delivers_each_message_once_and_misses_none() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let node = node("127.0.0.1:0", dir.path());
    let output = dir.path().join("output.jsonl");
    for round in 0..12 {
        let before = size(&output);
        let client = follower(&node.host, Some("metrics"), dir.path());
        grown(&output, before, 1 + 3_000 * (round % 3));
        kill(client);
    }
    let before = size(&output);
    let client = follower(&node.host, Some("metrics"), dir.path());
    grown(&output, before, 30_000);
    kill(client);
    // One that is not killed tidies up what the last killed one had written beyond its place.
    let mut last = Command::new(telemetry_program());
    last.args(["--json", "--host", &node.host, "metrics", "--all", "--place"]).arg(dir.path().join("place.json"));
    assert!(last.arg("--output").arg(&output).status().expect("it runs").success());

    let delivered: Vec<_> = lines(&output).iter().map(at).collect();
    let held: Vec<_> = node.json_lines(&["metrics", "--all"]).iter().map(at).collect();
    assert!(delivered.len() > 30, "{} messages", delivered.len());
    assert_eq!(delivered[..], held[..delivered.len()], "each once, none missing, in order");
}

#[test]
fn what_a_killed_client_wrote_beyond_its_place_is_cut_and_a_strangers_file_is_not_touched() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let node = node("127.0.0.1:0", dir.path());
    let path = |name: &str| dir.path().join(name).to_str().expect("text").to_owned();
    let (place, output, other) = (path("place.json"), path("output.jsonl"), path("other.jsonl"));
    fs::write(&output, "before\n").expect("written");
    let pull = |output: &str| node.telemetry(&["--json", "metrics", "--all", "--place", &place, "--output", output]);
    assert!(pull(&output).status.success());
    let own = fs::read_to_string(&output).expect("text");
    assert!(own.starts_with("before\n"), "what was there is kept");
    fs::write(&output, own.clone() + "{\"torn").expect("written");
    assert!(pull(&output).status.success());
    let after = fs::read_to_string(&output).expect("text");
    assert!(after.starts_with(&own) && !after.contains("torn"), "{after}");
    fs::write(&other, "x".repeat(1_000_000)).expect("written");
    let refused = pull(&other);
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && errors.contains("is the place of") && errors.contains("other.jsonl"), "{errors}");
    assert_eq!(size(Path::new(&other)), 1_000_000);
}

#[test]
fn a_follower_of_all_streams_reads_each_to_the_end_of_a_program_that_stops() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let folder = |name: &str| {
        let folder = dir.path().join(name);
        fs::create_dir(&folder).expect("a folder");
        folder
    };
    let (all, one) = (folder("all"), folder("one"));
    let mut node = node("127.0.0.1:0", dir.path());
    let followers = [follower(&node.host, None, &all), follower(&node.host, Some("metrics"), &one)];
    grown(&all.join("output.jsonl"), 0, 50_000);
    grown(&one.join("output.jsonl"), 0, 50_000);
    node.terminate();
    let ended = |folder: &Path| fs::read_to_string(folder.join("errors.txt")).is_ok_and(|text| text.contains("ended the stream"));
    until(DEADLINE, || if ended(&all) && ended(&one) { Ok(()) } else { Err("the end of the stream".to_owned()) });
    followers.into_iter().for_each(kill);
    let of_metrics = |folder: &Path| {
        let lines = lines(&folder.join("output.jsonl"));
        lines.iter().filter(|line| line["stream"] == "metrics").map(at).collect::<Vec<_>>()
    };
    let (found, wanted) = (of_metrics(&all), of_metrics(&one));
    assert!(!found.is_empty() && found == wanted, "{} and {} messages", found.len(), wanted.len());
}

#[test]
fn a_client_whose_program_restarts_says_so_and_starts_afresh() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let output = dir.path().join("output.jsonl");
    let first = node("127.0.0.1:0", dir.path());
    let first_session = first.json(&["session"])["session"].clone();
    let host = first.host.clone();
    let client = follower(&host, Some("metrics"), dir.path());
    grown(&output, 0, 10_000);
    first.kill();
    let second = node(&host, dir.path());
    let second_session = second.json(&["session"])["session"].clone();
    assert_ne!(first_session, second_session);
    let after: Vec<Value> = until(DEADLINE, || {
        let text = fs::read_to_string(&output).expect("text");
        let whole = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let after: Vec<_> = whole.filter(|line| line["session"] == second_session).collect();
        if after.len() >= 5 { Ok(after) } else { Err("messages of the second life".to_owned()) }
    });
    kill(client);
    assert_eq!(after[0]["gap"]["reason"], "restarted");
    assert_eq!(after[1]["at"], "0+0", "it starts afresh");
    let errors = fs::read_to_string(dir.path().join("errors.txt")).expect("text");
    let told = format!("the program restarted: the session changed to {}", second_session.as_str().expect("text"));
    assert!(errors.contains(&told), "{errors}");
}
