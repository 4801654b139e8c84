//! The peers on this machine: child processes of the same program.
//!
//! Invariant: no child outlives its parent. A child ends when its standard input does, and the kernel closes that pipe
//! with the parent, however the parent ends.

use std::io::{self, Read as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use libp2p::Multiaddr;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// A child that has not ended that long after it was told to is killed.
const END_TIME_MAX: Duration = Duration::from_secs(5);

/// The children. Dropping them kills them; [`Peers::stop`] lets them end by themselves.
#[derive(Default)]
pub struct Peers {
    children: Vec<Child>,
}

impl Peers {
    /// Starts `count` peers that connect to the node at `address`, under the same configuration file.
    ///
    /// # Errors
    /// When this program cannot be started once more; peers that were started already are killed then.
    pub fn start(count: u8, address: &Multiaddr, storage_bytes_max: u64, config: Option<&Path>) -> io::Result<Self> {
        let mut peers = Self::default();
        if count == 0 {
            return Ok(peers);
        }
        let program = std::env::current_exe()?;
        for _ in 0..count {
            let mut command = Command::new(&program);
            if let Some(config) = config {
                command.arg("--config").arg(config);
            }
            let child = command
                .args(["--child", "--peers", "0", "--connect", &address.to_string()])
                .args(["--storage-max", &storage_bytes_max.to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .kill_on_drop(true)
                .spawn()?;
            peers.children.push(child);
        }
        Ok(peers)
    }

    /// Ends all peers.
    pub async fn stop(mut self) {
        for child in &mut self.children {
            drop(child.stdin.take());
        }
        for mut child in self.children {
            if timeout(END_TIME_MAX, child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
        }
    }
}

/// Completes when standard input ends: in a child, when its parent does.
pub fn parent_ended() -> oneshot::Receiver<()> {
    let (sender, ended) = oneshot::channel();
    // A thread of its own: the runtime would wait for a blocking read at its end.
    std::thread::spawn(move || {
        let mut buf = [0; 64];
        let mut input = io::stdin().lock();
        while matches!(input.read(&mut buf), Ok(n) if n > 0) {}
        let _ = sender.send(());
    });
    ended
}
