//! Bad flags, bad files and names that do not exist: each says which, and what was wanted.

use std::process::{Command, Output};

use crate::support::{network, node_program, telemetry_program};

fn node(arguments: &[&str]) -> Output {
    Command::new(node_program()).args(arguments).output().expect("it runs")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_bad_flag_of_the_node_says_which_and_what_is_wanted() {
    for (arguments, wanted) in [
        (&["--collect-every", "soon"][..], &["--collect-every", "soon"][..]),
        (&["--for", "0s"], &["--for", "0s"]),
        (&["--listen", "nowhere"], &["--listen", "nowhere"]),
        (&["--peers", "many"], &["--peers", "many"]),
        (&["--nonsense"], &["--nonsense"]),
        (&["--config", "/does/not/exist.json"], &["/does/not/exist.json"]),
    ] {
        let output = node(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", errors(&output));
        assert!(wanted.iter().all(|wanted| errors(&output).contains(wanted)), "{arguments:?}: {}", errors(&output));
    }
}

#[test]
fn a_bad_key_of_the_config_says_which_and_what_is_wanted() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = file.path().to_str().expect("text");
    for (json, wanted) in [
        (r#"{"Enabeld": true}"#, "Enabeld"),
        (r#"{"Enabled": "yes"}"#, "Enabled"),
        (r#"{"AccessType": "some"}"#, "AccessType"),
        (r#"{"Whitelist": ["not a peer"]}"#, "Whitelist"),
        (r#"{"MetricsPeriod": "often"}"#, "MetricsPeriod"),
        (r#"{"WindowDuration": 5}"#, "WindowDuration"),
        (r#"{"ActiveBufferDuration": "0s"}"#, "ActiveBufferDuration"),
        (r#"{"BandwidthEnabled": 1}"#, "BandwidthEnabled"),
        ("{", "line 1"),
    ] {
        std::fs::write(path, json).expect("written");
        let output = node(&["--config", path]);
        let errors = errors(&output);
        assert_eq!(output.status.code(), Some(2), "{json}: {errors}");
        assert!(errors.contains(path) && errors.contains(wanted), "{json}: {errors}");
    }
}

#[test]
fn the_command_line_names_what_does_not_exist() {
    let node = network();
    for (arguments, wanted) in [
        (&["events", "nope"][..], "NOT_FOUND: no stream is named \"nope\""),
        (&["snapshots", "nope"], "NOT_FOUND: no stream is named \"nope\""),
        (&["snapshots", "libp2p_misc_ping"], "\"libp2p_misc_ping\" is an event, wanted a snapshot"),
        (&["events", "metrics"], "\"metrics\" is the stream of all metrics, wanted an event"),
        (&["events", "libp2p_misc_ping", "--place", "/no/such/dir/place"], "/no/such/dir/place"),
        (&["properties", "nope"], "NOT_FOUND: no property is named \"nope\""),
        (&["call", "nope"], "NOT_FOUND: no rpc is named \"nope\""),
        (&["call", "libp2p_kad_find_peer", "{"], "INVALID_ARGUMENT: the rpc \"libp2p_kad_find_peer\""),
        (&["call", "libp2p_kad_find_peer", "{\"peer\": 1}"], "line 1 column"),
    ] {
        let output = node.telemetry(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(errors(&output).contains(wanted), "{arguments:?}: {}", errors(&output));
    }
}

#[test]
fn the_command_line_says_where_nobody_is() {
    let run = |arguments: &[&str]| Command::new(telemetry_program()).args(arguments).output().expect("it runs");
    let output = run(&["--host", "127.0.0.1:1", "session"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("cannot connect to 127.0.0.1:1"), "{}", errors(&output));
    let output = run(&["--peer", "/ip4/127.0.0.1/tcp/1", "session"]);
    assert!(errors(&output).contains("/p2p/"), "{}", errors(&output));
    assert_eq!(run(&["nonsense"]).status.code(), Some(2));
}
