//! Files for whoever holds a private key: nobody else opens them, not even who wrote them.
//!
//! The password of such a file is made of random words, each of them in the file under RSA-2048 with OAEP
//! (SHA-512, no label): `n[1] || n x block[256] || nonce[128 letters]`, then what a file under a password
//! has. The password is the nonce and the words behind each other. A library for RSA that takes care of
//! timing is used; there is none in pure Rust without a known weakness.

use std::fmt;
use std::io::{Read, Seek, SeekFrom};

use aws_lc_rs::rsa::{
    OAEP_SHA512_MGF1SHA512, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::Rng as _;

use crate::crypto::AES_OVERHEAD;
use crate::{DerivedKey, Error, Result};

const BITS: usize = 2048;
const BLOCK: usize = BITS / 8;
/// As the original writes.
const WORDS: u8 = 5;
const WORD: usize = 32;
const NONCE: usize = 128;
/// A reader does so much work at most.
const MOST_WORDS: u8 = 32;
const LETTERS: &[u8; 52] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// What goes around the data, of a file as written here.
pub(crate) const OVERHEAD: usize = 1 + WORDS as usize * BLOCK + NONCE + AES_OVERHEAD;

/// It is no RSA public key of 2048 bits, as `-----BEGIN PUBLIC KEY-----` has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is no RSA public key of 2048 bits in PEM: `openssl genpkey -algorithm RSA -pkeyopt \
     rsa_keygen_bits:2048 -out key.pem` makes a pair, `openssl pkey -in key.pem -pubout` shows this half"
)]
pub struct InvalidPublicKey;

/// The half of a pair that anybody may have.
pub struct PublicKey(OaepPublicEncryptingKey);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(..)")
    }
}

impl PublicKey {
    /// Reads PEM of PKIX.
    pub fn parse(pem: &str) -> Result<Self, InvalidPublicKey> {
        let der = der(pem, "PUBLIC KEY").ok_or(InvalidPublicKey)?;
        let key = PublicEncryptingKey::from_der(&der).map_err(|_| InvalidPublicKey)?;
        if key.key_size_bits() != BITS {
            return Err(InvalidPublicKey);
        }
        let key = OaepPublicEncryptingKey::new(key).map_err(|_| InvalidPublicKey)?;
        Ok(Self(key))
    }

    /// The half that goes with a private one; `None`: that is none.
    pub fn of_private(pem: &str) -> Option<Self> {
        let key = private(pem)?.public_key();
        OaepPublicEncryptingKey::new(key).ok().map(Self)
    }

    /// A key for one file. Takes as long as [`DerivedKey::derive`].
    pub fn seal(&self) -> Result<SealedKey> {
        let mut head = vec![WORDS];
        let nonce = word(NONCE);
        let mut password = nonce.clone();
        for _ in 0..WORDS {
            let word = word(WORD);
            let mut block = [0; BLOCK];
            let sealed = self
                .0
                .encrypt(&OAEP_SHA512_MGF1SHA512, word.as_bytes(), &mut block, None);
            let sealed = sealed.map_err(|_| Error::corrupt("the public key does not encrypt"))?;
            head.extend_from_slice(sealed);
            password.push_str(&word);
        }
        head.extend_from_slice(nonce.as_bytes());
        let key = DerivedKey::generate(&password);
        SealedKey::new(head, key).ok_or_else(|| Error::corrupt("the public key is of another size"))
    }
}

/// The key of one file, and what is written into it so that the private key finds this one again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKey {
    head: Vec<u8>,
    key: DerivedKey,
}

impl SealedKey {
    /// Of parts that [`PublicKey::seal`] made; `None` when the first is none.
    pub fn new(head: Vec<u8>, key: DerivedKey) -> Option<Self> {
        let whole = head.first().and_then(|count| length(*count));
        (whole == Some(head.len())).then_some(Self { head, key })
    }

    /// What is no secret.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// What is one.
    pub fn key(&self) -> &DerivedKey {
        &self.key
    }
}

/// The other half, from PEM of PKCS#8.
pub(crate) struct PrivateKey(OaepPrivateDecryptingKey);

impl PrivateKey {
    pub(crate) fn parse(pem: &str) -> Option<Self> {
        OaepPrivateDecryptingKey::new(private(pem)?).ok().map(Self)
    }

    /// The password of a file that begins so; `None`: it is for another key.
    pub(crate) fn password(&self, head: &[u8]) -> Option<String> {
        let (blocks, nonce) = head.get(1..)?.split_at_checked(head.len() - 1 - NONCE)?;
        let mut password = std::str::from_utf8(nonce).ok()?.to_owned();
        for block in blocks.chunks(BLOCK) {
            let mut word = [0; BLOCK];
            let opened = self
                .0
                .decrypt(&OAEP_SHA512_MGF1SHA512, block, &mut word, None);
            password.push_str(std::str::from_utf8(opened.ok()?).ok()?);
        }
        Some(password)
    }
}

fn private(pem: &str) -> Option<PrivateDecryptingKey> {
    let key = PrivateDecryptingKey::from_pkcs8(&der(pem, "PRIVATE KEY")?).ok()?;
    (key.key_size_bits() == BITS).then_some(key)
}

/// Of the head of a file with so many words.
fn length(count: u8) -> Option<usize> {
    (1..=MOST_WORDS)
        .contains(&count)
        .then(|| 1 + usize::from(count) * BLOCK + NONCE)
}

/// The head of a payload in memory.
pub(crate) fn head_of(payload: &[u8]) -> Result<&[u8]> {
    let whole = payload.first().and_then(|count| length(*count));
    whole
        .and_then(|length| payload.get(..length))
        .ok_or_else(|| Error::corrupt("an encrypted part is too short"))
}

/// The same of one that begins there.
pub(crate) fn read_head(source: &mut (impl Read + Seek), at: u64) -> Result<Vec<u8>> {
    source.seek(SeekFrom::Start(at))?;
    let mut count = [0];
    source.read_exact(&mut count).map_err(Error::reading)?;
    let length = length(count[0]).ok_or_else(|| Error::corrupt("a key has too many parts"))?;
    let mut head = vec![0; length];
    head[0] = count[0];
    source.read_exact(&mut head[1..]).map_err(Error::reading)?;
    Ok(head)
}

/// The bytes of a PEM block with this label.
fn der(pem: &str, label: &str) -> Option<Vec<u8>> {
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let (_, rest) = pem.split_once(&begin)?;
    let (text, _) = rest.split_once(&end)?;
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(text).ok()
}

/// Each letter is as likely as any other.
fn word(length: usize) -> String {
    let even = u8::MAX - u8::MAX % LETTERS.len() as u8;
    let mut word = String::with_capacity(length);
    let mut random = rand::rng();
    while word.len() < length {
        let mut bytes = [0; 64];
        random.fill_bytes(&mut bytes);
        let usable = bytes.into_iter().filter(|byte| *byte < even);
        let letters = usable.map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
        let more = length - word.len();
        word.extend(letters.take(more));
    }
    word
}
