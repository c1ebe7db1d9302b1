//! Who is let in at all: programs of this machine, never a page in a browser.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, StatusCode};
use splashtail_ipc::http::ErrorResponse;

use super::Gateway;

/// Refuses pages on every route: only browsers send an origin, and one that a page led here by a
/// host name of its own (DNS rebinding) asks for that name.
pub async fn programs_only(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
    next: Next,
) -> Response {
    if is_program(request.headers(), &gateway.settings.address) {
        return next.run(request).await;
    }
    ErrorResponse::new(StatusCode::FORBIDDEN, "forbidden", "not for pages").into_response()
}

/// `address` is where others are told to come to, `ws://host:port`.
fn is_program(headers: &HeaderMap, address: &str) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    !headers.contains_key(ORIGIN)
        && host.is_some_and(|host| is_loopback(name(host)) || is_host_of(address, host))
}

fn is_host_of(address: &str, host: &str) -> bool {
    let own = address.split_once("://").map_or(address, |(_, rest)| rest);
    let own = own.split('/').next().unwrap_or_default();
    name(own).eq_ignore_ascii_case(name(host))
}

/// Without the port.
fn name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_loopback(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name == "[::1]"
        || name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_not_let_in_by_any_name() {
        for (host, origin, expected) in [
            (Some("127.0.0.1:3220"), None, true),
            (Some("127.0.0.1"), None, true),
            (Some("localhost:3220"), None, true),
            (Some("[::1]:3220"), None, true),
            (Some("proxy.internal:3220"), None, true),
            (Some("Proxy.Internal"), None, true),
            (None, None, false),
            (Some(""), None, false),
            (Some("rebound.example:3220"), None, false),
            (Some("127.0.0.1.rebound.example"), None, false),
            (Some("10.0.0.1:3220"), None, false),
            (Some("127.0.0.1:3220"), Some("http://127.0.0.1:3220"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(host) = host {
                headers.insert(HOST, host.parse().unwrap());
            }
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            let let_in = is_program(&headers, "ws://proxy.internal:3220");
            assert_eq!(let_in, expected, "{host:?} {origin:?}");
        }
    }
}
