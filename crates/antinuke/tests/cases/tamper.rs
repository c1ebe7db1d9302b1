//! Attacks on the bot itself.

use serde_json::json;
use splashtail_antinuke::{HOUR, IncidentKind, Input, MINUTE, Notice, Outcome, Rung, SECOND, bits};

use crate::world::*;

const MINE: u64 = bits::PANIC & !bits::ADMINISTRATOR | bits::VIEW_AUDIT_LOG;

#[test]
fn case_23_a_bot_that_is_moved_down_panics_below() {
    let mut world = World::new();
    world.set_role(MY_ROLE, 4, MINE);
    world.no_incident();
    world.wait(3 * SECOND / 2);
    let incident = world.incident();
    assert_eq!(incident.kind, IncidentKind::Tamper);
    assert!(incident.panic);
    let roles: Vec<_> = world
        .calls_of(Rung::PanicRole)
        .iter()
        .map(|c| c.key.subject)
        .collect();
    assert_eq!(roles, [MOD_ROLE], "what is still below");
    assert!(world.owner_told());
    world.nobody_punished();
}

#[test]
fn roles_that_are_dragged_pass_through_orders_that_nobody_wanted() {
    // The owner drags two roles: Discord tells of each role by itself.
    let moves = [
        (MY_ROLE, 4, MINE),
        (ADMIN_ROLE, 6, bits::ADMINISTRATOR),
        (MOD_ROLE, 7, bits::BAN_MEMBERS),
        (ADMIN_ROLE, 8, bits::ADMINISTRATOR),
        (MY_ROLE, 10, MINE),
    ];
    let mut world = World::new();
    for (role, position, bits) in moves {
        world.set_role(role, position, bits);
        world.wait(SECOND);
    }
    world.wait(10 * SECOND);
    world.no_incident();
    // When it ends in an order in which the bot stands low, that is found.
    let mut world = World::new();
    for (role, position, bits) in &moves[..4] {
        world.set_role(*role, *position, *bits);
        world.wait(SECOND);
    }
    world.no_incident();
    world.wait(SECOND);
    assert_eq!(world.incident().kind, IncidentKind::Tamper);
    assert!(world.incident().panic);
}

#[test]
fn a_bot_that_loses_rank_and_rights_does_not_wait() {
    let mut world = World::new();
    world.set_role(MY_ROLE, 4, MINE & !bits::BAN_MEMBERS);
    assert!(world.incident().panic);
    // Rights that go while the order is in doubt end the doubt.
    let mut world = World::new();
    world.set_role(MY_ROLE, 4, MINE);
    world.wait(SECOND);
    world.no_incident();
    world.set_role(MY_ROLE, 4, MINE & !bits::BAN_MEMBERS);
    assert!(world.incident().panic);
}

#[test]
fn nobody_puts_the_judgement_off_by_changing_roles_all_the_time() {
    let mut world = World::new();
    world.set_role(MY_ROLE, 4, MINE);
    for n in 0..4 {
        world.wait(SECOND);
        world.set_role(HIGH_ROLE, 20 + n, bits::ADMINISTRATOR);
        world.no_incident();
    }
    world.wait(SECOND);
    assert!(world.incident().panic);
}

/// The bot lies below administrators for a second, and is back.
fn dip(mut during: impl FnMut(&mut World)) -> World {
    let mut world = World::new();
    world.set_role(MY_ROLE, 4, MINE);
    world.wait(SECOND / 2);
    during(&mut world);
    world.wait(SECOND / 2);
    world.set_role(MY_ROLE, 10, MINE);
    world
}

#[test]
fn what_was_done_above_a_bot_that_lay_low_is_told_when_it_is_back() {
    let mut world = dip(|world| {
        world.delete_channel(ADMIN, 0);
    });
    world.no_incident();
    world.wait(3 * SECOND);
    let incident = world.incident();
    assert_eq!(incident.kind, IncidentKind::Tamper);
    let told: Vec<_> = incident.acts.iter().map(|a| (a.actor, a.target)).collect();
    assert_eq!(told, [(Some(ADMIN), Some(channel(0)))]);
    assert!(!incident.panic, "the bot is where it was");
    assert!(world.owner_told());
    assert!(world.calls.is_empty());
}

#[test]
fn an_entry_of_a_dip_may_come_when_it_is_over() {
    let mut late = None;
    let mut world = dip(|world| late = Some(world.entry(ADMIN, 12, channel(0))));
    world.wait(2 * SECOND);
    world.tell(&late.unwrap());
    world.wait(SECOND);
    assert_eq!(world.incident().kind, IncidentKind::Tamper);
}

