//! Plans, carried out on paper: the way from any state to any other.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value, json};
use splashtail_guild::permissions::{Subject, bits};
use splashtail_guild::{
    Facts, Id, Kind, Mode, Operation, PutBack, Structure, Surplus, Verdict, Why, compare, plan,
    put_back, rehearse,
};

fn delete() -> Mode {
    Mode::all(Surplus::Delete)
}

/// The bot of these tests: below role 900, with every permission.
fn all_powerful() -> Facts {
    Facts {
        permissions: bits::ADMINISTRATOR,
        top_role: None,
        owner: true,
    }
}

fn role(id: u64, name: &str, position: i64, permissions: u64) -> Value {
    json!({"id": id.to_string(), "name": name, "position": position, "permissions": permissions.to_string(),
        "color": 0, "hoist": false, "mentionable": false, "managed": false})
}

fn channel(id: u64, kind: u64, name: &str, position: i64, parent: Option<u64>) -> Value {
    json!({"id": id.to_string(), "type": kind, "name": name, "position": position, "flags": 0,
        "parent_id": parent.map(|p| p.to_string()), "permission_overwrites": []})
}

fn guild(roles: Vec<Value>, channels: Vec<Value>) -> Structure {
    let mut all = vec![role(1, "@everyone", 0, 1024)];
    all.extend(roles);
    Structure::from_guild(
        &json!({"id": "1", "name": "Harbour", "features": ["COMMUNITY", "NEWS"],
        "verification_level": 1, "explicit_content_filter": 2, "roles": all, "channels": channels}),
    )
    .unwrap()
}

fn steps(live: &Structure, wanted: &Structure, facts: Facts) -> Vec<String> {
    let plan = plan(live, wanted, facts, &delete());
    plan.effects.into_iter().map(|e| e.step).collect()
}

#[derive(Debug, Clone)]
struct Draft {
    roles: Vec<(u8, u8, u8)>,
    channels: Vec<(u8, u8, u8, u8, u8)>,
    name: u8,
}

fn draft() -> impl Strategy<Value = Draft> {
    let roles = prop::collection::vec((0_u8..4, 0_u8..6, any::<u8>()), 0..6);
    let channels =
        prop::collection::vec((0_u8..4, 0_u8..4, 0_u8..8, any::<u8>(), any::<u8>()), 0..10);
    (roles, channels, 0_u8..3).prop_map(|(roles, channels, name)| Draft {
        roles,
        channels,
        name,
    })
}

