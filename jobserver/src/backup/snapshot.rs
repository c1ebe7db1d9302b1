//! The guild, the bot's own membership and the threads, as Discord describes them now.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splashtail_core::ids::{ChannelId, GuildId};
use splashtail_discord::permissions::{Subject, bits, id};
use splashtail_discord::{Discord, DiscordError};
use tokio_util::sync::CancellationToken;

use super::allocate::has_threads;
use super::error::BackupError;
use super::work::Work;

/// Pages of archived threads read per channel and kind; a hundred threads each.
const ARCHIVE_PAGES: usize = 10;
const ARCHIVE_PAGE: usize = 100;

/// What the first step leaves in the journal. The objects themselves are work files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    pub created_at: chrono::DateTime<chrono::Utc>,
    /// Work file with the guild, its channels, roles and stickers.
    pub guild: String,
    /// Work file with the bot's own member object.
    pub member: String,
    pub name: String,
    pub channels: usize,
    pub roles: usize,
    /// Channels whose archived threads can be listed.
    pub thread_parents: Vec<ThreadParent>,
}

/// A channel with threads, and what may be listed of them.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ThreadParent {
    pub id: ChannelId,
    /// Text channels alone have private threads.
    pub private: Private,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Private {
    None,
    Joined,
    All,
}

/// Reads guild and member into work files.
pub async fn take(
    discord: &Discord,
    work: &Work,
    guild_id: GuildId,
    now: chrono::DateTime<chrono::Utc>,
    cancelled: &CancellationToken,
) -> Result<Snapshot, BackupError> {
    let get = |path: String| discord.get(path).cancelled_by(cancelled);
    let me: Value = get("/users/@me".into())
        .send()
        .await
        .map_err(BackupError::discord("reading the bot's own account"))?;
    let me = me["id"]
        .as_str()
        .ok_or(BackupError::Incomplete("the bot's own account"))?;
    let member: Value = get(format!("/guilds/{guild_id}/members/{me}"))
        .send()
        .await
        .map_err(BackupError::discord(
            "reading the bot's membership of the server",
        ))?;
    let mut guild: Value = get(format!("/guilds/{guild_id}"))
        .query("with_counts", true)
        .send()
        .await
        .map_err(BackupError::discord("reading the server"))?;
    guild["channels"] = get(format!("/guilds/{guild_id}/channels"))
        .send()
        .await
        .map_err(BackupError::discord("reading the channels"))?;
    for part in ["roles", "stickers"] {
        if !guild[part].is_array() {
            guild[part] = get(format!("/guilds/{guild_id}/{part}"))
                .send()
                .await
                .map_err(BackupError::discord("reading roles and stickers"))?;
        }
    }
    let subject =
        Subject::new(&guild, &member, now).ok_or(BackupError::Incomplete("the server"))?;
    let channels = array(&guild["channels"]);
    let snapshot = Snapshot {
        created_at: now,
        guild: work.own("guild"),
        member: work.own("member"),
        name: guild["name"].as_str().unwrap_or_default().to_owned(),
        channels: channels.len(),
        roles: array(&guild["roles"]).len(),
        thread_parents: thread_parents(channels, &subject),
    };
    work.put_json(&snapshot.guild, &guild).await?;
    work.put_json(&snapshot.member, &member).await?;
    Ok(snapshot)
}

/// Listing archived threads needs Read Message History; all private ones, Manage Threads too.
fn thread_parents(channels: &[Value], subject: &Subject) -> Vec<ThreadParent> {
    let needed = bits::VIEW_CHANNEL | bits::READ_MESSAGE_HISTORY;
    channels
        .iter()
        .filter(|channel| has_threads(channel))
        .filter_map(|channel| {
            let granted = subject.in_channel(channel);
            let private = match channel["type"].as_u64() {
                Some(0) if granted & bits::MANAGE_THREADS != 0 => Private::All,
                Some(0) => Private::Joined,
                _ => Private::None,
            };
            let id = ChannelId::new(id(&channel["id"])?)?;
            (granted & needed == needed).then_some(ThreadParent { id, private })
        })
        .collect()
}

