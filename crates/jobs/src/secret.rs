//! Secrets of jobs: in clear only in memory, at rest only wrapped.

use std::fmt;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use splashtail_core::ids::TaskId;
use splashtail_core::random::{self, RandomError};

/// Bytes that are wiped when dropped and that no debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl AsRef<[u8]> for SecretBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}

const VERSION: u8 = 1;
const NONCE_LEN: usize = 12;
/// Binds a wrapped secret to its use.
const PURPOSE: &[u8] = b"splashtail job secret v1 ";

/// The installation's `data_key`.
#[derive(Clone)]
pub struct DataKey(Aes256Gcm);

#[derive(Debug, thiserror::Error)]
#[error("`meta.data_key` is not the base64 of 32 bytes")]
pub struct InvalidDataKey;

/// The secret was wrapped under another key, for another task, or was damaged.
#[derive(Debug, thiserror::Error)]
#[error("the stored secret cannot be decrypted with `meta.data_key`")]
pub struct Unreadable;

impl DataKey {
    /// # Errors
    /// It is not the base64 of 32 bytes.
    pub fn parse(text: &SecretString) -> Result<Self, InvalidDataKey> {
        let bytes = STANDARD
            .decode(text.expose_secret().trim())
            .map_err(|_| InvalidDataKey)?;
        let bytes: [u8; 32] = Zeroizing::new(bytes)
            .as_slice()
            .try_into()
            .map_err(|_| InvalidDataKey)?;
        Ok(Self(Aes256Gcm::new(&Key::<Aes256Gcm>::from(bytes))))
    }

    /// Version, nonce, ciphertext with tag. It opens for this task only.
    pub(crate) fn wrap(&self, task: TaskId, secret: &SecretBytes) -> Result<Vec<u8>, RandomError> {
        self.seal(&associated(task, ""), secret)
    }

    /// The same for what is kept of somebody or something that is no task; it opens under this name
    /// only.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn wrap_named(&self, name: &str, secret: &SecretBytes) -> Result<Vec<u8>, RandomError> {
        self.seal(&named(name), secret)
    }

    /// # Errors
    /// It was wrapped under another key or name, or was damaged.
    pub fn unwrap_named(&self, name: &str, wrapped: &[u8]) -> Result<SecretBytes, Unreadable> {
        self.open(&named(name), wrapped)
    }

    /// The same for a secret that a step made. It opens for this step only.
    pub(crate) fn wrap_step(
        &self,
        task: TaskId,
        step: &str,
        secret: &SecretBytes,
    ) -> Result<Vec<u8>, RandomError> {
        self.seal(&associated(task, step), secret)
    }

    fn seal(&self, aad: &[u8], secret: &SecretBytes) -> Result<Vec<u8>, RandomError> {
        let nonce = random::bytes::<NONCE_LEN>()?;
        let payload = Payload {
            msg: secret.as_ref(),
            aad,
        };
        let sealed = self
            .0
            .encrypt(&Nonce::from(nonce), payload)
            .expect("a secret in memory is far below the cipher's limit of 64 GiB");
        let mut wrapped = vec![VERSION];
        wrapped.extend_from_slice(&nonce);
        wrapped.extend_from_slice(&sealed);
        Ok(wrapped)
    }

    pub(crate) fn unwrap(&self, task: TaskId, wrapped: &[u8]) -> Result<SecretBytes, Unreadable> {
        self.open(&associated(task, ""), wrapped)
    }

    pub(crate) fn unwrap_step(
        &self,
        task: TaskId,
        step: &str,
        wrapped: &[u8],
    ) -> Result<SecretBytes, Unreadable> {
        self.open(&associated(task, step), wrapped)
    }

    fn open(&self, aad: &[u8], wrapped: &[u8]) -> Result<SecretBytes, Unreadable> {
        let (&VERSION, rest) = wrapped.split_first().ok_or(Unreadable)? else {
            return Err(Unreadable);
        };
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Unreadable)?;
        let payload = Payload { msg: sealed, aad };
        let opened = self
            .0
            .decrypt(&Nonce::from(*nonce), payload)
            .map_err(|_| Unreadable)?;
        Ok(SecretBytes::from(opened))
    }
}

/// The id has a fixed length: what follows it is the step's name.
fn associated(task: TaskId, step: &str) -> Vec<u8> {
    [PURPOSE, task.get().as_bytes(), step.as_bytes()].concat()
}

/// No task's text begins like this.
fn named(name: &str) -> Vec<u8> {
    [b"splashtail named secret v1 ", name.as_bytes()].concat()
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> DataKey {
        DataKey::parse(&STANDARD.encode([byte; 32]).into()).unwrap()
    }

    #[test]
    fn a_wrapped_secret_opens_for_its_task_and_key_alone() {
        let task = TaskId::random();
        let secret = SecretBytes::from(b"derived key".to_vec());
        let wrapped = key(1).wrap(task, &secret).unwrap();
        assert!(!wrapped.windows(7).any(|window| window == b"derived"));
        assert_ne!(
            wrapped,
            key(1).wrap(task, &secret).unwrap(),
            "a nonce is used once"
        );
        assert_eq!(key(1).unwrap(task, &wrapped).unwrap(), secret);
        assert!(key(2).unwrap(task, &wrapped).is_err());
        assert!(key(1).unwrap(TaskId::random(), &wrapped).is_err());
        let of_step = key(1).wrap_step(task, "webhook", &secret).unwrap();
        assert_eq!(
            key(1).unwrap_step(task, "webhook", &of_step).unwrap(),
            secret
        );
        assert!(key(1).unwrap_step(task, "other", &of_step).is_err());
        assert!(key(1).unwrap(task, &of_step).is_err());
        let of_name = key(1).wrap_named("user/1", &secret).unwrap();
        assert_eq!(key(1).unwrap_named("user/1", &of_name).unwrap(), secret);
        assert!(key(1).unwrap_named("user/2", &of_name).is_err());
        assert!(key(1).unwrap(task, &of_name).is_err());
        for at in 0..wrapped.len() {
            let mut damaged = wrapped.clone();
            damaged[at] ^= 1;
            assert!(key(1).unwrap(task, &damaged).is_err(), "byte {at}");
            assert!(key(1).unwrap(task, &wrapped[..at]).is_err(), "cut at {at}");
        }
        assert_eq!(
            format!("{secret:?} {:?}", key(1)),
            "SecretBytes(..) DataKey(..)"
        );
    }

    #[test]
    fn a_data_key_has_32_bytes() {
        for text in ["", "AAAA", "not base64", &STANDARD.encode([0; 33])] {
            assert!(DataKey::parse(&text.to_owned().into()).is_err(), "{text}");
        }
    }
}
