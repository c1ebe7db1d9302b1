//! Drills against protection: an attack on a server of its own, and a verdict on what became of it.

mod mend;
mod normal;
mod verdict;

use std::future::ready;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::future::{try_join, try_join_all};
use serde_json::{Value, json};
use splashtail_sandbox::control::types::{
    ActKind, ClockChange, DrillKind, DrillReport, DrillState, NewDrill, Pace,
};
use splashtail_sandbox::portrait::Portrait;

pub use verdict::Verdict;

use crate::attack::{Ground, eventually, incidents, say, switch_on};
use crate::backups::{self, OWNER};
use crate::platform::Platform;
use crate::portrait::portrait;

/// The sandbox's time that the defence has after the last act.
const WATCH: Duration = Duration::from_secs(2);
const SLOW_WATCH: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(240);
/// Time goes so much faster for who is low and slow.
const HASTE: f64 = 300.0;
/// Of the audit log, of a hundred entries each.
const LOG_PAGES: usize = 20;

/// Who attacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    One,
    Moderator,
    Two,
    Five,
    FiveModerators,
    Bot,
    OwnToken,
    LowAndSlow,
}

impl Who {
    pub const ALL: [Self; 8] = [
        Self::One,
        Self::Moderator,
        Self::Two,
        Self::Five,
        Self::FiveModerators,
        Self::Bot,
        Self::OwnToken,
        Self::LowAndSlow,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::One => "one administrator",
            Self::Moderator => "one moderator",
            Self::Two => "two administrators",
            Self::Five => "five administrators",
            Self::FiveModerators => "five moderators",
            Self::Bot => "the token of another bot",
            Self::OwnToken => "the bot's own token",
            Self::LowAndSlow => "one administrator, low and slow",
        }
    }

    /// People, when they are several.
    const fn actors(self) -> Option<u32> {
        match self {
            Self::Two => Some(2),
            Self::Five | Self::FiveModerators => Some(5),
            _ => None,
        }
    }

    const fn are_moderators(self) -> bool {
        matches!(self, Self::Moderator | Self::FiveModerators)
    }

    const fn is_slow(self) -> bool {
        matches!(self, Self::LowAndSlow)
    }
}

/// One attack.
#[derive(Debug, Clone)]
pub struct Attack {
    pub who: Who,
    /// In turn; empty: everything.
    pub acts: Vec<ActKind>,
    /// Acts a second.
    pub rate: f64,
    pub size: u32,
    pub protected: bool,
    /// A verdict on what protection did is wanted.
    pub judged: bool,
}

impl Attack {
    /// Of what it deletes the bytes are in a backup or nowhere.
    fn takes_pictures(&self) -> bool {
        let mut acts = self.acts.iter();
        acts.any(|act| matches!(act, ActKind::DeleteEmoji | ActKind::DeleteSticker))
    }
}

/// What became of an attack.
#[derive(Debug)]
pub struct Outcome {
    pub attack: Attack,
    pub report: DrillReport,
    /// Of the first incident.
    pub times: Option<Times>,
    /// The audit log, the newest entry first.
    pub log: Vec<Value>,
    /// Where it is wanted.
    pub verdict: Option<Verdict>,
}

/// Of an incident, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// From the deciding entry's arrival until the first call was sent.
    pub sent: Option<u64>,
    /// From the deciding act itself until the first call was acknowledged.
    pub acknowledged: Option<u64>,
    /// Acts up to the deciding one.
    pub before: u64,
    /// From the deciding act until its entry arrived.
    pub entry: Option<u64>,
    /// From the first call's sending until it was acknowledged.
    pub answer: Option<u64>,
}

impl Times {
    fn of(incident: &Value) -> Self {
        let times = &incident["times"];
        let between = |from: &str, to: &str| {
            let (from, to) = (times[from].as_u64()?, times[to].as_u64()?);
            Some(to.saturating_sub(from))
        };
        let act = times["act"].as_u64();
        let acts = incident["acts"].as_array().into_iter().flatten();
        Self {
            sent: between("received", "sent"),
            acknowledged: between("act", "acknowledged"),
            before: acts.filter(|one| one["at"].as_u64() <= act).count() as u64,
            entry: between("act", "received"),
            answer: between("sent", "acknowledged"),
        }
    }
}

/// A server that waits for its attack.
struct Scene {
    attack: Attack,
    guild: String,
    /// Where alerts go.
    alerts: String,
    /// What the server looks like, where that is judged by.
    before: Option<Portrait>,
}

impl Scene {
    async fn set(platform: &Platform, ground: &Ground<'_>, attack: Attack) -> Result<Self> {
        let guild = ground.server().await?;
        let list = mend::asked(platform, &format!("/guilds/{guild}/channels")).await?;
        let texts = list.as_array().into_iter().flatten();
        let texts = texts.filter(|channel| channel["type"] == 0);
        // What is deleted first stands above.
        let last = texts.max_by_key(|channel| channel["position"].as_i64());
        let alerts = last.and_then(|channel| channel["id"].as_str());
        let alerts = alerts.context("a server has a channel")?.to_owned();
        if attack.protected {
            let there = json!({"channel": alerts});
            let said = say(platform, &guild, OWNER, "protection alerts", there).await?;
            anyhow::ensure!(said.contains("Alerts go to"), "{said}");
            switch_on(platform, &guild).await?;
        }
        if attack.judged && attack.takes_pictures() {
            let backup = backups::create(platform, &guild, OWNER, json!({})).await?;
            backups::finished(platform, &backup).await?;
        }
        let before = match attack.judged {
            true => Some(portrait(platform, &guild).await),
            false => None,
        };
        Ok(Self {
            attack,
            guild,
            alerts,
            before,
        })
    }

