//! A server and one of its members, as a bot cluster knows them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use splashtail_core::ids::{GuildId, RoleId, UserId};
use utoipa::ToSchema;

use crate::users::PlatformUser;

/// A server as seen by one of its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BaseGuildUserInfo {
    #[schema(value_type = String)]
    pub owner_id: UserId,
    pub name: String,
    /// An address.
    pub icon: Option<String>,
    /// Every role of the server, everyone's included.
    #[schema(value_type = std::collections::BTreeMap<String, GuildRole>)]
    pub roles: BTreeMap<RoleId, GuildRole>,
    /// Without everyone's.
    #[schema(value_type = Vec<String>)]
    pub user_roles: Vec<RoleId>,
    /// Without everyone's.
    #[schema(value_type = Vec<String>)]
    pub bot_roles: Vec<RoleId>,
}

/// Members of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GuildMemberList {
    pub members: Vec<GuildMember>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GuildMember {
    pub user: PlatformUser,
    /// `null`: none, or not asked for.
    pub nick: Option<String>,
    /// Ids; `null`: not asked for.
    pub roles: Option<Vec<String>>,
    /// Powers of their own, as in docs/permissions.md.
    pub perm_overrides: Vec<String>,
    /// Whether they are shown in the server's staff team.
    pub public: bool,
}

/// Who looks after a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StaffTeam {
    /// Whoever has the role of the lowest index first.
    pub members: Vec<StaffMember>,
    /// By index.
    pub roles: Vec<StaffRole>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StaffMember {
    pub user: PlatformUser,
    /// Ids of the roles of the team that they have.
    pub role: Vec<String>,
    pub public: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StaffRole {
    pub role_id: String,
    /// As in docs/permissions.md.
    pub perms: Vec<String>,
    pub index: i64,
    pub display_name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GuildRole {
    #[schema(value_type = String)]
    pub id: RoleId,
    #[schema(value_type = String)]
    pub guild_id: GuildId,
    pub color: u32,
    pub name: String,
    /// Bits as a decimal number.
    pub permissions: String,
    pub position: i64,
    pub tags: RoleTags,
    pub icon: Option<String>,
    pub unicode_emoji: Option<String>,
    #[serde(default)]
    pub hoist: bool,
    #[serde(default)]
    pub managed: bool,
    #[serde(default)]
    pub mentionable: bool,
}

/// The flags are booleans here; Discord's form, where a key that is there is `null` and means true,
/// is read as well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoleTags {
    pub bot_id: Option<String>,
    pub integration_id: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    pub premium_subscriber: bool,
    pub subscription_listing_id: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    pub available_for_purchase: bool,
    #[serde(default, deserialize_with = "flag")]
    pub guild_connections: bool,
}

fn flag<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    Ok(Option::<bool>::deserialize(value)?.unwrap_or(true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn flags_are_read_in_both_forms_and_written_as_booleans() {
        let discord = json!({"bot_id": "7", "premium_subscriber": null});
        let tags: RoleTags = serde_json::from_value(discord).unwrap();
        assert!(tags.premium_subscriber && !tags.guild_connections);
        let written = serde_json::to_value(&tags).unwrap();
        let expected = json!({"bot_id": "7", "integration_id": null, "premium_subscriber": true,
            "subscription_listing_id": null, "available_for_purchase": false,
            "guild_connections": false});
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_value::<RoleTags>(written).unwrap(), tags);
    }
}
