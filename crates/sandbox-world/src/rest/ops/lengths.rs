//! How long an animation or a recording plays, from its bytes; what cannot be told has no length.

use serde_json::Value;

/// Milliseconds of a GIF or an animated PNG; `None` for pictures that stand still.
pub(super) fn of_picture(bytes: &[u8]) -> Option<u64> {
    match bytes {
        [b'G', b'I', b'F', b'8', ..] => of_gif(bytes),
        [0x89, b'P', b'N', b'G', ..] => of_png(bytes),
        _ => None,
    }
}

/// The delays of all frames: each stands in a graphic control extension (GIF89a, 23).
fn of_gif(bytes: &[u8]) -> Option<u64> {
    let table = |flags: u8| match flags & 0x80 {
        0 => 0,
        _ => 3 << ((flags & 7) + 1),
    };
    let mut at = 13 + table(*bytes.get(10)?);
    let mut total = 0;
    loop {
        match *bytes.get(at)? {
            0x21 => {
                if bytes.get(at + 1) == Some(&0xf9) {
                    let delay = bytes.get(at + 4..at + 6)?;
                    total += u64::from(u16::from_le_bytes([delay[0], delay[1]])) * 10;
                }
                at = after_blocks(bytes, at + 2)?;
            }
            0x2c => {
                let flags = *bytes.get(at + 9)?;
                at = after_blocks(bytes, at + 11 + table(flags))?;
            }
            _ => return Some(total).filter(|total| *total > 0),
        }
    }
}

/// Past sub-blocks, each led by its size, the last one empty.
fn after_blocks(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            size => at += 1 + usize::from(size),
        }
    }
}

/// Whether a PNG moves (APNG: it has an `acTL` chunk).
pub(super) fn moves(bytes: &[u8]) -> bool {
    chunks(bytes).any(|(kind, _)| kind == b"acTL")
}

/// The delays of all frames: each stands in an `fcTL` chunk (PNG, third edition).
fn of_png(bytes: &[u8]) -> Option<u64> {
    let frames = chunks(bytes).filter(|(kind, _)| kind == b"fcTL");
    let delay = |(_, data): (&[u8], &[u8])| {
        let part = |at: usize| {
            let two = data.get(at..at + 2)?;
            Some(u64::from(u16::from_be_bytes([two[0], two[1]])))
        };
        let (count, each) = (part(20)?, part(22)?);
        Some(count * 1000 / if each == 0 { 100 } else { each })
    };
    let total: u64 = frames.filter_map(delay).sum();
    Some(total).filter(|total| *total > 0)
}

/// Kinds and contents of the chunks of a PNG.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (size, after) = rest.split_at_checked(4)?;
        let size = u32::from_be_bytes(size.try_into().ok()?) as usize;
        let (kind, after) = after.split_at_checked(4)?;
        let (data, after) = after.split_at_checked(size)?;
        rest = after.get(4..)?;
        Some((kind, data))
    })
}

/// What a Lottie animation is.
pub(super) struct Lottie {
    pub width: f64,
    pub height: f64,
    pub frames: f64,
    pub ms: f64,
}

/// `None` for what is no Lottie animation.
pub(super) fn of_lottie(bytes: &[u8]) -> Option<Lottie> {
    let json: Value = serde_json::from_slice(bytes).ok()?;
    let number = |key: &str| json[key].as_f64();
    let frames = number("op")? - number("ip")?;
    let rate = number("fr").filter(|rate| *rate > 0.0)?;
    Some(Lottie {
        width: number("w")?,
        height: number("h")?,
        frames,
        ms: frames / rate * 1000.0,
    })
}

/// Milliseconds of an Ogg or MP3 recording.
pub(super) fn of_recording(bytes: &[u8]) -> Option<u64> {
    match bytes {
        [b'O', b'g', b'g', b'S', ..] => of_ogg(bytes),
        [b'I', b'D', b'3', ..] => {
            // The size of a tag has seven bits a byte (ID3v2, 3.1).
            let size = bytes.get(6..10)?;
            let size = size
                .iter()
                .fold(0, |sum, b| (sum << 7) | usize::from(b & 0x7f));
            of_mp3(bytes.get(10 + size..)?)
        }
        _ => of_mp3(bytes),
    }
}

/// The samples up to the last page (RFC 3533, granule position), by their rate: of Opus 48,000.
fn of_ogg(bytes: &[u8]) -> Option<u64> {
    let find = |name: &[u8]| bytes.windows(name.len()).position(|w| w == name);
    let rate = if find(b"OpusHead").is_some() {
        48_000
    } else {
        let at = find(b"\x01vorbis")? + 12;
        u64::from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
    };
    let last = bytes.windows(4).rposition(|w| w == b"OggS")?;
    let samples = u64::from_le_bytes(bytes.get(last + 6..last + 14)?.try_into().ok()?);
    samples.checked_mul(1000)?.checked_div(rate)
}

/// By the bit rate of the first frame, MPEG 1 layer III alone.
fn of_mp3(bytes: &[u8]) -> Option<u64> {
    const KBIT: [u64; 14] = [
        32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
    ];
    let [0xff, 0xfa | 0xfb, third, ..] = *bytes else {
        return None;
    };
    let rate = KBIT.get(usize::from(third >> 4).checked_sub(1)?)?;
    Some(bytes.len() as u64 * 8 / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_of_frames_add_up() {
        let mut gif = b"GIF89a\x01\x00\x01\x00\x00\x00\x00".to_vec();
        for _ in 0..3 {
            gif.extend(b"\x21\xf9\x04\x00\xc8\x00\x00\x00");
            gif.extend(b"\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01\x00\x00");
        }
        gif.push(0x3b);
        assert_eq!(of_picture(&gif), Some(6000));
        let chunk = |kind: &[u8], data: &[u8]| {
            let size = (data.len() as u32).to_be_bytes();
            [&size[..], kind, data, &[0; 4]].concat()
        };
        let mut frame = [0; 26];
        frame[20..24].copy_from_slice(&[0, 5, 0, 2]);
        let head = b"\x89PNG\r\n\x1a\n".to_vec();
        let png = [head, chunk(b"acTL", &[0; 8]), chunk(b"fcTL", &frame)].concat();
        assert_eq!((of_picture(&png), moves(&png)), (Some(2500), true));
        assert_eq!(of_picture(b"\x89PNG\r\n\x1a\n"), None);
    }

    #[test]
    fn recordings_are_as_long_as_their_last_page_says() {
        let mut ogg = b"OggS\x00\x02".to_vec();
        ogg.extend([0; 8]);
        ogg.extend(b"OpusHead");
        ogg.extend(b"OggS\x00\x04");
        ogg.extend(240_000_u64.to_le_bytes());
        assert_eq!(of_recording(&ogg), Some(5000));
        let mut mp3 = vec![0xff, 0xfb, 0x90, 0];
        mp3.resize(16_000, 0);
        assert_eq!(of_recording(&mp3), Some(1000));
        assert_eq!(of_recording(b"OggS toot"), None);
    }
}
