//! What is done, in which order, and what is not.

use splashtail_guild::Id;
use splashtail_raid::{
    Answer, Command, DAY, Effect, Ended, Engine, Exempt, Fate, Grade, HOUR, MINUTE, Mode, Moment,
    Phase, Policy, SECOND, Standing, Step, StreamKind,
};

use crate::population::{Comer, Dice, fresh};
use crate::world::{SOMEBODY, START, World};

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
    let effects = world
        .engine
        .command(wave, Command::Ban, SOMEBODY, world.now);
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
    let effects = world
        .engine
        .command(wave, Command::LetIn, SOMEBODY, world.now);
    world.take(effects.clone());
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
            .command(Id::new(1), Command::Ban, SOMEBODY, world.now)
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
fn who_is_exempt_by_now_is_let_go() {
    // A newcomer who is held boosts.
    let mut dice = Dice::new(5);
    let mut world = World::with_history(&mut dice, 15.0, Mode::Ask);
    world.live(fresh(&mut dice, START.plus(DAY), 20, 300.0));
    let people = &world.wave().people;
    let held = people
        .iter()
        .find(|(_, of)| of.fate == Fate::Held && of.standing == Standing::Raider);
    let user = Id::new(*held.unwrap().0);
    assert!(world.wave().waiting().contains(&user));
    let effects = world.engine.exempted(user, Exempt::Booster, world.now);
    assert!(effects.contains(&Effect::Release { user }), "{effects:?}");
    world.take(effects);
    assert_eq!(world.wave().people[&user.get()].fate, Fate::LetIn);
    assert!(!world.wave().waiting().contains(&user));

    // A helper who comes while the level is raised is given the staff's role.
    let (mut world, _) = raid(6, Mode::Ask, |_, _| {});
    let free = world
        .wave()
        .people
        .iter()
        .find(|(_, person)| person.fate == Fate::Free && person.standing >= Standing::Suspect);
    let user = Id::new(*free.unwrap().0);
    world.engine.exempted(user, Exempt::No, world.now);
    assert!(!world.engine.clone().got_role(user, world.now).is_empty());
    world.engine.exempted(user, Exempt::Staff, world.now);
    assert!(world.engine.got_role(user, world.now).is_empty());

    // Somebody boosts while a job bans them.
    let (mut world, _) = raid(11, Mode::Ask, |_, _| {});
    order(&mut world);
    let of = world.wave().id;
    world.engine.on_ordered(of, "the job", world.now);
    let one = world.wave().order.as_ref().unwrap().users[0];
    let effects = world.engine.exempted(one, Exempt::Booster, world.now);
    let lift = Effect::Lift {
        by: None,
        job: "the job".to_owned(),
        users: vec![one],
        since: world.now,
        tries: 0,
    };
    assert!(effects.contains(&lift), "{effects:?}");
}

#[test]
fn who_is_told_of_late_is_held_from_now_on() {
    for (late, pauses) in [(3 * HOUR, false), (5 * MINUTE, true)] {
        let mut dice = Dice::new(13);
        let mut world = World::with_history(&mut dice, 15.0, Mode::Ask);
        let from = START.plus(DAY + 15 * HOUR);
        let now = from.plus(late);
        let mut effects = Vec::new();
        for mut raider in fresh(&mut dice, from, 60, 300.0) {
            raider.arrival.is_late = true;
            let (joins, arrival) = (StreamKind::Joins, &raider.arrival);
            effects.extend(world.engine.arrived_late(joins, arrival, now));
        }
        let until = effects.iter().filter_map(|effect| match effect {
            Effect::Hold { until, .. } => Some(*until),
            _ => None,
        });
        let until: Vec<_> = until.collect();
        assert!(!until.is_empty() && until.iter().all(|until| *until == now.plus(HOUR)));
        let mut paused = effects.iter().filter_map(|effect| match effect {
            Effect::Pause { until } => Some(*until),
            _ => None,
        });
        assert_eq!(paused.clone().count() > 0, pauses, "{effects:?}");
        assert!(paused.all(|until| until > now));
        let last = world.wave().last;
        assert!(last < from.plus(MINUTE), "judged by when they came");
    }
}

