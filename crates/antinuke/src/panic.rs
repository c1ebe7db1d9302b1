//! Panic: dangerous permissions of every role in reach are taken and kept for their return, invites
//! and messages between members are paused.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splashtail_guild::{Id, Kind};

use crate::bits::{self, POWER, SPEECH};
use crate::effect::{Call, Inverse, Method, Rung};
use crate::entry::action as a;
use crate::ladder::{Case, disarm};
use crate::members::{Sight, role_bits};
use crate::moment::{HOUR, Moment};

/// Discord pauses for a day at most.
const PAUSE: u64 = 24 * HOUR;
const RENEWED_EACH: u64 = 12 * HOUR;
/// Unless somebody confirms it, a panic's pauses are not renewed for longer.
const RENEWED_FOR: u64 = 72 * HOUR;

/// A panic that is on. It never ends by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Panic {
    pub incident: Id,
    pub mask: u64,
    pub since: Moment,
    pub renewed: Moment,
    pub confirmed: bool,
    /// What was taken from each role and what was left.
    pub taken: Vec<Taken>,
    /// Roles of suspects: they are given nothing back without a question.
    pub suspect_roles: Vec<Id>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    pub role: Id,
    pub taken: u64,
    pub left: u64,
}

/// What a panic would do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reach {
    /// Roles, what is taken from each and what is left.
    pub roles: Vec<Taken>,
    /// Roles with dangerous permissions that the bot cannot take.
    pub beyond: Vec<Id>,
    /// Invites and messages between strangers are paused.
    pub pauses: bool,
}

/// The calls that begin it: roles of suspects before others, pauses at the end.
pub fn begin(
    case: &Case<'_>,
    sight: Sight<'_>,
    (mask, taken): (u64, &[Taken]),
    first: &[Id],
    now: Moment,
) -> Vec<Call> {
    let all = sight.structure.all(Kind::Role).map(|(id, _)| id);
    let mut roles: Vec<Id> = all.collect();
    roles.sort_by_key(|role| !first.contains(role));
    let mut calls = take_from(case, sight, (mask, taken), roles);
    if sight.my_permissions() & bits::MANAGE_GUILD != 0 {
        calls.push(pause(case, sight, Some(now)));
    }
    calls
}

/// The calls that disarm those of these roles that are in reach. Roles that have power, or had it
/// before it was taken, keep their speech.
pub fn take_from(
    case: &Case<'_>,
    sight: Sight<'_>,
    (mask, taken): (u64, &[Taken]),
    roles: Vec<Id>,
) -> Vec<Call> {
    if sight.my_permissions() & bits::MANAGE_ROLES == 0 {
        return Vec::new();
    }
    let mine = sight.roles(sight.me).unwrap_or_default();
    let each = roles.into_iter();
    let each = each.filter(|role| !mine.contains(role) && sight.is_below_me(*role));
    let had_power = |role| {
        let mut before = taken.iter().filter(|known| known.role == role);
        let before = before.any(|known| known.taken & POWER != 0);
        before || role_bits(sight.structure, role) & POWER != 0
    };
    let calls = each.filter_map(|role| {
        let mask = match had_power(role) {
            true => mask & !SPEECH,
            false => mask,
        };
        disarm(case, sight, Rung::PanicRole, role, mask)
    });
    calls.collect()
}

/// Pauses invites and messages between strangers for a day, or ends it. A field that is left out
/// would be reset.
pub fn pause(case: &Case<'_>, sight: Sight<'_>, from: Option<Moment>) -> Call {
    let guild = sight.structure.id();
    let path = format!("/guilds/{guild}/incident-actions");
    let mut call = case.call(Rung::PauseInvites, guild, Method::Put, path);
    let until = from.map_or(Value::Null, |from| rfc3339(from.plus(PAUSE)).into());
    call.body = Some(json!({"invites_disabled_until": until, "dms_disabled_until": until}));
    call.action = Some(a::GUILD_UPDATE);
    call.inverse = from.map(|_| Inverse::EndPause);
    call
}

/// What a role should hold again: what it holds now, and what was taken less what somebody changed
/// since.
pub fn returned(now: u64, taken: u64, left: u64) -> u64 {
    let changed = now ^ left;
    now | (taken & !changed)
}

impl Panic {
    /// Keeps what these calls take, for its return.
    pub(crate) fn note_taken(&mut self, calls: &[Call]) {
        for call in calls {
            let Some(Inverse::GiveBits { role, taken, left }) = call.inverse else {
                continue;
            };
            match self.taken.iter_mut().find(|known| known.role == role) {
                Some(known) => {
                    known.taken |= taken;
                    known.left = left;
                }
                None => self.taken.push(Taken { role, taken, left }),
            }
        }
    }

    pub fn needs_renewal(&self, now: Moment) -> bool {
        let may = self.confirmed || now.since(self.since) < RENEWED_FOR;
        may && now.since(self.renewed) >= RENEWED_EACH
    }

    pub fn wakes(&self) -> Moment {
        self.renewed.plus(RENEWED_EACH)
    }

    /// Roles that give their bits back, with what they should hold then. Bits that the bot lacks
    /// cannot be among them.
    pub fn returns(&self, sight: Sight<'_>, suspects_too: bool) -> Vec<(Id, u64)> {
        let mine = sight.my_permissions();
        let each = self.taken.iter().filter(|taken| {
            suspects_too || taken.taken & POWER == 0 || !self.suspect_roles.contains(&taken.role)
        });
        each.filter(|taken| sight.structure.get(Kind::Role, taken.role).is_some())
            .map(|taken| {
                let now = role_bits(sight.structure, taken.role);
                (
                    taken.role,
                    returned(now, taken.taken, taken.left) & (mine | now),
                )
            })
            .filter(|(role, wanted)| role_bits(sight.structure, *role) != *wanted)
            .collect()
    }
}

/// A moment as Discord writes times, to the second.
fn rfc3339(at: Moment) -> String {
    let seconds = at.unix_ms() / 1000;
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Civil calendar of days since 1970 (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_changed_meanwhile_stays() {
        let (kick, ban, roles) = (bits::KICK_MEMBERS, bits::BAN_MEMBERS, bits::MANAGE_ROLES);
        let sent = 1 << 10;
        assert_eq!(returned(sent, kick | ban, sent), sent | kick | ban);
        // Somebody gave one bit back and another one beside.
        let now = sent | kick | roles;
        assert_eq!(returned(now, kick | ban, sent), now | ban);
        // Somebody took what was left.
        assert_eq!(returned(0, kick, sent), kick);
    }

    #[test]
    fn times_are_written_as_discord_does() {
        let write = |unix| rfc3339(Moment::from_unix_ms(unix));
        assert_eq!(write(1_796_020_801_000), "2026-11-30T06:40:01+00:00");
        assert_eq!(write(1_709_164_800_000), "2024-02-29T00:00:00+00:00");
    }
}
