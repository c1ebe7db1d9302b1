//! The check of the headers that the proxy in front puts into a request. Unlike mewld's it fails
//! closed, compares in constant time, looks at the signature before it asks who is an operator, and
//! takes fields of one length only: the signed text is timestamp and user id without anything in
//! between, so a digit could else be moved from one to the other.

use std::path::Path;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha512;
use splashtail_core::config::Config;
use splashtail_core::ids::UserId;
use subtle::ConstantTimeEq;

use super::allow_list;

pub const X_DP_HOST: HeaderName = HeaderName::from_static("x-dp-host");
const X_DP_USER_ID: HeaderName = HeaderName::from_static("x-dp-userid");
const X_DP_SIGNATURE: HeaderName = HeaderName::from_static("x-dp-signature");
const X_DP_TIMESTAMP: HeaderName = HeaderName::from_static("x-dp-timestamp");

/// Seconds that the clocks of proxy and webserver may be apart.
const LARGEST_SKEW: u64 = 10;
const TIMESTAMP_DIGITS: usize = 10;

#[derive(Debug)]
pub struct DeployProxy {
    secret: Option<SecretString>,
    allowed: Vec<UserId>,
}

/// Why a request is not let in, for the log. What the client may know is [`Denied::answer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("X-DP-Host is missing")]
    NoHost,
    #[error("X-DP-UserID is missing")]
    NoUser,
    #[error("X-DP-UserID is not a user id of 17 to 20 digits")]
    BadUser,
    #[error("the operators' page is closed: the cluster file names no `allowed_ids`")]
    NobodyAllowed,
    #[error("this user is not among the `allowed_ids` of the cluster file")]
    NotAllowed,
    #[error("X-DP-Signature is missing")]
    NoSignature,
    #[error("X-DP-Timestamp is missing")]
    NoTimestamp,
    #[error("the operators' page is closed: `meta.dp_secret` is not set")]
    NoSecret,
    #[error("X-DP-Signature is wrong")]
    BadSignature,
    #[error("X-DP-Timestamp is not a time of 10 digits in unix seconds")]
    BadTimestamp,
    #[error("X-DP-Timestamp is more than 10 s off: compare the clocks")]
    WrongTime,
    #[error("neither the proxy's headers nor a sign-in")]
    NotSignedIn,
    #[error(
        "this user is not an operator: `discord_auth.root_users` or the cluster file names them"
    )]
    NoOperator,
    #[error("an operator's rights end 30 minutes after they last did something: sign in again")]
    Idle,
}

impl Denied {
    /// Whoever did not sign learns nothing: neither how far they came, nor whether an id they
    /// thought of is an operator's. The log knows.
    pub fn answer(self) -> String {
        match self {
            Self::NobodyAllowed
            | Self::NotAllowed
            | Self::NoSecret
            | Self::WrongTime
            | Self::NoOperator
            | Self::Idle => self.to_string(),
            Self::NoHost
            | Self::NoUser
            | Self::BadUser
            | Self::NoSignature
            | Self::NoTimestamp
            | Self::BadSignature
            | Self::BadTimestamp
            | Self::NotSignedIn => "sign in with Discord, or open the operators' page through \
                                    its proxy: X-DP-Host, X-DP-UserID, X-DP-Timestamp and a valid \
                                    X-DP-Signature are needed"
                .to_owned(),
        }
    }
}

impl DeployProxy {
    pub fn new(config: &Config, cluster_file: Option<&Path>) -> Self {
        Self {
            secret: config.meta.dp_secret.clone(),
            allowed: cluster_file.map(allow_list::read).unwrap_or_default(),
        }
    }

    /// Whether the request came through the proxy, or says so.
    pub fn has_signed(headers: &HeaderMap) -> bool {
        [X_DP_HOST, X_DP_USER_ID, X_DP_SIGNATURE, X_DP_TIMESTAMP]
            .iter()
            .any(|name| headers.contains_key(name))
    }

