//! Those who stood above the bot, once they do no more.

use std::sync::Arc;

use serde_json::json;
use splashtail_antinuke::{
    Command, DAY, Effect, Engine, IncidentState, Input, LimitType, MINUTE, Maintenance, Mode,
    Outcome, Policy, Rung, SECOND, Saved, State, bits,
};
use splashtail_guild::Id;

use crate::world::*;

const MINE: u64 = bits::PANIC & !bits::ADMINISTRATOR | bits::VIEW_AUDIT_LOG;

type Act<'a> = &'a dyn Fn(&mut World);

/// Somebody above the bot deletes channels.
fn attack() -> World {
    let mut world = World::new();
    attack_by(&mut world, HIGH, 0);
    world.nobody_punished();
    world
}

fn attack_by(world: &mut World, who: Id, first: u64) {
    for n in first..first + 4 {
        world.delete_channel(who, n);
    }
}

fn move_up(world: &mut World) {
    world.set_role(MY_ROLE, 60, MINE);
}

fn set_policy(world: &mut World, edit: impl FnOnce(&mut Policy)) {
    let mut policy = Policy::clone(world.engine.policy());
    edit(&mut policy);
    world.engine.set_policy(Arc::new(policy));
}

fn asked_for(world: &World) -> Vec<Id> {
    let effects = world.effects.iter();
    let asked = effects.filter_map(|effect| match effect {
        Effect::FetchMember { user } => Some(*user),
        _ => None,
    });
    asked.collect()
}

/// A new process, which knows of nobody but itself.
fn restart(world: &mut World) {
    let text = serde_json::to_string(&world.engine.save()).unwrap();
    let saved: Saved = serde_json::from_str(&text).unwrap();
    let policy = Arc::clone(world.engine.policy());
    world.engine = Engine::warm(GUILD, ME, policy, KEY, saved);
    world.effects.clear();
    world.calls.clear();
}

fn begin(world: &mut World) {
    let whole = json!({"id": GUILD, "members": [member(ME, &[MY_ROLE])]});
    world.give(Input::Event {
        name: "GUILD_CREATE",
        data: &whole,
        before: None,
    });
}

fn answer(world: &mut World, user: Id, roles: &[Id]) {
    let raw = &member(user, roles);
    world.give(Input::Member { user, raw });
}

#[test]
fn an_attacker_above_waits_for_days_until_the_owner_acts() {
    for days in [0, 1, 3, 29] {
        let mut world = attack();
        world.wait(days * DAY + MINUTE);
        move_up(&mut world);
        assert!(world.is_contained(HIGH), "after {days} days");
        assert_eq!(world.calls_of(Rung::TakeRoles).len(), 1);
        let incident = world.incident();
        assert_eq!(incident.state, IncidentState::Contained);
        assert!(!incident.suspect(HIGH).unwrap().unreachable);
    }
    // But not for ever.
    let mut world = attack();
    world.wait(31 * DAY);
    assert_eq!(world.engine.actor_state(HIGH), State::Idle);
    move_up(&mut world);
    world.nobody_punished();
}

