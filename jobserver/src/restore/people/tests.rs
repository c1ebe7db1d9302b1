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

/// What a test's plan goes by.
struct Case {
    grants: u64,
    /// Of the bot.
    permissions: u64,
    scope: Option<Scope>,
    /// Roles of whoever orders it, where they are somebody whose rank counts.
    caller: Option<Vec<u64>>,
    /// Roles that the restore makes anew: the server does not have them.
    made: Vec<u64>,
    protection: Protection,
    /// The server, where it is not as in the backup.
    present: Option<Structure>,
    protected: Vec<u64>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            grants: u64::MAX,
            permissions: 8,
            scope: Some(Scope::All),
            caller: None,
            made: Vec::new(),
            protection: Protection::default(),
            present: None,
            protected: Vec::new(),
        }
    }
}

impl Case {
    fn plan(self, saved: Vec<Value>, live: Vec<Value>) -> (PeoplePlan, Vec<NotRestored>) {
        let wanted = server();
        let present = self.present.unwrap_or_else(|| without(&self.made));
        let mapping = splashtail_guild::pair(&present, &wanted);
        let caller = self.caller;
        let caller: Option<Vec<Id>> = caller.map(|roles| roles.into_iter().map(Id::new).collect());
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
            made: &self.made.iter().map(|id| Id::new(*id)).collect(),
            facts: Facts {
                permissions: self.permissions,
                top_role: Some(Id::new(5)),
                owner: false,
            },
            own: OWN,
            rights: &Rights {
                grants: self.grants,
                roles: None,
                owner: self.grants == OWNER,
            },
            reach: Reach::of(caller.as_deref(), &present, &wanted, &mapping),
            mode: RestoreMode::Full,
            parts: &Part::ALL.into(),
            members: self.scope,
            protected: &|role| self.protected.contains(&role.get()),
            protection: &self.protection,
            now: Utc.with_ymd_and_hms(2026, 11, 30, 12, 0, 0).unwrap(),
        }
        .plan()
    }

    /// Whoever held a role that is made anew.
    fn usual(made: &[u64]) -> Self {
        Self {
            scope: Some(Scope::Renewed),
            made: made.to_vec(),
            ..Self::default()
        }
    }
}

/// The server without these roles.
fn without(gone: &[u64]) -> Structure {
    let mut guild = server().guild().clone();
    let roles = server();
    let roles = roles
        .all(Kind::Role)
        .filter(|(id, _)| !gone.contains(&id.get()));
    guild["roles"] = roles.map(|(_, role)| role.clone()).collect();
    Structure::from_guild(&guild).unwrap()
}

fn codes(left: &[NotRestored]) -> Vec<(&str, &str)> {
    let codes = left
        .iter()
        .map(|item| (item.name.as_str(), item.code.as_str()));
    codes.collect()
}

fn planned(saved: Vec<Value>, live: Vec<Value>, grants: u64) -> (PeoplePlan, Vec<NotRestored>) {
    Case {
        grants,
        ..Case::default()
    }
    .plan(saved, live)
}

/// Unless members are chosen by name nothing is taken, and nobody gets back what somebody took from them.
#[test]
fn by_default_only_roles_that_are_made_anew_go_back() {
    let mut saved = member(10, &["2", "4"], Some("old"));
    saved["flags"] = 4.into();
    let mut bot = member(11, &["2"], None);
    bot["user"]["bot"] = true.into();
    // One who was stripped of 4, given a quarantine role and another name.
    let live = vec![member(10, &["3"], Some("new")), bot.clone()];
    let (plan, left) = Case::usual(&[2]).plan(vec![saved, bot], live);
    let [change] = plan.members.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!(change.give, [Id::new(2)]);
    assert!(change.take.is_empty() && change.body.is_empty());
    assert_eq!(left, []);
}

