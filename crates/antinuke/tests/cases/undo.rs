//! What was taken comes back, and what people did meanwhile stays.

use serde_json::json;
use splashtail_antinuke::{Command, HOUR, IncidentState, Input, Rung, bits, undo};
use splashtail_guild::{Kind, Verdict, put_back};

use crate::world::*;

#[test]
fn roles_come_back_beside_what_was_given_since() {
    let mut world = World::new();
    for n in 0..3 {
        world.delete_channel(MOD, n);
    }
    let id = world.incident().id;
    world.feed("GUILD_MEMBER_UPDATE", member(MOD, &[]));
    world.add_role(splashtail_guild::Id::new(2600), 1, 0);
    world.feed(
        "GUILD_MEMBER_UPDATE",
        member(MOD, &[splashtail_guild::Id::new(2600)]),
    );
    world.give(Input::Command(Command::Return { incident: id }));
    let back = world.calls_of(Rung::Return);
    assert_eq!(
        roles_of(back[0]),
        [MOD_ROLE, splashtail_guild::Id::new(2600)]
    );
    assert_eq!(world.incident().state, IncidentState::Returned);
    let calls = world.calls.len();
    world.give(Input::Command(Command::Return { incident: id }));
    assert_eq!(world.calls.len(), calls, "pressed twice");
}

#[test]
fn case_38_a_name_that_a_person_gave_since_stays() {
    let mut world = World::new();
    for n in 0..3 {
        let more = json!({"changes": [
            {"key": "name", "old_value": format!("channel {n}"), "new_value": "nuked"},
            {"key": "topic", "old_value": "about boats", "new_value": "nuked"}]});
        world.feed(
            "CHANNEL_UPDATE",
            json!({"id": channel(n), "guild_id": GUILD, "type": 0, "flags": 0,
            "name": "nuked", "topic": "nuked", "parent_id": "2900", "permission_overwrites": []}),
        );
        world.act_with(MOD, 11, channel(n), more);
    }
    world.delete_channel(MOD, 10);
    world.delete_channel(MOD, 11);
    world.delete_channel(MOD, 12);
    // A person renames one, and has made another anew.
    world.feed(
        "CHANNEL_UPDATE",
        json!({"id": channel(1), "guild_id": GUILD, "type": 0, "flags": 0,
        "name": "quay", "topic": "nuked", "parent_id": "2900", "permission_overwrites": []}),
    );
    let (before, after) = undo::forms(world.incident(), &world.structure);
    let back = put_back(&before, &after, &world.structure);
    let wanted = |n| back.wanted.get(Kind::Channel, channel(n)).unwrap();
    assert_eq!(wanted(0)["name"], "channel 0");
    assert_eq!(wanted(0)["topic"], "about boats");
    assert_eq!(wanted(1)["name"], "quay");
    assert_eq!(wanted(1)["topic"], "about boats");
    assert_eq!(
        wanted(10)["name"],
        "channel 10",
        "deleted ones are wanted again"
    );
    let asked = back
        .verdicts
        .iter()
        .filter(|(.., verdict)| *verdict == Verdict::AskAgain);
    assert_eq!(asked.count(), 1);
}

#[test]
fn what_the_attacker_made_goes_and_overwrites_come_back() {
    let mut world = World::new();
    let made = splashtail_guild::Id::new(3900);
    world.feed(
        "CHANNEL_CREATE",
        json!({"id": made, "guild_id": GUILD, "type": 0, "flags": 0,
        "name": "nuked", "permission_overwrites": []}),
    );
    world.act_with(
        MOD,
        10,
        made,
        json!({"changes": [{"key": "name", "new_value": "nuked"}]}),
    );
    let changed = json!([{"id": MOD_ROLE, "type": 0, "allow": "16", "deny": "0"}]);
    world.feed(
        "CHANNEL_UPDATE",
        json!({"id": channel(20), "guild_id": GUILD, "type": 0, "flags": 0,
        "name": "channel 20", "parent_id": "2902", "permission_overwrites": changed}),
    );
    world.act_with(
        MOD,
        13,
        channel(20),
        json!({"options": {"id": MOD_ROLE, "type": "0"},
        "changes": [{"key": "allow", "new_value": "16"}, {"key": "deny", "new_value": "0"}]}),
    );
    for n in 0..3 {
        world.delete_channel(MOD, n);
    }
    let (before, after) = undo::forms(world.incident(), &world.structure);
    let back = put_back(&before, &after, &world.structure);
    assert!(back.wanted.get(Kind::Channel, made).is_none());
    let overwrites = &back.wanted.get(Kind::Channel, channel(20)).unwrap()["permission_overwrites"];
    assert_eq!(overwrites, &json!([]));
}

