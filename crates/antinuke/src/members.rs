//! What is known of members: of those who ever had a role, acted or joined lately.

use std::collections::BTreeMap;

use serde_json::Value;
use splashtail_guild::permissions::{Rank, base};
use splashtail_guild::{Id, Kind, Structure};

use crate::bits;
use crate::moment::{DAY, MINUTE, Moment};

/// Members remembered. Holders of roles stay before others.
const MOST: usize = 8192;
/// How long somebody who left is still known.
const GONE_FOR: u64 = 10 * MINUTE;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Member {
    pub roles: Vec<Id>,
    pub bot: bool,
    pub joined: Option<Moment>,
    /// When they were first seen with a dangerous permission, if that was seen.
    pub empowered: Option<Moment>,
    /// The role by which they got it.
    pub armed_by: Option<Id>,
    /// When somebody who is never part of an attack last gave them power.
    pub vouched: Option<Moment>,
    pub gone: Option<Moment>,
    /// Permissions that were taken lately, and until when they still explain an act.
    pub before: (u64, Moment),
    pub timed_out: bool,
}

/// Members of one guild.
#[derive(Debug, Default)]
pub struct Members {
    known: BTreeMap<Id, Member>,
    /// All members of the server, known or not, as somebody else counts them.
    pub(crate) told: u64,
}

/// Guild and members as they are now, and who looks at them.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    pub structure: &'a Structure,
    pub members: &'a Members,
    pub me: Id,
}

impl Members {
    pub fn get(&self, user: Id) -> Option<&Member> {
        self.known.get(&user)
    }

    pub fn here(&self, user: Id) -> Option<&Member> {
        self.get(user).filter(|member| member.gone.is_none())
    }

    pub fn iter(&self) -> impl Iterator<Item = (Id, &Member)> {
        self.known.iter().map(|(id, member)| (*id, member))
    }

    /// Takes in a member object. `live`: it tells of a change that happens now.
    pub fn learn(&mut self, structure: &Structure, raw: &Value, now: Moment, live: bool) {
        let Some(user) = Id::of(&raw["user"]) else {
            return;
        };
        let Some(roles) = raw["roles"].as_array() else {
            return;
        };
        let roles: Vec<Id> = roles.iter().filter_map(Id::read).collect();
        let old = self.known.get(&user).filter(|m| m.gone.is_none());
        if old.is_none() && roles.is_empty() && self.known.len() >= MOST {
            return;
        }
        let power = permissions(structure, user, &roles);
        let had = old.map(|m| permissions(structure, user, &m.roles));
        let gained = power & bits::POWER != 0 && had.is_none_or(|had| had & bits::POWER == 0);
        let (empowered, armed_by) = match gained && (live && old.is_some()) {
            true => {
                let mut armed = roles.iter().copied();
                let armed = armed.find(|role| role_bits(structure, *role) & bits::POWER != 0);
                (Some(now), armed)
            }
            false => old.map_or((None, None), |m| (m.empowered, m.armed_by)),
        };
        let joined = raw["joined_at"].as_str().and_then(rfc3339);
        let kept = old.map_or((0, Moment::default()), |m| m.before);
        let before = match had {
            Some(had) if live && had & !power != 0 => remembered(kept, had, now),
            _ => kept,
        };
        let member = Member {
            bot: raw["user"]["bot"] == true || old.is_some_and(|m| m.bot),
            joined: joined.or(old.and_then(|m| m.joined)),
            empowered,
            armed_by,
            vouched: old.and_then(|m| m.vouched),
            gone: None,
            before,
            timed_out: raw["communication_disabled_until"].is_string(),
            roles,
        };
        self.known.insert(user, member);
        self.make_room();
    }

    /// Notes an entry's own word on the roles of a member, which may come before the member's event.
    pub fn empowered(&mut self, user: Id, at: Moment) {
        if let Some(member) = self.known.get_mut(&user) {
            member.empowered = Some(at);
        }
    }

