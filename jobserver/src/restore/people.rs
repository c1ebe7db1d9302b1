//! What becomes of members and bans. Pure. Nobody gets a role by it that is the application's to give,
//! that stands above the bot or whoever ordered it, that the bot's own settings give power to, or whose
//! permissions whoever ordered it could not give. Unless members are chosen by name nothing is taken from anybody, and only
//! roles that the restore makes anew are given.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use splashtail_discord::permissions::bits;
use splashtail_discord::snowflake::bit_set;
use splashtail_guild::{Facts, Id, Kind, Mapping, Reach, Structure};

use super::caller::Rights;
use super::options::{Part, RestoreMode};
use super::protection::Protection;
use super::report::NotRestored;

/// What the owner of a server may give.
pub const OWNER: u64 = u64::MAX;
const FLAGS: &str = "flags";
/// Whoever has all of these may set flags, too.
const MODERATION: u64 = bits::MODERATE_MEMBERS | bits::KICK_MEMBERS | bits::BAN_MEMBERS;
/// Flags of a member that can be set: it need not prove itself.
const SETTABLE_FLAGS: u64 = 1 << 2;

/// How far members are put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Whoever held a role that is made anew gets it back.
    Renewed,
    /// Roles, nicknames, timeouts and flags are those of the backup.
    All,
}

/// What is done with people. Bans that are new since stay.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PeoplePlan {
    /// Absent: members are left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Roles of the backup that may be given.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub gives: BTreeSet<Id>,
    pub members: Vec<MemberChange>,
    pub bans: Vec<Ban>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberChange {
    pub user: Id,
    pub name: String,
    /// Roles of the backup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub give: Vec<Id>,
    /// Roles of the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub take: Vec<Id>,
    /// Nickname, timeout and flags.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub body: Map<String, Value>,
}

impl MemberChange {
    /// Of roles alone; `None` where they stay.
    pub fn roles(&self) -> Option<Self> {
        let stay = self.give.is_empty() && self.take.is_empty();
        (!stay).then(|| Self {
            body: Map::new(),
            ..self.clone()
        })
    }

    /// Of everything but roles.
    pub fn fields(&self) -> Option<Self> {
        (!self.body.is_empty()).then(|| Self {
            give: Vec::new(),
            take: Vec::new(),
            ..self.clone()
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ban {
    /// Bans of one reason can be made in one call.
    pub reason: Option<String>,
    pub user: Id,
}

impl PeoplePlan {
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.bans.is_empty()
    }
}

/// People as a backup or a server has them; `None` where nobody could read them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Everybody {
    pub members: Option<Vec<Value>>,
    pub bans: Option<Vec<Value>>,
}

/// What people are planned by.
pub struct People<'a> {
    pub saved: &'a Everybody,
    pub live: &'a Everybody,
    pub wanted: &'a Structure,
    pub present: &'a Structure,
    pub mapping: &'a Mapping,
    /// Roles of the backup that the plan makes.
    pub made: &'a BTreeSet<Id>,
    pub facts: Facts,
    /// The bot.
    pub own: u64,
    /// Of whoever ordered it.
    pub rights: &'a Rights,
    pub reach: Reach,
    pub mode: RestoreMode,
    pub parts: &'a BTreeSet<Part>,
    /// `None`: members are left alone.
    pub members: Option<Scope>,
    /// Roles that stay as they are.
    pub protected: &'a dyn Fn(Id) -> bool,
    pub protection: &'a Protection,
    pub now: DateTime<Utc>,
}

impl People<'_> {
    pub fn plan(&self) -> (PeoplePlan, Vec<NotRestored>) {
        let mut plan = PeoplePlan::default();
        let mut left = Vec::new();
        plan.scope = self.members;
        match (&self.saved.members, &self.live.members) {
            _ if !self.parts.contains(&Part::Members) => {}
            (Some(_), _) if self.members.is_none() => {
                let why = "the file is not this server's own: it says who has which roles only when \
                           `members` is chosen by name";
                left.push(part("members", "not_chosen", why));
            }
            (None, _) => {
                let why = "the backup does not say who had which roles";
                left.push(part("members", "not_saved", why));
            }
            (_, None) => {
                let why = "the bot may not list the members: it takes the intent GUILD_MEMBERS";
                left.push(part("members", "not_readable", why));
            }
            (Some(saved), Some(live)) => {
                let scope = self.members.unwrap_or(Scope::Renewed);
                self.members(scope, (saved, live), &mut plan, &mut left);
            }
        }
        match (&self.saved.bans, &self.live.bans) {
            _ if !self.parts.contains(&Part::Bans) => {}
            (None, _) => left.push(part("bans", "not_saved", "the backup has no bans")),
            (_, None) => {
                let why = "the bot may not list the bans: it lacks BAN_MEMBERS";
                left.push(part("bans", "not_readable", why));
            }
            (Some(saved), Some(live)) => plan.bans = bans(saved, live),
        }
        (plan, left)
    }

