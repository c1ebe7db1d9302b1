//! Sanctions that were set without the bot: they are cases, too.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_guild::Id;
use splashtail_storage::NewCase;
use tracing::warn;

use super::sanction::{Kind, LONGEST_REASON};
use super::sanctions::Sanctions;
use crate::events::{Event, EventKind, EventKinds, Listener};
use crate::guilds::GuildView;

/// Sanctions that wait to be written down.
const MOST_WAITING: usize = 10_000;
const TIMEOUT: &str = "communication_disabled_until";

#[derive(Debug, Deserialize)]
struct Entry {
    id: Id,
    action_type: Option<u16>,
    user_id: Option<UserId>,
    target_id: Option<UserId>,
    reason: Option<String>,
    #[serde(default)]
    changes: Vec<Change>,
}

#[derive(Debug, Deserialize)]
struct Change {
    key: String,
    #[serde(default)]
    new_value: Value,
}

pub(super) struct Ear(pub(super) Arc<Sanctions>);

#[async_trait]
impl Listener for Ear {
    fn kinds(&self) -> EventKinds {
        EventKinds::of(&[EventKind::GuildAuditLogEntryCreate])
    }

    async fn on_event(&self, event: &Event, guild: &GuildView) -> anyhow::Result<()> {
        let sanctions = &self.0;
        let Some(me) = sanctions.own_user() else {
            return Ok(());
        };
        let entry: Entry = event.decode()?;
        if let Some(case) = entry.case(guild.id(), me, sanctions.clock.now()) {
            let heard = sanctions.heard.lock();
            let mut heard = heard.unwrap_or_else(PoisonError::into_inner);
            match heard.len() < MOST_WAITING {
                true => heard.push_back(case),
                false => {
                    metrics::counter!("bot_moderation_outside_dropped_total").increment(1);
                }
            }
            sanctions.news.notify_one();
        }
        Ok(())
    }
}

impl Entry {
    /// `None`: it is no sanction, or one of this bot, which has its case.
    fn case(self, guild: GuildId, me: UserId, at: DateTime<Utc>) -> Option<NewCase> {
        if self.user_id == Some(me) {
            return None;
        }
        let kind = match self.action_type? {
            20 => Kind::Kick,
            22 => Kind::Ban,
            23 => Kind::Unban,
            24 => {
                let set = self.changes.iter().find(|change| change.key == TIMEOUT)?;
                // Its end is no sanction.
                set.new_value.as_str()?;
                Kind::Timeout
            }
            _ => return None,
        };
        let reason = self.reason.unwrap_or_default();
        Some(NewCase {
            guild,
            cause: format!("entry:{}", self.id),
            kind: kind.as_str().to_owned(),
            source: "outside".to_owned(),
            target: self.target_id?,
            moderator: self.user_id,
            reason: reason.chars().take(LONGEST_REASON).collect(),
            stings: 0,
            stings_until: None,
            ends_at: None,
            supersedes: kind.supersedes(),
            at,
        })
    }
}

impl Sanctions {
    /// Writes down what was heard. Never ends.
    pub(super) async fn write(self: Arc<Self>) {
        loop {
            let next = {
                let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.front().cloned()
            };
            let Some(case) = next else {
                self.news.notified().await;
                continue;
            };
            match self.storage.cases().open(&case).await {
                Ok(_) => {
                    let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
                    // A full list drops nothing at its front.
                    heard.pop_front();
                }
                Err(error) => {
                    warn!(guild.id = %case.guild, error = %Chain(&error), "a sanction is written down later");
                    self.clock.sleep(std::time::Duration::from_secs(5)).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn case(entry: Value) -> Option<NewCase> {
        let entry: Entry = serde_json::from_value(entry).unwrap();
        let user = |id| UserId::new(id).unwrap();
        entry.case(GuildId::new(1).unwrap(), user(99), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_ban_by_somebody_else_is_a_case_and_our_own_is_one_already() {
        let ban = |by: &str| json!({"id": "5", "action_type": 22, "user_id": by, "target_id": "7", "reason": "spam"});
        let found = case(ban("8")).unwrap();
        assert_eq!(
            (found.kind.as_str(), found.cause.as_str()),
            ("ban", "entry:5")
        );
        assert!(found.supersedes && found.stings == 0);
        assert_eq!(case(ban("99")), None);
        // Of many bans at once most entries name nobody.
        let nobody = json!({"id": "5", "action_type": 22, "user_id": null, "target_id": "7"});
        assert_eq!(case(nobody).unwrap().moderator, None);
    }

    #[test]
    fn a_timeout_is_a_case_and_its_end_or_a_nickname_is_none() {
        let update = |changes: Value| {
            case(
                json!({"id": "5", "action_type": 24, "user_id": "8", "target_id": "7",
                        "changes": changes}),
            )
        };
        let set = json!([{"key": TIMEOUT, "new_value": "2026-12-01T00:00:00Z"}]);
        assert_eq!(update(set).unwrap().kind, "timeout");
        assert_eq!(update(json!([{"key": TIMEOUT, "old_value": "x"}])), None);
        assert_eq!(update(json!([{"key": "nick", "new_value": "x"}])), None);
        assert_eq!(
            case(json!({"id": "5", "action_type": 10, "user_id": "8"})),
            None
        );
    }
}
