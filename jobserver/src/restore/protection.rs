//! What protection says of people: whom nobody has let go of, and which roles are power of the bot's own
//! making. A restore frees no attacker and appoints nobody.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_antinuke::IncidentState;
use splashtail_api_types::setting_names;
use splashtail_core::ids::GuildId;
use splashtail_discord::snowflake::{id, ids};
use splashtail_storage::{IncidentRow, SettingRow, Storage};

use super::error::RestoreError;
use super::people::Scope;

/// Settings by which a role is more than its permissions.
const POWERS: [&str; 4] = [
    setting_names::roles::SETTING,
    setting_names::trust::SETTING,
    setting_names::limits::SETTING,
    setting_names::guarded::SETTING,
];
/// Incidents that are read at a time, and in all: they are large.
const PAGE: u32 = 20;
const MOST_PAGES: usize = 50;
/// What became of an incident whose suspects are let go of, or were never held.
const OVER: [IncidentState; 3] = [
    IncidentState::Returned,
    IncidentState::Closed,
    IncidentState::DryRun,
];

/// Whom and what a restore leaves alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protection {
    /// Suspects of incidents whose consequences nobody has taken back.
    held: BTreeSet<u64>,
    /// Roles that settings give power to.
    roles: BTreeSet<u64>,
    quarantine: Option<u64>,
}

/// Of an incident, what matters here.
#[derive(Debug, Serialize, Deserialize)]
struct Suspects {
    state: IncidentState,
    suspects: Vec<Suspect>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Suspect {
    id: Value,
}

impl Protection {
    /// # Errors
    /// The database is away.
    pub async fn read(storage: &Storage, guild: GuildId) -> Result<Self, RestoreError> {
        let settings = storage.settings().read(guild, None).await;
        let mut protection = Self::of(&settings.map_err(RestoreError::Storage)?.rows);
        let mut before = None;
        for _ in 0..MOST_PAGES {
            let page = storage.protections().incidents(guild, before, PAGE).await;
            let page = page.map_err(RestoreError::Storage)?;
            page.iter().for_each(|row| protection.learn(row));
            match page.last() {
                Some(last) if page.len() >= PAGE as usize => before = Some(last.incident),
                _ => break,
            }
        }
        Ok(protection)
    }

    /// Of settings alone.
    pub fn of(rows: &[SettingRow]) -> Self {
        let mut protection = Self::default();
        for row in rows {
            if row.setting == setting_names::protection::SETTING {
                protection.quarantine = id(&row.fields[setting_names::protection::QUARANTINE_ROLE]);
            }
            if POWERS.contains(&row.setting.as_str()) {
                named(&Value::from(row.entry.as_str()), &mut protection.roles);
                named(&row.fields, &mut protection.roles);
            }
        }
        protection
    }

    /// Holds the suspects of an incident that is not over.
    pub fn learn(&mut self, row: &IncidentRow) {
        match serde_json::from_str::<Suspects>(&row.document) {
            Ok(incident) if OVER.contains(&incident.state) => {}
            Ok(incident) => {
                let suspects = incident.suspects.iter();
                self.held
                    .extend(suspects.filter_map(|suspect| id(&suspect.id)));
            }
            Err(error) => tracing::warn!(
                guild.id = %row.guild, incident = row.incident, %error,
                "an incident cannot be read: its suspects are not known to a restore"
            ),
        }
    }

    /// Whether a role of this id is more than its permissions.
    pub fn empowers(&self, role: u64) -> bool {
        self.roles.contains(&role)
    }

