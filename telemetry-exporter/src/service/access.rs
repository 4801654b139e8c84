//! Who may be answered, in the words of the protocol that was spoken: a gRPC status, or that of HTTP.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use telemetry_core::Access;
use tonic::{Code, Status};

use super::Service;
use super::received::Received;
use crate::access::{Caller, Denied};
use crate::admission::{HeldBody, Place};
use crate::own::{Allowance, Refusal, allowed, refused};
use crate::stream::{NamedLog, StreamKind};

/// What a request came over.
#[derive(Clone)]
pub struct Over {
    /// The place of its connection.
    pub place: Arc<Place>,
    /// Whether it came over TCP from this machine.
    pub loopback: bool,
}

/// Counts a request as under way until its answer has gone, and refuses what is more than a client may send.
pub async fn account(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let Some(over) = request.extensions().get::<Over>() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let open = over.place.open();
    let response = if service.rates.admit(&open.place().client, Instant::now()) {
        let is_grpc = is_grpc(&request);
        let received = |body| Received::new(body, is_grpc, service.places.limits(), open.place());
        next.run(request.map(|body| Body::new(received(body)))).await
    } else {
        refused(Refusal::Rate);
        let per_second = service.places.limits().requests_per_second;
        let text = format!("more than {per_second} requests a second: wanted fewer");
        refuse(is_grpc(&request), Code::ResourceExhausted, text)
    };
    response.map(|body| Body::new(HeldBody::new(body, open)))
}

/// Lets those through who may ask for anything, with who they are.
pub async fn check(State(service): State<Arc<Service>>, mut request: Request, next: Next) -> Response {
    let Some(over) = request.extensions().get::<Over>().cloned() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let caller = service.rules.caller(over.place.identity.clone(), request.headers());
    let judged = service.rules.admit(&caller).and_then(|by| match is_of_a_page(&service, by, &over, &request) {
        Some(text) => Err(Denied { cause: Refusal::Page, code: Code::PermissionDenied, text: text.to_owned() }),
        None => Ok(by),
    });
    match judged {
        Ok(by) => {
            allowed(by);
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(Denied { cause, code, text }) => {
            refused(cause);
            refuse(is_grpc(&request), code, text)
        }
    }
}

/// Whether a web page may have sent this, which a browser of somebody who may shows: what tells. Who shows a token is no page, since a page has none.
///
/// A page of another host says so in `Origin`, or asks for nothing that it may read; one whose own host is made to lead to this machine asks for that host.
fn is_of_a_page(service: &Service, by: Allowance, over: &Over, request: &Request) -> Option<&'static str> {
    if by == Allowance::Token {
        return None;
    }
    let text = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = request.uri().authority().map(|authority| authority.as_str()).or_else(|| text(header::HOST));
    if let Some(origin) = text(header::ORIGIN)
        && origin.split_once("://").map(|(_, of)| of) != host
    {
        return Some("the request is of a web page of another host: wanted none, or a token");
    }
    if !over.loopback || by == Allowance::Public && service.rules.policy().insecure_public {
        return None;
    }
    let name = host.map(|host| match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    });
    let name = name?.trim_start_matches('[').trim_end_matches(']');
    let is_here = name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost");
    (!is_here).then_some("the request is for a host of another name: wanted an IP address or localhost, or a token")
}

/// Passes on what speaks gRPC: a page may send other words to any host without being asked whether it may.
pub async fn only_grpc(request: Request, next: Next) -> Response {
    if is_grpc(&request) {
        return next.run(request).await;
    }
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "wanted content-type: application/grpc\n").into_response()
}

/// Whether gRPC is spoken.
pub fn is_grpc(request: &Request) -> bool {
    request.headers().get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// An answer that is none.
pub fn refuse(is_grpc: bool, code: Code, text: String) -> Response {
    if is_grpc {
        return Status::new(code, text).into_http::<Body>();
    }
    let status = match code {
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::InvalidArgument | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut response = (status, text + "\n").into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer realm=\"telemetry\""));
    }
    response
}

impl Service {
    /// Whether a caller may know of what has this name.
    pub fn shows(&self, caller: &Caller, name: &str, declared: Option<Access>) -> bool {
        self.rules.may(caller, "", name, declared).is_ok()
    }

    /// Lets a caller have what it asked for by this name, which the program spells so.
    ///
    /// # Errors
    /// Why not; what is disabled is as if it were not there.
    pub fn let_have(&self, caller: &Caller, kind: &str, asked: &str, name: &str, declared: Option<Access>) -> Result<(), Status> {
        match self.rules.may(caller, kind, name, declared) {
            Ok(_) => Ok(()),
            // Nor is it counted, as what is not there is not.
            Err(Denied { cause: Refusal::Disabled, .. }) => Err(Status::not_found(format!("no {kind} is named \"{asked}\""))),
            Err(Denied { cause, code, text }) => {
                refused(cause);
                Err(Status::new(code, text))
            }
        }
    }

    /// Lets a caller have a stream that it asked for by this name.
    ///
    /// # Errors
    /// As [`let_have`](Self::let_have).
    pub fn let_read(&self, caller: &Caller, asked: &str, stream: &NamedLog) -> Result<(), Status> {
        self.let_have(caller, "stream", asked, stream.name(), self.declared(stream))
    }

    /// What the declaration of a stream says.
    pub fn declared(&self, stream: &NamedLog) -> Option<Access> {
        match &stream.kind {
            StreamKind::Metrics => None,
            StreamKind::Event(entry) | StreamKind::Snapshot(entry, _) => entry.declaration().access(),
        }
    }

    /// Whether a caller that was let in still may be, and may have this stream.
    ///
    /// # Errors
    /// Why not.
    pub fn let_go_on(&self, caller: &Caller, stream: &NamedLog) -> Result<(), Status> {
        self.let_read(&self.rules.again(caller), stream.name(), stream)
    }
}