/// A state whose ids start at `first`, so that two states share some ids, or none.
fn build(draft: &Draft, first: u64) -> Structure {
    let roles: Vec<Value> = draft
        .roles
        .iter()
        .enumerate()
        .map(|(n, (name, position, bits))| {
            role(
                first + n as u64,
                &format!("role {name}"),
                i64::from(*position) + 1,
                u64::from(*bits),
            )
        })
        .collect();
    let mut channels: Vec<Value> = Vec::new();
    let mut categories: Vec<u64> = Vec::new();
    for (n, (kind, name, position, parent, extra)) in draft.channels.iter().enumerate() {
        let id = first + 100 + n as u64;
        // A channel's type is for good, but for text channels that begin to publish.
        let kind = match id % 4 {
            0 => 4,
            1 => 2,
            _ if *kind % 2 == 0 => 0,
            _ => 5,
        };
        let parent = (kind != 4 && !categories.is_empty() && parent % 3 != 0)
            .then(|| categories[usize::from(*parent) % categories.len()]);
        if kind == 4 {
            categories.push(id);
        }
        let mut made = channel(id, kind, &format!("c{name}"), i64::from(*position), parent);
        if kind != 4 {
            made["rate_limit_per_user"] = (extra % 3).into();
            made["nsfw"] = (extra % 2 == 0).into();
        }
        if extra % 4 == 0 && !roles.is_empty() {
            let whom = &roles[usize::from(*extra) % roles.len()]["id"];
            made["permission_overwrites"] =
                json!([{"id": whom, "type": 0, "allow": "0", "deny": extra.to_string()}]);
        }
        channels.push(made);
    }
    let mut built = guild(roles, channels);
    let name = format!("Harbour {}", draft.name);
    built.apply_event("GUILD_UPDATE", &json!({"id": "1", "name": name}));
    built
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    // The plan of A to B, applied to A, gives B.
    #[test]
    fn a_plan_leads_where_it_says(a in draft(), b in draft(), shift in 0_u64..3) {
        let (live, wanted) = (build(&a, 1_000), build(&b, 1_000 + shift * 2));
        let plan = plan(&live, &wanted, all_powerful(), &delete());
        prop_assert!(plan.unable.is_empty(), "{:?}", plan.unable);
        let reached = rehearse(&live, &plan);
        let left = compare(&reached, &wanted);
        prop_assert!(left.is_empty(), "{left:#?}\n{:#?}", plan.effects);
    }

    #[test]
    fn nothing_is_done_where_nothing_differs(a in draft()) {
        let live = build(&a, 1_000);
        prop_assert!(compare(&live, &live).is_empty());
        let plan = plan(&live, &live, all_powerful(), &delete());
        prop_assert!(plan.effects.is_empty(), "{:?}", plan.effects);
        prop_assert!(plan.unable.is_empty());
    }

    // What an attacker did is taken back, and nothing else.
    #[test]
    fn an_attack_is_taken_back(a in draft(), b in draft()) {
        let (before, after) = (build(&a, 1_000), build(&b, 1_000));
        let PutBack { wanted, verdicts } = put_back(&before, &after, &after);
        prop_assert!(verdicts.iter().all(|(_, _, _, v)| *v == Verdict::PutBack), "{verdicts:?}");
        let plan = plan(&after, &wanted, all_powerful(), &delete());
        let reached = rehearse(&after, &plan);
        let left = compare(&reached, &before);
        prop_assert!(left.is_empty(), "{left:#?}");
    }

    #[test]
    fn no_step_has_the_name_of_another(a in draft(), b in draft()) {
        let mut names = steps(&build(&a, 1_000), &build(&b, 1_002), all_powerful());
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        prop_assert_eq!(names.len(), count);
    }
}

#[test]
fn twins_are_paired_by_rank() {
    let live = guild(vec![role(20, "Mod", 2, 1), role(21, "Mod", 1, 2)], vec![]);
    let wanted = guild(vec![role(30, "Mod", 5, 1), role(31, "Mod", 4, 2)], vec![]);
    assert!(
        compare(&live, &wanted).is_empty(),
        "gaps in positions mean nothing"
    );
}

#[test]
fn five_moves_are_five_edits_and_one_order() {
    let children = |parent: u64, at: &dyn Fn(u64) -> i64| {
        let mut all = vec![channel(10, 4, "a", 0, None), channel(11, 4, "b", 1, None)];
        all.extend((0..5).map(|n| channel(20 + n, 0, &format!("c{n}"), at(n), Some(parent))));
        guild(vec![], all)
    };
    let live = children(10, &|n| n as i64);
    let wanted = children(11, &|n| 9 - n as i64);
    let names = steps(&live, &wanted, all_powerful());
    let (edits, orders): (Vec<_>, Vec<_>) = names.iter().partition(|n| n.ends_with("/edit"));
    assert_eq!(
        (edits.len(), orders),
        (5, vec![&"channel/reorder".to_owned()])
    );
}

#[test]
fn hidden_channels_are_left_alone_and_named() {
    let secret = channel(20, 0, "vault", 0, None);
    let wanted = guild(
        vec![],
        vec![secret.clone(), channel(21, 0, "open", 1, None)],
    );
    let mut live = wanted.clone();
    live.apply_event(
        "CHANNEL_UPDATE",
        &json!({"id": "20", "type": 0, "name": "___hidden___", "flags": 1 << 17,
        "position": 0, "parent_id": null,
        "permission_overwrites": [{"id": "1", "type": 0, "allow": "0", "deny": "1024"}]}),
    );
    let plan = plan(&live, &wanted, all_powerful(), &delete());
    assert!(plan.effects.is_empty(), "{:?}", plan.effects);
    let unable: Vec<_> = plan.unable.iter().map(|u| (u.id, u.why)).collect();
    assert_eq!(unable, [(Id::new(20), Why::NotVisible)]);
    // Neither is it surplus where it is not wanted.
    let empty = guild(vec![], vec![channel(21, 0, "open", 1, None)]);
    assert!(steps(&live, &empty, all_powerful()).is_empty());
}

