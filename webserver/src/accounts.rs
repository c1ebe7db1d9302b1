//! What Discord tells about people who log in, and its tokens, by which it can be asked again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use splashtail_api_types::users::{UserGuild, UserProfile};
use splashtail_core::config::{Config, without_slash};
use splashtail_core::ids::UserId;
use splashtail_core::random::RandomError;
use splashtail_jobs::{DataKey, InvalidDataKey, SecretBytes};
use splashtail_storage::{GitHook, LoginTold, Webhook};
use tracing::{info, warn};
use uuid::Uuid;

use crate::app::App;
use crate::error::ApiError;
use crate::ioauth::{DiscordError, DiscordGuild, DiscordUser, Grant};

/// Two who refresh at the same time would use one refresh token twice.
const TURN: Duration = Duration::from_secs(15);
/// A token is not used in its last moments.
const MARGIN: TimeDelta = TimeDelta::seconds(60);

/// Without a data key nothing of Discord's is kept, and people log in again to see new servers.
#[derive(Debug)]
pub struct Accounts {
    key: Option<DataKey>,
    cdn: String,
}

/// Discord's tokens, as they are sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    access: String,
    refresh: Option<String>,
    /// Unix seconds.
    until: i64,
}

impl Accounts {
    /// # Errors
    /// The key is none.
    pub fn new(config: &Config) -> Result<Self, InvalidDataKey> {
        let key = config.meta.data_key.as_ref();
        Ok(Self {
            key: key.map(DataKey::parse).transpose()?,
            cdn: without_slash(&config.discord.cdn_base).to_owned(),
        })
    }

    pub fn profile(&self, user: &DiscordUser) -> UserProfile {
        let avatar = user.avatar.as_ref();
        let avatar = avatar.map(|hash| self.picture("avatars", &user.id.to_string(), hash));
        let name = user.global_name.clone().filter(|name| !name.is_empty());
        UserProfile {
            id: user.id.to_string(),
            display_name: name.unwrap_or_else(|| user.username.clone()),
            username: user.username.clone(),
            avatar: avatar.unwrap_or_default(),
        }
    }

    pub fn guild(&self, guild: DiscordGuild) -> UserGuild {
        let id = guild.id.to_string();
        let icon = guild.icon.as_ref();
        let icon = icon.map(|hash| self.picture("icons", &id, hash));
        UserGuild {
            avatar: icon.unwrap_or_default(),
            id,
            name: guild.name,
            permissions: guild.permissions.to_string(),
            owner: guild.owner,
        }
    }

    fn picture(&self, kind: &str, id: &str, hash: &str) -> String {
        format!("{}/{kind}/{id}/{hash}.webp?size=64", self.cdn)
    }

    /// What is kept of a login.
    ///
    /// # Errors
    /// No random bytes, or what Discord told cannot be written.
    pub fn told(
        &self,
        user: &DiscordUser,
        guilds: Vec<DiscordGuild>,
        grant: &Grant,
        now: DateTime<Utc>,
    ) -> Result<LoginTold, ApiError> {
        let guilds: Vec<_> = guilds.into_iter().map(|guild| self.guild(guild)).collect();
        Ok(LoginTold {
            profile: serde_json::to_string(&self.profile(user))?,
            guilds: serde_json::to_string(&guilds)?,
            grant: self.seal(user.id, grant, now)?,
        })
    }

    fn seal(
        &self,
        user: UserId,
        grant: &Grant,
        now: DateTime<Utc>,
    ) -> Result<Option<Vec<u8>>, ApiError> {
        let Some(key) = &self.key else {
            return Ok(None);
        };
        let refresh = grant.refresh_token.as_ref();
        let kept = Kept {
            access: grant.access_token.expose_secret().to_owned(),
            refresh: refresh.map(|token| token.expose_secret().to_owned()),
            until: now.timestamp().saturating_add_unsigned(grant.expires_in),
        };
        let kept = SecretBytes::from(serde_json::to_vec(&kept)?);
        let sealed: Result<_, RandomError> = key.wrap_named(&name(user), &kept);
        Ok(Some(sealed?))
    }

    /// A webhook's signing key as it is kept.
    ///
    /// # Errors
    /// There is no data key.
    pub fn seal_webhook(&self, id: Uuid, key: &[u8]) -> Result<Vec<u8>, ApiError> {
        let seal = self.key.as_ref();
        let seal = seal.ok_or(ApiError::NotConfigured("`meta.data_key`"))?;
        let key = SecretBytes::from(key.to_vec());
        Ok(seal.wrap_named(&Webhook::secret_name(id), &key)?)
    }

