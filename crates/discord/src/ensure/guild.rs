use serde_json::Value;
use splashtail_core::ids::GuildId;

use super::{Acting, EnsureError, Ensured};

impl Acting {
    /// A server with these settings. `now`: the server as it is.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_guild(
        &self,
        guild: GuildId,
        want: &Value,
        now: &Value,
    ) -> Result<Ensured, EnsureError> {
        self.change(format!("/guilds/{guild}"), want, now).await
    }
}
