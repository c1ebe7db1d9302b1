//! What others did after the plan was made, asked for right before it would be destroyed: a job may
//! wait for days between its last look and an effect.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_antinuke::{Incident, Moment};
use splashtail_core::ids::GuildId;
use splashtail_discord::snowflake::{array, id};
use splashtail_guild::{Id, Kind, Operation, Structure, Subject};
use splashtail_jobs::JobError;
use tokio::sync::Mutex;

use super::asks::FOREIGN_CONTENT;
use super::people::PeopleEffect;
use super::plan::RevertPlan;
use crate::backup::error::{BackupError, Verdict};
use crate::backup::source::Source;
use crate::carry_out::{Guard, Objection, kind_of};
use crate::restore::live::Live;

/// How far the clock here may be ahead of Discord's, in milliseconds.
const AHEAD: u64 = 10_000;
/// Messages and log entries of one look.
const PAGE: usize = 100;
/// Pages of bans that one look reads: more than that is read by the next one.
const PAGES: usize = 50;

/// Types of channels without messages of their own.
const CATEGORY: u64 = 4;
const FORUM: u64 = 15;
const MEDIA: u64 = 16;

const POSTED: Objection = Objection {
    code: "changed_since",
    why: "others have written there since, and that stays",
};
const BANNED: Objection = Objection {
    code: "changed_since",
    why: "somebody else banned them since, and that stays",
};
const UNREAD_POSTS: Objection = Objection {
    code: "unreadable",
    why: "the bot may not read whether others have written there, so it stays",
};
const UNREAD_BANS: Objection = Objection {
    code: "unreadable",
    why: "the bot may not read whether somebody else banned them since, so the ban stays",
};

pub struct SincePlan<'a> {
    source: Source<'a>,
    guild: GuildId,
    incident: Incident,
    /// The server for which the plan was made.
    structure: &'a Structure,
    /// The bot.
    own: Id,
    /// When the plan was made.
    planned: Moment,
    /// Posts from before that were not there, or were shown to who approved the plan.
    posts_from: Moment,
    bans: Mutex<Bans>,
}

/// What of the audit log was read.
struct Bans {
    after: Id,
    /// The last time that somebody other than the attackers banned somebody.
    last: BTreeMap<Id, Moment>,
}

impl<'a> SincePlan<'a> {
    pub fn new(
        source: Source<'a>,
        guild: GuildId,
        incident: Incident,
        (plan, at): (&RevertPlan, Option<DateTime<Utc>>),
        live: &'a Live,
    ) -> Self {
        let unix = at.map_or(0, |at| u64::try_from(at.timestamp_millis()).unwrap_or(0));
        let planned = Moment::from_unix_ms(unix).minus(AHEAD);
        // Who takes a put-back back was told that all goes that it made.
        let shown = |code: &str| code == FOREIGN_CONTENT || code == "undo";
        let posts_from = match plan.asks.iter().any(|ask| shown(&ask.code)) {
            true => planned,
            false => Moment(0),
        };
        let banned_at = |effect: &PeopleEffect| match effect {
            PeopleEffect::LiftBan { at, .. } => Some(since(*at, planned)),
            _ => None,
        };
        let first = plan.people.iter().filter_map(banned_at).min();
        Self {
            source,
            guild,
            incident,
            structure: &live.structure,
            own: Id::new(live.viewer.user),
            planned,
            posts_from,
            bans: Mutex::new(Bans {
                after: first.unwrap_or(planned).id(),
                last: BTreeMap::new(),
            }),
        }
    }

    /// Whether others have written in a channel or thread.
    ///
    /// # Errors
    /// Discord cannot be asked now.
    pub async fn posted_in(&self, channel: Id) -> Result<Option<Objection>, JobError> {
        let doing = "reading what was posted in a channel that is to be deleted";
        let kind = self.structure.get(Kind::Channel, channel);
        let read = match kind.and_then(|channel| channel["type"].as_u64()) {
            Some(CATEGORY) => return Ok(None),
            Some(FORUM | MEDIA) => {
                let path = format!("/guilds/{}/threads/active", self.guild);
                let threads = |answer: Value| {
                    let all = answer["threads"].as_array()?.iter();
                    let within = |thread: &&Value| Id::read(&thread["parent_id"]) == Some(channel);
                    Some(all.filter(within).cloned().collect())
                };
                self.source.ask(doing, &path, &[], threads).await
            }
            _ => {
                let path = format!("/channels/{channel}/messages");
                let query = [("limit", PAGE.to_string())];
                self.source.list(doing, &path, &query).await
            }
        };
        let posts: Vec<Value> = match read {
            Ok(posts) => posts,
            // What is gone holds nothing.
            Err(BackupError::Discord { source, .. }) if source.is_not_found() => return Ok(None),
            Err(error) if error.verdict() == Verdict::Refused => return Ok(Some(UNREAD_POSTS)),
            Err(error) => return Err(error.into()),
        };
        let foreign = |post: &Value| {
            let author = id(&post["author"]["id"]).or_else(|| id(&post["owner_id"]));
            let author = author.map(Id::new);
            let new = id(&post["id"]).is_some_and(|at| Moment::of(Id::new(at)) > self.posts_from);
            let person = post["webhook_id"].is_null();
            let other = |author| author != self.own && self.incident.suspect(author).is_none();
            new && person && author.is_some_and(other)
        };
        Ok(posts.iter().any(foreign).then_some(POSTED))
    }

    /// Whether somebody else banned a user after the attacker did.
    ///
    /// # Errors
    /// Discord cannot be asked now.
    pub async fn banned(&self, user: Id, at: Moment) -> Result<Option<Objection>, JobError> {
        const BAN: &str = "22";
        let mut bans = self.bans.lock().await;
        let path = format!("/guilds/{}/audit-logs", self.guild);
        let doing = "reading who banned whom since";
        for _ in 0..PAGES {
            let query = [
                ("action_type", BAN.to_owned()),
                ("after", bans.after.to_string()),
                ("limit", PAGE.to_string()),
            ];
            let page = match self.source.object(doing, &path, &query).await {
                Ok(page) => page,
                Err(error) if error.verdict() == Verdict::Refused => return Ok(Some(UNREAD_BANS)),
                Err(error) => return Err(error.into()),
            };
            let entries = array(&page["audit_log_entries"]);
            for entry in entries {
                let (Some(at), Some(target)) = (id(&entry["id"]), id(&entry["target_id"])) else {
                    continue;
                };
                bans.after = bans.after.max(Id::new(at));
                let by = id(&entry["user_id"]).map(Id::new);
                if by.is_some_and(|by| self.incident.suspect(by).is_none()) {
                    let last = bans.last.entry(Id::new(target)).or_default();
                    *last = (*last).max(Moment::of(Id::new(at)));
                }
            }
            if entries.len() < PAGE {
                let since = since(at, self.planned);
                let again = bans.last.get(&user).is_some_and(|last| *last > since);
                return Ok(again.then_some(BANNED));
            }
        }
        Ok(Some(UNREAD_BANS))
    }
}

/// A ban of the bot's own has no moment: then the plan's counts.
fn since(at: Moment, planned: Moment) -> Moment {
    match at {
        Moment(0) => planned,
        at => at,
    }
}

#[async_trait]
impl Guard for SincePlan<'_> {
    async fn objection(&self, operation: &Operation) -> Result<Option<Objection>, JobError> {
        match operation {
            Operation::Delete {
                subject: Subject::Live(id),
                ..
            } if matches!(kind_of(operation), Kind::Channel | Kind::Thread) => {
                self.posted_in(*id).await
            }
            _ => Ok(None),
        }
    }
}
