//! A server as REST shows it to the bot, at one time: what a backup keeps and what a restore starts
//! from.

use serde_json::{Value, json};
use splashtail_core::ids::GuildId;
use splashtail_discord::permissions::Subject;
use splashtail_discord::snowflake::id;
use splashtail_guild::{HIDDEN_FLAG, HIDDEN_NAME, Parts, Structure, is_hidden};

use crate::backup::coverage::{self, Hidden, KnownChannel};
use crate::backup::error::BackupError;
use crate::backup::source::Source;

/// One look. Its objects are Discord's own.
pub struct Look {
    /// The bot's own id.
    pub me: u64,
    /// The bot's membership of the server.
    pub member: Value,
    /// Settings, roles, emojis and stickers.
    pub guild: Value,
    /// The channels that the bot sees.
    pub channels: Vec<Value>,
    /// Those that exist beside them.
    pub hidden: Vec<Hidden>,
    /// Whoever ordered the job said which channels exist; else there may be more.
    pub told: bool,
}

impl Look {
    /// Reads the server. `known`: its channels as the caller knows them from the gateway.
    pub async fn at(
        source: Source<'_>,
        server: GuildId,
        known: &[KnownChannel],
    ) -> Result<Self, BackupError> {
        let me = source
            .ask("reading the bot's own account", "/users/@me", &[], |me| {
                id(&me["id"])
            })
            .await?;
        let path = format!("/guilds/{server}");
        let doing = "reading the bot's membership of the server";
        let member = format!("{path}/members/{me}");
        let member = source.object(doing, &member, &[]).await?;
        let with_counts = [("with_counts", "true".to_owned())];
        let doing = "reading the server";
        let guild = source.object(doing, &path, &with_counts).await?;
        let doing = "reading the channels";
        let mut channels = source.list(doing, &format!("{path}/channels"), &[]).await?;
        let hidden = coverage::hidden(&guild, &channels, known);
        // Their name and overwrites are not the true ones.
        channels.retain(|channel| !is_hidden(channel));
        Ok(Self {
            me,
            member,
            guild,
            channels,
            hidden,
            told: !known.is_empty(),
        })
    }

    /// What the bot may do there.
    pub fn subject(&self, now: chrono::DateTime<chrono::Utc>) -> Result<Subject, BackupError> {
        Subject::new(&self.guild, &self.member, now).ok_or_else(incomplete)
    }

    /// With the lists that were read apart.
    pub fn structure(&self, parts: Parts) -> Result<Structure, BackupError> {
        let stubs = self.hidden.iter().map(|hidden| {
            json!({"id": hidden.id, "type": hidden.kind, "parent_id": hidden.parent_id,
                   "flags": HIDDEN_FLAG, "name": HIDDEN_NAME})
        });
        // Without the caller's list nobody knows whether there are more.
        let gateway = (self.told || !self.hidden.is_empty())
            .then(|| self.channels.iter().cloned().chain(stubs).collect());
        let parts = Parts {
            channels: Some(self.channels.clone()),
            gateway_channels: gateway,
            ..parts
        };
        Structure::from_rest(&self.guild, parts).ok_or_else(incomplete)
    }
}

pub fn incomplete() -> BackupError {
    BackupError::Answer {
        doing: "reading the server".into(),
    }
}
