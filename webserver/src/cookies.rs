//! The few cookies that there are. Programs send tokens in headers; of those here one is in a cookie, a
//! browser's own.

use std::time::Duration;

use http::HeaderMap;
use http::header::COOKIE;
use splashtail_core::config::Config;

/// How a cookie of ours is set: no script reads it, and no other site sends it along but by a link.
#[derive(Debug, Clone, Copy)]
pub struct Cookie {
    path: &'static str,
    secure: bool,
}

impl Cookie {
    pub fn below(path: &'static str, config: &Config) -> Self {
        Self {
            path,
            secure: config.sites.api.scheme() == "https",
        }
    }

    /// The value of `Set-Cookie`.
    pub fn set(self, name: &str, value: &str, max_age: Duration) -> String {
        let path = self.path;
        let secure = if self.secure { "; Secure" } else { "" };
        format!(
            "{name}={value}; Path={path}; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
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
