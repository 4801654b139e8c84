//! What a binary declares, read without running it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use telemetry_core::{Gauge, Histogram, metric};

use crate::support::{http, network, node_program, root, telemetry_program};

/// How long | a `test` waited.
#[metric(name = "process_wait", unit = "s")]
static WAIT: Histogram;

/// What Prometheus would show under the same name.
#[metric(name = "process_wait_seconds")]
static WAIT_SECONDS: Gauge;

fn telemetry(arguments: &[&str]) -> Output {
    Command::new(telemetry_program()).args(arguments).output().expect("it runs")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn listed(path: &Path) -> Vec<Value> {
    let output = telemetry(&["--json", "list", text(path)]);
    assert!(output.status.success(), "{}", errors(&output));
    serde_json::from_slice(&output.stdout).expect("an array")
}

#[test]
fn every_instrument_of_the_node_is_listed_from_its_binary_also_after_strip() {
    let folder = tempfile::tempdir().expect("a folder");
    let stripped = folder.path().join("stripped");
    let status = Command::new("strip").args(["-o", text(&stripped), text(node_program())]).status();
    let mut files = vec![node_program()];
    match status {
        Ok(status) if status.success() => files.push(&stripped),
        _ => println!("skipped: there is no `strip` that takes this binary"),
    }
    let list = fs::read_to_string(root().join("examples/ipfs-node/instruments.tsv")).expect("the list is there");
    for file in files {
        let found = listed(file);
        for line in list.lines().filter(|line| !line.starts_with('#')) {
            let cells: Vec<_> = line.split('\t').collect();
            let record = found.iter().find(|record| record["name"] == cells[0]);
            let record = record.unwrap_or_else(|| panic!("{} is not listed of {}", cells[0], file.display()));
            let unit = if cells[3] == "-" { "" } else { cells[3] };
            assert_eq!((&record["kind"], &record["unit"]), (&cells[1].into(), &unit.into()), "{}", cells[0]);
            assert!(record["line"].as_u64().is_some_and(|line| line > 0) && record["crate"] == "examples", "{record}");
        }
        let refused = found.iter().find(|record| record["name"] == "telemetry_requests_refused").expect("the service's own");
        let labels = serde_json::json!([{ "key": "cause", "values": ["disabled", "no_credential", "wrong_token", "expired_token", "not_listed", "page", "rate", "size", "late", "connections", "rpcs", "readers", "leases", "bandwidth"] }]);
        assert_eq!((&refused["labels"], &refused["crate"]), (&labels, &"telemetry-exporter".into()));
        let connections = found.iter().find(|record| record["name"] == "libp2p_network_connections").expect("a snapshot");
        assert_eq!((&connections["kind"], &connections["every_ms"]), (&"snapshot".into(), &5_000.into()));
    }
}

#[test]
fn a_difference_that_breaks_a_reader_fails_and_names_what() {
    let hello = node_program().with_file_name("hello");
    let same = telemetry(&["diff", text(&hello), text(&hello)]);
    assert!(same.status.success(), "{}", errors(&same));
    let output = telemetry(&["--json", "diff", text(&hello), text(node_program())]);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let changes: Vec<Value> = serde_json::from_slice(&output.stdout).expect("an array");
    let change = |name: &str| changes.iter().find(|change| change["name"] == name).cloned().unwrap_or_default();
    assert_eq!(change("hello_greetings")["what"], "removed: counter");
    assert_eq!(
        (&change("libp2p_host_os")["what"], &change("libp2p_host_os")["breaks"]),
        (&"added: property".into(), &false.into())
    );
    assert_eq!(change("telemetry_callback_failures"), Value::Null, "it is the same");
}

#[test]
fn a_binary_without_faults_passes_the_check() {
    let lock = root().join("Cargo.lock");
    let output = telemetry(&["--json", "check", text(node_program()), "--lock", text(&lock)]);
    assert!(output.status.success(), "{}", errors(&output));
    let found: Value = serde_json::from_slice(&output.stdout).expect("an object");
    assert!(found["declarations"].as_u64().is_some_and(|many| many > 41), "{found}");
    for fault in ["duplicates", "collisions", "silent"] {
        assert_eq!(found[fault], serde_json::json!([]), "{fault}");
    }
}

/// An archive of one binary twice: all that it declares is declared twice.
fn twice(binary: &Path, folder: &Path) -> PathBuf {
    let bytes = fs::read(binary).expect("it is there");
    let mut archive = b"!<arch>\n".to_vec();
    for name in ["one.o/", "two.o/"] {
        archive.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 644, bytes.len()).into_bytes());
        archive.extend(&bytes);
        archive.resize(archive.len().next_multiple_of(2), b'\n');
    }
    let path = folder.join("twice.a");
    fs::write(&path, archive).expect("written");
    path
}

