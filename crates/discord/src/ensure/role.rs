use http::Method;
use serde_json::Value;
use splashtail_core::ids::GuildId;

use super::create::{Creation, Likeness, stored_name};
use super::{Acting, EnsureError, Ensured, Outcome, fields};
use crate::snowflake::{bit_set, id};

const ROLE_CREATE: u64 = 30;

impl Acting {
    /// A role with these fields. `now`: the role as it is; without one it is made. Its place among
    /// the roles is another call's matter.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_role(
        &self,
        guild: GuildId,
        want: &Value,
        now: Option<&Value>,
    ) -> Result<Ensured, EnsureError> {
        let roles = format!("/guilds/{guild}/roles");
        if let Some(now) = now {
            let role = id(&now["id"]).ok_or(EnsureError::Incomplete("role"))?;
            return self.change(format!("{roles}/{role}"), want, now).await;
        }
        let like = |role: &Value| {
            if role["managed"] == true {
                return Likeness::Never;
            }
            let alike = stored_name(&role["name"]) == stored_name(&want["name"])
                && (want["permissions"].is_null()
                    || bit_set(&role["permissions"]) == bit_set(&want["permissions"]));
            if alike {
                Likeness::Alike
            } else {
                Likeness::Perhaps
            }
        };
        self.create(Creation {
            what: "role",
            guild,
            post: roles.clone(),
            body: want,
            file: None,
            list: roles,
            action: ROLE_CREATE,
            like: &like,
            unlisted: false,
        })
        .await
    }

    /// Sends what differs. The values are absolute, so a repetition does no harm.
    pub(super) async fn change(
        &self,
        path: String,
        want: &Value,
        now: &Value,
    ) -> Result<Ensured, EnsureError> {
        let changes = fields::changes(want, now);
        if changes.is_empty() {
            return Ok(Ensured::new(Outcome::Unchanged, now.clone()));
        }
        let request = self.request(Method::PATCH, path).json(&changes);
        let object = request.idempotent(true).send().await?;
        Ok(Ensured::new(Outcome::Updated, object))
    }
}
