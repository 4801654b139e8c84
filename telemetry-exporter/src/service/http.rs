//! HTTP beside gRPC on the same port: Prometheus text and health.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tonic::Status;

use super::Service;
use crate::prometheus;

const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `/metrics`: the registry as it is now, beside what the OpenTelemetry SDK collected last.
pub fn metrics(service: Arc<Service>) -> Router {
    Router::new().route("/metrics", get(text)).with_state(service)
}

/// `/healthz`: open to all, and it tells no more than that the process answers.
pub fn health(service: Arc<Service>) -> Router {
    Router::new().route("/healthz", get(healthz)).with_state(service)
}

/// Whatever else is asked for: UNIMPLEMENTED to a gRPC client, 404 to others.
pub async fn unknown(request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let content_type = request.headers().get(header::CONTENT_TYPE);
    if content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc")) {
        return Status::unimplemented(format!("no method is {path}")).into_http::<Body>();
    }
    (StatusCode::NOT_FOUND, format!("nothing is at {path}: there are /metrics and /healthz, and gRPC\n")).into_response()
}

async fn text(State(service): State<Arc<Service>>) -> Response {
    let room = Arc::clone(&service.evaluations).acquire_owned().await;
    let Ok(room) = room else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let exporter = service.exporter.clone();
    // Collectors and observed functions are the user's, and may block.
    let collecting = tokio::task::spawn_blocking(move || {
        let _room = room; // given back when the pass has ended, not when its reader has gone
        prometheus::text(&exporter.current())
    });
    match collecting.await {
        Ok(text) => ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the collection failed\n").into_response(),
    }
}

async fn healthz(State(service): State<Arc<Service>>) -> Response {
    if service.ending.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    (StatusCode::OK, "ok\n").into_response()
}
