//! Sanctions against one person: judged, written down as a case, done at Discord, counted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::UserId;
use splashtail_core::telemetry::Chain;
use splashtail_discord::{Discord, DiscordError, Lane};
use splashtail_storage::{NewCase, OpenedCase, Storage, StorageError};
use tokio::sync::Notify;
use tracing::warn;

use super::hierarchy::{Ground, Refused, judge};
use super::sanction::{Kind, Order, mark};
use super::thresholds::{self, Threshold};
use crate::catalogue::Language;
use crate::cluster::ClusterState;
use crate::modules::antinuke::{Protection, Stopped};
use crate::text;

/// Whoever waits for an answer waits no longer for Discord.
const PATIENT: Duration = Duration::from_secs(30);

pub(super) struct Sanctions {
    pub(super) discord: Discord,
    pub(super) storage: Storage,
    pub(super) clock: SharedClock,
    pub(super) protection: Arc<Protection>,
    /// From the first turn of the tasks on.
    pub(super) cluster: OnceLock<Arc<ClusterState>>,
    /// Sanctions that were set without the bot, to be written down.
    pub(super) heard: Mutex<VecDeque<NewCase>>,
    pub(super) news: Notify,
}

/// What came of an order.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    Done(Done),
    /// Nothing was done; why, in a sentence.
    Refused(String),
}

#[derive(Debug, PartialEq)]
pub(super) struct Done {
    pub number: i64,
    /// It had been done before, for the same cause.
    pub repeated: bool,
    pub ends_at: Option<DateTime<Utc>>,
    /// Stings of the target now.
    pub stings: i64,
    /// What a threshold led to: its number, the kind, and the case or why there is none.
    pub punished: Option<(Threshold, Result<i64, String>)>,
}

impl Sanctions {
    pub(super) fn new(
        discord: &Discord,
        storage: Storage,
        clock: SharedClock,
        protection: Arc<Protection>,
    ) -> Self {
        Self {
            discord: discord.in_lane(Lane::Interactive),
            storage,
            clock,
            protection,
            cluster: OnceLock::new(),
            heard: Mutex::default(),
            news: Notify::new(),
        }
    }

    pub(super) fn own_user(&self) -> Option<UserId> {
        self.cluster.get()?.guilds.own_user()
    }

    /// Does it, and what a threshold of the server wants done then.
    ///
    /// # Errors
    /// The database failed. Nothing was done.
    pub(super) async fn perform(
        &self,
        order: &Order,
        language: Language,
    ) -> Result<Outcome, StorageError> {
        let mut done = match self.act(order, language).await? {
            Outcome::Done(done) => done,
            refused @ Outcome::Refused(_) => return Ok(refused),
        };
        let before = done.stings - i64::from(order.stings);
        if done.repeated || order.stings == 0 {
            return Ok(Outcome::Done(done));
        }
        let thresholds = thresholds::stored(&self.storage, order.guild).await?;
        let crossed = thresholds::crossed(&thresholds, before, done.stings);
        // Whoever was punished by a rule is not by another one of the same moment.
        if let Some(threshold) = crossed {
            let stings = threshold.stings;
            let by_rule = Order {
                by: None,
                kind: threshold.kind,
                reason: text!(language, "sanction-by-threshold", stings = stings),
                stings: 0,
                length: threshold.length,
                delete_seconds: 0,
                cause: format!("threshold:{}:{stings}", done.number),
                ..order.clone()
            };
            let came_of_it = match self.act(&by_rule, language).await? {
                Outcome::Done(done) => Ok(done.number),
                Outcome::Refused(why) => Err(why),
            };
            done.punished = Some((threshold, came_of_it));
        }
        Ok(Outcome::Done(done))
    }

    /// Judged by the server as it is now, then written down, then done: what Discord refuses is void.
    async fn act(&self, order: &Order, language: Language) -> Result<Outcome, StorageError> {
        let ground = match self.ground(order).await {
            Ok(ground) => ground,
            Err(error) => {
                warn!(guild.id = %order.guild, error = %Chain(&error), "a sanction cannot be judged");
                return Ok(Outcome::Refused(text!(language, "error-discord-failed")));
            }
        };
        if let Err(why) = ground.judge(order, self.clock.now()) {
            return Ok(Outcome::Refused(why.text(language)));
        }
        if let Some(by) = order.by {
            let action = (by, order.kind.action());
            let counted = self
                .protection
                .count_order(order.guild, action, &[order.target]);
            match counted {
                // Where protection knows nothing yet it limits nobody.
                Ok(()) | Err(Stopped::UnknownServer) => {}
                Err(why) => return Ok(Outcome::Refused(why.text(language))),
            }
        }
        let now = self.clock.now();
        let ends_at = order
            .length
            .and_then(|length| now.checked_add_signed(length));
        let case = NewCase {
            guild: order.guild,
            cause: order.cause.clone(),
            kind: order.kind.as_str().to_owned(),
            source: match order.by {
                Some(_) => "command".to_owned(),
                None => "rule".to_owned(),
            },
            target: order.target,
            moderator: order.by,
            reason: order.reason.clone(),
            stings: order.stings,
            stings_until: None,
            // Discord ends timeouts by itself.
            ends_at: ends_at.filter(|_| order.kind == Kind::TempBan),
            supersedes: order.kind.supersedes(),
            at: now,
        };
        let OpenedCase {
            number,
            after,
            repeated,
            ..
        } = self.storage.cases().open(&case).await?;
        let done = Done {
            number,
            repeated,
            ends_at,
            stings: after,
            punished: None,
        };
        if let Err(error) = self.call(order, number, ends_at).await {
            warn!(guild.id = %order.guild, error = %Chain(&error), "a sanction was not carried out");
            let why = why_not(language, order.kind, &error);
            if !error.is_ambiguous() {
                self.storage.cases().void(order.guild, number, &why).await?;
            }
            return Ok(Outcome::Refused(why));
        }
        Ok(Outcome::Done(done))
    }