#[test]
fn names_that_are_declared_twice_or_shown_as_one_by_prometheus_fail_the_check_with_their_places() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = twice(&node_program().with_file_name("hello"), folder.path());
    let output = telemetry(&["check", text(&archive)]);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find(|line| line.starts_with("hello_greetings: ")).expect("it is declared twice");
    assert_eq!(line.matches("examples/hello/main.rs:").count(), 2, "{line}");

    // This test's own program.
    let program = std::env::current_exe().expect("it has a path");
    let output = telemetry(&["check", text(&program)]);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find(|line| line.starts_with("process_wait_seconds: in Prometheus the name of ")).expect("a collision");
    assert_eq!(line.matches("/binaries.rs:").count(), 2, "{line}");
    assert!(line.contains(" process_wait at ") && line.contains(" process_wait_seconds at "), "{line}");
}

#[test]
fn a_crate_of_the_lock_that_is_not_in_the_binary_fails_the_check() {
    let folder = tempfile::tempdir().expect("a folder");
    let lock = folder.path().join("Cargo.lock");
    let needs = "name = \"examples\"\nversion = \"0.1.0\"\ndependencies = [\n";
    let whole = fs::read_to_string(root().join("Cargo.lock")).expect("it is there");
    assert!(whole.contains(needs), "the package of the node has dependencies");
    let added = "\n[[package]]\nname = \"some-crate\"\nversion = \"1.2.3\"\ndependencies = [\"telemetry-core\"]\n";
    fs::write(&lock, whole.replace(needs, &format!("{needs} \"some-crate\",\n")) + added).expect("written");
    let output = telemetry(&["check", text(node_program()), "--lock", text(&lock)]);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let said = String::from_utf8_lossy(&output.stdout);
    let wanted = "some-crate 1.2.3: not linked or declares nothing: write `use some_crate as _;` in the program\n";
    assert!(said.contains(wanted), "{said}");

    fs::write(&lock, "version = 4\n\n[[package]\n").expect("written");
    for (file, wanted) in [
        (lock, "Cargo.lock:3: "),
        (root().join("Cargo.toml"), "Cargo.toml: it has no version, wanted a Cargo.lock of version 3 or 4"),
        (folder.path().join("absent"), "absent: No such file"),
    ] {
        let output = telemetry(&["check", text(node_program()), "--lock", text(&file)]);
        assert_eq!(output.status.code(), Some(1), "{}", file.display());
        assert!(errors(&output).contains(wanted) && output.stdout.is_empty(), "{}", errors(&output));
    }
}

#[test]
fn the_reference_in_markdown_tells_each_declaration_of_the_node() {
    let output = telemetry(&["list", "--markdown", text(node_program())]);
    assert!(output.status.success(), "{}", errors(&output));
    let found = String::from_utf8(output.stdout).expect("text");
    for record in listed(node_program()) {
        let name = record["name"].as_str().expect("a name");
        let section =
            found.split("\n### ").find(|section| section.lines().next().is_some_and(|line| line.ends_with(&format!("`{name}`"))));
        let section = section.unwrap_or_else(|| panic!("{name} has no section"));
        let place = format!("- Place: `{}:{}`", record["file"].as_str().expect("a file"), record["line"]);
        assert!(section.contains(&place), "{section}");
    }
    let output = telemetry(&["list", "--markdown", text(&std::env::current_exe().expect("it has a path"))]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("\n\nHow long \\| a \\`test\\` waited.\n\n"));
}

#[test]
fn the_dashboard_asks_for_what_the_node_shows_prometheus() {
    let output = telemetry(&["dashboard", text(node_program()), "--title", "The node", "--datasource", "abc"]);
    assert!(output.status.success(), "{}", errors(&output));
    let found: Value = serde_json::from_slice(&output.stdout).expect("an object");
    assert_eq!((&found["title"], &found["templating"]["list"][0]["current"]["value"]), (&"The node".into(), &"abc".into()));
    let panels = found["panels"].as_array().expect("an array");
    let asked: Vec<_> = panels.iter().filter_map(|panel| panel["targets"][0]["expr"].as_str()).collect();
    let shown = http(&network().host, "/metrics");
    let names = shown.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let names: Vec<_> = names.filter(|name| name.starts_with("libp2p_")).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert!(asked.iter().any(|expression| expression.contains(&format!("{name}{{"))), "no panel asks for {name}");
    }
}

#[test]
fn a_file_that_is_no_binary_or_is_cut_or_damaged_says_where() {
    let folder = tempfile::tempdir().expect("a folder");
    let hello = fs::read(node_program().with_file_name("hello")).expect("it is there");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        path
    };
    let record = hello.windows(6).position(|bytes| bytes == b"\x7fTLM\x01\0").expect("a record");
    let mut damaged = hello.clone();
    damaged[record + 40] ^= 1;
    for (path, wanted) in [
        (file("text", b"this is no binary"), "wanted an executable"),
        (file("empty", b""), "wanted an executable"),
        (file("cut", &hello[..hello.len() / 2]), "cut: "),
        (file("damaged", &damaged), "section .telemetry.meta: the record at byte"),
        (folder.path().join("absent"), "absent: No such file"),
    ] {
        let output = telemetry(&["list", text(&path)]);
        assert_eq!(output.status.code(), Some(1), "{}", path.display());
        assert!(errors(&output).contains(wanted) && output.stdout.is_empty(), "{}: {}", path.display(), errors(&output));
    }
}
