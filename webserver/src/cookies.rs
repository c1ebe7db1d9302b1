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

    /// Of the name where it is secure: one that no other host and no plain `http` can set.
    pub const fn host_name(self, plain: &'static str, secure: &'static str) -> &'static str {
        if self.secure { secure } else { plain }
    }

    pub fn end(self, name: &str) -> String {
        self.set(name, "", Duration::ZERO)
    }
}

/// `None` too for one that is there twice: somebody else set one of them.
pub fn find_cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(|(key, value)| (key == name).then_some(value));
    let value = found.next()?;
    found.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_that_is_there_twice_is_nobodys() {
        let find = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, line.parse().unwrap());
            }
            find_cookie(&headers, "session").map(str::to_owned)
        };
        assert_eq!(find(&["a=1; session=x; b=2"]).as_deref(), Some("x"));
        assert_eq!(find(&["a=1", "session=x"]).as_deref(), Some("x"));
        assert_eq!(find(&["session=x; session=x"]), None);
        assert_eq!(find(&["session=x", "session=y"]), None);
        assert_eq!(find(&["__Host-session=x"]), None);
    }
}