#[test]
fn roles_above_the_bot_and_bits_it_lacks_stay_and_are_named() {
    let live = guild(
        vec![
            role(20, "High", 3, 0),
            role(21, "Bot", 2, 0),
            role(22, "Low", 1, 0),
        ],
        vec![],
    );
    let wanted = guild(
        vec![
            role(20, "Higher", 3, 0),
            role(21, "Bot", 2, 0),
            role(22, "Low", 1, 1 << 4 | 1 << 11),
        ],
        vec![],
    );
    let facts = Facts {
        permissions: bits::MANAGE_ROLES | 1 << 11,
        top_role: Some(Id::new(21)),
        owner: false,
    };
    let plan = plan(&live, &wanted, facts, &delete());
    let unable: Vec<_> = plan.unable.iter().map(|u| (u.id.get(), u.why)).collect();
    assert!(unable.contains(&(20, Why::Hierarchy)), "{unable:?}");
    assert!(
        unable.contains(&(22, Why::MissingPermissions(1 << 4))),
        "{unable:?}"
    );
    let Operation::Edit { body, .. } = &plan.effects[0].operation else {
        panic!("{:?}", plan.effects);
    };
    assert_eq!(body["permissions"], (1 << 11).to_string());
    assert_eq!(plan.effects.len(), 1);
}

#[test]
fn full_categories_take_as_many_as_fit() {
    let category = channel(10, 4, "a", 0, None);
    let mut there = vec![category.clone()];
    there.extend((0..3).map(|n| {
        json!({"id": (100 + n).to_string(), "type": 0, "name": "___hidden___", "flags": 1 << 17, "position": n,
            "parent_id": "10", "permission_overwrites": []})
    }));
    let mut children = vec![category];
    children.extend((0..52).map(|n| channel(200 + n, 0, &format!("c{n}"), n as i64, Some(10))));
    let plan = plan(
        &guild(vec![], there),
        &guild(vec![], children),
        all_powerful(),
        &delete(),
    );
    let created = plan
        .effects
        .iter()
        .filter(|e| e.step.ends_with("/create"))
        .count();
    assert_eq!(created, 47, "three hidden ones take room");
    let full = plan.unable.iter().filter(|u| u.why == Why::Full).count();
    assert_eq!(full, 5);
}

#[test]
fn long_lists_of_overwrites_are_put_one_by_one() {
    let roles: Vec<Value> = (0..150)
        .map(|n| role(1_000 + n, &format!("r{n}"), n as i64 + 1, 0))
        .collect();
    let overwrites: Vec<Value> = (0..150)
        .map(|n| json!({"id": (1_000 + n).to_string(), "type": 0, "allow": "0", "deny": "2048"}))
        .collect();
    let mut wanted = channel(20, 0, "c", 0, None);
    wanted["permission_overwrites"] = overwrites.into();
    let (live, wanted) = (guild(roles.clone(), vec![]), guild(roles, vec![wanted]));
    let names = steps(&live, &wanted, all_powerful());
    assert_eq!(
        names.iter().filter(|n| n.contains("/overwrite/")).count(),
        50
    );
    let reached = rehearse(&live, &plan(&live, &wanted, all_powerful(), &delete()));
    assert!(compare(&reached, &wanted).is_empty());
}

// A plain server gets its plain channels first, then the community, then what needs one.
#[test]
fn a_community_comes_between_plain_channels_and_those_that_need_it() {
    let mut wanted = guild(
        vec![],
        vec![
            channel(20, 0, "rules", 0, None),
            channel(21, 0, "updates", 1, None),
            channel(22, 5, "news", 2, None),
        ],
    );
    let ids = json!({"id": "1", "rules_channel_id": "20", "public_updates_channel_id": "21"});
    wanted.apply_event("GUILD_UPDATE", &ids);
    let mut live = guild(vec![], vec![]);
    live.apply_event(
        "GUILD_UPDATE",
        &json!({"id": "1", "features": [], "explicit_content_filter": 0}),
    );
    let names = steps(&live, &wanted, all_powerful());
    let at = |step: &str| {
        names
            .iter()
            .position(|n| n == step)
            .unwrap_or_else(|| panic!("{step}: {names:?}"))
    };
    assert!(at("channel/21/create") < at("guild/community"));
    assert!(at("guild/community") < at("channel/22/create"));
    let reached = rehearse(&live, &plan(&live, &wanted, all_powerful(), &delete()));
    assert!(
        compare(&reached, &wanted).is_empty(),
        "{:#?}",
        compare(&reached, &wanted)
    );
    // Without Administrator the announcement channel becomes a plain one.
    let facts = Facts {
        permissions: !bits::ADMINISTRATOR,
        top_role: None,
        owner: false,
    };
    let plan = plan(&live, &wanted, facts, &delete());
    let named = |why: Why| plan.unable.iter().any(|u| u.why == why);
    assert!(named(Why::NeedsFeature("COMMUNITY")), "{:?}", plan.unable);
    assert!(named(Why::MissingPermissions(bits::ADMINISTRATOR)));
}

