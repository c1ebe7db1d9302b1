//! Who is banned and who is spared. Data in, data out.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use splashtail_antinuke::POWER;
use splashtail_api_types::setting_names::trust;
use splashtail_core::ids::UserId;
use splashtail_discord::permissions::{Act, Actor, Denied, Hierarchy, Ruling, Subject, bits};
use splashtail_discord::snowflake::{array, bit_set, id, ids};
use splashtail_storage::SettingRow;

use super::options::Fields;

/// Why somebody is not banned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    Owner,
    /// This bot.
    Itself,
    /// Whoever ordered it.
    Caller,
    Bot,
    Trusted,
    /// Holds a dangerous permission.
    Staff,
    AboveCaller,
    AboveBot,
    /// Where they stand cannot be told.
    Unknown,
}

impl Why {
    /// For people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Owner => "owns the server",
            Self::Itself => "is this bot",
            Self::Caller => "ordered this",
            Self::Bot => "is a bot: kick it, or ban it by itself",
            Self::Trusted => "is trusted by the owner",
            Self::Staff => "holds a dangerous permission: take their roles first",
            Self::AboveCaller => "does not stand below whoever ordered this",
            Self::AboveBot => "does not stand below the bot",
            Self::Unknown => "stands nobody knows where",
        }
    }
}

/// Whom the owner trusts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trusted {
    users: BTreeSet<u64>,
    roles: BTreeSet<u64>,
}

impl Trusted {
    /// The bot's setting.
    pub const SETTING: &'static str = trust::SETTING;

    pub fn of(rows: &[SettingRow]) -> Self {
        let mut trusted = Self::default();
        for row in rows {
            let who = row.fields[trust::WHO]
                .as_str()
                .and_then(|who| who.split_once('/'));
            match who.and_then(|(kind, id)| Some((kind, id.parse().ok()?))) {
                Some(("user", id)) => drop(trusted.users.insert(id)),
                Some(("role", id)) => drop(trusted.roles.insert(id)),
                _ => {}
            }
        }
        trusted
    }
}

/// The server, as far as it matters here.
pub struct Ground<'a> {
    pub guild: &'a Value,
    /// The bot's own member.
    pub me: &'a Value,
    /// Whoever ordered it, as a member.
    pub caller: &'a Value,
    pub trusted: &'a Trusted,
    pub now: DateTime<Utc>,
}

/// What is done, recorded before it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Members come first: Discord takes few bans of others.
    pub ban: Vec<UserId>,
    pub spared: Vec<(UserId, Why)>,
    /// Without Manage Server Discord takes no bans in bulk.
    pub singly: bool,
    /// Why it cannot be done at all.
    pub refusals: Vec<String>,
    pub hash: String,
    /// Of those who are in the server.
    #[serde(default)]
    pub names: BTreeMap<UserId, String>,
}

impl Plan {
    /// `members`: those of the named who are in the server.
    pub fn new(fields: &Fields, ground: &Ground<'_>, members: &BTreeMap<UserId, Value>) -> Self {
        let mut plan = Self {
            ban: Vec::new(),
            spared: Vec::new(),
            singly: false,
            refusals: Vec::new(),
            hash: String::new(),
            names: BTreeMap::new(),
        };
        let hierarchy = Hierarchy::new(ground.guild);
        let subject = Subject::new(ground.guild, ground.me, ground.now);
        match hierarchy.zip(subject) {
            Some((hierarchy, subject)) => {
                let may = subject.in_guild();
                if may & bits::BAN_MEMBERS == 0 {
                    plan.refusals.push("the bot lacks Ban Members".to_owned());
                }
                plan.singly = may & bits::MANAGE_GUILD == 0;
                let me = Actor {
                    member: ground.me,
                    subject: &subject,
                };
                let (here, away): (Vec<_>, Vec<_>) = fields
                    .options
                    .users
                    .iter()
                    .partition(|user| members.contains_key(user));
                for user in here.into_iter().chain(away) {
                    let member = members.get(user);
                    match ground.spares(*user, member, (me, &hierarchy), fields.caller_id) {
                        Some(why) => plan.spared.push((*user, why)),
                        None => plan.ban.push(*user),
                    }
                }
            }
            None => plan.refusals.push("the server cannot be read".to_owned()),
        }
        let named = plan.ban.iter().filter_map(|user| {
            let name = members.get(user)?["user"]["username"].as_str()?;
            Some((*user, name.to_owned()))
        });
        plan.names = named.collect();
        plan.hash = plan.digest(fields);
        plan
    }