/// Active threads of the whole guild, into a work file.
pub async fn active_threads(
    discord: &Discord,
    work: &Work,
    guild_id: GuildId,
    cancelled: &CancellationToken,
) -> Result<Listing, BackupError> {
    let answer = discord
        .get(format!("/guilds/{guild_id}/threads/active"))
        .cancelled_by(cancelled)
        .send()
        .await
        .map_err(BackupError::discord("listing the active threads"))?;
    let threads = array(&answer["threads"]);
    let object = work.own("threads/active");
    work.put_json(&object, &threads).await?;
    Ok(Listing {
        threads: threads.len(),
        object: Some(object),
        ..Listing::default()
    })
}

/// What listing threads came to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Listing {
    pub threads: usize,
    /// The work file; none without threads.
    pub object: Option<String>,
    /// Older threads exist that were not listed.
    pub more: bool,
    /// Private threads that Discord refused to list, with its reason.
    pub refused: Option<String>,
}

/// Archived threads of one channel, into a work file unless there are none.
pub async fn archived_threads(
    discord: &Discord,
    work: &Work,
    parent: ThreadParent,
    cancelled: &CancellationToken,
) -> Result<Listing, BackupError> {
    let doing = "listing the archived threads";
    let id = parent.id;
    let mut threads = Vec::new();
    let public = format!("/channels/{id}/threads/archived/public");
    let mut archive = Listing::default();
    archive.more |= list(discord, &public, Cursor::Archived, &mut threads, cancelled)
        .await
        .map_err(BackupError::discord(doing))?;
    let private = match parent.private {
        Private::None => None,
        Private::All => Some((
            format!("/channels/{id}/threads/archived/private"),
            Cursor::Archived,
        )),
        Private::Joined => Some((
            format!("/channels/{id}/users/@me/threads/archived/private"),
            Cursor::Id,
        )),
    };
    if let Some((path, cursor)) = private {
        match list(discord, &path, cursor, &mut threads, cancelled).await {
            Ok(more) => archive.more |= more,
            // Not worth a backup: private threads are rare and the public ones are read.
            Err(error) if error.is_forbidden() || error.is_not_found() => {
                archive.refused = Some(error.to_string());
            }
            Err(error) => return Err(BackupError::discord(doing)(error)),
        }
    }
    archive.threads = threads.len();
    if !threads.is_empty() {
        let object = work.own(&format!("threads/{id}"));
        work.put_json(&object, &threads).await?;
        archive.object = Some(object);
    }
    Ok(archive)
}

/// What a listing of archived threads continues from.
#[derive(Debug, Clone, Copy)]
enum Cursor {
    /// The time the last one was archived.
    Archived,
    /// Its id.
    Id,
}

/// Reads pages until the last one; `true` when there are more than we read.
async fn list(
    discord: &Discord,
    path: &str,
    cursor: Cursor,
    threads: &mut Vec<Value>,
    cancelled: &CancellationToken,
) -> Result<bool, DiscordError> {
    let mut before: Option<String> = None;
    for _ in 0..ARCHIVE_PAGES {
        let mut request = discord
            .get(path)
            .query("limit", ARCHIVE_PAGE)
            .cancelled_by(cancelled);
        if let Some(before) = &before {
            request = request.query("before", before);
        }
        let answer = request.send().await?;
        let page = array(&answer["threads"]);
        threads.extend(page.iter().cloned());
        let last = page.last().map_or(&Value::Null, |last| match cursor {
            Cursor::Archived => &last["thread_metadata"]["archive_timestamp"],
            Cursor::Id => &last["id"],
        });
        let next = last.as_str().map(str::to_owned);
        // A cursor that does not move would list the same page for ever.
        if answer["has_more"] != true || next.is_none() || next == before {
            return Ok(false);
        }
        before = next;
    }
    Ok(true)
}

/// All threads listed so far, each once.
pub async fn threads(work: &Work, listings: &[Listing]) -> Result<Vec<Value>, BackupError> {
    let mut all = Vec::new();
    for object in listings
        .iter()
        .filter_map(|listing| listing.object.as_deref())
    {
        let own: Vec<Value> = work.get_json(object).await?;
        all.extend(own);
    }
    let mut seen = std::collections::HashSet::new();
    all.retain(|thread| {
        thread["id"]
            .as_str()
            .is_some_and(|id| seen.insert(id.to_owned()))
    });
    Ok(all)
}

pub fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The address of a guild image, if it has one.
pub fn image_hash(guild: &Value, field: &str) -> Option<String> {
    guild[field]
        .as_str()
        .filter(|hash| !hash.is_empty())
        .map(str::to_owned)
}

/// For logs: names may be long.
pub fn short(name: &str) -> Value {
    json!(name.chars().take(100).collect::<String>())
}
