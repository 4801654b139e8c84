//! Bytes by protocol: a muxer whose substreams find out what they speak and count for it.
//!
//! Invariant: each payload and negotiation byte of each substream is counted for exactly one entry of [`PROTOCOLS`].
//! Deliberately absent: multiplexing and encryption overhead, which belongs to no protocol (`traffic` has it).

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent, SubstreamBox};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;
use telemetry_core::snapshot;

use crate::network::sniff::{Sniffer, Step};
use crate::network::tap::{Tap, Way};

/// Most protocols that are told apart; a remote may invent names, so further ones count for [`OTHER`].
const PROTOCOLS_MAX: usize = 128;

/// What protocols beyond [`PROTOCOLS_MAX`] count for.
const OTHER: &str = "other";

/// What substreams count for that ended before a protocol was agreed on.
const UNNEGOTIATED: &str = "unnegotiated";

static PROTOCOLS: Mutex<BTreeMap<String, Arc<Bytes>>> = Mutex::new(BTreeMap::new());

/// Bytes in and out for each protocol spoken over libp2p substreams since the start, negotiation included.
#[snapshot(name = "libp2p_network_protocol_stats", every = "5s")]
fn protocol_stats() -> BTreeMap<String, Spoken> {
    PROTOCOLS.lock().iter().map(|(name, bytes)| (name.clone(), bytes.read())).collect()
}

/// The bytes of one protocol, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Spoken {
    #[serde(rename = "in")]
    bytes_in: u64,
    #[serde(rename = "out")]
    bytes_out: u64,
}

#[derive(Debug, Default)]
struct Bytes {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Bytes {
    fn add(&self, way: Way, n: u64) {
        match way {
            Way::In => self.bytes_in.fetch_add(n, Relaxed),
            Way::Out => self.bytes_out.fetch_add(n, Relaxed),
        };
    }

    fn read(&self) -> Spoken {
        Spoken { bytes_in: self.bytes_in.load(Relaxed), bytes_out: self.bytes_out.load(Relaxed) }
    }
}

fn of(protocol: &str) -> Arc<Bytes> {
    let mut protocols = PROTOCOLS.lock();
    if let Some(bytes) = protocols.get(protocol) {
        return bytes.clone();
    }
    let name = if protocols.len() < PROTOCOLS_MAX { protocol } else { OTHER };
    protocols.entry(name.to_owned()).or_default().clone()
}

/// A connection's muxer; it counts its open substreams in `open`.
pub struct Metered {
    inner: StreamMuxerBox,
    open: Arc<AtomicUsize>,
}

impl Metered {
    pub fn new(inner: StreamMuxerBox, open: Arc<AtomicUsize>) -> Self {
        Self { inner, open }
    }

    fn substream(&self, inner: SubstreamBox, outbound: bool) -> Substream {
        self.open.fetch_add(1, Relaxed);
        Substream { inner, account: Account::new(outbound), open: self.open.clone() }
    }
}

impl StreamMuxer for Metered {
    type Substream = Substream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
        let polled = Pin::new(&mut self.inner).poll_inbound(cx);
        polled.map_ok(|stream| self.substream(stream, false))
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
        let polled = Pin::new(&mut self.inner).poll_outbound(cx);
        polled.map_ok(|stream| self.substream(stream, true))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

/// A substream that counts its bytes for its protocol.
pub struct Substream {
    inner: SubstreamBox,
    account: Account,
    open: Arc<AtomicUsize>,
}

impl Drop for Substream {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Relaxed);
    }
}

impl AsyncRead for Substream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if let Poll::Ready(Ok(n)) = &polled {
            self.account.note(Way::In, &buf[..*n]);
        }
        polled
    }
}

impl AsyncWrite for Substream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(n)) = &polled {
            self.account.note(Way::Out, &buf[..*n]);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

/// What one substream has counted, and for whom.
///
/// What goes the other way than the decision counts as payload once the decision was seen. That is exact here: this
/// node answers before it reads on (multistream-select reads whole lines, never beyond) and waits for the answer to a
/// proposal before it writes on (libp2p's default, not the lazy variant).
struct Account {
    outbound: bool,
    state: State,
}

enum State {
    Negotiating { sniffer: Sniffer, bytes_in: u64, bytes_out: u64 },
    Known { bytes: Arc<Bytes>, tap: Tap },
}

impl Account {
    fn new(outbound: bool) -> Self {
        Self { outbound, state: State::Negotiating { sniffer: Sniffer::default(), bytes_in: 0, bytes_out: 0 } }
    }

    fn note(&mut self, way: Way, buf: &[u8]) {
        let deciding = if self.outbound { Way::In } else { Way::Out };
        let n = buf.len() as u64;
        match &mut self.state {
            State::Known { bytes, tap } => {
                bytes.add(way, n);
                tap.feed(way, buf);
            }
            State::Negotiating { sniffer, bytes_in, bytes_out } => {
                match way {
                    Way::In => *bytes_in += n,
                    Way::Out => *bytes_out += n,
                }
                if way == deciding {
                    match sniffer.feed(buf) {
                        Step::More => {}
                        Step::Decided { protocol, payload_from } => {
                            let mut tap = Tap::of(&protocol, self.outbound);
                            tap.feed(way, &buf[payload_from..]);
                            self.settle(&protocol, tap);
                        }
                        Step::Unreadable => self.settle(OTHER, Tap::None),
                    }
                }
            }
        }
    }

    fn settle(&mut self, protocol: &str, tap: Tap) {
        let State::Negotiating { bytes_in, bytes_out, .. } = self.state else {
            return;
        };
        let bytes = of(protocol);
        bytes.add(Way::In, bytes_in);
        bytes.add(Way::Out, bytes_out);
        self.state = State::Known { bytes, tap };
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.settle(UNNEGOTIATED, Tap::None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(protocol: &str) -> Spoken {
        of(protocol).read()
    }

    #[test]
    fn negotiation_and_payload_count_for_the_protocol_that_was_agreed_on() {
        let mut account = Account::new(true);
        account.note(Way::Out, b"\x13/multistream/1.0.0\n\x07/t/one\n");
        account.note(Way::In, b"\x13/multistream/1.0.0\n");
        assert_eq!((spoken("/t/one").bytes_in, spoken("/t/one").bytes_out), (0, 0));
        account.note(Way::In, b"\x07/t/one\nabc");
        account.note(Way::Out, b"defgh");
        assert_eq!((spoken("/t/one").bytes_in, spoken("/t/one").bytes_out), (31, 33));
    }

    #[test]
    fn a_substream_that_the_remote_opened_is_named_by_our_answer() {
        let mut account = Account::new(false);
        account.note(Way::In, b"\x13/multistream/1.0.0\n\x07/t/two\n");
        account.note(Way::Out, b"\x13/multistream/1.0.0\n\x07/t/two\n");
        account.note(Way::In, b"xy");
        assert_eq!((spoken("/t/two").bytes_in, spoken("/t/two").bytes_out), (30, 28));
    }

    #[test]
    fn a_substream_that_ends_early_counts_as_unnegotiated() {
        let before = spoken(UNNEGOTIATED).bytes_out;
        let mut account = Account::new(true);
        account.note(Way::Out, b"\x13/multistream/1.0.0\n");
        drop(account);
        assert_eq!(spoken(UNNEGOTIATED).bytes_out - before, 20);
    }
}