    /// Users whom the cluster file names.
    pub fn allowed(&self) -> &[UserId] {
        &self.allowed
    }

    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, headers: &HeaderMap, now: DateTime<Utc>) -> Result<UserId, Denied> {
        // These two are the installation's fault and the same for every request.
        let secret = self.secret.as_ref().map(SecretString::expose_secret);
        let secret = secret
            .filter(|secret| !secret.is_empty())
            .ok_or(Denied::NoSecret)?;
        if self.allowed.is_empty() {
            return Err(Denied::NobodyAllowed);
        }
        text(headers, &X_DP_HOST).ok_or(Denied::NoHost)?;
        let user = text(headers, &X_DP_USER_ID).ok_or(Denied::NoUser)?;
        let id = user_id(user).ok_or(Denied::BadUser)?;
        let signature = text(headers, &X_DP_SIGNATURE).ok_or(Denied::NoSignature)?;
        let timestamp = text(headers, &X_DP_TIMESTAMP).ok_or(Denied::NoTimestamp)?;
        let expected = sign(secret, timestamp, user);
        if !bool::from(expected.as_bytes().ct_eq(signature.as_bytes())) {
            return Err(Denied::BadSignature);
        }
        if timestamp.len() != TIMESTAMP_DIGITS || !is_digits(timestamp) {
            return Err(Denied::BadTimestamp);
        }
        let at: i64 = timestamp.parse().map_err(|_| Denied::BadTimestamp)?;
        if now.timestamp().abs_diff(at) > LARGEST_SKEW {
            return Err(Denied::WrongTime);
        }
        if !self.allowed.contains(&id) {
            return Err(Denied::NotAllowed);
        }
        Ok(id)
    }
}

/// The header's only value. Sent twice, it says nothing: one of them may be the client's.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().filter(|value| !value.is_empty()),
        _ => None,
    }
}

