//! What Discord says about a member.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use splashtail_core::ids::{ChannelId, GuildId, RoleId, UserId};
use splashtail_discord::{Discord, DiscordError};
use splashtail_guild::{Id, Kind};
use splashtail_permissions::{NativePermissions, PermissionResult};

use crate::cluster::{ClusterState, Connection};
use crate::guilds::Facts;

/// For an answer of Discord, the line before it included.
const PATIENCE: Duration = Duration::from_secs(10);
/// Discord documentation, "JSON Error Codes".
const UNKNOWN_MEMBER: u64 = 10_007;
const UNKNOWN_USER: u64 = 10_013;

/// What Discord says about the author, or why it is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub is_owner: bool,
    /// Of the guild as a whole; channel overwrites do not count.
    pub native: NativePermissions,
    /// The everyone role, whose id is the guild's, included.
    pub roles: Vec<RoleId>,
    /// Every role of the guild and its position.
    pub positions: Vec<(RoleId, i64)>,
}

/// What Discord says of guilds, for those who judge changes.
#[async_trait]
pub trait GuildKnowledge: Send + Sync {
    /// Whether the guild has the channel, and the bot sees it.
    fn has_channel(&self, guild: GuildId, channel: ChannelId) -> bool;

    /// Which roles a member holds.
    ///
    /// The everyone role included, which is all that somebody has who is not in the guild.
    ///
    /// # Errors
    /// It is not known.
    async fn roles(&self, guild: GuildId, user: UserId) -> Result<Vec<RoleId>, PermissionResult>;
}

#[async_trait]
impl GuildKnowledge for ClusterState {
    fn has_channel(&self, guild: GuildId, channel: ChannelId) -> bool {
        let known = self.connection().and_then(|c| c.guilds.get(guild));
        known.is_some_and(|known| {
            let id = Id::new(channel.get());
            known.structure(|structure| {
                structure.get(Kind::Channel, id).is_some() && !structure.is_hidden(id)
            })
        })
    }

    async fn roles(&self, guild: GuildId, user: UserId) -> Result<Vec<RoleId>, PermissionResult> {
        let connection = self.connection().ok_or_else(not_connected)?;
        let roles = roles_of_member(connection, guild, user).await?;
        let mut roles = roles.unwrap_or_default();
        roles.extend(RoleId::new(guild.get()));
        Ok(roles)
    }
}

pub fn not_connected() -> PermissionResult {
    PermissionResult::DiscordError {
        error: "not connected".to_owned(),
    }
}

/// A member in the guild. `roles` are the member's if they are known already; what the bot does not
/// know of the guild or the member is asked from Discord.
pub async fn member_standing(
    connection: &Connection,
    guild: GuildId,
    user: UserId,
    roles: Option<Vec<RoleId>>,
) -> Result<Standing, PermissionResult> {
    let facts = match connection.guilds.get(guild) {
        Some(known) if known.is_available() => known.facts(),
        _ => fetch_facts(&connection.discord, guild).await?.into(),
    };
    let mut roles = match roles {
        Some(roles) => roles,
        None => member_roles(connection, guild, user).await?,
    };
    let native = facts.permissions(guild, &roles);
    roles.extend(RoleId::new(guild.get()));
    Ok(Standing {
        is_owner: facts.owner == Some(user),
        native: NativePermissions(native),
        roles,
        positions: facts
            .roles
            .iter()
            .map(|role| (role.id, role.position))
            .collect(),
    })
}

