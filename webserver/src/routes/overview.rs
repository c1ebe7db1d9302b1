//! A server at a glance.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use splashtail_api_types::ErrorBody;
use splashtail_api_types::health::GuildHealth;
use splashtail_api_types::incidents::IncidentSummary;
use splashtail_api_types::job_kinds::{CREATE_BACKUP, REVERT_INCIDENT};
use splashtail_api_types::overview::{BackupsAtAGlance, GuildOverview, ProtectionState};
use splashtail_core::ids::GuildId;
use splashtail_jobs::render;
use splashtail_storage::{IncidentRow, Owner, StorageError, TaskQuery, TaskRow, TaskState};

use super::guild_jobs::LOOK;
use super::health::health;
use super::incidents::summary;
use crate::app::{App, AppState};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{PathOf, guild_id};
use crate::fleet::denied;

const INCIDENTS: &str = "incidents list";
const HEALTH: &str = "health";
/// Incidents that are shown, and those among which one may be that is not over.
const SHOWN: usize = 3;
const LOOKED_AT: u32 = 25;
/// Jobs that are looked through.
const JOBS: u32 = 100;
const MOST_RUNNING: usize = 10;
/// So long after its last change an attack that could not be stopped counts as running.
const LATELY: TimeDelta = TimeDelta::hours(1);

