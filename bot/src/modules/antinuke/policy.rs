//! From a server's settings to the policy that its engine goes by.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use splashtail_antinuke::{
    Answer, Column, LimitType, MAX_BOUND, Maintenance, Mode, Moment, NEVER, OwnToken, Policy, Spans,
};
use splashtail_guild::Id;
use splashtail_permissions::Modifier;
use splashtail_storage::SettingRow;

use super::settings::{ACTIONS, LIMITS, MAINTENANCE, POLICY, TRUST};
use crate::settings::{Fields, Rule, Why};

/// Each type and the points, for moderators, administrators and bots.
pub(super) const MOST_LIMITS: usize = 3 * (LimitType::ALL.len() + 1);
/// What a limit is about that is about no type: all acts by their weight.
pub(super) const POINTS: &str = "points";

/// What can be done at a step about somebody.
pub(super) const STEPS: [&str; 4] = ["take_roles", "kick", "ban", "nothing"];
const COLUMNS: [Column; 3] = [Column::Moderator, Column::Administrator, Column::Bot];

/// A row that another version of this program wrote. By halves a policy is not followed.
#[derive(Debug, thiserror::Error)]
#[error("`{entry}` of {setting} cannot be read")]
pub(super) struct Unreadable {
    setting: String,
    entry: String,
    #[source]
    cause: Option<serde_json::Error>,
}

#[derive(Deserialize)]
struct PolicyFields {
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    answer: Answer,
    alert_channel: Option<Id>,
    quarantine_role: Option<Id>,
    backup_hours: Option<u32>,
    /// Rows of before have none.
    #[serde(default)]
    own_token: OwnToken,
}

#[derive(Deserialize)]
struct TrustFields {
    who: String,
}

#[derive(Deserialize)]
struct LimitFields {
    limit: String,
    minute: Option<u32>,
    hour: Option<u32>,
    day: Option<u32>,
}

#[derive(Deserialize)]
struct ActionFields {
    limit_type: LimitType,
    first: Action,
    second: Action,
    third: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    TakeRoles,
    Kick,
    Ban,
    Nothing,
}

#[derive(Deserialize)]
struct MaintenanceFields {
    actor: Id,
    kinds: std::collections::BTreeSet<LimitType>,
    until: DateTime<Utc>,
}

/// The policy that these rows make, of whatever settings they are.
pub(super) fn read(rows: &[SettingRow]) -> Result<Policy, Unreadable> {
    let mut policy = Policy::default();
    for row in rows {
        take(&mut policy, row).map_err(|cause| Unreadable {
            setting: row.setting.clone(),
            entry: row.entry.clone(),
            cause,
        })?;
    }
    Ok(policy)
}