#[test]
fn an_attacker_is_freed_by_no_restore() {
    let incident = |protection: &mut Protection| {
        let document = json!({"state": "contained", "suspects": [{"id": "10"}]}).to_string();
        protection.learn(&splashtail_storage::IncidentRow {
            guild: splashtail_core::ids::GuildId::new(1).unwrap(),
            incident: 1,
            kind: String::new(),
            mode: String::new(),
            state: "contained".to_owned(),
            document,
            alert: None,
            updated_at: DateTime::UNIX_EPOCH,
        });
    };
    let mut silent = member(11, &[], None);
    silent["communication_disabled_until"] = "2026-12-05T11:00:00+00:00".into();
    let saved = || [10, 11, 12].map(|id| member(id, &["2"], None)).to_vec();
    let live = || vec![member(10, &[], None), silent.clone(), member(12, &[], None)];
    let mut case = Case::usual(&[2]);
    incident(&mut case.protection);
    let (plan, left) = case.plan(saved(), live());
    let users: Vec<u64> = plan.members.iter().map(|m| m.user.get()).collect();
    assert_eq!(users, [12]);
    assert_eq!(codes(&left), [("u10", "held"), ("u11", "timed_out")]);
    let mut case = Case {
        made: vec![2],
        ..Case::default()
    };
    incident(&mut case.protection);
    let (plan, left) = case.plan(saved(), live());
    let users: Vec<u64> = plan.members.iter().map(|m| m.user.get()).collect();
    assert_eq!(users, [11, 12], "chosen by name");
    assert_eq!(codes(&left), [("Admin", "hierarchy"), ("u10", "held")]);
}

#[test]
fn a_role_is_as_strong_as_it_was_or_is() {
    let mut guild = server().guild().clone();
    guild["roles"] = server()
        .all(Kind::Role)
        .map(|(id, role)| {
            let mut role = role.clone();
            if id.get() == 2 {
                role["permissions"] = "32".into();
            }
            role
        })
        .collect();
    let case = Case {
        grants: 4,
        present: Structure::from_guild(&guild),
        ..Case::default()
    };
    let saved = vec![member(10, &["2", "4"], None)];
    let (plan, left) = case.plan(saved, vec![member(10, &[], None)]);
    assert_eq!(plan.members[0].give, [Id::new(4)]);
    assert!(codes(&left).contains(&("Regular", "caller_lacks_permissions")));
}

#[test]
fn only_the_owner_gives_what_the_bots_settings_empower() {
    let trust = splashtail_storage::SettingRow {
        setting: "protection_trust".to_owned(),
        entry: "role/2".to_owned(),
        fields: json!({"who": "role/2"}),
        created_at: DateTime::UNIX_EPOCH,
        created_by: None,
        updated_at: DateTime::UNIX_EPOCH,
        updated_by: None,
    };
    for (grants, gives) in [(8, 0), (u64::MAX, 1)] {
        let case = Case {
            grants,
            protection: Protection::of(std::slice::from_ref(&trust)),
            ..Case::usual(&[2])
        };
        let saved = vec![member(10, &["2"], None)];
        let (plan, left) = case.plan(saved, vec![member(10, &[], None)]);
        assert_eq!((plan.members.len(), left.len()), (gives, 1 - gives));
    }
}

#[test]
fn a_file_from_elsewhere_appoints_nobody() {
    let case = Case {
        scope: None,
        ..Case::default()
    };
    let saved = vec![member(10, &["2"], None)];
    let (plan, left) = case.plan(saved, vec![member(10, &[], None)]);
    assert!(plan.is_empty());
    assert_eq!(codes(&left), [("", "not_chosen")]);
}

#[test]
fn what_the_bot_may_not_set_is_told_and_costs_nothing_else() {
    let mut saved = member(10, &["2"], Some("old"));
    saved["communication_disabled_until"] = "2026-12-05T11:00:00+00:00".into();
    let case = Case {
        permissions: bits::MANAGE_ROLES | bits::MODERATE_MEMBERS,
        ..Case::default()
    };
    let (plan, left) = case.plan(vec![saved.clone()], vec![member(10, &[], Some("new"))]);
    assert_eq!(plan.members[0].give, [Id::new(2)]);
    let fields: Vec<&String> = plan.members[0].body.keys().collect();
    assert_eq!(fields, ["communication_disabled_until"]);
    let told = left.iter().find(|item| item.code == "missing_permissions");
    let told = told.map(|item| (item.fields.clone(), item.why.contains("MANAGE_NICKNAMES")));
    assert_eq!(told, Some((vec!["nick".to_owned()], true)));
    let case = Case {
        permissions: bits::MANAGE_NICKNAMES,
        ..Case::default()
    };
    let (plan, _) = case.plan(vec![saved], vec![member(10, &["4"], Some("new"))]);
    let change = &plan.members[0];
    assert!(change.give.is_empty() && change.take.is_empty());
    assert_eq!(change.body["nick"], "old");
}

