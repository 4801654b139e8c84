//! The program that is looked at, how it is reached, and what is shown to it.

use super::CliError;
use super::args::Shown;
use crate::client::{Client, Credentials};

/// The variable that has a token to show.
const TOKEN: &str = "TELEMETRY_TOKEN";

/// Where the program is.
#[derive(Clone)]
pub enum Place {
    Address(String),
    #[cfg(feature = "libp2p")]
    Peer(String),
}

/// The program, and what is shown to it.
#[derive(Clone)]
pub struct Target {
    place: Place,
    shown: Shown,
}

impl Target {
    pub const fn new(place: Place, shown: Shown) -> Self {
        Self { place, shown }
    }

    /// Connects; files are read each time, so that a token that was renewed is shown.
    pub async fn connect(&self) -> Result<Client, CliError> {
        let credentials = self.credentials()?;
        Ok(match &self.place {
            Place::Address(address) => Client::connect_with(address, &credentials).await?,
            #[cfg(feature = "libp2p")]
            Place::Peer(address) => Client::connect_libp2p_with(address, None, &credentials).await?,
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
