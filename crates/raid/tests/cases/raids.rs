//! Attacks, and how soon they are seen.

use splashtail_guild::Id;
use splashtail_raid::{Command, DAY, Grade, HOUR, MINUTE, Mode, Phase, SECOND, Standing};

use crate::population::{Comer, Dice, aged, fans, fresh, humans};
use crate::world::{SOMEBODY, START, World};

fn ids(comers: &[Comer]) -> Vec<Id> {
    comers.iter().map(|comer| comer.arrival.user).collect()
}

/// An afternoon.
fn when() -> splashtail_raid::Moment {
    START.plus(DAY + 15 * HOUR)
}

#[test]
fn fresh_accounts_are_a_raid_by_the_tenth() {
    let mut seen = Vec::new();
    for seed in 0..20 {
        let mut dice = Dice::new(seed);
        let mut world = World::with_history(&mut dice, 15.0, Mode::Ask);
        let raiders = fresh(&mut dice, when(), 200, 200.0);
        world.live(raiders);
        seen.push(world.declared_at.unwrap_or(usize::MAX));
    }
    let in_time = seen.iter().filter(|count| **count <= 10).count();
    assert!(in_time >= 18, "{seen:?}");
}

#[test]
fn a_thousand_are_banned_in_few_orders_once_somebody_said_so() {
    let mut dice = Dice::new(7);
    let mut world = World::with_history(&mut dice, 15.0, Mode::Ask);
    let raiders = fresh(&mut dice, when(), 1000, 20.0);
    let all = ids(&raiders);
    let last = raiders.last().map(|last| last.arrival.at);
    world.live(raiders);
    assert!(
        world.banned().is_empty(),
        "nobody is banned before somebody says so"
    );
    let wave = world.wave().id;
    let effects = world
        .engine
        .command(wave, Command::Ban, SOMEBODY, world.now);
    world.take(effects);
    let banned = world.banned();
    assert!(banned.len() >= 790, "{} of {}", banned.len(), all.len());
    assert_eq!(world.orders(), 1, "a job takes them 200 at a time");
    // Who comes later is banned without another word.
    world.live(fresh(&mut dice, last.unwrap().plus(10 * MINUTE), 40, 300.0));
    world.tick(world.now.plus(6 * SECOND));
    world.tick(world.now.plus(6 * SECOND));
    let banned = world.banned();
    assert!(banned.len() >= 815, "{}", banned.len());
    let mut once = banned.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), banned.len(), "nobody is banned twice");
}

#[test]
fn a_large_server_needs_no_word_where_there_is_no_doubt() {
    let mut dice = Dice::new(3);
    let mut world = World::with_history(&mut dice, 300.0, Mode::Auto);
    world.live(fresh(&mut dice, when(), 60, 300.0));
    world.tick(world.now.plus(6 * SECOND));
    world.tick(world.now.plus(6 * SECOND));
    assert_eq!(world.wave().grade, Grade::Certain);
    assert!(world.banned().len() >= 40, "{}", world.banned().len());
}

#[test]
fn fans_among_raiders_stay() {
    let (mut banned, mut held, mut all, mut found, mut raiders) = (0, 0, 0, 0, 0);
    for seed in 0..10 {
        let mut dice = Dice::new(100 + seed);
        let mut world = World::with_history(&mut dice, 15.0, Mode::Ask);
        let mut crowd = fans(&mut dice, when(), 200, 3 * MINUTE);
        let fans = ids(&crowd);
        let attack = fresh(&mut dice, when().plus(MINUTE), 100, 600.0);
        let attackers = ids(&attack);
        crowd.extend(attack);
        world.live(crowd);
        banned += world.standing(&fans, Standing::Raider);
        held += world.standing(&fans, Standing::Suspect);
        all += fans.len();
        found += world.standing(&attackers, Standing::Suspect);
        raiders += attackers.len();
    }
    // One in a hundred, and one in fifteen.
    assert!(
        banned * 100 <= all * 2,
        "{banned} of {all} fans look like raiders"
    );
    assert!(held * 100 <= all * 8, "{held} of {all} fans would be held");
    assert!(found * 10 >= raiders * 8, "{found} of {raiders} raiders");
}

#[test]
fn bought_accounts_are_asked_about() {
    let mut dice = Dice::new(11);
    let mut world = World::with_history(&mut dice, 15.0, Mode::Auto);
    world.live(aged(&mut dice, when(), 180, 60.0 * SECOND as f64));
    assert!(world.wave().grade >= Grade::Wave);
    assert!(
        world.banned().is_empty(),
        "no old account is banned without a word"
    );
}

#[test]
fn people_who_all_say_the_same_are_a_raid_by_what_they_say() {
    let mut dice = Dice::new(5);
    let mut world = World::with_history(&mut dice, 15.0, Mode::Ask);
    world.live(humans(&mut dice, when(), 60, 5.0 * SECOND as f64));
    assert!(
        world.wave().grade >= Grade::Raid,
        "{:?}",
        world.wave().verdict
    );
}

#[test]
fn a_raid_is_over_when_nobody_comes_any_more_and_goes_on_when_somebody_does() {
    let mut dice = Dice::new(9);
    let mut world = World::with_history(&mut dice, 15.0, Mode::Ask);
    world.live(fresh(&mut dice, when(), 60, 500.0));
    let id = world.wave().id;
    let mut now = world.now;
    for _ in 0..30 {
        now = now.plus(MINUTE);
        world.tick(now);
    }
    assert_eq!(world.wave().phase, Phase::Over);
    assert!(world.wave().level.is_none(), "the level is as it was");
    world.live(fresh(&mut dice, now, 30, 500.0));
    assert!(world.wave().id >= id);
    assert_eq!(world.wave().phase, Phase::Open);
}