fn take(policy: &mut Policy, row: &SettingRow) -> Result<(), Option<serde_json::Error>> {
    match row.setting.as_str() {
        POLICY => {
            let fields: PolicyFields = parse(&row.fields)?;
            policy.mode = fields.mode;
            policy.answer = fields.answer;
            policy.alert_channel = fields.alert_channel;
            policy.quarantine_role = fields.quarantine_role;
            policy.backup_hours = fields.backup_hours;
            policy.own_token = fields.own_token;
        }
        TRUST => {
            let fields: TrustFields = parse(&row.fields)?;
            match fields.who.parse() {
                Ok(Modifier::User(id)) => drop(policy.trusted.users.insert(Id::new(id.get()))),
                Ok(Modifier::Role(id)) => drop(policy.trusted.roles.insert(Id::new(id.get()))),
                _ => return Err(None),
            }
        }
        LIMITS => {
            let fields: LimitFields = parse(&row.fields)?;
            fields.add_to(policy).ok_or(None)?;
        }
        ACTIONS => {
            let fields: ActionFields = parse(&row.fields)?;
            policy.actions.insert(fields.limit_type, fields.ladder());
        }
        MAINTENANCE => {
            let MaintenanceFields {
                actor,
                kinds,
                until,
            } = parse(&row.fields)?;
            let until = u64::try_from(until.timestamp_millis()).unwrap_or_default();
            policy.maintenance.push(Maintenance {
                actor,
                kinds,
                until: Moment::from_unix_ms(until),
            });
        }
        _ => {}
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(fields: &Value) -> Result<T, Option<serde_json::Error>> {
    T::deserialize(fields).map_err(Some)
}

/// The type that a limit is about, `None` for points, and whose it is.
pub(super) fn parse_limit(name: &str) -> Option<(Option<LimitType>, Column)> {
    let (kind, column) = name.split_once('/')?;
    let kind = match kind {
        POINTS => None,
        kind => Some(kind.parse().ok()?),
    };
    let column = COLUMNS.into_iter().find(|known| known.name() == column)?;
    Some((kind, column))
}

/// Names of all limits.
pub(super) fn limits() -> impl Iterator<Item = String> {
    let kinds = LimitType::ALL.iter().map(|kind| kind.name());
    let all = kinds.chain([POINTS]);
    all.flat_map(|kind| COLUMNS.map(|column| format!("{kind}/{}", column.name())))
}

impl ActionFields {
    /// Up to where nothing is done.
    fn ladder(&self) -> Vec<Answer> {
        let steps = [self.first, self.second, self.third].into_iter();
        let steps = steps.map_while(|action| match action {
            Action::TakeRoles => Some(Answer::TakeRoles),
            Action::Kick => Some(Answer::Kick),
            Action::Ban => Some(Answer::Ban),
            Action::Nothing => None,
        });
        steps.collect()
    }
}

/// The first answer of a row of the policy, or what counts without one.
pub(super) fn answer_of(fields: Option<&Fields>) -> Answer {
    let answer = fields.and_then(|fields| fields.get("answer"));
    let answer = answer.and_then(|answer| Answer::deserialize(answer).ok());
    answer.unwrap_or_default()
}

/// The steps of a row; `None` when it cannot be read.
pub(super) fn ladder_of(fields: &Fields) -> Option<Vec<Answer>> {
    let fields = ActionFields::deserialize(&Value::Object(fields.clone()));
    fields.ok().map(|fields| fields.ladder())
}

/// The bounds of a row; `None` when it cannot be read.
pub(super) fn spans_of(fields: &Fields) -> Option<Spans> {
    let fields = LimitFields::deserialize(&Value::Object(fields.clone()));
    fields.ok().map(|fields| fields.spans())
}

/// What is wrong with a row of actions, for whoever entered it.
pub(super) fn problem_of_actions(fields: &Value) -> Option<Rule> {
    let Ok(fields) = ActionFields::deserialize(fields) else {
        return Some(Rule::NoAction);
    };
    let ladder = fields.ladder();
    let steps = [fields.first, fields.second, fields.third];
    if steps[ladder.len()..]
        .iter()
        .any(|step| *step != Action::Nothing)
    {
        return Some(Rule::AfterNothing);
    }
    let mut policy = Policy::default();
    policy.actions.insert(fields.limit_type, ladder);
    policy.problems().into_iter().next().map(Rule::Ladder)
}

impl LimitFields {
    fn spans(&self) -> Spans {
        Spans([self.minute, self.hour, self.day].map(|bound| bound.unwrap_or(NEVER)))
    }

    /// `None`: there is no such limit.
    fn add_to(&self, policy: &mut Policy) -> Option<()> {
        let (kind, column) = parse_limit(&self.limit)?;
        let spans = self.spans();
        let rows: &mut BTreeMap<Column, Spans> = match kind {
            Some(kind) => policy.limits.entry(kind).or_default(),
            None => &mut policy.points,
        };
        rows.insert(column, spans);
        Some(())
    }
}

/// What is wrong with a row of limits, for whoever entered it.
pub(super) fn problem_of_limit(fields: &Value) -> Option<Why> {
    let Ok(fields) = LimitFields::deserialize(fields) else {
        return Some(Why::Bounds { most: MAX_BOUND });
    };
    let mut policy = Policy::default();
    match fields.add_to(&mut policy) {
        None => Some(Why::NoLimit),
        Some(()) => policy.problems().into_iter().next().map(Why::Policy),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use splashtail_antinuke::PolicyProblem;

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

    #[test]
    fn rows_of_all_settings_make_one_policy() {
        let rows = [
            row("guild_roles", "7", json!({"role_id": "7"})),
            row(
                POLICY,
                "server",
                json!({"policy": "server", "mode": "on", "answer": "kick", "alert_channel": "30",
                    "quarantine_role": null}),
            ),
            row(TRUST, "user/7", json!({"who": "user/7"})),
            row(TRUST, "role/8", json!({"who": "role/8"})),
            row(
                LIMITS,
                "ban/bot",
                json!({"limit": "ban/bot", "minute": 2, "hour": null, "day": 9}),
            ),
            row(
                LIMITS,
                "points/moderator",
                json!({"limit": "points/moderator", "minute": 5, "hour": 6, "day": 7}),
            ),
            row(
                MAINTENANCE,
                "9",
                json!({"actor": "9", "kinds": ["ban"], "until": "2015-01-01T00:00:02Z"}),
            ),
        ];
        let policy = read(&rows).unwrap();
        assert_eq!((policy.mode, policy.answer), (Mode::On, Answer::Kick));
        assert_eq!(policy.alert_channel, Some(Id::new(30)));
        assert!(policy.trusts(Id::new(7), &[]) && policy.trusts(Id::new(1), &[Id::new(8)]));
        let ban = &policy.limits[&LimitType::Ban];
        assert_eq!(ban[&Column::Bot], Spans([2, NEVER, 9]));
        assert_eq!(policy.points[&Column::Moderator], Spans([5, 6, 7]));
        assert_eq!(policy.maintenance[0].until, Moment(2000));
        assert!(policy.problems().is_empty());
        assert_eq!(read(&[]).unwrap(), Policy::default());
    }

    #[test]
    fn a_row_that_is_not_understood_is_not_passed_over() {
        for (setting, fields) in [
            (
                POLICY,
                json!({"mode": "on", "answer": "of a later version"}),
            ),
            (TRUST, json!({"who": "global"})),
            (LIMITS, json!({"limit": "colours/bot", "minute": 1})),
            (LIMITS, json!({"limit": "ban/guest", "minute": 1})),
            (
                MAINTENANCE,
                json!({"actor": "9", "kinds": ["sleep"], "until": "2015-01-01T00:00:02Z"}),
            ),
        ] {
            let error = read(&[row(setting, "x", fields)]).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("`x` of {setting} cannot be read")
            );
        }
    }

    #[test]
    fn steps_are_taken_up_to_nothing_and_none_twice() {
        let fields = |first: &str, second: &str, third: &str| json!({"limit_type": "ban", "first": first, "second": second, "third": third});
        for (first, second, third, ladder) in [
            (
                "kick",
                "ban",
                "take_roles",
                &[Answer::Kick, Answer::Ban, Answer::TakeRoles][..],
            ),
            ("ban", "nothing", "nothing", &[Answer::Ban]),
            ("nothing", "nothing", "nothing", &[]),
        ] {
            let fields = fields(first, second, third);
            assert_eq!(problem_of_actions(&fields), None);
            let policy = read(&[row(ACTIONS, "ban", fields)]).unwrap();
            assert_eq!(policy.actions[&LimitType::Ban], ladder);
        }
        for (first, second, third) in [
            ("nothing", "ban", "nothing"),
            ("ban", "nothing", "kick"),
            ("ban", "ban", "nothing"),
            ("ban", "sing", "nothing"),
        ] {
            let problem = problem_of_actions(&fields(first, second, third));
            assert!(problem.is_some(), "{first} {second} {third}");
        }
    }

    #[test]
    fn limits_that_make_no_sense() {
        let problem = |limit: &str, minute: Value, hour: Value| {
            problem_of_limit(&json!({"limit": limit, "minute": minute, "hour": hour, "day": null}))
        };
        assert_eq!(problem("ban/bot", json!(3), json!(3)), None);
        assert_eq!(problem("ban/bot", json!(null), json!(3)), None);
        let unordered = PolicyProblem::Unordered {
            what: "ban",
            column: Column::Bot,
        };
        let too_soon = problem("ban/bot", json!(4), json!(3));
        assert_eq!(too_soon, Some(Why::Policy(unordered)));
        assert_eq!(problem("ban", json!(4), json!(5)), Some(Why::NoLimit));
    }
}
