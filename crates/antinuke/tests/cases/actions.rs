//! What a server has done about too much of a type, and who is near a limit.

use splashtail_antinuke::{Answer, IncidentState, LimitType, Notice, Outcome, Rung, Span, UNIT};

use crate::world::*;

const REFUSED: Option<Outcome> = Some(Outcome::Refused {
    status: 403,
    code: 50013,
});

fn world(actions: &[Answer]) -> World {
    let actions = actions.to_vec();
    World::with(|policy| {
        policy.actions.insert(LimitType::ChannelRemove, actions);
    })
}

fn delete_three(world: &mut World) {
    for n in 0..3 {
        world.delete_channel(MOD, n);
        world.wait(300);
    }
}

#[test]
fn what_is_set_for_a_type_is_done_in_that_order() {
    let mut world = world(&[Answer::Ban, Answer::TakeRoles]);
    world.answers.push((Rung::Ban, REFUSED));
    delete_three(&mut world);
    let rungs: Vec<Rung> = world.calls.iter().map(|call| call.key.rung).collect();
    assert_eq!(rungs, [Rung::Ban, Rung::TakeRoles]);
    assert!(world.is_contained(MOD));
    // Other types have what the answer leads to.
    for n in 0..4 {
        world.act(ADMIN, 32, role_id(n));
        world.wait(300);
    }
    assert_eq!(world.against(ADMIN)[0].key.rung, Rung::TakeRoles);
}

fn role_id(n: u64) -> splashtail_guild::Id {
    splashtail_guild::Id::new(7000 + n)
}

#[test]
fn behind_the_last_rung_nothing_harder_is_done() {
    let mut world = world(&[Answer::TakeRoles]);
    world.answers.push((Rung::TakeRoles, REFUSED));
    delete_three(&mut world);
    let harder = [Rung::Kick, Rung::Ban];
    assert!(harder.iter().all(|rung| world.calls_of(*rung).is_empty()));
    assert_eq!(world.incident().state, IncidentState::Failed);
    assert!(world.owner_told());
}

#[test]
fn where_nothing_is_to_be_done_people_are_told_once() {
    let mut world = world(&[]);
    delete_three(&mut world);
    delete_three(&mut world);
    world.no_incident();
    assert!(world.told(Notice::OnlyTold));
    let told = world.effects.iter().filter(
        |effect| matches!(effect, splashtail_antinuke::Effect::Alert(a) if a.notice == Notice::OnlyTold),
    );
    assert_eq!(told.count(), 1);
    // What is done about other types is done.
    for n in 0..4 {
        world.act(MOD, 32, role_id(n));
        world.wait(300);
    }
    assert!(world.is_contained(MOD));
}

#[test]
fn a_limit_that_was_passed_does_not_charge_acts_of_other_types() {
    let mut world = world(&[]);
    delete_three(&mut world);
    world.delete_channel(MOD, 3);
    let nick =
        serde_json::json!({"changes": [{"key": "nick", "old_value": "a", "new_value": "b"}]});
    world.act_with(MOD, 24, user(1), nick);
    world.act(MOD, 22, user(2));
    world.no_incident();
}

#[test]
fn who_is_nearest_to_a_limit_comes_first() {
    let mut world = World::new();
    assert!(
        world
            .engine
            .near_limits(0, &world.structure, world.now)
            .is_empty()
    );
    world.delete_channel(MOD, 0);
    world.wait(300);
    world.delete_channel(MOD, 1);
    world.delete_channel(ADMIN, 2);
    world.delete_channel(OWNER, 3);
    let near = world.engine.near_limits(0, &world.structure, world.now);
    let users: Vec<_> = near.iter().map(|one| one.user).collect();
    assert_eq!(users, [MOD, ADMIN], "the owner is never near anything");
    let first = near[0];
    assert_eq!(first.used(), 100);
    assert_eq!((first.count, first.limit), (2 * UNIT, 2 * UNIT));
    assert_eq!(
        (first.kind, first.span),
        (Some(LimitType::ChannelRemove), Span::Minute)
    );
    let near = world.engine.near_limits(50, &world.structure, world.now);
    assert_eq!(near.len(), 1);
    // What is over is not near.
    world.wait(3 * splashtail_antinuke::DAY);
    assert!(
        world
            .engine
            .near_limits(1, &world.structure, world.now)
            .is_empty()
    );
}
