//! What Discord tells of people, whoever they are: remembered in the cache for hours, in the database
//! for months, and asked for again behind the answer.

use std::time::Duration;

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::json;
use splashtail_api_types::users::PlatformUser;
use splashtail_core::clock::SharedClock;
use splashtail_core::config::{Config, without_slash};
use splashtail_core::ids::{ChannelId, GuildId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::snowflake::typed;
use splashtail_discord::{Discord, DiscordError, Lane};
use tracing::warn;

use crate::app::AppState;
use crate::error::ApiError;

/// So long what was told counts as new.
const FRESH: Duration = Duration::from_secs(8 * 3600);
/// So long Discord is not asked again for somebody whom it does not know.
const UNKNOWN_FOR: Duration = Duration::from_secs(600);
/// Between two questions behind an answer.
const AGAIN: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// Ids have 17 digits at least.
const SMALLEST: u64 = 10_000_000_000_000_000;
/// Nobody of this id.
const NOBODY: &str = "null";
/// Bits of `public_flags` (Discord documentation, "User Flags").
const FLAGS: [(u64, &str); 2] = [
    (1 << 16, "VERIFIED_BOT"),
    (1 << 19, "BOT_HTTP_INTERACTIONS"),
];

#[derive(Debug)]
pub struct People {
    /// `None`: there is no bot whose token could ask.
    discord: Option<Discord>,
    cdn: String,
}

#[derive(Deserialize)]
struct Told {
    id: UserId,
    username: String,
    #[serde(default)]
    global_name: Option<String>,
    #[serde(default)]
    avatar: Option<String>,
    #[serde(default)]
    bot: bool,
    #[serde(default)]
    public_flags: u64,
}

impl People {
    /// # Errors
    /// The bot's token can be carried by no header.
    pub fn new(config: &Config, clock: SharedClock) -> Result<Self, DiscordError> {
        let cdn = &config.discord.cdn_base;
        let token = config.discord_auth.token.as_ref();
        let discord = token.map(|token| Discord::new(config.discord_api(), cdn, token, clock));
        Ok(Self {
            discord: discord
                .transpose()?
                .map(|discord| discord.behind(config.meta.proxy.as_ref(), "webserver"))
                .map(|discord| discord.in_lane(Lane::Bulk)),
            cdn: without_slash(cdn).to_owned(),
        })
    }

    /// The server that a channel belongs to; `None`: the bot knows of no such channel.
    ///
    /// # Errors
    /// There is no bot, or Discord does not answer.
    pub async fn server_of(&self, channel: ChannelId) -> Result<Option<GuildId>, ApiError> {
        let discord = self.discord.as_ref();
        let discord = discord.ok_or(ApiError::NotConfigured("`discord_auth.token`"))?;
        let asked = discord.get(format!("/channels/{channel}"));
        match asked.longest_wait(LONGEST_WAIT).send().await {
            Ok(channel) => Ok(typed(&channel["guild_id"])),
            Err(error) if error.is_not_found() || error.is_forbidden() => Ok(None),
            Err(error) => Err(ApiError::NoWord(error)),
        }
    }

    fn shown(&self, told: Told) -> PlatformUser {
        let avatar = told.avatar.map(|hash| {
            let (cdn, id) = (&self.cdn, told.id);
            format!("{cdn}/avatars/{id}/{hash}.webp?size=64")
        });
        let name = told.global_name.filter(|name| !name.is_empty());
        let flags = FLAGS.iter().filter(|(bit, _)| told.public_flags & bit != 0);
        PlatformUser {
            id: told.id.to_string(),
            display_name: name.unwrap_or_else(|| told.username.clone()),
            username: told.username,
            avatar: avatar.unwrap_or_default(),
            bot: told.bot,
            status: None,
            flags: flags.map(|(_, name)| (*name).to_owned()).collect(),
            extra_data: json!({"public_flags": told.public_flags}),
        }
    }

    fn discord(&self) -> Result<&Discord, ApiError> {
        let none = ApiError::NotConfigured("`discord_auth.token`");
        self.discord.as_ref().ok_or(none)
    }

    /// `None`: Discord knows nobody of this id.
    async fn ask(&self, user: UserId) -> Result<Option<PlatformUser>, ApiError> {
        let request = self.discord()?.get(format!("/users/{user}"));
        match request.longest_wait(LONGEST_WAIT).send().await {
            Ok(told) => Ok(Some(self.shown(serde_json::from_value(told)?))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(ApiError::NoWord(error)),
        }
    }
}

/// A member of a server, as far as that was told.
#[derive(Debug)]
pub struct MemberTold {
    pub user: PlatformUser,
    pub nick: Option<String>,
    /// `None`: not asked for.
    pub roles: Option<Vec<String>>,
}

impl MemberTold {
    pub fn of(user: PlatformUser) -> Self {
        Self {
            user,
            nick: None,
            roles: None,
        }
    }
}

#[derive(Deserialize)]
struct Member {
    user: Told,
    #[serde(default)]
    nick: Option<String>,
    roles: Vec<String>,
}

impl People {
    /// Members whose name or nickname begins so.
    ///
    /// # Errors
    /// Discord cannot be asked.
    pub async fn search(
        &self,
        guild: GuildId,
        name: &str,
        limit: u32,
    ) -> Result<Vec<MemberTold>, ApiError> {
        let path = format!("/guilds/{guild}/members/search");
        let request = self.discord()?.get(path).query("query", name);
        let found = request
            .query("limit", limit)
            .longest_wait(LONGEST_WAIT)
            .send();
        let found: Vec<Member> = serde_json::from_value(found.await.map_err(ApiError::NoWord)?)?;
        let shown = found.into_iter().map(|member| MemberTold {
            user: self.shown(member.user),
            nick: member.nick,
            roles: Some(member.roles),
        });
        Ok(shown.collect())
    }
}

fn key(user: UserId) -> String {
    format!("uobj__discord:{user}")
}

/// Somebody of this id; `None`: there is nobody.
///
/// # Errors
/// Nothing is known, and Discord cannot be asked.
pub async fn find(app: &AppState, user: UserId) -> Result<Option<PlatformUser>, ApiError> {
    if user.get() < SMALLEST {
        return Ok(None);
    }
    if let Some(known) = app.cache.get(&key(user)).await? {
        return Ok(serde_json::from_str(&known)?);
    }
    let Some((known, told_at)) = app.storage.profiles().profile(user).await? else {
        return refresh(app, user).await;
    };
    let age = app.clock.now() - told_at;
    match FRESH.checked_sub(age.max(TimeDelta::zero()).to_std().unwrap_or(FRESH)) {
        Some(left) if !left.is_zero() => app.cache.set(&key(user), &known, left).await?,
        // Old, but good enough to begin with.
        _ => refresh_behind(app, user).await?,
    }
    Ok(Some(serde_json::from_str(&known)?))
}

async fn refresh_behind(app: &AppState, user: UserId) -> Result<(), ApiError> {
    if !app
        .cache
        .claim(&format!("{}:asked", key(user)), AGAIN)
        .await?
    {
        return Ok(());
    }
    let app = app.clone();
    tokio::spawn(async move {
        if let Err(error) = refresh(&app, user).await {
            warn!(error = %Chain(&error), "somebody's profile stays as it was");
        }
    });
    Ok(())
}

/// Asks Discord and remembers what it told.
async fn refresh(app: &AppState, user: UserId) -> Result<Option<PlatformUser>, ApiError> {
    let Some(told) = app.people.ask(user).await? else {
        app.storage.profiles().forget_profile(user).await?;
        app.cache.set(&key(user), NOBODY, UNKNOWN_FOR).await?;
        return Ok(None);
    };
    let text = serde_json::to_string(&told)?;
    let profiles = app.storage.profiles();
    profiles.set_profile(user, &text, app.clock.now()).await?;
    app.cache.set(&key(user), &text, FRESH).await?;
    Ok(Some(told))
}

/// What was forgotten: `iuc`, the database, and `redis`, the cache.
///
/// # Errors
/// The database or the cache failed.
pub async fn forget(app: &AppState, user: UserId) -> Result<Vec<&'static str>, ApiError> {
    let mut cleared = Vec::new();
    if app.storage.profiles().forget_profile(user).await? {
        cleared.push("iuc");
    }
    if app.cache.take(&key(user)).await?.is_some() {
        cleared.push("redis");
    }
    Ok(cleared)
}
