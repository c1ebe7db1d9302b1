//! Files made from a number: pictures that really are pictures, text, and plain bytes.

use std::io::Cursor;

use bytes::Bytes;
use image::codecs::gif::{GifEncoder, Repeat};
use image::{DynamicImage, Frame, ImageFormat, Rgba, RgbaImage};

use crate::world::Stored;

/// A picture with a transparent rim.
pub(super) fn picture(seed: u32, width: u32, height: u32) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        let (dx, dy) = (
            x as f32 / width as f32 - 0.5,
            y as f32 / height as f32 - 0.5,
        );
        let distance = (dx * dx + dy * dy).sqrt();
        let alpha = if distance > 0.48 {
            0
        } else {
            255 - (distance * 200.0) as u8
        };
        let wave = ((x * 7 + y * 3 + seed * 53) % 256) as u8;
        Rgba([
            wave,
            (seed * 37 % 256) as u8 ^ (y % 256) as u8,
            255 - wave,
            alpha,
        ])
    })
}

fn encoded(image: &DynamicImage, format: ImageFormat, content_type: &str) -> Stored {
    let mut bytes = Cursor::new(Vec::new());
    if let Err(error) = image.write_to(&mut bytes, format) {
        tracing::error!(%error, "a picture of the built-in world was not encoded");
    }
    Stored {
        bytes: bytes.into_inner().into(),
        content_type: content_type.to_owned(),
    }
}

/// A PNG with an alpha channel.
pub(super) fn png(seed: u32, width: u32, height: u32) -> Stored {
    encoded(
        &picture(seed, width, height).into(),
        ImageFormat::Png,
        "image/png",
    )
}

/// A JPEG.
pub(super) fn jpeg(seed: u32, width: u32, height: u32) -> Stored {
    let image = DynamicImage::from(picture(seed, width, height)).to_rgb8();
    encoded(&image.into(), ImageFormat::Jpeg, "image/jpeg")
}

/// A GIF that moves.
pub(super) fn gif(seed: u32, size: u32) -> Stored {
    let mut bytes = Vec::new();
    {
        let mut encoder = GifEncoder::new(&mut bytes);
        let frames = (0..3).map(|n| Frame::new(picture(seed + n, size, size)));
        let done = encoder
            .set_repeat(Repeat::Infinite)
            .and_then(|()| encoder.encode_frames(frames));
        if let Err(error) = done {
            tracing::error!(%error, "a picture of the built-in world was not encoded");
        }
    }
    Stored {
        bytes: bytes.into(),
        content_type: "image/gif".to_owned(),
    }
}

/// Bytes without meaning or pattern.
pub(super) fn noise(seed: u64, length: usize, content_type: &str) -> Stored {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    // Whoever uploads it again is asked whether it is a sound.
    let tag: &[u8] = if content_type == "audio/mpeg" {
        b"ID3"
    } else {
        b""
    };
    let mut bytes = tag.to_vec();
    bytes.extend((tag.len()..length).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    }));
    Stored {
        bytes: bytes.into(),
        content_type: content_type.to_owned(),
    }
}

/// UTF-8 text of many lines.
pub(super) fn text(seed: u64, lines: u64, content_type: &str) -> Stored {
    let text: String = (0..lines)
        .map(|n| format!("{n:04} {} ñ ü 猫\n", super::words::sentence(seed + n)))
        .collect();
    Stored {
        bytes: Bytes::from(text),
        content_type: content_type.to_owned(),
    }
}