/// A server at a glance: the worst that is known, what happened last, what is wrong, the newest backup.
///
/// Parts that you may not look at are `null`.
#[utoipa::path(get, path = "/guilds/{guild_id}/overview", tag = "Guilds", operation_id = "get_guild_overview",
    params(("guild_id" = String, Path, description = "The server")),
    security(("User" = [])),
    responses(
        (status = 200, description = "As it is now", body = GuildOverview),
        (status = 403, description = "You may look at none of it", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn get_guild_overview(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
) -> Result<Json<GuildOverview>, ApiError> {
    let guild = guild_id(&guild)?;
    let commands = [INCIDENTS, HEALTH, LOOK].map(str::to_owned);
    let standings = app.fleet.standings(guild, &caller, &commands).await?;
    let is_there = standings.permissions.is_some();
    let standing = |command: &str| standings.commands.get(command);
    let may = |command: &str| is_there && standing(command).is_some_and(|found| found.is_ok);
    let (sees_incidents, sees_health, sees_backups) = (may(INCIDENTS), may(HEALTH), may(LOOK));
    if !(sees_incidents || sees_health || sees_backups) {
        let why = standing(HEALTH).map(|found| found.perm_res.clone());
        return Err(denied(why.unwrap_or_default()));
    }
    let incidents = match sees_incidents {
        true => Some(incidents(&app, guild).await?),
        false => None,
    };
    let health = match sees_health {
        true => Some(health(&app, &caller, guild).await?),
        false => None,
    };
    let backups = match sees_backups {
        true => Some(backups(&app, guild).await?),
        false => None,
    };
    let put_back = match sees_incidents {
        true => put_back(&app, guild).await?,
        false => Vec::new(),
    };
    let now = app.clock.now();
    let state = state(now, incidents.as_deref(), &put_back, health.as_ref());
    let shown = incidents.map(|mut incidents| {
        incidents.truncate(SHOWN);
        incidents
    });
    Ok(Json(GuildOverview {
        state,
        incidents: shown,
        health,
        backups,
    }))
}

async fn incidents(app: &App, guild: GuildId) -> Result<Vec<IncidentSummary>, StorageError> {
    let store = app.storage.protections();
    let rows: Vec<IncidentRow> = store.incidents(guild, None, LOOKED_AT).await?;
    Ok(rows.into_iter().map(summary).collect())
}

/// Incidents that something was put back of.
async fn put_back(app: &App, guild: GuildId) -> Result<Vec<String>, StorageError> {
    let query = TaskQuery {
        name: Some(REVERT_INCIDENT.name),
        ..TaskQuery::newest(Owner::Server(guild), JOBS)
    };
    let rows = app.storage.tasks().list(&query, app.clock.now()).await?;
    let done = rows.iter().filter(|row| {
        let looks_only = row.fields["DryRun"] == true;
        row.state == TaskState::Completed && !looks_only && row.fields["Undo"].is_null()
    });
    let incident = |row: &TaskRow| match &row.fields["Incident"] {
        serde_json::Value::String(id) => Some(id.clone()),
        serde_json::Value::Number(id) => Some(id.to_string()),
        _ => None,
    };
    Ok(done.filter_map(incident).collect())
}

async fn backups(app: &App, guild: GuildId) -> Result<BackupsAtAGlance, StorageError> {
    let owner = Owner::Server(guild);
    let now = app.clock.now();
    let rows = app
        .storage
        .tasks()
        .list(&TaskQuery::newest(owner, JOBS), now)
        .await?;
    let made = TaskQuery {
        name: Some(CREATE_BACKUP.name),
        ..TaskQuery::newest(owner, JOBS)
    };
    let made = app.storage.tasks().list(&made, now).await?;
    let mut whole = made.iter();
    let newest = whole.find(|row| row.state == TaskState::Completed && row.output.is_some());
    let running = rows.iter().filter(|row| !row.state.is_terminal());
    let schedules = app.storage.schedules().of_guild(guild).await?;
    Ok(BackupsAtAGlance {
        newest: newest.map(render::partial_task),
        running: running
            .take(MOST_RUNNING)
            .map(render::partial_task)
            .collect(),
        next_at: schedules
            .iter()
            .filter_map(|schedule| schedule.next_at)
            .min(),
    })
}

/// The worst that is known.
fn state(
    now: DateTime<Utc>,
    incidents: Option<&[IncidentSummary]>,
    put_back: &[String],
    health: Option<&GuildHealth>,
) -> ProtectionState {
    let acted_upon = incidents.unwrap_or_default().iter();
    let acted_upon = acted_upon.filter(|incident| incident.mode == "on");
    let is_running = |incident: &IncidentSummary| match incident.state.as_str() {
        "open" | "containing" => true,
        // Nobody could be stopped: whether they went on shows in what still changes.
        "failed" | "unreachable" => now - incident.updated_at < LATELY,
        _ => false,
    };
    if acted_upon.clone().any(is_running) {
        return ProtectionState::AttackRunning;
    }
    let mut stopped = acted_upon.filter(|incident| {
        let state = incident.state.as_str();
        matches!(state, "contained" | "unreachable" | "failed")
    });
    if stopped.any(|incident| !put_back.contains(&incident.id)) {
        return ProtectionState::NotPutBack;
    }
    match health {
        None => ProtectionState::Unknown,
        Some(health) if health.mode == "off" => ProtectionState::Off,
        Some(health) if health.mode == "dry_run" => ProtectionState::OnlyWatching,
        Some(health)
            if health
                .findings
                .iter()
                .any(|found| found.severity != "advice") =>
        {
            ProtectionState::Gaps
        }
        Some(_) => ProtectionState::Protected,
    }
}

#[cfg(test)]
mod tests {
    use splashtail_api_types::health::HealthFinding;

    use super::*;

    fn incident(id: &str, mode: &str, state: &str) -> IncidentSummary {
        IncidentSummary {
            id: id.to_owned(),
            kind: "actor".to_owned(),
            mode: mode.to_owned(),
            state: state.to_owned(),
            alert_channel: None,
            alert_message: None,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    fn health(mode: &str, severities: &[&str]) -> GuildHealth {
        let finding = |severity: &&str| HealthFinding {
            code: "hidden".to_owned(),
            severity: (*severity).to_owned(),
            text: "x".to_owned(),
        };
        GuildHealth {
            mode: mode.to_owned(),
            findings: severities.iter().map(finding).collect(),
            steps: Vec::new(),
            channels: 1,
            hidden: Vec::new(),
            lacking: Vec::new(),
            own_role: None,
            roles_above: Vec::new(),
            alert_channel: None,
            invite: String::new(),
        }
    }

    #[test]
    fn the_worst_that_is_known_is_told() {
        use ProtectionState as S;
        let on = health("on", &["advice"]);
        let later = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        for (incidents, put_back, health, expected) in [
            (
                vec![incident("1", "on", "containing")],
                vec![],
                Some(on.clone()),
                S::AttackRunning,
            ),
            (
                vec![incident("1", "on", "contained")],
                vec![],
                Some(on.clone()),
                S::NotPutBack,
            ),
            (
                vec![incident("1", "on", "contained")],
                vec!["1"],
                Some(on.clone()),
                S::Protected,
            ),
            (
                vec![incident("1", "dry_run", "open")],
                vec![],
                Some(on.clone()),
                S::Protected,
            ),
            (
                vec![incident("1", "on", "unreachable")],
                vec![],
                Some(on.clone()),
                S::NotPutBack,
            ),
            (vec![], vec![], Some(health("off", &["bad"])), S::Off),
            (
                vec![],
                vec![],
                Some(health("dry_run", &["weak"])),
                S::OnlyWatching,
            ),
            (vec![], vec![], Some(health("on", &["weak"])), S::Gaps),
            (
                vec![incident("1", "on", "closed")],
                vec![],
                None,
                S::Unknown,
            ),
        ] {
            let put_back: Vec<String> = put_back.into_iter().map(str::to_owned).collect();
            assert_eq!(
                state(later, Some(&incidents), &put_back, health.as_ref()),
                expected
            );
        }
        // Whose incidents are not theirs to see is told no more than the rest.
        assert_eq!(state(later, None, &[], Some(&on)), S::Protected);
        let soon = DateTime::UNIX_EPOCH + TimeDelta::minutes(5);
        let out_of_reach = [incident("1", "on", "unreachable")];
        assert_eq!(
            state(soon, Some(&out_of_reach), &[], Some(&on)),
            S::AttackRunning
        );
    }
}
