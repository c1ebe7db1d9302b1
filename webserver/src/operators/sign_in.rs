//! Operators who signed in with Discord: a signed cookie says who they are. It opens nothing by
//! itself, since whether somebody is an operator is asked at every request.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use splashtail_core::ids::UserId;

use super::deploy_proxy::Denied;

pub const COOKIE: &str = "operator";
pub const SIGN_IN_LIFETIME: Duration = Duration::from_secs(1800);

/// Signs under `meta.link_key`. What is signed begins like nothing else that is signed with it.
#[derive(Debug, Clone)]
pub struct SignIns {
    key: SecretString,
}

impl SignIns {
    pub fn new(key: SecretString) -> Self {
        Self { key }
    }

    /// The cookie's value: `<user>.<ends, unix seconds>.<signature>`.
    pub fn issue(&self, user: UserId, now: DateTime<Utc>) -> String {
        let ends = (now + SIGN_IN_LIFETIME).timestamp();
        let signature = self.mac(user, ends).finalize().into_bytes();
        format!("{user}.{ends}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// # Errors
    /// It was not made here, or has ended. The comparison takes the same time for every signature.
    pub fn check(&self, cookie: &str, now: DateTime<Utc>) -> Result<UserId, Denied> {
        let mut parts = cookie.split('.');
        let (Some(user), Some(ends), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Denied::NotSignedIn);
        };
        let user: UserId = user.parse().map_err(|_| Denied::NotSignedIn)?;
        let ends: i64 = ends.parse().map_err(|_| Denied::NotSignedIn)?;
        let signature = URL_SAFE_NO_PAD.decode(signature);
        let signature = signature.map_err(|_| Denied::NotSignedIn)?;
        let signed = self.mac(user, ends).verify_slice(&signature);
        signed.map_err(|_| Denied::NotSignedIn)?;
        if now.timestamp() >= ends {
            return Err(Denied::SignInEnded);
        }
        Ok(user)
    }

    #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn mac(&self, user: UserId, ends: i64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose_secret().as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(format!("operator\n{user}\n{ends}").as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_good_for_half_an_hour_and_cannot_be_made_up() {
        let sign_ins = SignIns::new("key".to_owned().into());
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let user = UserId::new(10).unwrap();
        let cookie = sign_ins.issue(user, now);
        assert_eq!(sign_ins.check(&cookie, now), Ok(user));
        let last = now + Duration::from_secs(1799);
        assert_eq!(sign_ins.check(&cookie, last), Ok(user));
        let over = now + SIGN_IN_LIFETIME;
        assert_eq!(sign_ins.check(&cookie, over), Err(Denied::SignInEnded));
        let other = SignIns::new("other".to_owned().into()).issue(user, now);
        let longer = cookie.replacen("1700001800", "1800001800", 1);
        let somebody_else = cookie.replacen("10.", "11.", 1);
        for forged in [
            other,
            longer,
            somebody_else,
            String::new(),
            "10.5".to_owned(),
            format!("{cookie}.x"),
        ] {
            assert_eq!(
                sign_ins.check(&forged, now),
                Err(Denied::NotSignedIn),
                "{forged}"
            );
        }
    }
}
