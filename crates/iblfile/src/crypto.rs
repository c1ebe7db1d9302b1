use std::fmt;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Key};
use argon2::{Algorithm, Argon2, Params, Version};
use rand::Rng as _;
use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;

use crate::pem::{PrivateKey, SealedKey};
use crate::{Error, Result};

pub(crate) const SALT_LEN: usize = 8;
pub(crate) const NONCE_LEN: usize = 12;
pub(crate) const TAG_LEN: usize = 16;
/// What `aes256` adds to a rev7 payload: salt, nonce and tag.
pub(crate) const AES_OVERHEAD: usize = SALT_LEN + NONCE_LEN + TAG_LEN;

/// How a container is written.
#[derive(Debug, Clone)]
pub enum Encryption {
    /// Stored as it is, with a checksum.
    None,
    /// AES-256-GCM under a key derived from a password.
    Aes256(DerivedKey),
    /// The same under a key that only the holder of a private key finds again.
    Pem(SealedKey),
}

/// The AES key that Argon2id makes of a password and a salt.
///
/// It stands in for the password: whoever holds it can read and write files made with it, but
/// cannot learn the password. `Debug` prints neither part.
#[derive(Clone, PartialEq, Eq)]
pub struct DerivedKey {
    salt: [u8; SALT_LEN],
    key: [u8; 32],
}

impl DerivedKey {
    /// Length of [`DerivedKey::to_bytes`].
    pub const LEN: usize = SALT_LEN + 32;

    /// Derives the key: Argon2id 0x13, one pass over 64 MiB in four lanes. Takes tens of
    /// milliseconds and 64 MiB, so callers limit how many run at once.
    pub fn derive(password: &str, salt: [u8; SALT_LEN]) -> Self {
        let params = Params::new(65_536, 1, 4, Some(32)).expect("constant parameters are valid");
        let mut key = [0; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password.as_bytes(), &salt, &mut key)
            .expect("an eight byte salt and a 32 byte output are valid");
        Self { salt, key }
    }

    /// [`DerivedKey::derive`] with a fresh random salt.
    pub fn generate(password: &str) -> Self {
        Self::derive(password, rand::random())
    }

    /// Salt, then key; to be stored only wrapped.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..SALT_LEN].copy_from_slice(&self.salt);
        bytes[SALT_LEN..].copy_from_slice(&self.key);
        bytes
    }

    /// Reverses [`DerivedKey::to_bytes`]; `None` when the length is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (salt, key) = bytes.split_at_checked(SALT_LEN)?;
        Some(Self {
            salt: salt.try_into().ok()?,
            key: key.try_into().ok()?,
        })
    }

    /// The salt, which is not secret.
    pub fn salt(&self) -> [u8; SALT_LEN] {
        self.salt
    }

    /// The raw AES key.
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivedKey(..)")
    }
}

/// rev6 derives its key without salt: SHA-256 of the password.
pub(crate) fn rev6_key(password: &str) -> [u8; 32] {
    Sha256::digest(password.as_bytes()).into()
}

pub(crate) fn nonce() -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    rand::rng().fill_bytes(&mut nonce);
    nonce
}

/// Encrypts `data` in place and returns nonce and tag.
pub(crate) fn encrypt(key: &[u8; 32], data: &mut [u8]) -> Result<([u8; NONCE_LEN], [u8; TAG_LEN])> {
    let nonce = nonce();
    let tag = Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key))
        .encrypt_inout_detached(&nonce.into(), &[], data.into())
        .map_err(|_| Error::TooLarge {
            what: "data to encrypt".into(),
            limit: aes_gcm::P_MAX,
        })?;
    Ok((nonce, tag.into()))
}

/// Decrypts `nonce || ciphertext || tag` in place; the plaintext is what lies between. `None` when
/// the key does not fit (or the bytes were altered): then nothing was changed, so another key may be
/// tried. Too short input is damage.
pub(crate) fn decrypt<'a>(key: &[u8; 32], data: &'a mut [u8]) -> Result<Option<&'a mut [u8]>> {
    if data.len() < NONCE_LEN + TAG_LEN {
        return Err(Error::corrupt("an encrypted part is too short"));
    }
    let (nonce, rest) = data.split_at_mut(NONCE_LEN);
    let (body, tag) = rest.split_at_mut(rest.len() - TAG_LEN);
    let nonce: [u8; NONCE_LEN] = (&*nonce).try_into().expect("split at the nonce length");
    let tag: [u8; TAG_LEN] = (&*tag).try_into().expect("split at the tag length");
    let done = Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key)).decrypt_inout_detached(
        &nonce.into(),
        &[],
        (&mut *body).into(),
        &tag.into(),
    );
    Ok(done.is_ok().then_some(body))
}

