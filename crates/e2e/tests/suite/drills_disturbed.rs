//! Drills while something else breaks: attackers are stopped and what they did is put back all the same, and
//! nobody is punished twice for one thing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use splashtail_e2e::attack::{BOT, Ground, eventually, punishments};
use splashtail_e2e::drills::{Attack, Outcome, Who, run_disturbed};
use splashtail_e2e::outage::Outage;
use splashtail_e2e::platform::{Engines, Platform, signal};
use splashtail_sandbox_world::faults::{Action, Match, Rule};
use tempfile::TempDir;

/// Who attacks, each a server of their own.
const ATTACKERS: [Who; 3] = [Who::One, Who::Five, Who::Bot];
/// Acts of each after which it is too late to prevent anything and too early for it to be over.
const UNDER_WAY: u64 = 8;
/// So long is the database away.
const OUTAGE: Duration = Duration::from_secs(30);

async fn platform() -> Platform {
    let dir = TempDir::new().unwrap();
    Platform::start(dir, Engines::Embedded, &[]).await.unwrap()
}

async fn drills_hold(platform: &Platform, disturbance: impl Future<Output = Result<()>>) {
    let ground = Ground::level(platform).await.unwrap();
    let attacks = ATTACKERS.map(|who| Attack {
        who,
        acts: Vec::new(),
        rate: 10.0,
        size: 60,
        protected: true,
        judged: true,
    });
    let outcomes = run_disturbed(platform, &ground, attacks.into(), disturbance).await;
    for outcome in outcomes.unwrap() {
        let verdict = outcome.verdict.as_ref().unwrap();
        let (attack, report) = (&outcome.attack, &outcome.report);
        let logs = || platform.logs();
        assert!(
            verdict.holds(),
            "{attack:?}: {verdict}\n{report:?}\n{}",
            logs()
        );
        nothing_is_done_twice(platform, &outcome).await;
    }
}

/// Of the steps against one attacker each took effect at most once.
async fn nothing_is_done_twice(platform: &Platform, outcome: &Outcome) {
    for attacker in &outcome.report.attackers.ids {
        let all = punishments(platform, attacker).await.unwrap();
        let mut done: BTreeMap<&str, usize> = BTreeMap::new();
        for (method, status) in &all {
            *done.entry(method).or_default() += usize::from(*status < 300);
        }
        let twice = done.values().any(|count| *count > 1);
        assert!(!twice, "{:?}: {attacker}: {all:?}", outcome.attack);
    }
}

/// Every attack has begun.
async fn under_way(platform: &Platform) -> Result<()> {
    let begun = || async {
        let drills = platform.control.drills().await.ok()?;
        let begun = drills.iter().filter(|drill| drill.attempted >= UNDER_WAY);
        (begun.count() == ATTACKERS.len()).then_some(())
    };
    eventually("all attacks are under way", begun).await
}

async fn kill_the_clusters(platform: &Platform) -> Result<()> {
    under_way(platform).await?;
    let sessions = || async {
        let sessions = platform.control.sessions().await.ok()?;
        let live = sessions.into_iter().filter(|session| session.connected);
        Some(live.map(|s| s.session_id).collect::<BTreeSet<_>>())
    };
    let lost = sessions().await.context("no sessions")?;
    ensure!(!lost.is_empty(), "nobody is connected");
    for pid in platform.ready.pids.bot.values() {
        signal(*pid, Signal::SIGKILL)?;
    }
    let back = || async {
        let now = sessions().await?;
        (now.len() == lost.len() && now.is_disjoint(&lost)).then_some(())
    };
    eventually("all shards are back", back).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drills_hold_though_every_cluster_is_killed_meanwhile() {
    let platform = platform().await;
    drills_hold(&platform, kill_the_clusters(&platform)).await;
    assert!(platform.stop().await.unwrap().is_empty());
}

async fn drills_hold_in_an_outage(platform: Platform) {
    // It begins before the attacks do.
    let outage = async {
        let outage = Outage::begin(&platform).await?;
        tokio::time::sleep(OUTAGE).await;
        outage.end().await
    };
    drills_hold(&platform, outage).await;
    assert!(platform.stop().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drills_hold_though_nothing_can_be_written_meanwhile() {
    Box::pin(drills_hold_in_an_outage(platform().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs DATABASE_URL and REDIS_URL"]
async fn drills_hold_though_the_database_is_away_meanwhile() {
    let dir = TempDir::new().unwrap();
    let engines = Engines::production(dir.path()).await.unwrap();
    let platform = Platform::start(dir, engines, &[]).await.unwrap();
    Box::pin(drills_hold_in_an_outage(platform)).await;
}

/// An answer to the bot, so many times.
fn answer(
    method: &str,
    route: &str,
    (status, retry_after): (u16, Option<f64>),
    times: u32,
) -> Rule {
    let limited = retry_after.is_some();
    Rule {
        matches: Match {
            method: Some(method.to_owned()),
            route: Some(route.to_owned()),
            token: Some(BOT.to_owned()),
            ..Match::default()
        },
        action: Action::Status {
            status,
            scope: limited.then(|| "user".to_owned()),
            retry_after,
            header_retry_after: None,
            html: !limited,
            body: None,
        },
        times: Some(times),
        probability: 1.0,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drills_hold_though_discord_limits_and_fails_meanwhile() {
    let platform = platform().await;
    let member = "/guilds/{guild_id}/members/{user_id}";
    let role = "/guilds/{guild_id}/roles/{role_id}";
    let rules = [
        answer("PATCH", member, (503, None), 2),
        answer("PATCH", member, (429, Some(8.0)), 2),
        answer("PATCH", role, (429, Some(3.0)), 2),
        answer("PATCH", role, (503, None), 3),
        answer("PUT", "/guilds/{guild_id}/incident-actions", (503, None), 2),
        answer("POST", "/channels/{channel_id}/messages", (503, None), 2),
    ];
    let disturbance = async {
        for rule in &rules {
            platform.control.add_fault(rule).await?;
        }
        anyhow::Ok(())
    };
    drills_hold(&platform, disturbance).await;
    let struck = platform.control.faults().await.unwrap();
    assert!(struck.iter().any(|rule| rule.struck > 0), "{struck:?}");
    assert!(platform.stop().await.unwrap().is_empty());
}
