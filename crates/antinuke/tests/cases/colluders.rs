//! Several that share one attack, and many that only look so.

use serde_json::json;
use splashtail_antinuke::{HOUR, IncidentKind, IncidentState, Rung, bits};
use splashtail_guild::Id;

use crate::world::*;

/// Five accounts that came together and were given power together.
fn five(world: &mut World, role: impl Fn(u64) -> Id) -> Vec<Id> {
    let people: Vec<Id> = (0..5).map(|n| user(20 + n)).collect();
    for (n, person) in people.iter().enumerate() {
        world.add_newcomer(*person);
        let mut raw = member(*person, &[role(n as u64)]);
        raw["joined_at"] = rfc3339(world.now).into();
        world.feed("GUILD_MEMBER_UPDATE", raw);
        world.act_with(
            OWNER,
            25,
            *person,
            json!({"changes": [{"key": "$add", "new_value": [{"id": role(n as u64), "name": "x"}]}]}),
        );
    }
    world.wait(HOUR);
    people
}

#[test]
fn case_19_five_under_one_role_are_stopped_by_one_call() {
    let mut world = World::new();
    let role = Id::new(2300);
    world.add_role(role, 4, bits::ADMINISTRATOR);
    let people = five(&mut world, |_| role);
    let reason = json!({"reason": "nuked"});
    let mut n = 0;
    'attack: for _ in 0..3 {
        for person in &people {
            world.feed(
                "CHANNEL_DELETE",
                json!({"id": channel(n), "guild_id": GUILD}),
            );
            world.act_with(*person, 12, channel(n), reason.clone());
            n += 1;
            if !world.calls.is_empty() {
                break 'attack;
            }
        }
    }
    assert_eq!(world.calls[0].key.rung, Rung::DisarmRole);
    assert_eq!(world.calls[0].path, format!("/guilds/{GUILD}/roles/{role}"));
    assert_eq!(permissions_of(&world.calls[0]) & bits::POWER, 0);
    assert!(n <= 10, "{n} channels");
    assert_eq!(world.incident().kind, IncidentKind::Colluders);
    let held = people.iter().filter(|person| world.is_contained(**person));
    assert!(held.count() >= 3, "whoever took part, at once");
    assert!(world.calls_of(Rung::TakeRoles).is_empty());
}

/// Three newcomers, all with one role, which nobody gave them, or the owner.
fn three_armed(world: &mut World, by_owner: bool) -> Vec<Id> {
    let role = Id::new(2300);
    world.add_role(role, 4, bits::ADMINISTRATOR);
    let people: Vec<Id> = (0..3).map(|n| user(20 + n)).collect();
    for person in &people {
        world.add_newcomer(*person);
    }
    for person in &people {
        let mut raw = member(*person, &[role]);
        raw["joined_at"] = rfc3339(world.now).into();
        world.feed("GUILD_MEMBER_UPDATE", raw);
        if by_owner {
            let given =
                json!({"changes": [{"key": "$add", "new_value": [{"id": role, "name": "x"}]}]});
            world.act_with(OWNER, 25, *person, given);
        }
    }
    people
}

/// Each in a place of their own, and none of them beyond a limit: two channels, two others, two roles.
fn share_the_work(world: &mut World, people: &[Id]) {
    for n in 0..2 {
        world.delete_channel(people[0], n);
        world.delete_channel(people[1], 10 + n);
        world.act(people[2], 32, Id::new(9000 + n));
        world.wait(100);
    }
}

#[test]
fn whom_one_role_armed_and_nobody_stands_for_share_one_attack() {
    let mut world = World::new();
    let people = three_armed(&mut world, false);
    share_the_work(&mut world, &people);
    let incident = world.incident();
    assert_eq!(incident.kind, IncidentKind::Colluders);
    let suspects: Vec<Id> = incident.suspects.iter().map(|s| s.id).collect();
    assert!(people.iter().all(|person| suspects.contains(person)));
    assert_eq!(incident.acts_in_all, 6, "all of it can be put back");
    assert!(people.iter().all(|person| world.is_contained(*person)));
    assert_eq!(world.calls_of(Rung::DisarmRole).len(), 1);
    assert!(world.calls_of(Rung::TakeRoles).is_empty());
}

