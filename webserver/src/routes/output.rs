use std::ops::Range;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, IF_RANGE, RANGE,
};
use http::{HeaderMap, StatusCode};
use object_store::{GetOptions, GetRange};
use serde::Deserialize;
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::ids::TaskId;
use tracing::warn;
use utoipa::IntoParams;

use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{PathOf, QueryOf};
use crate::links::LinkError;
use crate::objects::{OutputOf, content_disposition};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OutputQuery {
    /// Unix seconds at which the link stops working.
    exp: i64,
    /// Made by this API.
    sig: String,
}

/// The file behind a download link.
///
/// Takes one byte range per request, so that interrupted downloads can go on.
#[utoipa::path(get, path = "/tasks/{id}/output", tag = "Tasks", operation_id = "get_output",
    params(("id" = uuid::Uuid, Path, description = "The task"), OutputQuery),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream", body = String),
        (status = 206, description = "A part of the file", content_type = "application/octet-stream", body = String),
        (status = 400, description = "Not a download link", body = ErrorBody),
        (status = 403, description = "The link has expired or was not made by this site", body = ErrorBody),
        (status = 404, description = "No such task, or it has no output", body = ErrorBody),
        (status = 416, description = "The range lies outside the file", body = ErrorBody),
    ))]
pub async fn get_output(
    State(app): State<AppState>,
    PathOf(task): PathOf<TaskId>,
    QueryOf(query): QueryOf<OutputQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    app.links
        .verify(task, query.exp, &query.sig, app.clock.now())
        .map_err(|error| {
            ApiError::Forbidden(match error {
                LinkError::Signature => "this download link was not made by this site",
                LinkError::Expired => {
                    "this download link has expired; open the download page again"
                }
            })
        })?;
    let row = app.storage.tasks().get(task, app.clock.now()).await?;
    let row = row.ok_or(ApiError::NotFound("task"))?;
    let output = row
        .output
        .as_ref()
        .ok_or(ApiError::NotFound("output of this task"))?;
    let object = OutputOf {
        task,
        name: &row.name,
        owner: row.owner,
        output,
    };
    let meta = app
        .objects
        .find(&object)
        .await?
        .ok_or(ApiError::NotFound("output of this task"))?;

    let etag = meta.e_tag.clone().map(|tag| {
        if tag.starts_with('"') {
            tag
        } else {
            format!("\"{tag}\"")
        }
    });
    let range = requested_range(&headers, meta.size, etag.as_deref())?;
    let options = GetOptions {
        range: range.clone().map(GetRange::Bounded),
        ..GetOptions::default()
    };
    let result = match app.objects.read(&meta.location, options).await {
        Err(object_store::Error::NotFound { .. }) => {
            warn!(task.id = %task, "an output vanished while it was read");
            return Err(ApiError::NotFound("output of this task"));
        }
        outcome => outcome?,
    };

    let mut response = Response::builder()
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(CONTENT_DISPOSITION, content_disposition(&output.filename))
        .header(ACCEPT_RANGES, "bytes")
        .header(CACHE_CONTROL, "private, no-cache");
    if let Some(etag) = etag {
        response = response.header(ETAG, etag);
    }
    response = match range {
        None => response
            .status(StatusCode::OK)
            .header(CONTENT_LENGTH, meta.size),
        Some(range) => response
            .status(StatusCode::PARTIAL_CONTENT)
            .header(CONTENT_LENGTH, range.end - range.start)
            .header(
                CONTENT_RANGE,
                format!("bytes {}-{}/{}", range.start, range.end - 1, meta.size),
            ),
    };
    response
        .body(Body::from_stream(result.into_stream()))
        .map_err(|error| ApiError::invalid(Code::BadFilename, error.to_string()))
}

/// The bytes that `Range` asks for; `None` means all of them. More than one range, other units and
/// malformed headers are answered with the whole file (RFC 9110, section 14.2), as is a range for
/// another version of the file.
fn requested_range(
    headers: &HeaderMap,
    size: u64,
    etag: Option<&str>,
) -> Result<Option<Range<u64>>, ApiError> {
    let Some(range) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    if let Some(version) = headers.get(IF_RANGE)
        && version.to_str().ok() != etag
    {
        return Ok(None);
    }
    let Some((first, last)) = range
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Ok(None);
    };
    let number = |text: &str| -> Option<u64> {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok())
            .flatten()
    };
    let (start, end) = match (first.trim(), last.trim()) {
        ("", suffix) => match number(suffix) {
            Some(length) => (size.saturating_sub(length), size),
            None => return Ok(None),
        },
        (first, "") => match number(first) {
            Some(start) => (start, size),
            None => return Ok(None),
        },
        (first, last) => match (number(first), number(last)) {
            (Some(start), Some(last)) if start <= last => (start, last.saturating_add(1).min(size)),
            _ => return Ok(None),
        },
    };
    if start >= end {
        Err(ApiError::Range { size })
    } else {
        Ok(Some(start..end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(header: &str) -> Result<Option<Range<u64>>, ()> {
        let headers = HeaderMap::from_iter([(RANGE, header.parse().unwrap())]);
        requested_range(&headers, 100, None).map_err(drop)
    }

    #[test]
    fn one_range_is_honoured() {
        assert_eq!(range("bytes=0-9"), Ok(Some(0..10)));
        assert_eq!(range("bytes=90-"), Ok(Some(90..100)));
        assert_eq!(range("bytes=-10"), Ok(Some(90..100)));
        assert_eq!(range("bytes=-1000"), Ok(Some(0..100)));
        assert_eq!(range("bytes=50-18446744073709551615"), Ok(Some(50..100)));
        for outside in ["bytes=100-", "bytes=200-300", "bytes=-0"] {
            assert_eq!(range(outside), Err(()), "{outside}");
        }
        for whole in [
            "bytes=0-1,5-6",
            "bytes=9-0",
            "items=0-9",
            "bytes=a-b",
            "bytes=-",
            "bytes=+1-2",
        ] {
            assert_eq!(range(whole), Ok(None), "{whole}");
        }
    }

    #[test]
    fn a_part_of_another_version_is_not_served() {
        let headers = HeaderMap::from_iter([
            (RANGE, "bytes=0-9".parse().unwrap()),
            (IF_RANGE, "\"a\"".parse().unwrap()),
        ]);
        assert!(
            requested_range(&headers, 100, Some("\"a\""))
                .unwrap()
                .is_some()
        );
        assert!(
            requested_range(&headers, 100, Some("\"b\""))
                .unwrap()
                .is_none()
        );
        assert!(requested_range(&headers, 100, None).unwrap().is_none());
    }
}
