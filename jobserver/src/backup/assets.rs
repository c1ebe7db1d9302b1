//! Icon, banner and splash of the guild, as JPEG for the original's readers.

use std::io::Cursor;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::{ImageReader, Limits, Rgba, RgbaImage};

/// Largest image file accepted from the CDN.
pub const LARGEST_FILE: u64 = 16 << 20;
const LARGEST_SIDE: u32 = 8192;
const MOST_MEMORY: u64 = 256 << 20;
/// What shows through where an image is transparent: JPEG has no alpha.
const BACKGROUND: [u8; 3] = [255, 255, 255];

/// Re-encodes an image of any known format as JPEG.
pub async fn to_jpeg(file: Bytes, quality: u8) -> Result<Vec<u8>, String> {
    tokio::task::spawn_blocking(move || reencode(&file, quality))
        .await
        .map_err(|_| "the image could not be decoded".to_owned())?
}

fn reencode(file: &[u8], quality: u8) -> Result<Vec<u8>, String> {
    let shown = |error: &dyn std::fmt::Display| format!("the image could not be decoded: {error}");
    let mut reader = ImageReader::new(Cursor::new(file))
        .with_guessed_format()
        .map_err(|e| shown(&e))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let pixels = flatten(&reader.decode().map_err(|error| shown(&error))?.into_rgba8());
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, quality.clamp(1, 100))
        .encode_image(&pixels)
        .map_err(|error| format!("the image could not be encoded: {error}"))?;
    Ok(jpeg)
}

fn flatten(image: &RgbaImage) -> image::RgbImage {
    image::RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let Rgba([r, g, b, alpha]) = *image.get_pixel(x, y);
        let alpha = u32::from(alpha);
        let over = |front: u8, back: u8| {
            let mixed = (u32::from(front) * alpha + u32::from(back) * (255 - alpha)) / 255;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        image::Rgb([
            over(r, BACKGROUND[0]),
            over(g, BACKGROUND[1]),
            over(b, BACKGROUND[2]),
        ])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(pixels: &RgbaImage) -> Vec<u8> {
        let mut file = Vec::new();
        pixels
            .write_to(&mut Cursor::new(&mut file), image::ImageFormat::Png)
            .unwrap();
        file
    }

    #[test]
    fn transparent_parts_turn_white() {
        let file = png(&RgbaImage::from_fn(16, 16, |x, _| {
            if x < 8 {
                Rgba([200, 0, 0, 255])
            } else {
                Rgba([0, 0, 0, 0])
            }
        }));
        let jpeg = reencode(&file, 85).unwrap();
        let image = image::load_from_memory(&jpeg).unwrap().into_rgb8();
        assert_eq!((image.width(), image.height()), (16, 16));
        assert!(image.get_pixel(1, 8)[0] > 150 && image.get_pixel(1, 8)[1] < 60);
        assert!(
            image
                .get_pixel(14, 8)
                .0
                .iter()
                .all(|channel| *channel > 230)
        );
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(reencode(b"not an image", 85).is_err());
        let mut cut = png(&RgbaImage::new(64, 64));
        cut.truncate(60);
        assert!(reencode(&cut, 85).is_err());
    }
}
