//! One actor: moderators, administrators, bots.

use serde_json::json;
use splashtail_antinuke::{
    Answer, DAY, HOUR, IncidentKind, IncidentState, Mode, Notice, Outcome, Rung, SECOND, bits,
};
use splashtail_guild::Id;

use crate::world::*;

#[test]
fn case_1_a_moderator_who_deletes_three_channels_is_stopped_with_one_call() {
    let mut world = World::new();
    assert_eq!(world.delete_channel(MOD, 0), 0);
    world.wait(300);
    assert_eq!(world.delete_channel(MOD, 1), 0);
    world.wait(300);
    assert_eq!(world.delete_channel(MOD, 2), 1);
    let call = &world.calls[0];
    assert_eq!(call.key.rung, Rung::TakeRoles);
    assert_eq!(call.path, format!("/guilds/{GUILD}/members/{MOD}"));
    assert_eq!(roles_of(call), []);
    let incident = world.incident();
    assert_eq!(incident.kind, IncidentKind::Actor);
    assert_eq!(incident.state, IncidentState::Contained);
    assert_eq!(incident.acts.len(), 3);
    assert!(
        incident
            .acts
            .iter()
            .all(|act| act.before.is_some() && act.entry.is_some())
    );
    assert!(world.is_contained(MOD));
}

#[test]
fn case_2_an_administrator_loses_after_three_and_what_is_in_flight() {
    let mut world = World::new();
    world.answers.push((Rung::TakeRoles, None));
    let mut lost = 0;
    for n in 0..20 {
        world.delete_channel(ADMIN, n);
        lost += u64::from(world.calls.is_empty());
        world.wait(20);
    }
    assert_eq!(lost, 3);
    assert_eq!(world.calls.len(), 1, "what is in flight changes nothing");
    let incident = world.incident();
    assert_eq!(incident.acts_in_all, 20);
    // The fourth decides, and is lost with what is in flight.
    let decided = incident.times;
    assert_eq!(decided.act, incident.acts[3].at);
    assert_eq!(decided.sent, Some(decided.received));
}

#[test]
fn case_3_an_entry_that_comes_twice_counts_once() {
    let mut world = World::new();
    let one = world.entry(MOD, 12, channel(0));
    let two = world.entry(MOD, 12, channel(1));
    for entry in [&one, &two, &one, &two, &one] {
        world.tell(entry);
    }
    world.no_incident();
}

#[test]
fn case_9_of_a_prune_only_its_executor_is_blamed() {
    for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0]] {
        let mut world = World::new();
        let more = |n: u64| json!({"count": "1", "delete_member_days": "1", "members_removed": n.to_string()});
        let mut entries = Vec::new();
        for by in [MOD, user(1), user(2)] {
            let mut entry = world.entry(by, 21, GUILD);
            entry["target_id"] = json!(null);
            entry["options"] = more(1000);
            entries.push(entry);
        }
        for n in order {
            world.tell(&entries[n]);
        }
        for stranger in [user(1), user(2)] {
            let raw = json!(null);
            world.give(splashtail_antinuke::Input::Member {
                user: stranger,
                raw: &raw,
            });
        }
        world.wait(10 * SECOND);
        assert!(world.is_contained(MOD), "{order:?}");
        assert_eq!(world.calls.len(), 1, "{order:?}: {:#?}", world.calls);
        assert_eq!(world.incident().suspects.len(), 1);
    }
}

#[test]
fn case_17_a_bot_that_attacks_later_is_emptied_and_its_inviter_contained() {
    let mut world = World::new();
    let bot = user(9);
    world.act(ADMIN, 28, bot);
    // It joined with no rights and was trusted with a role by the owner.
    world.add_member(bot, &[]);
    world.wait(HOUR);
    let role = Id::new(2100);
    world.feed(
        "GUILD_ROLE_CREATE",
        json!({"guild_id": GUILD, "role": {"id": role, "position": 2, "managed": true,
            "tags": {"bot_id": bot}, "permissions": "8"}}),
    );
    for n in 0..4 {
        world.delete_channel(bot, n);
    }
    let calls = world.against(bot);
    assert_eq!(calls[0].key.rung, Rung::HoldBot);
    assert_eq!(permissions_of(calls[0]), 0);
    assert_eq!(calls[1].key.rung, Rung::Kick);
    assert!(world.is_contained(bot));
    assert!(
        world.is_contained(ADMIN),
        "who invited it shares what it does"
    );
    assert_eq!(world.against(ADMIN)[0].key.rung, Rung::TakeRoles);
}

