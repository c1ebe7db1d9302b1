//! The guild and the bot's own membership, as Discord describes them now.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splashtail_core::ids::{ChannelId, GuildId};
use splashtail_discord::permissions::{Subject, bits};
use splashtail_discord::snowflake::id;

use super::allocate::{has_threads, short_name};
use super::coverage::{Hidden, KnownChannel};
use super::error::BackupError;
use super::source::Source;
use super::work::Work;
use crate::look::Look;

/// What the first step leaves in the journal. The objects themselves are work files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    pub created_at: chrono::DateTime<chrono::Utc>,
    /// Work file with the guild, its channels, roles and stickers.
    pub guild: String,
    /// Work file with the bot's own member object.
    pub member: String,
    pub name: String,
    /// Channels that were listed.
    pub channels: usize,
    pub roles: usize,
    /// About how many members there are.
    #[serde(default)]
    pub members: u64,
    /// Channels that exist beside them.
    #[serde(default)]
    pub hidden: Vec<Hidden>,
    /// Channels whose archived threads can be listed.
    pub thread_parents: Vec<ThreadParent>,
}

/// A channel with threads, and what may be listed of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ThreadParent {
    pub id: ChannelId,
    #[serde(default)]
    pub name: String,
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
    source: Source<'_>,
    work: &Work,
    guild_id: GuildId,
    known: &[KnownChannel],
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Snapshot, BackupError> {
    let mut look = Look::at(source, guild_id, known).await?;
    for part in ["roles", "stickers"] {
        if !look.guild[part].is_array() {
            let path = format!("/guilds/{guild_id}/{part}");
            let doing = "reading roles and stickers";
            look.guild[part] = source.list(doing, &path, &[]).await?.into();
        }
    }
    let subject = look.subject(now)?;
    let Look {
        member,
        mut guild,
        channels,
        hidden,
        ..
    } = look;
    let snapshot = Snapshot {
        created_at: now,
        guild: work.own("guild"),
        member: work.own("member"),
        name: guild["name"].as_str().unwrap_or_default().to_owned(),
        channels: channels.len(),
        roles: array(&guild["roles"]).len(),
        members: guild["approximate_member_count"]
            .as_u64()
            .unwrap_or_default(),
        hidden,
        thread_parents: thread_parents(&channels, &subject),
    };
    guild["channels"] = channels.into();
    work.put_json(&snapshot.guild, &guild).await?;
    work.put_json(&snapshot.member, &member).await?;
    Ok(snapshot)
}

/// Listing archived threads needs Read Message History; all private ones, Manage Threads too.
fn thread_parents(channels: &[Value], subject: &Subject) -> Vec<ThreadParent> {
    let needed = bits::VIEW_CHANNEL | bits::READ_MESSAGE_HISTORY;
    channels
        .iter()
        .filter(|channel| channel["type"].as_u64().is_some_and(has_threads))
        .filter_map(|channel| {
            let granted = subject.in_channel(channel);
            let private = match channel["type"].as_u64() {
                Some(0) if granted & bits::MANAGE_THREADS != 0 => Private::All,
                Some(0) => Private::Joined,
                _ => Private::None,
            };
            let id = ChannelId::new(id(&channel["id"])?)?;
            let name = short_name(channel);
            (granted & needed == needed).then_some(ThreadParent { id, name, private })
        })
        .collect()
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
