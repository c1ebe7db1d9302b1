//! The check in front of a router.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use splashtail_core::telemetry::Chain;
use tracing::{info, warn};

use super::verifier::{SignatureError, Verifier};
use crate::http::{ErrorResponse, read_body};

/// Who made the call. Only [`require_signature`] puts it into a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub client: String,
}

/// A verifier and the clients that may pass.
#[derive(Debug, Clone)]
pub struct SignatureGate {
    verifier: Verifier,
    allowed: Arc<[String]>,
    body_limit: usize,
}

impl SignatureGate {
    /// The body is read whole to check its digest, up to `body_limit` bytes.
    pub fn new(verifier: Verifier, allowed: &[&str], body_limit: usize) -> Self {
        let allowed = allowed.iter().map(|client| (*client).to_owned()).collect();
        Self {
            verifier,
            allowed,
            body_limit,
        }
    }

    /// Puts the check in front of all routes the router has now. Handlers find the
    /// [`Caller`] as an extension.
    pub fn protect<S: Clone + Send + Sync + 'static>(self, router: Router<S>) -> Router<S> {
        router.route_layer(from_fn_with_state(self, require_signature))
    }
}

/// Lets a request pass when one of the allowed clients signed it: 401 for a bad signature, 403 for
/// a known client without the right, 413 for a body above the limit.
pub async fn require_signature(
    State(gate): State<SignatureGate>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = match read_body(body, gate.body_limit).await {
        Ok(body) => body,
        Err(refusal) => return refusal.into_response(),
    };
    let verified = gate
        .verifier
        .verify(&parts, &body)
        .await
        .and_then(|caller| {
            if gate.allowed.contains(&caller.client) {
                Ok(caller)
            } else {
                Err(SignatureError::NotAllowed(caller.client))
            }
        });
    match verified {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body.into())).await
        }
        Err(error) => {
            let path = parts.uri.path();
            match &error {
                // Every start has these: whoever called signs again by itself.
                SignatureError::BeforeStart { .. } => {
                    info!(reason = %error, http.path = path, "a call has to be signed again");
                }
                error => warn!(error = %Chain(error), http.path = path, "refused a call"),
            }
            let response = ErrorResponse::new(error.status(), error.code(), error.to_string());
            match error.retry_after() {
                Some(seconds) => response.retry_after(seconds).into_response(),
                None => response.into_response(),
            }
        }
    }
}
