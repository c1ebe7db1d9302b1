//! Threads and posts, active and archived, as Discord lists them. Each page is a step of its own.

use std::collections::HashSet;

use chrono::{DateTime, SecondsFormat, TimeDelta};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::GuildId;
use splashtail_discord::snowflake::id;

use super::coverage;
use super::error::{BackupError, Verdict};
use super::snapshot::{Private, ThreadParent, array};
use super::source::Source;
use super::work::Work;

/// Pages of archived threads read per channel and kind; a hundred threads each.
pub const MOST_PAGES: usize = 50;
const PAGE: usize = 100;
/// Threads that nobody sees who is not in them.
const PRIVATE: u64 = 12;

/// A listing of a channel's archived threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archive {
    Public,
    /// All private ones; needs Manage Threads.
    Private,
    /// The private ones that the bot has joined.
    Joined,
}

impl Archive {
    /// What can be listed of a channel.
    pub fn of(parent: &ThreadParent) -> impl Iterator<Item = Self> {
        let private = match parent.private {
            Private::None => None,
            Private::All => Some(Self::Private),
            Private::Joined => Some(Self::Joined),
        };
        [Some(Self::Public), private].into_iter().flatten()
    }

    /// In names of steps.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Joined => "joined",
        }
    }

    fn path(self, parent: &ThreadParent) -> String {
        let id = parent.id;
        match self {
            Self::Public => format!("/channels/{id}/threads/archived/public"),
            Self::Private => format!("/channels/{id}/threads/archived/private"),
            Self::Joined => format!("/channels/{id}/users/@me/threads/archived/private"),
        }
    }
}

/// What a page leaves in the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThreadPage {
    /// Threads that the page before did not have.
    pub threads: usize,
    /// The work file with them.
    pub object: Option<String>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<String>,
    /// Whether the next page repeats the end of this one, see [`next`].
    pub overlaps: bool,
    /// Threads are missing: more were archived at this instant than can be listed.
    pub crowded: Option<String>,
    /// Discord refuses the listing.
    pub refused: Option<String>,
}

/// Active threads of the whole guild, into a work file.
pub async fn active(
    source: Source<'_>,
    work: &Work,
    guild_id: GuildId,
) -> Result<ThreadPage, BackupError> {
    let path = format!("/guilds/{guild_id}/threads/active");
    let (mut threads, _) = page(source, "listing the active threads", &path, &[]).await?;
    learn_members(source, &mut threads).await?;
    let object = work.own("threads/active");
    work.put_json(&object, &threads).await?;
    Ok(ThreadPage {
        threads: threads.len(),
        object: Some(object),
        ..ThreadPage::default()
    })
}

/// One page of a channel's archived threads, into a work file unless it brings nothing new.
pub async fn archived(
    source: Source<'_>,
    work: &Work,
    parent: &ThreadParent,
    archive: Archive,
    number: usize,
    before: &ThreadPage,
) -> Result<ThreadPage, BackupError> {
    let channel = coverage::shown(&parent.name, parent.id);
    let doing = format!("listing the archived threads of {channel}");
    let mut query = vec![("limit", PAGE.to_string())];
    query.extend(before.next.clone().map(|before| ("before", before)));
    let listed = page(source, &doing, &archive.path(parent), &query).await;
    let (mut threads, more) = match listed {
        // Private threads are rare, and the public ones are read.
        Err(error) if archive != Archive::Public && error.verdict() == Verdict::Refused => {
            return Ok(ThreadPage {
                refused: Some(error.describe()),
                ..ThreadPage::default()
            });
        }
        listed => listed?,
    };
    learn_members(source, &mut threads).await?;
    let known = match &before.object {
        Some(object) => ids(&work.get_json::<Vec<Value>>(object).await?),
        None => HashSet::new(),
    };
    let fresh: Vec<&Value> = threads
        .iter()
        .filter(|thread| thread["id"].as_str().is_some_and(|id| !known.contains(id)))
        .collect();
    let mut outcome = ThreadPage {
        threads: fresh.len(),
        ..ThreadPage::default()
    };
    if more {
        next(&mut outcome, archive, &threads, before);
        if outcome.next.is_none() {
            // It says that there is more, and gives nothing to go on from.
            outcome.crowded.get_or_insert_default();
        }
    }
    // The whole page: the next one is compared with it.
    if !threads.is_empty() {
        let object = work.own(&format!(
            "threads/{}/{}/{number}",
            parent.id,
            archive.name()
        ));
        work.put_json(&object, &threads).await?;
        outcome.object = Some(object);
    }
    Ok(outcome)
}

