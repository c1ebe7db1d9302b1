//! Signed calls between daemons: RFC 9421 HTTP message signatures with one fixed profile.
//!
//! Label `sig1`; covered components, in this order, `"@method" "@path" "@query"
//! "content-digest"`; parameters `created`, `nonce`, `keyid` (the client's name), `alg`
//! (`hmac-sha256`) and `tag` (which daemon is meant). The digest is RFC 9530 `sha-256` and covers
//! the empty body too. The key is the UTF-8 bytes of the client's secret.
//!
//! This is our own implementation rather than `httpsig`. The profile leaves one way to sign, so
//! what is needed of RFC 9421 is one signature base; the library brings three families of
//! elliptic curves for algorithms that are never accepted here, and the part that protects, a
//! verifier which insists on the whole profile, on the body's hash, on the time window and on
//! fresh nonces, is left to its user anyway. The RFC's own vectors prove the base and the MAC.

mod base;
mod digest;
mod gate;
mod input;
mod replay;
mod signer;
mod verifier;

use std::time::Duration;

pub use digest::content_digest;
pub use gate::{Caller, SignatureGate, require_signature};
pub use replay::ReplayCache;
pub use signer::{SignError, Signer};
pub use verifier::{SignatureError, Verifier};

/// Code of the refusal that asks for a new signature of the same call.
pub(crate) const SIGN_AGAIN: &str = "sign_again";

pub(crate) const LABEL: &str = "sig1";
pub(crate) const ALGORITHM: &str = "hmac-sha256";
pub(crate) const COMPONENTS: [&str; 4] = ["@method", "@path", "@query", "content-digest"];

/// How far a signature's `created` may lie from the verifier's clock, either way.
pub const WINDOW: Duration = Duration::from_secs(30);
/// How long a nonce is remembered; twice the window's full width.
pub const NONCE_MEMORY: Duration = Duration::from_secs(120);

/// The `tag` of a daemon: a signature made for one is worth nothing to another.
pub mod tag {
    use splashtail_core::ids::ClusterId;

    pub const JOBSERVER: &str = "jobserver";
    pub const CLUSTERER: &str = "clusterer";

    pub fn iserver(cluster: ClusterId) -> String {
        format!("iserver:{cluster}")
    }
}

#[cfg(test)]
mod tests;