#[test]
fn who_has_a_protected_role_keeps_it_and_nobody_gets_it() {
    let case = Case {
        protected: vec![2, 4],
        ..Case::default()
    };
    let saved = vec![member(10, &["2"], None)];
    let (plan, _) = case.plan(saved, vec![member(10, &["4"], None)]);
    assert!(plan.is_empty(), "{plan:?}");
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
    let ban =
        |id: u64, reason: Option<&str>| json!({"user": {"id": id.to_string()}, "reason": reason});
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

/// Below the bot, and of no more power than the caller's own.
#[test]
fn nobody_gives_or_takes_roles_at_or_above_their_own() {
    let case = |caller: &[u64], made: &[u64]| Case {
        caller: Some(caller.to_vec()),
        made: made.to_vec(),
        ..Case::default()
    };
    let gives = |plan: &PeoplePlan| -> Vec<Id> {
        let members = plan.members.iter();
        members.flat_map(|member| member.give.clone()).collect()
    };
    let saved = || vec![member(10, &["2", "4"], None)];
    let live = || vec![member(10, &[], None)];
    // A moderator gives what stands below, and neither their own role nor, made anew, that of before.
    for made in [&[][..], &[2]] {
        let (plan, left) = case(&[4], made).plan(saved(), live());
        assert_eq!(gives(&plan), [Id::new(2)], "{made:?}");
        assert!(codes(&left).contains(&("Mod", "caller_hierarchy")));
    }
    // One that is made anew gets the place that it had.
    let (plan, left) = case(&[3], &[4]).plan(saved(), live());
    assert_eq!(gives(&plan), [Id::new(2)]);
    assert!(codes(&left).contains(&("Mod", "caller_hierarchy")));
    // Who has no role reaches nobody, and neither does who left.
    let (plan, _) = case(&[], &[]).plan(saved(), live());
    assert!(plan.is_empty(), "{plan:?}");
    // Nor are roles taken, or names changed, that are not the caller's to change.
    let saved = vec![member(10, &[], Some("old")), member(11, &[], Some("old"))];
    let live = vec![
        member(10, &["4", "2"], Some("new")),
        member(11, &["2"], None),
    ];
    let (plan, left) = case(&[4], &[]).plan(saved, live);
    let changes = plan.members.iter();
    let changes: Vec<_> = changes
        .map(|change| (change.user.get(), change.take.clone(), change.body.len()))
        .collect();
    assert_eq!(
        changes,
        [(10, vec![Id::new(2)], 0), (11, vec![Id::new(2)], 1)]
    );
    assert!(codes(&left).contains(&("u10", "caller_hierarchy")));
}

/// It stands below the caller now, and would be put above them.
#[test]
fn a_role_stands_where_it_was_and_where_it_is() {
    let mut guild = server().guild().clone();
    let all = server();
    let lowered = all.all(Kind::Role).map(|(id, role)| {
        let mut role = role.clone();
        role["position"] = match id.get() {
            4 => 1.into(),
            2 => 3.into(),
            _ => role["position"].clone(),
        };
        role
    });
    guild["roles"] = lowered.collect();
    let case = Case {
        caller: Some(vec![2]),
        present: Structure::from_guild(&guild),
        ..Case::default()
    };
    let saved = vec![member(10, &["4"], None)];
    let (plan, left) = case.plan(saved, vec![member(10, &[], None)]);
    assert!(plan.is_empty(), "{plan:?}");
    assert!(codes(&left).contains(&("Mod", "caller_hierarchy")));
}
