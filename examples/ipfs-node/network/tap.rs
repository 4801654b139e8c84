//! Counts what a substream's payload consists of, where libp2p does not tell: pings, and kademlia requests we send.
//!
//! Invariant: a tap holds no payload, only its place in it.
//! Deliberately absent: kademlia requests that we receive; the behaviour reports those itself.

use crate::kademlia;
use crate::network::sniff::{Length, Varint};

/// Bytes of one ping; the answer repeats them. Source: libp2p's ping specification.
const PING_BYTES: usize = 32;

/// Which way bytes went, seen from this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    In,
    Out,
}

/// Reads along a substream's payload.
#[derive(Debug)]
pub enum Tap {
    /// This protocol is only counted in bytes.
    None,
    /// Pings that go this way, and the bytes of an unfinished one.
    Ping { way: Way, pending: usize },
    /// Kademlia requests on a substream that this node opened.
    Kad(Requests),
}

impl Tap {
    /// The tap for a substream of `protocol`, `outbound` if this node opened it.
    pub fn of(protocol: &str, outbound: bool) -> Self {
        if protocol == libp2p::ping::PROTOCOL_NAME.as_ref() {
            let way = if outbound { Way::Out } else { Way::In };
            Self::Ping { way, pending: 0 }
        } else if protocol == kademlia::PROTOCOL.as_ref() && outbound {
            Self::Kad(Requests::default())
        } else {
            Self::None
        }
    }

    /// Counts what these payload bytes complete.
    pub fn feed(&mut self, way: Way, bytes: &[u8]) {
        match self {
            Self::Ping { way: wanted, pending } if *wanted == way => {
                *pending += bytes.len();
                kademlia::count_pings(way, (*pending / PING_BYTES) as u64);
                *pending %= PING_BYTES;
            }
            Self::Kad(requests) if way == Way::Out => {
                requests.feed(bytes, kademlia::count_request_out);
            }
            _ => {}
        }
    }
}

/// Finds the message type in each `varint length | protobuf` frame of kademlia.
///
/// The type is field 1; proto3 leaves it out where it is 0 (PUT_VALUE), and libp2p-kad writes fields in order, so the
/// first bytes of a body tell.
#[derive(Debug, Default)]
pub struct Requests {
    length: Varint,
    part: Part,
}

#[derive(Clone, Copy, Debug, Default)]
enum Part {
    #[default]
    Length,
    Tag {
        left: u64,
    },
    Type {
        left: u64,
    },
    Rest {
        left: u64,
    },
    /// Not kademlia's framing: nothing more is counted.
    Lost,
}

impl Requests {
    const TYPE_TAG: u8 = 1 << 3;

    /// Calls `found` with the type of each message whose type these bytes reach.
    pub fn feed(&mut self, mut bytes: &[u8], mut found: impl FnMut(u8)) {
        while let Some((&first, rest)) = bytes.split_first() {
            let mut used = 1;
            self.part = match self.part {
                Part::Length => match self.length.feed(first) {
                    Length::More => Part::Length,
                    Length::Is(0) => {
                        found(0);
                        Part::Length
                    }
                    Length::Is(left) => Part::Tag { left },
                    Length::TooLong => Part::Lost,
                },
                Part::Tag { left } if first == Self::TYPE_TAG && left > 1 => Part::Type { left: left - 1 },
                Part::Tag { left } => {
                    found(0);
                    Part::after(left - 1)
                }
                Part::Type { left } => {
                    found(first);
                    Part::after(left - 1)
                }
                Part::Rest { left } => {
                    used = left.min(1 + rest.len() as u64) as usize;
                    Part::after(left - used as u64)
                }
                Part::Lost => return,
            };
            bytes = &bytes[used..];
        }
    }
}

impl Part {
    fn after(left: u64) -> Self {
        if left == 0 { Self::Length } else { Self::Rest { left } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // FIND_NODE with a two-byte key; PUT_VALUE (no type field) with the same; GET_VALUE alone.
    const FRAMES: &[u8] = b"\x06\x08\x04\x12\x02ab\x04\x12\x02ab\x02\x08\x01";

    #[test]
    fn request_types_are_found_wherever_the_writes_are_split() {
        for split in 0..=FRAMES.len() {
            let mut requests = Requests::default();
            let mut found = Vec::new();
            requests.feed(&FRAMES[..split], |kind| found.push(kind));
            requests.feed(&FRAMES[split..], |kind| found.push(kind));
            assert_eq!(found, [4, 0, 1], "split at {split}");
        }
    }

    #[test]
    fn an_overlong_length_ends_the_counting() {
        let mut requests = Requests::default();
        let mut found = Vec::new();
        requests.feed(&[0xff; 32], |kind| found.push(kind));
        requests.feed(FRAMES, |kind| found.push(kind));
        assert!(found.is_empty());
    }
}
