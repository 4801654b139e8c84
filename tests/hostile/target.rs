//! Where the server is, and how those who mean well come to it: in plain, or with TLS.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::raw::From;

/// The server's address, and what is trusted where it speaks TLS.
#[derive(Clone)]
pub struct Target {
    pub addr: SocketAddr,
    trusts: Option<Arc<ClientConfig>>,
}

/// What requests travel over.
pub trait Connected: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connected for T {}

/// A certificate of the server, in files.
pub struct Certificate {
    folder: TempDir,
    trusts: Arc<ClientConfig>,
}

/// Whose certificate it is.
fn server() -> ServerName<'static> {
    ServerName::IpAddress(Ipv4Addr::LOCALHOST.into())
}

/// What trusts this certificate.
pub fn trusting(certificate: CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("there are some").with_root_certificates(roots);
    Arc::new(builder.with_no_client_auth())
}

/// What a client of this server says first.
pub fn first_words(trusts: &Arc<ClientConfig>) -> Vec<u8> {
    let mut words = Vec::new();
    let mut client = rustls::ClientConnection::new(Arc::clone(trusts), server()).expect("a name");
    client.write_tls(&mut words).expect("in memory");
    words
}

impl Certificate {
    pub fn new() -> Self {
        let signed = rcgen::generate_simple_self_signed([Ipv4Addr::LOCALHOST.to_string()]).expect("a certificate");
        let trusts = trusting(signed.cert.der().clone());
        let certificate = Self { folder: tempfile::tempdir().expect("a folder"), trusts };
        let (pem, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
        for (name, text) in [("server.pem", pem), ("server.key", key)] {
            std::fs::write(certificate.path(name), text).expect("written");
            let owners = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(certificate.path(name), owners).expect("it is ours");
        }
        certificate
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The settings of a server that shows it.
    pub fn settings(&self) -> [String; 2] {
        [("certificate", "server.pem"), ("key", "server.key")]
            .map(|(setting, name)| format!("{setting}={}", self.path(name).display()))
    }

    /// What its clients trust.
    pub fn trusts(&self) -> &Arc<ClientConfig> {
        &self.trusts
    }
}

impl Target {
    /// One that speaks TLS where there is a certificate.
    pub fn new(addr: SocketAddr, certificate: Option<&Certificate>) -> Self {
        Self { addr, trusts: certificate.map(|certificate| Arc::clone(&certificate.trusts)) }
    }

    /// # Errors
    /// As the system and TLS say.
    pub async fn connect(&self, from: From) -> io::Result<Box<dyn Connected>> {
        let stream = from.connect(self.addr).await?;
        match &self.trusts {
            Some(trusts) => Ok(Box::new(TlsConnector::from(Arc::clone(trusts)).connect(server(), stream).await?)),
            None => Ok(Box::new(stream)),
        }
    }
}
