//! What is no attack.

use splashtail_guild::Id;
use splashtail_raid::{
    Arrival, DAY, Exempt, Expected, Grade, HOUR, MINUTE, Mode, Name, Policy, SECOND, StreamKind,
};

use crate::population::{Dice, fans, fresh, ordinary, person};
use crate::world::{START, World};

#[test]
fn ordinary_years_are_quiet() {
    let (mut raids, mut waves) = (0, 0);
    for (seed, per_day) in [(1, 1.0), (2, 15.0), (3, 15.0), (4, 60.0)] {
        let mut dice = Dice::new(seed);
        let mut world = World::with_history(&mut dice, per_day, Mode::Ask);
        let year = ordinary(&mut dice, START, 365, per_day);
        world.live(year);
        raids += world.raids;
        waves += world.waves;
    }
    assert_eq!(raids, 0);
    assert!(waves <= 8, "{waves} waves in four years");
}

#[test]
fn fans_are_counted_and_not_touched() {
    let mut raids = 0;
    for seed in 0..20 {
        let mut dice = Dice::new(50 + seed);
        let mut world = World::with_history(&mut dice, 15.0, Mode::Ask);
        world.live(fans(&mut dice, START.plus(DAY), 200, 2 * MINUTE));
        assert!(world.banned().is_empty());
        raids += world.raids;
    }
    assert!(raids <= 1, "{raids} of 20 crowds");
}

#[test]
fn who_was_announced_raises_no_alarm_and_raiders_among_them_do() {
    let mut dice = Dice::new(21);
    let mut world = World::with_history(&mut dice, 15.0, Mode::Ask);
    let from = START.plus(DAY);
    let policy = Policy {
        mode: Mode::Ask,
        pauses_waves: true,
        expected: Some(Expected {
            from,
            until: from.plus(6 * HOUR),
            people: 500,
        }),
    };
    world.engine.set_policy(policy);
    let mut crowd = fans(&mut dice, from.plus(MINUTE), 500, 2 * HOUR);
    // Some are late, when nobody is announced any more.
    let late = crowd
        .iter()
        .filter(|fan| fan.arrival.at > from.plus(6 * HOUR));
    assert!(late.count() > 5);
    let mut calm = world.clone();
    calm.live(crowd.clone());
    assert!(calm.acts().is_empty(), "{:?}", calm.acts());
    crowd.extend(fresh(&mut dice, from.plus(5 * HOUR), 50, 500.0));
    crowd.retain(|comer| comer.arrival.at < from.plus(6 * HOUR));
    world.live(crowd);
    assert_eq!(world.wave().grade, Grade::Certain);
}

#[test]
fn a_join_that_is_told_again_and_somebody_who_comes_and_goes_count_once() {
    let mut dice = Dice::new(31);
    let mut world = World::with_history(&mut dice, 15.0, Mode::Ask);
    let at = START.plus(DAY);
    let one = person(&mut dice, at, false).arrival;
    for n in 0..50 {
        let again = Arrival {
            at: at.plus(n * 400),
            ..one.clone()
        };
        world.engine.left(one.user);
        let effects = world.engine.arrived(StreamKind::Joins, &again);
        assert!(effects.is_empty());
    }
    assert!(world.engine.wave().is_none());
}

#[test]
fn one_odd_name_is_nothing_and_a_warning_alone_is_nothing() {
    let mut dice = Dice::new(41);
    let mut world = World::with_history(&mut dice, 15.0, Mode::Auto);
    let at = START.plus(DAY);
    world.engine.set_warned(at);
    let arrival = Arrival {
        user: Id::new(at.minus(DAY / 2).id().get()),
        at,
        name: Name::of("10027"),
        avatar: 0,
        is_invested: false,
        is_spammer: true,
        exempt: Exempt::No,
        is_pending: false,
        is_late: false,
    };
    let effects = world.engine.arrived(StreamKind::Joins, &arrival);
    assert!(effects.is_empty());
    world.tick(at.plus(SECOND));
    assert!(world.engine.wave().is_none());
}

#[test]
fn a_server_that_judges_nothing_remembers_nothing() {
    let mut dice = Dice::new(61);
    let mut world = World::with_history(&mut dice, 15.0, Mode::Off);
    world.live(fresh(&mut dice, START.plus(DAY), 100, 200.0));
    assert!(world.engine.wave().is_none() && world.effects.is_empty());
}
