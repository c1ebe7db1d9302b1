//! Raids by the sandbox's casts, each on a server of its own and answered by one press, and a verdict on
//! what became of them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use splashtail_sandbox::control::types::{DrillKind, DrillReport, DrillState, NewDrill, RaidStyle};
use splashtail_sandbox_world::journal::{Entry, Record};

use crate::attack::{Ground, eventually, say};
use crate::backups::{self, OWNER};
use crate::platform::Platform;

const LOOK: Duration = Duration::from_millis(500);
/// Nothing changes for so many looks: the bot is done.
const QUIET: u32 = 20;
/// The drill is ended by whoever watches it.
const WATCH_MS: u64 = 600_000;
/// Bans of one call (Discord documentation, "Bulk Guild Ban").
const TOGETHER: u64 = 200;
/// Whoever waits for a ban waits no longer, in seconds.
const WAITS: f64 = 5.0;

/// One raid.
#[derive(Debug, Clone, Copy)]
pub struct Raid {
    pub style: RaidStyle,
    pub size: u32,
    /// Accounts a second.
    pub rate: f64,
    /// Harmless people who come at the same time.
    pub wave: u32,
}

/// What became of it.
#[derive(Debug)]
pub struct Outcome {
    pub raid: Raid,
    pub report: DrillReport,
    /// Somebody was shown a raid and pressed the button.
    pub pressed: bool,
    /// Changing calls of the bot on this server, by method and route.
    pub calls: BTreeMap<String, u64>,
}

/// What a raid broke of what is promised; empty: nothing.
#[derive(Debug, Default)]
pub struct Verdict(pub Vec<String>);

