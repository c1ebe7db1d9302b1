//! Drills against protection: real processes, a simulated Discord that checks every exchange, a server
//! of its own for each attack. Prints tables of Markdown: how fast attackers are stopped, what they
//! achieve until then, what they achieve where protection is off, and whether it did what it promises. When
//! it did not in one of them, the bench ends with status 1.
//!
//! Build the binaries first and name their place in `SPLASHTAIL_BIN_DIR`. `DRILLS_SHORT=1` shows with
//! a few of them that all of it works; its figures are none.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench that cannot go on ends, and its figures are its output"
)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use splashtail_antinuke::Column;
use splashtail_e2e::attack::{BOT, Ground};
use splashtail_e2e::drills::{Attack, Outcome, Times, Who, run_beside};
use splashtail_e2e::original::{self, Around};
use splashtail_e2e::platform::{Engines, Platform};
use splashtail_sandbox::control::types::ActKind;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, SqliteConnection};

/// Attacks at the same time, each on a server of its own.
const SIDE_BY_SIDE: usize = 4;
/// Acts a second, and how many acts an attack has.
const RATES: [(f64, u32); 3] = [(5.0, 20), (20.0, 50), (50.0, 80)];
/// Of each attack by everything at once, for its percentiles.
const REPEATS: usize = 5;
/// People on the servers that are attacked, roughly; limits depend on it.
const MEMBERS: u64 = 50;
/// What can be done alone and often.
const ALONE: [ActKind; 25] = [
    ActKind::CreateChannel,
    ActKind::DeleteChannel,
    ActKind::RenameChannel,
    ActKind::HideChannel,
    ActKind::EditOverwrite,
    ActKind::CreateThread,
    ActKind::DeleteRole,
    ActKind::EditRole,
    ActKind::ReorderRoles,
    ActKind::GrantAdministrator,
    ActKind::StripRoles,
    ActKind::Ban,
    ActKind::Kick,
    ActKind::BulkBan,
    ActKind::Prune,
    ActKind::EditServer,
    ActKind::DeleteEmoji,
    ActKind::DeleteSticker,
    ActKind::DeleteInvite,
    ActKind::DeleteAutomodRule,
    ActKind::DeleteIntegration,
    ActKind::DisarmBot,
    ActKind::KickBot,
    ActKind::CreateWebhook,
    ActKind::WebhookPost,
];

/// Who does everything at once, in a hurry.
const HURRIED: [Who; 7] = [
    Who::One,
    Who::Moderator,
    Who::Two,
    Who::Five,
    Who::FiveModerators,
    Who::Bot,
    Who::OwnToken,
];

fn main() -> Result<ExitCode> {
    // As a test it shows that it compiles.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(drills())
}

async fn drills() -> Result<ExitCode> {
    // Once with everything through the proxy, once without: the times are to be the same.
    let more = match std::env::var_os("DRILLS_PROXY") {
        Some(_) => "proxy: {enabled: true}\n",
        None => "",
    };
    let directory = tempfile::tempdir()?;
    let platform = Platform::start_with(directory, Engines::Embedded, more).await?;
    let ground = Ground::level(&platform).await?;
    let mixed = by_everything(&platform, &ground).await?;
    let alone = one_by_one(&platform, &ground).await?;
    // The clock is everybody's, so this one is alone.
    let slow = slowly(&platform, &ground).await?;
    platform.stop().await?;
    let mut verdicts = Vec::new();
    let mut original = Vec::new();
    for outcomes in [&mixed, &alone, &slow] {
        let (prevented, times) = before_the_original(outcomes).await?;
        original.push(prevented);
        verdicts.extend(times);
    }
    let with = |outcomes, at: usize| std::iter::zip(outcomes, &original[at]).collect::<Vec<Case>>();
    let (mixed, alone, slow) = (with(&mixed, 0), with(&alone, 1), with(&slow, 2));
    show_mixed(mixed.iter().chain(&slow));
    show_alone(&alone);
    let all = || {
        mixed
            .iter()
            .chain(&alone)
            .chain(&slow)
            .map(|(outcome, _)| *outcome)
    };
    show_all(all());
    println!(
        "| one verdict of the original's design (µs), {} acts | {} | {} |",
        verdicts.len(),
        percentile(&mut verdicts.clone(), 50),
        percentile(&mut verdicts, 99)
    );
    Ok(judged(all()))
}

