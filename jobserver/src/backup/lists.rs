//! Parts of a server that Discord lists apart: AutoMod rules, scheduled events, sounds.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::GuildId;

use super::error::{BackupError, Verdict};
use super::source::Source;
use super::work::Work;

/// Section, route below the server's, and what it is for people.
const LISTS: [(&str, &str, &str); 3] = [
    (
        "ext/automod_rules",
        "auto-moderation/rules",
        "AutoMod rules",
    ),
    (
        "ext/scheduled_events",
        "scheduled-events",
        "scheduled events",
    ),
    ("ext/sounds", "soundboard-sounds", "sounds"),
];

/// What was listed. The lists themselves are work files.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Lists {
    /// Section and work file.
    pub saved: Vec<(String, String)>,
    /// What the bot may not read, in Discord's words.
    pub refused: Vec<(String, String)>,
}

/// Reads each list into a work file. One that the bot may not read is left out, which is not the
/// same as an empty one.
pub async fn read(source: Source<'_>, work: &Work, server: GuildId) -> Result<Lists, BackupError> {
    let mut lists = Lists::default();
    for (section, route, what) in LISTS {
        let path = format!("/guilds/{server}/{route}");
        let doing = format!("reading the {what}");
        let listed = source.ask(&doing, &path, &[], |answer| match answer {
            Value::Array(items) => Some(items),
            mut answer => match answer.get_mut("items").map(Value::take) {
                Some(Value::Array(items)) => Some(items),
                _ => None,
            },
        });
        match listed.await {
            Ok(list) => {
                let object = work.own(section);
                work.put_json(&object, &list).await?;
                lists.saved.push((section.to_owned(), object));
            }
            Err(error) if error.verdict() == Verdict::Refused => {
                lists.refused.push((what.to_owned(), error.describe()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(lists)
}
