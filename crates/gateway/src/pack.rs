//! How frames to a client are compressed (gateway documentation, "Encoding and Compression").

use std::io;

use flate2::{Compress, Compression, FlushCompress};
use zstd::stream::raw::{Encoder, InBuffer, Operation, OutBuffer};

/// The ways of compressing what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Packing {
    #[default]
    Plain,
    /// One zlib context per connection; each message ends with `00 00 ff ff`.
    ZlibStream,
    /// One zstd frame per connection, flushed after every message and never ended.
    ZstdStream,
}

impl Packing {
    /// Of `compress` in a connection's address; what is not known is not compressed.
    pub fn of_query(value: Option<&str>) -> Self {
        match value {
            Some("zlib-stream") => Self::ZlibStream,
            Some("zstd-stream") => Self::ZstdStream,
            _ => Self::Plain,
        }
    }
}

/// One connection's compressed stream.
pub struct Pack(Kind);

enum Kind {
    Zlib(Box<Compress>),
    Zstd(Box<Encoder<'static>>),
}

impl Pack {
    /// `None` where nothing is compressed.
    ///
    /// # Errors
    /// There is no memory for a context.
    pub fn new(packing: Packing) -> io::Result<Option<Self>> {
        let kind = match packing {
            Packing::Plain => return Ok(None),
            Packing::ZlibStream => Kind::Zlib(Box::new(Compress::new(Compression::fast(), true))),
            Packing::ZstdStream => Kind::Zstd(Box::new(Encoder::new(1)?)),
        };
        Ok(Some(Self(kind)))
    }

    /// The frame of a message whose bytes are `parts`, one after the other.
    ///
    /// # Errors
    /// The library's context is broken; the stream cannot go on.
    pub fn message(&mut self, parts: &[&[u8]]) -> io::Result<Vec<u8>> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut out = Vec::with_capacity(length / 3 + 128);
        match &mut self.0 {
            Kind::Zlib(context) => zlib(context, parts, &mut out)?,
            Kind::Zstd(context) => zstd(context, parts, &mut out)?,
        }
        Ok(out)
    }
}

fn zlib(context: &mut Compress, parts: &[&[u8]], out: &mut Vec<u8>) -> io::Result<()> {
    for part in parts {
        let mut input = *part;
        while !input.is_empty() {
            make_room(out);
            let before = context.total_in();
            context
                .compress_vec(input, out, FlushCompress::None)
                .map_err(io::Error::other)?;
            let taken = usize::try_from(context.total_in() - before).unwrap_or(input.len());
            input = input.get(taken..).unwrap_or_default();
        }
    }
    loop {
        make_room(out);
        context
            .compress_vec(&[], out, FlushCompress::Sync)
            .map_err(io::Error::other)?;
        // A flush is complete when it leaves room.
        if out.len() < out.capacity() {
            return Ok(());
        }
    }
}

fn zstd(context: &mut Encoder<'static>, parts: &[&[u8]], out: &mut Vec<u8>) -> io::Result<()> {
    for part in parts {
        let mut input = InBuffer::around(part);
        while input.pos() < part.len() {
            make_room(out);
            let written = out.len();
            context.run(&mut input, &mut OutBuffer::around_pos(out, written))?;
        }
    }
    loop {
        make_room(out);
        let written = out.len();
        if context.flush(&mut OutBuffer::around_pos(out, written))? == 0 {
            return Ok(());
        }
    }
}

fn make_room(out: &mut Vec<u8>) {
    if out.len() == out.capacity() {
        out.reserve(out.capacity().max(256));
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Decompress, FlushDecompress};

    use super::*;
    use crate::Unpack;

    fn texts() -> Vec<Vec<String>> {
        let noise = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_string();
        vec![
            vec![r#"{"op":10}"#.to_owned()],
            vec![r#"{"s":"#.to_owned(), "12".to_owned(), "}".to_owned()],
            vec!["x".repeat(300_000), String::new(), "y".repeat(3)],
            vec![(0..40_000).map(noise).collect()],
        ]
    }

    fn slices(parts: &[String]) -> Vec<&[u8]> {
        parts.iter().map(String::as_bytes).collect()
    }

    #[test]
    fn zlib_messages_share_a_context_and_end_with_a_flush() {
        let mut pack = Pack::new(Packing::ZlibStream).unwrap().unwrap();
        let mut decoder = Decompress::new(true);
        for parts in texts() {
            let frame = pack.message(&slices(&parts)).unwrap();
            assert!(frame.ends_with(&[0, 0, 0xff, 0xff]));
            let text = parts.concat();
            let mut out = Vec::with_capacity(text.len() + 64);
            decoder
                .decompress_vec(&frame, &mut out, FlushDecompress::Sync)
                .unwrap();
            assert!(out == text.as_bytes());
        }
    }

    #[test]
    fn zstd_messages_are_one_stream() {
        let mut pack = Pack::new(Packing::ZstdStream).unwrap().unwrap();
        let mut unpack = Unpack::new().unwrap();
        for parts in texts() {
            let frame = pack.message(&slices(&parts)).unwrap();
            assert!(unpack.message(&frame).unwrap() == parts.concat().as_bytes());
        }
    }

    #[test]
    fn what_is_not_known_is_not_compressed() {
        for value in [None, Some("gzip"), Some("")] {
            assert_eq!(Packing::of_query(value), Packing::Plain);
        }
        assert!(Pack::new(Packing::Plain).unwrap().is_none());
    }
}
