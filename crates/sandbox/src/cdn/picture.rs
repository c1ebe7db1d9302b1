//! Pictures for hashes that were never uploaded: a seeded world names icons without storing them.

use std::io::Cursor;

use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, Frame, ImageEncoder, ImageError, RgbaImage};

/// Formats a picture can be had in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Png,
    Jpeg,
    WebP,
    Gif,
}

impl Format {
    pub fn from_extension(extension: &str) -> Option<Self> {
        match extension {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" => Some(Self::Jpeg),
            "webp" => Some(Self::WebP),
            "gif" => Some(Self::Gif),
            _ => None,
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
            Self::Gif => "image/gif",
        }
    }
}

/// Draws the picture that belongs to `name`: a symmetric 5×5 pattern, the same every time.
pub fn draw(name: &str, width: u32, height: u32) -> RgbaImage {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let [r, g, b, ..] = hash.to_be_bytes();
    let ink = image::Rgba([r | 0x40, g | 0x40, b | 0x40, 255]);
    let paper = image::Rgba([r / 6, g / 6, b / 6 + 16, 255]);
    RgbaImage::from_fn(width, height, |x, y| {
        let (column, row) = (x * 5 / width.max(1), y * 5 / height.max(1));
        let cell = column.min(4 - column.min(4)) * 5 + row;
        if (hash >> (cell + 16)) & 1 == 1 {
            ink
        } else {
            paper
        }
    })
}

/// Encodes `picture`; a GIF gets one frame.
pub fn encode(picture: &RgbaImage, format: Format) -> Result<Vec<u8>, ImageError> {
    let (width, height) = picture.dimensions();
    let mut out = Cursor::new(Vec::new());
    match format {
        Format::Png => PngEncoder::new(&mut out).write_image(
            picture,
            width,
            height,
            ExtendedColorType::Rgba8,
        )?,
        Format::WebP => WebPEncoder::new_lossless(&mut out).write_image(
            picture,
            width,
            height,
            ExtendedColorType::Rgba8,
        )?,
        Format::Jpeg => {
            let rgb = image::DynamicImage::ImageRgba8(picture.clone()).into_rgb8();
            JpegEncoder::new_with_quality(&mut out, 90).write_image(
                &rgb,
                width,
                height,
                ExtendedColorType::Rgb8,
            )?;
        }
        Format::Gif => GifEncoder::new(&mut out).encode_frame(Frame::new(picture.clone()))?,
    }
    Ok(out.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_decodes_to_the_size_asked_for() {
        let picture = draw("icon", 64, 32);
        assert_eq!(picture, draw("icon", 64, 32));
        for format in [Format::Png, Format::Jpeg, Format::WebP, Format::Gif] {
            let bytes = encode(&picture, format).unwrap();
            let back = image::load_from_memory(&bytes).unwrap();
            assert_eq!((back.width(), back.height()), (64, 32));
        }
    }
}
