//! Permission arithmetic and the role hierarchy, as Discord documents them.

use super::id::{Id, Stamp};
use super::{Channel, Guild, Role, World};

pub const CREATE_INSTANT_INVITE: u64 = 1;
pub const KICK_MEMBERS: u64 = 1 << 1;
pub const BAN_MEMBERS: u64 = 1 << 2;
pub const ADMINISTRATOR: u64 = 1 << 3;
pub const MANAGE_CHANNELS: u64 = 1 << 4;
pub const MANAGE_GUILD: u64 = 1 << 5;
pub const ADD_REACTIONS: u64 = 1 << 6;
pub const VIEW_AUDIT_LOG: u64 = 1 << 7;
pub const STREAM: u64 = 1 << 9;
pub const PRIORITY_SPEAKER: u64 = 1 << 8;
pub const VIEW_CHANNEL: u64 = 1 << 10;
pub const SEND_MESSAGES: u64 = 1 << 11;
pub const SEND_TTS_MESSAGES: u64 = 1 << 12;
pub const MANAGE_MESSAGES: u64 = 1 << 13;
pub const EMBED_LINKS: u64 = 1 << 14;
pub const ATTACH_FILES: u64 = 1 << 15;
pub const READ_MESSAGE_HISTORY: u64 = 1 << 16;
pub const MENTION_EVERYONE: u64 = 1 << 17;
pub const CONNECT: u64 = 1 << 20;
pub const SPEAK: u64 = 1 << 21;
pub const MUTE_MEMBERS: u64 = 1 << 22;
pub const DEAFEN_MEMBERS: u64 = 1 << 23;
pub const MOVE_MEMBERS: u64 = 1 << 24;
pub const CHANGE_NICKNAME: u64 = 1 << 26;
pub const MANAGE_NICKNAMES: u64 = 1 << 27;
pub const MANAGE_ROLES: u64 = 1 << 28;
pub const MANAGE_WEBHOOKS: u64 = 1 << 29;
pub const MANAGE_GUILD_EXPRESSIONS: u64 = 1 << 30;
pub const USE_APPLICATION_COMMANDS: u64 = 1 << 31;
pub const MANAGE_EVENTS: u64 = 1 << 33;
pub const MANAGE_THREADS: u64 = 1 << 34;
pub const CREATE_PUBLIC_THREADS: u64 = 1 << 35;
pub const CREATE_PRIVATE_THREADS: u64 = 1 << 36;
pub const SEND_MESSAGES_IN_THREADS: u64 = 1 << 38;
pub const MODERATE_MEMBERS: u64 = 1 << 40;
pub const VIEW_CREATOR_MONETIZATION_ANALYTICS: u64 = 1 << 41;
pub const CREATE_GUILD_EXPRESSIONS: u64 = 1 << 43;
pub const CREATE_EVENTS: u64 = 1 << 44;
pub const SET_VOICE_CHANNEL_STATUS: u64 = 1 << 48;
pub const PIN_MESSAGES: u64 = 1 << 51;
pub const BYPASS_SLOWMODE: u64 = 1 << 52;

/// Every bit that has a meaning: 0–46 and 48–52.
pub const ALL: u64 = ((1 << 47) - 1) | (0x1f << 48);

/// What needs two factors in guilds that demand them.
pub const NEED_SECOND_FACTOR: u64 = KICK_MEMBERS
    | BAN_MEMBERS
    | ADMINISTRATOR
    | MANAGE_CHANNELS
    | MANAGE_GUILD
    | MANAGE_MESSAGES
    | MANAGE_ROLES
    | MANAGE_WEBHOOKS
    | MANAGE_GUILD_EXPRESSIONS
    | MANAGE_THREADS
    | VIEW_CREATOR_MONETIZATION_ANALYTICS;

/// What a member in timeout keeps.
const TIMED_OUT: u64 = VIEW_CHANNEL | READ_MESSAGE_HISTORY;

/// Bits of a new guild's @everyone.
pub const DEFAULT_EVERYONE: u64 = 2_248_473_465_835_073;

/// Base permissions of `user` in the guild; 0 for outsiders.
pub fn in_guild(guild: &Guild, user: Id, now: Stamp) -> u64 {
    if guild.owner_id == user {
        return ALL;
    }
    let Some(member) = guild.members.get(&user) else {
        return 0;
    };
    let everyone = guild.roles.get(&guild.id).map_or(0, |r| r.permissions);
    let roles = member.roles.iter().filter_map(|r| guild.roles.get(r));
    let base = roles.fold(everyone, |bits, role| bits | role.permissions);
    if base & ADMINISTRATOR != 0 {
        return ALL;
    }
    if member.restrained(now) {
        base & TIMED_OUT
    } else {
        base
    }
}