/// Where announcements are there without a community, one is made in two steps: only a community makes
/// them at once.
#[test]
fn announcements_without_a_community_are_text_first() {
    let mut wanted = guild(vec![], vec![channel(22, 5, "news", 0, None)]);
    let mut live = guild(vec![], vec![]);
    for state in [&mut wanted, &mut live] {
        state.apply_event("GUILD_UPDATE", &json!({"id": "1", "features": ["NEWS"]}));
    }
    let plan = plan(&live, &wanted, all_powerful(), &delete());
    let types: Vec<(&str, &Value)> = plan
        .effects
        .iter()
        .filter_map(|effect| match &effect.operation {
            Operation::Create { body, .. } | Operation::Edit { body, .. } => {
                Some((effect.step.as_str(), body.get("type")?))
            }
            _ => None,
        })
        .collect();
    let (text, news) = (json!(0), json!(5));
    assert_eq!(
        types,
        [("channel/22/create", &text), ("channel/22/finish", &news)]
    );
    assert!(compare(&rehearse(&live, &plan), &wanted).is_empty());
}

/// In a full server surplus goes first: nothing that follows may name it, or Discord refuses the order of
/// all the others.
#[test]
fn what_made_room_is_in_no_order() {
    let many = |kind: &str, least: u64, count: usize| -> Vec<Value> {
        let ids = least..least + count as u64;
        (0_i64..)
            .zip(ids)
            .map(|(at, id)| match kind {
                "role" => role(id, &format!("r{id}"), 1 + at, 0),
                _ => channel(id, 0, &format!("c{id}"), at, None),
            })
            .collect()
    };
    // One of each is gone, and one that somebody else made has its place.
    let wanted = guild(many("role", 1000, 249), many("channel", 2000, 500));
    let mut roles = many("role", 1000, 249);
    roles[100] = role(9000, "new", 101, 8);
    let mut channels = many("channel", 2000, 500);
    channels[100] = channel(9001, 0, "new", 100, None);
    let live = guild(roles, channels);
    let plan = plan(&live, &wanted, all_powerful(), &delete());
    let mut gone = Vec::new();
    let mut sorted = 0;
    for effect in &plan.effects {
        match &effect.operation {
            Operation::Delete { subject, .. } => gone.push(*subject),
            Operation::Reorder { positions, .. } => {
                sorted += 1;
                let named = positions.iter().any(|(subject, _)| gone.contains(subject));
                assert!(!named, "{}", effect.step);
            }
            _ => {}
        }
    }
    assert_eq!((gone.len(), sorted), (2, 2), "both go before the order");
    let reached = rehearse(&live, &plan);
    assert!(compare(&reached, &wanted).is_empty());
}

#[test]
fn later_changes_by_others_are_asked_about() {
    let before = guild(
        vec![role(20, "Mod", 1, 0)],
        vec![channel(30, 0, "a", 0, None)],
    );
    let mut after = before.clone();
    after.apply_event("CHANNEL_DELETE", &json!({"id": "30"}));
    after.apply_event(
        "GUILD_ROLE_UPDATE",
        &json!({"role": role(20, "Pwned", 1, 8)}),
    );
    let mut now = after.clone();
    now.apply_event(
        "GUILD_ROLE_UPDATE",
        &json!({"role": role(20, "Friends", 1, 8)}),
    );
    let back = put_back(&before, &after, &now);
    assert_eq!(
        back.verdicts,
        [
            (Kind::Role, Id::new(20), Some("name"), Verdict::AskAgain),
            (
                Kind::Role,
                Id::new(20),
                Some("permissions"),
                Verdict::PutBack
            ),
            (Kind::Channel, Id::new(30), None, Verdict::PutBack),
        ]
    );
    let wanted = back.wanted.get(Kind::Role, Id::new(20)).unwrap();
    assert_eq!(
        (&wanted["name"], &wanted["permissions"]),
        (&json!("Friends"), &json!("0"))
    );
}

