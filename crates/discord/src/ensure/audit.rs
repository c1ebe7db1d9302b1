use std::collections::HashSet;
use std::time::Duration;

use http::Method;
use serde_json::Value;
use splashtail_core::ids::GuildId;

use super::Acting;
use crate::error::DiscordError;
use crate::snowflake::{array, id};

/// How long an audit log entry is waited for. Discord promises nothing.
pub const AUDIT_LAG: Duration = Duration::from_secs(30);
/// After this no entry is expected to come. Discord promises nothing here either.
pub const AUDIT_SETTLED: Duration = Duration::from_secs(15 * 60);
/// Pauses between looks; together [`AUDIT_LAG`].
pub(super) const LOOKS: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];
const PAGE: usize = 100;
/// Entries of one kind since the intent that are read; during an attack there are many.
const PAGES: usize = 10;

/// What the audit log says about objects made since the intent.
#[derive(Debug, Default)]
pub(super) struct Makers {
    /// Made by this effect.
    pub(super) ours: Option<u64>,
    /// Made by anybody else, or by another effect.
    pub(super) others: HashSet<u64>,
}

impl Acting {
    /// Who made what. `None`: the bot may not read the audit log.
    pub(super) async fn makers(
        &self,
        guild: GuildId,
        action: u64,
    ) -> Result<Option<Makers>, DiscordError> {
        let mark = self.mark();
        let mut makers = Makers::default();
        let mut after = self.earliest_id();
        for _ in 0..PAGES {
            let page = self
                .request(Method::GET, format!("/guilds/{guild}/audit-logs"))
                .query("action_type", action)
                .query("after", after)
                .query("limit", PAGE)
                .send()
                .await;
            let page = match page {
                Ok(page) => page,
                Err(error) if error.is_forbidden() => return Ok(None),
                Err(error) => return Err(error),
            };
            let entries = array(&page["audit_log_entries"]);
            for entry in entries {
                let Some(target) = id(&entry["target_id"]) else {
                    continue;
                };
                if has_mark(entry, &mark) {
                    makers.ours = Some(target);
                } else {
                    makers.others.insert(target);
                }
            }
            let last = entries.iter().filter_map(|entry| id(&entry["id"])).max();
            match last {
                Some(last) if last > after && entries.len() >= PAGE => after = last,
                _ => break,
            }
        }
        Ok(Some(makers))
    }
}

fn has_mark(entry: &Value, mark: &str) -> bool {
    let reason = entry["reason"].as_str();
    reason.is_some_and(|reason| reason.trim_end().ends_with(mark))
}
