//! Bandwidth tests: the client sends a big-endian `u32` payload size; in an upload the server sends that many bytes, in a download
//! it reads them; then it answers with a big-endian `u32` rate in bytes per second.
//!
//! A refused test is answered with the rate 0 and nothing else. One peer may test once in [`BANDWIDTH_EVERY`]: a stream does not
//! tell the public address that it comes from, the authenticated peer is the nearest that it tells.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::Stream;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::access::{Caller, Identity};
use crate::limits::{
    BANDWIDTH_BYTES_MAX, BANDWIDTH_DEADLINE, BANDWIDTH_EVERY, BANDWIDTH_REMEMBERED_MAX, BANDWIDTH_TESTS_MAX, HANDSHAKE_DEADLINE,
};
use crate::own::{Refusal, refused};
use crate::service::Service;

/// Bytes that are sent or read at a time.
const BLOCK_BYTES: usize = 64 << 10;

/// What an upload sends.
static BLOCK: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];

/// Which way the payload goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The server sends.
    Upload,
    /// The server reads.
    Download,
}

/// When each peer tested last.
pub struct Tests {
    service: Arc<Service>,
    last: Mutex<HashMap<(String, Direction), Instant>>,
    room: Arc<Semaphore>,
}

impl Tests {
    pub fn new(service: Arc<Service>) -> Arc<Self> {
        Arc::new(Self { service, last: Mutex::default(), room: Arc::new(Semaphore::new(BANDWIDTH_TESTS_MAX)) })
    }

    /// Room for one more test; none for who may not, and none where too many run, which is counted.
    pub fn room(&self, identity: &Identity) -> Option<OwnedSemaphorePermit> {
        let allowed = self.service.rules.admit(&Caller::of(identity.clone())).is_ok();
        let room = allowed.then(|| Arc::clone(&self.room).try_acquire_owned().ok()).flatten();
        if room.is_none() {
            refused(Refusal::Bandwidth);
        }
        room
    }

    /// Whether this one may test now; it has then done so.
    fn admit(&self, identity: &Identity, direction: Direction, bytes: u32, now: Instant) -> bool {
        let Identity::Peer(peer) = identity else { return false };
        if bytes == 0 || bytes > BANDWIDTH_BYTES_MAX || self.service.rules.admit(&Caller::of(identity.clone())).is_err() {
            return false;
        }
        let mut last = self.last.lock();
        last.retain(|_, tested| now.saturating_duration_since(*tested) < BANDWIDTH_EVERY);
        let key = (peer.clone(), direction);
        let admitted = last.len() < BANDWIDTH_REMEMBERED_MAX && !last.contains_key(&key);
        if admitted {
            last.insert(key, now);
        }
        admitted
    }
}

/// Serves one test; a client that goes away or stalls ends it.
pub async fn serve(mut stream: Stream, identity: Identity, direction: Direction, tests: Arc<Tests>, _room: OwnedSemaphorePermit) {
    let _gone = timeout(BANDWIDTH_DEADLINE, run(&mut stream, &identity, direction, &tests)).await;
}

async fn run(stream: &mut Stream, identity: &Identity, direction: Direction, tests: &Tests) -> io::Result<()> {
    let mut size = [0; 4];
    timeout(HANDSHAKE_DEADLINE, stream.read_exact(&mut size)).await??;
    let bytes = u32::from_be_bytes(size);
    let rate = if tests.admit(identity, direction, bytes, Instant::now()) {
        let began = Instant::now();
        match direction {
            Direction::Upload => send(stream, bytes).await?,
            Direction::Download => receive(stream, bytes).await?,
        }
        (f64::from(bytes) / began.elapsed().as_secs_f64().max(1e-9)).min(f64::from(u32::MAX)) as u32
    } else {
        refused(Refusal::Bandwidth);
        0
    };
    stream.write_all(&rate.to_be_bytes()).await?;
    stream.close().await
}

async fn send(stream: &mut Stream, bytes: u32) -> io::Result<()> {
    let mut left = bytes as usize;
    while left > 0 {
        let now = left.min(BLOCK_BYTES);
        stream.write_all(&BLOCK[..now]).await?;
        left -= now;
    }
    stream.flush().await
}

async fn receive(stream: &mut Stream, bytes: u32) -> io::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    let mut left = bytes as usize;
    while left > 0 {
        let now = left.min(BLOCK_BYTES);
        let read = stream.read(&mut block[..now]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left -= read;
    }
    Ok(())
}
