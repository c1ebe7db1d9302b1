//! Authorization codes and refresh tokens; access tokens live in the world, where requests meet
//! them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use splashtail_sandbox_world::world::{AccessToken, Id, World};

/// Lifetime of an authorization code.
const CODE_MS: i64 = 60_000;
/// Lifetime of an access token, in seconds, as answered in `expires_in`.
pub const TOKEN_S: i64 = 604_800;
/// Lifetime of a refresh token. Discord names none; half a year is longer than anything waits here.
const REFRESH_MS: i64 = 180 * 86_400_000;
/// Least time between two looks for tokens that are dead.
const SWEEP_MS: i64 = 60_000;

/// How the token request has to prove that it comes from whoever asked for the code (RFC 7636).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    S256(String),
    Plain(String),
}

impl Challenge {
    fn is_met(&self, verifier: Option<&str>) -> bool {
        let Some(verifier) = verifier else {
            return false;
        };
        match self {
            Self::Plain(challenge) => challenge == verifier,
            Self::S256(challenge) => {
                URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) == *challenge
            }
        }
    }
}

/// What a user let an application do, and what the code has to be redeemed with.
#[derive(Debug, Clone)]
pub struct Consented {
    pub app: Id,
    pub user: Id,
    pub scopes: Vec<String>,
    pub redirect_uri: String,
    pub challenge: Option<Challenge>,
}

/// A fresh pair of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    pub access_token: String,
    /// Absent for client credentials.
    pub refresh_token: Option<String>,
    pub scopes: Vec<String>,
}

#[derive(Debug, Clone)]
struct Renewal {
    access_token: String,
    app: Id,
    user: Id,
    scopes: Vec<String>,
    /// In steady time.
    expires_ms: i64,
}

#[derive(Debug, Default)]
struct Inner {
    issued: u64,
    /// When dead tokens were last forgotten, in steady time.
    swept_ms: i64,
    /// With when they expire, in steady time.
    codes: HashMap<String, (Consented, i64)>,
    refresh: HashMap<String, Renewal>,
}

impl Inner {
    /// Secrets follow from the world's seed and a counter: a script meets the same ones again.
    fn secret(&mut self, world: &World) -> String {
        self.issued += 1;
        world.secret(&format!("oauth {}", self.issued), 30)
    }

    /// Forgets tokens that are dead of age.
    fn sweep(&mut self, world: &mut World) {
        let now = world.steady_ms();
        if now < self.swept_ms.saturating_add(SWEEP_MS) {
            return;
        }
        self.swept_ms = now;
        world
            .access_tokens
            .retain(|_, grant| grant.expires_ms > now);
        self.refresh.retain(|_, renewal| renewal.expires_ms > now);
    }
}

/// Every code and refresh token.
#[derive(Debug, Default)]
pub struct Grants {
    inner: Mutex<Inner>,
}

impl Grants {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything issued so far.
    pub fn clear(&self) {
        *self.inner() = Inner::default();
    }

    /// Issues a code.
    pub fn authorize(&self, world: &World, consented: Consented) -> String {
        let mut inner = self.inner();
        let now = world.steady_ms();
        inner.codes.retain(|_, (_, expires)| *expires > now);
        let code = inner.secret(world);
        inner.codes.insert(code.clone(), (consented, now + CODE_MS));
        code
    }

    /// Redeems a code. Any attempt uses it up.
    pub fn redeem(
        &self,
        world: &mut World,
        code: &str,
        app: Id,
        redirect_uri: &str,
        verifier: Option<&str>,
    ) -> Option<Issued> {
        let mut inner = self.inner();
        let (consented, expires) = inner.codes.remove(code)?;
        let proven = consented
            .challenge
            .as_ref()
            .is_none_or(|c| c.is_met(verifier));
        let valid = consented.app == app
            && expires > world.steady_ms()
            && consented.redirect_uri == redirect_uri
            && proven;
        valid.then(|| {
            issue(
                &mut inner,
                world,
                app,
                consented.user,
                consented.scopes,
                true,
            )
        })
    }

    /// Trades a refresh token for a new pair; the old pair is dead.
    pub fn refresh(&self, world: &mut World, token: &str, app: Id) -> Option<Issued> {
        let mut inner = self.inner();
        let known = inner.refresh.get(token)?;
        if known.app != app || known.expires_ms <= world.steady_ms() {
            return None;
        }
        let old = inner.refresh.remove(token)?;
        world.access_tokens.remove(&old.access_token);
        Some(issue(&mut inner, world, app, old.user, old.scopes, true))
    }

