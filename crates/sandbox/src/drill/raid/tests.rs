use super::super::settings::settle;
use super::super::types::{DrillKind, NewDrill};
use super::*;
use splashtail_sandbox_world::world::Stamp;

fn schedule(edit: impl FnOnce(&mut NewDrill)) -> Schedule {
    let mut order = NewDrill::new(DrillKind::Raid, "1");
    edit(&mut order);
    let settings = settle(&order, Stamp(1_767_225_600_000)).unwrap();
    Schedule::new(&settings, &mut Draw::new(1, "raid"))
}

fn stage(attackers: u64, guests: u64) -> (Stage, Spoils) {
    let stage = Stage {
        attackers: (1..=attackers).map(Id).collect(),
        guests: (100..100 + guests).map(Id).collect(),
        open: vec![Id(9)],
        ..Stage::default()
    };
    let spoils = Spoils {
        joined: stage.attackers.iter().copied().collect(),
        guests: stage.guests.iter().copied().collect(),
        ..Spoils::default()
    };
    (stage, spoils)
}

#[test]
fn raiders_post_a_second_after_they_were_due_to_join() {
    let mut raid = schedule(|o| (o.size, o.rate) = (Some(2), Some(0.8)));
    let (stage, spoils) = stage(2, 0);
    let mut seen = Vec::new();
    while let Some(due) = raid.due() {
        let step = raid.step(&stage, &spoils, |_| true).unwrap();
        seen.push((due, step.who, matches!(step.act, Act::Join)));
    }
    let who = Who::Attacker;
    assert_eq!(
        seen,
        [
            (0, who(0), true),
            (1000, who(0), false),
            (1250, who(1), true),
            (2250, who(1), false)
        ]
    );
    assert_eq!(raid.planned(), 4);
}

#[test]
fn whoever_is_kicked_returns_and_others_need_not() {
    let wish = |o: &mut NewDrill| {
        (o.size, o.manner) = (Some(1), Some(RaidManner::Rejoin));
    };
    let (stage, spoils) = stage(1, 0);
    let joins = |inside: bool| {
        let mut raid = schedule(wish);
        let mut count = 0;
        while raid.due().is_some() {
            assert_eq!(raid.all_entered(), raid.next == 5);
            let step = raid.step(&stage, &spoils, |_| inside);
            count += usize::from(step.is_some_and(|s| matches!(s.act, Act::Join)));
        }
        count
    };
    assert_eq!((joins(true), joins(false)), (1, 4));
}

#[test]
fn whoever_asked_to_join_posts_once_when_let_in() {
    let wish = |o: &mut NewDrill| {
        (o.size, o.manner) = (Some(2), Some(RaidManner::Request));
    };
    let acts = |let_in_at: i64| {
        let mut raid = schedule(wish);
        assert_eq!(raid.planned(), 4, "each asks and posts");
        let (stage, mut spoils) = stage(2, 0);
        spoils.joined.clear();
        let mut acts = Vec::new();
        while let Some(due) = raid.due() {
            let step = raid.step(&stage, &spoils, |_| due >= let_in_at);
            let Some(step) = step else { continue };
            acts.push((due, matches!(step.act, Act::AskToJoin)));
        }
        acts
    };
    let asked = [(0, true), (200, true)];
    assert_eq!(acts(i64::MAX), asked);
    let mut seen = asked.to_vec();
    seen.extend([(5000, false), (5200, false)]);
    assert_eq!(acts(3000), seen);
}

/// Plays a raid; what each turn brought is up to `answer`.
fn play(
    raid: &mut Schedule,
    (stage, spoils): &(Stage, Spoils),
    mut answer: impl FnMut(&mut Schedule, i64, &Step),
) -> Vec<(i64, Who, bool)> {
    let mut seen = Vec::new();
    while let Some(due) = raid.due() {
        let Some(step) = raid.step(stage, spoils, |_| true) else {
            continue;
        };
        answer(raid, due, &step);
        seen.push((due, step.who, matches!(step.act, Act::Post { .. })));
    }
    seen
}

#[test]
fn whoever_enters_late_posts_as_long_after_as_it_would_have() {
    let mut raid = schedule(|o| o.size = Some(1));
    let seen = play(&mut raid, &stage(1, 0), |raid, at, step| {
        if matches!(step.act, Act::Join) {
            raid.await_answer(step, at, 4000);
        }
    });
    let raider = Who::Attacker(0);
    assert_eq!(seen, [(0, raider, false), (5000, raider, true)]);
}

#[test]
fn whoever_posts_at_a_bad_moment_tries_again_a_few_times() {
    let posts = |manner, wait_ms: Option<i64>, passing, times: usize| {
        let mut raid = schedule(|o| (o.size, o.manner) = (Some(1), Some(manner)));
        let mut left = times;
        let refusal = Refusal {
            code: "429".to_owned(),
            wait_ms,
            passing,
        };
        let seen = play(&mut raid, &stage(1, 0), |raid, at, step| {
            if matches!(step.act, Act::Post { .. }) && left > 0 {
                left -= 1;
                raid.refused(step, at, &refusal);
            }
        });
        let posts = seen.into_iter().filter(|(_, _, posts)| *posts);
        let posts: Vec<i64> = posts.map(|(at, ..)| at).collect();
        assert_eq!(raid.planned(), 1 + posts.len() as u64);
        posts
    };
    for manner in [RaidManner::Post, RaidManner::Request] {
        assert_eq!(posts(manner, Some(2500), true, 1), [1000, 3500]);
        // As nobody says how long to wait.
        assert_eq!(posts(manner, None, true, 2), [1000, 2000, 3000]);
        assert_eq!(posts(manner, None, false, 1), [1000]);
        assert_eq!(posts(manner, Some(MOST_PATIENCE_MS + 1), true, 1), [1000]);
        assert_eq!(posts(manner, Some(10), true, 100).len(), 4);
    }
    // The look after five seconds waits with it.
    assert_eq!(
        posts(RaidManner::Request, Some(6000), true, 1),
        [1000, 7000]
    );
}

