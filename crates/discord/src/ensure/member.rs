use chrono::{DateTime, SecondsFormat, Utc};
use http::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use splashtail_core::ids::{GuildId, UserId};

use super::{Acting, EnsureError, Ensured, Outcome, fields, gone_is_fine};
use crate::snowflake::{id, ids};

impl Acting {
    /// A member with the roles of `add` and without those of `remove`; all others stay. One call
    /// whatever the number. Managed roles can be in neither list.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_member_roles(
        &self,
        guild: GuildId,
        member: &Value,
        add: &[u64],
        remove: &[u64],
    ) -> Result<Ensured, EnsureError> {
        let user = user(member)?;
        let now: Vec<u64> = ids(&member["roles"]).collect();
        let adding: Vec<u64> = add
            .iter()
            .copied()
            .filter(|role| !now.contains(role))
            .collect();
        let removing = |role: &u64| remove.contains(role) && !add.contains(role);
        let removed: Vec<u64> = now.iter().copied().filter(removing).collect();
        let roles: Vec<String> = now
            .iter()
            .filter(|role| !removing(role))
            .chain(&adding)
            .map(u64::to_string)
            .collect();
        let path = format!("/guilds/{guild}/members/{user}");
        // A single role is given or taken by itself: what others change meanwhile stays.
        let single = match (&adding[..], &removed[..]) {
            ([], []) => return Ok(Ensured::new(Outcome::Unchanged, member.clone())),
            ([role], []) => Some((Method::PUT, *role)),
            ([], [role]) => Some((Method::DELETE, *role)),
            _ => None,
        };
        let object = match single {
            Some((method, role)) => {
                let request = self.request(method, format!("{path}/roles/{role}"));
                request.send_empty().await?;
                let mut object = member.clone();
                object["roles"] = json!(roles);
                object
            }
            None => {
                let request = self.request(Method::PATCH, path);
                let request = request.json(&json!({"roles": roles}));
                request.idempotent(true).send().await?
            }
        };
        Ok(Ensured::new(Outcome::Updated, object))
    }

    /// A member with these fields; roles are those of [`Self::ensure_member_roles`].
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_member(
        &self,
        guild: GuildId,
        member: &Value,
        want: &Value,
    ) -> Result<Ensured, EnsureError> {
        let user = user(member)?;
        let body = fields::changes(want, member);
        if body.is_empty() {
            return Ok(Ensured::new(Outcome::Unchanged, member.clone()));
        }
        let request = self.request(Method::PATCH, format!("/guilds/{guild}/members/{user}"));
        let request = request.json(&body);
        let object = request.idempotent(true).send().await?;
        Ok(Ensured::new(Outcome::Updated, object))
    }

    /// A member who is silent until then, or not at all. Discord takes at most 28 days.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_timeout(
        &self,
        guild: GuildId,
        member: &Value,
        until: Option<DateTime<Utc>>,
    ) -> Result<Ensured, EnsureError> {
        let user = user(member)?;
        let now = member["communication_disabled_until"].as_str();
        let now = now.and_then(|now| DateTime::parse_from_rfc3339(now).ok());
        let millis = |time: DateTime<Utc>| time.timestamp_millis();
        if now.map(|now| millis(now.to_utc())) == until.map(millis) {
            return Ok(Ensured::new(Outcome::Unchanged, member.clone()));
        }
        let until = until.map(|until| until.to_rfc3339_opts(SecondsFormat::Millis, true));
        let request = self.request(Method::PATCH, format!("/guilds/{guild}/members/{user}"));
        let request = request.json(&json!({"communication_disabled_until": until}));
        let object = request.idempotent(true).send().await?;
        Ok(Ensured::new(Outcome::Updated, object))
    }

    /// A member with this nickname, or none.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_nickname(
        &self,
        guild: GuildId,
        member: &Value,
        nickname: Option<&str>,
    ) -> Result<Ensured, EnsureError> {
        let user = user(member)?;
        if member["nick"].as_str() == nickname {
            return Ok(Ensured::new(Outcome::Unchanged, member.clone()));
        }
        let request = self.request(Method::PATCH, format!("/guilds/{guild}/members/{user}"));
        let request = request.json(&json!({"nick": nickname}));
        let object = request.idempotent(true).send().await?;
        Ok(Ensured::new(Outcome::Updated, object))
    }

    /// A user who is a member, by what they allowed the application. Who is one already is
    /// [`Outcome::Unchanged`].
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_joined(
        &self,
        guild: GuildId,
        user: UserId,
        access_token: &SecretString,
    ) -> Result<Ensured, EnsureError> {
        let request = self.request(Method::PUT, format!("/guilds/{guild}/members/{user}"));
        let body = json!({"access_token": access_token.expose_secret()});
        let member = request.json(&body).send().await?;
        // Without content: nothing was new.
        let outcome = match member.is_null() {
            true => Outcome::Unchanged,
            false => Outcome::Created,
        };
        Ok(Ensured::new(outcome, member))
    }

    /// A user who is no member. Whoever left already is [`Outcome::Unchanged`].
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_kicked(
        &self,
        guild: GuildId,
        user: UserId,
    ) -> Result<Ensured, EnsureError> {
        let path = format!("/guilds/{guild}/members/{user}");
        gone_is_fine(self.request(Method::DELETE, path).send().await)
    }
}

fn user(member: &Value) -> Result<u64, EnsureError> {
    id(&member["user"]["id"]).ok_or(EnsureError::Incomplete("member"))
}
