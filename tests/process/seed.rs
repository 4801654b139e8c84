//! Every instrument that the node promises is there by its exact name, and every counter of it moves.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{network, root, until};

/// The issue of the promise: every counter is above zero this long after the start.
const COUNTERS_MOVE_WITHIN: Duration = Duration::from_secs(30);

struct Row {
    name: String,
    kind: String,
    value: String,
    unit: String,
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(root().join("examples/ipfs-node/instruments.tsv")).expect("the list");
    let row = |line: &str| {
        let [name, kind, value, unit] =
            line.split('\t').map(ToOwned::to_owned).collect::<Vec<_>>().try_into().expect("four columns");
        Row { name, kind, value, unit }
    };
    let rows: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).map(row).collect();
    assert_eq!(rows.len(), 41);
    rows
}

fn by_name(array: &Value) -> BTreeMap<String, Value> {
    let items = array.as_array().expect("an array").iter();
    items.map(|item| (item["name"].as_str().expect("a name").to_owned(), item.clone())).collect()
}

#[test]
fn every_name_of_the_list_is_there_and_every_counter_moves() {
    let node = network();
    let rows = rows();
    let of_kind = |kind: &str| rows.iter().filter(move |row| row.kind == kind).collect::<Vec<_>>();

    let metrics = until(COUNTERS_MOVE_WITHIN, || {
        let metrics = by_name(&node.json(&["metrics"]));
        let still =
            |row: &&Row| metrics.get(&row.name).is_none_or(|metric| metric["points"][0]["value"].as_u64().unwrap_or(0) == 0);
        let missing: Vec<_> = of_kind("counter").into_iter().filter(still).map(|row| row.name.clone()).collect();
        let active = metrics.get("libp2p_network_connections_active").and_then(|metric| metric["points"][0]["value"].as_u64());
        if missing.is_empty() && active >= Some(3) {
            Ok(metrics)
        } else {
            Err(format!("still zero or absent: {missing:?}; connections: {active:?}"))
        }
    });
    for row in of_kind("counter").into_iter().chain(of_kind("gauge")) {
        let metric = metrics.get(&row.name).unwrap_or_else(|| panic!("{} is absent", row.name));
        assert_eq!((metric["kind"].as_str(), metric["unit"].as_str()), (Some(&*row.kind), Some(&*row.unit)), "{}", row.name);
        let value = &metric["points"][0]["value"];
        assert!(if row.value == "f64" { value.is_f64() } else { value.is_i64() || value.is_u64() }, "{}: {value}", row.name);
        assert_eq!(metric["scope"], "examples");
        assert!(!metric["description"].as_str().unwrap_or_default().is_empty(), "{}", row.name);
    }
    let gauge = |name: &str| metrics[name]["points"][0]["value"].as_f64().expect("a number");
    assert!(gauge("libp2p_network_connections_low_water") < gauge("libp2p_network_connections_high_water"));
    assert!(gauge("libp2p_host_memory_total") >= gauge("libp2p_host_memory_used"));
    assert!(gauge("libp2p_storage_objects") >= 1.0 && gauge("libp2p_storage_used") <= gauge("libp2p_storage_total"));

    let properties = by_name(&node.json(&["properties"]));
    for row in of_kind("property") {
        let property = properties.get(&row.name).unwrap_or_else(|| panic!("{} is absent", row.name));
        assert_eq!(property["type"], *row.value, "{}", row.name);
        assert_eq!(property["unit"].as_str().unwrap_or("-").trim_end_matches('-'), row.unit.trim_end_matches('-'), "{}", row.name);
    }
    assert_eq!(properties["libp2p_host_os"]["value"], std::env::consts::OS);

    let streams = by_name(&node.json(&["streams"]));
    let expected = of_kind("snapshot").into_iter().chain(of_kind("event"));
    for row in expected {
        assert_eq!(streams.get(&row.name).map(|stream| &stream["kind"]), Some(&Value::from(&*row.kind)), "{}", row.name);
    }
    let names: BTreeSet<_> = streams.keys().cloned().collect();
    assert!(names.contains("metrics"), "{names:?}");
}

#[test]
fn snapshots_and_events_carry_what_the_running_node_sees() {
    let node = network();
    let connections = until(crate::support::DEADLINE, || {
        let found = node.json_lines(&["snapshots", "libp2p_network_connections"]);
        let connections = found.first().and_then(|line| line["message"].as_array().cloned()).unwrap_or_default();
        if connections.len() >= 3 { Ok(connections) } else { Err(format!("three connections, found {found:?}")) }
    });
    for connection in &connections {
        for key in ["peer", "address", "direction", "opened", "streams"] {
            assert!(!connection[key].is_null(), "{key} in {connection}");
        }
    }
    let peers: BTreeSet<_> = connections.iter().map(|connection| connection["peer"].to_string()).collect();
    until(crate::support::DEADLINE, || {
        let pings = node.json_lines(&["events", "libp2p_misc_ping"]);
        let of_peers = pings.iter().filter(|ping| peers.contains(&ping["message"]["peer"].to_string()));
        let answered = of_peers.filter(|ping| ping["message"]["rtt_us"].as_u64().is_some_and(|rtt_us| rtt_us > 0)).count();
        if answered >= 3 { Ok(()) } else { Err(format!("three answered pings, found {answered} of {}", pings.len())) }
    });
    let table = until(crate::support::DEADLINE, || {
        let found = node.json_lines(&["snapshots", "libp2p_kad_routing_table"]);
        found.into_iter().next().map(|line| line["message"].to_string()).ok_or_else(|| "a routing table".to_owned())
    });
    assert!(table.contains("12D3"), "{table}");
    let stats = until(crate::support::DEADLINE, || {
        let found = node.json_lines(&["snapshots", "libp2p_network_protocol_stats"]);
        let stats = found.into_iter().next().map(|line| line["message"].clone()).unwrap_or_default();
        let moved = |protocol: &str| stats[protocol]["in"].as_u64().is_some_and(|bytes| bytes > 0);
        let missing = ["/ipfs/bitswap/1.2.0", "/ipfs/kad/1.0.0", "/ipfs/ping/1.0.0"].into_iter().find(|protocol| !moved(protocol));
        missing.map_or(Ok(stats.clone()), |protocol| Err(format!("bytes of {protocol} in {stats}")))
    });
    assert!(stats.as_object().is_some_and(|stats| stats.len() >= 4), "{stats}");
}

