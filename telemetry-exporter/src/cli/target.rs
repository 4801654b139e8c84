//! The program that is looked at, and how it is reached.

use super::CliError;
use super::args::Args;
use crate::client::Client;
#[cfg(feature = "libp2p")]
use crate::client::identity;

/// Where the program is.
#[derive(Clone)]
pub enum Target {
    Tcp(String),
    /// The address over libp2p, and who we are there.
    #[cfg(feature = "libp2p")]
    Peer(String, Option<Box<libp2p::identity::Keypair>>),
}

impl Target {
    /// # Errors
    /// A key that cannot be had.
    pub fn of(args: &Args) -> Result<Self, CliError> {
        #[cfg(feature = "libp2p")]
        if let Some(peer) = &args.peer {
            let keypair = args.identity.as_ref().map(identity::load).transpose();
            let hint = |error: identity::IdentityError| match error.is_absent() {
                true => CliError::Other(format!("{error}: `telemetry identity FILE` makes one")),
                false => CliError::Other(error.to_string()),
            };
            return Ok(Self::Peer(peer.clone(), keypair.map_err(hint)?.map(Box::new)));
        }
        Ok(Self::Tcp(args.host.clone()))
    }

    pub async fn connect(&self) -> Result<Client, CliError> {
        Ok(match self {
            Self::Tcp(host) => Client::connect(host).await?,
            #[cfg(feature = "libp2p")]
            Self::Peer(address, keypair) => Client::connect_libp2p(address, keypair.as_deref().cloned()).await?,
        })
    }
}
