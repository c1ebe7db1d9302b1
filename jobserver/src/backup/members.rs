//! Who is in a server, with which roles, names and timeouts; and who is banned. Each page is a step
//! of its own.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use splashtail_antinuke::unmarked;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_discord::snowflake::id;

use super::error::{BackupError, Verdict};
use super::source::Source;
use super::work::Work;

/// What Discord gives at a time.
const PAGE: usize = 1000;
/// A million people.
pub const MOST_PAGES: usize = 1000;
/// What is kept of a member: what can be given back, and what people recognise them by.
const MEMBER: [&str; 5] = [
    "nick",
    "roles",
    "communication_disabled_until",
    "joined_at",
    "flags",
];
const USER: [&str; 5] = ["id", "username", "discriminator", "global_name", "bot"];

/// A list of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum People {
    Members,
    Banned,
}

impl People {
    pub const ALL: [Self; 2] = [Self::Members, Self::Banned];

    /// Of the file, and of steps.
    pub fn section(self) -> &'static str {
        match self {
            Self::Members => "ext/members",
            Self::Banned => "ext/bans",
        }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::Banned => "bans",
        }
    }
}

/// What a page leaves in the journal.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PeoplePage {
    pub count: u64,
    pub bytes: u64,
    /// The work file: the entries of a JSON list, without its brackets.
    pub object: Option<String>,
    /// Where the next page begins; `None` after the last one.
    pub after: Option<UserId>,
    /// Discord refuses the list.
    pub refused: Option<String>,
}

/// One page of a list, into a work file.
pub async fn page(
    source: Source<'_>,
    work: &Work,
    server: GuildId,
    people: People,
    number: usize,
    after: Option<UserId>,
) -> Result<PeoplePage, BackupError> {
    let path = format!("/guilds/{server}/{}", people.name());
    let doing = format!("reading the {}", people.name());
    let mut query = vec![("limit", PAGE.to_string())];
    query.extend(after.map(|after| ("after", after.to_string())));
    let listed = match source.list(&doing, &path, &query).await {
        Ok(listed) => listed,
        // Members need an intent, bans a permission.
        Err(error) if error.verdict() == Verdict::Refused => {
            return Ok(PeoplePage {
                refused: Some(error.describe()),
                ..PeoplePage::default()
            });
        }
        Err(error) => return Err(error),
    };
    let known = |entry: &Value| id(&entry["user"]["id"]).and_then(UserId::new);
    let fresh: Vec<&Value> = listed
        .iter()
        .filter(|entry| known(entry).is_some_and(|user| after.is_none_or(|after| user > after)))
        .collect();
    let last = fresh.iter().filter_map(|entry| known(entry)).max();
    let mut page = PeoplePage {
        count: fresh.len() as u64,
        after: last.filter(|_| listed.len() >= PAGE),
        ..PeoplePage::default()
    };
    if !fresh.is_empty() {
        let mut entries = Vec::new();
        for entry in fresh {
            if !entries.is_empty() {
                entries.push(b',');
            }
            let kept = kept(people, entry);
            serde_json::to_writer(&mut entries, &kept).map_err(BackupError::Json)?;
        }
        let object = work.own(&format!("{}/{number}", people.section()));
        page.bytes = entries.len() as u64;
        work.put(&object, entries).await?;
        page.object = Some(object);
    }
    Ok(page)
}

/// What is kept of one.
pub fn kept(people: People, entry: &Value) -> Value {
    let mut kept = Map::new();
    kept.insert("user".to_owned(), some(&entry["user"], &USER));
    let rest = match people {
        People::Members => some(entry, &MEMBER),
        People::Banned => {
            let mut ban = some(entry, &["reason"]);
            if let Some(reason) = entry["reason"].as_str() {
                // A restored one ends in the marks of the restore.
                ban["reason"] = unmarked(reason).into();
            }
            ban
        }
    };
    if let Value::Object(rest) = rest {
        kept.extend(rest);
    }
    Value::Object(kept)
}

/// These fields, as far as they say anything.
fn some(object: &Value, fields: &[&str]) -> Value {
    fields
        .iter()
        .filter(|field| !object[**field].is_null())
        .map(|field| ((*field).to_owned(), object[*field].clone()))
        .collect::<Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_be_given_back_is_kept() {
        let member = json!({"user": {"id": "5", "username": "a", "avatar": "x", "bot": true},
            "nick": null, "roles": ["7"], "joined_at": "2024", "pending": false, "avatar": "y",
            "communication_disabled_until": "2026-01-01T00:00:00Z"});
        let expected = json!({"user": {"id": "5", "username": "a", "bot": true}, "roles": ["7"],
            "communication_disabled_until": "2026-01-01T00:00:00Z", "joined_at": "2024"});
        assert_eq!(kept(People::Members, &member), expected);
        let ban = json!({"reason": "spam", "user": {"id": "6", "username": "b", "flags": 4}});
        let expected = json!({"user": {"id": "6", "username": "b"}, "reason": "spam"});
        assert_eq!(kept(People::Banned, &ban), expected);
        let mut restored = ban;
        restored["reason"] = "spam #ABCDEFG2 [0123456789abcdef01234567]".into();
        assert_eq!(kept(People::Banned, &restored), expected);
    }
}
