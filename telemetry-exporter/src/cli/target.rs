//! The program that is looked at, and how it is reached.

use super::CliError;
use crate::client::Client;

/// Where the program is.
#[derive(Clone)]
pub enum Target {
    Tcp(String),
    #[cfg(feature = "libp2p")]
    Peer(String),
}

impl Target {
    pub async fn connect(&self) -> Result<Client, CliError> {
        Ok(match self {
            Self::Tcp(host) => Client::connect(host).await?,
            #[cfg(feature = "libp2p")]
            Self::Peer(address) => Client::connect_libp2p(address, None).await?,
        })
    }
}
