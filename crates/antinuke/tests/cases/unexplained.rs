//! Deeds without entries, entries without users.

use serde_json::{Value, json};
use splashtail_antinuke::{
    Command, Effect, IncidentKind, IncidentState, Input, Notice, Poll, Rung, SECOND, bits,
};
use splashtail_guild::{Id, Kind};

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

fn channels_go(world: &mut World, n: std::ops::Range<u64>) {
    for n in n {
        let gone = json!({"id": channel(n), "guild_id": GUILD});
        world.feed("CHANNEL_DELETE", gone);
    }
}

fn last_poll(world: &World) -> Poll {
    let polls = world.effects.iter().rev().find_map(|effect| match effect {
        Effect::PollAudit(poll) => Some(*poll),
        _ => None,
    });
    polls.expect("the log was asked")
}

/// The log is read, and is as it was.
fn nothing_read(world: &mut World) {
    let (poll, read) = (last_poll(world), true);
    world.give(Input::Polled { poll, read });
}

#[test]
fn case_5_a_late_entry_takes_its_deed_from_nobody() {
    let mut world = World::new();
    channels_go(&mut world, 0..3);
    world.wait(5 * SECOND);
    for n in 0..3 {
        world.act(OWNER, 12, channel(n));
    }
    channels_go(&mut world, 9..10);
    world.wait(5 * SECOND);
    world.no_incident();
    assert_eq!(world.polls(), 0);
}

#[test]
fn case_5_beyond_the_limit_a_log_that_lags_takes_nothing_from_anybody() {
    let mut world = World::new();
    channels_go(&mut world, 0..4);
    world.wait(3 * SECOND);
    assert_eq!(world.polls(), 1);
    nothing_read(&mut world);
    world.no_incident();
    for n in 0..4 {
        world.act(OWNER, 12, channel(n));
    }
    world.wait(60 * SECOND);
    world.no_incident();
    assert!(world.told(Notice::Owner), "he is told of what he does");
}

#[test]
fn a_log_that_cannot_be_read_says_nothing() {
    let mut world = World::new();
    channels_go(&mut world, 0..5);
    for _ in 0..14 {
        world.wait(5 * SECOND);
        let (poll, read) = (last_poll(&world), false);
        world.give(Input::Polled { poll, read });
    }
    assert!(world.polls() > 5, "it is tried again");
    world.no_incident();
    assert!(world.told(Notice::Blind));
    let polls = world.polls();
    world.wait(60 * SECOND);
    assert_eq!(world.polls(), polls, "not for ever");
}

/// Discord tells of roles what was done to them.
fn roles_follow(world: &mut World, from: usize) {
    let edits = world.calls[from..].iter();
    let edits: Vec<(Id, u64)> = edits
        .filter(|call| matches!(call.key.rung, Rung::PanicRole | Rung::Return))
        .map(|call| (call.key.subject, permissions_of(call)))
        .collect();
    for (role, permissions) in edits {
        let mut now = world.structure.get(Kind::Role, role).unwrap().clone();
        now["permissions"] = permissions.to_string().into();
        world.feed("GUILD_ROLE_UPDATE", json!({"guild_id": GUILD, "role": now}));
    }
}

fn powers(world: &World) -> Vec<u64> {
    let of = |role| {
        let role = world.structure.get(Kind::Role, role).unwrap();
        let all: u64 = role["permissions"].as_str().unwrap().parse().unwrap();
        // The bot has it not, so a person returns it.
        all & !bits::ADMINISTRATOR
    };
    [MOD_ROLE, ADMIN_ROLE, BOT_ROLE].map(of).to_vec()
}

#[test]
fn entries_that_come_after_the_panic_end_it() {
    for channels in [5, 30] {
        let mut world = World::new();
        let before = powers(&world);
        channels_go(&mut world, 0..channels);
        world.wait(3 * SECOND);
        // More than the ring holds.
        for n in 0..channels {
            let role = json!({"guild_id": GUILD, "role_id": Id::new(8000 + n)});
            world.feed("GUILD_ROLE_DELETE", role);
        }
        for _ in 0..4 {
            world.wait(5 * SECOND);
            nothing_read(&mut world);
        }
        assert!(world.engine.panic().is_some());
        roles_follow(&mut world, 0);
        assert_ne!(powers(&world), before, "{channels}");
        let sent = world.calls.len();
        for n in 0..channels {
            world.act(OWNER, 12, channel(n));
            world.act(OWNER, 32, Id::new(8000 + n));
        }
        world.wait(5 * SECOND);
        assert!(world.engine.panic().is_none(), "{channels}");
        roles_follow(&mut world, sent);
        assert_eq!(powers(&world), before);
        world.nobody_punished();
    }
}

#[test]
fn a_panic_that_somebody_confirmed_is_theirs_to_end() {
    let mut world = World::new();
    channels_go(&mut world, 0..5);
    world.wait(3 * SECOND);
    world.wait(10 * SECOND);
    nothing_read(&mut world);
    world.give(Input::Command(Command::ConfirmPanic));
    for n in 0..5 {
        world.act(OWNER, 12, channel(n));
    }
    world.wait(5 * SECOND);
    assert!(world.engine.panic().is_some());
}