#[test]
fn bans_that_stop_are_not_repeated_without_a_word() {
    let (mut world, _) = raid(7, Mode::Ask, |_, _| {});
    world.obeys = false;
    let wave = world.wave().id;
    let effects = world
        .engine
        .command(wave, Command::Ban, SOMEBODY, world.now);
    let users = effects.iter().find_map(|effect| match effect {
        Effect::Ban { users } => Some(users.clone()),
        _ => None,
    });
    let users = users.unwrap();
    let (done, left) = users.split_at(5);
    let ended = Ended {
        banned: done.to_vec(),
        why: Some("the bot lacks Ban Members".to_owned()),
        ..Ended::default()
    };
    let of = world.wave().id;
    world.engine.on_banned(of, ended, world.now);
    let effects = world.engine.tick(world.now.plus(MINUTE));
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Ban { .. })),
        "{effects:?}"
    );
    let effects = world
        .engine
        .command(wave, Command::Ban, SOMEBODY, world.now);
    let again = effects.iter().find_map(|effect| match effect {
        Effect::Ban { users } => Some(users.len()),
        _ => None,
    });
    assert_eq!(again, Some(left.len()));
    let order = world.wave().order.as_ref().unwrap();
    assert_eq!(order.number, 2, "what failed is not asked about again");
}

