//! The template of a server: the link by which others get a server like it. It is no part of what the
//! server consists of, and the link of one that was deleted never comes back, so a backup keeps what it
//! was and a restore says what was lost.

use serde_json::{Map, Value};
use splashtail_core::ids::GuildId;

use crate::backup::error::{BackupError, Verdict};
use crate::backup::source::Source;
use crate::restore::report::NotRestored;

/// Of a backup.
pub const SECTION: &str = "ext/templates";
/// For people.
pub const WHAT: &str = "templates";
/// What is kept of one. What it holds is the server as it was when somebody made it.
const KEPT: [&str; 7] = [
    "code",
    "name",
    "description",
    "usage_count",
    "creator_id",
    "created_at",
    "updated_at",
];

/// Reads them; the inner error is why the bot may not.
///
/// # Errors
/// Discord is away.
pub async fn read(
    source: Source<'_>,
    server: GuildId,
) -> Result<Result<Vec<Value>, String>, BackupError> {
    let path = format!("/guilds/{server}/templates");
    match source.list("reading the templates", &path, &[]).await {
        Ok(list) => Ok(Ok(list.iter().map(kept).collect())),
        Err(error) if error.verdict() == Verdict::Refused => Ok(Err(error.describe())),
        Err(error) => Err(error),
    }
}

fn kept(template: &Value) -> Value {
    let field = |name: &&str| Some(((*name).to_owned(), template.get(*name)?.clone()));
    Value::Object(KEPT.iter().filter_map(field).collect::<Map<_, _>>())
}

/// Those of a backup whose links lead nowhere now.
pub fn lost(saved: &[Value], live: &[Value]) -> Vec<NotRestored> {
    let is_there = |template: &&Value| live.iter().any(|now| now["code"] == template["code"]);
    let gone = saved.iter().filter(|template| !is_there(template));
    let item = |template: &Value| {
        let text = |name: &str| template[name].as_str().unwrap_or_default().to_owned();
        NotRestored {
            kind: "template".to_owned(),
            id: Some(text("code")),
            name: text("name"),
            fields: Vec::new(),
            code: "template".to_owned(),
            why: format!(
                "its link discord.new/{} is gone for good: make a new template in the server's \
                 settings once everything is back",
                text("code")
            ),
        }
    };
    gone.map(item).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_people_know_it_by_is_kept() {
        let whole = json!({"code": "abc", "name": "Harbour", "description": null, "usage_count": 3,
            "creator": {"id": "5"}, "creator_id": "5", "serialized_source_guild": {"roles": []}});
        assert_eq!(
            kept(&whole),
            json!({"code": "abc", "name": "Harbour", "description": null, "usage_count": 3,
                   "creator_id": "5"})
        );
    }

    #[test]
    fn a_link_that_leads_nowhere_is_named() {
        let saved = [
            json!({"code": "abc", "name": "Harbour"}),
            json!({"code": "abd", "name": "Dock"}),
        ];
        let left = lost(&saved, &[json!({"code": "abd", "name": "renamed"})]);
        assert_eq!(left.len(), 1);
        assert_eq!(
            (left[0].name.as_str(), left[0].id.as_deref()),
            ("Harbour", Some("abc"))
        );
        assert!(left[0].why.contains("discord.new/abc"), "{}", left[0].why);
    }
}
