//! The ways to a service: each gives a connection, on which HTTP/1 or gRPC is then spoken in the same words.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use hyper_util::rt::TokioIo;
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use telemetry_exporter::TELEMETRY_PROTOCOL;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::compat::FuturesAsyncReadCompatExt;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::credentials::Files;

pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A way to a service.
#[derive(Clone)]
pub enum Way {
    Tcp(SocketAddr),
    Tls(SocketAddr, Arc<rustls::ClientConfig>),
    Unix(PathBuf),
    Libp2p(libp2p_stream::Control, PeerId),
}

impl Way {
    /// One over TLS, with the certificate of this name, or with none.
    pub fn tls(addr: SocketAddr, files: &Files, certificate: Option<&str>) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let pem = |name: &str| std::fs::read(files.path(name)).expect("a file");
        roots.add(CertificateDer::from_pem_slice(&pem("authority.pem")).expect("a certificate")).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let builder = builder.with_root_certificates(roots);
        let config = match certificate {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let chain = vec![CertificateDer::from_pem_slice(&pem(&format!("{name}.pem"))).expect("a certificate")];
                let key = PrivateKeyDer::from_pem_slice(&pem(&format!("{name}.key"))).expect("a key");
                builder.with_client_auth_cert(chain, key).expect("they belong together")
            }
        };
        Self::Tls(addr, Arc::new(config))
    }

    pub async fn open(&self) -> io::Result<Box<dyn Io>> {
        Ok(match self.clone() {
            Self::Tcp(addr) => Box::new(tokio::net::TcpStream::connect(addr).await?),
            Self::Tls(addr, config) => {
                let socket = tokio::net::TcpStream::connect(addr).await?;
                let name = ServerName::try_from("localhost").expect("a name");
                Box::new(tokio_rustls::TlsConnector::from(config).connect(name, socket).await?)
            }
            Self::Unix(path) => Box::new(tokio::net::UnixStream::connect(path).await?),
            Self::Libp2p(mut control, peer) => {
                let stream = control.open_stream(peer, StreamProtocol::new(TELEMETRY_PROTOCOL)).await;
                Box::new(stream.map_err(|error| io::Error::other(error.to_string()))?.compat())
            }
        })
    }

    /// The answer to a request of HTTP/1: its status, and all of it.
    pub async fn http(&self, request: &str, headers: &[(&str, &str)], body: &str) -> io::Result<(u16, String)> {
        let mut io = self.open().await?;
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let text = format!(
            "{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        io.write_all(text.as_bytes()).await?;
        let mut answer = Vec::new();
        io.read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|status| status.parse().ok());
        Ok((status.ok_or_else(|| io::Error::other(format!("no answer of HTTP/1: {answer}")))?, answer))
    }

    /// A channel on which gRPC is spoken.
    pub async fn channel(&self) -> Result<Channel, tonic::transport::Error> {
        let way = self.clone();
        let connector = tower::service_fn(move |_: Uri| {
            let way = way.clone();
            async move { io::Result::Ok(TokioIo::new(way.open().await?)) }
        });
        Endpoint::from_static("http://localhost").connect_with_connector(connector).await
    }
}

pub fn swarm(keypair: Keypair) -> Swarm<libp2p_stream::Behaviour> {
    let swarm = SwarmBuilder::with_existing_identity(keypair).with_tokio();
    let swarm = swarm.with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default).expect("noise keys");
    let Ok(swarm) = swarm.with_behaviour(|_| libp2p_stream::Behaviour::new());
    swarm.with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600))).build()
}

/// A swarm that listens and is driven: where, who, and what opens streams on it.
pub async fn listening() -> (Multiaddr, PeerId, libp2p_stream::Control) {
    let mut swarm = swarm(Keypair::generate_ed25519());
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("it listens");
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address;
        }
    };
    let (peer, control) = (*swarm.local_peer_id(), swarm.behaviour().new_control());
    tokio::spawn(async move { while swarm.next().await.is_some() {} });
    (address, peer, control)
}

/// The way of this peer to that one.
pub async fn dialled(keypair: Keypair, address: &Multiaddr, peer: PeerId) -> Way {
    let mut swarm = swarm(keypair);
    swarm.dial(address.clone().with_p2p(peer).expect("an address")).expect("it dials");
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished { .. } => break,
            SwarmEvent::OutgoingConnectionError { error, .. } => panic!("{error}"),
            _ => {}
        }
    }
    let control = swarm.behaviour().new_control();
    tokio::spawn(async move { while swarm.next().await.is_some() {} });
    Way::Libp2p(control, peer)
}
