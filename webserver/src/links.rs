//! Links to locally stored outputs that work for ten minutes and cannot be made up.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use splashtail_core::ids::TaskId;

/// How long a download link works, local or presigned.
pub const LIFETIME: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("this download link was not made by this site")]
    Signature,
    #[error("this download link has expired; open the download page again")]
    Expired,
}

/// Signs under `meta.link_key`. Webservers that share the key honour each other's links.
#[derive(Debug, Clone)]
pub struct LinkSigner {
    key: SecretString,
}

impl LinkSigner {
    pub fn new(key: SecretString) -> Self {
        Self { key }
    }

    /// Path and query of the link.
    pub fn sign(&self, task: TaskId, now: DateTime<Utc>) -> String {
        let expires = (now + LIFETIME).timestamp();
        let signature = URL_SAFE_NO_PAD.encode(self.mac(task, expires).finalize().into_bytes());
        format!("/tasks/{task}/output?exp={expires}&sig={signature}")
    }

    /// # Errors
    /// See [`LinkError`]. The comparison takes the same time for every signature.
    pub fn verify(
        &self,
        task: TaskId,
        expires: i64,
        signature: &str,
        now: DateTime<Utc>,
    ) -> Result<(), LinkError> {
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| LinkError::Signature)?;
        self.mac(task, expires)
            .verify_slice(&signature)
            .map_err(|_| LinkError::Signature)?;
        if now.timestamp() >= expires {
            Err(LinkError::Expired)
        } else {
            Ok(())
        }
    }

    #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn mac(&self, task: TaskId, expires: i64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose_secret().as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(format!("GET\n/tasks/{task}/output\n{expires}").as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_for_its_task_and_ten_minutes() {
        let signer = LinkSigner::new("key".to_owned().into());
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let task = TaskId::random();
        let link = signer.sign(task, now);
        let (expires, signature) = link
            .split_once("exp=")
            .unwrap()
            .1
            .split_once("&sig=")
            .unwrap();
        let expires: i64 = expires.parse().unwrap();
        assert_eq!(expires, 1_700_000_600);
        let verify = |task, expires, signature: &str, after| {
            signer.verify(task, expires, signature, now + Duration::from_secs(after))
        };
        assert_eq!(verify(task, expires, signature, 599), Ok(()));
        assert_eq!(
            verify(task, expires, signature, 600),
            Err(LinkError::Expired)
        );
        assert_eq!(
            verify(task, expires + 60, signature, 0),
            Err(LinkError::Signature)
        );
        assert_eq!(
            verify(TaskId::random(), expires, signature, 0),
            Err(LinkError::Signature)
        );
        assert_eq!(verify(task, expires, "", 0), Err(LinkError::Signature));
        assert_eq!(verify(task, expires, "%%", 0), Err(LinkError::Signature));
        let other = LinkSigner::new("other".to_owned().into());
        assert_eq!(
            other.verify(task, expires, signature, now),
            Err(LinkError::Signature)
        );
    }
}
