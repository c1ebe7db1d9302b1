//! The operators' page below `/mewld`: who may use it.

mod allow_list;
mod deploy_proxy;
mod operator;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::LOCATION;

pub use deploy_proxy::{Denied, DeployProxy};
pub use operator::{Operator, SameOrigin, has_rights, opened, signed_in};

pub const ROOT: &str = "/mewld";

/// Whether a path belongs to the operators' page.
pub fn contains(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The page's addresses are relative to the directory.
pub fn redirect() -> Response {
    (StatusCode::MOVED_PERMANENTLY, [(LOCATION, "/mewld/")]).into_response()
}
