//! The page: the files of a build, read once at start and served from memory.
//!
//! Only what was in the directory then has an address, so no request reaches outside of it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use super::Failure;

/// The build puts a hash of their content into the names below this directory.
const IMMUTABLE: &str = "assets/";
const NOT_BUILT: &str = include_str!("not_built.html");

/// A file of the build cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the page at {path}")]
pub struct PageError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The files by their path below the directory; none when the page is not built.
#[derive(Debug, Default)]
pub struct Page {
    files: HashMap<String, File>,
}

#[derive(Debug)]
struct File {
    bytes: Bytes,
    kind: String,
    etag: String,
}

impl Page {
    /// `asked`, else `<bin>/../share/splashtail/sandbox`, else `./website/build-sandbox`: the
    /// first that holds a page. A directory that was asked for is taken as it is.
    ///
    /// # Errors
    /// The directory, or a file in it, cannot be read.
    pub fn find(asked: Option<&Path>) -> Result<Self, PageError> {
        if let Some(asked) = asked {
            return Self::read(asked);
        }
        let installed = std::env::current_exe()
            .ok()
            .and_then(|exe| Some(exe.parent()?.parent()?.join("share/splashtail/sandbox")));
        let found = [installed, Some(PathBuf::from("website/build-sandbox"))]
            .into_iter()
            .flatten()
            .find(|directory| directory.join("index.html").is_file());
        found.map_or_else(|| Ok(Self::default()), |directory| Self::read(&directory))
    }

    /// # Errors
    /// The directory, or a file in it, cannot be read.
    pub fn read(root: &Path) -> Result<Self, PageError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| PageError { path, source }
        };
        let mut page = Self::default();
        let mut directories = vec![root.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).map_err(failed(&directory))? {
                let path = entry.map_err(failed(&directory))?.path();
                if path.is_dir() {
                    directories.push(path);
                    continue;
                }
                let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) else {
                    continue;
                };
                let bytes = fs::read(&path).map_err(failed(&path))?;
                page.files.insert(name.to_owned(), File::new(name, bytes));
            }
        }
        Ok(page)
    }

    /// The file at an address. `pictures` is the origin of the CDN.
    pub(super) fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        pictures: &str,
    ) -> Response {
        let missing =
            || Failure::new(StatusCode::NOT_FOUND, "not_found", "no such call").into_response();
        if !matches!(*method, Method::GET | Method::HEAD) {
            return missing();
        }
        let path = percent_decode_str(uri.path()).decode_utf8_lossy();
        let name = match path.trim_start_matches('/') {
            "" => "index.html",
            name => name,
        };
        match self.files.get(name) {
            Some(file) => file.answer(name, headers, pictures),
            None if name == "index.html" => (
                [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
                NOT_BUILT,
            )
                .into_response(),
            None => missing(),
        }
    }
}

impl File {
    fn new(name: &str, bytes: Vec<u8>) -> Self {
        let kind = mime_guess::from_path(name).first_or_octet_stream();
        let charset = if kind.type_() == mime_guess::mime::TEXT {
            "; charset=utf-8"
        } else {
            ""
        };
        Self {
            etag: format!("\"{}\"", hex::encode(&Sha256::digest(&bytes)[..16])),
            kind: format!("{kind}{charset}"),
            bytes: bytes.into(),
        }
    }

    /// With 304 for a browser that has this version already.
    fn answer(&self, name: &str, request: &HeaderMap, pictures: &str) -> Response {
        let mut fields = vec![
            (header::CONTENT_TYPE, self.kind.clone()),
            (header::ETAG, self.etag.clone()),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        ];
        if name.starts_with(IMMUTABLE) {
            let year = "public, max-age=31536000, immutable";
            fields.push((header::CACHE_CONTROL, year.to_owned()));
        } else {
            fields.push((header::CACHE_CONTROL, "no-cache".to_owned()));
        }
        if name.ends_with(".html") {
            fields.push((header::CONTENT_SECURITY_POLICY, policy(pictures)));
            fields.push((header::REFERRER_POLICY, "no-referrer".to_owned()));
        }
        let known = request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .any(|tag| tag.trim().trim_start_matches("W/") == self.etag);
        let mut response = Response::new(Body::from(self.bytes.clone()));
        if known {
            *response.body_mut() = Body::empty();
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        for (field, value) in fields {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(field, value);
            }
        }
        response
    }
}

/// Scripts, styles and calls of this listener alone; pictures and clips from the CDN too.
fn policy(pictures: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src 'self' data: {pictures}; media-src {pictures}; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
}
