//! Raids against the whole system: real processes, a simulated Discord, believable casts. Prints a table of
//! Markdown: how soon something is done, how many raiders are left, what happened to innocents, and the
//! calls that it took. When a raid broke what docs/raids.md promises, the bench ends with status 1.
//!
//! Build the binaries first and name their place in `SPLASHTAIL_BIN_DIR`. `DRILLS_SHORT=1` plays the
//! smallest alone.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its figures are its output"
)]

use std::process::ExitCode;

use anyhow::Result;
use splashtail_e2e::attack::Ground;
use splashtail_e2e::platform::{Engines, Platform};
use splashtail_e2e::raids::{Outcome, Raid, play};
use splashtail_sandbox::control::types::RaidStyle;

/// Accounts, and how many come a second: slow and fast.
const SIZES: [(u32, [f64; 2]); 3] = [(10, [1.0, 5.0]), (100, [2.0, 10.0]), (1000, [10.0, 50.0])];
const STYLES: [(RaidStyle, &str); 3] = [
    (RaidStyle::Fresh, "fresh"),
    (RaidStyle::Batch, "bought in one lot"),
    (RaidStyle::Aged, "taken over"),
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
    let directory = tempfile::tempdir()?;
    let platform = Platform::start_with(directory, Engines::Embedded, "").await?;
    let ground = Ground::level(&platform).await?;
    let is_short = std::env::var_os("DRILLS_SHORT").is_some();
    println!(
        "\n| Raid | accounts | a second | harmless people | first step after (ms) | raiders came in | still in | innocents banned, held, turned away | calls | of these bans | verdict |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let mut failed = Vec::new();
    for (style, name) in STYLES {
        for (size, rates) in SIZES {
            for (rate, wave) in rates
                .into_iter()
                .flat_map(|rate| [(rate, 0), (rate, size / 5)])
            {
                if is_short && (size > 10 || wave > 0) {
                    continue;
                }
                let raid = Raid {
                    style,
                    size,
                    rate,
                    wave,
                };
                let outcome = play(&platform, &ground, raid).await?;
                show(name, &outcome);
                let verdict = outcome.judge();
                if !verdict.holds() {
                    failed.push(format!("{name}, {size} at {rate}/s: {verdict}"));
                }
            }
        }
    }
    platform.stop().await?;
    for why in &failed {
        println!("\n{why}");
    }
    Ok(match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn show(name: &str, outcome: &Outcome) {
    let (raid, report) = (outcome.raid, &outcome.report);
    let innocents = &report.innocents;
    let first = report.times.first_defence_ms;
    let verdict = match outcome.judge().holds() {
        true => "held",
        false => "FAILED",
    };
    println!(
        "| {name} | {} | {} | {} | {} | {} | {} | {}, {}, {} | {} | {} | {verdict} |",
        raid.size,
        raid.rate,
        raid.wave,
        first.map_or("–".to_owned(), |ms| ms.to_string()),
        report
            .achieved
            .get(&splashtail_sandbox::control::types::Damage::MembersJoined)
            .copied()
            .unwrap_or_default(),
        report.attackers.in_guild,
        innocents.banned,
        innocents.timed_out,
        innocents.turned_away,
        outcome.calls.values().sum::<u64>(),
        outcome.bans(),
    );
}
