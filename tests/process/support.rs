//! Starting the programs, and asking them.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;

use serde_json::Value;

pub use crate::outside::{DEADLINE, http, installed, python, until};

pub fn node_program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ipfs-node"))
}

/// The command line `telemetry`, which lies beside the node; cargo makes sure once that it is of today's source.
pub fn telemetry_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        // The whole workspace's features, as `cargo test --workspace` has them: nothing is built a second time.
        build.args(["build", "--quiet", "--workspace", "--bin", "telemetry"]).current_dir(root());
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the command line builds");
        node_program().with_file_name("telemetry")
    })
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A node with its peers; ended when the last test that uses it has.
pub struct Node {
    child: Child,
    pub host: String,
    pub libp2p: String,
    /// Its configuration, which its peers read too.
    config: Option<tempfile::NamedTempFile>,
}

impl Node {
    pub fn start(arguments: &[&str]) -> Self {
        telemetry_program(); // built before the node's time runs
        let mut command = Command::new(node_program());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the node starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (mut host, mut libp2p) = (None, None);
        while host.is_none() {
            let line = lines.next().expect("the node says where it serves before it ends").expect("text");
            host = line.strip_prefix("telemetry: ").map(ToOwned::to_owned);
            libp2p = libp2p.or(line.strip_prefix("libp2p: ").map(ToOwned::to_owned));
        }
        thread::spawn(move || lines.for_each(drop)); // so that the node never waits for a reader
        Self { child, host: host.expect("told"), libp2p: libp2p.expect("told"), config: None }
    }

    /// Asks it through the command line; the answer is JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.telemetry(&[&["--json"], arguments].concat());
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "telemetry {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("telemetry {arguments:?}: {error}: {text}"))
    }

    /// The same for a stream: a line a message.
    pub fn json_lines(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.telemetry(&[&["--json"], arguments].concat());
        assert!(output.status.success(), "telemetry {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    pub fn telemetry(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(telemetry_program());
        command.args(["--host", &self.host]).args(arguments).output().expect("the command line runs")
    }

    /// Ends it as a service manager does, and waits for it.
    pub fn terminate(&mut self) {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(killed.expect("kill runs").success());
        assert!(self.child.wait().expect("it has ended").success(), "a stop is a success");
    }

    /// Ends it as a crash does.
    pub fn kill(mut self) -> String {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
        self.host.clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

/// The network of four that the tests which only read share.
pub fn network() -> Arc<Node> {
    static SHARED: Mutex<Weak<Node>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let config = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(config.path(), r#"{"ActiveBufferDuration": "1s", "AccessType": "public"}"#).expect("written");
        let path = config.path().to_str().expect("text");
        // --for ends it where a test was killed before it could.
        let mut node = Node::start(&["--listen", "127.0.0.1:0", "--collect-every", "1s", "--for", "5m", "--config", path]);
        node.config = Some(config);
        let node = Arc::new(node);
        *shared = Arc::downgrade(&node);
        node
    })
}
