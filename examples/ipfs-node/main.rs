//! An IPFS node on rust-libp2p, instrumented with telemetry.
//!
//! In reading order: `cli` and `config` what it is told, [`node`] how it is built and driven, [`network`] connections
//! and bytes, [`kademlia`] records and providers, [`bitswap`] blocks on the wire, [`storage`] blocks on disk, [`host`]
//! machine and process, [`misc`] pings and routes, [`workload`] what it does all day, [`peers`] the others on this
//! machine. Each metric, event, snapshot and property is declared next to the code that it measures.

mod bitswap;
mod cli;
mod config;
mod host;
mod kademlia;
mod misc;
mod network;
mod node;
mod peers;
mod storage;
mod workload;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use cli::{Cli, Settings};
use node::Node;
use peers::Peers;

fn main() -> ExitCode {
    let settings = match Cli::parse().settings() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("ipfs-node: {error}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ran = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run(settings)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ipfs-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    let (child, peers, run_for) = (settings.child, settings.peers, settings.run_for);
    let (storage_bytes_max, config) = (settings.storage_bytes_max, settings.config.clone());
    let end = end(child, run_for)?;
    let mut node = Node::start(settings).await?;
    let peers = Peers::start(peers, node.address(), storage_bytes_max, config.as_deref())?;
    // Whoever does not read this does not mind.
    let _ = announce(&node);
    let failed = tokio::select! {
        () = end => None,
        error = node.failed() => Some(error),
    };
    peers.stop().await;
    let stopped = node.stop().await;
    failed.map_or(stopped, Err)
}

/// Says where the node is, for people and scripts.
fn announce(node: &Node) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "peer id: {}", node.peer_id())?;
    writeln!(out, "libp2p: {}", node.address())?;
    match node.telemetry_address() {
        Some(address) => writeln!(out, "telemetry: {address}")?,
        None => writeln!(out, "telemetry: off")?,
    }
    out.flush()
}

/// Completes when the node is to stop: after its time, at Ctrl-C or SIGTERM, or, in a child, with its parent.
fn end(child: bool, run_for: Option<Duration>) -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let parent = child.then(peers::parent_ended);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = after(run_for) => {}
            () = ended(parent) => {}
        }
    })
}

async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

async fn ended(parent: Option<tokio::sync::oneshot::Receiver<()>>) {
    match parent {
        Some(parent) => {
            let _ = parent.await;
        }
        None => std::future::pending().await,
    }
}
