//! Parts of a server that Discord lists apart, see [`LISTED`].

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::GuildId;

use super::error::BackupError;
use super::source::Source;
use super::work::Work;
use crate::parts::LISTED;
use crate::templates;

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
pub async fn read(
    source: Source<'_>,
    work: &Work,
    guild: &Value,
    server: GuildId,
) -> Result<Lists, BackupError> {
    let mut lists = Lists::default();
    for listed in LISTED {
        let section = listed.section;
        match listed.read(source, guild, server).await? {
            Ok(list) => {
                let object = work.own(section);
                work.put_json(&object, &list).await?;
                lists.saved.push((section.to_owned(), object));
            }
            Err(why) => lists.refused.push((listed.what.to_owned(), why)),
        }
    }
    match templates::read(source, server).await? {
        Ok(list) => {
            let object = work.own(templates::SECTION);
            work.put_json(&object, &list).await?;
            lists.saved.push((templates::SECTION.to_owned(), object));
        }
        Err(why) => lists.refused.push((templates::WHAT.to_owned(), why)),
    }
    Ok(lists)
}
