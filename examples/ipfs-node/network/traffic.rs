//! Bytes of all libp2p connections, counted on the TCP sockets: totals, and rates made of them.
//!
//! Invariant: only what a socket accepted or returned is counted, encryption and multiplexing included.
//! Deliberately absent: who sent them, and for which protocol (`protocols`).

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::{AsyncRead, AsyncWrite};
use parking_lot::Mutex;
use telemetry_core::{Gauge, collector, metric};

/// Rates are taken over at least this time; a collection that comes sooner keeps the last ones.
const RATE_OVER_MIN: Duration = Duration::from_millis(200);

static BYTES_IN: AtomicU64 = AtomicU64::new(0);
static BYTES_OUT: AtomicU64 = AtomicU64::new(0);
static LAST: Mutex<Option<Reading>> = Mutex::new(None);

/// Bytes received over all libp2p connections, as the sockets returned them.
#[metric(name = "libp2p_network_total_in", unit = "By", kind = "counter")]
fn total_in() -> u64 {
    BYTES_IN.load(Relaxed)
}

/// Bytes sent over all libp2p connections, as the sockets accepted them.
#[metric(name = "libp2p_network_total_out", unit = "By", kind = "counter")]
fn total_out() -> u64 {
    BYTES_OUT.load(Relaxed)
}

/// Bytes received per second between the last two collections.
#[metric(name = "libp2p_network_rate_in", unit = "By/s")]
static RATE_IN: Gauge;

/// Bytes sent per second between the last two collections.
#[metric(name = "libp2p_network_rate_out", unit = "By/s")]
static RATE_OUT: Gauge;

#[derive(Clone, Copy)]
struct Reading {
    at: Instant,
    bytes_in: u64,
    bytes_out: u64,
}

/// Takes the first reading, so that the first collection already has a rate. Call it once, at the start.
pub fn start() {
    *LAST.lock() = Some(read());
}

/// Tells the rates since the collection before.
#[collector]
fn rates() {
    let now = read();
    let mut last = LAST.lock();
    if let Some(before) = *last {
        let over = now.at - before.at;
        if over < RATE_OVER_MIN {
            return;
        }
        RATE_IN.set(per_second(now.bytes_in - before.bytes_in, over));
        RATE_OUT.set(per_second(now.bytes_out - before.bytes_out, over));
    }
    *last = Some(now);
}

fn read() -> Reading {
    Reading { at: Instant::now(), bytes_in: BYTES_IN.load(Relaxed), bytes_out: BYTES_OUT.load(Relaxed) }
}

fn per_second(bytes: u64, over: Duration) -> i64 {
    (bytes as f64 / over.as_secs_f64()).round() as i64
}

/// A TCP stream whose bytes count.
pub struct Counted<S>(pub S);

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.0).poll_read(cx, buf);
        if let Poll::Ready(Ok(n)) = &polled {
            BYTES_IN.fetch_add(*n as u64, Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.0).poll_write(cx, buf);
        if let Poll::Ready(Ok(n)) = &polled {
            BYTES_OUT.fetch_add(*n as u64, Relaxed);
        }
        polled
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.0).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(n)) = &polled {
            BYTES_OUT.fetch_add(*n as u64, Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_per_second_of_real_time() {
        assert_eq!(per_second(500, Duration::from_millis(250)), 2000);
        assert_eq!(per_second(500, Duration::from_secs(5)), 100);
        assert_eq!(per_second(0, Duration::from_secs(5)), 0);
    }
}
