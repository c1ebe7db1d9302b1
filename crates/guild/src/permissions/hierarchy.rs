//! Who may act on whom: permissions, then rank.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

use super::{Rank, Subject, bits};
use crate::read::{array, bit_set, id, ids};
use crate::sight::is_hidden;

/// The answer to "may it?". Only [`Ruling::Allowed`] is a yes; unknown is refused, and reported as
/// unknown, because nobody was told no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// Discord would let it happen.
    Allowed,
    /// Discord would refuse.
    Denied(Denied),
    /// What would decide is not visible from here.
    Unknown(Missing),
}

/// Why Discord would refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Permissions that the actor lacks.
    #[error("it needs {}", bits::names(*.0).join(", "))]
    Lacks(u64),
    /// The target's highest role is not below the actor's.
    #[error("the target is not below")]
    Rank,
    /// Nobody acts on the owner of a server.
    #[error("the target owns the server")]
    Owner,
    /// Nobody bans, kicks or times out themselves.
    #[error("nobody can do that to themselves")]
    Oneself,
    /// Administrators cannot be timed out.
    #[error("administrators cannot be timed out")]
    Administrator,
    /// An integration owns the role.
    #[error("the role belongs to an integration")]
    Managed,
    /// @everyone can only be edited.
    #[error("everybody has this role")]
    Everyone,
}

/// What is not visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// The guild object does not list this role.
    #[error("role {0} is not known")]
    Role(u64),
    /// The member object lacks its user or its roles.
    #[error("the member is not known")]
    Member,
    /// The channel is hidden from the bot.
    #[error("channel {0} is hidden from the bot")]
    Hidden(u64),
}

impl Ruling {
    /// Whether to go ahead.
    pub fn is_allowed(self) -> bool {
        self == Self::Allowed
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed => f.write_str("allowed"),
            Self::Denied(why) => why.fmt(f),
            Self::Unknown(what) => what.fmt(f),
        }
    }
}