#[test]
fn a_dip_in_which_only_others_acted_is_somebodys_dragging() {
    let mut world = dip(|world| {
        // Still below the bot; the owner; and nothing that destroys.
        world.delete_channel(MOD, 0);
        world.delete_channel(OWNER, 1);
        world.act(ADMIN, 11, channel(2));
    });
    // Above, but when the bot was back.
    world.wait(2 * SECOND);
    world.delete_channel(ADMIN, 3);
    world.wait(10 * SECOND);
    world.no_incident();
}

#[test]
fn a_bot_that_goes_up_and_down_is_judged_where_it_ends() {
    let mut world = World::new();
    for _ in 0..3 {
        world.set_role(MY_ROLE, 4, MINE);
        world.wait(9 * SECOND / 10);
        world.set_role(MY_ROLE, 10, MINE);
        world.wait(SECOND);
        world.no_incident();
    }
    world.set_role(MY_ROLE, 4, MINE);
    assert!(world.incident().panic, "the longest wait was over");
}

#[test]
fn whoever_was_out_of_reach_in_a_dip_is_contained_when_it_is_over() {
    let world = dip(|world| {
        for n in 0..4 {
            world.delete_channel(ADMIN, n);
        }
        world.nobody_punished();
        assert!(!world.is_contained(ADMIN));
    });
    assert!(world.is_contained(ADMIN));
    let taken = world.calls_of(Rung::TakeRoles);
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].key.actor, ADMIN);
    assert!(world.incident().suspect(ADMIN).unwrap().contained.is_some());
}

#[test]
fn what_belongs_to_an_incident_makes_no_second_one() {
    let mut world = dip(|world| {
        // Whoever is kicked is known with the roles that they had.
        world.answers.push((Rung::TakeRoles, Some(Outcome::Down)));
        for n in 0..4 {
            world.delete_channel(ADMIN, n);
        }
    });
    world.wait(10 * SECOND);
    assert_eq!(world.calls_of(Rung::Kick).len(), 1);
    assert_eq!(world.incident().kind, IncidentKind::Actor);
    // What somebody else did meanwhile belongs to none.
    let mut world = dip(|world| {
        world.answers.push((Rung::TakeRoles, Some(Outcome::Down)));
        world.add_member(user(1), &[ADMIN_ROLE]);
        for n in 0..4 {
            world.delete_channel(ADMIN, n);
        }
        world.delete_channel(user(1), 4);
    });
    world.wait(10 * SECOND);
    let tampers = world.engine.incidents();
    let tampers: Vec<_> = tampers.filter(|i| i.kind == IncidentKind::Tamper).collect();
    assert_eq!(tampers.len(), 1);
    let told: Vec<_> = tampers[0].acts.iter().map(|a| a.actor).collect();
    assert_eq!(told, [Some(user(1))]);
}

#[test]
fn a_bot_that_is_moved_down_in_a_gap_panics_below() {
    for kind in ["GUILD_CREATE", "GUILD_ROLE_UPDATE"] {
        let mut world = World::new();
        let lost = world.now;
        world.now = world.now.plus(MINUTE);
        world.give(Input::Gap { lost });
        world.set_role(MY_ROLE, 4, MINE);
        if kind == "GUILD_CREATE" {
            // A new session tells of the server as a whole.
            let whole = json!({"id": GUILD, "members": [member(ME, &[MY_ROLE])]});
            world.give(Input::Event {
                name: kind,
                data: &whole,
                before: None,
            });
        }
        world.wait(3 * SECOND / 2);
        assert_eq!(world.incident().kind, IncidentKind::Tamper);
        assert!(world.incident().panic);
    }
    // A gap in which nothing was moved says nothing.
    let mut world = World::new();
    let lost = world.now;
    world.give(Input::Gap { lost });
    world.wait(10 * SECOND);
    world.no_incident();
}

#[test]
fn an_owner_who_moves_the_bot_up_has_the_attacker_contained() {
    let mut world = World::new();
    for n in 0..4 {
        world.delete_channel(HIGH, n);
    }
    world.nobody_punished();
    world.wait(MINUTE);
    // Somebody else's role changes nothing.
    world.set_role(MOD_ROLE, 4, bits::KICK_MEMBERS);
    world.nobody_punished();
    world.set_role(MY_ROLE, 30, MINE);
    assert!(world.is_contained(HIGH));
    assert_eq!(world.calls_of(Rung::TakeRoles).len(), 1);
}

#[test]
fn an_owner_who_takes_the_high_role_has_the_attacker_contained() {
    let mut world = World::new();
    world.add_member(user(1), &[HIGH_ROLE, ADMIN_ROLE]);
    world.answers.push((Rung::TakeRole, Some(Outcome::Down)));
    for n in 0..4 {
        world.delete_channel(user(1), n);
    }
    assert!(!world.is_contained(user(1)));
    world.feed("GUILD_MEMBER_UPDATE", member(user(1), &[ADMIN_ROLE]));
    assert!(world.is_contained(user(1)));
    let taken = world.calls_of(Rung::TakeRoles);
    assert_eq!(taken.len(), 1);
    assert!(roles_of(taken[0]).is_empty());
}