#[test]
fn case_18_a_kick_that_hangs_delays_nothing() {
    let mut world = World::new();
    world.answers.push((Rung::Kick, None));
    for n in 0..4 {
        world.delete_channel(BOT, n);
    }
    assert_eq!(world.calls[0].key.rung, Rung::HoldBot);
    assert_eq!(permissions_of(&world.calls[0]), 0);
    assert!(world.is_contained(BOT));
    assert_eq!(world.calls.len(), 2);
}

#[test]
fn case_22_somebody_above_the_bot_is_told_of_at_once_and_the_rest_protected() {
    let mut world = World::new();
    for n in 0..4 {
        world.delete_channel(HIGH, n);
    }
    let incident = world.incident();
    assert_eq!(incident.state, IncidentState::Unreachable);
    assert!(incident.panic);
    assert!(world.owner_told());
    assert!(!world.calls_of(Rung::PanicRole).is_empty());
    assert_eq!(world.calls_of(Rung::PauseInvites).len(), 1);
    world.nobody_punished();
}

#[test]
fn of_two_roles_at_one_position_the_older_is_the_higher() {
    for (role, reached) in [(Id::new(2001), false), (Id::new(2999), true)] {
        let mut world = World::new();
        // The bot's own is 2002, at 10 too.
        world.add_role(role, 10, bits::ADMINISTRATOR);
        world.add_member(user(1), &[role]);
        for n in 0..4 {
            world.delete_channel(user(1), n);
        }
        assert_eq!(world.is_contained(user(1)), reached, "{role}");
        assert_eq!(world.calls_of(Rung::TakeRoles).len(), usize::from(reached));
    }
}

#[test]
fn case_22_dangerous_roles_in_reach_are_taken_from_somebody_above() {
    let mut world = World::new();
    world.add_member(user(1), &[HIGH_ROLE, ADMIN_ROLE]);
    for n in 0..4 {
        world.delete_channel(user(1), n);
    }
    let taken = world.calls_of(Rung::TakeRole);
    assert_eq!(taken.len(), 1);
    assert_eq!(
        taken[0].path,
        format!("/guilds/{GUILD}/members/{}/roles/{ADMIN_ROLE}", user(1))
    );
}

#[test]
fn case_28_the_owner_is_spoken_of_and_never_touched() {
    let mut world = World::new();
    for n in 0..30 {
        world.delete_channel(OWNER, n);
    }
    assert!(world.told(Notice::Owner));
    world.no_incident();
}

#[test]
fn trusted_people_raise_an_alarm_later_and_are_never_touched() {
    let mut world = World::with(|policy| {
        policy.trusted.users.insert(MOD);
    });
    for n in 0..4 {
        world.delete_channel(MOD, n);
    }
    assert!(!world.told(Notice::Trusted));
    for n in 4..10 {
        world.delete_channel(MOD, n);
    }
    assert!(world.told(Notice::Trusted));
    world.no_incident();
}

#[test]
fn a_trusted_role_that_somebody_else_than_the_owner_gives_is_told_at_once() {
    let trusted = Id::new(2700);
    let given = json!({"changes": [{"key": "$add", "new_value": [{"id": trusted}]}]});
    for (by, told) in [(ADMIN, true), (OWNER, false)] {
        let mut world = World::with(|policy| {
            policy.trusted.roles.insert(trusted);
        });
        world.add_role(trusted, 1, 0);
        world.act_with(by, 25, user(1), given.clone());
        assert_eq!(world.told(Notice::TrustGiven), told);
        assert_eq!(world.owner_told(), told);
    }
    let mut world = World::new();
    world.add_role(trusted, 1, 0);
    world.act_with(ADMIN, 25, user(1), given);
    assert!(!world.told(Notice::TrustGiven), "nobody trusts that role");
}