    /// A token without a refresh token, for client credentials.
    pub fn grant(&self, world: &mut World, app: Id, user: Id, scopes: Vec<String>) -> Issued {
        issue(&mut self.inner(), world, app, user, scopes, false)
    }

    /// A person withdraws an application's access: every token, code and refresh token is dead.
    pub fn deauthorise(&self, world: &mut World, app: Id, user: Id) {
        let mut inner = self.inner();
        world
            .access_tokens
            .retain(|_, g| g.app != app || g.user != user);
        inner.refresh.retain(|_, r| r.app != app || r.user != user);
        inner
            .codes
            .retain(|_, (c, _)| c.app != app || c.user != user);
    }

    /// Revokes a token of `app`, and with it all tokens of the same authorization: of that person (Discord
    /// documentation, "OAuth2", "Token Revocation Example"). Unknown tokens are no error (RFC 7009).
    pub fn revoke(&self, world: &mut World, token: &str, app: Id) {
        let mut inner = self.inner();
        let by_refresh = inner.refresh.get(token).map(|r| (r.app, r.user));
        let by_access = world.access_tokens.get(token).map(|g| (g.app, g.user));
        let Some((_, user)) = by_refresh.or(by_access).filter(|(owner, _)| *owner == app) else {
            return;
        };
        world
            .access_tokens
            .retain(|_, g| g.app != app || g.user != user);
        inner.refresh.retain(|_, r| r.app != app || r.user != user);
    }
}

