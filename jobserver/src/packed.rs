//! What the bot wrote down of servers: JSON, compressed.

use std::io::{self, Read as _};

use serde::de::DeserializeOwned;

/// Of a document, unpacked.
const MOST_BYTES: u64 = 64 << 20;

/// # Errors
/// It is damaged, larger than that, or of another version.
pub fn unpack<T: DeserializeOwned>(packed: &[u8]) -> io::Result<T> {
    let reader = zstd::stream::Decoder::new(packed)?;
    Ok(serde_json::from_reader(reader.take(MOST_BYTES))?)
}