/// Where keys come from while reading: a password, with the last key derived from it kept, because
/// every rev7 block carries its own salt.
///
/// Files are written under the password exactly as it was typed, because that is what every other
/// reader of the format derives its key from. But the same letters can be typed composed ("é") or
/// decomposed ("e" and an accent), depending on the keyboard and system, and look alike. So reading
/// tries the password as typed, then composed, then decomposed; where these are the same, as they
/// are for most passwords, once.
pub(crate) struct Keyring {
    /// Forms of the password that may still be the right one, most likely first.
    forms: Vec<String>,
    last: Option<DerivedKey>,
}

impl Keyring {
    pub(crate) fn new(password: Option<&str>) -> Self {
        Self {
            forms: password.map(forms).unwrap_or_default(),
            last: None,
        }
    }

    pub(crate) fn of(key: &DerivedKey) -> Self {
        Self {
            forms: Vec::new(),
            last: Some(key.clone()),
        }
    }

    /// Every form of the password, at least one.
    pub(crate) fn forms(&self) -> Result<impl Iterator<Item = &str>> {
        if self.forms.is_empty() {
            return Err(Error::PasswordRequired);
        }
        Ok(self.forms.iter().map(String::as_str))
    }

    /// The key of a file for the holder of a private key, which is given in place of a password. Whether it
    /// is the right one shows when it opens something.
    pub(crate) fn unseal(&mut self, head: &[u8], salt: [u8; SALT_LEN]) -> Result<DerivedKey> {
        if let Some(last) = self.last.as_ref().filter(|last| last.salt == salt) {
            return Ok(last.clone());
        }
        let given = self.forms()?.next().and_then(PrivateKey::parse);
        let password = given.and_then(|key| key.password(head));
        let password = password.ok_or(Error::WrongPassword)?;
        let key = DerivedKey::derive(&password, salt);
        self.last = Some(key.clone());
        Ok(key)
    }

    /// [`decrypt`] with the key for a block's salt; the length of the plaintext.
    pub(crate) fn open(&mut self, salt: [u8; SALT_LEN], sealed: &mut [u8]) -> Result<usize> {
        let (_, len) = self.find(salt, |key| Ok(decrypt(key, sealed)?.map(|data| data.len())))?;
        Ok(len)
    }

    /// The key for a block's salt that fits, and what it gave. A ring made of a single key cannot
    /// serve another salt.
    pub(crate) fn find<T>(
        &mut self,
        salt: [u8; SALT_LEN],
        mut fits: impl FnMut(&[u8; 32]) -> Result<Option<T>>,
    ) -> Result<([u8; 32], T)> {
        if let Some(last) = self.last.as_ref().filter(|last| last.salt == salt) {
            let opened = fits(&last.key)?;
            return opened
                .map(|found| (last.key, found))
                .ok_or(Error::WrongPassword);
        }
        if self.forms.is_empty() && self.last.is_some() {
            return Err(Error::WrongPassword);
        }
        let mut found = None;
        for (at, password) in self.forms()?.enumerate() {
            let key = DerivedKey::derive(password, salt);
            if let Some(given) = fits(&key.key)? {
                found = Some((at, key, given));
                break;
            }
        }
        let (at, key, given) = found.ok_or(Error::WrongPassword)?;
        // The others are wrong for all blocks of the file.
        self.forms = vec![self.forms.swap_remove(at)];
        let right = key.key;
        self.last = Some(key);
        Ok((right, given))
    }
}

/// The password as typed, composed and decomposed, each once.
fn forms(typed: &str) -> Vec<String> {
    let mut forms = vec![typed.to_owned()];
    for form in [typed.nfc().collect::<String>(), typed.nfd().collect()] {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_passwords_have_one_form() {
        assert_eq!(forms("correct horse"), ["correct horse"]);
        assert_eq!(forms("\u{e9}"), ["\u{e9}", "e\u{301}"]);
        assert_eq!(forms("e\u{301}"), ["e\u{301}", "\u{e9}"]);
        // Neither composed nor decomposed throughout.
        assert_eq!(forms("\u{e9}e\u{301}").len(), 3);
    }
}
