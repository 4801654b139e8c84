//! Connections over TCP.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

use super::connection::{Connections, Far};
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::access::Identity;
use crate::admission::Client;
use crate::error::StartError;
use crate::limits::ACCEPT_BACKLOG;
#[cfg(target_os = "linux")]
use crate::limits::UNSENT_BYTES_MAX;

/// The wait after an accept that failed, such as for want of file descriptors.
pub(super) const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// A socket that listens, before the runtime runs, so that a taken port is an error of the start.
pub struct Listener {
    socket: std::net::TcpListener,
    local_addr: SocketAddr,
}

/// # Errors
/// [`StartError::Listen`].
pub fn listen(addr: SocketAddr) -> Result<Listener, StartError> {
    let failed = |error| StartError::Listen(addr, error);
    let socket = std::net::TcpListener::bind(addr).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    socket2::SockRef::from(&socket).listen(ACCEPT_BACKLOG).map_err(failed)?; // it listens already: this is how many may wait
    let local_addr = socket.local_addr().map_err(failed)?;
    Ok(Listener { socket, local_addr })
}

impl Listener {
    /// Hands the socket to this runtime, and tells its address.
    ///
    /// # Errors
    /// [`StartError::Listen`].
    pub fn into_tokio(self, runtime: &Handle) -> Result<(TcpListener, SocketAddr), StartError> {
        let _context = runtime.enter();
        let listener = TcpListener::from_std(self.socket).map_err(|error| StartError::Listen(self.local_addr, error))?;
        Ok((listener, self.local_addr))
    }
}

/// How what is accepted is served.
pub struct Accept {
    /// All connections.
    pub connections: Arc<Connections>,
    /// With which they begin, if any.
    #[cfg(feature = "tls")]
    pub tls: Option<Arc<Tls>>,
    /// Whether who comes over loopback is as one that is listed.
    pub trust_loopback: bool,
}

/// Accepts until the task is ended.
pub async fn accept(listener: TcpListener, accept: Accept) {
    loop {
        match listener.accept().await {
            Ok((socket, addr)) => accept.serve(socket, addr.ip()),
            Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
        }
        // Each has its turn before the next comes, which it might have to make room for; and one that made room has gone by then.
        tokio::task::yield_now().await;
    }
}

impl Accept {
    fn serve(&self, socket: TcpStream, addr: IpAddr) {
        let _only_slower = socket.set_nodelay(true);
        // What the system takes without sending it would look as if it were read.
        #[cfg(target_os = "linux")]
        let _only_later = socket2::SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
        let loopback = addr.to_canonical().is_loopback();
        let identity = if loopback && self.trust_loopback { Identity::Local } else { Identity::Anonymous };
        let far = Far { client: Client::of(addr), identity, loopback };
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return self.connections.serve_tls(socket, Arc::clone(tls), far);
        }
        self.connections.serve(socket, far);
    }
}
