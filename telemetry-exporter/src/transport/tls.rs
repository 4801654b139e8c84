//! TLS of the service: its certificate and the authorities of clients, which may change while it runs.
//!
//! A connection keeps what it began with; where the authorities change, those that were made with the ones before are not ended.

use std::path::Path;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::access::secret_file;
use crate::config::ServerTls;
use crate::limits::PEM_FILE_BYTES_MAX;
use crate::pem;

/// What a TLS connection may speak, in the order of our liking.
const SPOKEN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The TLS of a service.
pub struct Tls {
    settings: ServerTls,
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// # Errors
    /// A file that cannot be read, or that is not as wanted.
    pub fn open(settings: ServerTls) -> Result<Self, String> {
        let config = RwLock::new(read(&settings)?);
        Ok(Self { settings, config })
    }

    /// What the files say by now.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn read(&self) -> Result<Arc<ServerConfig>, String> {
        read(&self.settings)
    }

    /// Connections begin with this from now on.
    pub fn take(&self, config: Arc<ServerConfig>) {
        *self.config.write() = config;
    }

    /// A connection of a client, and whether it showed a certificate that is taken.
    ///
    /// # Errors
    /// A client that speaks no TLS, or shows a certificate that is not taken.
    pub async fn accept<IO: AsyncRead + AsyncWrite + Unpin>(&self, io: IO) -> std::io::Result<(TlsStream<IO>, bool)> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config.read()));
        let stream = acceptor.accept(io).await?;
        let is_known = stream.get_ref().1.peer_certificates().is_some();
        Ok((stream, is_known))
    }
}

fn read(settings: &ServerTls) -> Result<Arc<ServerConfig>, String> {
    let ServerTls { certificate, key, client_authorities } = settings;
    // Who may write the authorities lists whom they like.
    let secret = |path: &Path| secret_file::read(path, PEM_FILE_BYTES_MAX).map_err(|why| pem::wrong(path, &why));
    let writable_by_owner = |path: &Path| secret_file::read_kept(path, PEM_FILE_BYTES_MAX).map_err(|why| pem::wrong(path, &why));
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    let builder = match client_authorities {
        Some(path) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(pem::roots_in(path, &writable_by_owner(path)?)?), provider);
            // Who shows none may have a token.
            let verifier = verifier.allow_unauthenticated().build().map_err(|error| pem::wrong(path, &error))?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let config = builder.with_single_cert(pem::certificates(certificate)?, pem::key_in(key, &secret(key)?)?);
    let mut config = config.map_err(|error| pem::wrong(certificate, &error))?;
    config.alpn_protocols = SPOKEN.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}
