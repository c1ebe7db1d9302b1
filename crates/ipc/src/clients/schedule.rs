//! What is ordered again and again, whoever takes the order: the bot's command and the web API mean the same.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splashtail_api_types::job_kinds;
use splashtail_api_types::tasks::{BackupSchedule, ScheduleEvery};
use splashtail_core::ids::{GuildId, UserId};
use uuid::Uuid;

/// Backups of all servers do not begin at the same second.
const JITTER_MS: u64 = 10 * 60 * 1000;
/// What stays unless something else is said.
const KEEP: u32 = 7;
/// Hour at which it is done unless another one is named, in UTC.
const HOUR: u32 = 4;
/// Pictures of a server.
const ASSETS: [&str; 3] = ["icon", "splash", "banner"];

/// Something that shall be ordered again and again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleOrder {
    pub schedule_id: Uuid,
    /// Kind of task.
    pub name: String,
    /// As of one order; no secrets.
    pub data: Value,
    /// Five fields of cron, in UTC.
    pub cron: String,
    /// At most so long after that time.
    pub jitter_ms: u64,
    /// So many of what it made stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_count: Option<u32>,
    /// What is younger stays, and the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_days: Option<u32>,
    /// Who is behind it, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

impl ScheduleOrder {
    /// Backups of a server, as one person wants them.
    pub fn of_backups(id: Uuid, guild: GuildId, by: UserId, wanted: &BackupSchedule) -> Self {
        let data = json!({
            "ServerID": guild,
            "Options": {
                "BackupMessages": wanted.messages,
                "BackupAttachments": wanted.attachments,
                "BackupMembers": true,
                "BackupGuildAssets": ASSETS,
                // Nobody is there who could try again.
                "IgnoreMessageBackupErrors": true,
                "RolloverLeftovers": true,
                "Incremental": "auto",
            },
        });
        Self {
            schedule_id: id,
            name: job_kinds::CREATE_BACKUP.name.to_owned(),
            data,
            cron: cron(wanted.every, wanted.hour.unwrap_or(HOUR)),
            jitter_ms: JITTER_MS,
            keep_count: Some(wanted.keep.unwrap_or(KEEP)),
            keep_days: wanted.keep_days,
            actor: Some(format!("u/{by}")),
        }
    }
}

/// Five fields of cron, in UTC.
fn cron(every: ScheduleEvery, hour: u32) -> String {
    let hours = |step: u32| {
        let hours = (hour % step..24).step_by(step as usize);
        let hours: Vec<String> = hours.map(|hour| hour.to_string()).collect();
        format!("0 {} * * *", hours.join(","))
    };
    match every {
        ScheduleEvery::SixHours => hours(6),
        ScheduleEvery::TwelveHours => hours(12),
        ScheduleEvery::Day => format!("0 {hour} * * *"),
        ScheduleEvery::Week => format!("0 {hour} * * 1"),
        ScheduleEvery::Month => format!("0 {hour} 1 * *"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cron() {
        for (every, hour, expected) in [
            (ScheduleEvery::SixHours, 4, "0 4,10,16,22 * * *"),
            (ScheduleEvery::SixHours, 23, "0 5,11,17,23 * * *"),
            (ScheduleEvery::TwelveHours, 0, "0 0,12 * * *"),
            (ScheduleEvery::Day, 4, "0 4 * * *"),
            (ScheduleEvery::Week, 5, "0 5 * * 1"),
            (ScheduleEvery::Month, 6, "0 6 1 * *"),
        ] {
            assert_eq!(cron(every, hour), expected);
        }
    }
}
