//! Reading requests, with failures in our error shape.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;
use splashtail_api_types::Code;
use splashtail_core::ids::GuildId;
use splashtail_ipc::http::read_body;

use crate::error::ApiError;
use crate::layers::MAX_BODY;

/// Path variables. A value that is not of the type names nothing, so it is a 404.
#[derive(Debug)]
pub struct PathOf<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value))
            .map_err(|_| ApiError::NotFound("resource"))
    }
}

/// A server of the address. What is no id names none.
///
/// # Errors
/// 404
pub fn guild_id(text: &str) -> Result<GuildId, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound("server"))
}

/// The query string. Unknown parameters are ignored.
#[derive(Debug)]
pub struct QueryOf<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for QueryOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(ApiError::Invalid {
                code: Code::InvalidQuery,
                message: "the query is not valid".to_owned(),
                context: Some(("error", rejection.body_text())),
            }),
        }
    }
}

/// A JSON body of at most `LIMIT` bytes.
#[derive(Debug)]
pub struct JsonBody<T, const LIMIT: usize = MAX_BODY>(pub T);

impl<S: Send + Sync, T: DeserializeOwned, const LIMIT: usize> FromRequest<S>
    for JsonBody<T, LIMIT>
{
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let is_json = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(|value| value.split(';').next().unwrap_or_default().trim())
            .is_some_and(|value| value.eq_ignore_ascii_case("application/json"));
        let body = read_body(request.into_body(), LIMIT)
            .await
            .map_err(|error| {
                if error.status == http::StatusCode::PAYLOAD_TOO_LARGE {
                    ApiError::BodyTooLarge(LIMIT)
                } else {
                    ApiError::invalid(Code::IncompleteBody, error.body.message)
                }
            })?;
        if body.is_empty() {
            return Err(ApiError::invalid(
                Code::BodyRequired,
                "a JSON body is required",
            ));
        }
        if !is_json {
            return Err(ApiError::invalid(
                Code::NotJson,
                "send the body as `Content-Type: application/json`",
            ));
        }
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|error| ApiError::Invalid {
                code: Code::InvalidBody,
                message: "the body is not the JSON that this path takes".to_owned(),
                context: Some(("error", error.to_string())),
            })
    }
}
