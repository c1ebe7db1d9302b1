//! Whether protection did what it promises.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use splashtail_sandbox::control::types::{ActKind, DrillReport};
use splashtail_sandbox::portrait::{Portrait, Sight};

use super::normal::{Count, INSTANT, counts};
use super::{Attack, Who, mend};
use crate::attack::{BOT, incidents};
use crate::backups::OWNER;
use crate::platform::Platform;
use crate::portrait::differences;

/// For the last of many calls, and for what is written down behind them.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);
/// With one of these somebody can do harm: kick, ban, administrator, and managing channels, the server,
/// roles, webhooks and members.
const POWER: u64 = 0x100_3000_003e;
/// Steps that stop somebody.
const CONTAINING: [&str; 5] = ["take_roles", "kick", "ban", "hold_bot", "disarm_role"];
/// Differences that are quoted.
const QUOTED: usize = 4;

/// What protection failed to do.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub faults: Vec<String>,
}

impl Verdict {
    #[must_use]
    pub fn holds(&self) -> bool {
        self.faults.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.holds() {
            true => f.write_str("held"),
            false => write!(f, "FAILED: {}", self.faults.join("; ")),
        }
    }
}

/// An attack that is over, and all that tells of it.
pub(super) struct Case<'a> {
    pub platform: &'a Platform,
    pub guild: &'a str,
    pub alerts: &'a str,
    pub attack: &'a Attack,
    pub report: &'a DrillReport,
    pub log: &'a [Value],
    /// The server before the attack.
    pub before: &'a Portrait,
}