    fn members(
        &self,
        scope: Scope,
        (saved, live): (&[Value], &[Value]),
        plan: &mut PeoplePlan,
        left: &mut Vec<NotRestored>,
    ) {
        let there: BTreeMap<Id, &Value> = live
            .iter()
            .filter_map(|member| Some((user(member)?, member)))
            .collect();
        let roles = self.roles(scope, left);
        let mut gone = 0;
        let mut refused: BTreeMap<&str, usize> = BTreeMap::new();
        for member in saved {
            let Some(id) = user(member).filter(|id| id.get() != self.own) else {
                continue;
            };
            let Some(now) = there.get(&id) else {
                gone += 1;
                continue;
            };
            if self.mode == RestoreMode::IgnoreExisting {
                continue;
            }
            if scope == Scope::Renewed && now["user"]["bot"] == true {
                continue;
            }
            let name = member["user"]["username"].as_str().unwrap_or_default();
            let mut change = MemberChange {
                user: id,
                name: name.to_owned(),
                give: self.given(member, now, &roles),
                take: Vec::new(),
                body: Map::new(),
            };
            if scope == Scope::All {
                change.take = self.taken(member, now);
                change.body = self.fields(member, now, name, left);
                change.body.retain(|field, _| {
                    let may = self.may_set(field);
                    if !may {
                        *refused.entry(field_name(field)).or_default() += 1;
                    }
                    may
                });
            }
            if change.give.is_empty() && change.take.is_empty() && change.body.is_empty() {
                continue;
            }
            match self.protection.objection(scope, now, self.now) {
                None => plan.members.push(change),
                Some((code, why)) => left.push(person(id, name, code, why)),
            }
        }
        plan.gives = roles;
        for (field, count) in refused {
            let lacks = bits::names(needed(field)).join(", ");
            let why = format!("{count} members keep theirs: the bot lacks {lacks}");
            let mut item = part("members", "missing_permissions", &why);
            item.fields = vec![field.to_owned()];
            left.push(item);
        }
        if gone > 0 {
            let why = format!("{gone} members are not in the server any more");
            left.push(part("members", "left", &why));
        }
    }

