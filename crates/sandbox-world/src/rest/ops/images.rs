//! Pictures and recordings in bodies: `data:` URIs.

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::rest::form::Form;
use crate::world::Stored;

/// Decodes `data:image/png;base64,…`.
pub(super) fn decode(uri: &str) -> Option<Stored> {
    decode_uri(uri, "image/", sniff)
}

/// Decodes a `data:` URI of a family of types, if its bytes are of one that `sniff` knows.
pub(super) fn decode_uri(
    uri: &str,
    family: &str,
    sniff: fn(&[u8]) -> Option<&'static str>,
) -> Option<Stored> {
    let (head, data) = uri.strip_prefix("data:")?.split_once(";base64,")?;
    let bytes = Bytes::from(STANDARD.decode(data.trim()).ok()?);
    let content_type = sniff(&bytes)?;
    head.starts_with(family).then(|| Stored {
        bytes,
        content_type: content_type.to_owned(),
    })
}

/// The kind of picture the bytes really are.
pub(super) fn sniff(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("image/webp"),
        _ => None,
    }
}

/// Width and height of a picture.
pub(super) fn dimensions(bytes: &[u8]) -> Option<(u32, u32)> {
    sniff(bytes)?;
    image::ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .ok()?
        .into_dimensions()
        .ok()
}

/// A picture that null removes.
pub(super) fn read(form: &mut Form<'_>, key: &str) -> Option<Option<Stored>> {
    if !form.has(key) {
        return None;
    }
    let Some(value) = form.raw(key) else {
        return Some(None);
    };
    let image = value.as_str().and_then(decode);
    if image.is_none() {
        form.error(key, "IMAGE_INVALID", "Unsupported image type given");
    }
    image.map(Some)
}
