//! Clients that are not ours: a generic gRPC client in Python, and Prometheus.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{DEADLINE, Node, http, installed, network, python, root, telemetry_program, until};

/// One row a series, as the Python client prints them: what both must agree on.
fn rows(views: &Value) -> Vec<String> {
    let mut rows = Vec::new();
    for metric in views.as_array().expect("an array of metrics") {
        for point in metric["points"].as_array().expect("points") {
            let value = match &point["value"] {
                Value::Object(histogram) => json!({ "count": histogram["count"], "sum": histogram["sum"] }),
                number => number.clone(),
            };
            rows.push(row(&metric["scope"], &metric["name"], &point["labels"], &value));
        }
    }
    rows.sort();
    rows
}

fn row(scope: &Value, name: &Value, labels: &Value, value: &Value) -> String {
    format!("{scope} {name} {labels} {value}")
}

#[test]
fn a_python_client_made_from_the_protocols_table_reads_what_the_rust_client_shows() {
    let python = python();
    let modules = "import grpc, grpc_tools, opentelemetry.proto.metrics.v1.metrics_pb2";
    if !installed(&python, &["-c", modules], "pip install grpcio grpcio-tools opentelemetry-proto, or set TELEMETRY_PYTHON") {
        return;
    }
    let node = network();
    let read = || {
        let common = root().join("telemetry-exporter/proto");
        let output = Command::new(&python).arg(root().join("tests/python/read.py")).arg(&node.host).arg(common).output();
        let output = output.expect("python runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let theirs = until(DEADLINE, || {
        let theirs = read();
        let count = theirs["metrics"].as_array().map_or(0, Vec::len);
        if count >= 3 { Ok(theirs) } else { Err(format!("three sealed collections, found {count}")) }
    });
    assert_eq!(theirs["session"], node.json(&["session"])["session"]);
    assert_eq!(theirs["unknown_stream"], "NOT_FOUND");
    let sequences: Vec<_> = theirs["sequences"].as_array().expect("numbers").iter().filter_map(Value::as_u64).collect();
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1), "{sequences:?}");

    let properties = node.json(&["properties"]);
    for property in properties.as_array().expect("an array") {
        let name = property["name"].as_str().expect("a name");
        let integer = property["type"] == "i64";
        let found = &theirs["properties"][name];
        assert!(if integer { *found == property["value"] } else { found.is_string() }, "{name}: {found}");
    }
    let streams = node.json(&["streams"]);
    for stream in streams.as_array().expect("an array") {
        let id = stream["id"].to_string();
        let wanted = if id == "0" { &Value::from("metric") } else { &stream["name"] };
        assert_eq!(theirs["streams"][&id], *wanted);
    }

    let ours: BTreeMap<u64, Value> = node
        .json_lines(&["metrics", "--all"])
        .into_iter()
        .map(|line| (line["time_ns"].as_u64().expect("a time"), line["message"].clone()))
        .collect();
    for message in theirs["metrics"].as_array().expect("messages") {
        let time_ns = message[0].as_u64().expect("a time");
        let found = message[1].as_array().expect("rows").iter();
        let mut found: Vec<_> =
            found.map(|found| row(&found["scope"], &found["name"], &found["labels"], &found["value"])).collect();
        found.sort();
        let wanted = ours.get(&time_ns).unwrap_or_else(|| panic!("our client has no collection of {time_ns}"));
        assert!(found.len() > 30, "{} series", found.len());
        assert_eq!(found, rows(wanted));
    }
}

#[test]
fn promtool_accepts_the_metrics_without_a_complaint() {
    if !installed("promtool", &["--version"], "Debian's prometheus brings it") {
        return;
    }
    let node = network();
    let text = until(DEADLINE, || {
        let text = http(&node.host, "/metrics");
        if text.contains("telemetry_collections_total") { Ok(text) } else { Err("a first collection".to_owned()) }
    });
    assert!(text.contains("\nlibp2p_network_total_in_bytes_total{"), "{text}");
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().expect("promtool runs");
    promtool.stdin.take().expect("piped").write_all(text.as_bytes()).expect("sent");
    let output = promtool.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // Built with the whole workspace the node tells of its process too, by OpenTelemetry's names: two of them end as a histogram's count.
    let named_so = |line: &&str| line.starts_with("process_") && line.ends_with("should not have \"_count\" suffix");
    let complaints: Vec<_> = said.lines().filter(|line| !named_so(line)).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert!(output.status.success() || !said.is_empty(), "promtool failed and did not say why");
}

#[test]
fn the_command_line_reads_the_same_over_libp2p() {
    let node: std::sync::Arc<Node> = network();
    let ask = |arguments: &[&str]| {
        let output = Command::new(telemetry_program()).args(["--peer", &node.libp2p, "--json"]).args(arguments).output();
        let output = output.expect("the command line runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let session: Value = serde_json::from_str(&ask(&["session"])).expect("JSON");
    assert_eq!(session, node.json(&["session"]));
    let over_tcp = until(DEADLINE, || {
        let first = node.json_lines(&["metrics", "--all"]).into_iter().next();
        first.ok_or_else(|| "a first collection".to_owned())
    });
    let over_libp2p: Value = serde_json::from_str(ask(&["metrics", "--all"]).lines().next().expect("a line")).expect("JSON");
    assert_eq!(over_libp2p, over_tcp);
}

#[test]
fn people_read_tables() {
    let node = network();
    let text = |arguments: &[&str]| String::from_utf8(node.telemetry(arguments).stdout).expect("text");
    let properties = text(&["properties"]);
    assert!(properties.starts_with("NAME ") && properties.contains("libp2p_host_arch "), "{properties}");
    let streams = text(&["streams"]);
    assert!(streams.starts_with("ID  KIND ") && streams.contains("libp2p_misc_ping"), "{streams}");
    let metrics = until(DEADLINE, || {
        let metrics = text(&["metrics"]);
        if metrics.contains("libp2p_storage_used ") { Ok(metrics) } else { Err(metrics) }
    });
    assert!(metrics.starts_with("NAME "), "{metrics}");
}
