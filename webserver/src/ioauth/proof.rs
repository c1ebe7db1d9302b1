//! What the server remembers of a login: the attempt while the browser is at Discord, the proof
//! after it came back. Both are kept under the hash of their handle.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use splashtail_core::ids::{GuildId, UserId};
use splashtail_core::random;
use splashtail_ipc::cache::Cache;
use subtle::ConstantTimeEq;

use super::Destination;
use super::discord::Identity;
use crate::error::ApiError;

/// Time to read and answer the consent page.
pub const ATTEMPT_LIFETIME: Duration = Duration::from_secs(600);
const PROOF_LIFETIME: Duration = Duration::from_secs(300);

/// Administrator and Manage Server (Discord documentation, "Bitwise Permission Flags").
const ADMINISTRATOR: u64 = 1 << 3;
const MANAGE_GUILD: u64 = 1 << 5;

/// One login on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attempt {
    dest: String,
    nonce_hash: String,
    /// PKCE.
    pub verifier: String,
}

/// What the browser gets of an attempt.
#[derive(Debug, Clone)]
pub struct Started {
    pub state: String,
    pub nonce: String,
    pub challenge: String,
}

impl Attempt {
    /// The destination was checked when the attempt began; it is checked again in case the routes
    /// changed with an upgrade meanwhile.
    pub fn destination(&self) -> Option<Destination> {
        Destination::parse(&self.dest)
    }

    /// Whether this is the browser that began the attempt. Takes the same time for every nonce.
    pub fn began_with(&self, nonce: &str) -> bool {
        hashed(nonce)
            .as_bytes()
            .ct_eq(self.nonce_hash.as_bytes())
            .into()
    }
}

#[derive(Debug, Clone)]
pub struct Attempts(pub Arc<dyn Cache>);

impl Attempts {
    /// # Errors
    /// No random bytes, or the cache failed.
    pub async fn begin(&self, destination: &Destination) -> Result<Started, ApiError> {
        let (state, nonce, verifier) = (random::secret()?, random::secret()?, random::secret()?);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let attempt = Attempt {
            dest: destination.link(None),
            nonce_hash: hashed(&nonce),
            verifier,
        };
        let value = serde_json::to_string(&attempt)?;
        self.0
            .set(&attempt_key(&state), &value, ATTEMPT_LIFETIME)
            .await?;
        Ok(Started {
            state,
            nonce,
            challenge,
        })
    }

    /// Ends the attempt: each state works once.
    ///
    /// # Errors
    /// The cache failed.
    pub async fn end(&self, state: &str) -> Result<Option<Attempt>, ApiError> {
        read(self.0.take(&attempt_key(state)).await?)
    }
}

/// The cookie that holds the nonce. Its name differs per attempt, so that two tabs do not disturb
/// each other.
pub fn nonce_cookie(state: &str) -> String {
    format!("ioauth_{}", &hashed(state)[..16])
}

/// The cookie that holds the [`LastLogin`].
pub const RETURN_COOKIE: &str = "ioauth_return";

/// Where the login that this browser began last was to lead. It opens nothing: it only spares
/// people whose login ended badly the search for the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastLogin {
    state: String,
    pub destination: Destination,
}

impl LastLogin {
    pub fn cookie(state: &str, destination: &Destination) -> String {
        format!("{}.{}", &hashed(state)[..16], destination.encode())
    }

    /// `None` for anything that is no login of ours.
    pub fn read(cookie: Option<&str>) -> Option<Self> {
        let (state, destination) = cookie?.split_once('.')?;
        Some(Self {
            state: state.to_owned(),
            destination: Destination::decode(destination).ok()?,
        })
    }

    pub fn is_of(&self, state: &str) -> bool {
        self.state == hashed(state)[..16]
    }
}

/// A user and what they may do, good for one use of one route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The path it was made for.
    route: String,
    pub user_id: UserId,
    pub username: String,
    pub guilds: Vec<GuildRights>,
}

/// What Discord's own permissions let a user do in one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuildRights {
    pub id: GuildId,
    pub owner: bool,
    pub permissions: u64,
}

impl Proof {
    pub fn new(route: &Destination, identity: Identity) -> Self {
        let Identity {
            user_id,
            username,
            guilds,
        } = identity;
        Self {
            route: route.path.clone(),
            user_id,
            username,
            guilds,
        }
    }

    /// Owner, Administrator or Manage Server.
    pub fn may_manage(&self, guild: GuildId) -> bool {
        self.guilds.iter().any(|rights| {
            rights.id == guild
                && (rights.owner || rights.permissions & (ADMINISTRATOR | MANAGE_GUILD) != 0)
        })
    }
}

#[derive(Debug, Clone)]
pub struct Proofs(pub Arc<dyn Cache>);

impl Proofs {
    /// Returns the handle.
    ///
    /// # Errors
    /// No random bytes, or the cache failed.
    pub async fn issue(&self, proof: &Proof) -> Result<String, ApiError> {
        let handle = random::secret()?;
        let value = serde_json::to_string(proof)?;
        self.0
            .set(&proof_key(&handle), &value, PROOF_LIFETIME)
            .await?;
        Ok(handle)
    }

    /// The proof behind the handle, if it was made for this path.
    ///
    /// # Errors
    /// The cache failed.
    pub async fn look_up(&self, handle: &str, path: &str) -> Result<Option<Proof>, ApiError> {
        let proof: Option<Proof> = read(self.0.get(&proof_key(handle)).await?)?;
        Ok(proof.filter(|proof| proof.route == path))
    }

    /// Uses the proof up; `false` when another request did so first.
    ///
    /// # Errors
    /// The cache failed.
    pub async fn consume(&self, handle: &str) -> Result<bool, ApiError> {
        Ok(self.0.take(&proof_key(handle)).await?.is_some())
    }
}

fn read<T: DeserializeOwned>(value: Option<String>) -> Result<Option<T>, ApiError> {
    Ok(value
        .map(|value| serde_json::from_str(&value))
        .transpose()?)
}

fn hashed(secret: &str) -> String {
    hex::encode(Sha256::digest(secret))
}

fn attempt_key(state: &str) -> String {
    format!("ioauth:state:{}", hashed(state))
}

fn proof_key(handle: &str) -> String {
    format!("ioauth:{}", hashed(handle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manage_server_administrator_and_ownership_count_in_their_own_server() {
        let guild = |id| GuildId::new(id).unwrap();
        let rights = |id, owner, permissions| GuildRights {
            id: guild(id),
            owner,
            permissions,
        };
        let proof = Proof {
            route: "/x".to_owned(),
            user_id: UserId::new(1).unwrap(),
            username: "u".to_owned(),
            guilds: vec![
                rights(1, false, 0x8),
                rights(2, false, 0x20),
                rights(3, true, 0),
                rights(4, false, !(0x28)),
            ],
        };
        for (id, may) in [(1, true), (2, true), (3, true), (4, false), (5, false)] {
            assert_eq!(proof.may_manage(guild(id)), may, "{id}");
        }
    }

    #[test]
    fn the_nonce_is_compared_by_hash() {
        let attempt = Attempt {
            dest: String::new(),
            nonce_hash: hashed("n"),
            verifier: String::new(),
        };
        assert!(attempt.began_with("n"));
        assert!(!attempt.began_with(""));
        assert!(!attempt.began_with(&hashed("n")));
    }
}