    /// The secret that GitHub signs with, as it is kept.
    ///
    /// # Errors
    /// There is no data key.
    pub fn seal_git_hook(&self, id: Uuid, secret: &[u8]) -> Result<Vec<u8>, ApiError> {
        let seal = self.key.as_ref();
        let seal = seal.ok_or(ApiError::NotConfigured("`meta.data_key`"))?;
        let secret = SecretBytes::from(secret.to_vec());
        Ok(seal.wrap_named(&GitHook::secret_name(id), &secret)?)
    }

    /// # Errors
    /// There is no data key, or it is another one by now.
    pub fn open_git_hook(&self, hook: &GitHook) -> Result<SecretBytes, ApiError> {
        let seal = self.key.as_ref();
        let seal = seal.ok_or(ApiError::NotConfigured("`meta.data_key`"))?;
        let opened = seal.unwrap_named(&GitHook::secret_name(hook.id), &hook.secret);
        opened.map_err(|error| {
            warn!(hook.id = %hook.id, "{error}: the hook has to be made anew");
            ApiError::Unauthorized("the secret of this hook cannot be read: make the hook anew")
        })
    }

    fn open(&self, user: UserId, sealed: &[u8]) -> Option<Kept> {
        let opened = self.key.as_ref()?.unwrap_named(&name(user), sealed);
        let opened = opened.map_err(|error| {
            warn!(user.id = %user, "{error}: they have to log in again");
        });
        serde_json::from_slice(opened.ok()?.as_ref()).ok()
    }

    /// The servers that somebody is in, as remembered.
    ///
    /// # Errors
    /// The database failed.
    pub async fn guilds(
        &self,
        app: &App,
        user: UserId,
    ) -> Result<Option<Vec<UserGuild>>, ApiError> {
        let account = app.storage.accounts().account(user).await?;
        let guilds = account.and_then(|account| account.guilds);
        Ok(guilds.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    /// The same, as Discord says now.
    ///
    /// # Errors
    /// 401 `login_expired`: only a new login helps.
    pub async fn refreshed(&self, app: &App, user: UserId) -> Result<Vec<UserGuild>, ApiError> {
        let turn = format!("account:{user}");
        if !app.cache.claim(&turn, TURN).await?
            && let Some(guilds) = self.guilds(app, user).await?
        {
            return Ok(guilds);
        }
        let account = app.storage.accounts().account(user).await?;
        let sealed = account.and_then(|account| account.grant);
        let sealed = sealed.ok_or(DiscordError::Expired)?;
        let kept = self.open(user, &sealed).ok_or(DiscordError::Expired)?;
        let until = DateTime::from_timestamp(kept.until, 0).unwrap_or_default();
        let discord = app.discord()?;
        let mut guilds = Err(DiscordError::Expired);
        if app.clock.now() + MARGIN < until {
            guilds = discord.guilds(&kept.access.clone().into()).await;
        }
        if matches!(guilds, Err(DiscordError::Expired)) {
            let token = self.renewed(app, user, &sealed, kept).await?;
            guilds = discord.guilds(&token).await;
        }
        let guilds: Vec<_> = guilds?.into_iter().map(|guild| self.guild(guild)).collect();
        let text = serde_json::to_string(&guilds)?;
        let now = app.clock.now();
        app.storage.accounts().set_guilds(user, &text, now).await?;
        Ok(guilds)
    }

    /// A new grant for the one that was `tried`. That one is forgotten when Discord says that it has
    /// ended, and for nothing else; a newer one that came meanwhile stays.
    async fn renewed(
        &self,
        app: &App,
        user: UserId,
        tried: &[u8],
        kept: Kept,
    ) -> Result<SecretString, ApiError> {
        let accounts = app.storage.accounts();
        let refresh = kept.refresh.map(SecretString::from);
        let refresh = refresh.ok_or(DiscordError::Expired)?;
        let grant = app.discord()?.refresh(&refresh).await;
        if matches!(grant, Err(DiscordError::Expired)) {
            accounts.replace_grant(user, tried, None).await?;
        }
        let grant = grant?;
        let sealed = self.seal(user, &grant, app.clock.now())?;
        let replaced = accounts.replace_grant(user, tried, sealed.as_deref());
        if !replaced.await? {
            info!(user.id = %user, "there is a newer login than the one that was renewed");
        }
        Ok(grant.access_token)
    }
}

fn name(user: UserId) -> String {
    format!("discord grant {user}")
}
