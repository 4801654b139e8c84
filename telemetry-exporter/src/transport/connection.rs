//! Serving one connection, whatever carries it, until its other end goes or the service stops.

use std::future::Future;
use std::sync::Arc;

use axum::Extension;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

use super::first_byte::FirstByte;
use super::write_deadline::WriteDeadline;
use crate::limits::{CONNECTIONS_MAX, FRAME_BYTES_MAX, HANDSHAKE_DEADLINE, STREAMS_PER_CONNECTION_MAX, WRITE_DEADLINE};
use crate::service::{Identity, Refusal, Service, refused, stalled};

/// All connections of a service, on every transport.
pub struct Connections {
    router: axum::Router,
    room: Arc<Semaphore>,
    graceful: Mutex<Option<GracefulShutdown>>,
}

impl Connections {
    pub fn new(service: &Arc<Service>) -> Arc<Self> {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Arc::new(Self { router: service.router(), room, graceful: Mutex::new(Some(GracefulShutdown::new())) })
    }

    /// Serves one connection in a task of its own; closes it at once where there is no room or the service stops.
    pub fn serve(&self, io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, identity: Identity) {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else { return refused(Refusal::Connections) };
        let graceful = self.graceful.lock();
        let Some(graceful) = graceful.as_ref() else { return };
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HANDSHAKE_DEADLINE);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
            .max_frame_size(FRAME_BYTES_MAX)
            .max_send_buf_size(FRAME_BYTES_MAX as usize)
            .keep_alive_interval(HANDSHAKE_DEADLINE)
            .keep_alive_timeout(HANDSHAKE_DEADLINE);
        let service = TowerToHyperService::new(self.router.clone().layer(Extension(identity)));
        let io = FirstByte::new(WriteDeadline::new(io, WRITE_DEADLINE, stalled), HANDSHAKE_DEADLINE);
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(io), service);
        let watched = graceful.watch(connection.into_owned());
        tokio::spawn(async move {
            let _permit = permit;
            let _gone = watched.await; // how the other end left is not for us to judge
        });
    }

    /// Lets no connection in any more; the future ends when those that are open have ended.
    pub fn shutdown(&self) -> impl Future<Output = ()> + use<> {
        let graceful = self.graceful.lock().take();
        async move {
            if let Some(graceful) = graceful {
                graceful.shutdown().await;
            }
        }
    }
}