    /// Roles of the backup that can be given.
    fn roles(&self, scope: Scope, left: &mut Vec<NotRestored>) -> BTreeSet<Id> {
        let mut roles = BTreeSet::new();
        if !self.may(bits::MANAGE_ROLES) {
            let why = "the bot lacks MANAGE_ROLES, so nobody gets or loses a role";
            left.push(part("members", "missing_permissions", why));
            return roles;
        }
        for (id, role) in self.wanted.all(Kind::Role) {
            let there = self.mapping.live(Kind::Role, id);
            if id == self.wanted.id() || role["managed"] == true {
                continue;
            }
            let is_new = self.made.contains(&id);
            if !is_new && (there.is_none() || scope == Scope::Renewed) {
                continue;
            }
            if there.is_some_and(self.protected) || (self.protected)(id) {
                continue;
            }
            if there.is_some_and(|there| !self.below_own(there)) {
                left.push(item(
                    role,
                    id,
                    "hierarchy",
                    "it stands above the bot's own role",
                ));
                continue;
            }
            // What it may now, too: somebody may have made it stronger since.
            let now = there.and_then(|there| self.present.get(Kind::Role, there));
            let now = now.map_or(0, |role| bit_set(&role["permissions"]));
            let set = bit_set(&role["permissions"]) | now;
            let withheld = self.rights.withheld(set);
            if !self.below_caller(id, there) {
                let why = "it does not stand below the highest role of whoever ordered this";
                left.push(item(role, id, "caller_hierarchy", why));
                continue;
            }
            let empowered = [Some(id), there].into_iter().flatten();
            let mut empowered = empowered.map(|role| self.protection.empowers(role.get()));
            if !self.rights.owner && empowered.any(|empowered| empowered) {
                let why =
                    "the bot's own settings give it power, so only the server's owner gives it";
                left.push(item(role, id, "settings_name_it", why));
                continue;
            }
            if withheld != 0 {
                let why = "whoever ordered this could not give its permissions, so nobody gets it";
                left.push(item(role, id, "caller_lacks_permissions", why));
                continue;
            }
            roles.insert(id);
        }
        roles
    }

    fn given(&self, member: &Value, now: &Value, roles: &BTreeSet<Id>) -> Vec<Id> {
        let has = ids(&now["roles"]);
        let wanted = ids(&member["roles"]).into_iter();
        let lacks = |role: &Id| {
            let there = self.mapping.live(Kind::Role, *role);
            there.is_none_or(|there| !has.contains(&there))
        };
        wanted.filter(|r| roles.contains(r)).filter(lacks).collect()
    }

    /// Roles that the backup knows and the member did not have. Managed ones come and go with their
    /// owners; roles that are new since are their own matter.
    fn taken(&self, member: &Value, now: &Value) -> Vec<Id> {
        if self.mode != RestoreMode::Full || !self.may(bits::MANAGE_ROLES) {
            return Vec::new();
        }
        let had = ids(&member["roles"]);
        let takes = |role: &Id| {
            let managed = self.present.get(Kind::Role, *role);
            let managed = managed.is_none_or(|role| role["managed"] == true);
            let wanted = self.mapping.wanted(Kind::Role, *role);
            let stays = managed || (self.protected)(*role);
            let reached = self.below_own(*role) && self.is_reached(*role);
            !stays && reached && wanted.is_some_and(|w| !had.contains(&w))
        };
        ids(&now["roles"]).into_iter().filter(takes).collect()
    }

    fn fields(
        &self,
        member: &Value,
        now: &Value,
        name: &str,
        left: &mut Vec<NotRestored>,
    ) -> Map<String, Value> {
        let mut body = Map::new();
        let nick = |member: &Value| member["nick"].as_str().unwrap_or_default().to_owned();
        if nick(member) != nick(now) {
            body.insert("nick".to_owned(), nick(member).into());
        }
        let until = |member: &Value| {
            let until = member["communication_disabled_until"].as_str()?;
            let end = DateTime::parse_from_rfc3339(until).ok()?;
            (end.to_utc() > self.now).then(|| until.to_owned())
        };
        let (then, present) = (until(member), until(now));
        if then != present {
            body.insert("communication_disabled_until".to_owned(), then.into());
        }
        let flags = |member: &Value| member["flags"].as_u64().unwrap_or(0) & SETTABLE_FLAGS;
        if flags(member) != flags(now) {
            body.insert("flags".to_owned(), flags(member).into());
        }
        let objection = match (self.outranks(now), self.caller_outranks(now)) {
            (false, _) => (
                "hierarchy",
                "the member stands above the bot, or owns the server",
            ),
            (true, false) => (
                "caller_hierarchy",
                "the member does not stand below whoever ordered this",
            ),
            (true, true) => return body,
        };
        if !body.is_empty() {
            let (code, why) = objection;
            let fields = ["nick", "communication_disabled_until", "flags"].into_iter();
            let fields = fields.filter(|field| body.contains_key(*field));
            left.push(NotRestored {
                kind: "member".to_owned(),
                id: user(now).map(|id| id.to_string()),
                name: name.to_owned(),
                fields: fields.map(str::to_owned).collect(),
                code: code.to_owned(),
                why: why.to_owned(),
            });
        }
        Map::new()
    }