/// An outcome, and how many of its acts would have succeeded against the original's design.
type Case<'a> = (&'a Outcome, &'a Option<u64>);

/// Says which drills failed.
fn judged<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> ExitCode {
    let verdicts = outcomes.filter_map(|one| Some((&one.attack, one.verdict.as_ref()?)));
    let failed: Vec<_> = verdicts.filter(|(_, verdict)| !verdict.holds()).collect();
    for (attack, verdict) in &failed {
        let (who, acts, rate) = (attack.who.name(), &attack.acts, attack.rate);
        println!("\n{who}, {acts:?} at {rate}/s: {verdict}");
    }
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

async fn run_all(
    platform: &Platform,
    ground: &Ground<'_>,
    attacks: &[Attack],
) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::with_capacity(attacks.len());
    for some in attacks.chunks(SIDE_BY_SIDE) {
        outcomes.extend(run_beside(platform, ground, some.to_vec()).await?);
        eprint!("\r{} of {} drills", outcomes.len(), attacks.len());
    }
    eprintln!();
    Ok(outcomes)
}

fn is_short() -> bool {
    std::env::var_os("DRILLS_SHORT").is_some()
}

async fn by_everything(platform: &Platform, ground: &Ground<'_>) -> Result<Vec<Outcome>> {
    let mut attacks = Vec::new();
    for who in HURRIED {
        for (rate, size) in RATES {
            let attack = |protected| Attack {
                who,
                acts: Vec::new(),
                rate,
                size,
                protected,
                judged: protected,
            };
            attacks.extend(std::iter::repeat_n(attack(true), REPEATS));
            attacks.push(attack(false));
        }
    }
    if is_short() {
        attacks.retain(|attack| attack.rate > 20.0);
        attacks.dedup_by_key(|attack| (attack.who, attack.protected));
    }
    run_all(platform, ground, &attacks).await
}

async fn one_by_one(platform: &Platform, ground: &Ground<'_>) -> Result<Vec<Outcome>> {
    let mut attacks = Vec::new();
    for act in ALONE {
        for (rate, size) in RATES {
            for protected in [true, false] {
                attacks.push(Attack {
                    who: Who::One,
                    acts: with_means(act),
                    rate,
                    size: size.min(30),
                    protected,
                    judged: protected,
                });
            }
        }
    }
    if is_short() {
        attacks.truncate(6);
    }
    run_all(platform, ground, &attacks).await
}

/// What an act needs to be done before it: a webhook stands in a channel of the attacker's own.
fn with_means(act: ActKind) -> Vec<ActKind> {
    let first = match act {
        ActKind::CreateWebhook => [ActKind::CreateChannel].as_slice(),
        ActKind::WebhookPost => &[ActKind::CreateChannel, ActKind::CreateWebhook],
        _ => &[],
    };
    first.iter().copied().chain([act]).collect()
}

async fn slowly(platform: &Platform, ground: &Ground<'_>) -> Result<Vec<Outcome>> {
    // Acts of many kinds take longer to be too many of one.
    let ways = [(vec![ActKind::DeleteChannel], 20), (Vec::new(), 80)];
    let mut outcomes = Vec::new();
    for (acts, size) in ways {
        for protected in [true, false] {
            let attack = Attack {
                who: Who::LowAndSlow,
                acts: acts.clone(),
                rate: 1.0 / 300.0,
                size,
                protected,
                judged: protected,
            };
            outcomes.extend(run_beside(platform, ground, vec![attack]).await?);
        }
    }
    Ok(outcomes)
}

