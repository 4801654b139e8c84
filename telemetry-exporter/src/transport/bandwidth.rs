//! Bandwidth tests: the client sends a big-endian `u32` payload size; in an upload the server sends that many bytes, in a download
//! it reads them; then it answers with a big-endian `u32` rate in bytes per second.
//!
//! A refused test is answered with the rate 0 and nothing else. Whose turn it is tells `turns`.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{PeerId, Stream};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::turns::Turns;
use crate::access::{Caller, Identity};
use crate::admission::{Client, Quota, Share};
use crate::limits::{
    BANDWIDTH_BYTES_MAX, BANDWIDTH_DEADLINE, BANDWIDTH_TESTS_MAX, BANDWIDTH_WAITING_MAX, BANDWIDTH_WAITING_PER_PEER_MAX,
    HANDSHAKE_DEADLINE,
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

/// One test that is asked for.
pub struct Test {
    pub stream: Stream,
    pub direction: Direction,
    pub peer: PeerId,
    /// The address that it comes from, where that is known.
    pub remote: Option<IpAddr>,
}

/// The tests of a service.
pub struct Tests {
    service: Arc<Service>,
    turns: Turns,
    /// Those that have not said their size.
    waiting: Arc<Quota>,
    /// Those that run.
    room: Arc<Semaphore>,
}

impl Tests {
    pub fn new(service: Arc<Service>) -> Arc<Self> {
        let waiting = Quota::new(BANDWIDTH_WAITING_MAX, BANDWIDTH_WAITING_PER_PEER_MAX);
        Arc::new(Self { service, turns: Turns::default(), waiting, room: Arc::new(Semaphore::new(BANDWIDTH_TESTS_MAX)) })
    }

    /// Serves one test in a task of its own; closes it at once for who may not, and where too many wait, which is counted.
    pub fn serve(self: &Arc<Self>, test: Test, identity: &Identity) {
        let allowed = self.service.rules.admit(&Caller::of(identity.clone())).is_ok();
        let waits = allowed.then(|| self.waiting.take(Client::Peer(test.peer.to_string())).ok()).flatten();
        match waits {
            Some(waits) => drop(tokio::spawn(serve(test, Arc::clone(self), waits))),
            None => refused(Refusal::Bandwidth),
        }
    }

    /// Room for this one, where it may test now; it has then had its turn.
    fn admit(&self, test: &Test, bytes: u32) -> Option<SemaphorePermit<'_>> {
        let room = self.room.try_acquire().ok().filter(|_| (1..=BANDWIDTH_BYTES_MAX).contains(&bytes))?;
        self.turns.take(test.peer, test.remote, test.direction, Instant::now()).then_some(room)
    }
}

/// A client that goes away or stalls ends its test.
async fn serve(mut test: Test, tests: Arc<Tests>, waits: Share) {
    let _gone = timeout(BANDWIDTH_DEADLINE, run(&mut test, &tests, Some(waits))).await;
}

async fn run(test: &mut Test, tests: &Tests, waits: Option<Share>) -> io::Result<()> {
    let mut size = [0; 4];
    timeout(HANDSHAKE_DEADLINE, test.stream.read_exact(&mut size)).await??;
    let bytes = u32::from_be_bytes(size);
    let room = tests.admit(test, bytes);
    let _refused = waits.filter(|_| room.is_none()); // until it has taken the refusal
    let rate = if room.is_some() {
        let began = Instant::now();
        match test.direction {
            Direction::Upload => send(&mut test.stream, bytes).await?,
            Direction::Download => receive(&mut test.stream, bytes).await?,
        }
        // A rate of 0 is a refusal.
        (f64::from(bytes) / began.elapsed().as_secs_f64().max(1e-9)).clamp(1.0, f64::from(u32::MAX)) as u32
    } else {
        refused(Refusal::Bandwidth);
        0
    };
    test.stream.write_all(&rate.to_be_bytes()).await?;
    test.stream.close().await
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