#[test]
fn trust_that_somebody_else_than_the_owner_takes_is_told_at_once() {
    let trusted = Id::new(2700);
    let taken = json!({"changes": [{"key": "$remove", "new_value": [{"id": trusted}]}]});
    let nothing = json!({"changes": []});
    for (action, target, body, notice) in [
        (25, user(1), &taken, Notice::TrustTaken),
        (32, trusted, &nothing, Notice::TrustedRoleGone),
        (20, user(1), &nothing, Notice::TrustedRemoved),
        (22, user(1), &nothing, Notice::TrustedRemoved),
        (20, user(2), &nothing, Notice::TrustedRemoved),
    ] {
        for (by, told) in [(ADMIN, true), (OWNER, false)] {
            let mut world = World::with(|policy| {
                policy.trusted.roles.insert(trusted);
                policy.trusted.users.insert(user(2));
            });
            world.add_role(trusted, 1, 0);
            world.add_member(user(1), &[trusted]);
            world.act_with(by, action, target, body.clone());
            assert_eq!(world.told(notice), told, "{action} by {by}");
            assert_eq!(world.owner_told(), told, "{action} by {by}");
        }
    }
    let mut world = World::new();
    world.add_role(trusted, 1, 0);
    world.add_member(user(1), &[trusted]);
    world.act_with(ADMIN, 25, user(1), taken);
    world.act_with(ADMIN, 20, user(1), nothing);
    assert!(!world.owner_told(), "nobody trusts that role");
}

#[test]
fn case_29_one_channel_an_hour_ends_at_the_thirteenth() {
    let mut world = World::new();
    for n in 0..12 {
        assert_eq!(world.delete_channel(ADMIN, n), 0, "{n}");
        world.wait(HOUR);
    }
    assert_eq!(world.delete_channel(ADMIN, 12), 1);
    assert!(world.is_contained(ADMIN));
}

#[test]
fn case_32_a_full_bucket_leads_to_the_next_step() {
    let mut world = World::new();
    let limited = Outcome::Limited { ms: 8000 };
    world.answers.push((Rung::TakeRoles, Some(limited)));
    for n in 0..3 {
        world.delete_channel(MOD, n);
    }
    let rungs: Vec<Rung> = world.calls.iter().map(|c| c.key.rung).collect();
    assert_eq!(rungs, [Rung::TakeRoles, Rung::Kick]);
    assert!(world.is_contained(MOD));
}

#[test]
fn a_refusal_leads_up_the_ladder_and_ends_with_the_owner() {
    let mut world = World::new();
    let no = Some(Outcome::Refused {
        status: 403,
        code: 50_013,
    });
    world.answers = vec![(Rung::TakeRoles, no), (Rung::Kick, no), (Rung::Ban, no)];
    for n in 0..3 {
        world.delete_channel(MOD, n);
    }
    let rungs: Vec<Rung> = world.against(MOD).iter().map(|c| c.key.rung).collect();
    assert_eq!(rungs[..3], [Rung::TakeRoles, Rung::Kick, Rung::Ban]);
    assert!(world.incident().panic);
    assert!(world.owner_told());
    assert_eq!(world.incident().state, IncidentState::Failed);
}

#[test]
fn whoever_left_meanwhile_is_banned_by_id() {
    let mut world = World::new();
    let gone = Some(Outcome::Refused {
        status: 404,
        code: 10_007,
    });
    world.answers.push((Rung::TakeRoles, gone));
    for n in 0..3 {
        world.delete_channel(MOD, n);
    }
    let rungs: Vec<Rung> = world.calls.iter().map(|c| c.key.rung).collect();
    assert_eq!(rungs, [Rung::TakeRoles, Rung::Ban]);
}

#[test]
fn roles_that_cannot_be_taken_stay_in_the_body() {
    let mut world = World::with(|policy| policy.quarantine_role = Some(Id::new(2200)));
    world.add_role(Id::new(2200), 1, 0);
    let booster = Id::new(2201);
    world.feed(
        "GUILD_ROLE_CREATE",
        json!({"guild_id": GUILD, "role": {"id": booster, "position": 2, "managed": true,
            "permissions": "0"}}),
    );
    world.add_member(user(1), &[MOD_ROLE, booster]);
    for n in 0..3 {
        world.delete_channel(user(1), n);
    }
    assert_eq!(roles_of(&world.calls[0]), [booster, Id::new(2200)]);
}

#[test]
fn power_by_a_members_overwrite_goes_too() {
    let mut world = World::new();
    let allow = bits::MANAGE_CHANNELS.to_string();
    world.feed(
        "CHANNEL_UPDATE",
        json!({"id": channel(5), "guild_id": GUILD, "type": 0, "name": "x", "flags": 0,
            "permission_overwrites": [{"id": MOD, "type": 1, "allow": allow, "deny": "0"}]}),
    );
    for n in 0..3 {
        world.delete_channel(MOD, n);
    }
    let rungs: Vec<Rung> = world.calls.iter().map(|c| c.key.rung).collect();
    assert_eq!(rungs, [Rung::TakeRoles, Rung::DropOverwrite]);
}

