//! One file with the headers it is served with.

use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

/// The build puts a hash of their content into the names below this directory.
const IMMUTABLE: &str = "_app/immutable/";
const YEAR: &str = "public, max-age=31536000, immutable";
/// The style attribute of the element with which SvelteKit tells screen readers of a new page;
/// the browser test notices when an upgrade changes it.
const ANNOUNCER: &str = "'unsafe-hashes' 'sha256-S8qMpvofolR8Mpjy4kQvEm7m1q8clzU4dfDH0AmvZjo='";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Brotli,
    Gzip,
}

impl Encoding {
    /// Files made ahead of time beside the original: its name plus a suffix.
    pub fn of(name: &str) -> Option<(Self, &str)> {
        if let Some(original) = name.strip_suffix(".br") {
            return Some((Self::Brotli, original));
        }
        name.strip_suffix(".gz")
            .map(|original| (Self::Gzip, original))
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

#[derive(Debug)]
pub struct Asset {
    bytes: Bytes,
    compressed: Vec<(Encoding, Bytes)>,
    etag: String,
    headers: HeaderMap,
}

impl Asset {
    /// `api` is the origin under which the API is published; the page may be open at another one.
    pub fn new(name: &str, bytes: Vec<u8>, api: &str) -> Self {
        let mut headers = HeaderMap::new();
        let kind = mime_guess::from_path(name).first_or_octet_stream();
        let charset = if kind.type_() == mime_guess::mime::TEXT {
            "; charset=utf-8"
        } else {
            ""
        };
        if let Ok(value) = HeaderValue::try_from(format!("{kind}{charset}")) {
            headers.insert(CONTENT_TYPE, value);
        }
        let caching = if name.starts_with(IMMUTABLE) {
            YEAR
        } else {
            "no-cache"
        };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
        if name.ends_with(".html") {
            let page = String::from_utf8_lossy(&bytes);
            if let Ok(value) = HeaderValue::try_from(policy(&page, api)) {
                headers.insert(CONTENT_SECURITY_POLICY, value);
            }
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        }
        let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&bytes)[..16]));
        Self {
            bytes: bytes.into(),
            compressed: Vec::new(),
            etag,
            headers,
        }
    }

    pub fn add(&mut self, encoding: Encoding, bytes: Vec<u8>) {
        self.compressed.push((encoding, bytes.into()));
        self.compressed.sort_by_key(|(_, bytes)| bytes.len());
        self.headers
            .insert(VARY, HeaderValue::from_static("accept-encoding"));
    }

    /// With 304 for a client that has this version already.
    pub fn answer(&self, status: StatusCode, request: &HeaderMap) -> Response {
        let encoding = self
            .compressed
            .iter()
            .find(|(encoding, _)| accepts(request, *encoding));
        let (bytes, etag) = match encoding {
            // Each representation has its own tag (RFC 9110, section 8.8.3).
            Some((encoding, bytes)) => (
                bytes,
                format!(
                    "{}-{}\"",
                    self.etag.trim_end_matches('"'),
                    encoding.as_str()
                ),
            ),
            None => (&self.bytes, self.etag.clone()),
        };
        let known = status == StatusCode::OK && matches(request, &etag);
        let body = if known {
            Body::empty()
        } else {
            Body::from(bytes.clone())
        };
        let mut response = Response::new(body);
        *response.status_mut() = if known {
            StatusCode::NOT_MODIFIED
        } else {
            status
        };
        response.headers_mut().extend(self.headers.clone());
        if let Ok(value) = HeaderValue::try_from(etag) {
            response.headers_mut().insert(ETAG, value);
        }
        if let Some((encoding, _)) = encoding
            && !known
        {
            let value = HeaderValue::from_static(encoding.as_str());
            response.headers_mut().insert(CONTENT_ENCODING, value);
        }
        response
    }
}

fn accepts(request: &HeaderMap, encoding: Encoding) -> bool {
    request
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|entry| {
            let mut parts = entry.split(';').map(str::trim);
            parts.next() == Some(encoding.as_str())
                && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        })
}

fn matches(request: &HeaderMap, etag: &str) -> bool {
    request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == "*" || tag == etag)
}

/// Everything from this site alone; inline scripts only if the build made them.
fn policy(page: &str, api: &str) -> String {
    let scripts: String = inline_scripts(page)
        .map(|script| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(script))))
        .collect();
    format!(
        "default-src 'none'; script-src 'self'{scripts}; style-src 'self' {ANNOUNCER}; \
         img-src 'self' data:; font-src 'self'; connect-src 'self' {api}; manifest-src 'self'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

fn inline_scripts(page: &str) -> impl Iterator<Item = &str> {
    page.split("<script").skip(1).filter_map(|rest| {
        let (attributes, rest) = rest.split_once('>')?;
        let (script, _) = rest.split_once("</script>")?;
        (!attributes.contains("src=")).then_some(script)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn inline_scripts_of_the_build_are_allowed_by_hash() {
        let page = "<script src=\"/a.js\"></script><script>alert(1)</script>";
        let policy = policy(page, "https://api.test");
        // openssl dgst -sha256 -binary | base64
        assert!(
            policy.contains(
                "script-src 'self' 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI=';"
            ),
            "{policy}"
        );
        assert!(!policy.contains("unsafe-inline"));
        assert!(policy.contains("connect-src 'self' https://api.test;"));
    }

    #[test]
    fn the_smallest_accepted_encoding_is_sent_under_its_own_tag() {
        let mut asset = Asset::new("index.html", vec![b'x'; 100], "");
        asset.add(Encoding::Gzip, vec![0; 20]);
        asset.add(Encoding::Brotli, vec![0; 10]);
        let plain = asset.answer(StatusCode::OK, &HeaderMap::new());
        assert_eq!(plain.headers().get(CONTENT_ENCODING), None);
        let brotli = asset.answer(StatusCode::OK, &request(ACCEPT_ENCODING, "gzip, br"));
        assert_eq!(brotli.headers()[CONTENT_ENCODING], "br");
        assert_ne!(brotli.headers()[ETAG], plain.headers()[ETAG]);
        let gzip = asset.answer(StatusCode::OK, &request(ACCEPT_ENCODING, "gzip, br;q=0"));
        assert_eq!(gzip.headers()[CONTENT_ENCODING], "gzip");

        let tag = plain.headers()[ETAG].to_str().unwrap();
        let known = asset.answer(StatusCode::OK, &request(IF_NONE_MATCH, tag));
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
        let error_page = asset.answer(StatusCode::NOT_FOUND, &request(IF_NONE_MATCH, tag));
        assert_eq!(error_page.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn hashed_names_are_kept_and_pages_are_not() {
        let caching = |name| Asset::new(name, Vec::new(), "").headers[CACHE_CONTROL].clone();
        assert_eq!(caching("_app/immutable/chunks/a.js"), YEAR);
        assert_eq!(caching("index.html"), "no-cache");
    }
}