#[test]
fn an_attacker_above_whom_the_owner_cleared_is_left_alone() {
    let kinds = [LimitType::ChannelRemove];
    let window = Maintenance {
        actor: HIGH,
        kinds: kinds.into(),
        until: START.plus(DAY),
    };
    let clear: [(&str, Act<'_>); 4] = [
        ("undone", &|world| {
            let incident = world.incident().id;
            world.give(Input::Command(Command::Return { incident }));
        }),
        ("trusted", &|world| {
            set_policy(world, |policy| {
                policy.trusted.users.insert(HIGH);
            });
        }),
        ("maintained", &|world| {
            set_policy(world, |policy| policy.maintenance.push(window.clone()));
        }),
        ("only told", &|world| {
            set_policy(world, |policy| {
                policy.actions.insert(LimitType::ChannelRemove, Vec::new());
            });
        }),
    ];
    for (name, clear) in clear {
        let mut world = attack();
        world.wait(20 * SECOND);
        clear(&mut world);
        move_up(&mut world);
        world.wait(MINUTE);
        world.nobody_punished();
        assert_eq!(world.engine.actor_state(HIGH), State::Idle, "{name}");
        assert_ne!(world.incident().state, IncidentState::Containing, "{name}");
    }
}

#[test]
fn whoever_is_trusted_by_a_role_since_is_left_alone() {
    let mut world = attack();
    set_policy(&mut world, |policy| {
        policy.trusted.roles.insert(ADMIN_ROLE);
    });
    world.feed(
        "GUILD_MEMBER_UPDATE",
        member(HIGH, &[HIGH_ROLE, ADMIN_ROLE]),
    );
    move_up(&mut world);
    world.nobody_punished();
    assert_ne!(world.incident().state, IncidentState::Containing);
}

#[test]
fn whoever_the_owner_disarmed_is_not_punished_beside() {
    let mut world = attack();
    world.feed("GUILD_MEMBER_UPDATE", member(HIGH, &[]));
    world.nobody_punished();
    assert!(world.is_contained(HIGH));
    // Who goes on all the same is stopped.
    world.wait(2 * MINUTE);
    world.feed("GUILD_MEMBER_UPDATE", member(HIGH, &[ADMIN_ROLE]));
    world.delete_channel(HIGH, 9);
    assert_eq!(world.calls_of(Rung::TakeRoles).len(), 1);
    // What a panic took comes back when it ends: whoever holds such a role loses it.
    let mut world = World::new();
    let badge = Id::new(2300);
    world.add_role(badge, 30, 0);
    world.add_member(user(1), &[badge, ADMIN_ROLE]);
    world.answers.push((Rung::TakeRole, Some(Outcome::Down)));
    attack_by(&mut world, user(1), 0);
    world.set_role(ADMIN_ROLE, 5, 0);
    world.nobody_punished();
    move_up(&mut world);
    assert_eq!(world.calls_of(Rung::TakeRoles).len(), 1);
}

#[test]
fn a_window_for_something_else_clears_nobody() {
    let mut world = attack();
    set_policy(&mut world, |policy| {
        policy.maintenance.push(Maintenance {
            actor: HIGH,
            kinds: [LimitType::RoleRemove].into(),
            until: START.plus(DAY),
        });
    });
    move_up(&mut world);
    assert!(world.is_contained(HIGH));
}

#[test]
fn after_a_restart_an_attacker_above_is_asked_for_and_contained() {
    // The bot is moved up while its process is away, or later.
    for away in [true, false] {
        let mut world = attack();
        world.wait(3 * DAY);
        restart(&mut world);
        let mut role = json!({"id": MY_ROLE, "name": "bot", "managed": true, "position": 60,
            "permissions": MINE.to_string(), "tags": {"bot_id": ME}});
        if away {
            let event = json!({"guild_id": GUILD, "role": role.take()});
            world.structure.apply_event("GUILD_ROLE_UPDATE", &event);
        }
        begin(&mut world);
        assert_eq!(asked_for(&world), [HIGH]);
        assert!(!world.is_contained(HIGH));
        answer(&mut world, HIGH, &[HIGH_ROLE]);
        if !away {
            world.nobody_punished();
            move_up(&mut world);
        }
        assert!(world.is_contained(HIGH), "away: {away}");
        assert_eq!(world.calls_of(Rung::TakeRoles).len(), 1);
    }
}

#[test]
fn whoever_does_not_answer_is_asked_for_again() {
    let mut world = attack();
    restart(&mut world);
    begin(&mut world);
    world.wait(SECOND);
    begin(&mut world);
    assert_eq!(asked_for(&world), [HIGH]);
    world.wait(MINUTE);
    begin(&mut world);
    assert_eq!(asked_for(&world), [HIGH, HIGH]);
}

#[test]
fn another_attack_from_above_is_another_incident() {
    let mut world = attack();
    world.wait(DAY);
    world.effects.clear();
    // A little is none.
    world.delete_channel(HIGH, 10);
    assert!(!world.owner_told());
    attack_by(&mut world, HIGH, 11);
    assert!(world.owner_told());
    let acts: Vec<usize> = world.engine.incidents().map(|i| i.acts.len()).collect();
    assert_eq!(acts, [4, 5]);
    move_up(&mut world);
    assert!(world.is_contained(HIGH));
}

/// So many people, each with a role of their own above the bot, attack.
fn many(people: u64) -> World {
    let mut world = World::new();
    for n in 0..people {
        world.add_role(Id::new(2300 + n), 30, bits::ADMINISTRATOR);
        world.add_member(user(n), &[Id::new(2300 + n)]);
    }
    for n in 0..people {
        for c in 0..5 {
            world.act(user(n), 12, Id::new(9000 + 10 * n + c));
        }
        world.wait(11 * MINUTE);
    }
    world.nobody_punished();
    world
}

#[test]
fn of_many_above_none_goes_free() {
    let mut world = many(14);
    assert_eq!(world.engine.incidents().count(), 14);
    move_up(&mut world);
    let contained = |world: &World| (0..14).filter(|n| world.is_contained(user(*n))).count();
    assert_eq!(
        contained(&world),
        10,
        "more at once look like a fault of ours"
    );
    world.wait(MINUTE);
    assert_eq!(contained(&world), 14);
    assert_eq!(world.calls_of(Rung::TakeRoles).len(), 14);
}

#[test]
fn after_a_restart_many_are_asked_for_few_at_a_time() {
    let mut world = many(14);
    restart(&mut world);
    begin(&mut world);
    let first = asked_for(&world);
    assert_eq!(first.len(), 8);
    for n in 0..14 {
        answer(&mut world, user(n), &[Id::new(2300 + n)]);
    }
    let mut all = asked_for(&world);
    all.sort_unstable();
    assert_eq!(all, (0..14).map(user).collect::<Vec<_>>(), "each once");
}

#[test]
fn case_19_five_above_under_one_role_cost_one_edit_of_it() {
    let mut world = World::new();
    let role = Id::new(2300);
    world.add_role(role, 30, bits::ADMINISTRATOR);
    let people: Vec<Id> = (0..5).map(user).collect();
    for person in &people {
        world.add_member(*person, &[role]);
    }
    let reason = json!({"reason": "nuked"});
    for n in 0..15 {
        let by = people[n as usize % 5];
        world.act_with(by, 12, channel(n), reason.clone());
    }
    assert_eq!(world.incident().suspects.len(), 5);
    world.calls.clear();
    move_up(&mut world);
    let edits = |call: &&splashtail_antinuke::Call| call.key.subject == role;
    assert_eq!(world.calls.iter().filter(edits).count(), 1);
    assert_eq!(world.calls_of(Rung::DisarmRole).len(), 1);
    world.nobody_punished();
    assert!(people.iter().all(|person| world.is_contained(*person)));
    assert_eq!(world.incident().state, IncidentState::Contained);
}

#[test]
fn a_panic_goes_on_to_roles_that_come_below_the_bot() {
    let (other, made) = (Id::new(2300), START.plus(DAY).id());
    let mut world = World::new();
    world.add_role(other, 30, bits::BAN_MEMBERS);
    attack_by(&mut world, HIGH, 0);
    world.calls.clear();
    world.add_role(made, 31, bits::BAN_MEMBERS);
    // Given back by a person: that is not undone.
    world.set_role(MOD_ROLE, 3, bits::KICK_MEMBERS);
    move_up(&mut world);
    let taken = |world: &World| -> Vec<Id> {
        let calls = world.calls_of(Rung::PanicRole);
        calls.iter().map(|call| call.key.subject).collect()
    };
    assert_eq!(taken(&world), [HIGH_ROLE, other]);
    world.set_role(HIGH_ROLE, 20, 0);
    world.set_role(other, 30, 0);
    move_up(&mut world);
    assert_eq!(taken(&world).len(), 2, "once");
    // They come back with the others, but for the suspect's.
    let suspects_too = false;
    world.give(Input::Command(Command::EndPanic { suspects_too }));
    let back = world.calls_of(Rung::Return);
    let back: Vec<Id> = back.iter().map(|call| call.key.subject).collect();
    assert!(back.contains(&other), "{back:?}");
    assert!(!back.contains(&HIGH_ROLE), "{back:?}");
}

#[test]
fn nobody_waits_in_a_dry_run_once_protection_is_on() {
    let mut world = World::with(|policy| policy.mode = Mode::DryRun);
    attack_by(&mut world, HIGH, 0);
    set_policy(&mut world, |policy| policy.mode = Mode::On);
    move_up(&mut world);
    world.nobody_punished();
}

/// What was known of members is not written down, and that it was known must not be either: nobody is banned for
/// roles that were not asked for.
#[test]
fn whose_roles_were_known_before_a_restart_is_asked_for_again() {
    let mut world = World::new();
    restart(&mut world);
    begin(&mut world);
    for n in 0..3 {
        world.delete_channel(ADMIN, n);
    }
    assert_eq!(asked_for(&world), [ADMIN]);
    answer(&mut world, ADMIN, &[ADMIN_ROLE]);
    world.nobody_punished();

    restart(&mut world);
    begin(&mut world);
    world.delete_channel(ADMIN, 3);
    assert_eq!(asked_for(&world), [ADMIN]);
    world.nobody_punished();
    answer(&mut world, ADMIN, &[ADMIN_ROLE]);
    assert!(world.is_contained(ADMIN));
    assert_eq!(world.calls_of(Rung::TakeRoles).len(), 1);
    assert_eq!(world.calls_of(Rung::Ban).len(), 0);
}