/// A member's roles, everyone's not among them; `None` for somebody who is not in the guild.
pub async fn roles_of_member(
    connection: &Connection,
    guild: GuildId,
    user: UserId,
) -> Result<Option<Vec<RoleId>>, PermissionResult> {
    match member_roles(connection, guild, user).await {
        Ok(roles) => Ok(Some(roles)),
        Err(error) if error.is_nobody() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn member_roles(
    connection: &Connection,
    guild: GuildId,
    user: UserId,
) -> Result<Vec<RoleId>, NoAnswer> {
    let (guilds, now) = (&connection.guilds, connection.clock.monotonic());
    if let Some(told) = guilds.member_roles(guild, user, now) {
        return told.ok_or(NoAnswer::Absent);
    }
    let ticket = guilds.ask_for_member(guild, user, now);
    let roles = fetch_roles(&connection.discord, guild, user).await;
    match &roles {
        Ok(roles) => guilds.keep_member(&ticket, Some(roles)),
        // Else strangers who ask about themselves make the bot ask Discord each time.
        Err(error) if error.is_nobody() => guilds.keep_member(&ticket, None),
        Err(_) => {}
    }
    roles
}

async fn fetch_roles(
    discord: &Discord,
    guild: GuildId,
    user: UserId,
) -> Result<Vec<RoleId>, NoAnswer> {
    #[derive(Deserialize)]
    struct Member {
        roles: Vec<RoleId>,
    }
    let member = fetch(discord, format!("/guilds/{guild}/members/{user}")).await?;
    let member = Member::deserialize(&member).map_err(|_| NoAnswer::Unreadable)?;
    Ok(member.roles)
}

async fn fetch_facts(discord: &Discord, guild: GuildId) -> Result<Facts, PermissionResult> {
    let fetched = fetch(discord, format!("/guilds/{guild}")).await?;
    Ok(Facts::from_rest(&fetched).ok_or(NoAnswer::Unreadable)?)
}

async fn fetch(discord: &Discord, path: String) -> Result<Value, NoAnswer> {
    let asking = discord.get(path).longest_wait(PATIENCE).send();
    let answer = tokio::time::timeout(PATIENCE, asking).await;
    Ok(answer.map_err(|_| NoAnswer::TooSlow)??)
}

/// What Discord did not say.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error(transparent)]
    Discord(#[from] DiscordError),
    #[error("they are not in this server")]
    Absent,
    #[error("Discord did not answer in time")]
    TooSlow,
    #[error("Discord's answer is unreadable")]
    Unreadable,
}

impl NoAnswer {
    /// There is no such member, which is an answer of its own.
    fn is_nobody(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Discord(error) => {
                matches!(error.code(), Some(UNKNOWN_MEMBER | UNKNOWN_USER))
            }
            Self::TooSlow | Self::Unreadable => false,
        }
    }
}

impl From<NoAnswer> for PermissionResult {
    fn from(error: NoAnswer) -> Self {
        Self::DiscordError {
            error: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use splashtail_core::clock::SystemClock;
    use wiremock::matchers::{header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    async fn asked(status: u16, body: Value) -> Result<Vec<RoleId>, NoAnswer> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .and(path("/api/v10/guilds/1/members/2"))
            .and(header("authorization", "Bot token"))
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .mount(&server)
            .await;
        let address = server.uri().parse().unwrap();
        let clock = SystemClock::shared();
        let discord = Discord::new(&address, &address, &"token".into(), clock).unwrap();
        let (guild, user) = (GuildId::new(1).unwrap(), UserId::new(2).unwrap());
        fetch_roles(&discord, guild, user).await
    }

    #[tokio::test]
    async fn only_who_is_known_to_be_absent_is_nobody() {
        let roles = asked(200, json!({"roles": ["7"], "new": {}}))
            .await
            .unwrap();
        assert_eq!(roles, [RoleId::new(7).unwrap()]);
        for (status, code, nobody) in [
            (404, 10_007, true),
            (404, 10_013, true),
            (404, 10_004, false),
            (404, 0, false),
            (403, 50_001, false),
        ] {
            let refused = asked(status, json!({"code": code, "message": "no"})).await;
            assert_eq!(refused.unwrap_err().is_nobody(), nobody, "{code}");
        }
        let odd = asked(200, json!({"roles": "none"})).await.unwrap_err();
        assert!(!odd.is_nobody());
    }
}
