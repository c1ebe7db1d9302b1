//! What happens to a guild without anybody doing it: Discord notices something, or something of an
//! unknown kind is there.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use splashtail_sandbox_world::world::{Id, Unknown};

use super::{Answer, Body, Ctl, Failure, id};

/// `POST /ctl/guilds/{guild}/happen`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum Happening {
    /// `raid_detected_at` of `incidents_data`.
    RaidDetected,
    /// `dm_spam_detected_at` of it.
    DmSpamDetected,
    /// Both are forgotten.
    AllClear,
    /// Something of a kind that nobody knows, made by the owner. Nothing is held against the API
    /// description from then on, which does not know it either.
    Unknown {
        kind: Unknown,
        /// Where a message goes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel_id: Option<String>,
    },
}

pub(super) async fn happen(
    State(control): Ctl,
    Path(guild): Path<String>,
    Body(what): Body<Happening>,
) -> Answer {
    let guild = id(&guild)?;
    let channel = match &what {
        Happening::Unknown { channel_id, .. } => channel_id.as_deref().map(id).transpose()?,
        _ => None,
    };
    let _turn = control.edge.turn().await;
    let sandbox = &control.edge.sandbox;
    if matches!(what, Happening::Unknown { .. })
        && let Some(checker) = sandbox.checker.get()
    {
        checker.pause();
    }
    let detail = serde_json::to_value(&what).unwrap_or_default();
    control.note("happen", json!({"guild": guild, "happening": detail}));
    let made: Option<Option<Id>> = sandbox.with_world(|world| {
        let owner = world.guilds.get(&guild)?.owner_id;
        match what {
            Happening::Unknown { kind, .. } => {
                return Some(Some(world.make_unknown(guild, channel, owner, kind)?));
            }
            Happening::RaidDetected => world.detect(guild, true, false),
            Happening::DmSpamDetected => world.detect(guild, false, true),
            Happening::AllClear => world.detect(guild, false, false),
        }
        Some(None)
    });
    match made {
        Some(id) => Ok(Json(json!({"id": id}))),
        None => Err(Failure::missing(
            "guild, or channel in it,",
            &guild.to_string(),
        )),
    }
}