// What an attacker changed and somebody has removed since is not made again, and not passed over either.
#[test]
fn what_was_changed_and_then_removed_is_asked_about() {
    let before = guild(
        vec![role(20, "Mod", 2, 0), role(21, "Helper", 1, 0)],
        vec![channel(30, 0, "a", 0, None)],
    );
    let mut after = before.clone();
    after.apply_event(
        "GUILD_ROLE_UPDATE",
        &json!({"role": role(20, "Pwned", 2, 8)}),
    );
    let mut now = after.clone();
    for role in ["20", "21"] {
        now.apply_event("GUILD_ROLE_DELETE", &json!({"role_id": role}));
    }
    let back = put_back(&before, &after, &now);
    let asked = [(Kind::Role, Id::new(20), None, Verdict::AskAgain)];
    assert_eq!(back.verdicts, asked, "nobody attacked the other one");
    assert!(compare(&back.wanted, &now).is_empty());
}

fn stub(id: u64, parent: Option<u64>) -> Value {
    json!({"id": id.to_string(), "type": 0, "name": "___hidden___", "flags": 1 << 17, "position": 0,
        "parent_id": parent.map(|p| p.to_string()),
        "permission_overwrites": [{"id": "1", "type": 0, "allow": "0", "deny": "1024"}]})
}

// A backup that saw a channel hidden has nothing against it once it is seen.
#[test]
fn what_was_hidden_once_is_not_surplus_later() {
    let wanted = guild(vec![], vec![stub(20, None)]);
    let live = guild(vec![], vec![channel(20, 0, "vault", 0, None)]);
    let plan = plan(&live, &wanted, all_powerful(), &delete());
    assert!(plan.effects.is_empty(), "{:?}", plan.effects);
    assert_eq!(plan.unable[0].why, Why::NotVisible);
    // Without a list of all channels nobody knows what was there.
    let rest = json!({"id": "1", "name": "Harbour", "features": ["COMMUNITY", "NEWS"],
        "verification_level": 1, "explicit_content_filter": 2, "roles": [role(1, "@everyone", 0, 1024)]});
    let parts = splashtail_guild::Parts {
        channels: Some(vec![]),
        ..splashtail_guild::Parts::default()
    };
    let wanted = Structure::from_rest(&rest, parts).unwrap();
    assert!(steps(&live, &wanted, all_powerful()).is_empty());
}

// Settings may lead to channels that the bot never saw.
#[test]
fn references_to_hidden_channels_stay() {
    let mut state = guild(vec![], vec![stub(20, None)]);
    state.apply_event("GUILD_UPDATE", &json!({"id": "1", "afk_channel_id": "20"}));
    state.learn(
        Kind::AutomodRule,
        vec![json!({"id": "30", "name": "r", "trigger_type": 1,
        "exempt_channels": ["20"], "actions": [{"type": 2, "metadata": {"channel_id": "20"}}]})],
    );
    let found = compare(&state, &state);
    assert!(
        found.changed.is_empty() && found.surplus.is_empty(),
        "{found:?}"
    );
}

#[test]
fn lists_that_were_not_read_are_not_empty() {
    let mut live = guild(vec![], vec![]);
    let rule = json!({"id": "30", "name": "r", "trigger_type": 1, "actions": []});
    live.learn(Kind::AutomodRule, vec![rule.clone()]);
    // A new session does not list the rules; nor does this other state know of any.
    let again = json!({"id": "1", "name": "Harbour", "features": ["COMMUNITY", "NEWS"],
        "verification_level": 1, "explicit_content_filter": 2,
        "roles": [role(1, "@everyone", 0, 1024)], "channels": []});
    assert!(live.apply_event("GUILD_CREATE", &again).is_empty());
    assert!(live.get(Kind::AutomodRule, Id::new(30)).is_some());
    let wanted = guild(vec![], vec![]);
    assert!(steps(&live, &wanted, all_powerful()).is_empty());
    assert!(
        compare(&live, &wanted)
            .not_known
            .contains(&Kind::AutomodRule)
    );
}

