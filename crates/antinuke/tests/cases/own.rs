//! Case 27 and what belongs to it: acts in the bot's own name.

use serde_json::json;
use splashtail_antinuke::{
    IncidentKind, Input, Leaves, LimitType, MINUTE, Maintenance, Mode, Notice, Order, OwnToken,
    Policy, Rule, Rung, SECOND,
};
use splashtail_guild::Id;

use crate::world::*;

#[test]
fn case_27_entries_in_our_name_that_we_did_not_make_blame_nobody() {
    let mut world = World::new();
    world.act(ME, 12, channel(0));
    world.act(ME, 12, channel(1));
    let incident = world.incident();
    assert_eq!(incident.kind, IncidentKind::SelfToken);
    assert_eq!(incident.acts_in_all, 2);
    assert!(incident.suspects.is_empty());
    assert!(world.owner_told());
    assert!(world.calls.is_empty());
}

#[test]
fn case_27_the_bot_leaves_where_the_owner_wants_it_and_was_told() {
    let mut world = World::with(|policy| policy.own_token = OwnToken::Leave);
    world.act(ME, 12, channel(0));
    world.wait(SECOND);
    assert!(world.calls.is_empty(), "whoever has left tells nobody");
    let incident = world.incident().id;
    world.engine.note_owner_told(incident, world.now);
    world.wait(SECOND);
    let called: Vec<_> = world.calls.iter().map(|c| (c.key.rung, &*c.path)).collect();
    assert_eq!(called, [(Rung::Leave, "/users/@me/guilds/1000")]);
    world.act(ME, 12, channel(1));
    world.wait(MINUTE / 2);
    assert_eq!(world.calls.len(), 1);
    world.feed("GUILD_DELETE", json!({"id": GUILD}));
    assert!(world.told(Notice::Left) && !world.told(Notice::Expelled));
}

#[test]
fn case_27_the_bot_leaves_when_the_owner_cannot_be_told() {
    let leave = |mode| {
        let mut world = World::with(|policy| {
            (policy.own_token, policy.mode) = (OwnToken::Leave, mode);
        });
        world.act(ME, 12, channel(0));
        world.wait(MINUTE);
        let incident = world.incident().calls.len();
        (world.calls.len(), incident)
    };
    assert_eq!(leave(Mode::On), (1, 1));
    assert_eq!(leave(Mode::DryRun), (0, 1), "only written down");
}

#[test]
fn entries_of_ours_are_known_by_their_mark_or_by_their_call() {
    let mut world = World::new();
    let tag = KEY.tag(GUILD, 12, Some(channel(0)), world.now);
    world.act_with(
        ME,
        12,
        channel(0),
        json!({"reason": format!("AntiRaid: cleaned up {tag}")}),
    );
    let effect = "0123456789abcdef01234567";
    let mark = KEY.effect(GUILD, effect, Some(channel(3)), world.now);
    let reason = format!("restored {mark} [{effect}]");
    world.act_with(ME, 12, channel(3), json!({"reason": reason}));
    world.no_incident();
    // What a moderator orders through the bot counts for the moderator.
    for n in 4..7 {
        world.give(Input::OwnCall {
            action: 12,
            target: Some(channel(n)),
            by: Some(MOD),
            at: None,
        });
        world.act(ME, 12, channel(n));
    }
    assert!(world.is_contained(MOD));
}

#[test]
fn case_27_what_only_looks_like_a_job_of_ours_is_not_ours() {
    for reason in [
        "restored [0123456789abcdef01234567]",
        "restored #AAAAAAAA [0123456789abcdef01234567]",
    ] {
        let mut world = World::new();
        world.act_with(ME, 12, channel(3), json!({"reason": reason}));
        assert_eq!(world.incident().kind, IncidentKind::SelfToken, "{reason}");
    }
}

