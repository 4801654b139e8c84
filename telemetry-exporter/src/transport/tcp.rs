//! Connections over TCP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Handle;

use super::connection::Connections;
use crate::error::StartError;
use crate::service::Identity;

/// The wait after an accept that failed, such as for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

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

/// Accepts until the task is ended.
pub async fn accept(listener: TcpListener, connections: Arc<Connections>) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                let _only_slower = socket.set_nodelay(true);
                connections.serve(socket, Identity::Anonymous);
            }
            Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
        }
    }
}