    /// Notes that somebody who is never part of an attack gave a member power.
    pub fn vouched(&mut self, user: Id, at: Moment) {
        if let Some(member) = self.known.get_mut(&user) {
            member.vouched = Some(at);
        }
    }

    /// Roles that somebody has left. What they could do explains acts until then.
    pub fn lost_roles(&mut self, structure: &Structure, user: Id, left: Vec<Id>, until: Moment) {
        if let Some(member) = self.known.get_mut(&user) {
            member.before = (permissions(structure, user, &member.roles), until);
            member.roles = left;
        }
    }

    /// A role lost bits, or is gone: what its holders could do still explains their acts.
    pub fn lost_bits(&mut self, structure: &Structure, role: Id, had: u64, now: Moment) {
        let lost = had & !role_bits(structure, role);
        if lost == 0 {
            return;
        }
        let all = match lost & bits::ADMINISTRATOR {
            0 => lost,
            _ => u64::MAX,
        };
        for (user, member) in &mut self.known {
            if role == structure.id() || member.roles.contains(&role) {
                let had = all | permissions(structure, *user, &member.roles);
                member.before = remembered(member.before, had, now);
            }
        }
    }

    /// Nobody by this id is here, so they can do nothing.
    pub fn absent(&mut self, user: Id, now: Moment) {
        self.known.entry(user).or_default().gone = Some(now);
        self.make_room();
    }

    pub fn leave(&mut self, user: Id, now: Moment) {
        if let Some(member) = self.known.get_mut(&user) {
            member.gone = Some(now);
        }
    }

    pub fn forget(&mut self, now: Moment) {
        self.known
            .retain(|_, member| member.gone.is_none_or(|gone| now.since(gone) < GONE_FOR));
    }

    fn make_room(&mut self) {
        if self.known.len() <= MOST {
            return;
        }
        let idle = self.known.iter().find(|(_, m)| m.roles.is_empty());
        let first = idle.or_else(|| self.known.iter().next());
        if let Some(id) = first.map(|(id, _)| *id) {
            self.known.remove(&id);
        }
    }

    pub fn holders(&self, role: Id) -> usize {
        let here = self.known.values().filter(|m| m.gone.is_none());
        here.filter(|m| m.roles.contains(&role)).count()
    }
}

/// What was taken within the minute, all steps of it together.
fn remembered((before, until): (u64, Moment), had: u64, now: Moment) -> (u64, Moment) {
    let still = if now <= until { before } else { 0 };
    (still | had, now.plus(MINUTE))
}

/// Base permissions of somebody with these roles; all bits for the owner and administrators.
pub fn permissions(structure: &Structure, user: Id, roles: &[Id]) -> u64 {
    let held = std::iter::once(structure.id()).chain(roles.iter().copied());
    let granted = held.map(|role| role_bits(structure, role));
    base(owner(structure) == Some(user), granted)
}

pub fn owner(structure: &Structure) -> Option<Id> {
    Id::read(&structure.guild()["owner_id"])
}

pub fn role_bits(structure: &Structure, role: Id) -> u64 {
    let role = structure.get(Kind::Role, role);
    role.map_or(0, |role| bits::read(&role["permissions"]))
}

/// The role that came with a bot.
pub fn managed_role_of(structure: &Structure, bot: Id) -> Option<Id> {
    let mut roles = structure.all(Kind::Role);
    let found = roles.find(|(_, role)| Id::read(&role["tags"]["bot_id"]) == Some(bot));
    found.map(|(id, _)| id)
}

