//! What is done between peers of libp2p alone: testing the bandwidth, and being somebody.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::CliError;
use super::output::{print, table};
use super::target::{Place, Target};
use crate::client::bandwidth::{self, BandwidthError, Rates};
use crate::client::{Peer, identity};

/// Prints the peer id of a key, which is made where it is not there.
pub fn identity(file: &Path, as_json: bool) -> Result<(), CliError> {
    let keypair = identity::load_or_create(file).map_err(|error| CliError::Other(error.to_string()))?;
    let peer = keypair.public().to_peer_id().to_string();
    print(as_json, &json!({ "peer": peer }), |out| writeln!(out, "{peer}"))
}

/// Tests each way, one after the other; fails where one is refused or breaks off, after it has printed the other.
pub async fn bandwidth(target: &Target, bytes: u32, as_json: bool) -> Result<(), CliError> {
    let Place::Peer(address, keypair) = &target.place else {
        return Err(CliError::Other("the bandwidth is tested over libp2p alone: wanted --peer MULTIADDR/p2p/ID".to_owned()));
    };
    let (mut control, peer) = Peer::parse(address, keypair.as_deref().cloned())?.control().await?;
    let upload = bandwidth::upload(&mut control, peer, bytes).await;
    let download = bandwidth::download(&mut control, peer, bytes).await;
    let all = json!({ "peer": peer.to_string(), "upload": rates_json(&upload), "download": rates_json(&download) });
    let rows = [row("from it (upload)", &upload), row("to it (download)", &download)];
    print(as_json, &all, |out| table(out, ["DIRECTION", "BYTES", "IT MEASURED", "WE MEASURED"], &rows))?;
    match upload.and(download) {
        Ok(_) => Ok(()),
        Err(error) => Err(CliError::Other(error.to_string())),
    }
}

fn rates_json(tested: &Result<Rates, BandwidthError>) -> Value {
    match tested {
        Ok(rates) => json!({
            "bytes": rates.bytes, "server_bytes_per_s": rates.server_bytes_per_s, "client_bytes_per_s": rates.client_bytes_per_s,
        }),
        Err(error) => json!({ "refused": error.is_refused(), "error": error.to_string() }),
    }
}

fn row(direction: &str, tested: &Result<Rates, BandwidthError>) -> [String; 4] {
    let direction = direction.to_owned();
    match tested {
        Ok(rates) => {
            let rate = |bytes_per_s: u64| format!("{:.1} MiB/s", bytes_per_s as f64 / f64::from(1 << 20));
            [direction, rates.bytes.to_string(), rate(rates.server_bytes_per_s), rate(rates.client_bytes_per_s)]
        }
        Err(error) if error.is_refused() => [direction, "-".to_owned(), "refused".to_owned(), "-".to_owned()],
        Err(_) => [direction, "-".to_owned(), "failed".to_owned(), "-".to_owned()],
    }
}
