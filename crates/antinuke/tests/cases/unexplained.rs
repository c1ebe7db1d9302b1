//! Deeds without entries, entries without users.

use serde_json::json;
use splashtail_antinuke::{Effect, IncidentKind, Input, Notice, Poll, Rung, SECOND, bits};
use splashtail_guild::Id;

use crate::world::*;

#[test]
fn case_4_the_order_of_entries_does_not_matter() {
    let mut forward = World::new();
    let entries: Vec<_> = (0..3).map(|n| forward.entry(MOD, 12, channel(n))).collect();
    entries.iter().for_each(|entry| {
        forward.tell(entry);
    });
    let mut backward = World::new();
    entries.iter().rev().for_each(|entry| {
        backward.tell(entry);
    });
    assert!(forward.is_contained(MOD) && backward.is_contained(MOD));
    assert_eq!(forward.calls.len(), backward.calls.len());
}

#[test]
fn case_5_a_late_entry_takes_its_deed_from_nobody() {
    let mut world = World::new();
    for n in 0..3 {
        world.feed(
            "CHANNEL_DELETE",
            json!({"id": channel(n), "guild_id": GUILD}),
        );
    }
    world.wait(5 * SECOND);
    for n in 0..3 {
        world.act(ADMIN, 12, channel(n));
    }
    world.feed(
        "CHANNEL_DELETE",
        json!({"id": channel(9), "guild_id": GUILD}),
    );
    world.wait(5 * SECOND);
    world.no_incident();
    assert_eq!(world.polls(), 0);
}

#[test]
fn case_6_deeds_without_entries_take_permissions_and_punish_nobody() {
    let mut world = World::new();
    for n in 0..5 {
        world.feed(
            "CHANNEL_DELETE",
            json!({"id": channel(n), "guild_id": GUILD}),
        );
    }
    world.wait(3 * SECOND);
    let poll = world.effects.iter().find_map(|effect| match effect {
        Effect::PollAudit(poll) => Some(*poll),
        _ => None,
    });
    let poll = poll.expect("the log is read first");
    assert!(world.calls.is_empty());
    world.give(Input::Polled { poll });
    assert_eq!(world.incident().kind, IncidentKind::Unattributed);
    let taken = world.calls_of(Rung::PanicRole);
    let admin = taken.iter().find(|c| c.key.subject == ADMIN_ROLE).unwrap();
    assert_eq!(permissions_of(admin) & bits::ADMINISTRATOR, 0);
    let moderator = taken.iter().find(|c| c.key.subject == MOD_ROLE).unwrap();
    assert_eq!(permissions_of(moderator) & bits::MANAGE_CHANNELS, 0);
    assert_ne!(
        permissions_of(moderator) & bits::BAN_MEMBERS,
        0,
        "only what the act needs"
    );
    world.nobody_punished();
}

fn bulk_ban(world: &mut World, first: Option<Id>) {
    for n in 0..30 {
        let banned = user(200 + n);
        world.feed(
            "GUILD_BAN_ADD",
            json!({"guild_id": GUILD, "user": {"id": banned}}),
        );
    }
    for n in 0..30 {
        let by = if n == 7 { first } else { None };
        world.act(by, 22, user(200 + n));
    }
}

#[test]
fn case_7_a_bulk_ban_belongs_to_the_one_user_that_is_named() {
    let mut world = World::new();
    bulk_ban(&mut world, Some(ADMIN));
    world.wait(3 * SECOND);
    assert!(world.is_contained(ADMIN));
    assert_eq!(world.incident().acts_in_all, 30);
    assert!(!world.incident().panic);
}

#[test]
fn case_8_a_bulk_ban_by_nobody_takes_the_permission_from_all() {
    let mut world = World::new();
    bulk_ban(&mut world, None);
    world.wait(3 * SECOND);
    let polls: Vec<Poll> = world
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::PollAudit(poll) => Some(*poll),
            _ => None,
        })
        .collect();
    assert_eq!(polls.len(), 1);
    assert!(matches!(polls[0], Poll::Unexplained { action: 22, .. }));
    world.give(Input::Polled { poll: polls[0] });
    let roles = world.calls_of(Rung::PanicRole);
    let moderator = roles.iter().find(|c| c.key.subject == MOD_ROLE).unwrap();
    assert_eq!(permissions_of(moderator) & bits::BAN_MEMBERS, 0);
    assert_ne!(permissions_of(moderator) & bits::MANAGE_CHANNELS, 0);
    world.nobody_punished();
    let bans = world
        .incident()
        .acts
        .iter()
        .filter(|act| act.target.is_some());
    assert_eq!(bans.count(), 30, "whom to unban is known");
}

