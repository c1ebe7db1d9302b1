//! What GitHub tells of repositories: whether it is GitHub's, where it goes, and how it looks.

mod render;
mod rules;

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};

pub use render::render;
pub use rules::{Way, is_pattern, way};

const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
const EVENT: HeaderName = HeaderName::from_static("x-github-event");
const LONGEST_EVENT: usize = 64;

/// Whether the body was signed with the secret. It takes the same time for every wrong signature.
pub fn is_signed(secret: &[u8], headers: &HeaderMap, body: &[u8]) -> bool {
    let given = headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("sha256="));
    let given = given.and_then(|digits| hex::decode(digits).ok());
    let (Some(given), Ok(mut mac)) = (given, Hmac::<Sha256>::new_from_slice(secret)) else {
        return false;
    };
    mac.update(body);
    mac.verify_slice(&given).is_ok()
}

/// What kind of event it is; `None`: it does not say so.
pub fn event(headers: &HeaderMap) -> Option<&str> {
    let event = headers.get(EVENT)?.to_str().ok()?;
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    ((1..=LONGEST_EVENT).contains(&event.len()) && event.bytes().all(is_word)).then_some(event)
}

/// What tells two events apart.
pub fn digest(event: &str, body: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(event);
    digest.update(b"\0");
    digest.update(body);
    hex::encode(digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        lines.iter().map(line).collect()
    }

    /// GitHub's own example (documentation, "Validating webhook deliveries").
    #[test]
    fn only_what_the_secret_signed_is_taken() {
        let signed = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let secret = b"It's a Secret to Everybody";
        let is_taken = |signature: &str, body: &[u8]| {
            let headers = headers(&[("x-hub-signature-256", signature)]);
            is_signed(secret, &headers, body)
        };
        assert!(is_taken(signed, b"Hello, World!"));
        assert!(!is_taken(signed, b"Hello, World"));
        for wrong in ["", "sha256=", "sha1=757107ea", &signed[7..], "sha256=zz"] {
            assert!(!is_taken(wrong, b"Hello, World!"), "{wrong}");
        }
        assert!(!is_signed(secret, &HeaderMap::new(), b"Hello, World!"));
    }

    #[test]
    fn an_event_is_a_word() {
        let event_of = |value| event(&headers(&[("x-github-event", value)])).map(str::to_owned);
        assert_eq!(event_of("check_run").as_deref(), Some("check_run"));
        for wrong in ["", "a b", "Push", &"x".repeat(65)] {
            assert_eq!(event_of(wrong), None, "{wrong}");
        }
        assert_eq!(event(&HeaderMap::new()), None);
        assert_ne!(digest("a", b"b"), digest("ab", b""));
    }
}
