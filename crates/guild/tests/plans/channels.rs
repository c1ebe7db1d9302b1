//! Channels: room, order, overwrites and tags.

use serde_json::{Value, json};
use splashtail_guild::permissions::{Subject, bits};
use splashtail_guild::{Facts, Id, Operation, Why, compare, plan, rehearse};

use crate::{all_powerful, channel, delete, guild, role, steps};

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
