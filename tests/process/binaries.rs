//! What a binary declares, read without running it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{node_program, root, telemetry_program};

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
        let labels = serde_json::json!([{ "key": "cause", "values": ["access", "connections", "rpcs", "bandwidth"] }]);
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
fn a_binary_without_duplicates_passes_the_check() {
    let output = telemetry(&["--json", "check", text(node_program())]);
    assert!(output.status.success(), "{}", errors(&output));
    let found: Value = serde_json::from_slice(&output.stdout).expect("an object");
    assert!(
        found["declarations"].as_u64().is_some_and(|many| many > 41) && found["duplicates"] == serde_json::json!([]),
        "{found}"
    );
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
