//! The three ways a gateway payload may be compressed, and plain text.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, write::ZlibEncoder};
use tokio_tungstenite::tungstenite::Message;
use zstd::stream::raw::{Encoder as ZstdEncoder, InBuffer, Operation, OutBuffer};

/// What the client asked for in the address, or in its identify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Plain,
    /// One zlib context per connection; each message ends `00 00 ff ff`.
    ZlibStream,
    /// One zstd frame per connection, a flushed block per message.
    ZstdStream,
    /// Dispatches as single zlib-compressed frames (`compress: true` of identify).
    Payload,
}

impl Encoding {
    /// As shown by the control API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "none",
            Self::ZlibStream => "zlib-stream",
            Self::ZstdStream => "zstd-stream",
            Self::Payload => "payload",
        }
    }
}

/// Turns payload texts into frames; holds the connection's compression context.
pub struct Encoder(Kind);

enum Kind {
    Plain,
    Payload,
    Zlib(Box<Compress>),
    Zstd(Box<ZstdEncoder<'static>>),
}

impl Encoder {
    pub fn new(encoding: Encoding) -> std::io::Result<Self> {
        Ok(Self(match encoding {
            Encoding::Plain => Kind::Plain,
            Encoding::Payload => Kind::Payload,
            Encoding::ZlibStream => Kind::Zlib(Box::new(Compress::new(Compression::fast(), true))),
            Encoding::ZstdStream => Kind::Zstd(Box::new(ZstdEncoder::new(1)?)),
        }))
    }

    /// Payload compression may be asked for by identify on a connection without a stream.
    pub fn enable_payload(&mut self) {
        if matches!(self.0, Kind::Plain) {
            self.0 = Kind::Payload;
        }
    }

    /// The frame that carries `text`.
    pub fn encode(&mut self, text: String) -> std::io::Result<Message> {
        match &mut self.0 {
            Kind::Plain => Ok(Message::text(text)),
            Kind::Payload => {
                let mut out = ZlibEncoder::new(Vec::new(), Compression::fast());
                out.write_all(text.as_bytes())?;
                Ok(Message::binary(Bytes::from(out.finish()?)))
            }
            Kind::Zlib(context) => zlib(context, text.as_bytes()).map(Message::binary),
            Kind::Zstd(context) => zstd(context, text.as_bytes()).map(Message::binary),
        }
    }
}

fn zlib(context: &mut Compress, mut input: &[u8]) -> std::io::Result<Bytes> {
    let mut out = Vec::with_capacity(input.len() / 3 + 64);
    loop {
        if out.len() == out.capacity() {
            out.reserve(out.capacity().max(256));
        }
        let before = context.total_in();
        context
            .compress_vec(input, &mut out, FlushCompress::Sync)
            .map_err(std::io::Error::other)?;
        let taken = (context.total_in() - before) as usize;
        input = &input[taken..];
        // A sync flush is complete when it leaves room in the output.
        if input.is_empty() && out.len() < out.capacity() {
            return Ok(out.into());
        }
    }
}

fn zstd(context: &mut ZstdEncoder<'static>, input: &[u8]) -> std::io::Result<Bytes> {
    let mut out = Vec::with_capacity(input.len() / 3 + 1024);
    let mut source = InBuffer::around(input);
    while source.pos() < input.len() {
        append(&mut out, |buffer| {
            context.run(&mut source, buffer).map(|_| ())
        })?;
    }
    loop {
        let mut left = 0;
        append(&mut out, |buffer| context.flush(buffer).map(|n| left = n))?;
        if left == 0 {
            return Ok(out.into());
        }
    }
}

fn append(
    out: &mut Vec<u8>,
    step: impl FnOnce(&mut OutBuffer<'_, [u8]>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut chunk = [0u8; 16_384];
    let mut buffer = OutBuffer::around(&mut chunk[..]);
    step(&mut buffer)?;
    let written = buffer.pos();
    out.extend_from_slice(&chunk[..written]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Decompress, FlushDecompress};
    use zstd::stream::raw::Decoder;

    fn payloads() -> Vec<String> {
        let noise = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_string();
        vec![
            r#"{"op":10}"#.to_owned(),
            String::new(),
            "x".repeat(300_000),
            (0..40_000).map(noise).collect(),
            r#"{"op":11}"#.to_owned(),
        ]
    }

    fn bytes(message: Message) -> Vec<u8> {
        assert!(message.is_binary());
        message.into_data().to_vec()
    }

    #[test]
    fn zlib_stream_shares_one_context_and_ends_each_message_with_a_flush() {
        let mut encoder = Encoder::new(Encoding::ZlibStream).unwrap();
        let mut decoder = Decompress::new(true);
        for text in payloads() {
            let frame = bytes(encoder.encode(text.clone()).unwrap());
            assert!(frame.ends_with(&[0, 0, 0xff, 0xff]));
            let mut out = Vec::with_capacity(text.len() + 64);
            decoder
                .decompress_vec(&frame, &mut out, FlushDecompress::Sync)
                .unwrap();
            assert_eq!(out, text.as_bytes());
        }
    }

    #[test]
    fn zstd_stream_is_one_frame_that_never_ends() {
        let mut encoder = Encoder::new(Encoding::ZstdStream).unwrap();
        let mut decoder = Decoder::new().unwrap();
        for text in payloads() {
            let frame = bytes(encoder.encode(text.clone()).unwrap());
            let mut source = InBuffer::around(&frame[..]);
            let mut out = Vec::new();
            loop {
                let mut left = 0;
                let before = out.len();
                append(&mut out, |buffer| {
                    decoder.run(&mut source, buffer).map(|n| left = n)
                })
                .unwrap();
                assert_ne!(left, 0, "the frame must stay open");
                if source.pos() == frame.len() && out.len() - before < 16_384 {
                    break;
                }
            }
            assert_eq!(out, text.as_bytes());
        }
    }

    #[test]
    fn payload_compression_is_one_whole_zlib_stream_per_frame() {
        use std::io::Read;
        let mut encoder = Encoder::new(Encoding::Plain).unwrap();
        encoder.enable_payload();
        let frame = bytes(encoder.encode("hello".to_owned()).unwrap());
        let mut text = String::new();
        flate2::read::ZlibDecoder::new(&frame[..])
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "hello");
    }
}
