//! What every request passes through, from the outside in: client address, CORS, request log,
//! headers, error pages, then the deadline, panic recovery and method check of [`splashtail_ipc::http::harden`], then
//! the caller's identity.

pub mod client_address;
pub mod cors;
mod error_page;
pub mod headers;
pub mod request_log;

use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use splashtail_ipc::http::{Limits, harden_but};

use crate::app::AppState;
use crate::auth;
use crate::routes::uploads;

/// Largest request body, in bytes.
pub const MAX_BODY: usize = 10 * 1024 * 1024;
const DEADLINE: Duration = Duration::from_secs(30);

/// A panic is caught inside of the log and CORS layers, so that its 500 has a request id and can
/// be read by the website.
pub fn wrap(router: Router<()>, app: &AppState) -> Router<()> {
    let router = router.layer(from_fn_with_state(app.clone(), auth::identify));
    harden_but(
        router,
        Limits {
            body: MAX_BODY,
            answer: DEADLINE,
        },
        uploads::patience,
    )
    .layer(from_fn(error_page::render))
    .layer(from_fn(headers::secure))
    .layer(from_fn_with_state(app.clone(), request_log::record))
    .layer(cors::layer(&app.config))
    .layer(from_fn_with_state(app.clone(), client_address::resolve))
}
