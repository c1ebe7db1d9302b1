//! Whom a server trusts.

use splashtail_antinuke::owner;
use splashtail_core::ids::{ChannelId, GuildId, UserId};

use super::service::Protection;
use crate::modules::guarded::{Circle, People};

impl People for Protection {
    fn circle(&self, guild: GuildId) -> Option<Circle> {
        let server = self.server(guild)?;
        // By the defaults somebody would be trusted no more, which is no knowledge.
        if !server.knows_policy() {
            return None;
        }
        Some(server.read(|engine, structure| {
            let policy = engine.policy();
            let named = policy.trusted.users.iter();
            Circle {
                owner: owner(structure).and_then(|id| UserId::new(id.get())),
                named: named.filter_map(|id| UserId::new(id.get())).collect(),
                alert_channel: policy.alert_channel.and_then(|id| ChannelId::new(id.get())),
                name: structure.guild()["name"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                language: self.language_known(guild, structure),
            }
        }))
    }
}
