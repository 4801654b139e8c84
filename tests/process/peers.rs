//! Two processes over libp2p: a node that lets in one peer, and the command line as that peer, and as another.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{DEADLINE, Node, telemetry_program, until};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(telemetry_program());
    command.args(arguments).env_remove("TELEMETRY_IDENTITY").output().expect("the command line runs")
}

/// The peer id of the key in this file, which is made.
fn identity(file: &Path) -> String {
    let output = run(&["identity", file.to_str().expect("text")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// A node that lets in this peer alone: the one place that says so.
fn node_for(peer: &str, folder: &Path) -> Node {
    let config = folder.join("node.json");
    fs::write(&config, json!({ "AccessType": "restricted", "Whitelist": [peer] }).to_string()).expect("written");
    let key = folder.join("node.key");
    let (config, key) = (config.to_str().expect("text"), key.to_str().expect("text"));
    // --for ends it where a test was killed before it could.
    Node::start(&["--listen", "127.0.0.1:0", "--collect-every", "1s", "--for", "5m", "--config", config, "--identity", key])
}

/// A child that is ended with the test.
struct Follower(Child);

impl Drop for Follower {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _ended_already = self.0.wait();
    }
}

#[test]
fn a_peer_on_the_list_has_everything_over_libp2p_and_another_nothing() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let friend = identity(Path::new(&path("friend.key")));
    assert_eq!(identity(Path::new(&path("friend.key"))), friend, "a key is made once");
    assert_ne!(identity(Path::new(&path("stranger.key"))), friend);
    let node = node_for(&friend, folder.path());
    let ask = |key: &str, arguments: &[&str]| run(&[&["--peer", &node.libp2p, "--identity", &path(key)], arguments].concat());
    let told = |arguments: &[&str]| {
        let output = ask("friend.key", &[&["--json"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let json = |arguments: &[&str]| serde_json::from_str::<Value>(&told(arguments)).expect("JSON");

    // Pull, and call.
    until(DEADLINE, || told(&["metrics", "--all"]).lines().next().map(|_| ()).ok_or_else(|| "a first collection".to_owned()));
    let peer = until(DEADLINE, || {
        let snapshot = told(&["snapshots", "libp2p_network_connections"]);
        let found = serde_json::from_str::<Value>(&snapshot).unwrap_or_default();
        found["message"][0]["peer"].as_str().map(ToOwned::to_owned).ok_or_else(|| "a connection".to_owned())
    });
    let request = json!({ "peer": peer }).to_string();
    let found = until(DEADLINE, || {
        let output = ask("friend.key", &["call", "libp2p_kad_find_peer", &request]);
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    });
    assert!(found.contains(&peer), "{found}");

    // Follow.
    let mut follow = Command::new(telemetry_program());
    follow.args([
        "--peer",
        &node.libp2p,
        "--json",
        "follow",
        "libp2p_misc_ping",
        "--place",
        &path("place"),
        "--output",
        &path("out"),
    ]);
    let follower = follow.env("TELEMETRY_IDENTITY", path("friend.key")).stderr(Stdio::null()).spawn().expect("it starts");
    let follower = Follower(follower);
    until(DEADLINE, || match fs::read_to_string(path("out")) {
        Ok(found) if found.lines().count() >= 3 => Ok(()),
        found => Err(format!("pings: {found:?}")),
    });
    drop(follower);

    // Bandwidth, each way, and once.
    let rates = json(&["bandwidth", "--bytes", "4MiB"]);
    for direction in ["upload", "download"] {
        let rate = |of: &str| rates[direction][of].as_u64().unwrap_or(0);
        assert!(rate("server_bytes_per_s") > 0 && rate("client_bytes_per_s") > 0, "{rates}");
        assert_eq!(rate("bytes"), 4 << 20);
    }
    let again = ask("friend.key", &["bandwidth", "--bytes", "4MiB"]);
    assert!(!again.status.success() && text(&again.stderr).contains("the bandwidth test was refused"), "{}", text(&again.stderr));
    assert_eq!(text(&again.stdout).matches("refused").count(), 2, "{}", text(&again.stdout));

    // Nothing for another, with a key or without.
    let name = identity(Path::new(&path("stranger.key")));
    for arguments in [&["session"][..], &["metrics"], &["follow", "libp2p_misc_ping"], &["call", "libp2p_kad_find_peer", &request]]
    {
        let output = ask("stranger.key", arguments);
        let errors = text(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}: {}", text(&output.stdout));
        assert!(errors.contains("PERMISSION_DENIED") && errors.contains(&name), "{arguments:?}: {errors}");
    }
    let output = ask("stranger.key", &["--json", "bandwidth"]);
    let tests: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for direction in ["upload", "download"] {
        assert_eq!(tests[direction]["refused"], false, "it is closed without a word: {tests}");
        assert_eq!(tests[direction]["bytes"], Value::Null);
    }
    assert!(!run(&["--peer", &node.libp2p, "session"]).status.success(), "a new id is on no list");

    // The node has its id of before.
    let before = node.libp2p.rsplit('/').next().expect("an id").to_owned();
    node.kill();
    let after = node_for(&friend, folder.path()).libp2p.clone();
    assert!(after.ends_with(&before), "{after} and {before}");
}

#[test]
fn a_key_that_is_none_or_that_others_may_read_is_refused_with_the_reason() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("key");
    let peer = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf";
    let refused = |wanted: &str| {
        let output = run(&["--peer", peer, "--identity", path.to_str().expect("text"), "session"]);
        let errors = text(&output.stderr);
        assert!(!output.status.success() && errors.contains(wanted), "{errors}");
    };
    refused("`telemetry identity FILE` makes one");
    identity(&path);
    fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("set");
    refused("others may use this key: its mode is 0644, wanted 0600");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("set");
    fs::write(&path, "nonsense").expect("written");
    refused("it holds no key");
    let output = run(&["bandwidth"]);
    assert!(text(&output.stderr).contains("over libp2p alone: wanted --peer"), "{}", text(&output.stderr));
}
