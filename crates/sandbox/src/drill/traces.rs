//! Changes that attackers left behind, and whether someone has set them right.

use std::collections::BTreeMap;

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
    /// The roles with their names.
    Stripped {
        user: Id,
        roles: BTreeMap<Id, String>,
    },
    Server {
        name: String,
    },
    Emoji(String),
    Sticker(String),
    Automod(String),
    Invite {
        channel: Id,
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

    /// Whether both tell of a thing lost that the same new one would make up for.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Emoji(a), Self::Emoji(b))
            | (Self::Sticker(a), Self::Sticker(b))
            | (Self::Automod(a), Self::Automod(b)) => a == b,
            (Self::Invite { channel: a }, Self::Invite { channel: b }) => a == b,
            _ => false,
        }
    }

    /// Whether things are as they were before. What is lost is made up for by something like it that
    /// was made since `since`, when there is more of that than `before` others need.
    pub fn is_mended(&self, world: &World, guild: &Guild, since: Id, before: usize) -> bool {
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
            Self::Stripped { user, roles } => member(user).is_some_and(|member| {
                let called = |id: &Id, name: &str| {
                    let role = guild.roles.get(id).filter(|role| role.id > since);
                    role.is_some_and(|role| role.name == name)
                };
                roles.iter().all(|(role, name)| {
                    let mut held = member.roles.iter();
                    match guild.roles.contains_key(role) {
                        true => held.any(|id| id == role),
                        // It was deleted after that: one in its place does.
                        false => held.any(|id| called(id, name)),
                    }
                })
            }),
            Self::Server { name } => guild.name == *name,
            Self::Emoji(name) => {
                let new = guild.emojis.values().filter(|e| e.id > since);
                new.filter(|e| e.name == *name).count() > before
            }
            Self::Sticker(name) => {
                let new = guild.stickers.values().filter(|s| s.id > since);
                new.filter(|s| s.name == *name).count() > before
            }
            Self::Automod(name) => {
                let new = guild.automod.values().filter(|r| r.id > since);
                new.filter(|r| r.name == *name).count() > before
            }
            Self::Invite { channel } => {
                let here = world.invites.values().filter(|i| i.channel == *channel);
                here.filter(|i| i.created_at > since.created()).count() > before
            }
            Self::Integration(bot) | Self::BotKicked(bot) => member(bot).is_some(),
            Self::Disarmed { role, permissions } => guild
                .roles
                .get(role)
                .is_some_and(|r| r.permissions == *permissions),
        }
    }
}
