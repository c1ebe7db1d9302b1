//! The figures of docs/benchmarks.md about raids: how many are in when a raid is declared, how long the
//! decision takes, and false alarms of quiet years.

#[path = "../tests/cases/population.rs"]
#[allow(dead_code)]
mod population;
#[path = "../tests/cases/world.rs"]
#[allow(dead_code)]
mod world;

use std::time::Instant;

use population::{Comer, Dice, aged, fans, fresh, humans, ordinary};
use splashtail_raid::{DAY, HOUR, MINUTE, Mode, Moment, StreamKind};
use world::{START, World};

/// Rounds per cell of the table.
const ROUNDS: u64 = 20;
const RATES: [f64; 4] = [1.0, 15.0, 300.0, 2000.0];

type Attack = fn(&mut Dice, Moment) -> Vec<Comer>;

fn main() {
    // `cargo bench` says so; tests of everything ask nothing of a bench.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let attacks: [(&str, Attack); 6] = [
        ("fresh, 5/s", |dice, at| fresh(dice, at, 100, 200.0)),
        ("fresh, 1 per 30 s", |dice, at| {
            fresh(dice, at, 100, 30_000.0)
        }),
        ("aged, 1/s", |dice, at| aged(dice, at, 100, 1000.0)),
        ("aged, 1/min", |dice, at| aged(dice, at, 100, 60_000.0)),
        ("60 humans in 5 min", |dice, at| {
            humans(dice, at, 60, 5000.0)
        }),
        ("200 fans in 2 min: raids", |dice, at| {
            fans(dice, at, 200, 2 * MINUTE)
        }),
    ];
    let mut lines = vec![
        "Raiders in at the verdict, median / 90 %; of fans, how often a raid was declared"
            .to_owned(),
        String::new(),
        "| attack | 1 join a day | 15 | 300 | 2,000 |".to_owned(),
        "|-|-|-|-|-|".to_owned(),
    ];
    for (name, attack) in attacks {
        let cells = RATES.map(|rate| cell(rate, attack));
        lines.push(format!("| {name} | {} |", cells.join(" | ")));
    }
    lines.extend([
        String::new(),
        "| Decisions and years | |".to_owned(),
        "|-|-|".to_owned(),
        decision(),
        quiet(),
    ]);
    show(&lines.join("\n"));
}

fn cell(per_day: f64, attack: Attack) -> String {
    let mut seen: Vec<Option<usize>> = (0..ROUNDS)
        .map(|seed| {
            let mut dice = Dice::new(1000 + seed);
            let mut world = World::with_history(&mut dice, per_day, Mode::Ask);
            let comers = attack(&mut dice, START.plus(DAY + 15 * HOUR));
            let is_attack = comers.iter().any(|comer| comer.is_raider);
            world.live(comers);
            match is_attack {
                true => world.declared_at,
                false => (world.raids > 0).then_some(0),
            }
        })
        .collect();
    let missed = seen.iter().filter(|at| at.is_none()).count();
    if seen.iter().flatten().all(|at| *at == 0) {
        return format!("{} of {ROUNDS}", seen.len() - missed);
    }
    seen.sort_by_key(|at| at.unwrap_or(usize::MAX));
    let at = |part: usize| {
        let found = seen[(seen.len() * part / 100).min(seen.len() - 1)];
        found.map_or("missed".to_owned(), |at| at.to_string())
    };
    format!("{} / {}", at(50), at(90))
}

/// How long the engine thinks about each of a thousand who come within 20 s.
fn decision() -> String {
    let mut dice = Dice::new(5);
    let mut world = World::with_history(&mut dice, 15.0, Mode::Ask);
    let raiders = fresh(&mut dice, START.plus(DAY), 1000, 20.0);
    let mut took: Vec<u128> = raiders
        .iter()
        .map(|raider| {
            let begin = Instant::now();
            let effects = world.engine.arrived(StreamKind::Joins, &raider.arrival);
            let took = begin.elapsed().as_micros();
            world.take(effects);
            took
        })
        .collect();
    took.sort_unstable();
    let at = |part: usize| took[(took.len() * part / 100).min(took.len() - 1)];
    format!(
        "| a join to its decision, 1,000 raiders in 20 s | p50 {} us, p99 {} us |",
        at(50),
        at(99)
    )
}

/// Alarms of years in which nothing happens.
fn quiet() -> String {
    let (mut raids, mut waves, mut years) = (0, 0, 0);
    for seed in 0..100 {
        let mut dice = Dice::new(9000 + seed);
        let per_day = [1.0, 5.0, 15.0, 60.0][seed as usize % 4];
        let mut world = World::with_history(&mut dice, per_day, Mode::Ask);
        let year = ordinary(&mut dice, START, 365, per_day);
        world.live(year);
        raids += world.raids;
        waves += world.waves;
        years += 1;
    }
    format!("| ordinary life, {years} server-years | {raids} raids, {waves} waves declared |")
}

#[allow(clippy::print_stdout, reason = "that is what it is for")]
fn show(text: &str) {
    println!("{text}");
}
