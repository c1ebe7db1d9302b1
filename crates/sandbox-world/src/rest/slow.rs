//! Requests that take long at Discord before they have their effect.

use serde::Deserialize;

use super::ops::MAX_BULK_BAN;
use super::{Request, routes};
use crate::Sandbox;
use crate::world::Id;

/// Whom a bulk ban names.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    user_ids: Vec<Id>,
}

impl Sandbox {
    /// Milliseconds of the sandbox's clock that a request of `caller`, a user or an application,
    /// takes before it has its effect.
    pub fn slowness(&self, caller: impl FnOnce() -> Option<Id>, request: &Request) -> u64 {
        let Ok((route, params)) = routes::find(&request.method, &request.path) else {
            return 0;
        };
        let id = |name: &str| -> Id {
            let found = params.iter().find(|(n, _)| *n == name);
            found.and_then(|(_, v)| v.parse().ok()).unwrap_or_default()
        };
        let guild = id("guild_id");
        let leaving = match route.operation {
            "delete_guild_role" => {
                let role = id("role_id");
                return self.with_world(|world| world.role_deletion_ms(guild, role));
            }
            "delete_guild_member" | "ban_user_from_guild" => vec![id("user_id")],
            "leave_guild" => caller().into_iter().collect(),
            "bulk_ban_users_from_guild" => {
                let named: Named = serde_json::from_slice(&request.body).unwrap_or_default();
                named.user_ids.into_iter().take(MAX_BULK_BAN).collect()
            }
            "delete_guild_integration" => {
                let integration = id("integration_id");
                let bot = self.with_world(|world| {
                    let place = world.guilds.get(&guild)?;
                    Some(place.integrations.get(&integration)?.bot)
                });
                bot.into_iter().collect()
            }
            _ => return 0,
        };
        self.with_world(|world| world.departure_ms(guild, &leaving))
    }
}
