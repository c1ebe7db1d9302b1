//! How much of everything there may be: constants of Discord, all of them settable.

use serde::{Deserialize, Serialize};

/// Upper bounds. Lists go by boost level, 0 to 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Caps {
    /// Roles of a guild, @everyone included (30005).
    pub roles: usize,
    /// Channels of a guild, threads not counted (30013).
    pub channels: usize,
    /// Channels of a category, hidden ones too (50035, CHANNEL_PARENT_MAX_CHANNELS).
    pub category_channels: usize,
    /// Overwrites of a channel (30060).
    pub overwrites: usize,
    /// Overwrites in one body of a channel; more are put one by one.
    pub overwrites_in_body: usize,
    /// Emojis of each sort (30008, 30018).
    pub emojis: [usize; 4],
    /// (30039)
    pub stickers: [usize; 4],
    /// (30045)
    pub sounds: [usize; 4],
    /// Webhooks of a channel (30007).
    pub webhooks: usize,
    /// Webhooks of a guild (30058).
    pub guild_webhooks: usize,
    /// (30016)
    pub invites: usize,
    /// Pinned messages of a channel (30003).
    pub pins: usize,
    /// Emojis one message can be reacted to with (30010).
    pub reactions: usize,
    /// Active threads of a guild (160006); people report about a thousand.
    pub active_threads: usize,
    /// Of those, threads of announcement channels (160007).
    pub active_announcement_threads: usize,
    /// Followers of a thread (30033).
    pub thread_members: usize,
    /// Pinned posts of a forum (30047).
    pub pinned_threads: usize,
    /// Tags of a forum (30048).
    pub forum_tags: usize,
    /// Guilds of a person (30001).
    pub user_guilds: usize,
    /// Scheduled events that are not over (30038).
    pub scheduled_events: usize,
    /// Templates of a guild (30031).
    pub templates: usize,
    /// Bans from which on the list of bans is limited for the whole guild.
    pub long_ban_list: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            roles: 250,
            channels: 500,
            category_channels: 50,
            overwrites: 1000,
            overwrites_in_body: 100,
            emojis: [50, 100, 150, 250],
            stickers: [5, 15, 30, 60],
            sounds: [8, 24, 36, 48],
            webhooks: 15,
            guild_webhooks: 1000,
            invites: 1000,
            pins: 250,
            reactions: 20,
            active_threads: 1000,
            active_announcement_threads: 1000,
            thread_members: 1000,
            pinned_threads: 1,
            forum_tags: 20,
            user_guilds: 100,
            scheduled_events: 100,
            templates: 1,
            long_ban_list: 1000,
        }
    }
}

/// The bound of a list that goes by boost level.
pub fn at_tier(list: [usize; 4], tier: u8) -> usize {
    list[usize::from(tier.min(3))]
}
