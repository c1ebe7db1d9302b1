//! Cases of the restore matrix that a plan answers by itself; the table of all of them is in the
//! jobserver's tests.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use splashtail_guild::{
    Facts, Id, Kind, Mode, Operation, Plan, Structure, Surplus, Why, compare, plan, rehearse,
};

const ALL: Facts = Facts {
    permissions: 1 << 3,
    top_role: None,
    owner: true,
};

fn guild(id: u64, extra: Value) -> Structure {
    let mut guild = json!({"id": id.to_string(), "name": "G", "premium_tier": 0, "features": [],
        "roles": [{"id": id.to_string(), "name": "@everyone", "position": 0, "permissions": "0"}],
        "channels": [], "emojis": [], "stickers": []});
    for (key, value) in extra.as_object().unwrap() {
        match (guild[key].as_array_mut(), value) {
            (Some(list), Value::Array(more)) => list.extend(more.iter().cloned()),
            _ => guild[key] = value.clone(),
        }
    }
    Structure::from_guild(&guild).unwrap()
}

fn all(surplus: Surplus) -> Mode {
    let mut mode = Mode::all(surplus);
    mode.keeps_unsaved = true;
    mode
}

fn creates(plan: &Plan, kind: Kind) -> Vec<&serde_json::Map<String, Value>> {
    let effects = plan.effects.iter();
    effects
        .filter_map(|effect| match &effect.operation {
            Operation::Create { kind: of, body, .. } if *of == kind => Some(body),
            _ => None,
        })
        .collect()
}

fn step<'p>(plan: &'p Plan, name: &str) -> Option<&'p Operation> {
    let found = plan.effects.iter().find(|effect| effect.step == name);
    found.map(|effect| &effect.operation)
}

/// Case 2.
#[test]
fn odd_names_stay_as_they_are() {
    let joiners = "\u{200d}".repeat(100);
    let turned = "\u{202e}gnp.exe עִבְרִית";
    let names = [" ", joiners.as_str(), turned];
    let roles: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(n, name)| json!({"id": (n + 5).to_string(), "name": name, "position": n + 1, "permissions": "0"}))
        .collect();
    let wanted = guild(1, json!({"roles": roles}));
    let live = guild(2, json!({}));
    let planned = plan(&live, &wanted, ALL, &all(Surplus::Keep));
    let made: Vec<&str> = creates(&planned, Kind::Role)
        .iter()
        .map(|b| b["name"].as_str().unwrap())
        .collect();
    let mut expected = names.to_vec();
    expected.reverse();
    assert_eq!(made, expected, "the highest first, letter by letter");
}

/// Case 3.
#[test]
fn gaps_and_ties_of_positions_are_no_difference() {
    let roles = |first: u64| -> Vec<Value> {
        (0..12)
            .map(|n| json!({"id": (first + n).to_string(), "name": format!("r{n}"), "position": 1, "permissions": "0"}))
            .collect()
    };
    let channels = |places: [u64; 3]| -> Vec<Value> {
        places
            .iter()
            .zip(0_u64..)
            .map(|(place, n)| {
                json!({"id": (100 + n).to_string(), "type": 0, "name": format!("c{n}"),
                                     "position": place, "permission_overwrites": []})
            })
            .collect()
    };
    let wanted = guild(
        1,
        json!({"roles": roles(10), "channels": channels([0, 0, 7])}),
    );
    let live = guild(
        1,
        json!({"roles": roles(10), "channels": channels([3, 4, 5])}),
    );
    let planned = plan(&live, &wanted, ALL, &all(Surplus::Keep));
    assert_eq!(planned.effects, []);
    assert!(compare(&live, &wanted).is_empty());
}

/// Case 10.
#[test]
fn more_channels_than_a_server_holds_are_named_before_anything_is_made() {
    let channels: Vec<Value> = (0..513_u64)
        .map(|n| {
            json!({"id": (1000 + n).to_string(), "type": 0, "name": format!("c{n}"),
                        "position": n, "permission_overwrites": []})
        })
        .collect();
    let wanted = guild(1, json!({"channels": channels}));
    let live = guild(2, json!({}));
    let planned = plan(&live, &wanted, ALL, &all(Surplus::Keep));
    assert_eq!(creates(&planned, Kind::Channel).len(), 500);
    let full: Vec<_> = planned
        .unable
        .iter()
        .filter(|u| u.why == Why::Full)
        .collect();
    assert_eq!(full.len(), 13);
    assert_eq!(full[12].name, "c512");
}