#[test]
fn guests_who_are_late_are_not_waited_for() {
    let mut raid = schedule(|o| (o.size, o.wave) = (Some(20), Some(30)));
    let (stage, spoils) = stage(20, 30);
    let mut last_attack = 0;
    while raid.goes_on() {
        let due = raid.due().unwrap();
        let Some(step) = raid.step(&stage, &spoils, |_| true) else {
            continue;
        };
        match step.who {
            Who::Guest(_) => raid.await_answer(&step, due, 3_600_000),
            Who::Attacker(_) => last_attack = due,
        }
    }
    assert_eq!(last_attack, 4800);
    assert!(
        raid.due().unwrap() >= 3_600_000,
        "their greetings are to come"
    );
}

#[test]
fn a_wave_of_harmless_people_is_mixed_in_and_is_no_attack() {
    let mut raid = schedule(|o| (o.size, o.wave) = (Some(20), Some(30)));
    let (stage, spoils) = stage(20, 30);
    assert_eq!(raid.planned(), 40);
    let mut guests = 0;
    let mut between = false;
    while raid.due().is_some() {
        if let Some(Step {
            who: Who::Guest(_),
            act: Act::Join,
        }) = raid.step(&stage, &spoils, |_| true)
        {
            guests += 1;
            between |= !raid.all_entered();
        }
    }
    assert_eq!(guests, 30);
    assert!(between, "they come at the same time");
}

/// Moments of the acts of a lone raider whose first `times` attempts at `struck` come at a bad
/// moment.
fn struck(manner: RaidManner, struck: ActKind, times: usize) -> Vec<(i64, ActKind)> {
    let mut raid = schedule(|o| (o.size, o.manner) = (Some(1), Some(manner)));
    let (stage, mut spoils) = stage(1, 0);
    spoils.joined.clear();
    let (mut left, mut inside) = (times, false);
    let mut seen = Vec::new();
    let passing = Refusal {
        code: "503".to_owned(),
        wait_ms: None,
        passing: true,
    };
    while let Some(due) = raid.due() {
        let Some(step) = raid.step(&stage, &spoils, |_| inside) else {
            continue;
        };
        let kind = step.act.kind();
        seen.push((due, kind));
        if kind == struck && left > 0 {
            left -= 1;
            raid.refused(&step, due, &passing);
            let outside = matches!(kind, ActKind::Join | ActKind::AskToJoin);
            let waits = outside && times <= usize::from(TRIES);
            assert!(!waits || !raid.all_entered(), "it may yet get in");
        } else if let Act::Join | Act::AskToJoin = step.act {
            spoils.joined.insert(Id(1));
            // Kicked at once, when it is one who comes back.
            inside = manner == RaidManner::Request;
        }
    }
    seen
}

#[test]
fn whoever_comes_to_the_door_at_a_bad_moment_tries_again() {
    use ActKind::{AskToJoin, Join, Leave, Post};
    let post = struck(RaidManner::Post, Join, 2);
    assert_eq!(post, [(0, Join), (1000, Join), (2000, Join), (3000, Post)]);
    let ask = struck(RaidManner::Request, AskToJoin, 1);
    assert_eq!(ask, [(0, AskToJoin), (1000, AskToJoin), (2000, Post)]);
    let leave = struck(RaidManner::JoinLeave, Leave, 1);
    assert_eq!(leave, [(0, Join), (1000, Leave), (2000, Leave)]);
    // Four attempts are as many as there are.
    let never = struck(RaidManner::Post, Join, 100);
    assert_eq!(never, [0, 1000, 2000, 3000].map(|at| (at, Join)));
}

#[test]
fn whoever_comes_back_at_a_bad_moment_tries_again() {
    use ActKind::{Join, Post};
    let mut raid = schedule(|o| (o.size, o.manner) = (Some(1), Some(RaidManner::Rejoin)));
    let (stage, spoils) = stage(1, 0);
    let mut seen = Vec::new();
    while let Some(due) = raid.due() {
        let Some(step) = raid.step(&stage, &spoils, |_| false) else {
            continue;
        };
        seen.push((due, step.act.kind()));
        if due == 5000 {
            let passing = Refusal {
                code: "429".to_owned(),
                wait_ms: Some(2000),
                passing: true,
            };
            raid.refused(&step, due, &passing);
        }
    }
    let returns = [5000, 7000, 17_000, 32_000].map(|at| (at, Join));
    assert_eq!(seen[..2], [(0, Join), (1000, Post)]);
    assert_eq!(seen[2..], returns);
    assert_eq!(raid.planned(), 6);
}