    /// The attack, to its end.
    async fn play(&self, platform: &Platform) -> Result<DrillReport> {
        let attack = &self.attack;
        let slow = attack.who.is_slow();
        let kind = match attack.who {
            Who::Bot | Who::OwnToken => DrillKind::TokenLeak,
            _ => DrillKind::Nuke,
        };
        let watch = if slow { SLOW_WATCH } else { WATCH };
        let order = NewDrill {
            size: Some(attack.size),
            rate: Some(attack.rate),
            actors: attack.who.actors(),
            moderators: attack.who.are_moderators(),
            own_token: attack.who == Who::OwnToken,
            pace: slow.then_some(Pace::Slow),
            acts: attack.acts.clone(),
            watch_ms: Some(watch.as_millis().try_into()?),
            ..NewDrill::new(kind, &self.guild)
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
        report.with_context(|| format!("{attack:?} does not end"))?
    }

    /// What became of it.
    async fn judge(self, platform: &Platform, report: DrillReport) -> Result<Outcome> {
        let guild = self.guild.as_str();
        let mut times = None;
        if self.attack.protected && report.succeeded > 0 {
            times = written(platform, guild, &report).await;
        }
        let log = audit_log(platform, guild).await?;
        let verdict = match &self.before {
            Some(before) => {
                let case = verdict::Case {
                    platform,
                    guild,
                    alerts: &self.alerts,
                    attack: &self.attack,
                    report: &report,
                    log: &log,
                    before,
                };
                Some(case.judge().await?)
            }
            None => None,
        };
        Ok(Outcome {
            attack: self.attack,
            report,
            times,
            log,
            verdict,
        })
    }
}

/// Attacks at the same time, each on a server of its own.
///
/// # Errors
/// The platform does not work.
pub async fn run_beside(
    platform: &Platform,
    ground: &Ground<'_>,
    attacks: Vec<Attack>,
) -> Result<Vec<Outcome>> {
    run_disturbed(platform, ground, attacks, ready(Ok(()))).await
}

/// The same while something else goes on, which begins with the attacks and is over before it is judged
/// what became of them.
///
/// # Errors
/// The platform does not work, or the disturbance does not.
pub async fn run_disturbed(
    platform: &Platform,
    ground: &Ground<'_>,
    attacks: Vec<Attack>,
    disturbance: impl Future<Output = Result<()>>,
) -> Result<Vec<Outcome>> {
    let attacks = attacks.into_iter();
    let set = attacks.map(|attack| Scene::set(platform, ground, attack));
    let scenes = try_join_all(set).await?;
    let played = try_join_all(scenes.iter().map(|scene| scene.play(platform)));
    let (reports, ()) = try_join(played, disturbance).await?;
    let played = scenes.into_iter().zip(reports);
    try_join_all(played.map(|(scene, report)| scene.judge(platform, report))).await
}

async fn hasten(platform: &Platform, rate: f64) -> Result<()> {
    let change = ClockChange {
        rate: Some(rate),
        ..ClockChange::default()
    };
    platform.control.clock(&change).await?;
    Ok(())
}

/// All that the log of a server has, the newest first.
async fn audit_log(platform: &Platform, guild: &str) -> Result<Vec<Value>> {
    let mut all: Vec<Value> = Vec::new();
    for _ in 0..LOG_PAGES {
        let before = all.last().and_then(|entry| entry["id"].as_str());
        let before = before.map_or(String::new(), |id| format!("&before={id}"));
        let path = format!("/guilds/{guild}/audit-logs?limit=100{before}");
        let page = mend::asked(platform, &path).await?;
        let Some(page) = page["audit_log_entries"].as_array() else {
            bail!("{path}: {page}");
        };
        all.extend(page.iter().cloned());
        if page.len() < 100 {
            break;
        }
    }
    Ok(all)
}

/// The times of a server's first incident, once it is on disk; none where there was nothing to stop.
async fn written(platform: &Platform, guild: &str, report: &DrillReport) -> Option<Times> {
    const LOOK: Duration = Duration::from_secs(5);
    if report.times.first_defence_ms.is_none() {
        return incidents(platform, guild)
            .await
            .ok()?
            .first()
            .map(Times::of);
    }
    let look = || async {
        let all = incidents(platform, guild).await.ok()?;
        let first = all.first()?;
        let acknowledged = first["times"]["acknowledged"].is_u64();
        acknowledged.then(|| Times::of(first))
    };
    let waited = tokio::time::timeout(LOOK, eventually("the incident is on disk", look));
    waited.await.ok()?.ok()
}
