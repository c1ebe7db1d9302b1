//! One attack is one incident, whichever part of it shows first.

use serde_json::json;
use splashtail_antinuke::{Incident, IncidentKind, Input, Instant, Rule, SECOND, bits};
use splashtail_guild::Id;

use crate::world::*;

const HOOK: Id = Id::new(6500);
const STRANGER: Id = Id::new(5900);

/// A webhook says the same five times within half a second.
fn spam(world: &mut World) {
    for n in 0..5 {
        let id = world.id();
        let post = json!({"id": id, "guild_id": GUILD, "channel_id": channel(n), "webhook_id": HOOK,
            "author": {"id": HOOK}, "content": "free nitro", "mention_everyone": false,
            "mention_roles": [], "mentions": []});
        world.feed("MESSAGE_CREATE", post);
        world.wait(100);
    }
}

fn delete_channels(world: &mut World, by: Id) {
    for n in 10..14 {
        world.delete_channel(by, n);
    }
}

fn suspects(incident: &Incident) -> Vec<Id> {
    incident.suspects.iter().map(|suspect| suspect.id).collect()
}

fn gives_himself_power(world: &mut World, user: Id) {
    let more = json!({"changes": [{"key": "$add", "new_value": [{"id": ADMIN_ROLE}]}]});
    world.act_with(user, 25, user, more);
}

fn learn(world: &mut World, user: Id, roles: &[Id]) {
    let raw = member(user, roles);
    world.give(Input::Member { user, raw: &raw });
}

#[test]
fn a_webhook_of_an_attacker_belongs_to_the_attack() {
    let mut world = World::new();
    world.act(MOD, 50, HOOK);
    delete_channels(&mut world, MOD);
    spam(&mut world);
    let incident = world.incident();
    assert_eq!(suspects(incident), [MOD]);
    assert_eq!(incident.kind, IncidentKind::Actor);
    let mut paths = world.calls.iter().map(|call| call.path.as_str());
    assert!(paths.any(|path| path == format!("/webhooks/{HOOK}")));
}

#[test]
fn a_webhook_whose_maker_is_found_later_is_part_of_what_they_did() {
    let mut world = World::new();
    world.act(MOD, 50, HOOK);
    spam(&mut world);
    assert!(suspects(world.incident()).is_empty());
    delete_channels(&mut world, MOD);
    let incident = world.incident();
    assert_eq!(suspects(incident), [MOD]);
    assert_eq!(incident.kind, IncidentKind::Actor);
    let made = incident.acts.iter().filter(|act| act.target == Some(HOOK));
    assert_eq!(made.count(), 1);
    assert_eq!(incident.acts_in_all as usize, incident.acts.len());
}

#[test]
fn a_webhook_that_nobody_is_known_to_have_made_belongs_to_the_attack_of_that_minute() {
    let mut world = World::new();
    spam(&mut world);
    delete_channels(&mut world, MOD);
    assert_eq!(suspects(world.incident()), [MOD]);
    // Long after it, it does not.
    let mut world = World::new();
    spam(&mut world);
    world.wait(120 * SECOND);
    delete_channels(&mut world, MOD);
    assert_eq!(world.engine.incidents().count(), 2);
}

#[test]
fn somebody_elses_webhook_is_no_part_of_an_attack_that_follows() {
    let mut world = World::new();
    world.act(ADMIN, 50, HOOK);
    spam(&mut world);
    delete_channels(&mut world, MOD);
    let mut all: Vec<Vec<Id>> = world.engine.incidents().map(suspects).collect();
    all.sort();
    assert_eq!(all, [vec![], vec![MOD]]);
    assert!(!world.is_contained(ADMIN));
}

#[test]
fn a_bot_moved_down_in_an_attack_is_part_of_it() {
    let mut world = World::new();
    delete_channels(&mut world, MOD);
    world.set_role(
        MY_ROLE,
        4,
        bits::PANIC & !bits::ADMINISTRATOR | bits::VIEW_AUDIT_LOG,
    );
    world.wait(3 * SECOND);
    let incident = world.incident();
    let what = Instant::Tamper;
    assert!(incident.rules.contains(&Rule::Instant { what }));
    assert!(world.owner_told());
}

#[test]
fn a_stranger_who_gives_himself_power_is_known_before_he_is_judged() {
    let mut world = World::new();
    gives_himself_power(&mut world, STRANGER);
    world.no_incident();
    learn(&mut world, STRANGER, &[MOD_ROLE, ADMIN_ROLE]);
    let incident = world.incident();
    assert_eq!(suspects(incident), [STRANGER]);
    assert!(incident.acts_in_all > 0);
    assert!(world.is_contained(STRANGER));
}

#[test]
fn a_stranger_who_got_power_from_discord_keeps_none_of_it_and_is_not_blamed() {
    let mut world = World::new();
    gives_himself_power(&mut world, STRANGER);
    learn(&mut world, STRANGER, &[ADMIN_ROLE]);
    world.nobody_punished();
    let incident = world.incident();
    assert!(suspects(incident).is_empty());
    let told: Vec<_> = incident.acts.iter().map(|a| (a.actor, a.target)).collect();
    assert_eq!(told, [(None, Some(STRANGER))]);
    assert_eq!(world.calls.len(), 1, "the role is taken");
}

#[test]
fn power_from_nobody_is_told_with_what_its_holder_did() {
    let mut world = World::new();
    world.add_member(user(1), &[]);
    world.feed("GUILD_MEMBER_UPDATE", member(user(1), &[ADMIN_ROLE]));
    delete_channels(&mut world, user(1));
    assert_eq!(suspects(world.incident()), [user(1)]);
    world.wait(11 * SECOND);
    let poll = world.effects.iter().rev().find_map(|effect| match effect {
        splashtail_antinuke::Effect::PollAudit(poll) => Some(*poll),
        _ => None,
    });
    if let Some(poll) = poll {
        world.give(Input::Polled { poll, read: true });
    }
    assert_eq!(suspects(world.incident()), [user(1)]);
}
