//! Checking a request.

use std::collections::BTreeMap;
use std::sync::Arc;

use hmac::Mac;
use http::header::{AUTHORIZATION, HeaderName};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use splashtail_core::clock::SharedClock;
use subtle::ConstantTimeEq;

use super::base::{mac, signature_base};
use super::gate::Caller;
use super::input::{SignatureInput, parse_signature};
use super::replay::{ReplayCache, Use};
use super::signer::{CONTENT_DIGEST, SIGNATURE, SIGNATURE_INPUT};
use super::{COMPONENTS, SIGN_AGAIN, WINDOW, content_digest};
use crate::cache::CacheError;

/// Why a call is refused. The text goes back to the caller; it never tells which secret exists.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    #[error("this call needs an RFC 9421 signature")]
    Missing,
    #[error("the signature is not of the required form")]
    Form,
    #[error("the signature is for another daemon")]
    Tag,
    #[error("the signature was made too long ago or in the future: compare the clocks")]
    Time,
    #[error("the content digest does not match the body")]
    Digest,
    #[error("the signature is wrong")]
    Wrong,
    #[error("the nonce was used before")]
    Replayed,
    /// The call may have been taken by a predecessor, of this process or of the memory it asks;
    /// nothing was done now.
    #[error(
        "what this daemon remembers of calls began after this one was signed: sign it again in \
         {wait_s} s"
    )]
    BeforeStart { wait_s: u64 },
    #[error("whether the call was made before cannot be known now: try again in a moment")]
    ReplayCache(#[source] CacheError),
    #[error(
        "client secrets in the Authorization header are switched off (`meta.plain_client_secret`)"
    )]
    PlainOff,
    #[error("the Authorization header names no known client with its secret")]
    PlainWrong,
    #[error("client {0:?} may not do this")]
    NotAllowed(String),
}

impl SignatureError {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::PlainWrong | Self::NotAllowed(_) => StatusCode::FORBIDDEN,
            Self::ReplayCache(_) | Self::BeforeStart { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "signature_required",
            Self::Form => "malformed_signature",
            Self::Tag => "signature_for_another_daemon",
            Self::Time => "signature_expired",
            Self::Digest => "digest_mismatch",
            Self::Wrong => "wrong_signature",
            Self::Replayed => "replayed_nonce",
            Self::BeforeStart { .. } => SIGN_AGAIN,
            Self::ReplayCache(_) => "unavailable",
            Self::PlainOff => "plain_secret_disabled",
            Self::PlainWrong => "wrong_client_secret",
            Self::NotAllowed(_) => "forbidden",
        }
    }

    /// Seconds after which the caller should try again, where that may help.
    pub(super) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::BeforeStart { wait_s } => Some(*wait_s),
            Self::ReplayCache(_) => Some(MEMORY_PAUSE_S),
            _ => None,
        }
    }
}

/// Pause for a memory of nonces that is full or away.
const MEMORY_PAUSE_S: u64 = 5;

/// Checks calls to one daemon. Clones share the memory of nonces.
#[derive(Debug, Clone)]
pub struct Verifier {
    secrets: Arc<BTreeMap<String, SecretString>>,
    tag: String,
    plain_allowed: bool,
    clock: SharedClock,
    replays: ReplayCache,
}

impl Verifier {
    /// `secrets` maps client names to their secrets. With `plain_allowed` the original's
    /// `Authorization: <client> <secret>` is accepted besides signatures.
    pub fn new(
        secrets: BTreeMap<String, SecretString>,
        tag: impl Into<String>,
        plain_allowed: bool,
        clock: SharedClock,
    ) -> Self {
        // An empty secret would be one that everybody knows.
        let secrets = secrets
            .into_iter()
            .filter(|(_, secret)| !secret.expose_secret().is_empty());
        let replays = ReplayCache::local(Arc::clone(&clock));
        Self {
            secrets: Arc::new(secrets.collect()),
            tag: tag.into(),
            plain_allowed,
            clock,
            replays,
        }
    }

    /// Replicas share the memory of nonces.
    #[must_use]
    pub fn with_replay_cache(mut self, replays: ReplayCache) -> Self {
        self.replays = replays;
        self
    }

    /// Who signed the request. `path` is the one of the request line, before any router cut a
    /// prefix off it.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub async fn verify(&self, parts: &Parts, body: &[u8]) -> Result<Caller, SignatureError> {
        let uri = match parts.extensions.get::<axum::extract::OriginalUri>() {
            Some(original) => &original.0,
            None => &parts.uri,
        };
        let header = |name: HeaderName| single(&parts.headers, &name);
        let (Some(input), Some(signature)) = (header(SIGNATURE_INPUT)?, header(SIGNATURE)?) else {
            return self.verify_plain(&parts.headers);
        };
        let input = SignatureInput::parse(input).ok_or(SignatureError::Form)?;
        let signature = parse_signature(signature).ok_or(SignatureError::Form)?;
        let digest = header(CONTENT_DIGEST)?.ok_or(SignatureError::Form)?;
        if input.tag != self.tag {
            return Err(SignatureError::Tag);
        }
        let age = self.clock.now().timestamp().abs_diff(input.created);
        if age > WINDOW.as_secs() {
            return Err(SignatureError::Time);
        }
        // Nobody outside learns from this comparison: both sides are the caller's own.
        if digest != content_digest(body) {
            return Err(SignatureError::Digest);
        }
        let query = format!("?{}", uri.query().unwrap_or_default());
        let values = [parts.method.as_str(), uri.path(), &query, digest];
        let components: Vec<_> = COMPONENTS.into_iter().zip(values).collect();
        let base = signature_base(&components, input.parameters);
        // An unknown client costs as much time as a known one.
        let secret = self.secrets.get(input.client);
        let key = secret.map_or("", |secret| secret.expose_secret());
        let mac = mac(key.as_bytes(), &base).ok_or(SignatureError::Wrong)?;
        if mac.verify_slice(&signature).is_err() || secret.is_none() {
            return Err(SignatureError::Wrong);
        }
        let noted = self
            .replays
            .note(&self.tag, input.client, input.nonce, input.created)
            .await
            .map_err(SignatureError::ReplayCache)?;
        match noted {
            Use::First => Ok(Caller {
                client: input.client.to_owned(),
            }),
            Use::Again => Err(SignatureError::Replayed),
            Use::Forgotten { wait_s } => Err(SignatureError::BeforeStart { wait_s }),
        }
    }

    fn verify_plain(&self, headers: &HeaderMap) -> Result<Caller, SignatureError> {
        let Some(header) = headers.get(AUTHORIZATION) else {
            return Err(SignatureError::Missing);
        };
        if !self.plain_allowed {
            return Err(SignatureError::PlainOff);
        }
        let parts = header
            .to_str()
            .map_err(|_| SignatureError::PlainWrong)?
            .split_once(' ');
        let (client, given) = parts.ok_or(SignatureError::PlainWrong)?;
        let secret = self.secrets.get(client);
        let expected = secret.map_or("", |secret| secret.expose_secret());
        // Hashed first, so that neither length nor content shows in the time it takes.
        let same = Sha256::digest(expected).ct_eq(&Sha256::digest(given));
        if secret.is_some() && bool::from(same) {
            Ok(Caller {
                client: client.to_owned(),
            })
        } else {
            Err(SignatureError::PlainWrong)
        }
    }
}

/// A header that may come once.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, SignatureError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(SignatureError::Form);
    }
    value.to_str().map(Some).map_err(|_| SignatureError::Form)
}
