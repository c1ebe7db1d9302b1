//! Drills against protection: real processes, a simulated Discord that checks every exchange, a server
//! of its own for each attack. Prints tables of Markdown: how fast attackers are stopped, what they
//! achieve until then, and what they achieve where protection is off.
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
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use splashtail_antinuke::Column;
use splashtail_e2e::attack::{BOT, Ground, eventually, incidents, switch_on};
use splashtail_e2e::backups::OWNER;
use splashtail_e2e::original::{self, Around};
use splashtail_e2e::platform::{Engines, Platform};
use splashtail_sandbox::control::types::{
    ActKind, ClockChange, DrillKind, DrillReport, DrillState, NewDrill, Pace,
};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, SqliteConnection};

/// Attacks at the same time, each on a server of its own.
const SIDE_BY_SIDE: usize = 4;
/// Acts a second, and how many acts an attack has.
const RATES: [(f64, u32); 3] = [(5.0, 20), (20.0, 50), (50.0, 80)];
/// Of each attack by everything at once, for its percentiles.
const REPEATS: usize = 5;
/// The sandbox's time that the defence has after the last act.
const WATCH: Duration = Duration::from_secs(2);
const SLOW_WATCH: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(90);
/// Time goes so much faster for who is low and slow.
const HASTE: f64 = 300.0;
/// People on the servers that are attacked, roughly; limits depend on it.
const MEMBERS: u64 = 50;
/// Of the audit log, of a hundred entries each.
const LOG_PAGES: usize = 20;

/// What can be done alone and often.
const ALONE: [ActKind; 24] = [
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
    ActKind::DeleteInvite,
    ActKind::DeleteAutomodRule,
    ActKind::DeleteIntegration,
    ActKind::DisarmBot,
    ActKind::KickBot,
    ActKind::CreateWebhook,
    ActKind::WebhookPost,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    One,
    Two,
    Five,
    Bot,
    OwnToken,
    LowAndSlow,
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::One => "one account",
            Self::Two => "two accounts",
            Self::Five => "five accounts",
            Self::Bot => "the token of another bot",
            Self::OwnToken => "the bot's own token",
            Self::LowAndSlow => "one account, low and slow",
        }
    }
}

#[derive(Debug, Clone)]
struct Attack {
    who: Who,
    acts: Vec<ActKind>,
    rate: f64,
    size: u32,
    protected: bool,
}

/// What became of an attack.
#[derive(Debug)]
struct Outcome {
    attack: Attack,
    report: DrillReport,
    incident: Option<Times>,
    /// What attackers left in the audit log where nothing stopped them.
    log: Vec<original::Entry>,
    /// Acts that would have succeeded against the original's design.
    original: Option<u64>,
}

/// Of the first incident, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// From the deciding entry's arrival until the first call was sent.
    sent: Option<u64>,
    /// From the deciding act itself until the first call was acknowledged.
    acknowledged: Option<u64>,
    /// Acts up to the deciding one.
    before: u64,
    /// From the deciding act until its entry arrived.
    entry: Option<u64>,
    /// From the first call's sending until it was acknowledged.
    answer: Option<u64>,
}

fn main() -> Result<()> {
    // As a test it shows that it compiles.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(drills())
}

async fn drills() -> Result<()> {
    let platform = Platform::start(tempfile::tempdir()?, Engines::Embedded, &[]).await?;
    let ground = Ground::level(&platform).await?;
    let mixed = by_everything(&platform, &ground).await?;
    let alone = one_by_one(&platform, &ground).await?;
    // The clock is everybody's, so this one is alone.
    let slow = slowly(&platform, &ground).await?;
    platform.stop().await?;
    let (mut mixed, mut alone, mut slow) = (mixed, alone, slow);
    let mut verdicts = Vec::new();
    for outcomes in [&mut mixed, &mut alone, &mut slow] {
        verdicts.extend(before_the_original(outcomes).await?);
    }
    show_mixed(&mixed, &slow);
    show_alone(&alone);
    show_all(mixed.iter().chain(&alone));
    println!(
        "| one verdict of the original's design (µs), {} acts | {} | {} |",
        verdicts.len(),
        percentile(&mut verdicts.clone(), 50),
        percentile(&mut verdicts, 99)
    );
    Ok(())
}

async fn run_all(
    platform: &Platform,
    ground: &Ground<'_>,
    attacks: Vec<Attack>,
) -> Result<Vec<Outcome>> {
    let all = attacks.len();
    let running = attacks
        .into_iter()
        .map(|attack| run(platform, ground, attack));
    let mut running = stream::iter(running).buffer_unordered(SIDE_BY_SIDE);
    let mut outcomes = Vec::with_capacity(all);
    while let Some(outcome) = running.next().await {
        outcomes.push(outcome?);
        eprint!("\r{} of {all} drills", outcomes.len());
    }
    eprintln!();
    Ok(outcomes)
}

fn is_short() -> bool {
    std::env::var_os("DRILLS_SHORT").is_some()
}