/// What somebody is about to do, and to what.
#[derive(Debug, Clone, Copy)]
pub enum Act<'a> {
    /// Remove the member.
    Kick(&'a Value),
    /// Ban the member.
    Ban(&'a Value),
    /// Ban a user who is no member: no rank stands in the way.
    BanStranger(u64),
    /// Set or end a timeout of the member.
    Timeout(&'a Value),
    /// Change the member's nickname.
    Rename(&'a Value),
    /// Give a role to the member or take it away.
    Assign(&'a Value, u64),
    /// Change a role, its permissions included.
    EditRole(u64),
    /// Delete a role.
    DeleteRole(u64),
    /// Change or delete a channel.
    ManageChannel(&'a Value),
    /// Change a channel's overwrites to allow or deny these bits.
    Overwrite(&'a Value, u64),
}

/// Somebody who acts: member object and what follows from it.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    /// The member object.
    pub member: &'a Value,
    /// The same member's permissions.
    pub subject: &'a Subject,
}

#[derive(Debug, Clone, Copy)]
struct Role {
    rank: Rank,
    managed: bool,
    permissions: u64,
}

/// The roles of one guild, by rank.
#[derive(Debug, Clone)]
pub struct Hierarchy {
    guild: u64,
    owner: Option<u64>,
    roles: HashMap<u64, Role>,
}

impl Hierarchy {
    /// From a guild object with `id`, `owner_id` and `roles`. `None` without an id.
    pub fn new(guild: &Value) -> Option<Self> {
        let guild_id = id(&guild["id"])?;
        let role = |role: &Value| {
            let id = id(&role["id"])?;
            let role = Role {
                rank: Rank::of(role, guild_id)?,
                managed: role["managed"] == true,
                permissions: bit_set(&role["permissions"]),
            };
            Some((id, role))
        };
        Some(Self {
            guild: guild_id,
            owner: id(&guild["owner_id"]),
            roles: array(&guild["roles"]).iter().filter_map(role).collect(),
        })
    }

    /// Where a role stands.
    ///
    /// # Errors
    /// The guild does not list it.
    pub fn rank_of_role(&self, role: u64) -> Result<Rank, Missing> {
        self.role(role).map(|role| role.rank)
    }

    /// The member's highest role, or @everyone.
    ///
    /// # Errors
    /// A role it holds is not listed: it may be the highest.
    pub fn rank(&self, member: &Value) -> Result<Rank, Missing> {
        if !member["roles"].is_array() {
            return Err(Missing::Member);
        }
        let mut top = self.rank_of_role(self.guild)?;
        for role in ids(&member["roles"]) {
            top = top.max(self.rank_of_role(role)?);
        }
        Ok(top)
    }

    /// Whether the actor may do this, as far as the objects given tell.
    pub fn can_act_on(&self, actor: Actor<'_>, act: Act<'_>) -> Ruling {
        match self.judge(actor, act) {
            Ok(()) => Ruling::Allowed,
            Err(ruling) => ruling,
        }
    }

    fn judge(&self, actor: Actor<'_>, act: Act<'_>) -> Result<(), Ruling> {
        let in_guild = |bits| require(actor.subject.allows(None, bits));
        match act {
            Act::Kick(member) => {
                in_guild(bits::KICK_MEMBERS)?;
                self.below(actor, member)
            }
            Act::Ban(member) => {
                in_guild(bits::BAN_MEMBERS)?;
                self.below(actor, member)
            }
            Act::BanStranger(user) => {
                in_guild(bits::BAN_MEMBERS)?;
                match user {
                    user if Some(user) == self.owner => Err(Ruling::Denied(Denied::Owner)),
                    user if user == actor.subject.user => Err(Ruling::Denied(Denied::Oneself)),
                    _ => Ok(()),
                }
            }
            Act::Timeout(member) => {
                in_guild(bits::MODERATE_MEMBERS)?;
                self.below(actor, member)?;
                self.not_administrator(member)
            }
            Act::Rename(member) if user(member) == Some(actor.subject.user) => {
                in_guild(bits::CHANGE_NICKNAME)
            }
            Act::Rename(member) => {
                in_guild(bits::MANAGE_NICKNAMES)?;
                self.below(actor, member)
            }
            Act::Assign(member, role) => {
                in_guild(bits::MANAGE_ROLES)?;
                self.known(member)?;
                // The rank of the member does not matter, only that of the role.
                self.role_below(actor, role)?;
                self.free(role)
            }
            Act::EditRole(role) => {
                in_guild(bits::MANAGE_ROLES)?;
                self.role_below(actor, role)
            }
            Act::DeleteRole(role) => {
                in_guild(bits::MANAGE_ROLES)?;
                self.role_below(actor, role)?;
                self.free(role)
            }
            Act::ManageChannel(channel) => {
                visible(channel)?;
                let needed = bits::VIEW_CHANNEL | bits::MANAGE_CHANNELS;
                require(actor.subject.allows(Some(channel), needed))
            }
            Act::Overwrite(channel, changed) => {
                visible(channel)?;
                let needed = bits::VIEW_CHANNEL | bits::MANAGE_ROLES;
                require(actor.subject.allows(Some(channel), needed))?;
                // Only what the actor has in the guild, and MANAGE_ROLES itself for administrators.
                let own = match actor.subject.all {
                    true => bits::ALL,
                    false => actor.subject.in_guild() & !bits::MANAGE_ROLES,
                };
                lacks_none(changed & !own)
            }
        }
    }

    /// The member stands below the actor, and is neither the owner nor the actor.
    fn below(&self, actor: Actor<'_>, member: &Value) -> Result<(), Ruling> {
        let target = self.known(member)?;
        if Some(target) == self.owner {
            return Err(Ruling::Denied(Denied::Owner));
        }
        if target == actor.subject.user {
            return Err(Ruling::Denied(Denied::Oneself));
        }
        if Some(actor.subject.user) == self.owner {
            return Ok(());
        }
        let above = self.rank(actor.member).map_err(Ruling::Unknown)?;
        let rank = self.rank(member).map_err(Ruling::Unknown)?;
        if above > rank {
            Ok(())
        } else {
            Err(Ruling::Denied(Denied::Rank))
        }
    }

    fn role_below(&self, actor: Actor<'_>, role: u64) -> Result<(), Ruling> {
        let rank = self.rank_of_role(role).map_err(Ruling::Unknown)?;
        if Some(actor.subject.user) == self.owner {
            return Ok(());
        }
        let above = self.rank(actor.member).map_err(Ruling::Unknown)?;
        // A member without roles stands with @everyone and may still edit it.
        if above > rank || role == self.guild {
            Ok(())
        } else {
            Err(Ruling::Denied(Denied::Rank))
        }
    }

    /// The role can be given, taken and deleted.
    fn free(&self, role: u64) -> Result<(), Ruling> {
        if role == self.guild {
            return Err(Ruling::Denied(Denied::Everyone));
        }
        let managed = self.role(role).map_err(Ruling::Unknown)?.managed;
        if managed {
            return Err(Ruling::Denied(Denied::Managed));
        }
        Ok(())
    }

    fn not_administrator(&self, member: &Value) -> Result<(), Ruling> {
        for role in ids(&member["roles"]).chain([self.guild]) {
            let role = self.role(role).map_err(Ruling::Unknown)?;
            if role.permissions & bits::ADMINISTRATOR != 0 {
                return Err(Ruling::Denied(Denied::Administrator));
            }
        }
        Ok(())
    }

    fn known(&self, member: &Value) -> Result<u64, Ruling> {
        user(member).ok_or(Ruling::Unknown(Missing::Member))
    }

    fn role(&self, role: u64) -> Result<Role, Missing> {
        self.roles.get(&role).copied().ok_or(Missing::Role(role))
    }
}

fn user(member: &Value) -> Option<u64> {
    id(&member["user"]["id"])
}

fn require(ruling: Ruling) -> Result<(), Ruling> {
    match ruling {
        Ruling::Allowed => Ok(()),
        other => Err(other),
    }
}

fn lacks_none(lacking: u64) -> Result<(), Ruling> {
    match lacking {
        0 => Ok(()),
        lacking => Err(Ruling::Denied(Denied::Lacks(lacking))),
    }
}

/// Even an administrator's bot does not know what a hidden channel is like.
fn visible(channel: &Value) -> Result<(), Ruling> {
    match id(&channel["id"]) {
        None => Err(Ruling::Unknown(Missing::Hidden(0))),
        Some(id) if is_hidden(channel) => Err(Ruling::Unknown(Missing::Hidden(id))),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