/// Permissions of `user` in `channel` of `guild`; for a thread pass its parent's overwrites
/// through `parent`.
pub fn in_channel(
    guild: &Guild,
    channel: &Channel,
    parent: Option<&Channel>,
    user: Id,
    now: Stamp,
) -> u64 {
    if guild.owner_id == user {
        return ALL;
    }
    let Some(member) = guild.members.get(&user) else {
        return 0;
    };
    let everyone = guild.roles.get(&guild.id).map_or(0, |r| r.permissions);
    let roles = member.roles.iter().filter_map(|r| guild.roles.get(r));
    let mut bits = roles.fold(everyone, |bits, role| bits | role.permissions);
    if bits & ADMINISTRATOR != 0 {
        return ALL;
    }
    let place = if channel.is_thread() {
        parent.unwrap_or(channel)
    } else {
        channel
    };
    let (mut allow, mut deny) = (0, 0);
    for overwrite in place.overwrites.values() {
        if overwrite.id == guild.id {
            bits = (bits & !overwrite.deny) | overwrite.allow;
        } else if member.roles.contains(&overwrite.id) {
            allow |= overwrite.allow;
            deny |= overwrite.deny;
        }
    }
    // Roles are applied together, so their order cannot matter.
    bits = (bits & !deny) | allow;
    if let Some(own) = place.overwrites.get(&user) {
        bits = (bits & !own.deny) | own.allow;
    }
    if channel.is_thread() {
        let speak = bits & SEND_MESSAGES_IN_THREADS != 0;
        bits = if speak {
            bits | SEND_MESSAGES
        } else {
            bits & !SEND_MESSAGES
        };
    }
    bits = implied(bits, place.is_voice());
    if channel.kind == 12
        && bits & MANAGE_THREADS == 0
        && !channel
            .thread
            .as_ref()
            .is_some_and(|t| t.members.contains_key(&user))
    {
        return 0;
    }
    if member.restrained(now) {
        bits & TIMED_OUT
    } else {
        bits
    }
}

/// Takes away what depends on a missing permission.
fn implied(bits: u64, voice: bool) -> u64 {
    if bits & VIEW_CHANNEL == 0 {
        return 0;
    }
    let mut bits = bits;
    if bits & SEND_MESSAGES == 0 {
        bits &= !(MENTION_EVERYONE | SEND_TTS_MESSAGES | ATTACH_FILES | EMBED_LINKS);
    }
    if voice && bits & CONNECT == 0 {
        bits &= !(MANAGE_CHANNELS | MANAGE_ROLES | MANAGE_WEBHOOKS);
    }
    bits
}

/// The place of a role among those of its guild, from the bottom up: @everyone, which is the lowest
/// whatever stands at its position (twilight#762; discord.js#1158 saw several roles at 0), then by
/// position, and of two at one position the lower id is higher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    is_held: bool,
    position: i64,
    age: std::cmp::Reverse<Id>,
}

/// Where a role of `guild` stands.
pub fn rank(guild: Id, role: &Role) -> Rank {
    Rank {
        is_held: role.id != guild,
        position: role.position,
        age: std::cmp::Reverse(role.id),
    }
}

/// The highest role of a member; @everyone when it has no other.
pub fn top_role(guild: &Guild, user: Id) -> Option<&Role> {
    let member = guild.members.get(&user)?;
    let roles = member.roles.iter().filter_map(|r| guild.roles.get(r));
    roles
        .max_by_key(|r| rank(guild.id, r))
        .or_else(|| guild.roles.get(&guild.id))
}

/// Whether `actor` may change or hand out `role`: owners always, others only strictly below
/// their own top role.
pub fn outranks_role(guild: &Guild, actor: Id, role: &Role) -> bool {
    let above = |top| rank(guild.id, top) > rank(guild.id, role);
    guild.owner_id == actor || top_role(guild, actor).is_some_and(above)
}

/// Whether `actor` may act on the member `target`. Nobody acts on the owner.
pub fn outranks(guild: &Guild, actor: Id, target: Id) -> bool {
    if guild.owner_id == target {
        return false;
    }
    if guild.owner_id == actor {
        return true;
    }
    match (top_role(guild, actor), top_role(guild, target)) {
        (Some(a), Some(t)) => rank(guild.id, a) > rank(guild.id, t),
        (Some(_), None) => true,
        _ => false,
    }
}

impl World {
    /// Base permissions of `user` in `guild`; 0 for outsiders and unknown guilds.
    pub fn permissions_of(&self, guild: Id, user: Id) -> u64 {
        self.guilds
            .get(&guild)
            .map_or(0, |g| in_guild(g, user, self.now()))
    }

    /// Permissions of `user` in `channel`, thread or direct messages.
    pub fn permissions_in(&self, channel: Id, user: Id) -> u64 {
        let Some(channel) = self.channels.get(&channel) else {
            return 0;
        };
        let Some(guild) = channel.guild_id else {
            return if channel.recipients.contains(&user) {
                ALL & !ADMINISTRATOR
            } else {
                0
            };
        };
        let Some(guild) = self.guilds.get(&guild) else {
            return 0;
        };
        let parent = channel.parent_id.and_then(|p| self.channels.get(&p));
        in_channel(guild, channel, parent, user, self.now())
    }
}
