//! Transport compression (gateway documentation, "Transport Compression", `zstd-stream`): one stream
//! per connection, flushed after every message.

use std::io;

use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

/// No server is known to take more; a stream that grows without end is none.
pub const LARGEST: usize = 256 << 20;

/// One connection's stream.
pub struct Unpack(Decoder<'static>);

impl Unpack {
    /// # Errors
    /// There is no memory for a context.
    pub fn new() -> io::Result<Self> {
        Decoder::new().map(Self)
    }

    /// The text of the next message.
    ///
    /// # Errors
    /// It is no such stream, or a message is larger than [`LARGEST`].
    pub fn message(&mut self, packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut input = InBuffer::around(packed);
        let mut text = Vec::with_capacity(packed.len().saturating_mul(6).max(1024));
        loop {
            if text.len() == text.capacity() {
                text.reserve(text.capacity());
            }
            let written = text.len();
            let mut output = OutBuffer::around_pos(&mut text, written);
            self.0.run(&mut input, &mut output)?;
            if text.len() > LARGEST {
                return Err(io::Error::other("a message without end"));
            }
            if input.pos() == packed.len() && text.len() < text.capacity() {
                return Ok(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use zstd::stream::raw::Encoder;

    use super::*;

    fn pack(context: &mut Encoder<'static>, text: &[u8]) -> Vec<u8> {
        let mut packed = vec![0; zstd::zstd_safe::compress_bound(text.len()) + 64];
        let mut output = OutBuffer::around(&mut packed);
        let mut input = InBuffer::around(text);
        while input.pos() < text.len() {
            context.run(&mut input, &mut output).unwrap();
        }
        while context.flush(&mut output).unwrap() > 0 {}
        let written = output.pos();
        packed.truncate(written);
        packed
    }

    #[test]
    fn messages_of_one_stream_come_out_as_they_went_in() {
        let mut context = Encoder::new(3).unwrap();
        let mut unpack = Unpack::new().unwrap();
        let large = "{\"a\":1},".repeat(200_000);
        for text in [
            "{\"op\":10}",
            "",
            "a",
            large.as_str(),
            "{\"op\":11}",
            &large[..1024],
        ] {
            let packed = pack(&mut context, text.as_bytes());
            assert_eq!(unpack.message(&packed).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn what_is_no_such_stream_is_an_error() {
        let mut unpack = Unpack::new().unwrap();
        unpack.message(b"{\"op\":10,\"d\":{}}").unwrap_err();
    }
}
