//! Who has tested the bandwidth lately: each peer, and each public address, has one test in [`BANDWIDTH_EVERY`] and direction.
//!
//! Peer ids cost nothing to make, so a public address counts too, and of IPv6 the network of 64 bits, which one host has to itself. An
//! address that is not public says nothing: behind it is the owner's own machine or network, or a proxy that stands for everybody.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use libp2p::PeerId;
use parking_lot::Mutex;

use super::bandwidth::Direction;
use crate::admission::Client;
use crate::limits::{BANDWIDTH_EVERY, BANDWIDTH_REMEMBERED_MAX};

/// Whether an address is one host's in all of the Internet.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64; // of a carrier's customers: RFC 6598
            !ip.is_loopback() && !ip.is_private() && !ip.is_link_local() && !is_shared
        }
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unique_local() && !ip.is_unicast_link_local(),
    }
}

/// When each tested last.
#[derive(Default)]
pub struct Turns(Mutex<HashMap<(Client, Direction), Instant>>);

impl Turns {
    /// Whether the peer at this address may test now; its turn is then taken.
    pub fn take(&self, peer: PeerId, remote: Option<IpAddr>, direction: Direction, now: Instant) -> bool {
        let mut last = self.0.lock();
        last.retain(|_, tested| now.saturating_duration_since(*tested) < BANDWIDTH_EVERY);
        let address = remote.filter(|address| is_public(*address)).map(Client::of);
        let testers = [Some(Client::Peer(peer.to_string())), address].into_iter().flatten();
        let keys = testers.map(|tester| (tester, direction));
        let taken = last.len() < BANDWIDTH_REMEMBERED_MAX && !keys.clone().any(|key| last.contains_key(&key));
        if taken {
            last.extend(keys.map(|key| (key, now)));
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(turns: &Turns, peer: PeerId, remote: &str, direction: Direction, now: Instant) -> bool {
        turns.take(peer, Some(remote.parse().expect("an address")), direction, now)
    }

    #[test]
    fn a_public_address_has_one_test_in_its_time_whatever_peer_it_is() {
        let (turns, began) = (Turns::default(), Instant::now());
        let test = |remote: &str, direction, now| take(&turns, PeerId::random(), remote, direction, now);
        assert!(test("203.0.113.7", Direction::Upload, began));
        assert!(!test("203.0.113.7", Direction::Upload, began));
        assert!(!test("::ffff:203.0.113.7", Direction::Upload, began), "the same one");
        assert!(test("203.0.113.7", Direction::Download, began), "the other way");
        assert!(test("203.0.113.8", Direction::Upload, began), "another address");
        assert!(test("2001:db8:1:2:3::4", Direction::Upload, began));
        assert!(!test("2001:db8:1:2:ffff::1", Direction::Upload, began), "the same network of 64 bits");
        assert!(test("2001:db8:1:3::1", Direction::Upload, began), "another network");
        let late = began + BANDWIDTH_EVERY;
        assert!(!test("203.0.113.7", Direction::Upload, late - std::time::Duration::from_millis(1)));
        assert!(test("203.0.113.7", Direction::Upload, late));
    }

    #[test]
    fn a_peer_has_one_test_in_its_time_wherever_it_comes_from() {
        let (turns, now, peer) = (Turns::default(), Instant::now(), PeerId::random());
        assert!(take(&turns, peer, "203.0.113.7", Direction::Upload, now));
        assert!(!take(&turns, peer, "203.0.113.8", Direction::Upload, now));
        assert!(!turns.take(peer, None, Direction::Upload, now));
        assert!(take(&turns, PeerId::random(), "203.0.113.8", Direction::Upload, now), "a refused test takes no turn");
    }

    #[test]
    fn an_address_that_is_not_public_is_shared_by_its_peers() {
        let (turns, now) = (Turns::default(), Instant::now());
        for remote in ["127.0.0.1", "10.1.2.3", "172.17.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1", "100.127.255.254"] {
            assert!(take(&turns, PeerId::random(), remote, Direction::Upload, now));
            assert!(take(&turns, PeerId::random(), remote, Direction::Upload, now), "{remote}");
        }
        for remote in ["::1", "fd00::1", "fe80::1", "::ffff:127.0.0.1"] {
            assert!(take(&turns, PeerId::random(), remote, Direction::Upload, now));
            assert!(take(&turns, PeerId::random(), remote, Direction::Upload, now), "{remote}");
        }
        assert!(take(&turns, PeerId::random(), "100.128.0.1", Direction::Upload, now));
        assert!(!take(&turns, PeerId::random(), "100.128.0.1", Direction::Upload, now), "public");
    }

    #[test]
    fn tests_beyond_those_that_can_be_remembered_are_refused() {
        let (turns, now) = (Turns::default(), Instant::now());
        let taken =
            (0..2 * BANDWIDTH_REMEMBERED_MAX).filter(|_| turns.take(PeerId::random(), None, Direction::Upload, now)).count();
        assert_eq!(taken, BANDWIDTH_REMEMBERED_MAX);
        assert!(turns.take(PeerId::random(), None, Direction::Upload, now + BANDWIDTH_EVERY), "they are forgotten in time");
    }
}