async fn by_everything(platform: &Platform, ground: &Ground<'_>) -> Result<Vec<Outcome>> {
    let mut attacks = Vec::new();
    for who in [Who::One, Who::Two, Who::Five, Who::Bot, Who::OwnToken] {
        for (rate, size) in RATES {
            let attack = |protected| Attack {
                who,
                acts: Vec::new(),
                rate,
                size,
                protected,
            };
            attacks.extend(std::iter::repeat_n(attack(true), REPEATS));
            attacks.push(attack(false));
        }
    }
    if is_short() {
        attacks.retain(|attack| attack.rate > 20.0);
        attacks.dedup_by_key(|attack| (attack.who, attack.protected));
    }
    run_all(platform, ground, attacks).await
}

async fn one_by_one(platform: &Platform, ground: &Ground<'_>) -> Result<Vec<Outcome>> {
    let mut attacks = Vec::new();
    for act in ALONE {
        for (rate, size) in RATES {
            for protected in [true, false] {
                attacks.push(Attack {
                    who: Who::One,
                    acts: vec![act],
                    rate,
                    size: size.min(30),
                    protected,
                });
            }
        }
    }
    if is_short() {
        attacks.truncate(6);
    }
    run_all(platform, ground, attacks).await
}

async fn slowly(platform: &Platform, ground: &Ground<'_>) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for protected in [true, false] {
        let attack = Attack {
            who: Who::LowAndSlow,
            acts: vec![ActKind::DeleteChannel],
            rate: 1.0 / 300.0,
            size: 20,
            protected,
        };
        outcomes.push(run(platform, ground, attack).await?);
    }
    Ok(outcomes)
}

async fn hasten(platform: &Platform, rate: f64) -> Result<()> {
    let change = ClockChange {
        rate: Some(rate),
        ..ClockChange::default()
    };
    platform.control.clock(&change).await?;
    Ok(())
}

async fn run(platform: &Platform, ground: &Ground<'_>, attack: Attack) -> Result<Outcome> {
    let guild = ground.server().await?;
    if attack.protected {
        switch_on(platform, &guild).await?;
    }
    let slow = attack.who == Who::LowAndSlow;
    let kind = match attack.who {
        Who::Bot | Who::OwnToken => DrillKind::TokenLeak,
        _ => DrillKind::Nuke,
    };
    let order = NewDrill {
        size: Some(attack.size),
        rate: Some(attack.rate),
        actors: match attack.who {
            Who::Two => Some(2),
            Who::Five => Some(5),
            _ => None,
        },
        own_token: attack.who == Who::OwnToken,
        pace: slow.then_some(Pace::Slow),
        acts: attack.acts.clone(),
        watch_ms: Some(
            if slow { SLOW_WATCH } else { WATCH }
                .as_millis()
                .try_into()?,
        ),
        ..NewDrill::new(kind, &guild)
    };
    if slow {
        // Commands and their deadlines follow the clock: they are over.
        hasten(platform, HASTE).await?;
    }
    let id = platform.control.start_drill(&order).await?.id;
    let finished = async {
        loop {
            let report = platform.control.drill(id, 500).await?;
            if report.state == DrillState::Finished {
                return anyhow::Ok(report);
            }
        }
    };
    let report = tokio::time::timeout(PATIENCE, finished).await;
    if slow {
        hasten(platform, 1.0).await?;
    }
    let report = report.with_context(|| format!("{attack:?} does not end"))??;
    let mut incident = None;
    if attack.protected && report.succeeded > 0 {
        incident = written(platform, &guild, &report).await;
    }
    let mut log = Vec::new();
    if !attack.protected {
        let raw = audit_log(platform, &guild).await?;
        log = original::entries(&raw, &report.attackers.ids);
    }
    Ok(Outcome {
        attack,
        report,
        incident,
        log,
        original: None,
    })
}

/// All that the log of a server has, the newest first.
async fn audit_log(platform: &Platform, guild: &str) -> Result<Vec<Value>> {
    let mut all: Vec<Value> = Vec::new();
    for _ in 0..LOG_PAGES {
        let before = all.last().and_then(|entry| entry["id"].as_str());
        let before = before.map_or(String::new(), |id| format!("&before={id}"));
        let path = format!("/guilds/{guild}/audit-logs?limit=100{before}");
        let page = loop {
            let answer = platform
                .control
                .rest(OWNER, "GET", &path, Value::Null)
                .await?;
            match answer.status {
                200 => break answer.body,
                429 => {
                    let wait = answer.body["retry_after"].as_f64().unwrap_or(1.0);
                    tokio::time::sleep(Duration::from_secs_f64(wait)).await;
                }
                status => anyhow::bail!("{path}: {status}"),
            }
        };
        let page = page["audit_log_entries"].as_array().cloned();
        let page = page.unwrap_or_default();
        let is_last = page.len() < 100;
        all.extend(page);
        if is_last {
            break;
        }
    }
    Ok(all)
}