/// Notes who is in private threads. Whether somebody follows a public one is their own matter.
pub async fn learn_members<'t>(
    source: Source<'_>,
    threads: impl IntoIterator<Item = &'t mut Value>,
) -> Result<(), BackupError> {
    let private = |thread: &&mut Value| thread["type"] == PRIVATE;
    for thread in threads.into_iter().filter(private) {
        let Some(id) = id(&thread["id"]) else {
            continue;
        };
        let path = format!("/channels/{id}/thread-members");
        let doing = "reading who is in a private thread";
        let members = match source.list(doing, &path, &[]).await {
            // It is a thread all the same.
            Err(error) if error.verdict() == Verdict::Refused => continue,
            members => members?,
        };
        let users = members.iter().map(|member| member["user_id"].clone());
        thread["members"] = users.collect();
    }
    Ok(())
}

/// Where the next page begins. Pages by time of archiving end at an instant that other threads may
/// share, and Discord continues strictly before the time given. So the next page begins just after
/// that instant and repeats those of it that are known. When that brings nothing new, a whole page
/// was archived at once: what else was cannot be listed, and older ones are gone on with.
fn next(outcome: &mut ThreadPage, archive: Archive, threads: &[Value], before: &ThreadPage) {
    let Some(last) = threads.last() else {
        return;
    };
    if archive == Archive::Joined {
        let id = last["id"].as_str().map(str::to_owned);
        // A cursor that does not move would list the same page for ever.
        outcome.next = id.filter(|id| before.next.as_ref() != Some(id));
        return;
    }
    let Some(instant) = last["thread_metadata"]["archive_timestamp"].as_str() else {
        return;
    };
    let Ok(at) = DateTime::parse_from_rfc3339(instant) else {
        return;
    };
    let time = |at: DateTime<_>| at.to_utc().to_rfc3339_opts(SecondsFormat::Micros, true);
    if outcome.threads > 0 {
        // Discord's times have microseconds; whether its comparison has is not documented.
        outcome.next = Some(time(at + TimeDelta::milliseconds(1)));
        outcome.overlaps = true;
    } else if before.overlaps {
        outcome.next = Some(time(at));
        outcome.crowded = Some(instant.to_owned());
    }
}

/// The threads of one answer, and whether there are more.
async fn page(
    source: Source<'_>,
    doing: &str,
    path: &str,
    query: &[(&str, String)],
) -> Result<(Vec<Value>, bool), BackupError> {
    source
        .ask(doing, path, query, |mut answer| {
            let more = answer["has_more"] == true;
            match answer.get_mut("threads").map(Value::take) {
                Some(Value::Array(threads)) => Some((threads, more)),
                _ => None,
            }
        })
        .await
}

fn ids(threads: &[Value]) -> HashSet<String> {
    threads
        .iter()
        .filter_map(|thread| thread["id"].as_str().map(str::to_owned))
        .collect()
}

/// All threads of these work files, each once, the first one found.
pub async fn read(work: &Work, objects: &[String]) -> Result<Vec<Value>, BackupError> {
    let mut all = Vec::new();
    let mut seen = HashSet::new();
    for object in objects {
        let own: Value = work.get_json(object).await?;
        for thread in array(&own) {
            if thread["id"]
                .as_str()
                .is_some_and(|id| seen.insert(id.to_owned()))
            {
                all.push(thread.clone());
            }
        }
    }
    Ok(all)
}
