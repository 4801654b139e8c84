//! Who may be answered.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tonic::Status;

use super::Service;
use super::own::{Refusal, refused};
use crate::config::Access;

/// Who is at the other end of a connection, as far as the transport proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// TCP proves nothing.
    Anonymous,
    /// The libp2p peer of this id.
    #[cfg_attr(not(feature = "libp2p"), allow(dead_code))] // made by that transport alone
    Peer(String),
}

impl Access {
    /// Whether this one may be answered, and if not, why.
    pub(crate) fn allows(&self, identity: &Identity) -> Result<(), String> {
        match (self, identity) {
            (Self::Public, _) => Ok(()),
            (Self::Disabled, _) => Err("the telemetry of this program is disabled".to_owned()),
            (Self::Restricted { peers }, Identity::Peer(peer)) if peers.contains(peer) => Ok(()),
            (Self::Restricted { .. }, Identity::Peer(peer)) => Err(format!("the peer {peer} is not on the list of those that may")),
            (Self::Restricted { .. }, Identity::Anonymous) => {
                Err("restricted to libp2p peers on a list: TCP does not say who asks".to_owned())
            }
        }
    }
}

/// Refuses in the words of the protocol that was spoken: a gRPC status, or 403.
pub async fn check(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let identity = request.extensions().get::<Identity>().cloned().unwrap_or(Identity::Anonymous);
    let Err(why) = service.access.allows(&identity) else { return next.run(request).await };
    refused(Refusal::Access);
    let content_type = request.headers().get(header::CONTENT_TYPE);
    if content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc")) {
        return Status::permission_denied(why).into_http::<Body>();
    }
    (StatusCode::FORBIDDEN, why + "\n").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_peers_pass_a_restriction_and_nobody_passes_disabled() {
        let peer = |name: &str| Identity::Peer(name.to_owned());
        let restricted = Access::Restricted { peers: ["a".to_owned()].into() };
        assert!(restricted.allows(&peer("a")).is_ok());
        assert!(restricted.allows(&peer("b")).is_err_and(|why| why.contains("peer b")));
        assert!(restricted.allows(&Identity::Anonymous).is_err());
        assert!(Access::Disabled.allows(&peer("a")).is_err());
        assert!(Access::Public.allows(&Identity::Anonymous).is_ok());
    }
}
