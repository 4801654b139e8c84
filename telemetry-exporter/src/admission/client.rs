//! Whom the limits count as one.

use std::net::{IpAddr, Ipv6Addr};

/// Whom a limit counts as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// An address, of version 6 without the half that its holder may choose.
    Address(IpAddr),
    /// A libp2p peer.
    #[cfg_attr(not(feature = "libp2p"), allow(dead_code))]
    Peer(String),
    /// Who comes over a Unix socket.
    Local,
}

impl Client {
    /// That of this address.
    pub fn of(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
            v4 => v4,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_an_address_of_version_6_is_its_holders() {
        let of = |text: &str| Client::of(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.2"), of("192.0.2.1"));
    }
}
