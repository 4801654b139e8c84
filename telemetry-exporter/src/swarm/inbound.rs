//! Streams that peers open: each is handed over with the address that its connection comes from.
//!
//! Invariant: the swarm never waits for who serves. What finds no room is closed, and counted.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::upgrade::{DeniedUpgrade, InboundUpgrade, UpgradeInfo};
use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::handler::{ConnectionEvent, ConnectionHandler, FullyNegotiatedInbound};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour, Stream, SubstreamProtocol, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use parking_lot::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::limits::INBOUND_STREAMS_MAX;
use crate::own::{Refusal, refused};

/// A stream that a peer has opened.
pub struct Inbound {
    /// Who opened it, proven by the transport.
    pub peer: PeerId,
    /// The address that its connection comes from, where that is known.
    pub remote: Option<IpAddr>,
    /// What is spoken on it.
    pub protocol: &'static str,
    pub stream: Stream,
}

/// What is offered to peers at the moment, and who serves it.
#[derive(Clone, Default)]
pub struct Offer(Arc<Mutex<Option<Served>>>);

struct Served {
    protocols: &'static [&'static str],
    streams: Sender<Inbound>,
}

impl Offer {
    /// Offers these protocols for as long as the receiver lives; none where others are offered already.
    pub fn serve(&self, protocols: &'static [&'static str]) -> Option<Receiver<Inbound>> {
        let mut served = self.0.lock();
        if served.as_ref().is_some_and(|served| !served.streams.is_closed()) {
            return None;
        }
        let (streams, receiver) = channel(INBOUND_STREAMS_MAX);
        *served = Some(Served { protocols, streams });
        Some(receiver)
    }

    fn protocols(&self) -> &'static [&'static str] {
        let served = self.0.lock();
        served.as_ref().filter(|served| !served.streams.is_closed()).map_or(&[], |served| served.protocols)
    }

    fn hand_over(&self, inbound: Inbound) {
        let served = self.0.lock();
        if served.as_ref().is_none_or(|served| served.streams.try_send(inbound).is_err()) {
            refused(Refusal::Connections);
        }
    }
}

/// The behaviour.
#[derive(Default)]
pub struct Streams(Offer);

impl Streams {
    pub fn offer(&self) -> &Offer {
        &self.0
    }

    fn handler(&self, peer: PeerId, remote: &Multiaddr) -> Handler {
        Handler { peer, remote: ip(remote), offer: self.0.clone() }
    }
}

/// The address of the peer itself; none behind a relay, whose address it would be, or where it is a name.
fn ip(multiaddr: &Multiaddr) -> Option<IpAddr> {
    if multiaddr.iter().any(|part| part == Protocol::P2pCircuit) {
        return None;
    }
    match multiaddr.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.to_canonical()),
        _ => None,
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = ();

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer, remote))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer, remote))
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

/// One connection.
pub struct Handler {
    peer: PeerId,
    remote: Option<IpAddr>,
    offer: Offer,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = Upgrade;
    type OutboundProtocol = DeniedUpgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Upgrade> {
        SubstreamProtocol::new(Upgrade(self.offer.protocols()), ())
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<DeniedUpgrade, (), Infallible>> {
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<Upgrade, DeniedUpgrade>) {
        if let ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: (stream, protocol), .. }) = event {
            self.offer.hand_over(Inbound { peer: self.peer, remote: self.remote, protocol, stream });
        }
    }
}

/// Takes the stream as it is, with the protocol that the peer has chosen.
pub struct Upgrade(&'static [&'static str]);

impl UpgradeInfo for Upgrade {
    type Info = &'static str;
    type InfoIter = std::iter::Copied<std::slice::Iter<'static, &'static str>>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.iter().copied()
    }
}

impl InboundUpgrade<Stream> for Upgrade {
    type Output = (Stream, &'static str);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: &'static str) -> Self::Future {
        ready(Ok((stream, protocol)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_peers_own_and_not_that_of_a_relay() {
        let peer = PeerId::random();
        for (multiaddr, wanted) in [
            ("/ip4/192.0.2.7/tcp/4001".to_owned(), Some("192.0.2.7")),
            ("/ip6/2001:db8::7/udp/4001/quic-v1".to_owned(), Some("2001:db8::7")),
            ("/ip6/::ffff:192.0.2.7/tcp/4001".to_owned(), Some("192.0.2.7")),
            (format!("/ip4/192.0.2.7/tcp/4001/p2p/{peer}/p2p-circuit"), None),
            (format!("/p2p/{peer}"), None),
            ("/dns4/example.org/tcp/4001".to_owned(), None),
        ] {
            let found = ip(&multiaddr.parse().expect("an address"));
            assert_eq!(found, wanted.map(|ip| ip.parse().expect("an ip address")), "{multiaddr}");
        }
    }

    #[test]
    fn protocols_are_offered_while_somebody_serves_them_and_by_one_at_a_time() {
        let offer = Offer::default();
        assert!(offer.protocols().is_empty());
        let first = offer.serve(&["/a"]).expect("nobody serves");
        assert!(offer.serve(&["/b"]).is_none());
        assert_eq!(offer.protocols(), ["/a"]);
        drop(first);
        assert!(offer.protocols().is_empty());
        let _second = offer.serve(&["/b"]).expect("the first has ended");
        assert_eq!(offer.protocols(), ["/b"]);
    }
}
