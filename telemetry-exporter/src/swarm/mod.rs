//! The telemetry's protocols as a part of the program's own swarm.
//!
//! Invariant: a stream is handed over with the address of its own connection; nothing is remembered of a peer.
//! Not here: what is done with the streams, which is `transport`'s.

mod inbound;

pub(crate) use inbound::{Inbound, Offer};

use libp2p::swarm::NetworkBehaviour;
use libp2p_stream::Control;

/// The telemetry in a swarm: put it in the struct of the program's behaviours, and serve it with
/// [`Running::serve_behaviour`](crate::Running::serve_behaviour). It tells the swarm nothing.
///
/// It holds no connection open but by the streams on it, dials nobody unless its [control](Self::new_control) does, and offers the
/// protocols as long as they are served. It knows from which address a stream comes, which bandwidth tests are limited by.
///
/// ```
/// use libp2p::swarm::NetworkBehaviour;
/// use libp2p::{SwarmBuilder, noise, tcp, yamux};
/// use telemetry_exporter::{Config, Policy, swarm};
///
/// #[derive(NetworkBehaviour)]
/// struct Behaviour {
///     telemetry: swarm::Behaviour,
///     // … the program's others
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut swarm = SwarmBuilder::with_new_identity()
///     .with_tokio()
///     .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)?
///     .with_behaviour(|_| Behaviour { telemetry: swarm::Behaviour::new() })?
///     .build();
/// swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
///
/// let access = Policy::peers(["12D3KooWAvsfQ5vze4UdA7PmUGvb65LTto8MpzYp3ohMyv7MBo3S"]); // who may
/// let telemetry = telemetry_exporter::start(Config { listen: None, access, ..Config::default() })?; // over libp2p alone
/// telemetry.serve_behaviour(&swarm.behaviour().telemetry)?;
/// // … the program polls its swarm as ever: while let Some(event) = swarm.next().await { … }
/// telemetry.stop()?;
/// # Ok(())
/// # }
/// ```
#[derive(NetworkBehaviour)]
#[behaviour(to_swarm = "()")]
pub struct Behaviour {
    inbound: inbound::Streams,
    outbound: libp2p_stream::Behaviour,
}

impl Behaviour {
    /// One that serves nothing yet.
    pub fn new() -> Self {
        Self { inbound: inbound::Streams::default(), outbound: libp2p_stream::Behaviour::new() }
    }

    /// What opens streams on this swarm: for a [client](crate::client::Client::connect_over) of other programs' telemetry, and
    /// [tests of the bandwidth](crate::client::bandwidth) to them.
    pub fn new_control(&self) -> Control {
        self.outbound.new_control()
    }

    pub(crate) fn offer(&self) -> &Offer {
        self.inbound.offer()
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Behaviour").finish_non_exhaustive()
    }
}