#[test]
fn case_39_bits_that_a_person_set_in_a_panic_stay_and_ours_return() {
    let mut world = World::new();
    for n in 0..4 {
        world.delete_channel(HIGH, n);
    }
    let taken = world.calls_of(Rung::PanicRole);
    let call = taken.iter().find(|c| c.key.subject == MOD_ROLE).unwrap();
    let left = permissions_of(call);
    let by_hand = left | bits::BAN_MEMBERS | 1 << 49;
    world.set_role(MOD_ROLE, 3, by_hand);
    world.wait(HOUR);
    world.give(Input::Command(Command::EndPanic {
        suspects_too: false,
    }));
    let back = world.calls_of(Rung::Return);
    let call = back.iter().find(|c| c.key.subject == MOD_ROLE).unwrap();
    let returned = permissions_of(call);
    assert_eq!(returned & by_hand, by_hand);
    assert_ne!(returned & bits::MANAGE_CHANNELS, 0);
    assert_ne!(returned & bits::KICK_MEMBERS, 0);
    let pauses = world.calls_of(Rung::PauseInvites);
    assert!(pauses.last().unwrap().body.as_ref().unwrap()["invites_disabled_until"].is_null());
}

#[test]
fn where_it_is_to_be_quiet_staff_still_speaks_and_all_comes_back() {
    let speech = bits::SEND_MESSAGES | bits::CONNECT;
    let see = bits::VIEW_CHANNEL;
    let mut world = World::new();
    world.set_role(MY_ROLE, 10, bits::ADMINISTRATOR);
    world.set_role(GUILD, 0, see | speech);
    world.set_role(MOD_ROLE, 3, bits::KICK_MEMBERS | speech);
    world.give(Input::Command(Command::Panic));
    world.set_role(MOD_ROLE, 3, speech);
    world.give(Input::Command(Command::Quiet));
    let last = |world: &World, rung, role| {
        let calls = world.calls_of(rung);
        let call = calls.iter().rfind(|call| call.key.subject == role);
        call.map(|call| permissions_of(call))
    };
    assert_eq!(last(&world, Rung::PanicRole, GUILD), Some(see));
    assert_eq!(last(&world, Rung::PanicRole, MOD_ROLE), Some(speech));
    world.set_role(GUILD, 0, see);
    world.give(Input::Command(Command::EndPanic {
        suspects_too: false,
    }));
    assert_eq!(last(&world, Rung::Return, GUILD), Some(see | speech));
    let back = Some(bits::KICK_MEMBERS | speech);
    assert_eq!(last(&world, Rung::Return, MOD_ROLE), back);
}

#[test]
fn the_bot_does_not_silence_itself() {
    let mut world = World::new();
    // Its own role does not let it write.
    world.set_role(GUILD, 0, bits::VIEW_CHANNEL | bits::SEND_MESSAGES);
    world.give(Input::Command(Command::Quiet));
    let taken = world.calls_of(Rung::PanicRole);
    assert!(taken.iter().all(|call| call.key.subject != GUILD));
}

/// Without a pinned structure only ids tell a sibling of the same name from what was made anew.
#[test]
fn a_sibling_of_the_same_name_is_not_what_was_rebuilt() {
    let mut world = World::new();
    for n in 0..3 {
        world.delete_channel(MOD, n);
    }
    let deleted = world
        .incident()
        .acts
        .iter()
        .map(|act| act.at)
        .max()
        .unwrap();
    let twin = |at: splashtail_antinuke::Moment| {
        json!({"id": at.id(), "guild_id": GUILD, "type": 0, "flags": 0, "name": "channel 0",
               "parent_id": "2900", "permission_overwrites": []})
    };
    let wants_it_back = |world: &World| {
        let (before, _) = undo::forms(world.incident(), &world.structure);
        before.get(Kind::Channel, channel(0)).is_some()
    };
    world.feed("CHANNEL_CREATE", twin(deleted.minus(HOUR)));
    assert!(wants_it_back(&world), "it was there all along");
    world.feed("CHANNEL_CREATE", twin(deleted.plus(1)));
    assert!(!wants_it_back(&world), "somebody made it anew");
}

#[test]
fn what_a_panic_would_take_is_what_it_takes() {
    let mut world = World::new();
    world.set_role(MY_ROLE, 10, bits::ADMINISTRATOR);
    world.set_role(HIGH_ROLE, 12, bits::BAN_MEMBERS);
    let reach = world.engine.panic_reach(&world.structure, world.now);
    assert!(reach.pauses && world.engine.panic().is_none());
    assert!(reach.beyond.contains(&HIGH_ROLE), "{reach:?}");
    world.give(Input::Command(Command::Panic));
    let calls = world.calls_of(Rung::PanicRole);
    let mut taken: Vec<_> = calls.iter().map(|call| call.key.subject).collect();
    let mut foreseen: Vec<_> = reach.roles.iter().map(|role| role.role).collect();
    taken.sort_unstable();
    foreseen.sort_unstable();
    assert!(!foreseen.is_empty() && !foreseen.contains(&MY_ROLE));
    assert_eq!(foreseen, taken);
}