fn user_id(text: &str) -> Option<UserId> {
    if !(17..=20).contains(&text.len()) || !is_digits(text) {
        return None;
    }
    text.parse().ok()
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn sign(secret: &str, timestamp: &str, user: &str) -> String {
    let mut mac =
        Hmac::<Sha512>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(timestamp.as_bytes());
    mac.update(user.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "dp-secret";
    const NOW: &str = "1700000000";
    const USER: &str = "728871946456137770";
    /// `printf 1700000000728871946456137770 | openssl dgst -sha512 -hmac dp-secret`
    const SIGNATURE: &str = "a4967c6a872c75231c88eb7b5badb418ba27c8de249dc3570d360075f5eec3eb598fece65b1e883344747af9372fdb616792d05d754dcd59dc840205b4cd1d40";

    fn proxy(secret: Option<&str>, allowed: &[u64]) -> DeployProxy {
        DeployProxy {
            secret: secret.map(Into::into),
            allowed: allowed.iter().filter_map(|id| UserId::new(*id)).collect(),
        }
    }

    fn open() -> DeployProxy {
        proxy(
            Some(SECRET),
            &[728_871_946_456_137_770, 28_871_946_456_137_770],
        )
    }

    fn check(proxy: &DeployProxy, lines: &[(HeaderName, &str)], now: i64) -> Result<u64, Denied> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value.parse().unwrap());
        }
        let now = DateTime::from_timestamp(now, 0).unwrap();
        proxy.check(&headers, now).map(|id| id.get())
    }

    fn lines<'a>(
        host: &'a str,
        user: &'a str,
        signature: &'a str,
        time: &'a str,
    ) -> [(HeaderName, &'a str); 4] {
        [
            (X_DP_HOST, host),
            (X_DP_USER_ID, user),
            (X_DP_SIGNATURE, signature),
            (X_DP_TIMESTAMP, time),
        ]
    }

    #[test]
    fn the_first_thing_that_is_wrong_is_logged() {
        let good = lines("dash.test", USER, SIGNATURE, NOW);
        assert_eq!(
            check(&open(), &good, 1_700_000_000),
            Ok(728_871_946_456_137_770)
        );
        // Each row keeps everything after its own fault wrong, too.
        for (host, user, signature, time, expected) in [
            ("", "", "", "", Denied::NoHost),
            ("h", "", "", "", Denied::NoUser),
            ("h", "me", "", "", Denied::BadUser),
            ("h", "1234567890123456", "", "", Denied::BadUser),
            ("h", "123456789012345678901", "", "", Denied::BadUser),
            ("h", "99999999999999999999", "", "", Denied::BadUser),
            ("h", "-72887194645613777", "", "", Denied::BadUser),
            ("h", "728871946456137771", "", "", Denied::NoSignature),
            ("h", USER, "", "", Denied::NoSignature),
            ("h", USER, "x", "", Denied::NoTimestamp),
            ("h", USER, "x", "soon", Denied::BadSignature),
            ("h", USER, SIGNATURE, "1700000001", Denied::BadSignature),
        ] {
            let lines = lines(host, user, signature, time);
            assert_eq!(
                check(&open(), &lines, 0),
                Err(expected),
                "{host} {user} {signature} {time}"
            );
        }
        let upper = SIGNATURE.to_uppercase();
        for wrong in [upper.as_str(), &SIGNATURE[..127], &format!("{SIGNATURE}0")] {
            let lines = lines("h", USER, wrong, NOW);
            assert_eq!(
                check(&open(), &lines, 1_700_000_000),
                Err(Denied::BadSignature),
                "{wrong}"
            );
        }
    }

    #[test]
    fn who_did_not_sign_gets_one_answer_for_every_id() {
        let stranger = "728871946456137771";
        let mut answers = Vec::new();
        for user in [USER, stranger, "28871946456137770", "me", ""] {
            for (signature, time) in [("", ""), ("x", NOW), (SIGNATURE, ""), ("x", "soon")] {
                let lines = lines("h", user, signature, time);
                let denied = check(&open(), &lines, 1_700_000_000).unwrap_err();
                answers.push(denied.answer());
            }
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        // Whom the proxy vouches for is told what to ask for.
        let signed = sign(SECRET, NOW, stranger);
        let lines = lines("h", stranger, &signed, NOW);
        let denied = check(&open(), &lines, 1_700_000_000).unwrap_err();
        assert_eq!(denied, Denied::NotAllowed);
        assert!(denied.answer().contains("allowed_ids"));
    }

    #[test]
    fn without_a_secret_or_a_list_nobody_passes() {
        let good = lines("h", USER, SIGNATURE, NOW);
        let allowed = [728_871_946_456_137_770];
        for (proxy, expected) in [
            (proxy(Some(SECRET), &[]), Denied::NobodyAllowed),
            (proxy(None, &allowed), Denied::NoSecret),
            (proxy(Some(""), &allowed), Denied::NoSecret),
            (proxy(Some("other"), &allowed), Denied::BadSignature),
        ] {
            assert_eq!(check(&proxy, &good, 1_700_000_000), Err(expected));
        }
        // What an empty key signs is no signature.
        let signed = sign("", NOW, USER);
        let lines = lines("h", USER, &signed, NOW);
        assert_eq!(
            check(&proxy(Some(""), &allowed), &lines, 1_700_000_000),
            Err(Denied::NoSecret)
        );
    }

    #[test]
    fn both_clocks_may_be_ten_seconds_apart() {
        let good = lines("h", USER, SIGNATURE, NOW);
        for (skew, passes) in [
            (-11, false),
            (-10, true),
            (0, true),
            (10, true),
            (11, false),
        ] {
            let outcome = check(&open(), &good, 1_700_000_000 + skew);
            assert_eq!(outcome.is_ok(), passes, "{skew}: {outcome:?}");
        }
    }

    #[test]
    fn no_digit_moves_from_the_user_to_the_time() {
        // The signed text is the same, and both users are allowed.
        let lines = lines("h", "28871946456137770", SIGNATURE, "17000000007");
        assert_eq!(
            check(&open(), &lines, 1_700_000_000),
            Err(Denied::BadTimestamp)
        );
        for time in ["+170000000", " 700000000", "1.70000000"] {
            let signed = sign(SECRET, time, USER);
            let lines = self::lines("h", USER, &signed, time);
            assert_eq!(
                check(&open(), &lines, 1_700_000_000),
                Err(Denied::BadTimestamp),
                "{time}"
            );
        }
    }

    #[test]
    fn a_header_sent_twice_is_none() {
        for (at, expected) in [
            Denied::NoHost,
            Denied::NoUser,
            Denied::NoSignature,
            Denied::NoTimestamp,
        ]
        .into_iter()
        .enumerate()
        {
            let mut lines = lines("h", USER, SIGNATURE, NOW).to_vec();
            lines.push(lines[at].clone());
            assert_eq!(check(&open(), &lines, 1_700_000_000), Err(expected));
        }
    }
}