    /// Why a member, as they are now, is left alone: a code and words. Whoever chooses members by name
    /// may also end timeouts and quarantines; out of an incident leads only what the incident offers.
    pub fn objection(
        &self,
        scope: Scope,
        member: &Value,
        now: DateTime<Utc>,
    ) -> Option<(&'static str, &'static str)> {
        let user = id(&member["user"]["id"]);
        if user.is_some_and(|user| self.held.contains(&user)) {
            let why = "an incident names them, and what it took was not given back";
            return Some(("held", why));
        }
        if scope == Scope::All {
            return None;
        }
        let mut roles = ids(&member["roles"]);
        if self
            .quarantine
            .is_some_and(|own| roles.any(|role| role == own))
        {
            return Some(("quarantined", "they are in quarantine"));
        }
        let until = member["communication_disabled_until"].as_str();
        let until = until.and_then(|until| DateTime::parse_from_rfc3339(until).ok());
        let silent = until.is_some_and(|until| until.to_utc() > now);
        silent.then_some(("timed_out", "they are timed out"))
    }
}

/// Ids that a setting names, by themselves or behind their kind: `role/5`.
fn named(value: &Value, found: &mut BTreeSet<u64>) {
    match value {
        Value::String(text) => {
            let id = match text.split_once('/') {
                Some(("role", id)) => id,
                Some(_) => return,
                None => text,
            };
            found.extend(id.parse::<u64>().ok());
        }
        Value::Array(items) => items.iter().for_each(|item| named(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| named(field, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(setting: &str, entry: &str, fields: Value) -> SettingRow {
        SettingRow {
            setting: setting.to_owned(),
            entry: entry.to_owned(),
            fields,
            created_at: DateTime::UNIX_EPOCH,
            created_by: None,
            updated_at: DateTime::UNIX_EPOCH,
            updated_by: None,
        }
    }

    fn incident(state: &str, suspect: u64) -> IncidentRow {
        let suspect = json!({"id": suspect.to_string(), "bot": false, "contained": null});
        IncidentRow {
            guild: GuildId::new(1).unwrap(),
            incident: 5,
            kind: "actor".to_owned(),
            mode: "on".to_owned(),
            state: state.to_owned(),
            document: json!({"state": state, "suspects": [suspect]}).to_string(),
            alert: None,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    fn why(protection: &Protection, scope: Scope, member: &Value) -> Option<&'static str> {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        protection
            .objection(scope, member, now)
            .map(|(code, _)| code)
    }

    #[test]
    fn settings_name_roles_of_power() {
        let protection = Protection::of(&[
            row(
                "guild_roles",
                "20",
                json!({"role_id": "20", "index": 1, "perms": ["a.b"]}),
            ),
            row("protection_trust", "role/21", json!({"who": "role/21"})),
            row("protection_trust", "user/22", json!({"who": "user/22"})),
            row("welcome", "23", json!({"role": "23"})),
        ]);
        let empowered = (20..24).filter(|role| protection.empowers(*role));
        assert_eq!(empowered.collect::<Vec<_>>(), [20, 21]);
    }

    #[test]
    fn suspects_are_held_until_what_was_taken_is_given_back() {
        let member = json!({"user": {"id": "7"}, "roles": []});
        for (state, expected) in [
            ("open", Some("held")),
            ("contained", Some("held")),
            ("unreachable", Some("held")),
            ("failed", Some("held")),
            ("dry_run", None),
            ("returned", None),
            ("closed", None),
        ] {
            let mut protection = Protection::default();
            protection.learn(&incident(state, 7));
            for scope in [Scope::Renewed, Scope::All] {
                assert_eq!(why(&protection, scope, &member), expected, "{state}");
            }
            protection.learn(&incident("open", 8));
            assert_eq!(
                why(&protection, Scope::Renewed, &member),
                expected,
                "{state}"
            );
        }
    }

    #[test]
    fn quarantine_and_timeouts_last_unless_members_are_chosen() {
        let policy = json!({"policy": "server", "quarantine_role": "30"});
        let protection = Protection::of(&[row("protection_policy", "server", policy)]);
        let quarantined = json!({"user": {"id": "7"}, "roles": ["29", "30"]});
        let until = |until: &str| json!({"user": {"id": "7"}, "roles": ["29"], "communication_disabled_until": until});
        let (silent, over) = (until("2099-01-01T00:00:00Z"), until("2020-01-01T00:00:00Z"));
        for (member, expected) in [
            (&quarantined, Some("quarantined")),
            (&silent, Some("timed_out")),
            (&over, None),
        ] {
            assert_eq!(why(&protection, Scope::Renewed, member), expected);
            assert_eq!(why(&protection, Scope::All, member), None);
        }
    }
}