/// Case 16.
#[test]
fn without_administrator_a_community_becomes_plain() {
    let channels = json!([
        {"id": "10", "type": 0, "name": "rules", "position": 0, "permission_overwrites": []},
        {"id": "11", "type": 5, "name": "news", "position": 1, "permission_overwrites": []},
        {"id": "12", "type": 13, "name": "stage", "position": 2, "user_limit": 5000,
         "permission_overwrites": []}]);
    let wanted = guild(
        1,
        json!({"features": ["COMMUNITY", "NEWS"], "rules_channel_id": "10",
        "public_updates_channel_id": "10", "channels": channels}),
    );
    let live = guild(
        2,
        json!({"roles": [
        {"id": "20", "name": "Bot", "position": 9, "permissions": "0"}]}),
    );
    let facts = Facts {
        permissions: !(1 << 3),
        top_role: Some(Id::new(20)),
        owner: false,
    };
    let planned = plan(&live, &wanted, facts, &all(Surplus::Keep));
    let made = creates(&planned, Kind::Channel);
    let kind = |name: &str| made.iter().find(|b| b["name"] == name).unwrap()["type"].clone();
    assert_eq!((kind("news"), kind("stage")), (json!(0), json!(2)));
    let stage = made.iter().find(|b| b["name"] == "stage").unwrap();
    assert!(
        stage
            .get("user_limit")
            .is_none_or(|n| n.as_u64() <= Some(99)),
        "{stage:?}"
    );
    assert!(step(&planned, "guild/community").is_none());
    assert!(
        planned
            .unable
            .iter()
            .any(|u| u.kind == Kind::Guild && u.fields == ["features"])
    );
}

fn emoji(id: u64, name: &str, animated: bool) -> Value {
    json!({"id": id.to_string(), "name": name, "roles": [], "animated": animated})
}

fn with_files(mut state: Structure, digest: impl Fn(Id) -> Option<String>) -> Structure {
    let ids: Vec<Id> = state.all(Kind::Emoji).map(|(id, _)| id).collect();
    for id in ids {
        if let Some(digest) = digest(id) {
            state.learn_file(Kind::Emoji, id, "image", &digest);
        }
    }
    state
}

/// Case 20, as far as it is known beforehand: places of one sort do not fill those of the other.
#[test]
fn emojis_that_move_have_places_of_their_own() {
    let still: Vec<Value> = (0..50)
        .map(|n| emoji(100 + n, &format!("s{n}"), false))
        .collect();
    let live = with_files(guild(2, json!({"emojis": still})), |id| {
        Some(format!("live{id}"))
    });
    let mut wanted: Vec<Value> = (0..60)
        .map(|n| emoji(200 + n, &format!("a{n}"), true))
        .collect();
    wanted.push(emoji(300, "one_more", false));
    let wanted = with_files(guild(1, json!({"emojis": wanted})), |id| {
        Some(format!("kept{id}"))
    });
    let planned = plan(&live, &wanted, ALL, &all(Surplus::Keep));
    assert_eq!(creates(&planned, Kind::Emoji).len(), 50);
    let full: Vec<&str> = planned
        .unable
        .iter()
        .filter(|u| u.why == Why::Full)
        .map(|u| u.name.as_str())
        .collect();
    assert_eq!(full.len(), 11);
    assert!(full.contains(&"one_more"));
    // With leave to delete, what is new makes room.
    let planned = plan(&live, &wanted, ALL, &all(Surplus::Delete));
    let room = planned
        .effects
        .iter()
        .position(|e| e.step.starts_with("emoji/1"));
    let made = planned
        .effects
        .iter()
        .position(|e| e.step == "emoji/300/create");
    assert!(room.unwrap() < made.unwrap());
}