impl Case<'_> {
    pub async fn judge(&self) -> Result<Verdict> {
        let mut faults = Vec::new();
        if self.report.attempted == 0 {
            faults.push("nobody did anything".to_owned());
        }
        let bot = format!("/guilds/{}/members/{BOT}", self.guild);
        let is_in = self.status(&bot).await? == 200;
        if self.attack.who == Who::OwnToken {
            self.told("self_token", &mut faults).await?;
        } else if self.attack.acts.contains(&ActKind::DisarmBot) {
            self.told("", &mut faults).await?;
        } else if is_in {
            let counted = counts(self.log, self.attack.who, &self.report.attackers.ids);
            let stopped = self.stopped(&counted, &mut faults).await?;
            if stopped {
                let incidents = self.settled().await?;
                faults.extend(losses(&counted, self.attack, &incidents));
                let meant = self.meant(&incidents);
                // Jobs go by the host's clock, of which the sandbox's is hours ahead then.
                if !self.attack.who.is_slow() {
                    self.mended(&meant, &mut faults).await?;
                }
            }
        } else if !self.removes_bot() {
            faults.push("the bot is gone".to_owned());
        }
        let innocents = self.report.innocents.touched;
        if innocents > 0 {
            faults.push(format!("innocents touched: {innocents}"));
        }
        Ok(Verdict { faults })
    }

    fn removes_bot(&self) -> bool {
        let acts = self.attack.acts.iter();
        let mut acts = acts.filter(|a| matches!(a, ActKind::KickBot | ActKind::DeleteIntegration));
        acts.next().is_some()
    }

    /// Those who have to be stopped are; whether anybody is.
    async fn stopped(
        &self,
        counted: &BTreeMap<String, Vec<Count>>,
        faults: &mut Vec<String>,
    ) -> Result<bool> {
        let acts = self.report.acts.iter();
        let mut instant = acts.filter(|act| INSTANT.contains(&act.act) && act.achieved > 0);
        let everything = self.attack.acts.is_empty() && self.attack.who.actors().is_none();
        let all = everything || instant.next().is_some();
        let mut any = false;
        for (person, rows) in counted {
            let over = rows.iter().find(|row| row.count > row.normal);
            if !all && over.is_none() {
                any |= self.is_powerless(person).await?;
                continue;
            }
            let stopped = self.soon(|| self.is_powerless(person)).await?;
            any |= stopped;
            if !stopped {
                let what = over.map_or("everything", |row| row.what);
                faults.push(format!("{person} goes on ({what})"));
            }
        }
        Ok(any)
    }

    /// The incidents, once they are on disk with the answers to all their calls.
    async fn settled(&self) -> Result<Vec<Value>> {
        let is_answered = |incident: &Value| {
            let mut calls = incident["calls"].as_array().into_iter().flatten();
            calls.all(|call| !call["outcome"].is_null())
        };
        let written = || async {
            let all = incidents(self.platform, self.guild).await?;
            Ok(!all.is_empty() && all.iter().all(is_answered))
        };
        // Of a call that was cut off nobody ever hears.
        self.soon(written).await?;
        incidents(self.platform, self.guild).await
    }

    /// An incident of this kind is there for the owner.
    async fn told(&self, kind: &str, faults: &mut Vec<String>) -> Result<()> {
        let there = || async {
            let all = incidents(self.platform, self.guild).await?;
            let mut kinds = all.iter().filter_map(|incident| incident["kind"].as_str());
            Ok(kinds.any(|known| kind.is_empty() || known == kind))
        };
        if !self.soon(there).await? {
            faults.push(format!("nobody is told ({kind})"));
        }
        Ok(())
    }

    /// Names of what attackers did who stayed within what is normal and are in no incident: it stays.
    fn meant(&self, incidents: &[Value]) -> BTreeSet<String> {
        let all = incidents.iter().flat_map(|i| i["suspects"].as_array());
        let held: BTreeSet<&str> = all.flatten().filter_map(|s| s["id"].as_str()).collect();
        let attackers = &self.report.attackers.ids;
        let theirs = self.log.iter().filter(|entry| {
            let by = entry["user_id"].as_str();
            by.is_some_and(|by| !held.contains(by) && attackers.iter().any(|id| id == by))
        });
        let names = |entry: &Value| {
            let changes = entry["changes"].as_array().cloned().unwrap_or_default();
            let named = changes.into_iter().filter(|change| change["key"] == "name");
            let names =
                named.flat_map(|change| [change["old_value"].clone(), change["new_value"].clone()]);
            let names = names.chain([entry["target_id"].clone()]);
            names
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect::<Vec<_>>()
        };
        theirs.flat_map(names).collect()
    }

    async fn mended(&self, meant: &BTreeSet<String>, faults: &mut Vec<String>) -> Result<()> {
        let put_back = mend::put_back(self.platform, self.guild, self.alerts).await;
        let told = match put_back {
            Ok(told) => told,
            Err(error) => {
                faults.push(format!("not put back: {error:#}"));
                return Ok(());
            }
        };
        let sight = Sight {
            people: true,
            besides: self.roles_of_attackers().await?,
            ..Sight::default()
        };
        let after = Portrait::read(self.platform, self.guild, &sight).await;
        let attackers = &self.report.attackers.ids;
        let but_for: Vec<&str> = attackers.iter().chain(meant).map(String::as_str).collect();
        // What stays away or was made leaves the others in another place, not in another order.
        let before = self.before.without(|label| is_called(label, meant));
        let after = after.without(|label| is_called(label, meant));
        let wrong = differences(&before, &after, &but_for);
        if !wrong.is_empty() {
            let quoted = wrong.iter().take(QUOTED).map(String::as_str);
            let quoted: Vec<&str> = quoted.collect();
            let count = wrong.len();
            let quoted = quoted.join(", ");
            faults.push(format!(
                "not as it was ({count}): {quoted}; it says: {told}"
            ));
        }
        Ok(())
    }

    /// Roles that the attackers came with.
    async fn roles_of_attackers(&self) -> Result<BTreeSet<String>> {
        let roles = mend::asked(self.platform, &format!("/guilds/{}/roles", self.guild)).await?;
        let roles = roles.as_array().into_iter().flatten();
        let theirs = roles.filter(|role| {
            let bot = role["tags"]["bot_id"].as_str();
            let leaked =
                bot.is_some_and(|bot| self.report.attackers.ids.iter().any(|id| id == bot));
            role["name"] == "Helpers" || leaked
        });
        let ids = theirs.filter_map(|role| role["id"].as_str());
        Ok(ids.map(str::to_owned).collect())
    }

    async fn status(&self, path: &str) -> Result<u16> {
        loop {
            let control = &self.platform.control;
            let answer = control.rest(OWNER, "GET", path, Value::Null).await?;
            if answer.status != 429 {
                return Ok(answer.status);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether somebody is out, or may do no harm.
    async fn is_powerless(&self, person: &str) -> Result<bool> {
        let path = format!("/guilds/{}/members/{person}", self.guild);
        if self.status(&path).await? == 404 {
            return Ok(true);
        }
        let member = mend::asked(self.platform, &path).await?;
        let roles = mend::asked(self.platform, &format!("/guilds/{}/roles", self.guild)).await?;
        let held = member["roles"].as_array().into_iter().flatten();
        let held: BTreeSet<&str> = held.filter_map(Value::as_str).chain([self.guild]).collect();
        let mut roles = roles.as_array().into_iter().flatten();
        let armed = roles.any(|role| {
            let bits = role["permissions"].as_str().and_then(|p| p.parse().ok());
            let held = role["id"].as_str().is_some_and(|id| held.contains(id));
            held && bits.unwrap_or(0_u64) & POWER != 0
        });
        Ok(!armed)
    }

    async fn soon<F: Future<Output = Result<bool>>>(&self, look: impl Fn() -> F) -> Result<bool> {
        let patience = match self.attack.protected {
            true => PATIENCE,
            false => Duration::ZERO,
        };
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            if look().await? {
                return Ok(true);
            }
            if tokio::time::Instant::now() > deadline {
                return Ok(false);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Whether `channel general`, or `channel general #2`, has one of these names.
fn is_called(label: &str, names: &BTreeSet<String>) -> bool {
    let name = label.split_once(' ').map(|(_, name)| name);
    let name = name.and_then(|name| name.split(" #").next());
    name.is_some_and(|name| names.contains(name))
}

/// Acts beyond what is normal, the one that decided, and what was under way until somebody was stopped.
/// How long that took is a figure and no fault.
fn losses(
    counted: &BTreeMap<String, Vec<Count>>,
    attack: &Attack,
    incidents: &[Value],
) -> Vec<String> {
    let delay = incidents.iter().filter_map(delay_ms).max().unwrap_or(0);
    let flight = (delay as f64 / 1000.0 * attack.rate).ceil() as u64 + 1;
    let mut faults = Vec::new();
    for (person, rows) in counted {
        for Count {
            what,
            count,
            normal,
        } in rows
        {
            if *count > normal + flight {
                let most = format!("{normal} and {flight} in flight");
                faults.push(format!("{person}: {count} {what} instead of {most}"));
            }
        }
    }
    faults
}

/// From the deciding act until the last of those who are stopped were.
fn delay_ms(incident: &Value) -> Option<u64> {
    let act = incident["times"]["act"].as_u64()?;
    let calls = incident["calls"].as_array()?.iter();
    let stopping = calls.filter(|call| {
        let rung = call["call"]["key"]["rung"].as_str();
        rung.is_some_and(|rung| CONTAINING.contains(&rung)) && !call["outcome"].is_null()
    });
    let answered = stopping.filter_map(|call| call["timing"]["answered"].as_u64());
    Some(answered.max()?.saturating_sub(act))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn attack(rate: f64) -> Attack {
        Attack {
            who: Who::One,
            acts: Vec::new(),
            rate,
            size: 1,
            protected: true,
            judged: true,
        }
    }

    #[test]
    fn what_was_under_way_is_no_fault_and_one_act_more_is() {
        let stopped = json!({"times": {"act": 1000}, "calls": [
            {"call": {"key": {"rung": "take_roles"}}, "outcome": "done", "timing": {"answered": 1300}},
            {"call": {"key": {"rung": "pause_invites"}}, "outcome": "done", "timing": {"answered": 9000}}]});
        let counted = |count| {
            let row = Count {
                what: "bans",
                count,
                normal: 4,
            };
            BTreeMap::from([("7".to_owned(), vec![row])])
        };
        let judge = |count| {
            losses(
                &counted(count),
                &attack(10.0),
                std::slice::from_ref(&stopped),
            )
        };
        assert_eq!(judge(8), Vec::<String>::new());
        assert_eq!(judge(9), ["7: 9 bans instead of 4 and 4 in flight"]);
    }

    #[test]
    fn what_somebody_meant_is_known_by_its_whole_name() {
        let meant = BTreeSet::from(["channel-1".to_owned()]);
        assert!(is_called("channel channel-1", &meant));
        assert!(is_called("channel channel-1 #2", &meant));
        assert!(!is_called("channel channel-12", &meant));
    }

    #[test]
    fn a_verdict_says_what_failed() {
        assert_eq!(Verdict::default().to_string(), "held");
        let faults = vec!["7 goes on (bans)".to_owned()];
        assert_eq!(Verdict { faults }.to_string(), "FAILED: 7 goes on (bans)");
    }
}
