//! The rev7 block: magic, SHA-256 of the payload as stored, encryptor id, payload.
//!
//! Blocks wrap a whole archive or one member. They are also a good envelope for a single value
//! kept elsewhere: [`seal`] and [`open`] protect it against silent damage and, with a key, against
//! reading.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::archive::EncryptionKind;
use crate::crypto::{self, AES_OVERHEAD, Encryption, Keyring, NONCE_LEN, SALT_LEN};
use crate::{DerivedKey, Error, Result, pem};

pub(crate) const MAGIC: [u8; 6] = *b"iblaef";
pub(crate) const HEADER_LEN: usize = 54;
const ID_LEN: usize = 16;

/// The fixed part of a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) digest: [u8; 32],
    pub(crate) kind: EncryptionKind,
}

impl Header {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() < HEADER_LEN {
            return Err(Error::corrupt("a block ends before its header does"));
        }
        if bytes[..6] != MAGIC {
            return Err(Error::corrupt(
                "a block does not start with its magic bytes",
            ));
        }
        let id = &bytes[38..HEADER_LEN];
        let kind = [
            EncryptionKind::None,
            EncryptionKind::Aes256,
            EncryptionKind::Pem,
        ]
        .into_iter()
        .find(|kind| padded_id(*kind) == id)
        .ok_or_else(|| Error::corrupt("a block names an unknown encryption method"))?;
        Ok(Self {
            digest: bytes[6..38].try_into().expect("32 bytes"),
            kind,
        })
    }

    pub(crate) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..6].copy_from_slice(&MAGIC);
        bytes[6..38].copy_from_slice(&self.digest);
        bytes[38..].copy_from_slice(&padded_id(self.kind));
        bytes
    }

    pub(crate) fn check(&self, digest: &[u8]) -> Result<()> {
        if bool::from(self.digest.ct_eq(digest)) {
            Ok(())
        } else {
            Err(Error::corrupt("the checksum does not match"))
        }
    }
}

fn padded_id(kind: EncryptionKind) -> [u8; ID_LEN] {
    let mut id = [b'$'; ID_LEN];
    let name = kind.id().as_bytes();
    id[..name.len()].copy_from_slice(name);
    id
}

/// How many bytes of a block's payload are not data.
pub(crate) fn payload_overhead(kind: EncryptionKind) -> usize {
    match kind {
        EncryptionKind::None => 0,
        EncryptionKind::Aes256 => AES_OVERHEAD,
        EncryptionKind::Pem => pem::OVERHEAD,
    }
}

/// Bytes at the beginning of a block that [`salt`] needs.
pub const SALTED: usize = HEADER_LEN + SALT_LEN;

/// The salt under which a block's key was derived, by its first [`SALTED`] bytes; `None` when it is
/// not encrypted with a password, or no block.
pub fn salt(start: &[u8]) -> Option<[u8; SALT_LEN]> {
    let header = Header::parse(start.get(..HEADER_LEN)?).ok()?;
    let salt = start.get(HEADER_LEN..SALTED)?;
    let encrypted = header.kind == EncryptionKind::Aes256;
    encrypted.then(|| salt.try_into().ok())?
}

/// Puts `data` into a block.
pub fn seal(mut data: Vec<u8>, encryption: &Encryption) -> Result<Vec<u8>> {
    let (kind, head, tag) = seal_in_place(&mut data, encryption)?;
    let mut digest = Sha256::new();
    digest.update(&head);
    digest.update(&data);
    digest.update(&tag);
    let header = Header {
        digest: digest.finalize().into(),
        kind,
    };
    let mut block = Vec::with_capacity(HEADER_LEN + head.len() + data.len() + tag.len());
    block.extend_from_slice(&header.to_bytes());
    block.extend_from_slice(&head);
    block.append(&mut data);
    block.extend_from_slice(&tag);
    Ok(block)
}

/// Encrypts `data` where it is; returns what goes before and after it in the payload.
pub(crate) fn seal_in_place(
    data: &mut [u8],
    encryption: &Encryption,
) -> Result<(EncryptionKind, Vec<u8>, Vec<u8>)> {
    match encryption {
        Encryption::None => Ok((EncryptionKind::None, Vec::new(), Vec::new())),
        Encryption::Aes256(key) => {
            let (nonce, tag) = crypto::encrypt(key.key(), data)?;
            let mut head = key.salt().to_vec();
            head.extend_from_slice(&nonce);
            Ok((EncryptionKind::Aes256, head, tag.to_vec()))
        }
        Encryption::Pem(sealed) => {
            let (nonce, tag) = crypto::encrypt(sealed.key().key(), data)?;
            let mut head = sealed.head().to_vec();
            head.extend_from_slice(&sealed.key().salt());
            head.extend_from_slice(&nonce);
            Ok((EncryptionKind::Pem, head, tag.to_vec()))
        }
    }
}

/// Takes the data out of a block made by [`seal`]. `key` is needed when the block is encrypted
/// and must be the very key it was sealed with.
pub fn open(block: Vec<u8>, key: Option<&DerivedKey>) -> Result<Vec<u8>> {
    let mut keys = key.map_or_else(|| Keyring::new(None), Keyring::of);
    open_with(block, &mut keys)
}

pub(crate) fn open_with(mut block: Vec<u8>, keys: &mut Keyring) -> Result<Vec<u8>> {
    let header = Header::parse(&block)?;
    header.check(&Sha256::digest(&block[HEADER_LEN..]))?;
    block.drain(..HEADER_LEN);
    let range = decrypt_payload(header.kind, &mut block, keys)?;
    block.truncate(range.end);
    block.drain(..range.start);
    Ok(block)
}

/// Decrypts a verified payload in place and says where the data lies.
pub(crate) fn decrypt_payload(
    kind: EncryptionKind,
    payload: &mut [u8],
    keys: &mut Keyring,
) -> Result<std::ops::Range<usize>> {
    match kind {
        EncryptionKind::None => Ok(0..payload.len()),
        EncryptionKind::Pem => {
            let head = pem::head_of(payload)?.to_vec();
            let rest = &mut payload[head.len()..];
            if rest.len() < AES_OVERHEAD {
                return Err(Error::corrupt("an encrypted part is too short"));
            }
            let (salt, sealed) = rest.split_at_mut(SALT_LEN);
            let salt = (&*salt).try_into().expect("split at the salt length");
            let key = keys.unseal(&head, salt)?;
            let opened = crypto::decrypt(key.key(), sealed)?;
            let len = opened.ok_or(Error::WrongPassword)?.len();
            let start = head.len() + SALT_LEN + NONCE_LEN;
            Ok(start..start + len)
        }
        EncryptionKind::Aes256 => {
            if payload.len() < AES_OVERHEAD {
                return Err(Error::corrupt("an encrypted part is too short"));
            }
            let (salt, sealed) = payload.split_at_mut(SALT_LEN);
            let salt = (&*salt).try_into().expect("split at the salt length");
            let len = keys.open(salt, sealed)?;
            let start = SALT_LEN + NONCE_LEN;
            Ok(start..start + len)
        }
    }
}
