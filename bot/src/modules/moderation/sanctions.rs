//! Sanctions against one person: judged, written down as a case, done at Discord, counted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::{Discord, DiscordError, Lane};
use splashtail_storage::{NewCase, OpenedCase, Storage, StorageError};
use tokio::sync::Notify;
use tracing::warn;

use super::hierarchy::{Ground, Refused, judge};
use super::outside::Heard;
use super::sanction::{Kind, OUTSIDE, Order, mark, marked};
use super::thresholds::{self, Threshold};
use crate::catalogue::Language;
use crate::cluster::ClusterState;
use crate::modules::antinuke::{Protection, Stopped};
use crate::text;

/// Discord documentation, "JSON Error Codes".
const UNKNOWN_BAN: u64 = 10_026;
/// Whoever waits for an answer waits no longer for Discord.
const PATIENT: Duration = Duration::from_secs(30);
/// All attempts of a call together.
const LONGEST_CALL: Duration = Duration::from_secs(100);
/// How often it is looked whether an ending is over.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// By then it is known whether a sanction stands, unless its process is gone: longer than an ending and
/// a call together.
const KNOWN_WITHIN: Duration = Duration::from_mins(5);
/// People to whom something is done at the same time, as far as that can be.
const BESIDE: usize = 64;

pub(super) struct Sanctions {
    pub(super) discord: Discord,
    pub(super) storage: Storage,
    pub(super) clock: SharedClock,
    pub(super) protection: Arc<Protection>,
    /// From the first turn of the tasks on.
    pub(super) cluster: OnceLock<Arc<ClusterState>>,
    /// What happened without the bot, to be written down.
    pub(super) heard: Mutex<VecDeque<Heard>>,
    pub(super) news: Notify,
    /// What is done to one person is done one after another.
    alone: [tokio::sync::Mutex<()>; BESIDE],
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
    /// Until then a timeout lasts that is longer, and stays as it is.
    pub stays: Option<DateTime<Utc>>,
    /// Stings of the target now.
    pub stings: i64,
    /// What a threshold led to: its number, the kind, and the case or why there is none.
    pub punished: Option<Punished>,
}

