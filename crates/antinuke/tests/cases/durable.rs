//! Restarts, clocks, and what does not depend on a database.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use splashtail_antinuke::{
    Effect, Engine, IncidentState, MINUTE, Mode, Moment, Policy, Pulse, Rung, SECOND, Saved, State,
};
use splashtail_guild::Id;

use crate::world::*;

fn restart(world: &mut World) {
    let text = serde_json::to_string(&world.engine.save()).unwrap();
    let saved: Saved = serde_json::from_str(&text).unwrap();
    assert_eq!(saved, world.engine.save());
    let policy = Policy {
        mode: Mode::On,
        ..Policy::default()
    };
    world.engine = Engine::warm(GUILD, ME, Arc::new(policy), KEY, saved);
    let members = json!({"id": GUILD, "members": [
        member(OWNER, &[]), member(ME, &[MY_ROLE]), member(MOD, &[MOD_ROLE]),
        member(ADMIN, &[ADMIN_ROLE])]});
    world.give(splashtail_antinuke::Input::Event {
        name: "GUILD_CREATE",
        data: &members,
        before: None,
    });
}

#[test]
fn windows_are_warm_after_a_restart() {
    let mut world = World::new();
    world.delete_channel(MOD, 0);
    world.delete_channel(MOD, 1);
    restart(&mut world);
    world.delete_channel(MOD, 2);
    assert!(world.is_contained(MOD));
    // The incident tells of all three.
    let targets: Vec<_> = world.incident().acts.iter().map(|act| act.target).collect();
    assert_eq!(targets, [0, 1, 2].map(|n| Some(channel(n))));
}

/// Nothing was written down, and the log is read.
fn read_after_a_start(roles: &[Id]) -> World {
    let mut world = World::new();
    let entries: Vec<_> = (0..3).map(|n| world.entry(MOD, 12, channel(n))).collect();
    world.feed("GUILD_MEMBER_UPDATE", member(MOD, roles));
    for raw in &entries {
        let polled = true;
        world.give(splashtail_antinuke::Input::Entry { raw, polled });
    }
    world
}

#[test]
fn what_the_log_tells_is_punished_when_it_was_not_before() {
    let world = read_after_a_start(&[MOD_ROLE]);
    assert_eq!(world.calls_of(Rung::TakeRoles).len(), 1);
    assert!(world.is_contained(MOD));
    // Somebody took their roles already; that was us, and the answer never came.
    let mut world = read_after_a_start(&[]);
    assert!(world.calls.is_empty(), "{:#?}", world.calls);
    assert!(world.is_contained(MOD));
    assert_eq!(world.incident().state, IncidentState::Contained);
    // Whoever goes on before our eyes is stopped.
    world.wait(2 * MINUTE);
    world.delete_channel(MOD, 5);
    assert_eq!(world.against(MOD).len(), 1);
}

#[test]
fn case_35_a_kill_between_call_and_answer_leads_to_one_punishment() {
    let mut world = World::new();
    world.answers.push((Rung::TakeRoles, None));
    let entries: Vec<_> = (0..3).map(|n| world.entry(MOD, 12, channel(n))).collect();
    entries.iter().for_each(|entry| {
        world.tell(entry);
    });
    assert_eq!(world.calls.len(), 1);
    restart(&mut world);
    entries.iter().for_each(|entry| {
        world.give(splashtail_antinuke::Input::Entry {
            raw: entry,
            polled: true,
        });
    });
    world.delete_channel(MOD, 5);
    assert_eq!(world.calls.len(), 1);
    // Our own entry says that it took effect.
    let tag = KEY.tag(GUILD, 25, Some(MOD), world.now);
    let more = json!({"reason": format!("AntiRaid: stopped an attack {tag}"),
        "changes": [{"key": "$remove", "new_value": [{"id": MOD_ROLE}]}]});
    world.act_with(ME, 25, MOD, more);
    assert!(world.is_contained(MOD));
    world.wait(60 * SECOND);
    assert_eq!(world.calls.len(), 1);
}

/// The process ended after it took the roles and before anything of the call was written down.
fn killed_before_the_call_was_written_down(members: &serde_json::Value) -> World {
    let mut world = World::new();
    world.answers.push((Rung::TakeRoles, None));
    for n in 0..3 {
        world.delete_channel(MOD, n);
    }
    let mut saved = world.engine.save();
    saved.incidents[0].calls.clear();
    let policy = Policy {
        mode: Mode::On,
        ..Policy::default()
    };
    world.engine = Engine::warm(GUILD, ME, Arc::new(policy), KEY, saved);
    world.calls.clear();
    world.give(splashtail_antinuke::Input::Event {
        name: "GUILD_CREATE",
        data: members,
        before: None,
    });
    world
}

#[test]
fn case_35_a_step_that_nobody_wrote_down_is_not_followed_by_another_and_can_be_undone() {
    let members = json!({"id": GUILD, "members": [
        member(OWNER, &[]), member(ME, &[MY_ROLE]), member(MOD, &[])]});
    let mut world = killed_before_the_call_was_written_down(&members);
    world.wait(30 * SECOND);
    assert!(world.calls.is_empty(), "{:#?}", world.calls);
    assert!(world.is_contained(MOD));

    // What it took stands in the log.
    let tag = KEY.tag(GUILD, 25, Some(MOD), world.now);
    let mut own = world.entry(ME, 25, MOD);
    // In whatever language that is written.
    own["reason"] = format!("AntiRaid: Angriff gestoppt {tag}").into();
    own["changes"] = json!([{"key": "$remove", "new_value": [{"id": MOD_ROLE}]}]);
    for _ in 0..2 {
        let (raw, polled) = (&own, true);
        world.give(splashtail_antinuke::Input::Entry { raw, polled });
    }
    let (incident, calls) = (world.incident().id, world.incident().calls.len());
    assert_eq!(calls, 1);
    world.give(splashtail_antinuke::Input::Command(
        splashtail_antinuke::Command::Return { incident },
    ));
    let given = world.calls_of(Rung::Return);
    assert!(
        given.iter().any(|call| roles_of(call).contains(&MOD_ROLE)),
        "{given:#?}"
    );
}

