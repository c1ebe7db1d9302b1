//! `guarded_operations`: whether more than one person has to agree.

use std::sync::Arc;

use serde_json::Value;

use crate::settings::{
    Column, Draft, Fields, Format, GuildRows, Kind, Operation, Rules, Setting, SettingsError,
    refuse,
};

/// The setting's id.
pub const GUARDED: &str = "guarded_operations";
/// Its one entry.
pub const ENTRY: &str = "server";
/// Bans of one order that need nobody's agreement, unless something else is set.
pub const MASS_BAN_ABOVE: i64 = 10;
const MOST_BANS: i64 = 1000;

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
                    "enabled",
                    "Enabled",
                    "Whether a second trusted person has to agree",
                    Kind::Boolean,
                )
            },
            Column {
                default: Some(Value::from(MASS_BAN_ABOVE)),
                ..Column::new(
                    "mass_ban_above",
                    "Mass ban above",
                    "Bans at once that need nobody else",
                    Kind::Integer {
                        min: 1,
                        max: MOST_BANS,
                    },
                )
            },
        ],
        operations: &Operation::ALL,
        max_entries: 1,
        rules: Some(Arc::new(OwnersOnly)),
    }
}

struct OwnersOnly;

impl Rules for OwnersOnly {
    fn judge(&self, draft: &mut Draft<'_>) -> Result<(), SettingsError> {
        match draft.actor.is_owner {
            true => Ok(()),
            false => Err(refuse(
                "Only the owner of the server says what needs a second person.",
                "owner_only",
            )),
        }
    }

    fn weakens(&self, before: Option<&Fields>, after: Option<&Fields>) -> Option<String> {
        let (before, after) = (Wanted::of(before), Wanted::of(after));
        if !before.is_on {
            return None;
        }
        match (after.is_on, after.mass_ban_above > before.mass_ban_above) {
            (false, _) => Some("Guarded operations go off: one person alone is enough.".to_owned()),
            (true, true) => Some(format!(
                "Mass bans need nobody else up to {} people, so far {}.",
                after.mass_ban_above, before.mass_ban_above
            )),
            (true, false) => None,
        }
    }
}

/// What a guild wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub is_on: bool,
    pub mass_ban_above: i64,
}

impl Wanted {
    /// Without an entry: off.
    pub fn of(fields: Option<&Fields>) -> Self {
        let get = |column: &str| fields.and_then(|fields| fields.get(column));
        Self {
            is_on: get("enabled").and_then(Value::as_bool).unwrap_or(false),
            mass_ban_above: get("mass_ban_above")
                .and_then(Value::as_i64)
                .unwrap_or(MASS_BAN_ABOVE),
        }
    }

    pub fn by(rows: &GuildRows) -> Self {
        Self::of(rows.get(GUARDED, ENTRY))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(enabled: bool, above: i64) -> Fields {
        let fields = json!({"scope": ENTRY, "enabled": enabled, "mass_ban_above": above});
        fields.as_object().cloned().unwrap()
    }

    #[test]
    fn going_off_or_up_is_weaker_and_nothing_else_is() {
        let weakens = |before: Option<Fields>, after: Option<Fields>| {
            OwnersOnly
                .weakens(before.as_ref(), after.as_ref())
                .is_some()
        };
        let on = || Some(entry(true, 10));
        assert!(weakens(on(), Some(entry(false, 10))));
        assert!(weakens(on(), None));
        assert!(weakens(on(), Some(entry(true, 11))));
        assert!(!weakens(on(), Some(entry(true, 9))));
        assert!(!weakens(Some(entry(false, 10)), None));
        assert!(!weakens(None, on()));
        assert!(!Wanted::of(None).is_on, "off by default");
    }
}