impl Sight<'_> {
    pub fn is_bot(&self, user: Id) -> bool {
        self.members.get(user).is_some_and(|m| m.bot)
            || managed_role_of(self.structure, user).is_some()
    }

    /// Roles of somebody, as far as they are known; a bot's own role tells itself.
    pub fn roles(&self, user: Id) -> Option<Vec<Id>> {
        match self.members.get(user) {
            Some(member) => Some(member.roles.clone()),
            None => managed_role_of(self.structure, user).map(|role| vec![role]),
        }
    }

    /// Permissions of somebody; `None` when their roles are not known.
    pub fn permissions(&self, user: Id) -> Option<u64> {
        if owner(self.structure) == Some(user) {
            return Some(u64::MAX);
        }
        let roles = self.roles(user)?;
        Some(permissions(self.structure, user, &roles))
    }

    /// Permissions that somebody had within the minute before.
    pub fn recent_permissions(&self, user: Id, at: Moment) -> Option<u64> {
        let now = self.permissions(user)?;
        let before = self.members.get(user).map(|m| m.before);
        let before = before.filter(|(_, until)| at <= *until);
        Some(now | before.map_or(0, |(had, _)| had))
    }

    /// The same without what these roles give.
    pub fn permissions_without(&self, user: Id, lent: &[Id], at: Moment) -> Option<u64> {
        if owner(self.structure) == Some(user) {
            return Some(u64::MAX);
        }
        let mut roles = self.roles(user)?;
        roles.retain(|role| !lent.contains(role));
        let before = self.members.get(user).map(|m| m.before);
        let before = before.filter(|(_, until)| at <= *until);
        let had = permissions(self.structure, user, &roles);
        Some(had | before.map_or(0, |(had, _)| had))
    }

    /// Holds a dangerous permission; not when nothing is known.
    pub fn is_staff(&self, user: Id, at: Moment) -> bool {
        let had = self.recent_permissions(user, at);
        had.is_some_and(|had| had & bits::POWER != 0)
    }

    /// Came within a day and has no role, or is so young that it cannot be otherwise.
    pub fn is_fresh(&self, user: Id, at: Moment) -> bool {
        match self.members.get(user) {
            Some(member) => {
                let fresh = member.joined.is_some_and(|joined| at.since(joined) < DAY);
                member.roles.is_empty() && fresh
            }
            None => at.since(Moment::of(user)) < DAY,
        }
    }

    pub fn my_permissions(&self) -> u64 {
        self.permissions(self.me).unwrap_or(0)
    }

    pub fn my_rank(&self) -> Option<Rank> {
        if owner(self.structure) == Some(self.me) {
            return Some(Rank::HIGHEST);
        }
        let roles = self.roles(self.me)?;
        let ranks = roles.iter().filter_map(|r| self.structure.rank_of(*r));
        ranks.max()
    }

    /// Whether the role stands below the bot's highest.
    pub fn is_below_me(&self, role: Id) -> bool {
        let role = self.structure.rank_of(role);
        matches!((role, self.my_rank()), (Some(role), Some(mine)) if role < mine)
    }

    /// Whether the bot outranks somebody with these roles.
    pub fn outranks(&self, user: Id, roles: &[Id]) -> bool {
        owner(self.structure) != Some(user)
            && user != self.me
            && roles.iter().all(|role| {
                self.structure.get(Kind::Role, *role).is_none() || self.is_below_me(*role)
            })
            && self.my_rank().is_some()
    }

    pub fn member_count(&self) -> u64 {
        let here = self.members.iter().filter(|(_, m)| m.gone.is_none());
        let told = self.structure.guild()["approximate_member_count"].as_u64();
        let told = told.unwrap_or(0).max(self.members.told);
        match told {
            0 => here.count() as u64,
            told => told,
        }
    }
}

/// Milliseconds of an RFC 3339 time of Discord, which is always in UTC.
fn rfc3339(text: &str) -> Option<Moment> {
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
    let (hour, minute, second) = (part(11..13)?, part(14..16)?, part(17..19)?);
    // Days since 1970 by the civil calendar (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    u64::try_from(seconds * 1000).ok().map(Moment::from_unix_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_discord_are_read() {
        let read = |text| rfc3339(text).map(Moment::unix_ms);
        assert_eq!(
            read("2026-11-30T06:40:01.250000+00:00"),
            Some(1_796_020_801_000)
        );
        assert_eq!(read("2024-02-29T00:00:00Z"), Some(1_709_164_800_000));
        assert_eq!(read("soon"), None);
        assert_eq!(read("2024-é2-29T00:00:00Z"), None);
    }
}
