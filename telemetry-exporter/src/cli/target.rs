//! The program that is looked at, how it is reached, and what is shown to it.

use super::CliError;
use super::args::{Args, Shown};
#[cfg(feature = "libp2p")]
use crate::client::identity;
use crate::client::{Client, Credentials};

/// The variable that has a token to show.
const TOKEN: &str = "TELEMETRY_TOKEN";

/// Where the program is.
#[derive(Clone)]
pub enum Place {
    Address(String),
    /// The address over libp2p, and who we are there.
    #[cfg(feature = "libp2p")]
    Peer(String, Option<Box<libp2p::identity::Keypair>>),
}

/// The program, and what is shown to it.
#[derive(Clone)]
pub struct Target {
    pub place: Place,
    shown: Shown,
}

impl Target {
    /// # Errors
    /// A key that cannot be had.
    pub fn of(args: &Args) -> Result<Self, CliError> {
        let shown = args.shown.clone();
        #[cfg(feature = "libp2p")]
        if let Some(peer) = &args.peer {
            let keypair = args.identity.as_ref().map(identity::load).transpose();
            let hint = |error: identity::IdentityError| match error.is_absent() {
                true => CliError::Other(format!("{error}: `telemetry identity FILE` makes one")),
                false => CliError::Other(error.to_string()),
            };
            return Ok(Self { place: Place::Peer(peer.clone(), keypair.map_err(hint)?.map(Box::new)), shown });
        }
        Ok(Self { place: Place::Address(args.host.clone()), shown })
    }

    /// Connects; files are read each time, so that a token that was renewed is shown.
    pub async fn connect(&self) -> Result<Client, CliError> {
        let credentials = self.credentials()?;
        Ok(match &self.place {
            Place::Address(address) => Client::connect_with(address, &credentials).await?,
            #[cfg(feature = "libp2p")]
            Place::Peer(address, keypair) => {
                Client::connect_libp2p_with(address, keypair.as_deref().cloned(), &credentials).await?
            }
        })
    }

    fn credentials(&self) -> Result<Credentials, CliError> {
        let Shown { token_file, authorities, certificate, key, insecure } = &self.shown;
        let mut credentials = Credentials::default();
        credentials = match (token_file, std::env::var(TOKEN)) {
            (Some(path), _) => credentials.with_token_file(path)?,
            (None, Ok(token)) if !token.is_empty() => credentials.with_token(&token)?,
            (None, _) => credentials,
        };
        if let Some(path) = authorities {
            credentials = credentials.with_authorities(path);
        }
        if let (Some(certificate), Some(key)) = (certificate, key) {
            credentials = credentials.with_certificate(certificate, key);
        }
        Ok(if *insecure { credentials.insecure() } else { credentials })
    }
}