#[test]
fn one_role_above_the_bot_is_told_and_nothing_more() {
    let mut world = World::new();
    world.set_role(ADMIN_ROLE, 11, bits::ADMINISTRATOR);
    world.wait(2 * SECOND);
    assert!(!world.incident().panic);
    assert!(world.calls.is_empty());
    assert!(world.owner_told());
}

#[test]
fn case_24_a_bot_in_timeout_says_so_and_goes_on() {
    let mut world = World::new();
    let mut raw = member(ME, &[MY_ROLE]);
    raw["communication_disabled_until"] = json!("2027-09-05T00:00:00+00:00");
    world.feed("GUILD_MEMBER_UPDATE", raw);
    assert!(world.told(Notice::TimedOut));
    for n in 0..3 {
        world.delete_channel(MOD, n);
    }
    assert!(world.is_contained(MOD));
}

#[test]
fn case_25_hiding_two_channels_from_the_bot_is_an_attack_and_no_deletion() {
    let mut world = World::new();
    for n in 0..2 {
        let hidden = json!({"id": channel(n), "guild_id": GUILD, "type": 0, "name": "___hidden___",
            "flags": 1 << 17, "permission_overwrites": [{"id": GUILD, "type": 0, "allow": "0", "deny": "1024"}]});
        world.feed("CHANNEL_UPDATE", hidden);
        let more = json!({"options": {"id": MY_ROLE, "type": "0"},
            "changes": [{"key": "deny", "new_value": "1024"}, {"key": "allow", "new_value": "0"}]});
        world.act_with(MOD, 13, channel(n), more);
    }
    assert!(world.is_contained(MOD));
    world.wait(10 * SECOND);
    assert_eq!(world.polls(), 0);
    assert!(world.incident().acts.iter().all(|act| act.before.is_none()));
}

#[test]
fn making_a_channel_private_hides_it_from_nobody_in_particular() {
    let mut world = World::new();
    for n in 0..4 {
        let more = json!({"options": {"id": GUILD, "type": "0"},
            "changes": [{"key": "deny", "new_value": "1024"}, {"key": "allow", "new_value": "0"}]});
        world.act_with(MOD, 13, channel(10 * n % 30), more);
    }
    world.no_incident();
}

#[test]
fn case_26_a_bot_that_is_thrown_out_tells_the_owner() {
    let mut world = World::new();
    world.feed("GUILD_DELETE", json!({"id": GUILD}));
    assert!(world.told(Notice::Expelled));
    assert!(world.owner_told());
    assert_eq!(world.incident().kind, IncidentKind::Tamper);
}

#[test]
fn an_outage_is_no_expulsion() {
    let mut world = World::new();
    world.feed("GUILD_DELETE", json!({"id": GUILD, "unavailable": true}));
    world.no_incident();
}

#[test]
fn whoever_takes_the_bots_rights_is_contained_at_once() {
    let mut world = World::new();
    let more = json!({"changes": [{"key": "permissions",
        "old_value": bits::PANIC.to_string(), "new_value": bits::MANAGE_ROLES.to_string()}]});
    world.act_with(ADMIN, 31, MY_ROLE, more);
    assert!(world.is_contained(ADMIN));
    assert_eq!(world.incident().kind, IncidentKind::Tamper);
}

#[test]
fn whoever_frees_somebody_contained_is_contained() {
    let mut world = World::new();
    for n in 0..3 {
        world.delete_channel(MOD, n);
    }
    world.wait(HOUR);
    let more = json!({"changes": [{"key": "$add", "new_value": [{"id": MOD_ROLE}]}]});
    world.act_with(ADMIN, 25, MOD, more);
    assert!(world.is_contained(ADMIN));
}

#[test]
fn the_owner_may_free_whom_he_likes() {
    let mut world = World::new();
    for n in 0..3 {
        world.delete_channel(MOD, n);
    }
    world.wait(HOUR);
    let more = json!({"changes": [{"key": "$add", "new_value": [{"id": MOD_ROLE}]}]});
    world.act_with(OWNER, 25, MOD, more);
    assert_eq!(world.calls.len(), 1);
}

#[test]
fn whoever_disarms_himself_is_still_who_did_it() {
    let mut world = World::new();
    world.add_role(user(1), 3, bits::BAN_MEMBERS | bits::KICK_MEMBERS);
    world.add_role(user(2), 3, bits::MANAGE_GUILD);
    world.add_member(user(9), &[user(1), user(2)]);
    world.set_role(user(1), 3, 0);
    world.set_role(user(2), 3, 0);
    for n in 0..12 {
        world.act(user(9), 22, user(200 + n));
    }
    assert!(world.is_contained(user(9)));
}