    async fn call(
        &self,
        order: &Order,
        number: i64,
        ends_at: Option<DateTime<Utc>>,
    ) -> Result<(), DiscordError> {
        let (guild, target) = (order.guild, order.target);
        let member = format!("/guilds/{guild}/members/{target}");
        let ban = format!("/guilds/{guild}/bans/{target}");
        let request = match order.kind {
            Kind::Kick => self.discord.delete(member),
            Kind::Ban | Kind::TempBan => {
                let body = json!({"delete_message_seconds": order.delete_seconds});
                self.discord.put(ban).json(&body)
            }
            Kind::Unban => self.discord.delete(ban),
            Kind::Timeout => {
                let until = ends_at.map(|until| until.to_rfc3339());
                let body = json!({"communication_disabled_until": until});
                self.discord.patch(member).idempotent(true).json(&body)
            }
        };
        let by = order.by.map_or_else(String::new, |by| format!(" ({by})"));
        let reason = format!("{} {}{by}", mark(number), order.reason);
        request
            .reason(&reason)
            .longest_wait(PATIENT)
            .send_empty()
            .await
    }

    async fn ground(&self, order: &Order) -> Result<Looked, DiscordError> {
        let guild = order.guild;
        let me = self.own_user();
        let member = |user: Option<UserId>| async move {
            let Some(user) = user else {
                return Ok(None);
            };
            let path = format!("/guilds/{guild}/members/{user}");
            match self.discord.get(path).longest_wait(PATIENT).send().await {
                Ok(member) => Ok(Some(member)),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error),
            }
        };
        let server = self.discord.get(format!("/guilds/{guild}"));
        let server = server.longest_wait(PATIENT).send();
        let (server, me, caller, target) = tokio::try_join!(
            server,
            member(me),
            member(order.by),
            member(Some(order.target))
        )?;
        Ok(Looked {
            guild: server,
            me,
            caller,
            target,
        })
    }
}

/// The server as Discord says it is.
struct Looked {
    guild: Value,
    me: Option<Value>,
    caller: Option<Value>,
    target: Option<Value>,
}

impl Looked {
    fn judge(&self, order: &Order, now: DateTime<Utc>) -> Result<(), Refused> {
        let ground = Ground {
            guild: &self.guild,
            me: self.me.as_ref().ok_or(Refused::Unknown)?,
            caller: self.caller.as_ref(),
            target: self.target.as_ref(),
            now,
        };
        judge(order.kind, (order.by, order.target), &ground)
    }
}

fn why_not(language: Language, kind: Kind, error: &DiscordError) -> String {
    match kind {
        Kind::Unban if error.is_not_found() => text!(language, "sanction-not-banned"),
        Kind::Kick | Kind::Timeout if error.is_not_found() => text!(language, "sanction-not-there"),
        _ if error.is_forbidden() => text!(language, "sanction-above-bot"),
        _ if error.is_ambiguous() => text!(language, "sanction-ambiguous"),
        _ => text!(language, "error-discord-failed"),
    }
}

/// A length as somebody typed it, within bounds.
pub(super) fn length(
    seconds: Option<i64>,
    (least, most): (TimeDelta, TimeDelta),
) -> Option<TimeDelta> {
    let length = TimeDelta::try_seconds(seconds?)?;
    (least..=most).contains(&length).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::moderation::sanction::LONGEST_TIMEOUT;
    use crate::settings::interval;

    #[test]
    fn lengths_are_compared_in_seconds() {
        let timeout = |text: &str| length(interval(text), (TimeDelta::seconds(1), LONGEST_TIMEOUT));
        assert_eq!(timeout("4w"), Some(LONGEST_TIMEOUT));
        assert_eq!(timeout("28d"), Some(LONGEST_TIMEOUT));
        for wrong in ["5w", "29d", "0s", "-5m", "", "soon", "99999999999999w"] {
            assert_eq!(timeout(wrong), None, "{wrong}");
        }
        assert_eq!(timeout("1h30m"), Some(TimeDelta::minutes(90)));
    }
}