#[test]
fn an_emoji_is_its_name_and_its_bytes() {
    let wanted = with_files(
        guild(
            1,
            json!({"emojis": [emoji(5, "pepe", false), emoji(6, "old", false)]}),
        ),
        |id| (id == Id::new(5)).then(|| "d1".to_owned()),
    );
    let live = |digest: &str| {
        let emojis = json!([emoji(50, "pepe", false), emoji(60, "old", false)]);
        with_files(guild(2, json!({"emojis": emojis})), |_| {
            Some(digest.to_owned())
        })
    };
    let planned = plan(&live("d1"), &wanted, ALL, &all(Surplus::Delete));
    assert_eq!(planned.effects, [], "the same picture under the same name");
    let planned = plan(&live("d2"), &wanted, ALL, &all(Surplus::Delete));
    let steps: Vec<&str> = planned.effects.iter().map(|e| e.step.as_str()).collect();
    assert_eq!(
        steps,
        ["emoji/5/create", "emoji/50/delete"],
        "of the other nobody kept the bytes"
    );
    let body = &creates(&planned, Kind::Emoji)[0];
    assert_eq!(body["image"], "file:d1");
    let after = rehearse(&live("d2"), &planned);
    assert_eq!(
        plan(&after, &wanted, ALL, &all(Surplus::Delete)).effects,
        []
    );
}

#[test]
fn pictures_take_the_features_that_show_them() {
    let picture = |mut state: Structure, id: u64, digest: &str| {
        for field in ["icon", "banner"] {
            state.learn_file(Kind::Guild, Id::new(id), field, digest);
        }
        state
    };
    let wanted = picture(
        guild(1, json!({"icon": "a", "banner": "b", "splash": "s"})),
        1,
        "d1",
    );
    let live = guild(2, json!({"icon": "x"}));
    let planned = plan(&live, &wanted, ALL, &all(Surplus::Keep));
    let Some(Operation::Edit { body, .. }) = step(&planned, "guild/edit") else {
        panic!("{:?}", planned.effects)
    };
    assert_eq!(body["icon"], "file:d1");
    assert!(!body.contains_key("banner") && !body.contains_key("splash"));
    let whys: Vec<_> = planned
        .unable
        .iter()
        .map(|u| (u.fields.clone(), u.why))
        .collect();
    assert!(
        whys.contains(&(vec!["banner"], Why::NeedsFeature("BANNER"))),
        "{whys:?}"
    );
    assert!(whys.contains(&(vec!["splash"], Why::NeedsFile)), "{whys:?}");
    let same = picture(guild(2, json!({"icon": "other_hash"})), 2, "d1");
    let same = plan(&same, &wanted, ALL, &all(Surplus::Keep));
    assert!(
        !format!("{:?}", same.effects).contains("icon"),
        "the same bytes are the same picture"
    );
}

/// Case 22.
#[test]
fn the_rule_that_a_community_has_once_is_edited() {
    let rule = |id: &str, limit: u64| {
        json!({"id": id, "name": format!("m{limit}"), "trigger_type": 5,
        "event_type": 1, "enabled": true, "actions": [], "exempt_roles": [], "exempt_channels": [],
        "trigger_metadata": {"mention_total_limit": limit}})
    };
    let state = |id: u64, rules: Value| {
        guild(
            id,
            json!({"features": ["COMMUNITY"], "auto_moderation_rules": rules}),
        )
    };
    let wanted = state(1, json!([rule("5", 20)]));
    let live = state(2, json!([rule("50", 5)]));
    let planned = plan(&live, &wanted, ALL, &all(Surplus::Delete));
    let steps: Vec<&str> = planned.effects.iter().map(|e| e.step.as_str()).collect();
    assert_eq!(steps, ["automod/50/edit"]);
}