#[test]
fn case_27_a_jobs_mark_read_in_the_log_is_of_no_use_to_a_thief() {
    let mut world = World::new();
    let marked = |target, at| {
        let mark = KEY.effect(GUILD, "effect", target, at);
        json!({"reason": format!("restored {mark} [effect]")})
    };
    let known = marked(Some(channel(3)), world.now);
    world.act_with(ME, 11, channel(3), known.clone());
    world.act_with(ME, 14, channel(3), known.clone());
    // One effect may leave several entries about its object.
    let made = marked(None, world.now);
    world.act_with(ME, 10, channel(70), made.clone());
    world.act_with(ME, 10, channel(70), made.clone());
    world.no_incident();
    world.wait(SECOND);
    for (action, target, mark) in [
        (12, channel(4), &known),
        (10, channel(71), &made),
        (12, channel(70), &made),
    ] {
        let before = world.engine.incidents().map(|i| i.acts_in_all).sum::<u32>();
        world.act_with(ME, action, target, mark.clone());
        assert_eq!(world.incident().kind, IncidentKind::SelfToken);
        assert!(world.incident().acts_in_all > before, "{action}");
    }
    world.nobody_punished();
}

fn signed(world: &World, leaves: Leaves) -> serde_json::Value {
    let mark = KEY.effect(GUILD, "effect", leaves, world.now);
    json!({"reason": format!("spam {mark} [effect]")})
}

/// Each entry as Discord writes it, with the target that it names.
#[test]
fn what_a_job_leaves_about_things_it_cannot_name_alarms_nobody() {
    let entries = [
        (Leaves::InviteGone, ME, 42, json!(null)),
        (Leaves::Pin, ME, 74, json!(user(1))),
        (Leaves::MessageGone, ME, 72, json!(user(1))),
        (Leaves::Onboarding, ME, 163, json!(user(2))),
        (Leaves::Onboarding, ME, 164, json!(user(3))),
        (Leaves::Onboarding, ME, 167, json!(GUILD)),
        (Leaves::Onboarding, ME, 167, json!(null)),
        (Leaves::About(user(4)), ME, 22, json!(user(4))),
    ];
    for (leaves, by, action, target) in entries {
        let mut world = World::new();
        let mut more = signed(&world, leaves);
        more["target_id"] = target;
        world.act_with(by, action, user(9), more);
        world.wait(20 * SECOND);
        world.no_incident();
    }
}

/// Of a bulk one entry has our name, at any place, and the others none.
#[test]
fn a_bulk_ban_of_a_job_is_ours_and_its_mark_serves_nobody_later() {
    let mut world = World::new();
    let mark = signed(&world, Leaves::Bans);
    for n in 0..30 {
        let by = (n == 7).then_some(ME);
        world.act_with(by, 22, user(200 + n), mark.clone());
    }
    world.wait(15 * SECOND);
    world.no_incident();
    world.nobody_punished();
    // Somebody read it in the log.
    for n in 0..30 {
        let by = (n == 0).then_some(ADMIN);
        world.act_with(by, 22, user(300 + n), mark.clone());
    }
    world.wait(3 * SECOND);
    assert!(world.is_contained(ADMIN));
    assert_eq!(world.incident().acts_in_all, 30);
}

#[test]
fn what_takes_no_reason_cannot_be_marked_and_alarms_nobody() {
    let mut world = World::new();
    for action in [72, 102, 121, 200, 201, 202] {
        world.act(ME, action, user(action.into()));
    }
    world.no_incident();
    // A route that takes a reason is no excuse.
    world.act(ME, 112, user(1));
    assert_eq!(world.incident().kind, IncidentKind::SelfToken);
}

