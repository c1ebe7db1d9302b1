//! Requests that the page of some other site makes a visitor's browser send. Nothing here asks who is at
//! the keyboard, and tokens of the built-in worlds are known to everybody.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use splashtail_sandbox_world::world::Addresses;
use url::Url;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Names by which a sandbox is meant to be reached, beside addresses and `localhost`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Vec<String>);

impl Names {
    /// Those of the addresses that answers advertise.
    pub fn of(addresses: &Addresses) -> Self {
        let host = |url: &String| Some(Url::parse(url).ok()?.host_str()?.to_owned());
        let urls = [&addresses.rest, &addresses.gateway];
        Self(urls.into_iter().filter_map(host).collect())
    }

    /// Whether the name in `Host` is one of ours. Any other may be made to lead here by whoever owns it,
    /// and then a browser takes this for that site. Browsers always send one.
    pub fn are_meant_by(&self, headers: &HeaderMap) -> bool {
        let Some(host) = headers.get(header::HOST) else {
            return true;
        };
        let Ok(host) = host.to_str() else {
            return false;
        };
        let name = name_of(host);
        // Addresses lead where they say.
        let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
        let is_address = bare.unwrap_or(name).parse::<std::net::IpAddr>().is_ok();
        let own = |known: &String| known.eq_ignore_ascii_case(name);
        is_address || is_localhost(name) || self.0.iter().any(own)
    }
}

/// Whether the name in `Host` means this machine, whoever is asked.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = name_of(host);
    let ip = name.parse::<std::net::Ipv4Addr>();
    name == "[::1]" || is_localhost(name) || ip.is_ok_and(|ip| ip.is_loopback())
}

fn is_localhost(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
}

/// Without the port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether a browser says that the page of another origin sends this: by `Sec-Fetch-Site` (Fetch Metadata),
/// where it tells that, else by `Origin`. Ports make another origin, not another site.
pub(crate) fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(HeaderValue::to_str);
    if let Some(site) = text(SEC_FETCH_SITE) {
        return !matches!(site, Ok("same-origin" | "none"));
    }
    let Some(origin) = text(header::ORIGIN) else {
        return false;
    };
    let origin = origin.ok().and_then(|o| Some(o.split_once("://")?.1));
    match text(header::HOST) {
        Some(Ok(host)) => origin != Some(host),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = list
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn a_name_that_somebody_else_owns_is_not_ours() {
        let names = Names::of(&Addresses {
            rest: "http://discord.sandbox.test:4400".into(),
            gateway: "ws://127.0.0.1:4401".into(),
        });
        let meant = |host: &str| names.are_meant_by(&headers(&[("host", host)]));
        for host in [
            "127.0.0.1:4400",
            "localhost",
            "LOCALHOST:4400",
            "[::1]:4400",
            "192.0.2.7:4400",
            "discord.sandbox.test:4400",
        ] {
            assert!(meant(host), "{host}");
        }
        for host in ["rebound.test:4400", "localhost.test", "127.0.0.1.test", ""] {
            assert!(!meant(host), "{host}");
        }
        assert!(names.are_meant_by(&HeaderMap::new()));
    }

    #[test]
    fn pages_of_other_origins_are_foreign() {
        let host = ("host", "127.0.0.1:4400");
        let foreign = |more: &[(&'static str, &str)]| {
            let mut all = vec![host];
            all.extend(more);
            is_foreign(&headers(&all))
        };
        assert!(!foreign(&[]), "no browser");
        assert!(!foreign(&[("origin", "http://127.0.0.1:4400")]));
        assert!(!foreign(&[("sec-fetch-site", "none")]));
        // A page may keep its origin to itself.
        assert!(!foreign(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "null")
        ]));
        assert!(foreign(&[("origin", "null")]));
        assert!(foreign(&[("origin", "http://evil.test")]));
        assert!(foreign(&[("origin", "http://127.0.0.1:8081")]));
        assert!(foreign(&[("sec-fetch-site", "cross-site")]));
        assert!(foreign(&[("sec-fetch-site", "same-site")]));
    }
}
