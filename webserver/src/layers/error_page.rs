//! Errors for people: a browser that was sent to a download link shows a page, not JSON.

use std::sync::LazyLock;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use http::{HeaderValue, Method, StatusCode};
use sha2::{Digest, Sha256};
use splashtail_api_types::ErrorBody;

use super::request_log;
use crate::error::AgainLink;
use crate::site::prefers_html;

/// Error bodies are far smaller.
const MAX_BODY: usize = 64 * 1024;
const STYLE: &str = include_str!("error_page.css");

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// Replaces an error object by a page when the request is a browser's navigation.
pub async fn render(request: Request, next: Next) -> Response {
    let person = request.method() == Method::GET && prefers_html(request.headers());
    let response = next.run(request).await;
    let is_json = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let failed = response.status().is_client_error() || response.status().is_server_error();
    if !(person && is_json && failed) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_BODY).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let Ok(error) = serde_json::from_slice::<ErrorBody>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    parts.headers.insert(CONTENT_TYPE, html);
    parts
        .headers
        .insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    parts
        .headers
        .append(VARY, HeaderValue::from_static("accept"));
    parts.headers.remove(CONTENT_LENGTH);
    let again = parts.extensions.remove::<AgainLink>();
    let page = page(
        parts.status,
        &error,
        again.as_ref().map(|AgainLink(link)| link.as_str()),
        request_log::current_id().as_deref(),
    );
    Response::from_parts(parts, Body::from(page))
}

fn page(
    status: StatusCode,
    error: &ErrorBody,
    again: Option<&str>,
    request: Option<&str>,
) -> String {
    let mut message = error.message.clone();
    // Messages are written to stand in a sentence.
    if let Some(first) = message.get(..1) {
        message.replace_range(..1, &first.to_uppercase());
    }
    let links = match again {
        Some(link) => format!(
            "<a href=\"{}\">Try again</a> <a class=\"other\" href=\"/\">Home</a>",
            escaped(link)
        ),
        None => "<a href=\"/\">Home</a>".to_owned(),
    };
    let title = status.canonical_reason().unwrap_or("Error");
    let details = request
        .map(|id| format!(" · request {}", escaped(id)))
        .unwrap_or_default();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} · AntiRaid</title><link rel=\"icon\" href=\"/favicon.svg\">\
         <style>{STYLE}</style></head><body><main><p class=\"status\">{status}</p>\
         <h1>{title}</h1><p>{message}.</p><p>{links}</p>\
         <p class=\"details\">{code}{details}</p></main></body></html>",
        status = status.as_u16(),
        message = escaped(message.trim_end_matches('.')),
        code = escaped(&error.code),
    )
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_message_becomes_markup() {
        let error = ErrorBody::new("x", "<img src=x onerror=\"alert('&')\">");
        let page = page(
            StatusCode::BAD_REQUEST,
            &error,
            Some("/a?b=\"&"),
            Some("id"),
        );
        assert!(page.contains("<a href=\"/a?b=&quot;&amp;\">Try again</a>"));
        assert!(page.contains("&lt;img src=x onerror=&quot;alert(&#39;&amp;&#39;)&quot;&gt;"));
        assert!(page.contains("<h1>Bad Request</h1>") && page.contains("request id"));
    }
}