#[test]
fn whoever_goes_on_after_being_contained_is_removed() {
    let mut world = World::new();
    for n in 0..3 {
        world.delete_channel(MOD, n);
    }
    world.wait(1000);
    world.delete_channel(MOD, 3);
    assert_eq!(world.calls.len(), 1, "it was on its way");
    world.wait(5 * SECOND);
    world.delete_channel(MOD, 4);
    let rungs: Vec<Rung> = world.calls.iter().map(|c| c.key.rung).collect();
    assert_eq!(rungs, [Rung::TakeRoles, Rung::Kick]);
    world.wait(DAY / 2);
    world.delete_channel(MOD, 5);
    // They are long gone, so they are looked up first.
    let nobody = json!(null);
    world.give(splashtail_antinuke::Input::Member {
        user: MOD,
        raw: &nobody,
    });
    assert_eq!(world.calls.last().unwrap().key.rung, Rung::Ban);
}

#[test]
fn somebody_unknown_is_looked_up_and_judged_by_what_they_are() {
    let mut world = World::new();
    let stranger = user(77);
    for n in 0..3 {
        world.delete_channel(stranger, n);
    }
    assert!(world.calls.is_empty());
    // An administrator may delete three.
    let raw = member(stranger, &[ADMIN_ROLE]);
    world.give(splashtail_antinuke::Input::Member {
        user: stranger,
        raw: &raw,
    });
    assert!(world.calls.is_empty());
    let (taken_back, id) = (world.incident().state, world.incident().id);
    assert_eq!(taken_back, IncidentState::Closed);
    assert!(world.incident().suspects.is_empty());
    world.delete_channel(stranger, 3);
    assert_eq!(world.calls.len(), 1);
    // People are told anew: they were told before that it was none.
    let mut incidents = world.engine.incidents().filter(|i| i.id != id);
    let incident = incidents.next().unwrap();
    assert_eq!(incident.state, IncidentState::Contained);
    assert_eq!((incident.suspects.len(), incident.acts.len()), (1, 4));
}

#[test]
fn dry_run_writes_down_what_would_have_happened() {
    let mut world = World::with(|policy| policy.mode = Mode::DryRun);
    for n in 0..10 {
        world.delete_channel(MOD, n);
    }
    let incident = world.incident();
    assert_eq!(incident.state, IncidentState::DryRun);
    assert_eq!(incident.calls.len(), 1);
    assert_eq!(incident.calls[0].call.key.rung, Rung::TakeRoles);
    assert_eq!(incident.acts_in_all, 10);
    assert!(world.calls.is_empty());
    let id = incident.id;
    world.give(splashtail_antinuke::Input::Command(
        splashtail_antinuke::Command::Contain { incident: id },
    ));
    assert_eq!(world.calls.len(), 1, "a person may still say yes");
}

#[test]
fn switched_off_nothing_is_counted() {
    let mut world = World::with(|policy| policy.mode = Mode::Off);
    for n in 0..30 {
        world.delete_channel(MOD, n);
    }
    world.no_incident();
}

/// Discord takes so many bans of people who are not in the server (30035).
#[test]
fn where_no_stranger_can_be_banned_nobody_is_kicked() {
    let mut world = World::with(|policy| policy.answer = Answer::Kick);
    let full = Outcome::Refused {
        status: 400,
        code: 30_035,
    };
    let no = Outcome::Refused {
        status: 403,
        code: 50_013,
    };
    world.answers.push((Rung::Kick, Some(no)));
    world.answers.push((Rung::Ban, Some(full)));
    for n in 0..4 {
        world.delete_channel(MOD, n);
    }
    assert!(world.told(Notice::BansFull));
    assert!(world.is_contained(MOD), "they are out");
    assert!(world.engine.panic().is_none());
    world.answers.clear();
    for n in 4..8 {
        world.delete_channel(ADMIN, n);
    }
    assert!(world.is_contained(ADMIN));
    let theirs = world.against(ADMIN);
    assert!(theirs.iter().all(|call| call.key.rung != Rung::Kick));
    assert!(!theirs.is_empty());
}