// Anybody may give a channel that name; the flag alone says that it is hidden.
#[test]
fn a_channel_called_hidden_is_put_back() {
    let wanted = guild(vec![], vec![channel(20, 0, "general", 0, None)]);
    let mut live = wanted.clone();
    let mut renamed = stub(20, None);
    renamed["flags"] = 0.into();
    live.apply_event("CHANNEL_UPDATE", &renamed);
    assert!(!live.is_hidden(Id::new(20)));
    assert_eq!(steps(&live, &wanted, all_powerful()), ["channel/20/edit"]);
}

// A server filled up by an attacker is emptied as far as needed, before what is missing comes back.
#[test]
fn spam_makes_room_for_what_is_missing() {
    let spam = (0..500).map(|n| channel(1_000 + n, 0, "spam", n as i64, None));
    let live = guild(vec![], spam.collect());
    let wanted = guild(vec![], vec![channel(20, 0, "general", 0, None)]);
    let plan = plan(&live, &wanted, all_powerful(), &delete());
    assert!(plan.unable.is_empty(), "{:?}", plan.unable);
    let at = plan
        .effects
        .iter()
        .position(|e| e.step == "channel/20/create")
        .unwrap();
    assert_eq!(at, 1, "one deletion first");
    let reached = rehearse(&live, &plan);
    assert!(compare(&reached, &wanted).is_empty());
}

// Between two full categories channels can be exchanged.
#[test]
fn moves_leave_room_behind() {
    let build = |swap: bool| {
        let mut all = vec![channel(10, 4, "a", 0, None), channel(11, 4, "b", 1, None)];
        all.extend((0..50).map(|n| {
            let parent = if swap && n == 0 { 11 } else { 10 };
            channel(100 + n, 0, &format!("a{n}"), n as i64, Some(parent))
        }));
        all.extend((0..49).map(|n| channel(200 + n, 0, &format!("b{n}"), n as i64, Some(11))));
        guild(vec![], all)
    };
    let plan = plan(&build(false), &build(true), all_powerful(), &delete());
    assert!(plan.unable.is_empty(), "{:?}", plan.unable);
}