#[test]
fn a_traceroute_is_an_event_where_a_traceroute_program_is() {
    let there = |program: &str| Command::new(program).arg("-V").output().is_ok();
    if !there("traceroute") && !there("tracepath") {
        crate::support::installed("tracepath", &["-V"], "Debian's iputils-tracepath brings it");
        return;
    }
    let node = network();
    let traced = until(crate::support::DEADLINE, || {
        let found = node.json_lines(&["events", "libp2p_misc_traceroute"]);
        found.into_iter().next().ok_or_else(|| "a traceroute".to_owned())
    });
    let message = &traced["message"];
    assert!(message["hops"].as_array().is_some_and(|hops| !hops.is_empty()), "{message}");
    assert_eq!(message["address"], "127.0.0.1");
}

#[test]
fn the_rpc_of_the_node_finds_a_peer_and_says_what_it_cannot() {
    let node = network();
    let peer = until(crate::support::DEADLINE, || {
        let found = node.json_lines(&["snapshots", "libp2p_network_connections"]);
        let peer = found.first().and_then(|line| line["message"][0]["peer"].as_str().map(ToOwned::to_owned));
        peer.ok_or_else(|| "a connection".to_owned())
    });
    let found = until(crate::support::DEADLINE, || {
        let request = serde_json::json!({ "peer": peer }).to_string();
        let output = node.telemetry(&["--json", "call", "libp2p_kad_find_peer", &request]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(text) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    });
    let found: Value = serde_json::from_str(&found).expect("JSON");
    assert_eq!(found["peer"], *peer);
    assert!(found["addresses"].as_array().is_some_and(|addresses| !addresses.is_empty()), "{found}");
    assert!(node.json(&["rpcs"]).as_array().is_some_and(|rpcs| rpcs.iter().any(|rpc| rpc["name"] == "libp2p_kad_find_peer")));
}

#[test]
fn each_event_snapshot_and_rpc_has_schemas_that_its_messages_keep_to() {
    let node = network();
    for row in rows().iter().filter(|row| ["event", "snapshot"].contains(&&*row.kind)) {
        let schema = node.json(&["schema", &row.name]);
        let messages = until(COUNTERS_MOVE_WITHIN, || {
            let messages = node.json_lines(&[&format!("{}s", row.kind), &row.name]);
            if messages.is_empty() { Err(format!("{} has no message", row.name)) } else { Ok(messages) }
        });
        for message in &messages {
            let data = &message["message"];
            keeps(&schema, &schema, data).unwrap_or_else(|error| panic!("{}: {error} in {data} by {schema}", row.name));
        }
    }
    let called = node.json(&["schema", "libp2p_kad_find_peer"]);
    for (side, value, other) in [
        ("request", json!({ "peer": "12D3" }), json!({ "peer": 1 })),
        ("response", json!({ "peer": "12D3", "addresses": ["/ip4/127.0.0.1"] }), json!({ "peer": "12D3" })),
    ] {
        let schema = &called[side];
        keeps(schema, schema, &value).unwrap_or_else(|error| panic!("{side}: {error} by {schema}"));
        assert!(keeps(schema, schema, &other).is_err(), "{side}: {schema}");
    }
    let refused = node.telemetry(&["schema", "libp2p_host_os"]);
    assert_eq!(refused.status.code(), Some(1));
    let refused = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.contains("the property \"libp2p_host_os\" has no schema"), "{refused}");
}

/// Whether a value keeps to a schema, as far as types, properties, items and references tell.
fn keeps(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).ok_or_else(|| format!("{reference} leads nowhere"))?;
        return keeps(root, target, value);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        return any.iter().map(|schema| keeps(root, schema, value)).find(Result::is_ok).unwrap_or(Err("none of anyOf".to_owned()));
    }
    let types: Vec<_> = schema["type"]
        .as_str()
        .into_iter()
        .chain(schema["type"].as_array().into_iter().flatten().filter_map(Value::as_str))
        .collect();
    let is = |name: &&str| match *name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    };
    if !types.iter().any(is) {
        return Err(format!("{value} is none of {types:?}"));
    }
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        value.get(key).filter(|_| value.is_object()).ok_or_else(|| format!("{key} is missing"))?;
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let known = schema["properties"].get(key).or_else(|| schema.get("additionalProperties"));
        keeps(root, known.ok_or_else(|| format!("{key} is not known"))?, inner)?;
    }
    value.as_array().into_iter().flatten().try_for_each(|inner| keeps(root, &schema["items"], inner))
}
