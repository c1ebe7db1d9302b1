//! Who is at the other end, when proxies stand between.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;

use crate::app::AppState;

/// The address requests are counted by. Without its port, so that a client cannot escape a limit
/// by reconnecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

pub async fn resolve(
    State(app): State<AppState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let address = behind_proxies(
        peer.ip(),
        request.headers(),
        &app.config.meta.trusted_proxies,
    );
    request.extensions_mut().insert(ClientAddress(address));
    next.run(request).await
}

/// `X-Forwarded-For` counts only as far as trusted proxies wrote it: read from the right, the
/// first address that is not one of them is the client.
fn behind_proxies(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    let mut address = peer.to_canonical();
    if !trusted.contains(&address) {
        return address;
    }
    let lines: Vec<_> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .collect();
    for hop in lines.into_iter().rev() {
        let Some(hop) = parse_hop(hop.trim()) else {
            break;
        };
        address = hop;
        if !trusted.contains(&address) {
            break;
        }
    }
    address
}

/// An address, maybe with a port or in brackets.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    hop.parse::<IpAddr>()
        .or_else(|_| hop.parse::<SocketAddr>().map(|hop| hop.ip()))
        .or_else(|_| hop.trim_start_matches('[').trim_end_matches(']').parse())
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted: Vec<_> = trusted.iter().map(|proxy| proxy.parse().unwrap()).collect();
        behind_proxies(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_forwarded_header_of_an_unknown_peer_is_ignored() {
        assert_eq!(
            resolve("203.0.113.9", &["198.51.100.1"], &[]),
            "203.0.113.9"
        );
        assert_eq!(
            resolve("203.0.113.9", &["198.51.100.1"], &["10.0.0.1"]),
            "203.0.113.9"
        );
    }

    #[test]
    fn the_nearest_address_that_no_proxy_owns_is_the_client() {
        let trusted = ["10.0.0.1", "10.0.0.2"];
        assert_eq!(
            resolve("10.0.0.1", &["1.1.1.1, 198.51.100.7"], &trusted),
            "198.51.100.7"
        );
        assert_eq!(
            resolve("10.0.0.1", &["1.1.1.1, 198.51.100.7", "10.0.0.2"], &trusted),
            "198.51.100.7"
        );
        assert_eq!(
            resolve("10.0.0.1", &["198.51.100.7:4711"], &trusted),
            "198.51.100.7"
        );
        assert_eq!(
            resolve("10.0.0.1", &["[2001:db8::1]:443"], &trusted),
            "2001:db8::1"
        );
        assert_eq!(
            resolve("::ffff:10.0.0.1", &["198.51.100.7"], &trusted),
            "198.51.100.7"
        );
        assert_eq!(
            resolve("10.0.0.1", &["1.1.1.1, garbage"], &trusted),
            "10.0.0.1"
        );
        assert_eq!(resolve("10.0.0.1", &[], &trusted), "10.0.0.1");
    }
}
