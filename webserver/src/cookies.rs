//! The few cookies that there are. Tokens of the API travel in headers, never in these.

use std::time::Duration;

use http::HeaderMap;
use http::header::COOKIE;
use splashtail_core::config::Config;

/// How a cookie of ours is set: no script reads it, and no other site sends it along but by a link.
#[derive(Debug, Clone, Copy)]
pub struct Cookie {
    path: &'static str,
    same_site: &'static str,
    secure: bool,
}

impl Cookie {
    pub fn below(path: &'static str, config: &Config) -> Self {
        Self {
            path,
            same_site: "Lax",
            secure: config.sites.api.scheme() == "https",
        }
    }

    /// Not even by a link.
    pub fn strict(self) -> Self {
        Self {
            same_site: "Strict",
            ..self
        }
    }

    /// The value of `Set-Cookie`.
    pub fn set(self, name: &str, value: &str, max_age: Duration) -> String {
        let Self {
            path, same_site, ..
        } = self;
        let secure = if self.secure { "; Secure" } else { "" };
        format!(
            "{name}={value}; Path={path}; Max-Age={}; HttpOnly; SameSite={same_site}{secure}",
            max_age.as_secs()
        )
    }

    pub fn end(self, name: &str) -> String {
        self.set(name, "", Duration::ZERO)
    }
}

pub fn find_cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}