    fn outranks(&self, member: &Value) -> bool {
        let owner = Id::read(&self.present.guild()["owner_id"]);
        if user(member) == owner {
            return false;
        }
        ids(&member["roles"]).into_iter().all(|r| self.below_own(r))
    }

    /// Whether the bot has these permissions.
    fn may(&self, set: u64) -> bool {
        let Facts {
            permissions, owner, ..
        } = self.facts;
        owner || permissions & bits::ADMINISTRATOR != 0 || permissions & set == set
    }

    /// Discord refuses a change whole for one field that is not the bot's to set.
    fn may_set(&self, field: &str) -> bool {
        let flags = field == FLAGS;
        self.may(needed(field)) || flags && (self.may(bits::MANAGE_ROLES) || self.may(MODERATION))
    }

    fn below_own(&self, role: Id) -> bool {
        self.facts.stands_above(role, self.present)
    }

    /// Whether a role of the backup stands below whoever ordered this, as it was and, where it is there,
    /// as it is.
    fn below_caller(&self, role: Id, there: Option<Id>) -> bool {
        let is = there.is_none_or(|there| self.is_reached(there));
        is && self.reach.covered(role, self.wanted)
    }

    /// Whether a role of the server stands below whoever ordered this.
    fn is_reached(&self, role: Id) -> bool {
        self.reach.covers(role, self.present)
    }

    fn caller_outranks(&self, member: &Value) -> bool {
        let everyone = self.present.id();
        let mut roles = ids(&member["roles"]).into_iter().chain([everyone]);
        roles.all(|role| self.is_reached(role))
    }
}

/// Those that are not in force, by reason.
fn bans(saved: &[Value], live: &[Value]) -> Vec<Ban> {
    let there: BTreeSet<Id> = live.iter().filter_map(user).collect();
    let missing = saved.iter().filter_map(|ban| {
        let id = user(ban).filter(|id| !there.contains(id))?;
        Some(Ban {
            reason: ban["reason"].as_str().map(str::to_owned),
            user: id,
        })
    });
    let mut bans: Vec<Ban> = missing.collect();
    bans.sort();
    bans.dedup();
    bans
}

/// What it takes to set a field of a member.
fn needed(field: &str) -> u64 {
    match field {
        "nick" => bits::MANAGE_NICKNAMES,
        FLAGS => bits::MANAGE_GUILD,
        _ => bits::MODERATE_MEMBERS,
    }
}

/// In a name that lasts.
fn field_name(field: &str) -> &'static str {
    match field {
        "nick" => "nick",
        FLAGS => FLAGS,
        _ => "communication_disabled_until",
    }
}

/// A member who is left alone.
fn person(id: Id, name: &str, code: &str, why: &str) -> NotRestored {
    NotRestored {
        id: Some(id.to_string()),
        name: name.to_owned(),
        ..part("member", code, why)
    }
}

fn user(person: &Value) -> Option<Id> {
    Id::read(&person["user"]["id"])
}

fn ids(list: &Value) -> Vec<Id> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Id::read).collect()
}

pub(super) fn part(kind: &str, code: &str, why: &str) -> NotRestored {
    NotRestored {
        kind: kind.to_owned(),
        id: None,
        name: String::new(),
        fields: Vec::new(),
        code: code.to_owned(),
        why: why.to_owned(),
    }
}

fn item(role: &Value, id: Id, code: &str, why: &str) -> NotRestored {
    NotRestored {
        kind: "members".to_owned(),
        id: Some(id.to_string()),
        name: role["name"].as_str().unwrap_or_default().to_owned(),
        fields: vec!["roles".to_owned()],
        code: code.to_owned(),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests;
