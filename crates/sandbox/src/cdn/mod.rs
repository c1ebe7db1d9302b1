//! The CDN: uploads as they were, in the format and size asked for, and signed attachments.
//!
//! Served beside REST, because a sandbox has one origin for both. A hash that a seeded world
//! names without storing a file gets a drawn picture.

mod address;
mod picture;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use image::imageops::FilterType;
use image::{DynamicImage, ImageReader, Limits};
use splashtail_sandbox_world::Sandbox;
use splashtail_sandbox_world::world::Stored;
use tokio::sync::Semaphore;

use self::address::{Address, Media};
use self::picture::Format;

/// Side of a drawn picture.
const DRAWN: u32 = 128;
/// Pictures worked on at once: a small file may unfold to 256 MiB.
static EASELS: Semaphore = Semaphore::const_new(2);

/// Answers a CDN path; `None` when the path is none of the CDN's.
pub(crate) async fn answer(sandbox: &Sandbox, path: &str, query: &str) -> Option<Response> {
    let address = Address::parse(path, query)?;
    Some(match address {
        Err(status) => bare(status),
        Ok(Address::Attachment {
            channel,
            id,
            filename,
            signature: (ex, is, hm),
        }) => {
            let file = sandbox.with_world(|world| {
                world
                    .attachment_file(channel, id, &filename, (&ex, &is, &hm))
                    .cloned()
            });
            match file {
                Some(Stored {
                    bytes,
                    content_type,
                }) => file_answer(bytes, &content_type, 86_400),
                None => bare(StatusCode::NOT_FOUND),
            }
        }
        Ok(Address::DefaultAvatar(n)) => {
            rendered(format!("default avatar {n}"), None, Format::Png, Some(256)).await
        }
        Ok(Address::Media(media)) => {
            let stored = sandbox.with_world(|world| media.find(world));
            match stored {
                None => bare(StatusCode::NOT_FOUND),
                Some(found) => deliver(&media, found).await,
            }
        }
    })
}

/// What the world knows of a piece of media: the upload, or just its name.
enum Found {
    Stored(Stored),
    Named,
}

async fn deliver(media: &Media, found: Found) -> Response {
    match found {
        Found::Stored(stored) => {
            let as_is = media
                .format
                .is_none_or(|f| f.content_type() == stored.content_type);
            if media.size.is_none() && as_is {
                return file_answer(stored.bytes, &stored.content_type, 31_536_000);
            }
            let format = media.format.unwrap_or(Format::Png);
            rendered(media.name(), Some(stored), format, media.size).await
        }
        Found::Named => match media.format {
            Some(format) => rendered(media.name(), None, format, media.size).await,
            None => file_answer(
                Bytes::from_static(
                    br#"{"v":"5.5.2","fr":30,"ip":0,"op":1,"w":1,"h":1,"layers":[]}"#,
                ),
                "application/json",
                31_536_000,
            ),
        },
    }
}

/// Decodes or draws, scales and encodes, off the async threads.
async fn rendered(
    name: String,
    stored: Option<Stored>,
    format: Format,
    size: Option<u32>,
) -> Response {
    // Nobody closes the semaphore; without a permit the picture would only come sooner.
    let easel = EASELS.acquire().await;
    let work = tokio::task::spawn_blocking(move || {
        let _easel = easel;
        let image = match &stored {
            Some(stored) => decode(&stored.bytes)?,
            None => {
                let side = size.unwrap_or(DRAWN).min(512);
                DynamicImage::ImageRgba8(picture::draw(&name, side, side))
            }
        };
        let image = match size {
            // Never larger than the upload.
            Some(size) if image.width().max(image.height()) > size => {
                image.resize(size, size, FilterType::Triangle)
            }
            _ => image,
        };
        picture::encode(&image.into_rgba8(), format).ok()
    });
    match work.await {
        Ok(Some(bytes)) => file_answer(bytes.into(), format.content_type(), 31_536_000),
        Ok(None) | Err(_) => bare(StatusCode::UNSUPPORTED_MEDIA_TYPE),
    }
}

fn decode(bytes: &[u8]) -> Option<DynamicImage> {
    let mut reader = ImageReader::new(std::io::Cursor::new(bytes))
        .with_guessed_format()
        .ok()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(8192);
    limits.max_image_height = Some(8192);
    limits.max_alloc = Some(256 << 20);
    reader.limits(limits);
    reader.decode().ok()
}

fn file_answer(bytes: Bytes, content_type: &str, max_age: u32) -> Response {
    let length = bytes.len();
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_str(content_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let cache = HeaderValue::from_str(&format!("public, max-age={max_age}"));
    if let Ok(cache) = cache {
        headers.insert(header::CACHE_CONTROL, cache);
    }
    // Uploads are strangers' bytes on the origin of the consent page.
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}

fn bare(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
