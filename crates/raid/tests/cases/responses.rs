//! What is done, in which order, and what is not.

use splashtail_guild::Id;
use splashtail_raid::{
    Command, DAY, Effect, Engine, Exempt, Fate, Grade, HOUR, MINUTE, Mode, Phase, SECOND, Standing,
    StreamKind,
};

use crate::population::{Comer, Dice, fresh};
use crate::world::{START, World};

fn raid(seed: u64, mode: Mode, change: impl Fn(usize, &mut Comer)) -> (World, Vec<Id>) {
    let mut dice = Dice::new(seed);
    let mut world = World::with_history(&mut dice, 15.0, mode);
    let mut raiders = fresh(&mut dice, START.plus(DAY + 15 * HOUR), 60, 300.0);
    for (number, raider) in raiders.iter_mut().enumerate() {
        change(number, raider);
    }
    let ids = raiders.iter().map(|raider| raider.arrival.user).collect();
    world.live(raiders);
    (world, ids)
}

#[test]
fn newcomers_are_kept_out_first() {
    let (world, _) = raid(1, Mode::Ask, |_, _| {});
    let acts = world.acts();
    assert!(matches!(acts[0], Effect::Pause { .. }), "{acts:?}");
    let level = acts
        .iter()
        .any(|act| matches!(act, Effect::Level { to: 3 | 4 }));
    assert!(level, "more than twenty are held by one call: {acts:?}");
    let held = acts
        .iter()
        .filter(|act| matches!(act, Effect::Hold { .. }))
        .count();
    assert!(held <= 20, "{held}");
    assert!(world.banned().is_empty());
}

#[test]
fn a_dry_run_tells_the_same_and_does_nothing() {
    let (real, _) = raid(2, Mode::Ask, |_, _| {});
    let (dry, _) = raid(2, Mode::DryRun, |_, _| {});
    assert!(dry.acts().is_empty() && !dry.effects.is_empty());
    assert_eq!(dry.wave().grade, real.wave().grade);
    for standing in [Standing::Raider, Standing::Suspect] {
        assert_eq!(dry.wave().count(standing), real.wave().count(standing));
    }
}

#[test]
fn boosters_staff_and_the_acquitted_are_untouched() {
    let exempt = |number: usize, raider: &mut Comer| {
        raider.arrival.exempt = match number % 10 {
            0 => Exempt::Booster,
            1 => Exempt::Staff,
            2 => Exempt::Trusted,
            _ => Exempt::No,
        };
    };
    let (mut world, ids) = raid(3, Mode::Ask, exempt);
    let wave = world.wave().id;
    let effects = world.engine.command(wave, Command::Ban, world.now);
    world.take(effects);
    let banned = world.banned();
    for (number, id) in ids.iter().enumerate() {
        if number % 10 < 3 {
            assert!(!banned.contains(id));
            assert!(
                world
                    .acts()
                    .iter()
                    .all(|act| **act != Effect::Release { user: *id })
            );
        }
    }
    assert!(!banned.is_empty());
}

#[test]
fn what_is_let_in_is_given_back_and_left_alone() {
    let (mut world, ids) = raid(4, Mode::Ask, |_, _| {});
    let wave = world.wave().id;
    let effects = world.engine.command(wave, Command::LetIn, world.now);
    let unpaused = effects
        .iter()
        .any(|effect| matches!(effect, Effect::Unpause { .. }));
    let level = effects
        .iter()
        .any(|effect| matches!(effect, Effect::LevelBack { to: 1, .. }));
    assert!(unpaused && level, "{effects:?}");
    assert_eq!(world.wave().phase, Phase::Dismissed);
    let known = world.wave().people.get(&ids[0].get()).unwrap();
    assert_eq!(known.fate, Fate::LetIn);
    assert!(
        world
            .engine
            .command(Id::new(1), Command::Ban, world.now)
            .is_empty(),
        "another wave"
    );

    // Others who come at once are a wave of their own.
    let mut dice = Dice::new(40);
    let mut others = fresh(&mut dice, world.now.plus(SECOND), 40, 300.0);
    for other in &mut others {
        let id = other.arrival.user.get() + (1 << 40);
        other.arrival.user = Id::new(id);
    }
    world.live(others);
    let wave = world.wave();
    assert!(wave.phase == Phase::Open && !wave.people.is_empty());
    assert!(ids.iter().all(|id| !wave.people.contains_key(&id.get())));
}

