use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use splashtail_api_types::{Code, ErrorBody};

use super::ioauth::found;
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::PathOf;

/// The only API that has a page.
const NAME: &str = "splashtail";

/// This document.
#[utoipa::path(get, path = "/openapi", tag = "Core", operation_id = "get_openapi",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = Object)))]
pub async fn get_openapi(State(app): State<AppState>) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, app.document.clone()).into_response()
}

/// To the API browser.
#[utoipa::path(get, path = "/docs", tag = "Core", operation_id = "redirect_to_docs",
    responses((status = 302, description = "To `/docs/splashtail`")))]
pub async fn redirect_to_docs() -> Response {
    found("/docs/splashtail")
}

/// A page to read and try this API.
#[utoipa::path(get, path = "/docs/{name}", tag = "Core", operation_id = "get_docs",
    params(("name" = String, Path, description = "`splashtail`")),
    responses(
        (status = 200, description = "A page", content_type = "text/html", body = String),
        (status = 400, description = "There is no API of this name", body = ErrorBody),
        (status = 404, description = "The website is not built", body = ErrorBody),
    ))]
pub async fn get_docs(
    State(app): State<AppState>,
    headers: HeaderMap,
    PathOf(name): PathOf<String>,
) -> Result<Response, ApiError> {
    if name != NAME {
        return Err(ApiError::invalid(
            Code::UnknownDocs,
            "there is no API of this name",
        ));
    }
    app.site
        .page("/docs/splashtail", &headers)
        .ok_or(ApiError::NotFound("API page: build the website first"))
}
