//! The server as it is now, as far as the bot sees it, and what the bot may do there.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::GuildId;
use splashtail_discord::ensure::Viewer;
use splashtail_discord::permissions::Hierarchy;
use splashtail_discord::snowflake::{array, id, ids};
use splashtail_guild::{Facts, Id, Parts, Structure};

use super::options::Part;
use crate::backup::coverage::KnownChannel;
use crate::backup::error::{BackupError, Verdict};
use crate::backup::source::Source;
use crate::look::{self, Look};

/// One look at the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    pub structure: Structure,
    pub facts: Facts,
    /// The bot.
    #[serde(default)]
    pub viewer: Viewer,
    /// Permissions of the bot that depend on roles that Discord did not list: not known.
    pub uncertain: bool,
    /// The bot may not do anything until its timeout ends.
    pub timed_out: bool,
}

/// Reads the server. Lists that only some restores need are read when they are chosen, and left out
/// when the bot may not.
pub async fn read(
    source: Source<'_>,
    server: GuildId,
    known: &[KnownChannel],
    wants: impl Fn(Part) -> bool,
) -> Result<Live, BackupError> {
    let look = Look::at(source, server, known).await?;
    let path = format!("/guilds/{server}");
    let mut parts = Parts::default();
    if wants(Part::Automod) {
        let path = format!("{path}/auto-moderation/rules");
        parts.automod_rules = optional(source, "reading the AutoMod rules", &path).await?;
    }
    if wants(Part::Events) {
        let path = format!("{path}/scheduled-events");
        parts.scheduled_events = optional(source, "reading the events", &path).await?;
    }
    if wants(Part::Sounds) {
        let path = format!("{path}/soundboard-sounds");
        parts.sounds = optional(source, "reading the sounds", &path).await?;
    }
    let subject = look.subject(source.clock.now())?;
    let hierarchy = Hierarchy::new(&look.guild).ok_or_else(look::incomplete)?;
    let top_role = ids(&look.member["roles"])
        .filter_map(|role| Some((hierarchy.rank_of_role(role).ok()?, role)))
        .max()
        .map(|(_, role)| Id::new(role));
    Ok(Live {
        structure: look.structure(parts)?,
        facts: Facts {
            permissions: subject.base,
            top_role,
            owner: id(&look.guild["owner_id"]) == Some(look.me),
        },
        viewer: Viewer {
            user: subject.user,
            roles: subject.roles,
            all: subject.all,
        },
        uncertain: subject.unknown_role.is_some(),
        timed_out: subject.timed_out,
    })
}

/// `None` when the bot may not read it.
async fn optional(
    source: Source<'_>,
    doing: &str,
    path: &str,
) -> Result<Option<Vec<Value>>, BackupError> {
    let read = source
        .ask(doing, path, &[], |answer| match answer {
            Value::Array(items) => Some(items),
            answer if answer["items"].is_array() => Some(array(&answer["items"]).to_vec()),
            _ => None,
        })
        .await;
    match read {
        Ok(list) => Ok(Some(list)),
        Err(error) if error.verdict() == Verdict::Refused => Ok(None),
        Err(error) => Err(error),
    }
}