fn issue(
    inner: &mut Inner,
    world: &mut World,
    app: Id,
    user: Id,
    scopes: Vec<String>,
    renewable: bool,
) -> Issued {
    inner.sweep(world);
    let now = world.steady_ms();
    let expires_ms = now + TOKEN_S * 1000;
    let access_token = inner.secret(world);
    let grant = AccessToken {
        app,
        user,
        scopes: scopes.clone(),
        expires_ms,
    };
    world.access_tokens.insert(access_token.clone(), grant);
    let refresh_token = renewable.then(|| inner.secret(world));
    if let Some(refresh) = &refresh_token {
        let access_token = access_token.clone();
        let renewal = Renewal {
            access_token,
            app,
            user,
            scopes: scopes.clone(),
            expires_ms: now + REFRESH_MS,
        };
        inner.refresh.insert(refresh.clone(), renewal);
    }
    Issued {
        access_token,
        refresh_token,
        scopes,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use splashtail_sandbox_world::clock::SandboxClock;
    use splashtail_sandbox_world::world::Addresses;

    const REDIRECT: &str = "http://127.0.0.1:1/ioauth/login";

    struct Bench {
        grants: Grants,
        world: World,
        clock: Arc<SandboxClock>,
    }

    fn bench() -> Bench {
        let clock = Arc::new(SandboxClock::frozen(
            "2026-01-01T00:00:00Z".parse().unwrap(),
        ));
        let addresses = Addresses {
            rest: String::new(),
            gateway: String::new(),
        };
        let world = World::empty("test", 1, &addresses, &clock);
        Bench {
            grants: Grants::default(),
            world,
            clock,
        }
    }

    impl Bench {
        fn code(&self, challenge: Option<Challenge>) -> String {
            self.grants.authorize(
                &self.world,
                Consented {
                    app: Id(1),
                    user: Id(2),
                    scopes: vec!["identify".into()],
                    redirect_uri: REDIRECT.into(),
                    challenge,
                },
            )
        }

        fn redeem(
            &mut self,
            code: &str,
            app: u64,
            uri: &str,
            verifier: Option<&str>,
        ) -> Option<Issued> {
            self.grants
                .redeem(&mut self.world, code, Id(app), uri, verifier)
        }
    }

    #[tokio::test]
    async fn codes_work_once_for_one_client_and_redirect() {
        let mut b = bench();
        let code = b.code(None);
        assert!(
            b.redeem(&code, 1, "http://127.0.0.1:1/ioauth/login/", None)
                .is_none()
        );
        assert!(
            b.redeem(&code, 1, REDIRECT, None).is_none(),
            "the attempt used it up"
        );
        let code = b.code(None);
        assert!(
            b.redeem(&code, 7, REDIRECT, None).is_none(),
            "another client"
        );
        let code = b.code(None);
        b.clock.advance(Duration::from_millis(CODE_MS as u64));
        assert!(b.redeem(&code, 1, REDIRECT, None).is_none(), "expired");
        let code = b.code(None);
        let issued = b.redeem(&code, 1, REDIRECT, None).unwrap();
        assert!(
            b.world
                .grant(&issued.access_token)
                .unwrap()
                .allows("identify")
        );
        b.clock.set(b.clock.now() - chrono::TimeDelta::days(1));
        b.clock.advance(Duration::from_secs(TOKEN_S as u64 - 1));
        assert!(b.world.grant(&issued.access_token).is_some());
        b.clock.advance(Duration::from_secs(1));
        assert!(b.world.grant(&issued.access_token).is_none());
    }

    #[tokio::test]
    async fn pkce_needs_the_verifier() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let mut b = bench();
        for (given, ok) in [
            (None, false),
            (Some("wrong"), false),
            (Some(verifier), true),
        ] {
            let code = b.code(Some(Challenge::S256(challenge.into())));
            assert_eq!(b.redeem(&code, 1, REDIRECT, given).is_some(), ok);
        }
    }

    #[tokio::test]
    async fn revoking_either_half_kills_both() {
        for by_refresh in [true, false] {
            let mut b = bench();
            let code = b.code(None);
            let issued = b.redeem(&code, 1, REDIRECT, None).unwrap();
            let refresh = issued.refresh_token.unwrap();
            let half = if by_refresh {
                &refresh
            } else {
                &issued.access_token
            };
            b.grants.revoke(&mut b.world, half, Id(1));
            assert!(b.world.grant(&issued.access_token).is_none());
            assert!(b.grants.refresh(&mut b.world, &refresh, Id(1)).is_none());
        }
    }

    #[tokio::test]
    async fn revoking_ends_the_whole_authorization_of_the_person() {
        let mut b = bench();
        let login = b.code(None);
        let login = b.redeem(&login, 1, REDIRECT, None).unwrap();
        let other = b.code(None);
        let other = b.redeem(&other, 1, REDIRECT, None).unwrap();
        b.grants.revoke(&mut b.world, &other.access_token, Id(9));
        assert!(b.world.grant(&login.access_token).is_some(), "not theirs");
        b.grants.revoke(&mut b.world, "nobody's", Id(1));
        assert!(b.world.grant(&login.access_token).is_some());
        b.grants.revoke(&mut b.world, &other.access_token, Id(1));
        assert!(b.world.grant(&login.access_token).is_none());
        let refresh = login.refresh_token.unwrap();
        assert!(b.grants.refresh(&mut b.world, &refresh, Id(1)).is_none());
    }

    #[tokio::test]
    async fn tokens_that_are_dead_of_age_are_forgotten() {
        let mut b = bench();
        let pair = |b: &mut Bench| {
            let code = b.code(None);
            b.redeem(&code, 1, REDIRECT, None).unwrap()
        };
        let old = pair(&mut b).refresh_token.unwrap();
        b.clock.advance(Duration::from_secs(TOKEN_S as u64));
        pair(&mut b);
        assert_eq!(b.world.access_tokens.len(), 1);
        assert_eq!(b.grants.inner().refresh.len(), 2, "they renew for longer");
        b.clock.advance(Duration::from_millis(REFRESH_MS as u64));
        assert!(b.grants.refresh(&mut b.world, &old, Id(1)).is_none());
        pair(&mut b);
        let held = (b.world.access_tokens.len(), b.grants.inner().refresh.len());
        assert_eq!(held, (1, 1));
    }

    #[tokio::test]
    async fn refreshing_replaces_the_pair() {
        let mut b = bench();
        let code = b.code(None);
        let old = b.redeem(&code, 1, REDIRECT, None).unwrap();
        let refresh = old.refresh_token.unwrap();
        assert!(
            b.grants.refresh(&mut b.world, &refresh, Id(9)).is_none(),
            "another client"
        );
        let new = b.grants.refresh(&mut b.world, &refresh, Id(1)).unwrap();
        assert!(b.world.grant(&old.access_token).is_none());
        assert!(b.world.grant(&new.access_token).is_some());
    }
}