/// Has every attack that nothing stopped happen again before the original's design, on a database of
/// its own, with the delays that the same run saw.
async fn before_the_original(outcomes: &mut [Outcome]) -> Result<Vec<u64>> {
    let middle = |one: fn(&Times) -> Option<u64>| {
        let mut seen = times_of(outcomes.iter(), one);
        seen.sort_unstable();
        seen.get(seen.len() / 2).map_or(0.0, |ms| *ms as f64)
    };
    let around = Around {
        entry: middle(|times| times.entry),
        answer: middle(|times| times.answer),
    };
    let mut verdicts = Vec::new();
    for (at, outcome) in outcomes.iter_mut().enumerate() {
        if outcome.attack.protected {
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
        let replayed = original::replay(guild, &outcome.log, around, itself, judge).await?;
        let succeeded = outcome.report.succeeded;
        outcome.original = Some(succeeded.saturating_sub(replayed.prevented as u64));
        verdicts.extend(replayed.verdicts.iter().map(|ms| (ms * 1000.0) as u64));
    }
    Ok(verdicts)
}

/// The first incident of a server, once it is on disk; none where there was nothing to stop.
async fn written(platform: &Platform, guild: &str, report: &DrillReport) -> Option<Times> {
    if report.times.first_defence_ms.is_none() {
        return incidents(platform, guild).await.ok()?.first().map(times);
    }
    let look = || async {
        let all = incidents(platform, guild).await.ok()?;
        let first = all.first()?;
        first["times"]["acknowledged"]
            .is_u64()
            .then(|| times(first))
    };
    let waited = tokio::time::timeout(
        Duration::from_secs(5),
        eventually("the incident is on disk", look),
    );
    waited.await.ok()?.ok()
}

fn times(incident: &Value) -> Times {
    let times = &incident["times"];
    let between = |from: &str, to: &str| {
        let (from, to) = (times[from].as_u64()?, times[to].as_u64()?);
        Some(to.saturating_sub(from))
    };
    let act = times["act"].as_u64();
    let acts = incident["acts"].as_array().into_iter().flatten();
    Times {
        sent: between("received", "sent"),
        acknowledged: between("act", "acknowledged"),
        before: acts.filter(|one| one["at"].as_u64() <= act).count() as u64,
        entry: between("act", "received"),
        answer: between("sent", "acknowledged"),
    }
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
    let times = outcomes.filter_map(|outcome| outcome.incident.as_ref());
    times.filter_map(one).collect()
}

fn show_mixed(mixed: &[Outcome], slow: &[Outcome]) {
    println!(
        "\n| Attackers | acts/s | entry → sent p50, p99 (ms) | act → acknowledged p50, p99 (ms) | acts that succeeded | up to the decision | acts/s × delay | innocents touched | succeeded with protection off | with the original's design |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut groups: BTreeMap<(Who, u64), Vec<&Outcome>> = BTreeMap::new();
    for outcome in mixed.iter().chain(slow) {
        let rate = (outcome.attack.rate * 1000.0) as u64;
        let group = groups.entry((outcome.attack.who, rate)).or_default();
        group.push(outcome);
    }
    for ((who, rate), outcomes) in groups {
        let on = || outcomes.iter().copied().filter(|o| o.attack.protected);
        let off = || outcomes.iter().filter(|o| !o.attack.protected);
        let succeeded: Vec<u64> = on().map(|o| o.report.succeeded).collect();
        let innocents: u64 = on().map(|o| o.report.innocents.touched).sum();
        let original: Vec<u64> = off().filter_map(|o| o.original).collect();
        let off: Vec<u64> = off().map(|o| o.report.succeeded).collect();
        let mut sent = times_of(on(), |times| times.sent);
        let acknowledged = times_of(on(), |times| times.acknowledged);
        let before = times_of(on(), |times| Some(times.before));
        let flight = acknowledged.iter().map(|ms| ms * rate / 1_000_000);
        println!(
            "| {} | {} | {}, {} | {}, {} | {} | {} | {} | {innocents} | {} | {} |",
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
        );
    }
}

/// One row for each act: what succeeded, with protection, without, and with the original's design.
fn show_alone(alone: &[Outcome]) {
    let head: Vec<String> = RATES.iter().map(|(rate, _)| format!("{rate}/s")).collect();
    println!(
        "\n| Alone, one account: succeeded (with protection off; with the original's design) | {} |",
        head.join(" | ")
    );
    println!("|---|{}", "---|".repeat(RATES.len()));
    for act in ALONE {
        let cells = RATES.iter().map(|(rate, _)| {
            let of = |protected| {
                let mut found = alone.iter().filter(|o| {
                    o.attack.acts == [act]
                        && o.attack.protected == protected
                        && (o.attack.rate - rate).abs() < f64::EPSILON
                });
                found.next()
            };
            let (on, off) = (of(true), of(false));
            let succeeded = |o: Option<&Outcome>| o.map_or(0, |o| o.report.succeeded);
            let original = off.and_then(|o| o.original).unwrap_or(0);
            format!("{} ({}; {original})", succeeded(on), succeeded(off))
        });
        let cells: Vec<String> = cells.collect();
        let name = serde_json::to_value(act).unwrap_or_default();
        let name = name.as_str().unwrap_or_default().to_owned();
        println!("| {name} | {} |", cells.join(" | "));
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
