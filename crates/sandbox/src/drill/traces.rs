//! Changes that attackers left behind, and whether someone has set them right.

use std::collections::BTreeSet;

use splashtail_sandbox_world::world::permissions as perm;
use splashtail_sandbox_world::world::{Guild, Id, World};

use super::types::Damage;

/// A change, with what was there before.
#[derive(Debug, Clone)]
pub(super) enum Trace {
    Renamed {
        channel: Id,
        name: String,
    },
    Overwrite {
        channel: Id,
        holder: Id,
        before: Option<(u64, u64)>,
        damage: Damage,
    },
    Thread(Id),
    RoleEdited {
        role: Id,
        name: String,
        permissions: u64,
    },
    /// Roles from the lowest up.
    Reordered(Vec<Id>),
    Administrator(Id),
    /// A role with Administrator.
    Crown(Id),
    Stripped {
        user: Id,
        roles: BTreeSet<Id>,
    },
    Server {
        name: String,
    },
    Emoji(String),
    Sticker(String),
    Automod(String),
    Invite {
        channel: Id,
        since: Id,
    },
    Integration(Id),
    BotKicked(Id),
    Disarmed {
        role: Id,
        permissions: u64,
    },
}

impl Trace {
    pub fn damage(&self) -> Damage {
        match self {
            Self::Renamed { .. } => Damage::ChannelsRenamed,
            Self::Overwrite { damage, .. } => *damage,
            Self::Thread(_) => Damage::ThreadsCreated,
            Self::RoleEdited { .. } => Damage::RolesEdited,
            Self::Reordered(_) => Damage::RolesReordered,
            Self::Administrator(_) => Damage::AdministratorsMade,
            Self::Crown(_) => Damage::AdminRolesCreated,
            Self::Stripped { .. } => Damage::MembersStripped,
            Self::Server { .. } => Damage::ServerEdits,
            Self::Emoji(_) => Damage::EmojisDeleted,
            Self::Sticker(_) => Damage::StickersDeleted,
            Self::Automod(_) => Damage::AutomodRulesDeleted,
            Self::Invite { .. } => Damage::InvitesDeleted,
            Self::Integration(_) => Damage::IntegrationsDeleted,
            Self::BotKicked(_) => Damage::BotsKicked,
            Self::Disarmed { .. } => Damage::BotsDisarmed,
        }
    }

    /// Whether an audit entry about `target`, or a thing newly made as `name`, may mend it.
    pub fn concerns(&self, target: Id, name: Option<&str>) -> bool {
        match self {
            Self::Renamed { channel, .. } | Self::Overwrite { channel, .. } => *channel == target,
            Self::Thread(id) => *id == target,
            Self::RoleEdited { role, .. } | Self::Disarmed { role, .. } => *role == target,
            Self::Stripped { user, .. } => *user == target,
            Self::Integration(bot) | Self::BotKicked(bot) => *bot == target,
            Self::Emoji(lost) | Self::Sticker(lost) | Self::Automod(lost) => {
                name == Some(lost.as_str())
            }
            Self::Reordered(_)
            | Self::Administrator(_)
            | Self::Crown(_)
            | Self::Server { .. }
            | Self::Invite { .. } => false,
        }
    }

    /// Whether things are as they were before.
    pub fn is_mended(&self, world: &World, guild: &Guild) -> bool {
        let member = |user: &Id| guild.members.get(user);
        match self {
            Self::Renamed { channel, name } => {
                world.channels.get(channel).is_some_and(|c| c.name == *name)
            }
            Self::Overwrite {
                channel,
                holder,
                before,
                ..
            } => world.channels.get(channel).is_some_and(|c| {
                let now = c.overwrites.get(holder).map(|o| (o.allow, o.deny));
                now.unwrap_or_default() == before.unwrap_or_default()
            }),
            Self::Thread(id) => !world.channels.contains_key(id),
            Self::RoleEdited {
                role,
                name,
                permissions,
            } => guild
                .roles
                .get(role)
                .is_some_and(|r| r.name == *name && r.permissions == *permissions),
            Self::Reordered(order) => {
                let roles: Option<Vec<_>> = order.iter().map(|r| guild.roles.get(r)).collect();
                let ranks = roles.map(|roles| roles.into_iter().map(|r| perm::rank(guild.id, r)));
                ranks.is_some_and(Iterator::is_sorted)
            }
            Self::Administrator(user) => {
                let bits = perm::in_guild(guild, *user, world.now());
                bits & perm::ADMINISTRATOR == 0
            }
            Self::Crown(role) => guild
                .roles
                .get(role)
                .is_none_or(|r| r.permissions & perm::ADMINISTRATOR == 0),
            Self::Stripped { user, roles } => {
                let lives = |role: &&Id| guild.roles.contains_key(role);
                member(user)
                    .is_some_and(|m| roles.iter().filter(lives).all(|r| m.roles.contains(r)))
            }
            Self::Server { name } => guild.name == *name,
            Self::Emoji(name) => guild.emojis.values().any(|e| e.name == *name),
            Self::Sticker(name) => guild.stickers.values().any(|s| s.name == *name),
            Self::Automod(name) => guild.automod.values().any(|r| r.name == *name),
            Self::Invite { channel, since } => world
                .invites
                .values()
                .any(|i| i.channel == *channel && i.created_at > since.created()),
            Self::Integration(bot) | Self::BotKicked(bot) => member(bot).is_some(),
            Self::Disarmed { role, permissions } => guild
                .roles
                .get(role)
                .is_some_and(|r| r.permissions == *permissions),
        }
    }
}
