//! Error answers: one JSON shape for every daemon.

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use splashtail_api_types::ErrorBody;

/// An [`ErrorBody`] with its status.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorResponse {
    pub status: StatusCode,
    pub body: ErrorBody,
    retry_after: Option<u64>,
}

impl ErrorResponse {
    /// `code` is stable and for programs, `message` for people.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let body = ErrorBody {
            code: code.to_owned(),
            message: message.into(),
            context: None,
        };
        Self {
            status,
            body,
            retry_after: None,
        }
    }

    /// A fault of ours. Its cause belongs into the log, not here.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "internal error",
        )
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl IntoResponse for ErrorResponse {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// 413 for a longer body, 400 for one that breaks off.
pub async fn read_body(body: Body, limit: usize) -> Result<Bytes, ErrorResponse> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ErrorResponse::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the request body may have at most {limit} bytes"),
        )),
        Err(_) => Err(ErrorResponse::new(
            StatusCode::BAD_REQUEST,
            "incomplete_body",
            "the request body broke off",
        )),
    }
}
