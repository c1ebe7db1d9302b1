//! The website: static files, read once, served from memory.
//!
//! Only what is in the directory at start has an address, so no request can reach outside of it.

mod accept;
mod asset;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use percent_encoding::percent_decode_str;
use url::Url;

pub use accept::prefers_html;
use asset::{Asset, Encoding};

/// Rendered by the client-side router for addresses that are not pages.
const FALLBACK: &str = "404.html";
const NOT_BUILT: &str = include_str!("not_built.html");

#[derive(Debug, thiserror::Error)]
#[error("cannot read the website at {path}")]
pub struct SiteError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

#[derive(Debug, Default)]
pub struct Site {
    /// By path below the site's root, without a leading slash.
    files: HashMap<String, Asset>,
}

impl Site {
    /// The website of an installation that has none built.
    pub fn absent() -> Self {
        Self::default()
    }

    /// # Errors
    /// A file cannot be read.
    pub fn read(root: &Path, api: &Url) -> Result<Self, SiteError> {
        let api = api.origin().ascii_serialization();
        let mut site = Self::default();
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| SiteError { path, source }
        };
        let mut directories = vec![root.to_owned()];
        let mut compressed = Vec::new();
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
                match Encoding::of(name) {
                    Some((encoding, original)) => {
                        compressed.push((original.to_owned(), encoding, bytes));
                    }
                    None => {
                        site.files
                            .insert(name.to_owned(), Asset::new(name, bytes, &api));
                    }
                }
            }
        }
        for (name, encoding, bytes) in compressed {
            if let Some(asset) = site.files.get_mut(&name) {
                asset.add(encoding, bytes);
            }
        }
        Ok(site)
    }

    pub fn is_built(&self) -> bool {
        self.files.contains_key("index.html")
    }

    /// The file or page at an address; `None` when there is none.
    pub fn page(&self, path: &str, headers: &HeaderMap) -> Option<Response> {
        let path = percent_decode_str(path).decode_utf8().ok()?;
        let name = path.trim_matches('/');
        let asset = if name.is_empty() {
            self.files.get("index.html")
        } else {
            self.files
                .get(name)
                .or_else(|| self.files.get(&format!("{name}.html")))
                .or_else(|| self.files.get(&format!("{name}/index.html")))
        }?;
        Some(asset.answer(StatusCode::OK, headers))
    }

    /// What a person sees at an address that does not exist.
    pub fn not_found(&self, headers: &HeaderMap) -> Option<Response> {
        Some(
            self.files
                .get(FALLBACK)?
                .answer(StatusCode::NOT_FOUND, headers),
        )
    }

    /// How to build the website.
    pub fn instructions() -> Response {
        (StatusCode::OK, Html(NOT_BUILT)).into_response()
    }
}

/// `--site-dir`, else `<bin>/../share/splashtail/site`, else `./website/build`: the first that
/// holds a website. A directory that was asked for is taken as it is.
pub fn locate(asked: Option<PathBuf>) -> Option<PathBuf> {
    if asked.is_some() {
        return asked;
    }
    let installed = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.parent()?.join("share/splashtail/site")));
    [installed, Some(PathBuf::from("website/build"))]
        .into_iter()
        .flatten()
        .find(|directory| directory.join("index.html").is_file())
}