#[test]
fn who_is_held_and_comes_back_is_held_again() {
    let mut dice = Dice::new(5);
    let mut world = World::with_history(&mut dice, 15.0, Mode::Ask);
    let raiders = fresh(&mut dice, START.plus(DAY), 20, 300.0);
    world.live(raiders.clone());
    let wave = world.wave();
    let (user, _) = wave
        .people
        .iter()
        .find(|(_, person)| person.fate == Fate::Held)
        .unwrap();
    let user = Id::new(*user);
    let mut again = raiders
        .into_iter()
        .find(|one| one.arrival.user == user)
        .unwrap()
        .arrival;
    again.at = world.now.plus(SECOND);
    assert!(
        world.engine.arrived(StreamKind::Joins, &again).is_empty(),
        "only told again"
    );
    world.engine.left(user);
    let effects = world.engine.arrived(StreamKind::Joins, &again);
    let holds =
        |effect: &Effect| matches!(effect, Effect::Hold { user: held, .. } if *held == user);
    assert!(effects.iter().any(holds), "{effects:?}");
}

#[test]
fn a_role_of_ones_own_does_not_help() {
    let (mut world, _) = raid(6, Mode::Ask, |_, _| {});
    assert!(world.wave().level.is_some());
    let free = world
        .wave()
        .people
        .iter()
        .find(|(_, person)| person.fate == Fate::Free && person.standing >= Standing::Suspect);
    let user = Id::new(*free.unwrap().0);
    let effects = world.engine.got_role(user, world.now);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Hold { .. })),
        "{effects:?}"
    );
}

#[test]
fn bans_that_stop_are_not_repeated_without_a_word() {
    let (mut world, _) = raid(7, Mode::Ask, |_, _| {});
    world.obeys = false;
    let wave = world.wave().id;
    let effects = world.engine.command(wave, Command::Ban, world.now);
    let users = effects.iter().find_map(|effect| match effect {
        Effect::Ban { users } => Some(users.clone()),
        _ => None,
    });
    let users = users.unwrap();
    let (done, left) = users.split_at(5);
    world
        .engine
        .on_banned(done, left, Some("the bot lacks Ban Members".to_owned()));
    let effects = world.engine.tick(world.now.plus(MINUTE));
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Ban { .. })),
        "{effects:?}"
    );
    let effects = world.engine.command(wave, Command::Ban, world.now);
    let again = effects.iter().find_map(|effect| match effect {
        Effect::Ban { users } => Some(users.len()),
        _ => None,
    });
    assert_eq!(again, Some(left.len()));
}

#[test]
fn a_process_that_is_killed_goes_on_with_the_same_wave() {
    let (mut world, ids) = raid(8, Mode::Ask, |_, _| {});
    world.obeys = false;
    let wave = world.wave().id;
    let ordered = world.engine.command(wave, Command::Ban, world.now);
    assert!(
        ordered
            .iter()
            .any(|effect| matches!(effect, Effect::Ban { .. }))
    );
    let text = serde_json::to_string(&world.engine.save()).unwrap();
    let mut engine = Engine::new(world.now);
    engine.restore(serde_json::from_str(&text).unwrap());
    engine.set_policy(world.engine.policy().clone());
    let _ = ids;
    let later = world.now.plus(10 * SECOND);
    let mut effects = engine.tick(later);
    effects.extend(engine.tick(later.plus(6 * SECOND)));
    assert!(
        engine
            .wave()
            .is_some_and(|known| known.id == wave && known.grade >= Grade::Raid)
    );
    let ban = effects
        .iter()
        .find(|effect| matches!(effect, Effect::Ban { .. }));
    assert!(
        ban.is_some(),
        "what was ordered and not confirmed is ordered again"
    );
}