#[test]
fn friends_of_the_owner_who_tidy_up_together_are_left_alone() {
    let mut world = World::new();
    let people = three_armed(&mut world, true);
    share_the_work(&mut world, &people);
    world.no_incident();
}

#[test]
fn case_20_five_with_roles_of_their_own_are_one_incident_and_a_panic() {
    let mut world = World::new();
    for n in 0..5 {
        world.add_role(Id::new(2300 + n), 4, bits::ADMINISTRATOR);
    }
    let people = five(&mut world, |n| Id::new(2300 + n));
    let reason = json!({"reason": "nuked"});
    for n in 0..10 {
        let person = people[n as usize % 5];
        world.feed(
            "CHANNEL_DELETE",
            json!({"id": channel(n), "guild_id": GUILD}),
        );
        world.act_with(person, 12, channel(n), reason.clone());
    }
    let incident = world.incident();
    assert_eq!(incident.kind, IncidentKind::Colluders);
    assert_eq!(incident.suspects.len(), 5);
    assert!(incident.panic);
    assert_eq!(world.calls_of(Rung::TakeRoles).len(), 5);
    assert!(people.iter().all(|person| world.is_contained(*person)));
}

#[test]
fn case_21_two_moderators_who_ban_raiders_are_left_alone() {
    let mut world = World::new();
    world.add_member(user(1), &[MOD_ROLE]);
    for n in 0..40 {
        let raider = user(100 + n);
        world.add_newcomer(raider);
    }
    for n in 0..40 {
        let raider = user(100 + n);
        world.feed(
            "GUILD_BAN_ADD",
            json!({"guild_id": GUILD, "user": {"id": raider}}),
        );
        let by = if n % 2 == 0 { MOD } else { user(1) };
        world.act_with(by, 22, raider, json!({"reason": "raid"}));
        world.wait(500);
    }
    world.no_incident();
}

#[test]
fn whoever_armed_an_attacker_belongs_to_the_attack() {
    let mut world = World::new();
    world.add_member(user(1), &[]);
    world.act_with(
        ADMIN,
        25,
        user(1),
        json!({"changes": [{"key": "$add", "new_value": [{"id": MOD_ROLE}]}]}),
    );
    world.feed("GUILD_MEMBER_UPDATE", member(user(1), &[MOD_ROLE]));
    for n in 0..6 {
        let by = if n % 2 == 0 { ADMIN } else { user(1) };
        world.delete_channel(by, n);
    }
    assert!(world.is_contained(ADMIN) && world.is_contained(user(1)));
    assert_eq!(world.incident().kind, IncidentKind::Colluders);
    // What was on its way still comes: nobody is left to hold, and nothing is under way.
    for n in 6..12 {
        let by = if n % 2 == 0 { ADMIN } else { user(1) };
        world.delete_channel(by, n);
    }
    assert_eq!(world.incident().state, IncidentState::Contained);
}

#[test]
fn more_than_ten_punished_in_a_minute_end_in_panic_alone() {
    let mut world = World::new();
    for n in 0..16 {
        let role = Id::new(2300 + n);
        world.add_role(role, 4, bits::MANAGE_CHANNELS);
        world.add_member(user(n), &[role]);
    }
    for n in 0..15 {
        world.act_with(
            user(n),
            25,
            user(n),
            json!({"changes": [{"key": "$add", "new_value": [{"id": ADMIN_ROLE}]}]}),
        );
        world.wait(10);
        let _ = n;
    }
    for n in 0..15 {
        for c in 0..2 {
            world.delete_channel(user(n), (2 * n + c) % 30);
        }
        world.act(user(n), 12, Id::new(9000 + n));
    }
    assert!(world.calls_of(Rung::TakeRoles).len() <= 10);
    assert!(world.engine.panic().is_some());
}
