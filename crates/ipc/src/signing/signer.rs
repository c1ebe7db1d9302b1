//! Signing a request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use http::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use splashtail_core::clock::SharedClock;
use splashtail_core::random;

use super::base::{mac, signature_base};
use super::{ALGORITHM, COMPONENTS, LABEL, content_digest};

/// Signs as one client for one daemon.
#[derive(Debug, Clone)]
pub struct Signer {
    client: String,
    secret: SecretString,
    tag: String,
    clock: SharedClock,
}

#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("a streaming body cannot be signed")]
    StreamingBody,
    #[error("no nonce")]
    Random(#[from] random::RandomError),
    #[error("the client name or tag {0:?} cannot stand in a header")]
    Name(String),
}

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("signature");
pub(super) const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");

impl Signer {
    pub fn new(
        client: impl Into<String>,
        secret: SecretString,
        tag: impl Into<String>,
        clock: SharedClock,
    ) -> Self {
        Self {
            client: client.into(),
            secret,
            tag: tag.into(),
            clock,
        }
    }

    /// The same client, calling another daemon.
    pub fn with_tag(&self, tag: impl Into<String>) -> Self {
        Self {
            tag: tag.into(),
            ..self.clone()
        }
    }

    /// Adds digest and signature, replacing those that are there. Sign each attempt anew: a nonce
    /// counts once.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn sign(&self, request: &mut reqwest::Request) -> Result<(), SignError> {
        let body = match request.body() {
            Some(body) => body.as_bytes().ok_or(SignError::StreamingBody)?,
            None => b"",
        };
        let headers = self.headers(
            request.method().as_str(),
            request.url().path(),
            request.url().query(),
            body,
        )?;
        for (name, value) in headers {
            request.headers_mut().insert(name, value);
        }
        Ok(())
    }

    /// The three headers for a request in any other representation.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn headers(
        &self,
        method: &str,
        path: &str,
        query: Option<&str>,
        body: &[u8],
    ) -> Result<[(HeaderName, HeaderValue); 3], SignError> {
        let nonce = STANDARD.encode(random::bytes::<16>()?);
        let digest = content_digest(body);
        let query = format!("?{}", query.unwrap_or_default());
        let covered: Vec<String> = COMPONENTS
            .iter()
            .map(|name| format!("\"{name}\""))
            .collect();
        let parameters = format!(
            "({});created={};nonce=\"{nonce}\";keyid=\"{}\";alg=\"{ALGORITHM}\";tag=\"{}\"",
            covered.join(" "),
            self.clock.now().timestamp(),
            self.client,
            self.tag,
        );
        let values = [method, path, &query, &digest];
        let components: Vec<_> = COMPONENTS.into_iter().zip(values).collect();
        let base = signature_base(&components, &parameters);
        let name_error = || SignError::Name(format!("{} {}", self.client, self.tag));
        let mac = mac(self.secret.expose_secret().as_bytes(), &base).ok_or_else(name_error)?;
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let value = |text: String| HeaderValue::from_str(&text).map_err(|_| name_error());
        Ok([
            (CONTENT_DIGEST, value(digest)?),
            (SIGNATURE_INPUT, value(format!("{LABEL}={parameters}"))?),
            (SIGNATURE, value(format!("{LABEL}=:{signature}:"))?),
        ])
    }
}
