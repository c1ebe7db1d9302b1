//! `/backups create`.

use splashtail_core::ids::GuildId;

use super::options::{CreateOptions, KnownChannel};
use super::{Backups, CREATE_TASK};
use crate::app::{self, Context, Data};
use crate::error::BotError;
use crate::guilds::GuildView;
use crate::ids;
use crate::modules::jobs::run;
use crate::reply;
use crate::text;

/// What is made of an earlier backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, poise::ChoiceParameter)]
pub enum Incremental {
    #[name = "auto"]
    Auto,
    #[name = "off"]
    Off,
}

/// Back up this server: settings, roles, channels and, if you want, messages.
///
/// As a message it only says how to run it: a password has no place there.
#[poise::command(prefix_command, slash_command, guild_only, user_cooldown = 5)]
#[allow(
    clippy::too_many_arguments,
    reason = "one parameter per option of the slash command"
)]
pub async fn create(
    cx: Context<'_>,
    #[description = "Keep messages (default: no)"] messages: Option<bool>,
    #[description = "Keep attachments of messages (default: no)"] attachments: Option<bool>,
    #[description = "Images to keep: icon, splash, banner, separated by commas, or none (default: all)"]
    backup_guild_assets: Option<String>,
    #[description = "Give the unused share of quiet channels to others (default: yes)"]
    rollover_leftovers: Option<bool>,
    #[description = "Go on when a channel cannot be read (default: no)"]
    ignore_message_backup_errors: Option<bool>,
    #[description = "Most messages to keep (default: as many as the plan allows)"]
    max_messages: Option<i64>,
    #[description = "Most messages of one channel (default: 100)"] per_channel: Option<i64>,
    #[description = "Channels with their own number of messages: channel=number, separated by commas"]
    special_allocations: Option<String>,
    #[description = "Encrypts the backup; whoever loses it loses the backup"] password: Option<
        String,
    >,
    #[description = "Keep who has which roles and nickname (default: yes)"] members: Option<bool>,
    #[description = "Keep who is banned, and why (default: no)"] bans: Option<bool>,
    #[description = "Copy messages that an earlier backup has instead of reading them (default: off)"]
    incremental: Option<Incremental>,
) -> Result<(), BotError> {
    if let Context::Prefix(_) = cx {
        let language = app::reader_language(cx);
        return Err(BotError::Input(text!(language, "backups-slash-create")));
    }
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let backups = cx.data().services.get::<Backups>()?;
    let options = CreateOptions {
        messages: messages.unwrap_or(false),
        attachments: attachments.unwrap_or(false),
        members: members.unwrap_or(true),
        bans: bans.unwrap_or(false),
        assets: backup_guild_assets,
        rollover_leftovers: rollover_leftovers.unwrap_or(true),
        ignore_errors: ignore_message_backup_errors.unwrap_or(false),
        max_messages,
        per_channel,
        special_allocations,
        password: password.map(Into::into),
        incremental: incremental == Some(Incremental::Auto),
        channels: known_channels(cx.data(), guild),
    };
    let data = options
        .job_data(app::reader_language(cx), guild, &backups.config.plans.free)
        .map_err(BotError::Input)?;
    run(cx, CREATE_TASK, data).await
}

/// The channels of the server as the gateway told them, hidden ones included: Discord's lists leave
/// those out. Empty while nobody knows.
pub(super) fn known_channels(app: &Data, guild: GuildId) -> Vec<KnownChannel> {
    let view = app.state.guilds.get(guild);
    let view = view.filter(GuildView::is_available);
    view.map(|view| view.structure(KnownChannel::all))
        .unwrap_or_default()
}