/// Has every attack that nothing stopped happen again before the original's design, on a database of
/// its own, with the delays that the same run saw.
async fn before_the_original(outcomes: &[Outcome]) -> Result<(Vec<Option<u64>>, Vec<u64>)> {
    let middle = |one: fn(&Times) -> Option<u64>| {
        let mut seen = times_of(outcomes.iter(), one);
        seen.sort_unstable();
        seen.get(seen.len() / 2).map_or(0.0, |ms| *ms as f64)
    };
    let around = Around {
        entry: middle(|times| times.entry),
        answer: middle(|times| times.answer),
    };
    let (mut left, mut verdicts) = (Vec::new(), Vec::new());
    for (at, outcome) in outcomes.iter().enumerate() {
        if outcome.attack.protected {
            left.push(None);
            continue;
        }
        let column = match outcome.attack.who {
            Who::Bot | Who::OwnToken => Column::Bot,
            _ => Column::Administrator,
        };
        let directory = tempfile::tempdir()?;
        let options = SqliteConnectOptions::new()
            .filename(directory.path().join("original.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let (guild, limits) = (at as i64, original::default_limits(column, MEMBERS));
        original::prepare_sqlite(&mut connection, std::iter::once(guild), &limits).await?;
        let judge = async |act: &original::Act| {
            let begun = Instant::now();
            let hit = original::judge_on_sqlite(&mut connection, act).await?;
            anyhow::Ok((hit, begun.elapsed().as_secs_f64() * 1000.0))
        };
        // It cannot punish itself.
        let itself = BOT.parse().ok();
        let log = original::entries(&outcome.log, &outcome.report.attackers.ids);
        let replayed = original::replay(guild, &log, around, itself, judge).await?;
        let succeeded = outcome.report.succeeded;
        left.push(Some(succeeded.saturating_sub(replayed.prevented as u64)));
        verdicts.extend(replayed.verdicts.iter().map(|ms| (ms * 1000.0) as u64));
    }
    Ok((left, verdicts))
}

fn percentile(values: &mut [u64], hundredths: usize) -> String {
    values.sort_unstable();
    let place = (values.len() * hundredths).div_ceil(100).saturating_sub(1);
    values.get(place).map_or("–".to_owned(), u64::to_string)
}

fn mean(values: impl ExactSizeIterator<Item = u64>) -> String {
    let count = values.len();
    match count {
        0 => "–".to_owned(),
        _ => format!("{:.1}", values.sum::<u64>() as f64 / count as f64),
    }
}

fn times_of<'a>(
    outcomes: impl Iterator<Item = &'a Outcome>,
    one: fn(&Times) -> Option<u64>,
) -> Vec<u64> {
    let times = outcomes.filter_map(|outcome| outcome.times.as_ref());
    times.filter_map(one).collect()
}

fn show_mixed<'a>(cases: impl Iterator<Item = &'a Case<'a>>) {
    println!(
        "\n| Attackers | acts/s | entry → sent p50, p99 (ms) | act → acknowledged p50, p99 (ms) | acts that succeeded | up to the decision | acts/s × delay | innocents touched | succeeded with protection off | with the original's design | verdict |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let mut groups: BTreeMap<(Who, u64), Vec<&Case>> = BTreeMap::new();
    for case in cases {
        let (who, rate) = (case.0.attack.who, case.0.attack.rate);
        let group = groups.entry((who, (rate * 1000.0) as u64)).or_default();
        group.push(case);
    }
    for ((who, rate), cases) in groups {
        let all = || cases.iter().map(|(outcome, _)| *outcome);
        let on = || all().filter(|o| o.attack.protected);
        let off = || all().filter(|o| !o.attack.protected);
        let succeeded: Vec<u64> = on().map(|o| o.report.succeeded).collect();
        let innocents: u64 = on().map(|o| o.report.innocents.touched).sum();
        let original: Vec<u64> = cases.iter().filter_map(|(_, left)| **left).collect();
        let off: Vec<u64> = off().map(|o| o.report.succeeded).collect();
        let mut sent = times_of(on(), |times| times.sent);
        let acknowledged = times_of(on(), |times| times.acknowledged);
        let before = times_of(on(), |times| Some(times.before));
        let flight = acknowledged.iter().map(|ms| ms * rate / 1_000_000);
        println!(
            "| {} | {} | {}, {} | {}, {} | {} | {} | {} | {innocents} | {} | {} | {} |",
            who.name(),
            rate as f64 / 1000.0,
            percentile(&mut sent.clone(), 50),
            percentile(&mut sent, 99),
            percentile(&mut acknowledged.clone(), 50),
            percentile(&mut acknowledged.clone(), 99),
            mean(succeeded.into_iter()),
            mean(before.into_iter()),
            mean(flight.collect::<Vec<_>>().into_iter()),
            mean(off.into_iter()),
            mean(original.into_iter()),
            verdicts(on()),
        );
    }
}

/// How many held, of all that were judged.
fn verdicts<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> String {
    let all: Vec<_> = outcomes.filter_map(|one| one.verdict.as_ref()).collect();
    let held = all.iter().filter(|verdict| verdict.holds()).count();
    match held == all.len() {
        true => "held".to_owned(),
        false => format!("FAILED {} of {}", all.len() - held, all.len()),
    }
}

/// One row for each act: what succeeded, with protection, without, and with the original's design.
fn show_alone(alone: &[Case<'_>]) {
    let head: Vec<String> = RATES.iter().map(|(rate, _)| format!("{rate}/s")).collect();
    println!(
        "\n| Alone, one account: succeeded (with protection off; with the original's design) | {} | verdict |",
        head.join(" | ")
    );
    println!("|---|{}", "---|".repeat(RATES.len() + 1));
    for act in ALONE {
        let cells = RATES.iter().map(|(rate, _)| {
            let of = |protected| {
                let mut found = alone.iter().filter(|(o, _)| {
                    o.attack.acts.last() == Some(&act)
                        && o.attack.protected == protected
                        && (o.attack.rate - rate).abs() < f64::EPSILON
                });
                found.next()
            };
            let (on, off) = (of(true), of(false));
            let succeeded = |case: Option<&Case<'_>>| case.map_or(0, |(o, _)| o.report.succeeded);
            let original = off.and_then(|(_, left)| **left).unwrap_or(0);
            format!("{} ({}; {original})", succeeded(on), succeeded(off))
        });
        let cells: Vec<String> = cells.collect();
        let name = serde_json::to_value(act).unwrap_or_default();
        let name = name.as_str().unwrap_or_default().to_owned();
        let of_it = alone
            .iter()
            .filter(|(o, _)| o.attack.acts.last() == Some(&act));
        let verdict = verdicts(of_it.map(|(outcome, _)| *outcome));
        println!("| {name} | {} | {verdict} |", cells.join(" | "));
    }
}

fn show_all<'a>(outcomes: impl Iterator<Item = &'a Outcome> + Clone) {
    let mut sent = times_of(outcomes.clone(), |times| times.sent);
    let mut acknowledged = times_of(outcomes.clone(), |times| times.acknowledged);
    let innocents: u64 = outcomes.map(|o| o.report.innocents.touched).sum();
    println!("\n| All attacks with protection on | p50 | p99 |\n|---|---|---|");
    for (name, times) in [
        ("entry → sent (ms)", &mut sent),
        ("act → acknowledged (ms)", &mut acknowledged),
    ] {
        let (middle, most) = (percentile(times, 50), percentile(times, 99));
        println!("| {name}, {} incidents | {middle} | {most} |", times.len());
    }
    println!("| innocents touched | {innocents} | |");
}