/// Case 23.
#[test]
fn a_channel_leaves_the_defaults_before_it_is_hidden() {
    let state = |id: u64, hide: &str, defaults: Value| {
        let channels = json!([
            {"id": "10", "type": 0, "name": "open", "position": 0, "permission_overwrites": []},
            {"id": "11", "type": 0, "name": "staff", "position": 1, "permission_overwrites": [
                {"id": id.to_string(), "type": 0, "allow": "0", "deny": hide}]}]);
        let mut state = guild(id, json!({"features": ["COMMUNITY"], "channels": channels}));
        state.learn(
            Kind::Onboarding,
            vec![json!({"id": id.to_string(), "enabled": true, "mode": 0,
            "prompts": [], "default_channel_ids": defaults})],
        );
        state
    };
    let wanted = state(1, "1024", json!(["10"]));
    let live = state(1, "0", json!(["10", "11"]));
    let planned = plan(&live, &wanted, ALL, &all(Surplus::Keep));
    let steps: Vec<&str> = planned.effects.iter().map(|e| e.step.as_str()).collect();
    assert_eq!(
        steps,
        ["onboarding/release", "channel/11/edit", "onboarding/edit"]
    );
    let Some(Operation::Edit { body, .. }) = step(&planned, "onboarding/release") else {
        panic!("it is an edit")
    };
    assert_eq!(body["default_channel_ids"], json!(["10"]));
    assert_eq!(body["enabled"], false);
}

#[test]
fn prompts_are_led_to_what_is_there() {
    let role =
        |id: &str, name: &str| json!({"id": id, "name": name, "position": 1, "permissions": "0"});
    let prompts = |role: &str, lost: &str| {
        json!([{"id": "70", "title": "Who are you?", "type": 0, "single_select": false,
            "required": true, "in_onboarding": true, "options": [
                {"id": "71", "title": "a", "description": "", "role_ids": [role], "channel_ids": [],
                 "emoji": {"id": null, "name": "⚓", "animated": false}},
                {"id": "72", "title": "b", "description": "", "role_ids": [lost], "channel_ids": [],
                 "emoji": {"id": null, "name": null, "animated": false}}]}])
    };
    let state = |id: u64, role_id: &str, prompts: Value| {
        let mut state = guild(
            id,
            json!({"features": ["COMMUNITY"], "roles": [role(role_id, "Crew")]}),
        );
        state.learn(
            Kind::Onboarding,
            vec![json!({"id": id.to_string(), "enabled": false, "mode": 0,
            "prompts": prompts, "default_channel_ids": []})],
        );
        state
    };
    let wanted = state(1, "5", prompts("5", "404"));
    let live = state(2, "50", json!([]));
    let planned = plan(&live, &wanted, ALL, &all(Surplus::Keep));
    let operation = step(&planned, "onboarding/edit").unwrap();
    let Some(Operation::Edit { body, .. }) = operation.resolved(&planned.mapping) else {
        panic!("it is an edit")
    };
    let options = body["prompts"][0]["options"].as_array().unwrap();
    assert_eq!(options.len(), 1, "an answer that gives nothing goes");
    assert_eq!(options[0]["role_ids"], json!(["50"]));
}

#[test]
fn webhooks_of_people_and_ways_in_are_made_anew() {
    let channel = |id: &str| json!([{"id": id, "type": 0, "name": "c", "position": 0, "permission_overwrites": []}]);
    let mut wanted = guild(1, json!({"channels": channel("10")}));
    wanted.learn(Kind::Webhook, vec![
        json!({"id": "5", "type": 1, "name": "news", "channel_id": "10", "application_id": null}),
        json!({"id": "6", "type": 1, "name": "bot", "channel_id": "10", "application_id": "9"}),
    ]);
    wanted.learn(Kind::Invite, vec![
        json!({"id": "7", "code": "a", "channel_id": "10", "max_uses": 10, "uses": 4, "temporary": false}),
        json!({"id": "8", "code": "b", "channel_id": "10", "max_uses": 1, "uses": 1, "temporary": true}),
    ]);
    let mut live = guild(2, json!({"channels": channel("20")}));
    live.learn(Kind::Webhook, Vec::new());
    live.learn(Kind::Invite, Vec::new());
    let planned = plan(&live, &wanted, ALL, &all(Surplus::Delete));
    assert_eq!(creates(&planned, Kind::Webhook).len(), 1);
    let invites = creates(&planned, Kind::Invite);
    assert_eq!(invites.len(), 1, "one is used up");
    assert_eq!(invites[0]["max_uses"], 6);
    let Some(Operation::Create { body, .. }) = step(&planned, "webhook/5/create")
        .unwrap()
        .resolved(&planned.mapping)
    else {
        panic!("it is made")
    };
    assert_eq!(body["channel_id"], "20");
    assert!(
        planned
            .unable
            .iter()
            .any(|u| u.why == Why::Managed && u.name == "bot")
    );
}
