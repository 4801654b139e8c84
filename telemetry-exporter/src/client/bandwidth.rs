//! Testing the bandwidth to a program that serves its telemetry over libp2p.
//!
//! The directions are the server's: in an [`upload`] it sends, in a [`download`] it reads. The payload is zeros.

use std::fmt;
use std::io;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{PeerId, Stream, StreamProtocol};
use libp2p_stream::{Control, OpenStreamError};
use tokio::time::timeout;

use crate::limits::{BANDWIDTH_BYTES_MAX, BANDWIDTH_DEADLINE, CONNECT_DEADLINE};
use crate::protocol::{DOWNLOAD_PROTOCOL, UPLOAD_PROTOCOL};

/// Bytes that are sent or read at a time.
const BLOCK_BYTES: usize = 64 << 10;

/// How fast the payload went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Bytes of the payload.
    pub bytes: u32,
    /// What the server measured, in bytes a second. Of an upload it is when it had written all, some of which may be under way then.
    pub server_bytes_per_s: u64,
    /// What we measured, in bytes a second, from the request to the end of the payload, or to the answer that all of it arrived.
    pub client_bytes_per_s: u64,
}

/// Why there are no rates.
#[derive(Debug)]
#[non_exhaustive]
pub enum BandwidthError {
    /// The server refused: a test of this peer or from this address was less than [`BANDWIDTH_EVERY`](crate::limits::BANDWIDTH_EVERY) ago, or too many run.
    Refused,
    /// The payload has no bytes, or more than [`BANDWIDTH_BYTES_MAX`]: how many. Nothing was asked.
    Size(u32),
    /// There is no stream: the peer is not to be had, or offers no tests.
    Open(PeerId, OpenStreamError),
    /// The test broke off. A server that closes the stream without an answer does not let this peer in, or too many wait there.
    Broken(io::Error),
}

impl BandwidthError {
    /// Whether the server refused, so that trying again later makes sense.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused)
    }
}

impl fmt::Display for BandwidthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str(
                "the bandwidth test was refused: the last one of this peer or address was too short a time ago, or others test now",
            ),
            Self::Size(bytes) => write!(f, "a bandwidth test of {bytes} bytes: wanted 1 to {BANDWIDTH_BYTES_MAX}"),
            Self::Open(peer, error) => write!(f, "no bandwidth test with {peer}: {error}"),
            Self::Broken(error) => {
                write!(f, "the bandwidth test broke off: {error}; a program closes it for a peer that it does not list")
            }
        }
    }
}

impl std::error::Error for BandwidthError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open(_, error) => Some(error),
            Self::Broken(error) => Some(error),
            _ => None,
        }
    }
}

/// The server sends so many bytes.
///
/// [`BANDWIDTH_BYTES`](crate::limits::BANDWIDTH_BYTES) is a payload that tells something of most networks. The control is that of
/// [`swarm::Behaviour`](crate::swarm::Behaviour::new_control) or of a [`libp2p_stream::Behaviour`]; the peer is connected, or the other
/// behaviours of the swarm know its address.
///
/// # Errors
/// [`BandwidthError`]; the stream is closed then.
pub async fn upload(control: &mut Control, peer: PeerId, bytes: u32) -> Result<Rates, BandwidthError> {
    let stream = open(control, peer, UPLOAD_PROTOCOL, bytes).await?;
    in_time(receive(stream, bytes)).await
}

/// We send so many bytes. See [`upload`].
///
/// # Errors
/// [`BandwidthError`]; the stream is closed then.
pub async fn download(control: &mut Control, peer: PeerId, bytes: u32) -> Result<Rates, BandwidthError> {
    let stream = open(control, peer, DOWNLOAD_PROTOCOL, bytes).await?;
    in_time(send(stream, bytes)).await
}

async fn open(control: &mut Control, peer: PeerId, protocol: &'static str, bytes: u32) -> Result<Stream, BandwidthError> {
    if !(1..=BANDWIDTH_BYTES_MAX).contains(&bytes) {
        return Err(BandwidthError::Size(bytes));
    }
    let opened = timeout(CONNECT_DEADLINE, control.open_stream(peer, StreamProtocol::new(protocol))).await;
    opened
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
        .map_err(|error| BandwidthError::Open(peer, error))
}

async fn in_time(test: impl Future<Output = io::Result<Option<Rates>>>) -> Result<Rates, BandwidthError> {
    let late = |_| Err(io::ErrorKind::TimedOut.into());
    let rates = timeout(BANDWIDTH_DEADLINE, test).await.unwrap_or_else(late).map_err(BandwidthError::Broken)?;
    rates.ok_or(BandwidthError::Refused)
}

fn rates(bytes: u32, rate: [u8; 4], took: Duration) -> Rates {
    let measured = (f64::from(bytes) / took.as_secs_f64().max(1e-9)) as u64;
    Rates { bytes, server_bytes_per_s: u32::from_be_bytes(rate).into(), client_bytes_per_s: measured }
}

/// The rates; none where it was refused. A refusal is told by its length alone, since a payload may be zeros as well.
async fn receive(mut stream: Stream, bytes: u32) -> io::Result<Option<Rates>> {
    let began = Instant::now();
    stream.write_all(&bytes.to_be_bytes()).await?;
    stream.flush().await?;
    let (payload, whole) = (u64::from(bytes), u64::from(bytes) + 4);
    let mut block = vec![0; BLOCK_BYTES];
    let (mut got, mut took, mut last) = (0, None, [0; 4]);
    while got < whole {
        let most = usize::try_from(whole - got).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
        let read = stream.read(&mut block[..most]).await?;
        if read == 0 {
            break;
        }
        got += read as u64;
        let fresh = read.min(4);
        last.copy_within(fresh.., 0);
        last[4 - fresh..].copy_from_slice(&block[read - fresh..read]);
        if got >= payload {
            took.get_or_insert_with(|| began.elapsed());
        }
    }
    match took {
        Some(took) if got == whole => Ok(Some(rates(bytes, last, took))),
        _ if got == 4 && last == [0; 4] => Ok(None),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The rates; none where it was refused, which the server may say before it has read anything.
async fn send(stream: Stream, bytes: u32) -> io::Result<Option<Rates>> {
    let began = Instant::now();
    let (mut from, mut to) = stream.split();
    let sending = pin!(async move {
        to.write_all(&bytes.to_be_bytes()).await?;
        let block = vec![0; BLOCK_BYTES];
        let mut left = bytes as usize;
        while left > 0 {
            let now = left.min(BLOCK_BYTES);
            to.write_all(&block[..now]).await?;
            left -= now;
        }
        to.flush().await
    });
    let answering = pin!(async move {
        let mut rate = [0; 4];
        from.read_exact(&mut rate).await.map(|()| rate)
    });
    let rate = match select(sending, answering).await {
        Either::Right((answer, _)) => answer?,
        // Who refuses closes the stream while we send, and has answered before.
        Either::Left((sent, answering)) => answering.await.map_err(|unanswered| sent.err().unwrap_or(unanswered))?,
    };
    Ok((rate != [0; 4]).then(|| rates(bytes, rate, began.elapsed())))
}