impl Verdict {
    #[must_use]
    pub fn holds(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl Outcome {
    /// Calls to ban, of many or of one.
    #[must_use]
    pub fn bans(&self) -> u64 {
        let bans = self.calls.iter().filter(|(call, _)| call.contains("ban"));
        bans.map(|(_, count)| *count).sum()
    }

    /// Judges what docs/raids.md promises of fresh accounts. Of others only innocents count: they are held
    /// and judged by what they write.
    #[must_use]
    pub fn judge(&self) -> Verdict {
        let mut broken = Vec::new();
        let (raid, report) = (self.raid, &self.report);
        let innocents = &report.innocents;
        let came = u64::from(innocents.arrived);
        if innocents.banned * 100 > came * 2 + 100 {
            broken.push(format!("{} of {came} innocents banned", innocents.banned));
        }
        if innocents.timed_out * 100 > came * 8 + 100 {
            broken.push(format!("{} of {came} innocents held", innocents.timed_out));
        }
        if raid.style == RaidStyle::Fresh {
            if !self.pressed {
                broken.push("no raid was shown".to_owned());
            }
            let left = report.attackers.in_guild;
            if left > (raid.size / 4).max(5) {
                broken.push(format!("{left} of {} raiders are still in", raid.size));
            }
            let most = u64::from(raid.size) / TOGETHER
                + (f64::from(raid.size) / raid.rate / WAITS) as u64
                + 2;
            if self.bans() > most {
                broken.push(format!("{} calls to ban, {most} at most", self.bans()));
            }
        }
        Verdict(broken)
    }
}

/// Plays a raid to its end: the staff has raids asked about, and bans as soon as it is asked.
///
/// # Errors
/// The platform does not work.
pub async fn play(platform: &Platform, ground: &Ground<'_>, raid: Raid) -> Result<Outcome> {
    let guild = ground.server().await?;
    let channels = backups::discord(platform, &format!("/guilds/{guild}/channels")).await?;
    let mut channels = channels.as_array().into_iter().flatten();
    let text = channels.find(|channel| channel["type"] == 0);
    let alerts = text.and_then(|channel| channel["id"].as_str());
    let alerts = alerts.context("a server has a channel")?.to_owned();
    let there = json!({"channel": alerts});
    let said = say(platform, &guild, OWNER, "raid alerts", there).await?;
    ensure!(said.contains("Alerts go to"), "{said}");
    // Choices are numbered.
    let said = say(platform, &guild, OWNER, "raid mode", json!({"mode": 2})).await?;
    ensure!(said.contains("On:"), "{said}");
    let since = platform.control.journal(0).await?;
    let since = since.last().map_or(0, |entry| entry.seq);

    let order = NewDrill {
        size: Some(raid.size),
        rate: Some(raid.rate),
        style: Some(raid.style),
        wave: Some(raid.wave),
        watch_ms: Some(WATCH_MS),
        ..NewDrill::new(DrillKind::Raid, &guild)
    };
    let drill = platform.control.start_drill(&order).await?.id;
    let asked = || async {
        let report = platform.control.drill(drill, 0).await.ok()?;
        let button = button(platform, &alerts).await;
        let is_over = report.state != DrillState::Attacking;
        // All have come, and nobody is asked.
        (button.is_some() || is_over).then_some(button)
    };
    let asked = eventually("a raid is shown", asked).await?;
    let pressed = asked.is_some();
    if let Some((card, label)) = asked {
        backups::press(platform, &guild, OWNER, &card, &label).await?;
    }
    quiet(platform, drill).await?;
    let report = platform.control.stop_drill(drill).await?;
    let journal = platform.control.journal(since).await?;
    Ok(Outcome {
        raid,
        report,
        pressed,
        calls: calls(&journal, &guild),
    })
}

/// The newest card with a button to ban, and how that is labelled.
async fn button(platform: &Platform, channel: &str) -> Option<(Value, String)> {
    let path = format!("/channels/{channel}/messages?limit=10");
    let messages = backups::discord(platform, &path).await.ok()?;
    messages.as_array()?.iter().find_map(|card| {
        let buttons = card["components"][0]["components"].as_array()?;
        let mut labels = buttons.iter().filter_map(|button| button["label"].as_str());
        let label = labels.find(|label| label.starts_with("Ban "))?.to_owned();
        Some((card.clone(), label))
    })
}

/// Waits until all have come and neither raiders nor what is done to them change any more.
async fn quiet(platform: &Platform, drill: u64) -> Result<()> {
    let (mut before, mut equal) = (None, 0);
    while equal < QUIET {
        tokio::time::sleep(LOOK).await;
        let report = platform.control.drill(drill, 0).await?;
        if report.state == DrillState::Finished {
            break;
        }
        let is_attacking = report.state == DrillState::Attacking;
        let now = Some((report.attackers, report.defended));
        equal = match before == now && !is_attacking {
            true => equal + 1,
            false => 0,
        };
        before = now;
    }
    Ok(())
}

fn calls(journal: &[Entry], guild: &str) -> BTreeMap<String, u64> {
    let mut calls: BTreeMap<String, u64> = BTreeMap::new();
    for entry in journal {
        let Record::Request {
            caller,
            method,
            path,
            route,
            ..
        } = &entry.record
        else {
            continue;
        };
        if caller.kind == "bot" && method != "GET" && path.contains(guild) {
            let route = route.as_deref().unwrap_or(path);
            *calls.entry(format!("{method} {route}")).or_default() += 1;
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(kind: &'static str, method: &str, path: &str) -> Entry {
        let entry = json!({"seq": 1, "at_ms": 0, "kind": "request", "caller": {"kind": kind},
            "method": method, "path": path, "route": "/guilds/{guild_id}/bulk-ban", "status": 200});
        serde_json::from_value(entry).unwrap()
    }

    #[test]
    fn only_what_the_bot_changes_here_counts() {
        let journal = [
            call("bot", "POST", "/guilds/5/bulk-ban"),
            call("bot", "POST", "/guilds/5/bulk-ban"),
            call("bot", "GET", "/guilds/5/bans"),
            call("bot", "POST", "/guilds/6/bulk-ban"),
            call("user", "POST", "/guilds/5/bulk-ban"),
        ];
        let calls = calls(&journal, "5");
        let expected = BTreeMap::from([("POST /guilds/{guild_id}/bulk-ban".to_owned(), 2)]);
        assert_eq!(calls, expected);
    }
}