#[test]
fn case_6_deeds_without_entries_take_permissions_and_punish_nobody() {
    let mut world = World::new();
    channels_go(&mut world, 0..5);
    world.wait(3 * SECOND);
    nothing_read(&mut world);
    assert!(world.calls.is_empty(), "the log may lag");
    world.wait(10 * SECOND);
    assert_eq!(world.polls(), 2);
    nothing_read(&mut world);
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
    nothing_read(&mut world);
    let roles = world.calls_of(Rung::PanicRole);
    let moderator = roles.iter().find(|c| c.key.subject == MOD_ROLE).unwrap();
    assert_eq!(permissions_of(moderator) & bits::BAN_MEMBERS, 0);
    assert_ne!(permissions_of(moderator) & bits::MANAGE_CHANNELS, 0);
    let admin = roles.iter().find(|c| c.key.subject == ADMIN_ROLE).unwrap();
    assert_eq!(permissions_of(admin) & bits::ADMINISTRATOR, 0);
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
fn a_bot_that_may_not_read_the_log_says_so_and_takes_permissions() {
    let mut world = World::new();
    let blind = bits::PANIC & !bits::ADMINISTRATOR | bits::VIEW_CHANNEL;
    world.set_role(MY_ROLE, 10, blind);
    channels_go(&mut world, 0..5);
    world.wait(3 * SECOND);
    assert!(world.told(Notice::Blind));
    assert!(world.engine.panic().is_none());
    world.wait(10 * SECOND);
    assert_eq!(world.polls(), 0, "it would be refused");
    assert_eq!(world.incident().kind, IncidentKind::Unattributed);
    assert!(world.engine.panic().is_some());
    world.nobody_punished();
}

#[test]
fn power_that_nobody_gave_is_taken_back() {
    let mut world = World::new();
    world.add_member(user(1), &[]);
    world.feed("GUILD_MEMBER_UPDATE", member(user(1), &[ADMIN_ROLE]));
    world.wait(5 * SECOND);
    assert_eq!(world.polls(), 0, "its entry may be late");
    world.wait(6 * SECOND);
    assert!(world.calls.is_empty(), "the log is asked first");
    nothing_read(&mut world);
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
fn power_whose_giver_cannot_be_read_stays() {
    let mut world = World::new();
    world.add_member(user(1), &[]);
    world.feed("GUILD_MEMBER_UPDATE", member(user(1), &[ADMIN_ROLE]));
    for _ in 0..14 {
        world.wait(11 * SECOND);
        let (poll, read) = (last_poll(&world), false);
        world.give(Input::Polled { poll, read });
    }
    world.no_incident();
}

/// The log was asked because of power that nobody gave: an attacker's incident goes on with that one.
fn power_by_nobody_then_an_attack() -> World {
    let mut world = World::new();
    world.add_member(user(1), &[]);
    world.feed("GUILD_MEMBER_UPDATE", member(user(1), &[ADMIN_ROLE]));
    world.wait(11 * SECOND);
    nothing_read(&mut world);
    assert_eq!(world.incident().kind, IncidentKind::Tamper);
    for n in 20..24 {
        world.delete_channel(MOD, n);
    }
    assert!(world.is_contained(MOD));
    assert_eq!(world.incident().kind, IncidentKind::Actor);
    world
}

#[test]
fn deeds_of_nobody_do_not_go_on_in_an_attackers_incident() {
    let mut world = power_by_nobody_then_an_attack();
    let theirs = world.incident().id;
    channels_go(&mut world, 0..6);
    world.wait(3 * SECOND);
    for _ in 0..4 {
        world.wait(5 * SECOND);
        nothing_read(&mut world);
    }
    assert!(world.engine.panic().is_some());
    for n in 0..6 {
        world.act(OWNER, 12, channel(n));
    }
    world.wait(5 * SECOND);
    assert!(world.engine.panic().is_none(), "entries explain it all");
    let find = |id| world.engine.incidents().find(|i| i.id == id).unwrap();
    assert_eq!(find(theirs).kind, IncidentKind::Actor);
    assert_eq!(find(theirs).state, IncidentState::Contained);
    let mut others = world.engine.incidents().filter(|i| i.id != theirs);
    assert_eq!(others.next().unwrap().state, IncidentState::Returned);
}

#[test]
fn power_whose_giver_shows_late_goes_back_to_whom_it_was_given() {
    let mut world = World::new();
    for n in 1..3 {
        world.add_member(user(n), &[]);
        world.feed("GUILD_MEMBER_UPDATE", member(user(n), &[ADMIN_ROLE]));
    }
    world.wait(11 * SECOND);
    nothing_read(&mut world);
    assert_eq!(world.calls_of(Rung::TakeRole).len(), 2);
    for n in 1..3 {
        world.feed("GUILD_MEMBER_UPDATE", member(user(n), &[]));
    }
    let more = json!({"changes": [{"key": "$add", "new_value": [{"id": ADMIN_ROLE}]}]});
    world.act_with(OWNER, 25, user(1), more);
    let back = world.calls_of(Rung::Return);
    assert_eq!(back.len(), 1);
    assert!(back[0].path.ends_with(&format!("/members/{}", user(1))));
    assert_eq!(roles_of(back[0]), [ADMIN_ROLE]);
}

fn roles_entry(key: &str, role: Id) -> Value {
    json!({"changes": [{"key": key, "new_value": [{"id": role}]}]})
}

#[test]
fn only_an_entry_that_gives_power_explains_power() {
    let mut world = World::new();
    world.add_role(Id::new(2400), 1, 0);
    world.add_member(user(1), &[]);
    world.feed("GUILD_MEMBER_UPDATE", member(user(1), &[ADMIN_ROLE]));
    world.wait(11 * SECOND);
    nothing_read(&mut world);
    assert_eq!(world.calls_of(Rung::TakeRole).len(), 1);
    world.feed("GUILD_MEMBER_UPDATE", member(user(1), &[]));
    let state = world.incident().state;
    // The entry of what was just taken, and one of something harmless.
    world.act_with(ME, 25, user(1), roles_entry("$remove", ADMIN_ROLE));
    world.act_with(OWNER, 25, user(1), roles_entry("$add", Id::new(2400)));
    assert!(world.calls_of(Rung::Return).is_empty());
    assert_eq!(world.incident().state, state);
    world.act_with(OWNER, 25, user(1), roles_entry("$add", ADMIN_ROLE));
    assert_eq!(world.calls_of(Rung::Return).len(), 1);
}

#[test]
fn roles_that_were_taken_do_not_hide_power_that_comes_later() {
    let mut world = World::new();
    world.add_member(user(1), &[]);
    world.act_with(OWNER, 25, user(1), roles_entry("$remove", MOD_ROLE));
    world.feed("GUILD_MEMBER_UPDATE", member(user(1), &[ADMIN_ROLE]));
    world.wait(11 * SECOND);
    nothing_read(&mut world);
    assert_eq!(world.calls_of(Rung::TakeRole).len(), 1);
    // Nor does it hide power that the bot took a moment ago from the same person.
    let mut world = World::new();
    for n in 0..3 {
        world.delete_channel(MOD, n);
    }
    assert!(world.is_contained(MOD));
    world.feed("GUILD_MEMBER_UPDATE", member(MOD, &[]));
    world.feed("GUILD_MEMBER_UPDATE", member(MOD, &[ADMIN_ROLE]));
    world.wait(11 * SECOND);
    nothing_read(&mut world);
    let taken = world.calls_of(Rung::TakeRole);
    assert_eq!(taken.len(), 1);
    assert!(
        taken[0]
            .path
            .ends_with(&format!("{MOD}/roles/{ADMIN_ROLE}"))
    );
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
fn what_the_log_says_late_after_a_gap_is_read_and_nothing_older_again() {
    let missed = |world: &World| -> Vec<Id> {
        let polls = world.effects.iter().filter_map(|effect| match effect {
            Effect::PollAudit(Poll::Missed { after }) => Some(*after),
            _ => None,
        });
        polls.collect()
    };
    let mut world = World::new();
    let lost = world.now;
    world.wait(600 * SECOND);
    let deeds: Vec<_> = (0..4).map(|n| world.entry(ADMIN, 12, channel(n))).collect();
    let back = world.now;
    world.give(Input::Gap { lost });
    let first = missed(&world);
    assert_eq!(first.len(), 1);
    assert!(first[0] < lost.id());
    // Not all of it is in the log yet, and no event of it will come.
    for raw in &deeds[..3] {
        world.give(Input::Entry { raw, polled: true });
    }
    let poll = Poll::Missed { after: first[0] };
    world.give(Input::Polled { poll, read: true });
    world.wait(7 * SECOND);
    assert_eq!(missed(&world).len(), 1);
    assert!(!world.is_contained(ADMIN));
    world.wait(SECOND);
    let again = missed(&world);
    assert_eq!(again.len(), 2);
    assert!(again[1] > lost.id() && again[1] < back.minus(8 * SECOND).id());
    for raw in &deeds {
        world.give(Input::Entry { raw, polled: true });
    }
    assert!(world.is_contained(ADMIN));
    world.wait(600 * SECOND);
    assert_eq!(missed(&world).len(), 2);
}

#[test]
fn of_two_gaps_in_a_row_all_that_is_late_is_read_once() {
    let mut world = World::new();
    let lost = world.now;
    world.wait(SECOND);
    world.give(Input::Gap { lost });
    world.wait(5 * SECOND);
    let lost = world.now;
    world.give(Input::Gap { lost });
    assert_eq!(world.polls(), 2);
    world.wait(7 * SECOND);
    assert_eq!(world.polls(), 2);
    world.wait(60 * SECOND);
    assert_eq!(world.polls(), 3);
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

#[test]
fn webhooks_deleted_by_their_urls_cost_nobody_a_permission() {
    let mut world = World::new();
    for n in 0..30 {
        world.act(None, 52, Id::new(8100 + n));
    }
    for _ in 0..4 {
        world.wait(5 * SECOND);
    }
    world.no_incident();
    assert_eq!(world.polls(), 0);
}