#[test]
fn edited_tags_go_by_the_ids_that_the_forum_has() {
    let forum = |id: u64, tags: Value| {
        let mut forum = channel(id, 15, "help", 0, None);
        forum["available_tags"] = tags;
        guild(vec![], vec![forum])
    };
    let live = forum(20, json!([{"id": "71", "name": "bug", "moderated": true}]));
    let wanted = forum(
        30,
        json!([{"id": "81", "name": "bug", "moderated": false},
        {"id": "82", "name": "idea", "moderated": false}]),
    );
    let plan = plan(&live, &wanted, all_powerful(), &delete());
    let Operation::Edit { body, .. } = &plan.effects[0].operation else {
        panic!("{:?}", plan.effects);
    };
    let ids: Vec<_> = body["available_tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t.get("id").cloned())
        .collect();
    assert_eq!(ids, [Some(json!("71")), None]);
}

// Taking a plan back, last effect first, leads where it began.
#[test]
fn inverses_lead_back() {
    let mut private = channel(30, 0, "private", 0, Some(29));
    private["permission_overwrites"] = json!([{"id": "1", "type": 0, "allow": "0", "deny": "1024"},
        {"id": "20", "type": 0, "allow": "1024", "deny": "0"}]);
    private["flags"] = (1 << 21).into();
    let before = guild(
        vec![role(20, "Mod", 1, 8)],
        vec![channel(29, 4, "Staff", 0, None), private],
    );
    let after = guild(
        vec![role(20, "Mods", 1, 0)],
        vec![channel(31, 0, "other", 0, None)],
    );
    let there = plan(&before, &after, all_powerful(), &delete());
    let reached = rehearse(&before, &there);
    let mut back = there.clone();
    back.effects = there
        .effects
        .iter()
        .rev()
        .flat_map(|effect| {
            let step = format!("undo {}", effect.step);
            effect
                .inverse
                .iter()
                .map(move |operation| splashtail_guild::Effect {
                    step: step.clone(),
                    operation: operation.clone(),
                    needs: 0,
                    inverse: Vec::new(),
                })
        })
        .collect();
    let returned = rehearse(&reached, &back);
    let left = compare(&returned, &before);
    // What the plan made is deleted by whoever knows its id.
    assert_eq!(left.surplus.len(), 1, "{left:#?}");
    assert!(
        left.changed.is_empty() && left.missing.is_empty(),
        "{left:#?}"
    );
}

#[test]
fn voices_are_taken_down_to_what_the_server_can_afford() {
    let loud = |rate: u64| {
        let mut voice = channel(20, 2, "Lounge", 0, None);
        voice["bitrate"] = rate.into();
        guild(vec![], vec![voice])
    };
    let plan = plan(
        &guild(vec![], vec![]),
        &loud(384_000),
        all_powerful(),
        &delete(),
    );
    let Operation::Create { body, .. } = &plan.effects[0].operation else {
        panic!("{:?}", plan.effects);
    };
    assert_eq!(body["bitrate"], 96_000);
    assert_eq!(plan.unable[0].why, Why::NeedsBoosts);
    // And stay there without being touched again.
    let names = steps(&loud(96_000), &loud(384_000), all_powerful());
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn categories_with_hidden_children_stay() {
    let live = guild(
        vec![],
        vec![channel(10, 4, "Staff", 0, None), stub(20, Some(10))],
    );
    let wanted = guild(vec![], vec![stub(20, Some(10))]);
    let plan = plan(&live, &wanted, all_powerful(), &delete());
    assert!(plan.effects.is_empty(), "{:?}", plan.effects);
}

#[test]
fn a_stage_that_became_a_voice_channel_stays_one() {
    let live = guild(vec![], vec![channel(20, 2, "Stage", 0, None)]);
    let wanted = guild(vec![], vec![channel(30, 13, "Stage", 0, None)]);
    let plan = plan(&live, &wanted, all_powerful(), &delete());
    assert!(plan.effects.is_empty(), "{:?}", plan.effects);
    assert_eq!(plan.unable[0].why, Why::Impossible);
}

// A body replaces the whole list: denials beyond it would be gone until they are put.
#[test]
fn long_lists_that_are_there_are_never_open_in_between() {
    let roles: Vec<Value> = (0..150)
        .map(|n| role(1_000 + n, &format!("r{n}"), n as i64 + 1, 0))
        .collect();
    let list = |deny: u64| -> Vec<Value> {
        let bits = |n: u64| if n == 149 { deny } else { 2048 };
        (0..150).map(|n| json!({"id": (1_000 + n).to_string(), "type": 0, "allow": "0", "deny": bits(n).to_string()})).collect()
    };
    let with = |deny: u64| {
        let mut made = channel(20, 0, "c", 0, None);
        made["permission_overwrites"] = list(deny).into();
        guild(roles.clone(), vec![made])
    };
    assert_eq!(
        steps(&with(2048), &with(1024), all_powerful()),
        ["channel/20/overwrite/1149"]
    );
}

/// Where onboarding cannot be set again afterwards, it is not switched off.
#[test]
fn onboarding_lets_go_of_channels_only_in_a_community() {
    let state = |features: Value, defaults: Value| {
        let mut state = guild(vec![], vec![channel(20, 0, "rules", 0, None)]);
        let features = json!({"id": "1", "features": features, "explicit_content_filter": 0});
        state.apply_event("GUILD_UPDATE", &features);
        let onboarding = json!({"id": "1", "guild_id": "1", "enabled": true, "mode": 0,
            "prompts": [], "default_channel_ids": defaults});
        state.learn(Kind::Onboarding, vec![onboarding]);
        state
    };
    for (features, lets_go) in [(json!(["COMMUNITY"]), true), (json!([]), false)] {
        let live = state(features.clone(), json!(["20"]));
        let wanted = state(features, json!([]));
        let names = steps(&live, &wanted, all_powerful());
        let released = names.iter().any(|step| step == "onboarding/release");
        assert_eq!(released, lets_go, "{names:?}");
    }
}

/// An invite is made again without what only its maker could give it, and that is told.
#[test]
fn invites_that_gave_roles_are_made_without_and_named() {
    let state = |invites: Vec<Value>| {
        let mut state = guild(vec![], vec![channel(20, 0, "rules", 0, None)]);
        state.learn(Kind::Invite, invites);
        state
    };
    let invite = |id: &str, code: &str, more: Value| {
        let mut invite = json!({"id": id, "code": code, "channel_id": "20", "channel": {"id": "20"},
            "max_uses": 0, "uses": 0, "temporary": false, "expires_at": null});
        for (field, value) in more.as_object().unwrap() {
            invite[field] = value.clone();
        }
        invite
    };
    let wanted = state(vec![
        invite("31", "plain", json!({"roles": []})),
        invite(
            "32",
            "giving",
            json!({"roles": [{"id": "7", "name": "member"}]}),
        ),
        invite("33", "stream", json!({"target_type": 1})),
    ]);
    let plan = plan(&state(vec![]), &wanted, all_powerful(), &delete());
    let made = plan
        .effects
        .iter()
        .filter(|e| e.step.starts_with("invite/"));
    assert_eq!(made.count(), 3);
    let lost = plan
        .unable
        .iter()
        .map(|u| (u.kind, u.fields.clone(), u.why));
    let lacks = |field| (Kind::Invite, vec![field], Why::PlainInvite);
    assert_eq!(
        lost.collect::<Vec<_>>(),
        [lacks("roles"), lacks("target_type")]
    );
}

/// A category that the bot sees only through what stands in it is listed, but Discord refuses the order
/// of all channels for its sake.
#[test]
fn what_the_bot_may_not_move_keeps_its_place_and_is_named() {
    let managing = bits::VIEW_CHANNEL | bits::MANAGE_CHANNELS;
    let mut closed = channel(21, 4, "staff", 1, None);
    closed["permission_overwrites"] = json!([
        {"id": "1", "type": 0, "allow": "0", "deny": bits::VIEW_CHANNEL.to_string()}]);
    let moved = |mut channel: Value, at: i64| {
        channel["position"] = json!(at);
        channel
    };
    let all = vec![
        channel(20, 4, "a", 0, None),
        closed.clone(),
        channel(22, 4, "b", 2, None),
        channel(23, 4, "c", 3, None),
        channel(24, 0, "desk", 0, Some(21)),
    ];
    let wanted = guild(vec![role(5, "bot", 1, managing)], all.clone());
    let facts = Facts {
        permissions: managing | bits::MANAGE_ROLES,
        top_role: Some(Id::new(5)),
        owner: false,
    };
    let mut mode = delete();
    mode.actor = Some(Subject {
        user: 7,
        guild: 1,
        roles: vec![5],
        unknown_role: None,
        base: facts.permissions,
        all: false,
        timed_out: false,
    });
    let planned = |places: [i64; 4]| {
        let mut live = all.clone();
        for (channel, at) in live.iter_mut().zip(places) {
            *channel = moved(channel.clone(), at);
        }
        let live = guild(vec![role(5, "bot", 1, managing)], live);
        let plan = plan(&live, &wanted, facts, &mode);
        let order = plan.effects.iter().find_map(|e| match &e.operation {
            Operation::Reorder { positions, .. } => Some(positions.clone()),
            _ => None,
        });
        (order, plan.unable)
    };
    let place = |id: u64, at: i64| (splashtail_guild::Subject::Wanted(Id::new(id)), at);
    // The first and the last one changed places.
    let (order, unable) = planned([3, 1, 2, 0]);
    assert_eq!(order, Some(vec![place(20, 0), place(22, 2), place(23, 3)]));
    assert_eq!(unable, [], "it stands where it should");
    // It went down to the end: the others stand as they should.
    let (order, unable) = planned([0, 5, 2, 3]);
    assert_eq!(order, None);
    let [unable] = unable.try_into().unwrap();
    assert_eq!((unable.id, unable.fields), (Id::new(21), vec!["position"]));
    assert_eq!(unable.why, Why::MissingPermissions(managing));
    // Who may move everything moves it.
    mode.actor = None;
    let live = guild(
        vec![role(5, "bot", 1, managing)],
        all.iter()
            .map(|c| match c["id"] == "21" {
                true => moved(c.clone(), 5),
                false => c.clone(),
            })
            .collect(),
    );
    let plan = plan(&live, &wanted, facts, &mode);
    assert_eq!(plan.effects.len(), 1, "{:?}", plan.effects);
}
