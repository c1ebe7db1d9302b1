//! `guarded_operations`: whether more than one person has to agree.

use std::sync::Arc;

use serde_json::Value;
use splashtail_api_types::setting_names::guarded::{BANS_ABOVE, ENABLED};
pub use splashtail_api_types::setting_names::guarded::{ENTRY, SETTING as GUARDED};
use splashtail_core::ids::GuildId;
use splashtail_storage::{Storage, StorageError};

use crate::settings::{
    Column, Draft, EntryChange, Fields, Format, Gravity, GuildRows, Kind, Operation, Rule, Rules,
    Setting, Weaker, Wrong,
};
use crate::text;

/// People that are banned within a day on one person's word, unless the guild says otherwise.
const USUAL_BANS: u64 = 20;

pub fn setting() -> Setting {
    Setting {
        id: GUARDED,
        name: "Guarded operations",
        description: "What needs a second trusted person; only the owner changes it",
        primary_key: "scope",
        title_template: "{scope}",
        columns: vec![
            Column::new(
                "scope",
                "Scope",
                "Always `server`",
                Kind::Text {
                    min: 1,
                    max: 16,
                    allowed: &[ENTRY],
                    format: Format::Plain,
                },
            ),
            Column {
                default: Some(Value::Bool(true)),
                ..Column::new(
                    ENABLED,
                    "Enabled",
                    "Whether a second trusted person has to agree",
                    Kind::Boolean,
                )
            },
            Column {
                default: Some(Value::from(USUAL_BANS)),
                ..Column::new(
                    BANS_ABOVE,
                    "Bans above",
                    "How many people may be banned in 24 hours with /massban on one person's word",
                    Kind::Integer { min: 1, max: 1000 },
                )
            },
        ],
        retired: &["mass_ban_above"],
        operations: &Operation::ALL,
        max_entries: 1,
        rules: Some(Arc::new(OwnersOnly)),
    }
}

struct OwnersOnly;

impl Rules for OwnersOnly {
    fn judge(&self, draft: &mut Draft<'_>) -> Result<(), Wrong> {
        match draft.actor.is_owner {
            true => Ok(()),
            false => Err(Rule::OwnerOnly.into()),
        }
    }

    fn weakens(&self, change: &EntryChange<'_>) -> Option<Weaker> {
        let (before, after) = (Wanted::of(change.before), Wanted::of(change.after));
        if before.is_on && !after.is_on {
            let line = text!(change.language, "weaker-guarded");
            return Some(Gravity::Off.of(line));
        }
        (before.is_on && after.bans_above > before.bans_above).then(|| {
            let (most, now) = (after.bans_above, before.bans_above);
            Gravity::Less.of(text!(
                change.language,
                "weaker-bans",
                most = most,
                now = now
            ))
        })
    }
}

/// What a guild wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub is_on: bool,
    /// More people are not banned within a day on one person's word.
    pub bans_above: u64,
}

impl Wanted {
    /// Without an entry: off.
    pub fn of(fields: Option<&Fields>) -> Self {
        let get = |column: &str| fields.and_then(|fields| fields.get(column));
        Self {
            is_on: get(ENABLED).and_then(Value::as_bool).unwrap_or(false),
            bans_above: get(BANS_ABOVE)
                .and_then(Value::as_u64)
                .unwrap_or(USUAL_BANS),
        }
    }

    /// Whether it takes more than one person when so many would be banned within a day.
    pub fn guards_bans(&self, count: usize) -> bool {
        self.is_on && count as u64 > self.bans_above
    }

    /// From the database itself.
    ///
    /// # Errors
    /// The database failed.
    pub async fn stored(storage: &Storage, guild: GuildId) -> Result<Self, StorageError> {
        let read = storage.settings().read(guild, Some(GUARDED)).await?;
        let row = read.rows.iter().find(|row| row.entry == ENTRY);
        Ok(Self::of(row.and_then(|row| row.fields.as_object())))
    }

    pub fn by(rows: &GuildRows) -> Self {
        Self::of(rows.get(GUARDED, ENTRY))
    }
}

/// Turns them on as the owner does.
#[cfg(test)]
pub async fn turn_on_for_tests(
    foundation: &crate::modules::Foundation,
    guild: GuildId,
    bans_above: u64,
) {
    let edits = [splashtail_storage::Edit {
        setting: GUARDED.to_owned(),
        entry: ENTRY.to_owned(),
        before: None,
        after: Some(serde_json::json!({"scope": ENTRY, "enabled": true, "bans_above": bans_above})),
    }];
    let at = foundation.clock.now();
    foundation.storage.guilds().ensure(guild, at).await.unwrap();
    let settings = foundation.storage.settings();
    let read = settings.read(guild, None).await.unwrap();
    let on = splashtail_storage::NewChange {
        guild,
        decided_on: read.version,
        by: splashtail_core::ids::UserId::new(1).unwrap(),
        way: "command",
        at,
        undoes: None,
        edits: &edits,
    };
    let written = settings.write(&on).await.unwrap();
    assert!(matches!(written, splashtail_storage::Written::At(_)));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::Language;

    #[test]
    fn going_off_is_weaker_and_nothing_else_is() {
        let entry = |enabled: bool| {
            let fields = json!({"scope": ENTRY, "enabled": enabled, "mass_ban_above": 10});
            fields.as_object().cloned()
        };
        let rows = GuildRows::default();
        let weakens = |before: Option<Fields>, after: Option<Fields>| {
            let change = EntryChange {
                language: Language::English,
                before: before.as_ref(),
                after: after.as_ref(),
                rows_before: &rows,
                rows_after: &rows,
            };
            OwnersOnly.weakens(&change).is_some()
        };
        assert!(weakens(entry(true), entry(false)));
        assert!(weakens(entry(true), None));
        assert!(!weakens(entry(false), None));
        assert!(!weakens(None, entry(true)));
        assert!(!Wanted::of(None).is_on, "off by default");
        let bans = |enabled: bool, above: u64| {
            let fields = json!({"scope": ENTRY, "enabled": enabled, "bans_above": above});
            fields.as_object().cloned()
        };
        assert!(weakens(bans(true, 20), bans(true, 21)));
        assert!(weakens(entry(true), bans(true, 21)), "20 without a word");
        assert!(!weakens(bans(true, 20), bans(true, 10)));
        assert!(!weakens(bans(false, 20), bans(true, 500)));
        let wanted = Wanted::of(bans(true, 30).as_ref());
        assert!(wanted.guards_bans(31) && !wanted.guards_bans(30));
        assert!(!Wanted::of(bans(false, 1).as_ref()).guards_bans(1000));
    }
}
