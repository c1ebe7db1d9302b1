//! A server as one of its members sees it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use axum::http::StatusCode;
use serde::Deserialize as _;
use serde_json::{Value, json};
use splashtail_api_types::guilds::{BaseGuildUserInfo, GuildRole, RoleTags};
use splashtail_core::config::without_slash;
use splashtail_core::ids::{GuildId, RoleId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_guild::{Kind, Structure};
use splashtail_ipc::http::ErrorResponse;
use tracing::warn;
use url::Url;

use super::answers::{not_ready, unknown_guild, upstream};
use super::approvals::SightQuestion;
use super::query::limits;
use crate::app::App;
use crate::framework::check::CommandChecks as _;
use crate::framework::gate::roles_of_member;
use crate::modules::setup::Setup;

/// The command that shows what is wrong.
const HEALTH: &str = "health";

/// Answers about members.
#[async_trait]
pub trait GuildAnswers: Send + Sync {
    /// # Errors
    /// 404 for a guild or member that there is not, 503 and 504 when it is not known now.
    async fn info(&self, guild: GuildId, user: UserId) -> Result<BaseGuildUserInfo, ErrorResponse>;

    /// All that `/health` asks for and shows: `{"Ok":…}`, or `{"PermissionError":{"res":…}}`.
    ///
    /// # Errors
    /// 404 for a guild that there is not, 503 when it is not known now.
    async fn health(&self, question: SightQuestion) -> Result<Value, ErrorResponse>;
}

#[async_trait]
impl GuildAnswers for App {
    async fn info(&self, guild: GuildId, user: UserId) -> Result<BaseGuildUserInfo, ErrorResponse> {
        let connection = self.state.connection().ok_or_else(not_ready)?;
        let view = connection.guilds.get(guild).ok_or_else(unknown_guild)?;
        // In an outage it is not known how the server is now.
        if !view.is_available() {
            return Err(not_ready());
        }
        let user_roles = roles_of_member(connection, guild, user).await;
        let user_roles = user_roles.map_err(|denied| upstream(&denied))?;
        let user_roles = user_roles.ok_or_else(|| {
            let message = "the user is no member of this guild";
            ErrorResponse::new(StatusCode::NOT_FOUND, "unknown_member", message)
        })?;
        let bot_roles = view.facts().own_roles.clone();
        let cdn = &self.config.discord.cdn_base;
        let described = view.structure(|structure| describe(structure, guild, cdn));
        let described = described.ok_or_else(not_ready)?;
        Ok(BaseGuildUserInfo {
            user_roles,
            bot_roles,
            ..described
        })
    }

    async fn health(&self, question: SightQuestion) -> Result<Value, ErrorResponse> {
        let (guild, user) = (question.guild_id, question.user_id);
        let connection = self.state.connection().ok_or_else(not_ready)?;
        connection.guilds.get(guild).ok_or_else(unknown_guild)?;
        let commands = [HEALTH.to_owned()];
        let custom = limits(question.custom_resolved_kittycat_perms);
        let checked = self.checks(guild, user, &commands, custom).await;
        match checked.results.into_iter().next() {
            Some(result) if result.is_ok() => {}
            denied => return Ok(json!({ "PermissionError": { "res": denied } })),
        }
        let setup = self.services.get::<Setup>().map_err(|_| not_ready())?;
        let health = setup.health(self, guild).await.map_err(|error| {
            warn!(guild.id = %guild, error = %Chain(&error), "what is wrong in a server was not found out");
            not_ready()
        })?;
        health
            .map(|health| json!({ "Ok": health }))
            .ok_or_else(not_ready)
    }
}

/// Without anybody's roles. `None`: too little of the server is known.
fn describe(structure: &Structure, guild: GuildId, cdn: &Url) -> Option<BaseGuildUserInfo> {
    let settings = structure.guild();
    let icon = settings["icon"].as_str().map(|hash| {
        let form = if hash.starts_with("a_") {
            "gif"
        } else {
            "webp"
        };
        format!("{}/icons/{guild}/{hash}.{form}", without_slash(cdn))
    });
    let roles = structure.all(Kind::Role);
    let roles = roles.filter_map(|(id, role)| {
        let id = RoleId::new(id.get())?;
        Some((id, describe_role(id, guild, role)))
    });
    Some(BaseGuildUserInfo {
        owner_id: settings["owner_id"].as_str()?.parse().ok()?,
        name: settings["name"].as_str()?.to_owned(),
        icon,
        roles: roles.collect::<BTreeMap<_, _>>(),
        user_roles: Vec::new(),
        bot_roles: Vec::new(),
    })
}

fn describe_role(id: RoleId, guild: GuildId, role: &Value) -> GuildRole {
    let text = |key: &str| role[key].as_str().map(str::to_owned);
    let flag = |key: &str| role[key].as_bool().unwrap_or_default();
    let color = role["color"].as_u64();
    GuildRole {
        id,
        guild_id: guild,
        color: color
            .and_then(|color| color.try_into().ok())
            .unwrap_or_default(),
        name: text("name").unwrap_or_default(),
        permissions: text("permissions").unwrap_or_else(|| "0".to_owned()),
        position: role["position"].as_i64().unwrap_or_default(),
        tags: RoleTags::deserialize(&role["tags"]).unwrap_or_default(),
        icon: text("icon"),
        unicode_emoji: text("unicode_emoji"),
        hoist: flag("hoist"),
        managed: flag("managed"),
        mentionable: flag("mentionable"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_server_is_described_with_every_role() {
        let raw = json!({"id": "111", "name": "Harbour", "owner_id": "728", "icon": "a_5f",
            "channels": [], "roles": [
                {"id": "111", "name": "@everyone", "permissions": "1024", "position": 0,
                    "color": 0},
                {"id": "900", "name": "Mods", "permissions": "8", "position": 3, "color": 255,
                    "hoist": true, "managed": true, "mentionable": false, "unicode_emoji": "🔨",
                    "tags": {"bot_id": "7", "guild_connections": null}}]});
        let structure = Structure::from_guild(&raw).unwrap();
        let cdn = "https://cdn.example/".parse().unwrap();
        let described = describe(&structure, GuildId::new(111).unwrap(), &cdn).unwrap();
        let icon = described.icon.as_deref();
        assert_eq!(icon, Some("https://cdn.example/icons/111/a_5f.gif"));
        let described = serde_json::to_value(&described).unwrap();
        assert_eq!(described["roles"].as_object().unwrap().len(), 2);
        let mods = json!({"id": "900", "guild_id": "111", "color": 255, "name": "Mods",
            "permissions": "8", "position": 3, "icon": null, "unicode_emoji": "🔨",
            "hoist": true, "managed": true, "mentionable": false,
            "tags": {"bot_id": "7", "integration_id": null, "premium_subscriber": false,
                "subscription_listing_id": null, "available_for_purchase": false,
                "guild_connections": true}});
        assert_eq!(described["roles"]["900"], mods);
        assert_eq!(described["owner_id"], "728");
    }
}
