//! What a connection is served, whatever it came over: gRPC, and HTTP beside it, behind one access check.

mod received;
mod access;
mod answers;
mod evaluated;
mod judged;
mod leased;
mod grpc;
mod http;
mod api;
mod read;
mod rpcs;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use telemetry_core::{Registry, Telemetry};
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

use crate::access::Rules;
use crate::admission::{Limits, Places, Quota, Rates};
use crate::export::StreamExporter;
use crate::leases::Leases;
use crate::limits::{FIRST_SCRAPE_DEADLINE, GATHERING_READERS_MAX, SCRAPES_MAX};
use crate::pb::telemetry_server::{SERVICE_NAME, TelemetryServer};
use crate::stream::Streams;

pub use access::Over;
use evaluated::Evaluations;
use rpcs::Rpcs;

/// What all requests share.
pub struct Service {
    pub session: Uuid,
    pub telemetry: Telemetry,
    pub registry: Arc<Registry>,
    pub streams: Arc<Streams>,
    pub exporter: StreamExporter,
    /// Who may have what.
    pub rules: Arc<Rules>,
    /// What clients want for a time.
    pub leases: Arc<Leases>,
    /// The connections that are served.
    pub places: Arc<Places>,
    /// How many requests each client may send.
    pub rates: Rates,
    /// True when a stop has appended all there is: followers read to the end.
    pub stopping: watch::Receiver<bool>,
    /// True from the beginning of a stop on: health says so.
    pub ending: AtomicBool,
    pub rpcs: Rpcs,
    /// The properties as they are asked for.
    pub evaluations: Arc<Evaluations>,
    /// Room for scrapes.
    pub scrapes: Arc<Semaphore>,
    /// Room for readers of metrics.
    pub metrics_readers: Arc<Quota>,
    /// Room for readers of the last of each step that gather.
    pub gatherings: Arc<Semaphore>,
    /// Whether a first collection was asked for.
    asked: AtomicBool,
}

impl Service {
    pub fn new(
        telemetry: Telemetry,
        streams: Arc<Streams>,
        exporter: StreamExporter,
        rules: Arc<Rules>,
        leases: Arc<Leases>,
        limits: Limits,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self {
            session: streams.session(),
            registry: Arc::clone(telemetry.registry()),
            telemetry,
            streams,
            exporter,
            rules,
            leases,
            rates: Rates::new(limits.requests_per_second),
            stopping,
            ending: AtomicBool::new(false),
            rpcs: Rpcs::new(limits.rpcs, limits.rpc_calls),
            evaluations: Evaluations::new(limits.property_deadline),
            scrapes: Arc::new(Semaphore::new(SCRAPES_MAX)),
            metrics_readers: Quota::new(limits.metrics_readers, limits.metrics_readers_per_client),
            places: Places::new(limits),
            gatherings: Arc::new(Semaphore::new(GATHERING_READERS_MAX)),
            asked: AtomicBool::new(false),
        })
    }

    /// Lets the SDK collect where it has not yet, once, and waits for it.
    async fn first_collection(&self) {
        if self.exporter.has_collected() {
            return;
        }
        if !self.asked.swap(true, Ordering::Relaxed) {
            let telemetry = self.telemetry.clone();
            // What fails here fails at the next interval too, where it is told.
            tokio::task::spawn_blocking(move || telemetry.force_flush());
        }
        let _late = tokio::time::timeout(FIRST_SCRAPE_DEADLINE, self.exporter.collected()).await;
    }

    /// All routes. Each connection adds what it is, [`Over`], to its requests.
    pub fn router(self: &Arc<Self>) -> axum::Router {
        let grpc = TelemetryServer::new(grpc::Grpc(Arc::clone(self))).max_decoding_message_size(self.places.limits().request_bytes);
        let routes = axum::Router::new().route_service(&format!("/{}/{{*method}}", SERVICE_NAME), grpc);
        let routes = routes.layer(axum::middleware::from_fn(access::only_grpc));
        let check = axum::middleware::from_fn_with_state(Arc::clone(self), access::check);
        let routes = routes.merge(http::metrics(Arc::clone(self))).merge(api::routes(Arc::clone(self))).fallback(http::unknown);
        let routes = routes.method_not_allowed_fallback(http::other_method);
        let account = axum::middleware::from_fn_with_state(Arc::clone(self), access::account);
        routes.layer(check).merge(http::health(Arc::clone(self))).layer(account)
    }
}
