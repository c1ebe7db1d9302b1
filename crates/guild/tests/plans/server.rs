//! Community, boosts, onboarding, invites: what a server has beside roles and channels.

use serde_json::{Value, json};
use splashtail_guild::permissions::bits;
use splashtail_guild::{Facts, Id, Kind, Operation, Why, compare, plan, rehearse};

use crate::{all_powerful, channel, delete, guild, role, steps};

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
fn a_stage_that_became_a_voice_channel_stays_one() {
    let live = guild(vec![], vec![channel(20, 2, "Stage", 0, None)]);
    let wanted = guild(vec![], vec![channel(30, 13, "Stage", 0, None)]);
    let plan = plan(&live, &wanted, all_powerful(), &delete());
    assert!(plan.effects.is_empty(), "{:?}", plan.effects);
    assert_eq!(plan.unable[0].why, Why::Impossible);
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
        invite("34", "spent", json!({"max_uses": 5, "uses": 5})),
        invite("35", "begun", json!({"max_uses": 5, "uses": 3})),
    ]);
    let plan = plan(&state(vec![]), &wanted, all_powerful(), &delete());
    let made = plan
        .effects
        .iter()
        .filter(|e| e.step.starts_with("invite/"));
    let uses = made.map(|effect| match &effect.operation {
        Operation::Create { body, .. } => body["max_uses"].clone(),
        other => panic!("{other:?}"),
    });
    assert_eq!(
        uses.collect::<Vec<_>>(),
        [json!(0), json!(0), json!(0), json!(2)]
    );
    let lost = plan
        .unable
        .iter()
        .map(|u| (u.kind, u.fields.clone(), u.why));
    let lacks = |field| (Kind::Invite, vec![field], Why::PlainInvite);
    let spent = (Kind::Invite, vec![], Why::UsedUp);
    assert_eq!(
        lost.collect::<Vec<_>>(),
        [lacks("roles"), lacks("target_type"), spent]
    );
}