#[test]
fn a_process_that_is_killed_goes_on_with_the_same_wave() {
    let (mut world, ids) = raid(8, Mode::Ask, |_, _| {});
    world.obeys = false;
    let wave = world.wave().id;
    let ordered = world
        .engine
        .command(wave, Command::Ban, SOMEBODY, world.now);
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

/// Another process goes on with what was written down.
fn restart(world: &mut World) {
    let text = serde_json::to_string(&world.engine.save()).unwrap();
    let policy = world.engine.policy().clone();
    world.engine = Engine::new(world.now);
    world.engine.restore(serde_json::from_str(&text).unwrap());
    world.engine.set_policy(policy);
}

fn order(world: &mut World) {
    world.obeys = false;
    let wave = world.wave().id;
    let effects = world
        .engine
        .command(wave, Command::Ban, SOMEBODY, world.now);
    world.take(effects);
}

fn let_in(world: &mut World) -> Vec<Effect> {
    let wave = world.wave().id;
    world
        .engine
        .command(wave, Command::LetIn, SOMEBODY, world.now)
}

fn lift(users: Vec<Id>, since: Moment, tries: u32) -> Effect {
    Effect::Lift {
        job: "the job".to_owned(),
        users,
        by: Some(SOMEBODY),
        since,
        tries,
    }
}

#[test]
fn bans_that_still_run_are_stopped_and_lifted_when_all_are_let_in() {
    let (mut world, ids) = raid(9, Mode::Ask, |_, _| {});
    order(&mut world);
    let of = world.wave().id;
    world.engine.on_ordered(of, "the job", world.now);
    let since = world.now;
    let effects = let_in(&mut world);
    assert!(effects.contains(&lift(Vec::new(), since, 0)), "{effects:?}");
    world.take(effects);
    // What was under way comes late.
    ids.iter().for_each(|id| world.engine.saw_ban(*id));
    let ended = Ended {
        why: Some("stopped".to_owned()),
        ..Ended::default()
    };
    let of = world.wave().id;
    world.engine.on_banned(of, ended, world.now);
    let wave = world.wave();
    let banned = wave.with_fate(Fate::Banned) + wave.with_fate(Fate::Banning);
    assert_eq!((banned, wave.stopped.clone()), (0, None));
    assert_eq!(wave.dismissed_by, Some(SOMEBODY));
    // The jobserver is away, and so is this process soon.
    let now = world.now;
    world.engine.on_lifted("the job", &[], &Answer::Later, now);
    restart(&mut world);
    let effects = world.engine.tick(now.plus(MINUTE));
    assert!(effects.contains(&lift(Vec::new(), since, 0)), "{effects:?}");
    let refused = Answer::Refused("the job failed".to_owned());
    world.engine.on_lifted("the job", &[], &refused, now);
    assert!(world.wave().refused.contains_key(&Step::Lift));
    let effects = world.engine.tick(now.plus(10 * MINUTE));
    assert!(
        effects.contains(&lift(Vec::new(), since, 1)),
        "by another order"
    );
    world.engine.on_lifted("the job", &[], &Answer::Done, now);
    assert!(world.engine.tick(now.plus(HOUR)).is_empty());
    assert!(world.engine.is_settled() && world.wave().refused.is_empty());
}

#[test]
fn a_job_that_becomes_known_after_all_were_let_in_is_stopped_too() {
    let (mut world, _) = raid(10, Mode::Ask, |_, _| {});
    order(&mut world);
    let effects = let_in(&mut world);
    assert!(!effects.iter().any(|of| matches!(of, Effect::Lift { .. })));
    let of = world.wave().id;
    let now = world.now;
    let effects = world.engine.on_ordered(of, "the job", now);
    assert!(effects.contains(&lift(Vec::new(), now, 0)), "{effects:?}");

    // Nobody took the order: it is not given after all.
    let (mut world, _) = raid(10, Mode::Ask, |_, _| {});
    order(&mut world);
    let_in(&mut world);
    let of = world.wave().id;
    world.engine.on_not_ordered(of, world.now);
    let bans = |effects: &[Effect]| effects.iter().any(|of| matches!(of, Effect::Ban { .. }));
    let effects = world.engine.tick(world.now.plus(MINUTE));
    assert!(bans(&effects), "it is looked up: {effects:?}");
    world.engine.on_withdrawn(of, world.now);
    let effects = world.engine.tick(world.now.plus(2 * MINUTE));
    assert!(!bans(&effects) && world.wave().order.is_none());
}

#[test]
fn one_of_them_is_let_in_and_the_others_are_banned() {
    let (mut world, _) = raid(11, Mode::Ask, |_, _| {});
    order(&mut world);
    let of = world.wave().id;
    world.engine.on_ordered(of, "the job", world.now);
    let users = world.wave().order.as_ref().unwrap().users.clone();
    let one = users[0];
    let effects = world.engine.let_in(one, SOMEBODY, world.now);
    let since = world.now;
    assert!(effects.contains(&lift(vec![one], since, 0)), "{effects:?}");
    world.take(effects);
    let ended = Ended {
        banned: users.clone(),
        ..Ended::default()
    };
    let of = world.wave().id;
    world.engine.on_banned(of, ended, world.now);
    let fate = |user: &Id| world.wave().people[&user.get()].fate;
    assert_eq!(fate(&one), Fate::LetIn);
    assert!(users[1..].iter().all(|user| fate(user) == Fate::Banned));

    // Whoever is held can act again, and is not held anew.
    let mut dice = Dice::new(5);
    let mut world = World::with_history(&mut dice, 15.0, Mode::Ask);
    world.live(fresh(&mut dice, START.plus(DAY), 20, 300.0));
    let held = world
        .wave()
        .people
        .iter()
        .find(|(_, person)| person.fate == Fate::Held);
    let held = Id::new(*held.unwrap().0);
    let effects = world.engine.let_in(held, SOMEBODY, world.now);
    assert!(effects.contains(&Effect::Release { user: held }));
    world.take(effects);
    world.tick(world.now.plus(MINUTE));
    assert_eq!(world.wave().people[&held.get()].fate, Fate::LetIn);
    assert_eq!(world.wave().phase, Phase::Open);
}

#[test]
fn a_hold_that_comes_after_its_end_is_ended() {
    let (mut world, _) = raid(12, Mode::Ask, |_, _| {});
    let user = *world.wave().people.keys().next().unwrap();
    let user = Id::new(user);
    let effects = let_in(&mut world);
    world.take(effects);
    world.engine.on_held(user, &Answer::Done, world.now);
    let effects = world.engine.tick(world.now.plus(SECOND));
    assert!(effects.contains(&Effect::Release { user }), "{effects:?}");
}

#[test]
fn a_release_that_is_refused_stays_owed() {
    let mut dice = Dice::new(5);
    let mut world = World::with_history(&mut dice, 15.0, Mode::Ask);
    world.live(fresh(&mut dice, START.plus(DAY), 20, 300.0));
    let people = &world.wave().people;
    let held = people.iter().find(|(_, of)| of.fate == Fate::Held);
    let user = Id::new(*held.unwrap().0);
    let release = Effect::Release { user };
    let effects = world.engine.let_in(user, SOMEBODY, world.now);
    assert!(effects.contains(&release), "{effects:?}");
    let refused = Answer::Refused("Missing Permissions".to_owned());
    world.engine.on_released(user, &refused, world.now);
    let fate = |world: &World| world.wave().people[&user.get()].fate;
    assert_eq!(fate(&world), Fate::Releasing, "they cannot act yet");
    assert!(world.wave().refused.contains_key(&Step::Release));
    restart(&mut world);
    let effects = world.engine.tick(world.now.plus(6 * MINUTE));
    assert!(effects.contains(&release), "{effects:?}");
    world.engine.on_released(user, &Answer::Done, world.now);
    assert_eq!(fate(&world), Fate::LetIn);
    assert!(!world.wave().refused.contains_key(&Step::Release));
}

#[test]
fn what_is_refused_is_not_done_and_is_tried_again() {
    let mut dice = Dice::new(13);
    let mut world = World::with_history(&mut dice, 15.0, Mode::Ask);
    let from = START.plus(DAY + 15 * HOUR);
    let mut now = from;
    let mut held = Vec::new();
    let refused = Answer::Refused("Missing Permissions".to_owned());
    let raiders = fresh(&mut dice, from, 60, 300.0);
    let (mut pauses, mut levels) = (0, 0);
    for raider in &raiders {
        now = raider.arrival.at;
        let effects = world.engine.arrived(StreamKind::Joins, &raider.arrival);
        for effect in effects {
            match effect {
                Effect::Pause { until } => {
                    pauses += 1;
                    world.engine.on_paused(until, &refused, now);
                }
                Effect::Level { to } => {
                    levels += 1;
                    world.engine.on_level(to, &refused, now);
                }
                Effect::Hold { user, .. } => held.push(user),
                _ => {}
            }
        }
    }
    let wave = world.wave();
    assert_eq!((pauses, wave.paused_until), (1, None));
    assert!(wave.refused.contains_key(&Step::Pause));
    assert_eq!((levels, wave.level), (1, None));
    assert!(held.len() > 20, "held one by one: {}", held.len());
    // Of those who are held one is gone, one stands above the bot, and of one Discord does not say.
    let (gone, above, silent) = (held[0], held[1], held[2]);
    world.engine.on_held(gone, &Answer::Gone, now);
    world.engine.on_held(above, &refused, now);
    world.engine.on_held(silent, &Answer::Later, now);
    let person = |world: &World, user: Id| world.wave().people[&user.get()].clone();
    assert!(person(&world, gone).is_gone);
    assert_eq!(person(&world, above).fate, Fate::Spared);
    assert_eq!(person(&world, silent).fate, Fate::Free);
    let effects = world.engine.tick(now.plus(MINUTE));
    let is_held = |user: Id| {
        let of =
            |effect: &Effect| matches!(effect, Effect::Hold { user: held, .. } if *held == user);
        effects.iter().any(of)
    };
    assert!(is_held(silent) && !is_held(gone) && !is_held(above));
    let paused = |effects: &[Effect]| effects.iter().any(|of| matches!(of, Effect::Pause { .. }));
    assert!(!paused(&effects), "too soon");
    let effects = world.engine.tick(now.plus(6 * MINUTE));
    assert!(
        paused(&effects),
        "somebody may have allowed it: {effects:?}"
    );
}

#[test]
fn who_said_so_is_kept_and_a_second_press_adds_nothing() {
    let (mut world, _) = raid(14, Mode::Ask, |_, _| {});
    order(&mut world);
    let wave = world.wave().id;
    let other = Id::new(78);
    let effects = world.engine.command(wave, Command::Ban, other, world.now);
    assert!(!effects.iter().any(|of| matches!(of, Effect::Ban { .. })));
    restart(&mut world);
    let wave = world.wave();
    assert_eq!(wave.approved_by, Some(SOMEBODY));
    let order = wave.order.as_ref().unwrap();
    assert_eq!((order.number, order.by), (1, Some(SOMEBODY)));
}

/// A raid that is answered by a level, and how often the level was put back.
fn raised(seed: u64) -> World {
    let (world, _) = raid(seed, Mode::Ask, |_, _| {});
    assert!(world.wave().level.is_some());
    assert_eq!(backs(&world), 0);
    world
}

fn backs(world: &World) -> usize {
    let backs = world
        .effects
        .iter()
        .filter(|(_, effect)| matches!(effect, Effect::LevelBack { to: 1, .. }));
    backs.count()
}

#[test]
fn the_level_goes_back_once_when_protection_is_switched_off_or_only_told() {
    for mode in [Mode::Off, Mode::DryRun] {
        let mut world = raised(15);
        world.engine.set_policy(Policy {
            mode,
            ..Policy::default()
        });
        for minute in 1..5 {
            world.tick(world.now.plus(minute * MINUTE));
        }
        assert_eq!(backs(&world), 1, "{mode:?}");
        assert!(world.engine.is_settled());
    }
}

#[test]
fn the_level_goes_back_once_through_restarts_and_failures() {
    let mut world = raised(16);
    restart(&mut world);
    let effects = let_in(&mut world);
    let back = |effects: &[Effect]| {
        let back = |of: &&Effect| matches!(of, Effect::LevelBack { to: 1, .. });
        effects.iter().filter(back).count()
    };
    assert_eq!(back(&effects), 1);
    let now = world.now;
    world.engine.on_level_back(&Answer::Later, now);
    assert_eq!(back(&world.engine.tick(now.plus(SECOND))), 0);
    assert_eq!(back(&world.engine.tick(now.plus(MINUTE))), 1);
    // Killed before the answer.
    restart(&mut world);
    assert_eq!(back(&world.engine.tick(now.plus(2 * MINUTE))), 1);
    assert_eq!(back(&world.engine.tick(now.plus(3 * MINUTE))), 0);
    world.engine.on_level_back(&Answer::Done, now);
    restart(&mut world);
    assert_eq!(back(&world.engine.tick(now.plus(HOUR))), 0);
}

#[test]
fn a_level_that_somebody_set_stays() {
    let mut world = raised(17);
    // Told again by an event about something else, and then changed.
    let ours = world.wave().level.unwrap();
    world.engine.set_level(ours);
    world.engine.set_level(2);
    assert_eq!(world.wave().level, None);
    let levels = |effects: &[Effect]| effects.iter().any(|of| matches!(of, Effect::Level { .. }));
    let effects = world.engine.tick(world.now.plus(SECOND));
    assert!(!levels(&effects), "it is not raised anew: {effects:?}");
    let effects = let_in(&mut world);
    world.take(effects);
    assert_eq!(backs(&world), 0);
}

#[test]
fn who_was_let_in_stays_so_when_others_come_before_it_is_read() {
    let (mut world, ids) = raid(18, Mode::Ask, |_, _| {});
    let effects = let_in(&mut world);
    world.take(effects);
    let text = serde_json::to_string(&world.engine.save()).unwrap();
    let policy = world.engine.policy().clone();
    // The database is silent when the next process begins, and a raid goes on.
    let mut dice = Dice::new(180);
    let mut next = World::with_history(&mut dice, 15.0, Mode::Ask);
    next.now = world.now;
    next.live(fresh(&mut dice, world.now.plus(SECOND), 40, 300.0));
    let wave = next.wave().id;
    next.engine.restore(serde_json::from_str(&text).unwrap());
    next.engine.set_policy(policy);
    assert_eq!(next.wave().id, wave, "what goes on is not given up");
    let back = fresh(&mut Dice::new(18), START.plus(DAY), 1, 300.0).remove(0);
    let mut arrival = back.arrival;
    (arrival.user, arrival.at) = (ids[0], next.now.plus(SECOND));
    next.engine.arrived(StreamKind::Joins, &arrival);
    assert!(!next.wave().people.contains_key(&ids[0].get()));
}

/// Somebody leaves, and comes again at this moment.
fn comes_back(world: &mut World, user: Id, at: Moment) {
    let mut arrival = fresh(&mut Dice::new(18), START.plus(DAY), 1, 300.0)
        .remove(0)
        .arrival;
    (arrival.user, arrival.at) = (user, at);
    world.tick(at);
    world.engine.left(user);
    let effects = world.engine.arrived(StreamKind::Joins, &arrival);
    world.take(effects);
}

/// So much time passes, and nobody comes.
fn wait(world: &mut World, minutes: u64) {
    for _ in 0..minutes {
        world.tick(world.now.plus(MINUTE));
    }
}

fn pauses(world: &World) -> usize {
    let paused = |of: &&&Effect| matches!(**of, Effect::Pause { .. });
    world.acts().iter().filter(paused).count()
}

#[test]
fn who_comes_back_long_after_a_raid_is_none_of_it() {
    let (mut world, user) = (19..40)
        .find_map(|seed| {
            let (world, _) = raid(seed, Mode::Ask, |_, _| {});
            let mut people = world.wave().people.iter();
            let suspect = people.find(|(_, person)| person.standing == Standing::Suspect);
            let user = Id::new(*suspect?.0);
            Some((world, user))
        })
        .unwrap();
    let wave = world.wave().id;
    let effects = world
        .engine
        .command(wave, Command::Ban, SOMEBODY, world.now);
    world.take(effects);
    wait(&mut world, 10 * 60);
    assert_eq!(world.wave().phase, Phase::Over);
    let before = pauses(&world);
    let back = world.now.plus(SECOND);
    comes_back(&mut world, user, back);
    wait(&mut world, 1);
    let wave = world.wave();
    assert_eq!(wave.phase, Phase::Over, "it does not go on");
    assert_eq!(wave.people[&user.get()].standing, Standing::Suspect);
    assert!(!world.banned().contains(&user));
    assert_eq!(pauses(&world), before);
}

#[test]
fn one_who_comes_and_goes_does_not_keep_others_out() {
    let (mut world, _) = raid(20, Mode::Ask, |_, _| {});
    let mut people = world.wave().people.iter();
    let raider = people.find(|(_, person)| person.standing == Standing::Raider);
    let user = Id::new(*raider.unwrap().0);
    for _ in 0..16 {
        wait(&mut world, 20);
        let now = world.now;
        comes_back(&mut world, user, now);
    }
    let until = world.wave().paused_until.unwrap();
    assert!(until < world.now, "invites are still paused");
}

fn set_mode(world: &mut World, mode: Mode) {
    let policy = Policy {
        mode,
        ..world.engine.policy().clone()
    };
    world.engine.set_policy(policy);
}

fn bans(effects: &[Effect]) -> bool {
    effects.iter().any(|of| matches!(of, Effect::Ban { .. }))
}

/// A raid whose raiders the policy has banned.
fn banned_unasked() -> World {
    let found = (21..40).find_map(|seed| {
        let (mut world, _) = raid(seed, Mode::Auto, |_, _| {});
        wait(&mut world, 1);
        let wave = world.wave();
        let is_unasked = wave.approved && wave.approved_by.is_none();
        (is_unasked && wave.with_fate(Fate::Banned) > 0).then_some(world)
    });
    found.unwrap()
}

/// More who are like those before.
fn come(world: &mut World) -> Vec<Id> {
    let mut dice = Dice::new(210);
    let mut others = fresh(&mut dice, world.now.plus(SECOND), 40, 300.0);
    for other in &mut others {
        let id = other.arrival.user.get() + (1 << 40);
        other.arrival.user = Id::new(id);
    }
    let ids = others.iter().map(|other| other.arrival.user).collect();
    world.live(others);
    wait(world, 1);
    ids
}

#[test]
fn what_the_policy_decided_ends_with_it() {
    let mut world = banned_unasked();
    let mut same = world.clone();
    let later = come(&mut same);
    let is_banned = |world: &World| {
        let banned = world.banned();
        later.iter().any(|user| banned.contains(user))
    };
    assert!(is_banned(&same), "those who come later are banned");
    set_mode(&mut world, Mode::Ask);
    come(&mut world);
    assert!(!is_banned(&world), "nobody has said so");
    let wave = world.wave();
    assert!(!wave.approved && !wave.waiting().is_empty(), "{wave:?}");

    // Somebody says so before it is switched: that is their word.
    let mut world = banned_unasked();
    let wave = world.wave().id;
    let effects = world
        .engine
        .command(wave, Command::Ban, SOMEBODY, world.now);
    world.take(effects);
    set_mode(&mut world, Mode::Ask);
    come(&mut world);
    assert!(is_banned(&world));
    assert_eq!(world.wave().approved_by, Some(SOMEBODY));
}

#[test]
fn a_word_of_before_it_was_switched_off_is_none_after() {
    for mode in [Mode::Off, Mode::DryRun] {
        let (mut world, _) = raid(22, Mode::Ask, |_, _| {});
        order(&mut world);
        let of = world.wave().id;
        world.engine.on_ordered(of, "the job", world.now);
        let ended = Ended {
            untried: world.wave().order.as_ref().unwrap().users.clone(),
            ..Ended::default()
        };
        world.engine.on_banned(of, ended, world.now);
        assert!(!world.wave().waiting().is_empty());
        set_mode(&mut world, mode);
        set_mode(&mut world, Mode::Ask);
        let now = world.now;
        for seconds in [1, 10, 60] {
            let effects = world.engine.tick(now.plus(seconds * SECOND));
            assert!(!bans(&effects), "{mode:?}: {effects:?}");
        }
        let effects = world.engine.command(of, Command::Ban, SOMEBODY, now);
        assert!(bans(&effects), "{mode:?}: {effects:?}");
    }
}

#[test]
fn an_order_that_was_not_given_ends_where_bans_are_switched_off() {
    for mode in [Mode::Off, Mode::DryRun] {
        // The jobserver is away.
        let (mut world, _) = raid(23, Mode::Ask, |_, _| {});
        order(&mut world);
        let (of, now) = (world.wave().id, world.now);
        let ordered = world.wave().wanted();
        assert!(!ordered.is_empty());
        world.engine.on_not_ordered(of, now);
        set_mode(&mut world, mode);
        restart(&mut world);
        set_mode(&mut world, Mode::Ask);
        assert!(world.wave().wanted().is_empty(), "{mode:?}");
        let later = now.plus(MINUTE);
        let effects = world.engine.tick(later);
        assert!(bans(&effects), "it is looked up: {effects:?}");
        world.engine.on_withdrawn(of, later);
        let wave = world.wave();
        let waiting = wave.waiting();
        assert!(wave.order.is_none() && ordered.iter().all(|user| waiting.contains(user)));
        assert!(!bans(&world.engine.tick(later.plus(MINUTE))));
    }

    // One whose job is known was given.
    let (mut world, _) = raid(23, Mode::Ask, |_, _| {});
    order(&mut world);
    let of = world.wave().id;
    world.engine.on_ordered(of, "the job", world.now);
    set_mode(&mut world, Mode::Off);
    assert!(!world.wave().wanted().is_empty());
}

#[test]
fn an_order_of_the_policy_that_was_not_given_ends_where_a_word_is_needed() {
    let found = (21..40).find_map(|seed| {
        let mut dice = Dice::new(seed);
        let mut world = World::with_history(&mut dice, 15.0, Mode::Auto);
        world.obeys = false;
        world.live(fresh(&mut dice, START.plus(DAY + 15 * HOUR), 60, 300.0));
        wait(&mut world, 1);
        world.wave().order.is_some().then_some(world)
    });
    let mut world = found.unwrap();
    let order = world.wave().order.clone().unwrap();
    assert_eq!(order.by, None);
    set_mode(&mut world, Mode::Ask);
    assert!(world.wave().wanted().is_empty());
}

#[test]
fn who_is_let_in_before_the_order_is_given_is_not_named_by_it() {
    let (mut world, _) = raid(24, Mode::Ask, |_, _| {});
    order(&mut world);
    let of = world.wave().id;
    world.engine.on_not_ordered(of, world.now);
    let users = world.wave().wanted();
    let (one, others) = users.split_first().unwrap();
    world.engine.let_in(*one, SOMEBODY, world.now);
    assert_eq!(world.wave().wanted(), others);
    // The same order as before: it is known again by whom it was made for.
    let effects = world.engine.tick(world.now.plus(MINUTE));
    let again = Effect::Ban {
        users: users.clone(),
    };
    assert!(effects.contains(&again), "{effects:?}");
    let_in(&mut world);
    assert!(world.wave().wanted().is_empty());
}

#[test]
fn a_lift_that_was_given_up_is_ordered_anew_when_somebody_asks() {
    let (mut world, _) = raid(25, Mode::Ask, |_, _| {});
    order(&mut world);
    let of = world.wave().id;
    world.engine.on_ordered(of, "the job", world.now);
    let users = world.wave().order.as_ref().unwrap().users.clone();
    let ended = Ended {
        banned: users.clone(),
        ..Ended::default()
    };
    world.engine.on_banned(of, ended, world.now);
    let mut now = world.now;
    let refused = Answer::Refused("Missing Permissions".to_owned());
    let give_up = |world: &mut World, now: &mut Moment, whom: &[Id]| {
        let mut orders = 0;
        for _ in 0..20 {
            orders += 1;
            world.engine.on_lifted("the job", whom, &refused, *now);
            *now = now.plus(HOUR);
            let effects = world.engine.tick(*now);
            if !effects.iter().any(|of| matches!(of, Effect::Lift { .. })) {
                break;
            }
        }
        assert!(orders < 20, "it is never given up");
    };
    let one = users[0];
    let effects = world.engine.let_in(one, SOMEBODY, now);
    assert!(effects.contains(&lift(vec![one], now, 0)), "{effects:?}");
    give_up(&mut world, &mut now, &[one]);
    assert_eq!(world.wave().people[&one.get()].fate, Fate::Banned);
    let effects = world.engine.let_in(one, SOMEBODY, now);
    assert!(effects.contains(&lift(vec![one], now, 0)), "{effects:?}");
    world
        .engine
        .on_lifted("the job", &[one], &Answer::Done, now);
    assert_eq!(world.wave().people[&one.get()].fate, Fate::LetIn);

    for _ in 0..2 {
        let undone = world.engine.command(of, Command::Undo, SOMEBODY, now);
        assert!(undone.contains(&lift(Vec::new(), now, 0)), "{undone:?}");
        give_up(&mut world, &mut now, &[]);
    }
}

/// A raid, and somebody who is held in it.
fn with_held(seed: u64) -> (World, Id) {
    let mut dice = Dice::new(seed);
    let mut world = World::with_history(&mut dice, 15.0, Mode::Ask);
    world.live(fresh(&mut dice, START.plus(DAY), 20, 300.0));
    let mut people = world.wave().people.iter();
    let held = people.find(|(_, person)| person.fate == Fate::Held);
    let held = Id::new(*held.unwrap().0);
    (world, held)
}

#[test]
fn a_release_that_is_refused_is_not_done_and_is_tried_until_the_hold_has_ended() {
    let (mut world, user) = with_held(5);
    let (release, now) = (Effect::Release { user }, world.now);
    let refused = Answer::Refused("Missing Permissions".to_owned());
    let effects = world.engine.let_in(user, SOMEBODY, now);
    assert!(effects.contains(&release));
    world.engine.on_released(user, &refused, now);
    let fate = |world: &World| world.wave().people[&user.get()].fate;
    assert_eq!(fate(&world), Fate::Releasing);
    assert!(world.wave().refused.contains_key(&Step::Release));
    restart(&mut world);
    let mut same = world.clone();
    // Somebody allows it.
    let later = now.plus(6 * MINUTE);
    assert!(world.engine.tick(later).contains(&release));
    world.engine.on_released(user, &Answer::Done, later);
    assert_eq!(fate(&world), Fate::LetIn);
    assert!(world.wave().refused.is_empty());
    // Nobody does, and it ends by itself.
    let later = now.plus(HOUR);
    assert!(same.engine.tick(later).contains(&release));
    same.engine.on_released(user, &refused, later);
    assert_eq!(fate(&same), Fate::LetIn);
    assert!(!same.engine.tick(later.plus(HOUR)).contains(&release));
}

/// A raid whose raiders are banned, and the dry run of a wave that came after everything was switched to one.
fn replaced(seed: u64) -> (World, Id) {
    let (mut world, _) = raid(seed, Mode::Ask, |_, _| {});
    let real = world.wave().id;
    let now = world.now;
    let effects = world.engine.command(real, Command::Ban, SOMEBODY, now);
    world.take(effects);
    assert!(world.wave().with_fate(Fate::Banned) > 0);
    set_mode(&mut world, Mode::DryRun);
    come(&mut world);
    assert!(world.wave().id != real && world.wave().mode == Mode::DryRun);
    (world, real)
}

fn past(world: &World, of: Id) -> &splashtail_raid::Wave {
    world.engine.waves().find(|wave| wave.id == of).unwrap()
}

#[test]
fn what_was_done_about_a_wave_is_taken_back_when_another_came() {
    let (mut world, real) = replaced(26);
    restart(&mut world);
    let now = world.now;
    assert!(
        world
            .engine
            .command(real, Command::Ban, SOMEBODY, now)
            .is_empty()
    );
    let effects = world.engine.command(real, Command::Undo, SOMEBODY, now);
    let lifts = |of: &Effect| matches!(of, Effect::Lift { job, users, .. } if job == "a job" && users.is_empty());
    assert!(effects.iter().any(lifts), "{effects:?}");
    let unpaused = |of: &Effect| matches!(of, Effect::Unpause { .. });
    assert!(effects.iter().any(unpaused), "{effects:?}");
    world.take(effects);
    let wave = past(&world, real);
    assert_eq!(wave.phase, Phase::Dismissed);
    assert_eq!(wave.dismissed_by, Some(SOMEBODY));
    assert_ne!(world.wave().phase, Phase::Dismissed, "the other is another");

    // One of them.
    let (mut world, real) = replaced(26);
    let mut people = past(&world, real).people.iter();
    let banned = people.find(|(_, person)| person.fate == Fate::Banned);
    let user = Id::new(*banned.unwrap().0);
    let now = world.now;
    let effects = world.engine.let_in(user, SOMEBODY, now);
    let lifts = |of: &Effect| matches!(of, Effect::Lift { users, .. } if *users == [user]);
    assert!(effects.iter().any(lifts), "{effects:?}");
}

#[test]
fn a_wave_is_not_replaced_while_it_is_not_known_who_of_it_is_banned() {
    let (mut world, _) = raid(27, Mode::Ask, |_, _| {});
    order(&mut world);
    let real = world.wave().id;
    set_mode(&mut world, Mode::DryRun);
    come(&mut world);
    assert_eq!(world.wave().id, real);
    let now = world.now;
    let effects = world.engine.on_ordered(real, "the job", now);
    let lifts = |of: &Effect| matches!(of, Effect::Lift { .. });
    assert!(
        !effects.iter().any(lifts),
        "nobody let them in: {effects:?}"
    );
    let effects = world.engine.command(real, Command::Undo, SOMEBODY, now);
    assert!(effects.contains(&lift(Vec::new(), now, 0)), "{effects:?}");
}

#[test]
fn who_is_held_and_let_in_before_a_ban_can_act_again() {
    let (mut world, _) = with_held(5);
    let mut people = world.wave().people.iter();
    let raider =
        people.find(|(_, person)| person.standing == Standing::Raider && person.fate == Fate::Held);
    let user = Id::new(*raider.unwrap().0);
    order(&mut world);
    let fate = |world: &World| world.wave().people[&user.get()].fate;
    assert_eq!(fate(&world), Fate::Banning);
    let effects = world.engine.let_in(user, SOMEBODY, world.now);
    assert!(effects.contains(&Effect::Release { user }), "{effects:?}");
    world.take(effects);
    assert_eq!(fate(&world), Fate::LetIn);
}
