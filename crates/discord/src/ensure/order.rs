use http::Method;
use serde_json::{Value, json};
use splashtail_core::ids::GuildId;

use super::{Acting, EnsureError, Ensured, Outcome};

impl Acting {
    /// Roles at these positions, in one call. All of them have to stand below the bot's own.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_role_order(
        &self,
        guild: GuildId,
        positions: &[(u64, i64)],
    ) -> Result<Ensured, EnsureError> {
        self.order(format!("/guilds/{guild}/roles"), positions)
            .await
    }

    /// Channels at these positions, in one call. None of them changes its category.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_channel_order(
        &self,
        guild: GuildId,
        positions: &[(u64, i64)],
    ) -> Result<Ensured, EnsureError> {
        self.order(format!("/guilds/{guild}/channels"), positions)
            .await
    }

    /// The positions are absolute, so a repetition does no harm.
    async fn order(&self, path: String, positions: &[(u64, i64)]) -> Result<Ensured, EnsureError> {
        if positions.is_empty() {
            return Ok(Ensured::new(Outcome::Unchanged, Value::Null));
        }
        let place =
            |(id, position): &(u64, i64)| json!({"id": id.to_string(), "position": position});
        let body: Vec<Value> = positions.iter().map(place).collect();
        let request = self.request(Method::PATCH, path).json(&body);
        request.idempotent(true).send_empty().await?;
        Ok(Ensured::new(Outcome::Updated, Value::Null))
    }
}