#[test]
fn a_call_of_the_bot_that_gave_no_reason_is_the_bots() {
    let mut world = World::new();
    let call = |by| Input::OwnCall {
        action: 112,
        target: Some(user(1)),
        by,
        at: None,
    };
    world.give(call(None));
    world.act(ME, 112, user(1));
    world.no_incident();
    // The command that was told counts for the moderator, although the call was told as well.
    for n in 0..5 {
        let by = |by| Input::OwnCall {
            action: 112,
            target: Some(user(n)),
            by,
            at: None,
        };
        world.give(by(Some(MOD)));
        world.give(by(None));
        world.act(ME, 112, user(n));
    }
    assert!(world.is_contained(MOD));
    // An entry that comes late is explained by the call that was made then.
    let mut world = World::new();
    let (entry, at) = (world.entry(ME, 112, user(1)), Some(world.now));
    world.wait(30 * SECOND);
    world.give(Input::OwnCall {
        action: 112,
        target: Some(user(1)),
        by: None,
        at,
    });
    world.tell(&entry);
    world.no_incident();
    // It explains nothing for long.
    let mut world = World::new();
    world.give(call(None));
    world.wait(11 * SECOND);
    world.act(ME, 112, user(1));
    assert_eq!(world.incident().kind, IncidentKind::SelfToken);
}

/// Whether a moderator's order of so many bans, of people named from here on, is carried out.
fn ordered(world: &mut World, by: Id, (first, count): (u64, u64)) -> Result<(), Vec<Rule>> {
    let targets: Vec<Id> = (first..first + count).map(user).collect();
    let (by, targets) = (by, targets.as_slice());
    let order = Order {
        by,
        action: 22,
        targets,
    };
    let (answer, effects) = world.engine.order(order, &world.structure, world.now);
    world.effects.extend(effects);
    answer
}

#[test]
fn bans_that_are_ordered_count_for_whoever_orders_them() {
    let mut world = World::new();
    // Three in a minute are normal in a small server.
    let refused = ordered(&mut world, MOD, (100, 200)).unwrap_err();
    let too_many = |rule: &Rule| {
        matches!(
            rule,
            Rule::Limit {
                kind: LimitType::Ban,
                ..
            }
        )
    };
    assert!(refused.iter().any(too_many), "{refused:?}");
    world.no_incident();
    // A refused order counts nothing, and the windows hold what went through in small orders.
    ordered(&mut world, MOD, (100, 2)).unwrap();
    ordered(&mut world, MOD, (102, 1)).unwrap();
    world.wait(2 * SECOND);
    ordered(&mut world, MOD, (106, 1)).unwrap_err();
    world.no_incident();
    // By hand and by order count together.
    world.act(MOD, 22, user(107));
    assert!(world.is_contained(MOD));
    ordered(&mut world, MOD, (108, 1)).unwrap_err();
}

#[test]
fn again_and_again_is_too_much_of_an_hour() {
    let mut world = World::new();
    let mut banned = 0;
    for round in 0..30 {
        world.wait(2 * MINUTE);
        if ordered(&mut world, ADMIN, (100 + 3 * round, 3)).is_ok() {
            banned += 3;
        }
    }
    assert!((3..=15).contains(&banned), "{banned}");
}

#[test]
fn an_order_is_refused_only_where_something_would_be_done() {
    let in_mode = |mode| World::with(move |policy: &mut Policy| policy.mode = mode);
    let mut dry = in_mode(Mode::DryRun);
    ordered(&mut dry, MOD, (100, 50)).unwrap();
    assert!(dry.incident().acts_in_all > 0, "written down");
    assert!(dry.calls.is_empty());
    let mut off = in_mode(Mode::Off);
    ordered(&mut off, MOD, (100, 50)).unwrap();
    let mut trusting = World::with(|policy| policy.trusted.users = [MOD].into());
    ordered(&mut trusting, MOD, (100, 50)).unwrap();
    ordered(&mut trusting, OWNER, (200, 50)).unwrap();
    trusting.nobody_punished();
    let mut maintained = World::with(|policy| {
        policy.maintenance.push(Maintenance {
            actor: MOD,
            kinds: [LimitType::Ban].into(),
            until: START.plus(MINUTE),
        });
    });
    ordered(&mut maintained, MOD, (100, 50)).unwrap();
    maintained.no_incident();
}
