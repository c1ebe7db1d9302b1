//! JSON that is rendered once for many who get it.

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde::Serialize;

#[derive(Debug, Clone)]
pub struct Rendered(Bytes);

impl Rendered {
    /// # Errors
    /// It has no form in JSON.
    pub fn new(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::to_vec(value).map(|json| Self(json.into()))
    }
}

impl IntoResponse for Rendered {
    fn into_response(self) -> Response {
        let kind = HeaderValue::from_static("application/json");
        ([(CONTENT_TYPE, kind)], self.0).into_response()
    }
}
