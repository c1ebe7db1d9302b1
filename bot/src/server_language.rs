//! Which language servers are written to in: what was set, kept in memory.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::GuildId;
use splashtail_storage::{Snapshot, Storage, StorageError};

use crate::catalogue::Language;
use crate::guilds::GuildView;
use crate::inputs::{Changes, Kept, Source};
use crate::settings::{Column, Format, Kind, Operation, Setting};

/// The setting that chooses the language of a server.
pub const SETTING: &str = "server_language";
/// Its one entry.
const POSTS: &str = "posts";

/// The languages of servers: what was set, else what Discord knows of the server.
#[derive(Clone)]
pub struct ServerLanguages(Arc<Kept<Option<Language>>>);

struct Stored(Storage);

#[async_trait]
impl Source<Option<Language>> for Stored {
    async fn load(&self, guild: GuildId) -> Result<(i64, Option<Language>), StorageError> {
        let Snapshot { version, rows } = self.0.settings().read(guild, Some(SETTING)).await?;
        let set = rows.iter().find(|row| row.entry == POSTS);
        let language = set.and_then(|row| row.fields["language"].as_str());
        Ok((version, language.and_then(Language::of)))
    }
}

impl ServerLanguages {
    pub fn new(storage: Storage, changes: &Changes, clock: SharedClock) -> Self {
        let kept = Kept::new(Stored(storage), clock);
        changes.heard_by(Arc::clone(&kept) as _);
        Self(kept)
    }

    /// From memory: until the guild's rows were read once, what Discord knows.
    pub fn of(&self, guild: GuildId, preferred: Option<&str>) -> Language {
        let set = self.0.last_known(guild).and_then(|set| *set);
        let known = set.or_else(|| preferred.and_then(Language::of));
        known.unwrap_or_default()
    }

    pub fn of_view(&self, view: &GuildView) -> Language {
        view.structure(|structure| {
            self.of(view.id(), structure.guild()["preferred_locale"].as_str())
        })
    }

    /// What was set, waiting for the database where that is not known.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn set_of(&self, guild: GuildId) -> Result<Option<Language>, StorageError> {
        self.0.get(guild).await.map(|set| *set)
    }
}

pub fn setting() -> Setting {
    Setting {
        id: SETTING,
        name: "Language",
        description: "The language in which the bot writes to everybody here",
        primary_key: "what",
        title_template: "{what}",
        columns: vec![
            Column {
                unique: true,
                ..Column::new("what", "What", "What is written", choice(&[POSTS]))
            },
            Column::new(
                "language",
                "Language",
                "Its language; without this entry it is the server's own",
                choice(&Language::CODES),
            ),
        ],
        retired: &[],
        operations: &Operation::ALL,
        max_entries: 1,
        rules: None,
    }
}

const fn choice(allowed: &'static [&'static str]) -> Kind {
    Kind::Text {
        min: 1,
        max: 16,
        allowed,
        format: Format::Plain,
    }
}

/// The one entry of the setting, for this language.
pub fn entry(language: Language) -> crate::settings::Fields {
    let fields = [("what", POSTS), ("language", language.code())];
    let fields = fields.map(|(column, value)| (column.to_owned(), Value::from(value)));
    fields.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_choose_a_language_that_exists() {
        let setting = setting();
        setting.check().unwrap();
        for language in Language::ALL {
            for (column, value) in entry(language) {
                let column = setting.column(&column).unwrap();
                assert_eq!(column.read(&value).unwrap(), value);
            }
        }
    }
}