#[test]
fn case_35_after_a_start_nobody_is_banned_because_their_roles_are_not_known_yet() {
    let members = json!({"id": GUILD, "members": [member(OWNER, &[]), member(ME, &[MY_ROLE])]});
    let mut world = killed_before_the_call_was_written_down(&members);
    world.effects.clear();
    world.wait(3 * SECOND);
    assert!(world.calls.is_empty(), "{:#?}", world.calls);
    let asked = Effect::FetchMember { user: MOD };
    assert!(world.effects.contains(&asked), "{:#?}", world.effects);
    world.give(splashtail_antinuke::Input::Member {
        user: MOD,
        raw: &member(MOD, &[]),
    });
    world.wait(30 * SECOND);
    assert!(world.calls.is_empty(), "{:#?}", world.calls);
    assert!(world.is_contained(MOD));
}

#[test]
fn case_35_a_step_that_never_took_effect_is_followed_by_the_next() {
    let mut world = World::new();
    world.answers.push((Rung::TakeRoles, None));
    for n in 0..3 {
        world.delete_channel(MOD, n);
    }
    restart(&mut world);
    world.wait(30 * SECOND);
    let rungs: Vec<Rung> = world.calls.iter().map(|c| c.key.rung).collect();
    assert_eq!(rungs, [Rung::TakeRoles, Rung::Kick]);
}

#[test]
fn case_36_a_decision_waits_for_no_record() {
    let mut world = World::new();
    for n in 0..3 {
        world.delete_channel(MOD, n);
    }
    let first = world
        .effects
        .iter()
        .find(|effect| matches!(effect, Effect::Call(_) | Effect::Record(_)));
    assert!(matches!(first, Some(Effect::Call(_))));
    assert!(
        world
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Record(_)))
    );
}

#[test]
fn case_37_the_machines_clock_has_no_part_in_time() {
    let mut pulse = Pulse::default();
    let id = |ms: u64| Id::new(ms << 22);
    pulse.see(id(1_000_000), Duration::from_secs(5));
    assert_eq!(pulse.now(Duration::from_secs(6)), Moment(1_001_000));
    // Older ids, and ids that come late, move nothing.
    pulse.see(id(5000), Duration::from_secs(6));
    pulse.see(id(1_000_500), Duration::from_secs(7));
    assert_eq!(pulse.now(Duration::from_secs(7)), Moment(1_002_000));
    pulse.see(id(1_003_000), Duration::from_secs(7));
    assert_eq!(pulse.now(Duration::from_secs(7)), Moment(1_003_000));
}

#[test]
fn a_panic_survives_a_restart_and_is_renewed() {
    let mut world = World::new();
    for n in 0..4 {
        world.delete_channel(HIGH, n);
    }
    restart(&mut world);
    assert!(world.engine.panic().is_some());
    world.wait(13 * 60 * 60 * SECOND);
    assert_eq!(world.calls_of(Rung::PauseInvites).len(), 2);
    assert_eq!(world.engine.actor_state(ADMIN), State::Idle);
}

/// The same policy in another mode.
fn switch(world: &mut World, mode: Mode) {
    let policy = Policy {
        mode,
        ..(**world.engine.policy()).clone()
    };
    world.engine.set_policy(Arc::new(policy));
}

#[test]
fn whoever_was_seen_in_a_dry_run_is_stopped_once_protection_is_on() {
    let mut world = World::with(|policy| policy.mode = Mode::DryRun);
    for n in 0..4 {
        world.delete_channel(ADMIN, n);
    }
    assert!(world.calls.is_empty());
    switch(&mut world, Mode::On);
    world.delete_channel(ADMIN, 4);
    assert!(
        world
            .calls
            .iter()
            .any(|call| call.key.rung == Rung::TakeRoles)
    );
    assert!(world.is_contained(ADMIN));
    let modes: Vec<Mode> = world.engine.incidents().map(|i| i.mode).collect();
    assert_eq!(modes, [Mode::DryRun, Mode::On]);
}

#[test]
fn a_friend_of_one_seen_in_a_dry_run_is_stopped_for_real() {
    let mut world = World::with(|policy| policy.mode = Mode::DryRun);
    let same = json!({"reason": "cleaning up"});
    for n in 0..4 {
        world.act_with(ADMIN, 12, channel(n), same.clone());
    }
    switch(&mut world, Mode::On);
    for n in 4..10 {
        world.act_with(MOD, 12, channel(n), same.clone());
    }
    assert!(world.is_contained(MOD));
    assert!(world.calls.iter().any(|call| call.key.actor == MOD));
}

#[test]
fn nothing_is_done_any_more_after_a_switch_to_a_dry_run() {
    let mut world = World::new();
    for n in 0..4 {
        world.delete_channel(ADMIN, n);
    }
    let before = world.calls.len();
    switch(&mut world, Mode::DryRun);
    for n in 4..8 {
        world.delete_channel(MOD, n);
    }
    assert_eq!(world.calls.len(), before);
}
