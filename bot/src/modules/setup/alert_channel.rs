//! The channel to which alerts go.

use std::time::Duration;

use serde_json::json;
use splashtail_core::ids::GuildId;
use splashtail_discord::ensure::{EnsureError, Nonce, OverwriteOf};
use splashtail_discord::permissions::bits;
use splashtail_guild::{Id, Kind};

use super::look::{Alerts, Look, TO_WRITE};
use super::press::unknown;
use super::words;
use crate::app::App;
use crate::catalogue::Language;
use crate::cluster::Connection;
use crate::error::BotError;
use crate::text;

/// Attempts to see what was just done, and the time between them.
pub const LOOKS: u32 = 20;
pub const PAUSE: Duration = Duration::from_millis(100);

/// Whether the bot can write there.
pub fn judge(app: &App, guild: GuildId, language: Language, channel: Id) -> Result<(), BotError> {
    let there = Look::with(app, guild, |policy| policy.alert_channel = Some(channel))?;
    match there.ok_or_else(|| unknown(language))?.alerts {
        Alerts::Fine(_) => Ok(()),
        Alerts::Mute(_, lacking) => Err(BotError::Input(text!(
            language,
            "setup-alerts-mute",
            channel = format!("<#{channel}>"),
            permissions = words::permissions(language, lacking)
        ))),
        Alerts::Gone(_) | Alerts::Nowhere => Err(BotError::Input(text!(
            language,
            "protection-channel-hidden"
        ))),
    }
}

/// Makes a channel that only administrators and the bot see. The same `press` makes one, however
/// often it comes.
pub async fn make(
    app: &App,
    guild: GuildId,
    language: Language,
    press: &str,
) -> Result<Id, BotError> {
    let connection = connected(app, language)?;
    let me = app
        .state
        .guilds
        .own_user()
        .ok_or_else(|| unknown(language))?;
    let want = json!({
        "name": text!(language, "setup-channel-name"),
        "topic": text!(language, "setup-channel-topic"),
        "type": 0,
        "permission_overwrites": [
            {"id": guild.to_string(), "type": 0, "deny": bits::VIEW_CHANNEL.to_string(), "allow": "0"},
            {"id": me.to_string(), "type": 1, "allow": TO_WRITE.to_string(), "deny": "0"},
        ],
    });
    let nonce = Nonce::of(&["setup.alerts", &guild.to_string(), press]);
    let acting = connection.discord.acting(nonce, app.clock.now());
    let acting = acting.reason(&text!(language, "setup-channel-reason"));
    let made = acting.ensure_channel(guild, &want, None).await;
    let made = made.map_err(|error| refused(language, &error))?;
    let channel = Id::of(&made.object).ok_or_else(|| unknown(language))?;
    settle(app, guild, channel).await?;
    Ok(channel)
}

/// Waits a little until the gateway has told of what was just done.
async fn settle(app: &App, guild: GuildId, channel: Id) -> Result<(), BotError> {
    for _ in 0..LOOKS {
        let there = Look::with(app, guild, |policy| policy.alert_channel = Some(channel))?;
        if there.is_some_and(|look| matches!(look.alerts, Alerts::Fine(_))) {
            break;
        }
        app.clock.sleep(PAUSE).await;
    }
    Ok(())
}

/// Lets the bot itself write where alerts go.
pub async fn allow(app: &App, guild: GuildId, language: Language) -> Result<(), BotError> {
    let look = Look::at(app, guild)?.ok_or_else(|| unknown(language))?;
    let Alerts::Mute(channel, lacking) = look.alerts else {
        return Ok(());
    };
    let connection = connected(app, language)?;
    let me = app
        .state
        .guilds
        .own_user()
        .ok_or_else(|| unknown(language))?;
    let view = app
        .state
        .guilds
        .get(guild)
        .ok_or_else(|| unknown(language))?;
    let now = view.structure(|structure| structure.get(Kind::Channel, channel).cloned());
    let now = now.ok_or_else(|| unknown(language))?;
    let nonce = Nonce::of(&["setup.speak", &guild.to_string(), &channel.to_string()]);
    let acting = connection.discord.acting(nonce, app.clock.now());
    let acting = acting.reason(&text!(language, "setup-channel-reason"));
    let own = now["permission_overwrites"]
        .as_array()
        .into_iter()
        .flatten();
    let own = own
        .clone()
        .find(|overwrite| overwrite["id"] == me.to_string());
    let held = |side: &str| {
        let bits = own.and_then(|own| own[side].as_str());
        bits.and_then(|bits| bits.parse::<u64>().ok()).unwrap_or(0)
    };
    let (allow, deny) = (held("allow") | lacking, held("deny") & !lacking);
    let done = acting
        .ensure_overwrite(&now, OverwriteOf::Member(me.get()), allow, deny)
        .await;
    done.map_err(|error| refused(language, &error))?;
    settle(app, guild, channel).await
}

fn connected(app: &App, language: Language) -> Result<&Connection, BotError> {
    app.state.connection().ok_or_else(|| unknown(language))
}

fn refused(language: Language, error: &EnsureError) -> BotError {
    BotError::Input(match error {
        EnsureError::Discord(error) if error.is_forbidden() => {
            text!(language, "setup-discord-forbids")
        }
        _ => text!(language, "error-discord-failed"),
    })
}