#[test]
fn case_10_a_merged_entry_is_read_again_when_messages_keep_going() {
    let mut world = World::new();
    let mut entry = world.entry(MOD, 72, user(50));
    entry["options"] = json!({"count": "1", "channel_id": channel(0)});
    world.tell(&entry);
    for n in 0..60 {
        let message = json!({"id": Id::new(7000 + n), "channel_id": channel(0), "guild_id": GUILD});
        world.feed("MESSAGE_DELETE", message);
    }
    assert_eq!(world.polls(), 1);
    assert!(world.calls.is_empty(), "authors delete messages, too");
    entry["options"]["count"] = json!("60");
    world.give(Input::Entry {
        raw: &entry,
        polled: true,
    });
    assert!(world.is_contained(MOD));
}

#[test]
fn ten_deeds_without_entries_are_said_to_be_seen_blindly() {
    let mut world = World::new();
    for n in 0..10 {
        let banned = user(200 + n);
        world.feed(
            "GUILD_BAN_ADD",
            json!({"guild_id": GUILD, "user": {"id": banned}}),
        );
        world.wait(20 * SECOND);
    }
    assert!(world.told(Notice::Blind));
    world.nobody_punished();
}

#[test]
fn power_that_nobody_gave_is_taken_back() {
    let mut world = World::new();
    world.add_member(user(1), &[]);
    world.feed("GUILD_MEMBER_UPDATE", member(user(1), &[ADMIN_ROLE]));
    world.wait(5 * SECOND);
    assert!(world.calls.is_empty(), "its entry may be late");
    world.wait(10 * SECOND);
    let taken = world.calls_of(Rung::TakeRole);
    assert_eq!(taken.len(), 1);
    assert!(
        taken[0]
            .path
            .ends_with(&format!("{}/roles/{ADMIN_ROLE}", user(1)))
    );
    assert!(world.told(Notice::UnexplainedPower));
    world.nobody_punished();
}

#[test]
fn case_34_after_a_gap_missed_acts_are_found_and_none_counts_twice() {
    let mut world = World::new();
    let first = world.entry(MOD, 12, channel(0));
    world.tell(&first);
    let lost = world.now;
    world.wait(5 * SECOND);
    let missed = [
        world.entry(MOD, 12, channel(1)),
        world.entry(MOD, 12, channel(2)),
    ];
    world.wait(15 * SECOND);
    world.give(Input::Gap { lost });
    let poll = world.effects.iter().find_map(|effect| match effect {
        Effect::PollAudit(Poll::Missed { after }) => Some(*after),
        _ => None,
    });
    assert!(poll.unwrap() < Id::of(&first).unwrap());
    for raw in [&first, &missed[0], &missed[0], &first] {
        world.give(Input::Entry { raw, polled: true });
    }
    assert!(world.calls.is_empty());
    world.give(Input::Entry {
        raw: &missed[1],
        polled: true,
    });
    assert!(world.is_contained(MOD));
}

#[test]
fn stale_entries_are_history_unless_they_were_asked_for() {
    let mut world = World::new();
    let old: Vec<_> = (0..3).map(|n| world.entry(MOD, 12, channel(n))).collect();
    world.wait(11 * 60 * SECOND);
    old.iter().for_each(|entry| {
        world.tell(entry);
    });
    world.no_incident();
}

#[test]
fn an_actor_who_could_not_have_done_it_is_not_blamed() {
    let mut world = World::new();
    for n in 0..8 {
        world.act(PLAIN, 22, user(200 + n));
    }
    let asked = world
        .effects
        .iter()
        .any(|e| matches!(e, Effect::FetchMember { user } if *user == PLAIN));
    assert!(asked);
    let raw = member(PLAIN, &[]);
    world.give(Input::Member {
        user: PLAIN,
        raw: &raw,
    });
    world.wait(10 * SECOND);
    assert!(!world.is_contained(PLAIN));
    world.nobody_punished();
}
