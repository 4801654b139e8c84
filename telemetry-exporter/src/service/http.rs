//! HTTP beside gRPC on the same port: what Prometheus scrapes, and health.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use tonic::Status;

use super::Service;
use super::access::{is_grpc, refuse};
use crate::access::Caller;
use crate::prometheus::{Exposition, accepts_gzip, expose};
use crate::stream::METRICS;

/// `/metrics`: the registry as it is now, beside what the OpenTelemetry SDK collected last; the first scrape makes it collect where it
/// has not yet.
pub fn metrics(service: Arc<Service>) -> Router {
    Router::new().route("/metrics", get(scrape)).with_state(service)
}

/// `/healthz`: open to all, and it tells no more than that the process answers.
pub fn health(service: Arc<Service>) -> Router {
    Router::new().route("/healthz", get(healthz)).with_state(service)
}

/// Whatever else is asked for: UNIMPLEMENTED to a gRPC client, 404 to others.
pub async fn unknown(request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if is_grpc(&request) {
        return Status::unimplemented(format!("no method is {path}")).into_http::<Body>();
    }
    (
        StatusCode::NOT_FOUND,
        format!("nothing is at {path}: there are /metrics, /healthz, what PROTOCOL.md lists under /api/, and gRPC\n"),
    )
        .into_response()
}

/// A known path, asked for in a way that it has not.
pub async fn other_method(request: Request) -> Response {
    let (path, method) = (request.uri().path().to_owned(), request.method().clone());
    let wanted = if path.starts_with("/api/rpcs/") { "POST" } else { "GET" };
    (StatusCode::METHOD_NOT_ALLOWED, format!("{path} has no {method}: wanted {wanted}\n")).into_response()
}

async fn scrape(State(service): State<Arc<Service>>, Extension(caller): Extension<Caller>, headers: HeaderMap) -> Response {
    if let Err(status) = service.let_have(&caller, "stream", METRICS, METRICS, None) {
        return refuse(false, status.code(), status.message().to_owned());
    }
    let wanted = Exposition::accepted(texts(&headers, header::ACCEPT));
    let gzip = accepts_gzip(texts(&headers, header::ACCEPT_ENCODING));
    let room = Arc::clone(&service.scrapes).acquire_owned().await;
    let Ok(room) = room else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    service.first_collection().await;
    let exporter = service.exporter.clone();
    // Collectors and observed functions are the user's, and may block.
    let collecting = tokio::task::spawn_blocking(move || {
        let _room = room; // given back when the pass has ended, not when its reader has gone
        let exposed = expose(&exporter.current(), wanted);
        if gzip { compressed(exposed) } else { exposed }
    });
    let Ok(exposed) = collecting.await else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the collection failed\n").into_response();
    };
    let vary = (header::VARY, "accept, accept-encoding");
    let mut response = ([(header::CONTENT_TYPE, wanted.content_type())], [vary], exposed).into_response();
    if gzip {
        response.headers_mut().insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
    }
    response
}

/// The headers of this name that are text.
fn texts(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}

fn compressed(bytes: Vec<u8>) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(bytes.len() / 8), flate2::Compression::fast());
    // A vector takes all that it is given.
    let _infallible = encoder.write_all(&bytes);
    encoder.finish().unwrap_or_default()
}

async fn healthz(State(service): State<Arc<Service>>) -> Response {
    if service.ending.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    (StatusCode::OK, "ok\n").into_response()
}
