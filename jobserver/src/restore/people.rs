//! What becomes of members and bans. Pure. Nobody gets a role by it that is the application's to give,
//! that stands above the bot, or whose permissions whoever ordered it could not give.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use splashtail_discord::permissions::bits;
use splashtail_discord::snowflake::bit_set;
use splashtail_guild::{Facts, Id, Kind, Mapping, Structure};

use super::options::{Part, RestoreMode};
use super::report::NotRestored;

/// Flags of a member that can be set: it need not prove itself.
const SETTABLE_FLAGS: u64 = 1 << 2;

/// What is done with people. Bans that are new since stay.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PeoplePlan {
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
    /// Permission bits that may be given.
    pub grants: u64,
    pub mode: RestoreMode,
    pub parts: &'a BTreeSet<Part>,
    pub now: DateTime<Utc>,
}

impl People<'_> {
    pub fn plan(&self) -> (PeoplePlan, Vec<NotRestored>) {
        let mut plan = PeoplePlan::default();
        let mut left = Vec::new();
        match (&self.saved.members, &self.live.members) {
            _ if !self.parts.contains(&Part::Members) => {}
            (None, _) => {
                let why = "the backup does not say who had which roles";
                left.push(part("members", "not_saved", why));
            }
            (_, None) => {
                let why = "the bot may not list the members: it takes the intent GUILD_MEMBERS";
                left.push(part("members", "not_readable", why));
            }
            (Some(saved), Some(live)) => self.members(saved, live, &mut plan, &mut left),
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
        saved: &[Value],
        live: &[Value],
        plan: &mut PeoplePlan,
        left: &mut Vec<NotRestored>,
    ) {
        let there: BTreeMap<Id, &Value> = live
            .iter()
            .filter_map(|member| Some((user(member)?, member)))
            .collect();
        let roles = self.roles(left);
        let mut gone = 0;
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
            let name = member["user"]["username"].as_str().unwrap_or_default();
            let change = MemberChange {
                user: id,
                name: name.to_owned(),
                give: self.given(member, now, &roles),
                take: self.taken(member, now),
                body: self.fields(member, now, name, left),
            };
            if !(change.give.is_empty() && change.take.is_empty() && change.body.is_empty()) {
                plan.members.push(change);
            }
        }
        if gone > 0 {
            let why = format!("{gone} members are not in the server any more");
            left.push(part("members", "left", &why));
        }
    }

    /// Roles of the backup that can be given.
    fn roles(&self, left: &mut Vec<NotRestored>) -> BTreeSet<Id> {
        let mut roles = BTreeSet::new();
        for (id, role) in self.wanted.all(Kind::Role) {
            let there = self.mapping.live(Kind::Role, id);
            if id == self.wanted.id() || role["managed"] == true {
                continue;
            }
            if there.is_none() && !self.made.contains(&id) {
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
            let withheld = match self.grants & bits::ADMINISTRATOR {
                0 => bit_set(&role["permissions"]) & !self.grants,
                _ => 0,
            };
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
        if self.mode != RestoreMode::Full {
            return Vec::new();
        }
        let had = ids(&member["roles"]);
        let takes = |role: &Id| {
            let managed = self.present.get(Kind::Role, *role);
            let managed = managed.is_none_or(|role| role["managed"] == true);
            let wanted = self.mapping.wanted(Kind::Role, *role);
            !managed && self.below_own(*role) && wanted.is_some_and(|w| !had.contains(&w))
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
        if !body.is_empty() && !self.outranks(now) {
            let fields = ["nick", "communication_disabled_until", "flags"].into_iter();
            let fields = fields.filter(|field| body.contains_key(*field));
            left.push(NotRestored {
                kind: "member".to_owned(),
                id: user(now).map(|id| id.to_string()),
                name: name.to_owned(),
                fields: fields.map(str::to_owned).collect(),
                code: "hierarchy".to_owned(),
                why: "the member stands above the bot, or owns the server".to_owned(),
            });
            return Map::new();
        }
        body
    }

    fn outranks(&self, member: &Value) -> bool {
        let owner = Id::read(&self.present.guild()["owner_id"]);
        if user(member) == owner {
            return false;
        }
        ids(&member["roles"]).into_iter().all(|r| self.below_own(r))
    }

    fn below_own(&self, role: Id) -> bool {
        self.facts.stands_above(role, self.present)
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

fn user(person: &Value) -> Option<Id> {
    Id::read(&person["user"]["id"])
}

fn ids(list: &Value) -> Vec<Id> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Id::read).collect()
}

fn part(kind: &str, code: &str, why: &str) -> NotRestored {
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
mod tests {
    use chrono::TimeZone as _;
    use serde_json::json;

    use super::*;

    const OWN: u64 = 99;

    fn server() -> Structure {
        let guild = json!({"id": "1", "owner_id": "50", "roles": [
            {"id": "1", "name": "@everyone", "position": 0, "permissions": "0"},
            {"id": "2", "name": "Regular", "position": 1, "permissions": "0"},
            {"id": "3", "name": "Booster", "position": 2, "permissions": "0", "managed": true,
             "tags": {"premium_subscriber": null}},
            {"id": "4", "name": "Mod", "position": 3, "permissions": "4"},
            {"id": "5", "name": "Bot", "position": 4, "permissions": "8", "managed": true,
             "tags": {"bot_id": "99"}},
            {"id": "6", "name": "Admin", "position": 5, "permissions": "8"}]});
        Structure::from_guild(&guild).unwrap()
    }

    fn member(id: u64, roles: &[&str], nick: Option<&str>) -> Value {
        json!({"user": {"id": id.to_string(), "username": format!("u{id}")}, "roles": roles,
               "nick": nick})
    }

    fn planned(saved: Vec<Value>, live: Vec<Value>, grants: u64) -> (PeoplePlan, Vec<NotRestored>) {
        let (wanted, present) = (server(), server());
        let mapping = splashtail_guild::pair(&present, &wanted);
        let all = |members| Everybody {
            members: Some(members),
            bans: Some(Vec::new()),
        };
        People {
            saved: &all(saved),
            live: &all(live),
            wanted: &wanted,
            present: &present,
            mapping: &mapping,
            made: &BTreeSet::new(),
            facts: Facts {
                permissions: 8,
                top_role: Some(Id::new(5)),
                owner: false,
            },
            own: OWN,
            grants,
            mode: RestoreMode::Full,
            parts: &Part::ALL.into(),
            now: Utc.with_ymd_and_hms(2026, 11, 30, 12, 0, 0).unwrap(),
        }
        .plan()
    }

    /// Case 29 of the restore matrix.
    #[test]
    fn a_booster_keeps_the_boosters_role() {
        let (plan, _) = planned(
            vec![member(10, &["2"], None)],
            vec![member(10, &["3", "4"], None)],
            u64::MAX,
        );
        let [change] = plan.members.as_slice() else {
            panic!("{plan:?}")
        };
        assert_eq!(
            (&*change.give, &*change.take),
            (&[Id::new(2)][..], &[Id::new(4)][..])
        );
        // Nor is it given to who had it then.
        let (plan, _) = planned(
            vec![member(10, &["3"], None)],
            vec![member(10, &[], None)],
            u64::MAX,
        );
        assert!(plan.is_empty(), "{plan:?}");
    }

    #[test]
    fn nobody_gets_what_the_caller_could_not_give() {
        let saved = || vec![member(10, &["2", "4", "6"], None)];
        let (plan, left) = planned(saved(), vec![member(10, &[], None)], 0);
        assert_eq!(plan.members[0].give, [Id::new(2)]);
        let codes = left
            .iter()
            .map(|item| (item.name.as_str(), item.code.as_str()));
        assert_eq!(
            codes.collect::<Vec<_>>(),
            [("Mod", "caller_lacks_permissions"), ("Admin", "hierarchy")]
        );
        let (plan, _) = planned(saved(), vec![member(10, &[], None)], 8);
        assert_eq!(plan.members[0].give, [Id::new(2), Id::new(4)]);
    }

    #[test]
    fn who_stands_above_keeps_name_and_peace() {
        let saved = vec![
            member(10, &["6"], Some("old")),
            member(50, &[], Some("boss")),
            member(11, &[], Some("old")),
            member(OWN, &[], Some("bot")),
            member(12, &[], None),
        ];
        let live = vec![
            member(10, &["6"], Some("new")),
            member(50, &[], None),
            member(11, &[], Some("new")),
            member(OWN, &[], None),
        ];
        let (plan, left) = planned(saved, live, u64::MAX);
        assert_eq!(plan.members.len(), 1);
        assert_eq!(plan.members[0].body["nick"], "old");
        let held = left.iter().filter(|item| item.kind == "member").count();
        assert_eq!(held, 2);
        assert!(
            left.iter()
                .any(|item| item.code == "left" && item.why.starts_with("1 "))
        );
    }

    #[test]
    fn a_timeout_that_is_over_is_none() {
        let timed = |until: &str| {
            let mut member = member(10, &[], None);
            member["communication_disabled_until"] = until.into();
            member
        };
        let (plan, _) = planned(
            vec![timed("2026-11-30T11:00:00+00:00")],
            vec![member(10, &[], None)],
            0,
        );
        assert!(plan.is_empty());
        let (plan, _) = planned(
            vec![member(10, &[], None)],
            vec![timed("2026-12-05T11:00:00+00:00")],
            0,
        );
        assert_eq!(
            plan.members[0].body["communication_disabled_until"],
            Value::Null
        );
    }

    /// Case 28 of the restore matrix.
    #[test]
    fn bans_go_by_their_reason() {
        let ban = |id: u64, reason: Option<&str>| json!({"user": {"id": id.to_string()}, "reason": reason});
        let saved = vec![
            ban(3, Some("spam")),
            ban(1, Some("raid")),
            ban(2, Some("spam")),
            ban(4, None),
        ];
        let found = bans(&saved, &[ban(2, Some("other"))]);
        let order: Vec<_> = found
            .iter()
            .map(|ban| (ban.reason.as_deref(), ban.user.get()))
            .collect();
        assert_eq!(order, [(None, 4), (Some("raid"), 1), (Some("spam"), 3)]);
    }
}
