//! What happens without the bot: sanctions that others set are cases, too, what they take back does not
//! end by itself any more, and who was away and comes back is still in timeout.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::snowflake::{made_at, typed};
use splashtail_guild::Id;
use splashtail_storage::{NewCase, StorageError};
use tracing::warn;

use super::sanction::{Kind, LONGEST_REASON, OUTSIDE, TIMEOUTS};
use super::sanctions::{Sanctions, timeout_of};
use crate::events::{Event, EventKind, EventKinds, Listener};
use crate::guilds::GuildView;

/// What waits to be written down.
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

/// What happened without the bot.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    Sanction(NewCase),
    /// Somebody took a timeout back.
    Freed {
        guild: GuildId,
        target: UserId,
        at: DateTime<Utc>,
    },
    /// Somebody came, with a timeout until then.
    Came {
        guild: GuildId,
        user: UserId,
        timeout: Option<DateTime<Utc>>,
    },
}

pub(super) struct Ear(pub(super) Arc<Sanctions>);

#[async_trait]
impl Listener for Ear {
    fn kinds(&self) -> EventKinds {
        EventKinds::of(&[
            EventKind::GuildAuditLogEntryCreate,
            EventKind::GuildMemberAdd,
        ])
    }

    async fn on_event(&self, event: &Event, guild: &GuildView) -> anyhow::Result<()> {
        let sanctions = &self.0;
        let Some(me) = sanctions.own_user() else {
            return Ok(());
        };
        let heard = match event.kind {
            EventKind::GuildMemberAdd => {
                let member: Value = event.decode()?;
                came(guild.id(), &member)
            }
            _ => {
                let entry: Entry = event.decode()?;
                entry.heard(guild.id(), me)
            }
        };
        if let Some(case) = heard {
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

fn came(guild: GuildId, member: &Value) -> Option<Heard> {
    let user = typed(&member["user"]["id"])?;
    let timeout = timeout_of(member);
    Some(Heard::Came {
        guild,
        user,
        timeout,
    })
}

impl Entry {
    /// `None`: it is no sanction, or one of this bot, which has its case.
    fn heard(self, guild: GuildId, me: UserId) -> Option<Heard> {
        if self.user_id == Some(me) {
            return None;
        }
        // It may be heard of late: what the bot did since is newer.
        let (target, at) = (self.target_id?, made_at(self.id.get()));
        let kind = match self.action_type? {
            20 => Kind::Kick,
            22 => Kind::Ban,
            23 => Kind::Unban,
            24 => {
                let set = self.changes.iter().find(|change| change.key == TIMEOUT)?;
                if set.new_value.as_str().is_none() {
                    return Some(Heard::Freed { guild, target, at });
                }
                Kind::Timeout
            }
            _ => return None,
        };
        let reason = self.reason.unwrap_or_default();
        Some(Heard::Sanction(NewCase {
            guild,
            cause: format!("entry:{}", self.id),
            kind: kind.as_str().to_owned(),
            source: OUTSIDE.to_owned(),
            target,
            moderator: self.user_id,
            reason: reason.chars().take(LONGEST_REASON).collect(),
            stings: 0,
            stings_until: None,
            ends_at: None,
            line: kind.line().map(str::to_owned),
            unsure_for: None,
            at,
        }))
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
            let Some(next) = next else {
                self.news.notified().await;
                continue;
            };
            match self.take_in(&next).await {
                Ok(()) => {}
                Err(error) if error.is_unavailable() => {
                    warn!(error = %Chain(&error), "what happened is written down later");
                    self.clock.sleep(std::time::Duration::from_secs(5)).await;
                    continue;
                }
                // It keeps nothing else from being written down.
                Err(error) => {
                    warn!(error = %Chain(&error), "what happened cannot be written down");
                }
            }
            let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            // A full list drops nothing at its front.
            heard.pop_front();
        }
    }

    async fn take_in(self: &Arc<Self>, heard: &Heard) -> Result<(), StorageError> {
        let store = self.storage.cases();
        match heard {
            Heard::Sanction(case) => store.open(case).await.map(drop),
            Heard::Freed { guild, target, at } => {
                store.supersede(*guild, *target, TIMEOUTS, *at).await
            }
            Heard::Came {
                guild,
                user,
                timeout,
            } => {
                let now = self.discord.now();
                let running = store.running(*guild, *user, TIMEOUTS, now).await?;
                // A timeout that lasts longer is somebody else's.
                let lacks = running.filter(|case| case.ends_at > *timeout);
                if let Some(case) = lacks {
                    let sanctions = Arc::clone(self);
                    // Nobody who comes next waits for Discord.
                    tokio::spawn(async move { sanctions.hold_again(&case).await });
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    fn heard(entry: Value) -> Option<Heard> {
        let entry: Entry = serde_json::from_value(entry).unwrap();
        entry.heard(GuildId::new(1).unwrap(), user(99))
    }

    fn case(entry: Value) -> Option<NewCase> {
        match heard(entry)? {
            Heard::Sanction(case) => Some(case),
            other => panic!("no sanction: {other:?}"),
        }
    }

    #[test]
    fn a_ban_by_somebody_else_is_a_case_and_our_own_is_one_already() {
        let ban = |by: &str| json!({"id": "5", "action_type": 22, "user_id": by, "target_id": "7", "reason": "spam"});
        let found = case(ban("8")).unwrap();
        assert_eq!(
            (found.kind.as_str(), found.cause.as_str()),
            ("ban", "entry:5")
        );
        assert_eq!((found.line.as_deref(), found.stings), (Some("ban"), 0));
        // It was done when the entry was made, however late that is heard.
        assert_eq!((found.at, found.unsure_for), (made_at(5), None));
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
        assert_eq!(update(json!([{"key": "nick", "new_value": "x"}])), None);
        let freed = json!({"id": "5", "action_type": 24, "user_id": "8", "target_id": "7",
            "changes": [{"key": TIMEOUT, "old_value": "x"}]});
        let freed = heard(freed).unwrap();
        assert!(matches!(freed, Heard::Freed { target, .. } if target == user(7)));
        assert_eq!(
            case(json!({"id": "5", "action_type": 10, "user_id": "8"})),
            None
        );
    }
}
