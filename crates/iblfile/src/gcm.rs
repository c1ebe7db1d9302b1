//! AES-256-GCM over data that need not fit into memory.
//!
//! The `aes-gcm` crate wants the whole message in one buffer. Here are the same two halves of it
//! (NIST SP 800-38D, §7), from the crates that it is made of: the keystream, which can be entered
//! anywhere, and the authentication, which goes once through the whole.

use std::io::{self, Read, Seek, SeekFrom};

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _, KeyIvInit as _, StreamCipher as _};
use ctr::Ctr32BE;
use ctr::cipher::StreamCipherSeek as _;
use ghash::GHash;
use ghash::universal_hash::UniversalHash as _;
use subtle::ConstantTimeEq as _;

use crate::crypto::{NONCE_LEN, TAG_LEN};
use crate::{Error, Result};

const BLOCK: u64 = 16;
/// Bytes that are worked on at a time: whole blocks, so that only the last piece is a part of one.
pub(crate) const PIECE: usize = 1 << 20;
/// What one nonce can encrypt.
const LONGEST: u64 = (1 << 36) - 32;

type Keystream = Ctr32BE<Aes256>;

/// The keystream whose first block masks the tag; data begins with the second.
fn keystream(key: &[u8; 32], nonce: &[u8; NONCE_LEN]) -> Keystream {
    let mut start = [0; 16];
    start[..NONCE_LEN].copy_from_slice(nonce);
    start[15] = 1;
    Keystream::new(&(*key).into(), &start.into())
}

/// Goes once through a message, piece by piece.
pub(crate) struct Pass {
    keystream: Keystream,
    hash: GHash,
    mask: [u8; TAG_LEN],
    length: u64,
}

impl Pass {
    pub(crate) fn new(key: &[u8; 32], nonce: &[u8; NONCE_LEN]) -> Self {
        let mut hash_key = Default::default();
        Aes256::new(&(*key).into()).encrypt_block(&mut hash_key);
        let mut keystream = keystream(key, nonce);
        let mut mask = [0; TAG_LEN];
        keystream.apply_keystream(&mut mask);
        Self {
            keystream,
            hash: GHash::new(&hash_key),
            mask,
            length: 0,
        }
    }

    /// All pieces but the last have a length that is a multiple of 16.
    pub(crate) fn encrypt(&mut self, piece: &mut [u8]) -> Result<()> {
        if self.length + piece.len() as u64 > LONGEST {
            return Err(Error::TooLarge {
                what: "data to encrypt".into(),
                limit: LONGEST,
            });
        }
        self.keystream.apply_keystream(piece);
        self.absorb(piece);
        Ok(())
    }

    /// Takes encrypted data into the tag. Pieces as in [`Pass::encrypt`].
    pub(crate) fn absorb(&mut self, encrypted: &[u8]) {
        debug_assert!(
            self.length.is_multiple_of(BLOCK),
            "only the last piece may be a part"
        );
        self.hash.update_padded(encrypted);
        self.length += encrypted.len() as u64;
    }

    pub(crate) fn tag(mut self) -> [u8; TAG_LEN] {
        let mut lengths = [0; 16];
        lengths[8..].copy_from_slice(&(self.length * 8).to_be_bytes());
        self.hash.update(&[lengths.into()]);
        let mut tag: [u8; TAG_LEN] = self.hash.finalize().into();
        for (byte, mask) in tag.iter_mut().zip(self.mask) {
            *byte ^= mask;
        }
        tag
    }
}

/// An encrypted message within a reader: where its parts are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealed {
    pub(crate) nonce: [u8; NONCE_LEN],
    /// Of the first encrypted byte.
    pub(crate) start: u64,
    pub(crate) len: u64,
    pub(crate) tag: [u8; TAG_LEN],
}