pub(super) type Punished = (Threshold, Result<i64, String>);

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
            alone: std::array::from_fn(|_| tokio::sync::Mutex::default()),
        }
    }

    pub(super) fn own_user(&self) -> Option<UserId> {
        self.cluster.get()?.guilds.own_user()
    }

    /// Does it, and what a threshold of the server wants done then.
    ///
    /// # Errors
    /// The database failed. Where Discord was asked already, it is found out later what became of it.
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
        if !done.repeated {
            let stings = (before, done.stings);
            done.punished = self.cross(order, done.number, stings, language).await?;
        }
        if order.stings > 0 && !done.repeated {
            self.storage.cases().stand(order.guild, done.number).await?;
        }
        Ok(Outcome::Done(done))
    }

    /// What the thresholds of a server want done because of a case. Repeating it does nothing twice.
    ///
    /// # Errors
    /// As for [`Self::perform`].
    pub(super) async fn cross(
        &self,
        order: &Order,
        number: i64,
        (before, after): (i64, i64),
        language: Language,
    ) -> Result<Option<Punished>, StorageError> {
        if order.stings == 0 {
            return Ok(None);
        }
        let thresholds = thresholds::stored(&self.storage, order.guild).await?;
        // Whoever was punished by a rule is not by another one of the same moment.
        let Some(threshold) = thresholds::crossed(&thresholds, before, after) else {
            return Ok(None);
        };
        let stings = threshold.stings;
        let by_rule = Order {
            by: None,
            kind: threshold.kind,
            reason: text!(language, "sanction-by-threshold", stings = stings),
            stings: 0,
            length: threshold.length,
            delete_seconds: 0,
            cause: format!("threshold:{number}:{stings}"),
            ..order.clone()
        };
        let came_of_it = match self.act(&by_rule, language).await? {
            Outcome::Done(done) => Ok(done.number),
            Outcome::Refused(why) => Err(why),
        };
        Ok(Some((threshold, came_of_it)))
    }

    /// Judged by the server as it is now, then written down, then done. What Discord refuses is void and
    /// takes the place of nothing; where nobody knows whether Discord took it, that is found out later.
    async fn act(&self, order: &Order, language: Language) -> Result<Outcome, StorageError> {
        let _alone = self.alone(order.guild, order.target).lock().await;
        let ground = match self.ground(order).await {
            Ok(ground) => ground,
            Err(error) => {
                warn!(guild.id = %order.guild, error = %Chain(&error), "a sanction cannot be judged");
                return Ok(Outcome::Refused(text!(language, "error-discord-failed")));
            }
        };
        // Discord judges times by its own clock, and has just told how far ours is ahead.
        let now = self.discord.now();
        if let Err(why) = ground.judge(order, now) {
            return Ok(Outcome::Refused(why.text(language)));
        }
        // A second ban changes nothing at Discord, so somebody else's does not become one that ends.
        if let Some(ban) = &ground.ban {
            let reason = ban["reason"].as_str();
            if !self
                .is_of_case(order.guild, order.target, reason, i64::MAX)
                .await?
            {
                let why = text!(language, "sanction-banned-otherwise");
                return Ok(Outcome::Refused(why));
            }
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
        let ends_at = order
            .length
            .and_then(|length| now.checked_add_signed(length));
        let stays = match order.kind {
            Kind::Timeout => ground.timeout().filter(|until| Some(*until) > ends_at),
            _ => None,
        };
        let is_new = stays.is_none();
        let line = order.kind.line().filter(|_| is_new);
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
            ends_at: ends_at.filter(|_| is_new && order.kind.ends()),
            line: line.map(str::to_owned),
            unsure_for: is_new.then_some(KNOWN_WITHIN),
            at: now,
        };
        let opened = self.storage.cases().open(&case).await?;
        if opened.repeated {
            return self.as_before(order.guild, opened, language).await;
        }
        let number = opened.number;
        if is_new && let Err(why) = self.carry_out(order, number, ends_at, language).await? {
            return Ok(Outcome::Refused(why));
        }
        Ok(Outcome::Done(Done {
            number,
            repeated: false,
            ends_at,
            stays,
            stings: opened.after,
            punished: None,
        }))
    }

    /// What came of an order that was given before.
    async fn as_before(
        &self,
        guild: GuildId,
        opened: OpenedCase,
        language: Language,
    ) -> Result<Outcome, StorageError> {
        let number = opened.number;
        let case = self.storage.cases().case(guild, number).await?;
        let (is_unsure, ends_at, why) = case.map_or((true, None, None), |case| {
            (case.is_unsure, case.ends_at, case.void_reason)
        });
        Ok(match why {
            Some(why) => Outcome::Refused(why),
            None if is_unsure => Outcome::Refused(ambiguous(language, number)),
            None => Outcome::Done(Done {
                number,
                repeated: true,
                ends_at,
                stays: None,
                stings: opened.after,
                punished: None,
            }),
        })
    }

    /// Why it was not, or may not have been, in a sentence.
    async fn carry_out(
        &self,
        order: &Order,
        number: i64,
        ends_at: Option<DateTime<Utc>>,
        language: Language,
    ) -> Result<Result<(), String>, StorageError> {
        let store = self.storage.cases();
        // An old ban whose time is over is lifted before the new one is set, or not at all.
        if let Some(line) = order.kind.line() {
            while store.is_ending(order.guild, order.target, line).await? {
                self.clock.sleep(LOOK_AGAIN).await;
            }
        }
        let called = tokio::select! {
            called = self.call(order, number, ends_at) => called,
            () = self.clock.sleep(LONGEST_CALL) => return Ok(Err(ambiguous(language, number))),
        };
        let Err(error) = called else {
            // What counts stings stands when that was looked at, which then happens even if this process
            // is stopped in between.
            if order.stings == 0 {
                store.stand(order.guild, number).await?;
            }
            return Ok(Ok(()));
        };
        warn!(guild.id = %order.guild, case.number = number, error = %Chain(&error), "a sanction was not carried out");
        if !is_refusal(&error) {
            return Ok(Err(ambiguous(language, number)));
        }
        let why = why_not(language, order.kind, &error);
        store.void(order.guild, number, &why).await?;
        Ok(Err(why))
    }

    /// Whether a ban is one of this person's cases, of which a number is the latest: Discord keeps what the
    /// first ban says when another one is set over it.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn is_of_case(
        &self,
        guild: GuildId,
        target: UserId,
        reason: Option<&str>,
        latest: i64,
    ) -> Result<bool, StorageError> {
        let Some(number) = marked(reason).filter(|number| *number <= latest) else {
            return Ok(false);
        };
        let case = self.storage.cases().case(guild, number).await?;
        Ok(case.is_some_and(|case| {
            let is_ban = Kind::of(&case.kind).is_some_and(Kind::is_ban);
            case.target == target && case.source != OUTSIDE && is_ban
        }))
    }

    pub(super) fn alone(&self, guild: GuildId, target: UserId) -> &tokio::sync::Mutex<()> {
        let place = (guild.get() ^ target.get()) % BESIDE as u64;
        &self.alone[usize::try_from(place).unwrap_or_default()]
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
        let ban = async {
            match order.kind {
                Kind::TempBan => match self.ban(guild, order.target, PATIENT).await {
                    // What the bot lacks is said when it is judged.
                    Err(error) if error.is_forbidden() => Ok(None),
                    answer => answer,
                },
                _ => Ok(None),
            }
        };
        let (server, me, caller, target, ban) = tokio::try_join!(
            server,
            member(me),
            member(order.by),
            member(Some(order.target)),
            ban
        )?;
        Ok(Looked {
            guild: server,
            me,
            caller,
            target,
            ban,
        })
    }

    /// Somebody's ban, if they are banned.
    pub(super) async fn ban(
        &self,
        guild: GuildId,
        target: UserId,
        patience: Duration,
    ) -> Result<Option<Value>, DiscordError> {
        let ban = self.discord.get(format!("/guilds/{guild}/bans/{target}"));
        match ban.longest_wait(patience).send().await {
            Ok(ban) => Ok(Some(ban)),
            Err(error) if error.code() == Some(UNKNOWN_BAN) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The server as Discord says it is.
struct Looked {
    guild: Value,
    me: Option<Value>,
    caller: Option<Value>,
    target: Option<Value>,
    /// That stands already, where it matters.
    ban: Option<Value>,
}

impl Looked {
    /// Until when the target is in timeout.
    fn timeout(&self) -> Option<DateTime<Utc>> {
        self.target.as_ref().and_then(timeout_of)
    }

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

/// The end of a member's timeout, which may be over: Discord leaves it there.
pub(super) fn timeout_of(member: &Value) -> Option<DateTime<Utc>> {
    let until = member["communication_disabled_until"].as_str()?;
    Some(DateTime::parse_from_rfc3339(until).ok()?.to_utc())
}

/// Whether nothing happened, for sure. Where Discord fails on its side, or does not answer, it may have.
fn is_refusal(error: &DiscordError) -> bool {
    matches!(
        error,
        DiscordError::Api(_) | DiscordError::BadRequest { .. }
    )
}

fn ambiguous(language: Language, number: i64) -> String {
    let number = number.to_string();
    text!(language, "sanction-ambiguous", number = number)
}

fn why_not(language: Language, kind: Kind, error: &DiscordError) -> String {
    match kind {
        Kind::Unban if error.is_not_found() => text!(language, "sanction-not-banned"),
        Kind::Kick | Kind::Timeout if error.is_not_found() => text!(language, "sanction-not-there"),
        _ if error.is_forbidden() => text!(language, "sanction-above-bot"),
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
