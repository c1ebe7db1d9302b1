//! serenity's ids as ours.

use poise::serenity_prelude as serenity;
use splashtail_core::ids::{ChannelId, GuildId, MessageId, RoleId, UserId};

use crate::app::Context;
use crate::error::BotError;

/// serenity's ids are never zero, just as ours.
macro_rules! convert {
    ($($name:ident: $theirs:ident => $ours:ident),+ $(,)?) => {$(
        #[allow(clippy::expect_used, reason = "serenity's ids hold a NonZeroU64")]
        pub fn $name(id: serenity::$theirs) -> $ours {
            $ours::new(id.get()).expect("serenity's ids are not zero")
        }
    )+};
}

convert!(
    guild: GuildId => GuildId,
    user: UserId => UserId,
    role: RoleId => RoleId,
    channel: ChannelId => ChannelId,
    message: MessageId => MessageId,
);

/// The guild in which a command was run.
///
/// # Errors
/// [`BotError::NoGuild`] in direct messages.
pub fn guild_of(cx: Context<'_>) -> Result<GuildId, BotError> {
    cx.guild_id().map(guild).ok_or(BotError::NoGuild)
}