impl Sealed {
    /// Whether the key is the right one and nothing was altered.
    pub(crate) fn opens(&self, key: &[u8; 32], source: &mut (impl Read + Seek)) -> Result<bool> {
        source.seek(SeekFrom::Start(self.start))?;
        let mut pass = Pass::new(key, &self.nonce);
        let mut left = self.len;
        let mut buffer = vec![0; PIECE];
        while left > 0 {
            let take = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
            source
                .read_exact(&mut buffer[..take])
                .map_err(Error::reading)?;
            pass.absorb(&buffer[..take]);
            left -= take as u64;
        }
        Ok(bool::from(pass.tag().ct_eq(&self.tag)))
    }
}

/// Reads an encrypted message that was found whole, from any place. What it reads is not
/// authenticated again: the source must not change meanwhile.
pub(crate) struct Unsealed<R> {
    source: R,
    start: u64,
    len: u64,
    at: u64,
    keystream: Keystream,
}

impl<R: Read + Seek> Unsealed<R> {
    pub(crate) fn new(source: R, sealed: &Sealed, key: &[u8; 32]) -> Self {
        Self {
            source,
            start: sealed.start,
            len: sealed.len,
            at: 0,
            keystream: keystream(key, &sealed.nonce),
        }
    }
}

impl<R: Read + Seek> Read for Unsealed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.len.saturating_sub(self.at);
        let take = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if take == 0 {
            return Ok(0);
        }
        self.source.seek(SeekFrom::Start(self.start + self.at))?;
        let read = self.source.read(&mut buffer[..take])?;
        // The tag's mask comes before the data.
        self.keystream.seek(BLOCK + self.at);
        self.keystream.apply_keystream(&mut buffer[..read]);
        self.at += read as u64;
        Ok(read)
    }
}

impl<R: Seek> Seek for Unsealed<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::crypto;

    const KEY: [u8; 32] = [7; 32];

    /// `aes-gcm` is the judge.
    #[test]
    fn pieces_come_to_what_the_whole_comes_to() {
        for len in [0, 1, 15, 16, 17, 31, 4096, 5000] {
            let plain: Vec<u8> = (0..len).map(|n: u32| (n % 251) as u8).collect();
            let mut whole = plain.clone();
            let (nonce, tag) = crypto::encrypt(&KEY, &mut whole).unwrap();
            for piece in [16, 48, 4096] {
                let mut pass = Pass::new(&KEY, &nonce);
                let mut pieces = plain.clone();
                for piece in pieces.chunks_mut(piece) {
                    pass.encrypt(piece).unwrap();
                }
                assert_eq!(pieces, whole, "{len} in {piece}");
                assert_eq!(pass.tag(), tag, "{len} in {piece}");
            }
        }
    }

    #[test]
    fn every_place_can_be_read() {
        let plain: Vec<u8> = (0..1000_u32).map(|n| (n % 251) as u8).collect();
        let mut file = vec![9; 5];
        let mut encrypted = plain.clone();
        let (nonce, tag) = crypto::encrypt(&KEY, &mut encrypted).unwrap();
        file.extend(&encrypted);
        let sealed = Sealed {
            nonce,
            start: 5,
            len: 1000,
            tag,
        };
        assert!(sealed.opens(&KEY, &mut Cursor::new(&file)).unwrap());
        assert!(!sealed.opens(&[8; 32], &mut Cursor::new(&file)).unwrap());
        let mut reader = Unsealed::new(Cursor::new(&file), &sealed, &KEY);
        for (at, len) in [(0, 1000), (1, 3), (16, 16), (515, 485), (999, 1), (1000, 0)] {
            reader.seek(SeekFrom::Start(at as u64)).unwrap();
            let mut part = vec![0; len];
            reader.read_exact(&mut part).unwrap();
            assert_eq!(part, plain[at..at + len], "{at}");
        }
        let last = file.len() - 1;
        file[last] ^= 1;
        assert!(!sealed.opens(&KEY, &mut Cursor::new(&file)).unwrap());
    }
}
