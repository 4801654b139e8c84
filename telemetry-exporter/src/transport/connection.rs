//! Serving one connection, whatever carries it, until its other end goes, a limit ends it, or the service stops.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use axum::Extension;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::fair::Fair;
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::words::{self, Reread, Spoken};
use super::write_deadline::WriteDeadline;
use crate::access::Identity;
use crate::admission::{Client, Place, Places, Waiting};
use crate::limits::{FRAME_BYTES_MAX, RECEIVED_BYTES_MAX, SWEEP_EVERY};
use crate::own::{Ending, ended};
use crate::service::{Over, Service};

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Far {
    /// Whom its limits count as one.
    pub client: Client,
    /// What is proven.
    pub identity: Identity,
    /// Whether it comes over TCP from this machine, and so perhaps from a web page that a browser was led to.
    pub loopback: bool,
}

/// All connections of a service, on every transport.
pub struct Connections {
    router: axum::Router,
    places: Arc<Places>,
    waiting: Arc<Waiting>,
    graceful: Mutex<Option<GracefulShutdown>>,
}

/// What a connection is read from and written to.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

impl Connections {
    pub fn new(service: &Arc<Service>) -> Arc<Self> {
        let waiting = Waiting::new(service.places.limits().connections_waiting);
        let (router, places) = (service.router(), Arc::clone(&service.places));
        Arc::new(Self { router, places, waiting, graceful: Mutex::new(Some(GracefulShutdown::new())) })
    }

    /// Serves one connection in a task of its own.
    pub fn serve(self: &Arc<Self>, io: impl Io, far: Far) {
        let connections = Arc::clone(self);
        tokio::spawn(async move {
            let begins = async { words::first(io).await.map(|(spoken, io)| (spoken, io, false)) };
            if let Some((spoken, io, place)) = connections.begun(far.clone(), begins).await {
                connections.run(spoken, io, place, far.loopback).await;
            }
        });
    }

    /// Serves one connection that begins with TLS, in a task of its own.
    #[cfg(feature = "tls")]
    pub fn serve_tls(self: &Arc<Self>, io: impl Io, tls: Arc<Tls>, far: Far) {
        let connections = Arc::clone(self);
        tokio::spawn(async move {
            let begins = async {
                let (io, is_known) = tls.accept(io).await.inspect_err(|_| ended(Ending::Tls))?;
                words::first(io).await.map(|(spoken, io)| (spoken, io, is_known))
            };
            if let Some((spoken, io, place)) = connections.begun(far.clone(), begins).await {
                connections.run(spoken, io, place, far.loopback).await;
            }
        });
    }

    /// What a connection speaks, and its place, unless that takes too long, or must make room for others. It comes with whether a certificate was shown.
    async fn begun<IO>(
        &self,
        Far { client, identity, .. }: Far,
        begins: impl Future<Output = std::io::Result<(Spoken, IO, bool)>>,
    ) -> Option<(Spoken, IO, Arc<Place>)> {
        let mut ticket = self.waiting.enter(client.clone(), self.places.is_marked(&client));
        let served = async {
            let Ok(begun) = timeout(self.places.limits().handshake_deadline, begins).await else {
                ended(Ending::Handshake);
                return None;
            };
            let (spoken, io, is_known) = begun.ok()?;
            let identity = if is_known { Identity::Certificate } else { identity };
            let place = self.places.enter_soon(client, identity).await?;
            Some((spoken, io, place))
        };
        tokio::select! {
            served = served => served,
            () = ticket.out() => {
                ended(Ending::Handshake);
                None
            }
        }
    }

    async fn run(&self, spoken: Spoken, io: Reread<impl Io>, place: Arc<Place>, loopback: bool) {
        let limits = self.places.limits();
        let over = Over { place: Arc::clone(&place), loopback };
        let service = TowerToHyperService::new(self.router.clone().layer(Extension(over)));
        let io = TokioIo::new(WriteDeadline::new(Fair::new(io), limits.progress_deadline, || ended(Ending::Stalled)));
        match spoken {
            Spoken::Http1 => {
                let mut builder = http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(limits.handshake_deadline);
                builder.max_buf_size(limits.frame_bytes as usize);
                self.watch(builder.serve_connection(io, service), &place).await;
            }
            Spoken::Http2 => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(limits.requests_per_connection)
                    .initial_stream_window_size(RECEIVED_BYTES_MAX)
                    .initial_connection_window_size(RECEIVED_BYTES_MAX)
                    .max_frame_size(limits.frame_bytes)
                    .max_send_buf_size(FRAME_BYTES_MAX as usize)
                    .keep_alive_interval(limits.handshake_deadline)
                    .keep_alive_timeout(limits.handshake_deadline);
                self.watch(builder.serve_connection(io, service), &place).await;
            }
        }
    }

    async fn watch(&self, connection: impl GracefulConnection<Error = hyper::Error>, place: &Place) {
        let watched = match self.graceful.lock().as_ref() {
            Some(graceful) => graceful.watch(connection),
            None => return, // it came when the service stopped
        };
        tokio::select! {
            gone = watched => if let Some(cause) = gone.err().and_then(|error| cause(&error)) {
                ended(cause);
            },
            () = place.ended() => {}
        }
    }

    /// Ends connections that ask nothing or read nothing, until the task is ended.
    pub async fn sweep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            self.places.sweep();
        }
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

/// Why it was ended, if it was; how the other end left is not for us to judge.
fn cause(error: &hyper::Error) -> Option<Ending> {
    if error.is_timeout() {
        return Some(Ending::Handshake);
    }
    let refused = error.source().and_then(|source| source.downcast_ref::<h2::Error>()).is_some_and(h2::Error::is_library);
    (refused || error.is_parse()).then_some(Ending::Protocol)
}
