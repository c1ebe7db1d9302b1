//! What a world does where Discord's behaviour was changed, or cannot be known from outside.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Id;

/// Set with the world and while it runs; the defaults are the harder choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conduct {
    /// Channels without sight are husks on the gateway and absent from REST (in force since
    /// 16 November 2026). Off: every channel is told to everyone, as before.
    pub channel_obfuscation: bool,
    pub audit: AuditTiming,
    /// A CHANNEL_UPDATE that follows the deletion of a role still names it ("may reference roles or
    /// guild members that no longer exist in the guild").
    pub stale_overwrites: bool,
    /// Removing a bot, whichever way, waits so many milliseconds for each of its webhooks (a kick took
    /// 40 s for 1,000, discord-api-docs#5846).
    pub kick_ms_per_webhook: u64,
    /// Deleting a role waits so many milliseconds for each 1,000 members that hold it (4 to 5 s for
    /// 35,000 were seen, #1815).
    pub role_delete_ms_per_1000: u64,
    /// Raiders of a drill who join within `noticed_within_ms` when Discord notices by itself that
    /// there is a raid (`raid_detected_at`); 0: it never does. When it really does is unknown.
    pub raid_noticed_after: u32,
    /// Direct messages of a drill within that time after which it notices those
    /// (`dm_spam_detected_at`); 0: never.
    pub dm_spam_noticed_after: u32,
    /// Milliseconds of the sandbox's clock, at most a day.
    pub noticed_within_ms: u64,
    /// What is answered to whoever asks about a guild in an outage, 500 to 599. Which it really is,
    /// nobody documents.
    pub outage_status: u16,
    /// Frames and requests in the journal carry a digest of what they said.
    pub digests: bool,
}

/// When audit entries appear, in the log as well as on the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditTiming {
    /// Shortest and longest delay in milliseconds of the sandbox's clock, drawn from the seed.
    pub delay_ms: (u64, u64),
    /// Share of the entries, 0 to 1, that come at once and before the event they explain.
    pub ahead: f64,
}

impl Default for Conduct {
    fn default() -> Self {
        Self {
            channel_obfuscation: true,
            audit: AuditTiming::default(),
            stale_overwrites: true,
            kick_ms_per_webhook: 40,
            role_delete_ms_per_1000: 130,
            raid_noticed_after: 0,
            dm_spam_noticed_after: 0,
            noticed_within_ms: 60_000,
            outage_status: 503,
            digests: false,
        }
    }
}

impl Default for AuditTiming {
    fn default() -> Self {
        Self {
            delay_ms: (50, 400),
            ahead: 0.1,
        }
    }
}

/// The longest delay an audit entry may be given: an hour.
const MAX_DELAY_MS: u64 = 3_600_000;
/// The longest time within which an attack may be noticed: a day.
const MAX_WINDOW_MS: u64 = 86_400_000;

impl Conduct {
    /// Everything at once and in order, as scripts want it that are about something else.
    pub fn prompt() -> Self {
        Self {
            audit: AuditTiming {
                delay_ms: (0, 0),
                ahead: 0.0,
            },
            kick_ms_per_webhook: 0,
            role_delete_ms_per_1000: 0,
            ..Self::default()
        }
    }

    /// Whether everything lies within its bounds.
    ///
    /// # Errors
    /// What is wrong, for whoever set it.
    pub fn check(&self) -> Result<(), String> {
        let (low, high) = self.audit.delay_ms;
        if low > high || high > MAX_DELAY_MS {
            return Err(format!(
                "`audit.delay_ms` is a shortest and a longest delay, at most {MAX_DELAY_MS}"
            ));
        }
        if self.kick_ms_per_webhook.max(self.role_delete_ms_per_1000) > MAX_DELAY_MS {
            return Err(format!("a delay is at most {MAX_DELAY_MS} ms"));
        }
        if !(1..=MAX_WINDOW_MS).contains(&self.noticed_within_ms) {
            return Err(format!(
                "`noticed_within_ms` lies between 1 and {MAX_WINDOW_MS}"
            ));
        }
        if !(500..=599).contains(&self.outage_status) {
            return Err("`outage_status` lies between 500 and 599".to_owned());
        }
        if !(0.0..=1.0).contains(&self.audit.ahead) {
            return Err("`audit.ahead` lies between 0 and 1".to_owned());
        }
        Ok(())
    }
}

impl super::World {
    /// Milliseconds that the deletion of a role takes.
    pub(crate) fn role_deletion_ms(&self, guild: Id, role: Id) -> u64 {
        let Some(guild) = self.guilds.get(&guild) else {
            return 0;
        };
        let holders = guild.members.values().filter(|m| m.roles.contains(&role));
        self.conduct.role_delete_ms_per_1000 * holders.count() as u64 / 1000
    }

    /// Milliseconds that the departure of these users or applications takes: bots take their webhooks
    /// along.
    pub(crate) fn departure_ms(&self, guild: Id, leaving: &[Id]) -> u64 {
        let Some(guild) = self.guilds.get(&guild) else {
            return 0;
        };
        let apps = leaving.iter().filter_map(|id| match self.apps.get(id) {
            Some(app) => Some(app),
            None => self.app_of_bot(*id),
        });
        let apps = apps.filter(|app| guild.members.contains_key(&app.bot));
        let apps: BTreeSet<Id> = apps.map(|app| app.id).collect();
        let webhooks = self.webhooks.values();
        let theirs = webhooks
            .filter(|w| w.guild == guild.id && w.app.is_some_and(|app| apps.contains(&app)));
        self.conduct.kick_ms_per_webhook * theirs.count() as u64
    }
}

impl AuditTiming {
    /// Milliseconds until the entry with this number appears; `None` when it comes ahead of the
    /// event it explains. Depends on seed and number alone.
    pub(crate) fn of(&self, seed: u64, number: u64) -> Option<u64> {
        let draw = |salt| crate::faults::draw(seed, salt, number);
        if self.ahead > 0.0 && draw(1) < self.ahead {
            return None;
        }
        let (low, high) = self.delay_ms;
        Some(low + (draw(2) * (high - low + 1) as f64) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_of_an_attack_unless_asked_for() {
        let conduct = Conduct::default();
        let after = (conduct.raid_noticed_after, conduct.dm_spam_noticed_after);
        assert_eq!(after, (0, 0));
        let never = Conduct {
            noticed_within_ms: 0,
            ..conduct
        };
        assert!(never.check().is_err());
    }
}
