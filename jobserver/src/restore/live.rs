//! The server as it is now, as far as the bot sees it, and what the bot may do there.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splashtail_core::ids::GuildId;
use splashtail_discord::permissions::{Hierarchy, Subject, is_hidden};
use splashtail_discord::snowflake::{array, id, ids};
use splashtail_guild::{Facts, Id, Parts, Structure};

use super::options::Part;
use crate::backup::coverage::{self, KnownChannel};
use crate::backup::error::{BackupError, Verdict};
use crate::backup::source::Source;

/// One look at the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    pub structure: Structure,
    pub facts: Facts,
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
    let me = source
        .ask("reading the bot's own account", "/users/@me", &[], |me| {
            id(&me["id"])
        })
        .await?;
    let path = format!("/guilds/{server}");
    let doing = "reading the bot's membership of the server";
    let member = format!("{path}/members/{me}");
    let member = source.object(doing, &member, &[]).await?;
    let guild = source.object("reading the server", &path, &[]).await?;
    let doing = "reading the channels";
    let mut channels = source.list(doing, &format!("{path}/channels"), &[]).await?;
    let hidden = coverage::hidden(&guild, &channels, known);
    channels.retain(|channel| !is_hidden(channel));
    let stubs = hidden.iter().map(|hidden| {
        json!({"id": hidden.id, "type": hidden.kind, "parent_id": hidden.parent_id,
               "flags": splashtail_guild::HIDDEN_FLAG, "name": splashtail_guild::HIDDEN_NAME})
    });
    // Without the caller's list nobody knows whether there are more.
    let told = !known.is_empty();
    let gateway = channels.iter().cloned().chain(stubs).collect::<Vec<_>>();
    let gateway_channels = (told || !hidden.is_empty()).then_some(gateway);
    let mut parts = Parts {
        channels: Some(channels),
        gateway_channels,
        ..Parts::default()
    };
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
    let incomplete = || BackupError::Answer {
        doing: "reading the server".into(),
    };
    let subject = Subject::new(&guild, &member, source.clock.now()).ok_or_else(incomplete)?;
    let hierarchy = Hierarchy::new(&guild).ok_or_else(incomplete)?;
    let top_role = ids(&member["roles"])
        .filter_map(|role| Some((hierarchy.rank_of_role(role).ok()?, role)))
        .max()
        .map(|(_, role)| Id::new(role));
    Ok(Live {
        structure: Structure::from_rest(&guild, parts).ok_or_else(incomplete)?,
        facts: Facts {
            permissions: subject.base,
            top_role,
            owner: id(&guild["owner_id"]) == Some(me),
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