    /// Of who is banned, whatever the order: who leaves meanwhile is banned all the same.
    fn digest(&self, fields: &Fields) -> String {
        let options = &fields.options;
        let ban: BTreeSet<&UserId> = self.ban.iter().collect();
        let (seconds, reason) = (options.delete_seconds, &options.reason);
        digest(&json!([fields.server_id, ban, seconds, reason]))
    }

    /// `46 to ban, 2 spared`.
    pub fn headline(&self) -> String {
        match self.spared.len() {
            0 => format!("{} to ban", self.ban.len()),
            spared => format!("{} to ban, {spared} spared", self.ban.len()),
        }
    }

    /// Whom it spares, by the reason.
    pub fn by_reason(&self) -> BTreeMap<Why, Vec<UserId>> {
        let mut groups: BTreeMap<Why, Vec<UserId>> = BTreeMap::new();
        for (user, why) in &self.spared {
            groups.entry(*why).or_default().push(*user);
        }
        groups
    }
}

/// Of what was shown.
pub fn digest(shown: &Value) -> String {
    let digest = Sha256::digest(shown.to_string());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Ground<'_> {
    fn spares(
        &self,
        user: UserId,
        member: Option<&Value>,
        (me, hierarchy): (Actor<'_>, &Hierarchy),
        caller: UserId,
    ) -> Option<Why> {
        let owner = id(&self.guild["owner_id"]);
        if owner == Some(user.get()) {
            return Some(Why::Owner);
        }
        if me.subject.user == user.get() {
            return Some(Why::Itself);
        }
        if user == caller {
            return Some(Why::Caller);
        }
        if self.trusted.users.contains(&user.get()) {
            return Some(Why::Trusted);
        }
        let Some(member) = member else {
            return denied(hierarchy.can_act_on(me, Act::BanStranger(user.get())));
        };
        if member["user"]["bot"] == true {
            return Some(Why::Bot);
        }
        let roles: BTreeSet<u64> = ids(&member["roles"]).collect();
        if roles.iter().any(|role| self.trusted.roles.contains(role)) {
            return Some(Why::Trusted);
        }
        let listed = array(&self.guild["roles"]).iter();
        let mut held = listed.filter(|role| id(&role["id"]).is_some_and(|id| roles.contains(&id)));
        if held.any(|role| bit_set(&role["permissions"]) & POWER != 0) {
            return Some(Why::Staff);
        }
        if owner != Some(caller.get()) {
            match (hierarchy.rank(self.caller), hierarchy.rank(member)) {
                (Ok(caller), Ok(target)) if caller > target => {}
                (Ok(_), Ok(_)) => return Some(Why::AboveCaller),
                _ => return Some(Why::Unknown),
            }
        }
        denied(hierarchy.can_act_on(me, Act::Ban(member)))
    }
}

fn denied(ruling: Ruling) -> Option<Why> {
    match ruling {
        // That the bot may not ban at all is said once.
        Ruling::Allowed | Ruling::Denied(Denied::Lacks(_)) => None,
        Ruling::Denied(Denied::Owner) => Some(Why::Owner),
        Ruling::Denied(_) => Some(Why::AboveBot),
        Ruling::Unknown(_) => Some(Why::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mass_ban::options;

    const ME: &str = "50";
    const MOD: &str = "30";

    fn guild(mine: u64) -> Value {
        let role = |id: &str, position: i64, permissions: u64| {
            json!({"id": id, "position": position,
            "permissions": permissions.to_string(), "managed": false})
        };
        json!({"id": "1", "owner_id": "2", "roles": [
            role("1", 0, 0), role("10", 1, 0), role("20", 2, bits::KICK_MEMBERS),
            role(MOD, 5, bits::BAN_MEMBERS), role("35", 6, 0), role("40", 8, 0),
            role(ME, 7, mine)]})
    }

    fn member(user: u64, roles: &[&str]) -> Value {
        json!({"user": {"id": user.to_string(), "bot": user == 70, "username": format!("u{user}")},
            "roles": roles})
    }

    fn plan(mine: u64, caller: u64, caller_roles: &[&str]) -> Plan {
        plan_without(mine, (caller, caller_roles), None)
    }

    /// One has left.
    fn plan_without(mine: u64, (caller, caller_roles): (u64, &[&str]), left: Option<u64>) -> Plan {
        let members = [
            member(caller, caller_roles),
            member(2, &[]),
            member(60, &["10"]),
            member(61, &[]),
            member(62, &["20"]),
            member(63, &["35"]),
            member(64, &["40"]),
            member(65, &["99"]),
            member(66, &["10"]),
            member(70, &[]),
            member(51, &[ME]),
        ];
        let by_id = members.into_iter().map(|member| {
            let user: UserId = member["user"]["id"].as_str().unwrap().parse().unwrap();
            (user, member)
        });
        let members: BTreeMap<UserId, Value> = by_id.collect();
        let mut named: Vec<String> = members.keys().map(ToString::to_string).collect();
        named.extend(["80".to_owned(), "81".to_owned()]);
        let mut members = members;
        members.retain(|user, _| Some(user.get()) != left);
        let data = json!({"ServerID": "1", "CallerID": caller.to_string(),
            "Options": {"Users": named}});
        let fields = options::parse(&data).unwrap();
        let row = |who: &str| SettingRow {
            setting: Trusted::SETTING.to_owned(),
            entry: who.to_owned(),
            fields: json!({"who": who}),
            created_at: DateTime::UNIX_EPOCH,
            created_by: None,
            updated_at: DateTime::UNIX_EPOCH,
            updated_by: None,
        };
        let trusted = Trusted::of(&[row("user/66"), row("user/81")]);
        let guild = guild(mine);
        let caller = UserId::new(caller).unwrap();
        let ground = Ground {
            guild: &guild,
            me: &member(51, &[ME]),
            caller: &members[&caller],
            trusted: &trusted,
            now: DateTime::UNIX_EPOCH,
        };
        Plan::new(&fields, &ground, &members)
    }

    fn ids(users: &[UserId]) -> Vec<u64> {
        users.iter().map(|user| user.get()).collect()
    }

    #[test]
    fn strangers_and_members_below_go_and_everybody_else_is_spared() {
        let both = bits::BAN_MEMBERS | bits::MANAGE_GUILD;
        let plan = plan(both, 5, &[MOD]);
        assert_eq!(ids(&plan.ban), [60, 61, 80], "members first");
        let spared: Vec<(u64, Why)> = plan.spared.iter().map(|(u, why)| (u.get(), *why)).collect();
        assert_eq!(
            spared,
            [
                (2, Why::Owner),
                (5, Why::Caller),
                (51, Why::Itself),
                (62, Why::Staff),
                (63, Why::AboveCaller),
                (64, Why::AboveCaller),
                (65, Why::Unknown),
                (66, Why::Trusted),
                (70, Why::Bot),
                (81, Why::Trusted),
            ]
        );
        assert!(!plan.singly && plan.refusals.is_empty());
        assert_eq!(plan.headline(), "3 to ban, 10 spared");
    }

    #[test]
    fn who_leaves_after_the_preview_is_banned_as_it_was_shown() {
        let both = bits::BAN_MEMBERS | bits::MANAGE_GUILD;
        let shown = plan(both, 5, &[MOD]);
        let later = plan_without(both, (5, &[MOD]), Some(60));
        assert_eq!(ids(&later.ban), [61, 60, 80], "a member first");
        assert_eq!(later.hash, shown.hash);
        assert_eq!(shown.names.values().collect::<Vec<_>>(), ["u60", "u61"]);
    }

    #[test]
    fn whom_the_owner_names_is_only_out_of_the_bots_reach() {
        let plan = plan(bits::BAN_MEMBERS, 2, &[]);
        assert_eq!(ids(&plan.ban), [60, 61, 63, 80]);
        assert!(
            plan.spared
                .contains(&(UserId::new(64).unwrap(), Why::AboveBot))
        );
        assert!(plan.singly, "it takes Manage Server to ban in bulk");
        let without = super::tests::plan(0, 2, &[]);
        assert_eq!(without.refusals, ["the bot lacks Ban Members"]);
        assert_ne!(
            plan.hash,
            super::tests::plan(bits::BAN_MEMBERS, 5, &[MOD]).hash
        );
    }
}
