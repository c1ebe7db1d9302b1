use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_api_types::events::GuildEventKind;
use splashtail_core::ids::GuildId;

use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::fleet::denied;

/// What each kind takes; the route that shows it asks for the same.
const COMMANDS: [(GuildEventKind, &str); 3] = [
    (GuildEventKind::Incident, "incidents list"),
    (GuildEventKind::Job, "backups list"),
    (GuildEventKind::Settings, "perms history"),
];

/// What somebody may be told of in a server.
///
/// # Errors
/// Nothing at all, or the bot cannot be asked.
pub async fn rights(
    app: &App,
    guild: GuildId,
    caller: &Caller,
) -> Result<BTreeSet<GuildEventKind>, ApiError> {
    let commands = COMMANDS.map(|(_, command)| command.to_owned());
    let standings = app.fleet.standings(guild, caller, &commands).await?;
    let mut kinds = BTreeSet::new();
    let mut refused = Value::Null;
    for (kind, command) in COMMANDS {
        match standings.commands.get(command) {
            Some(standing) if standing.is_ok && standings.permissions.is_some() => {
                kinds.insert(kind);
            }
            Some(standing) => refused = standing.perm_res.clone(),
            None => {}
        }
    }
    let sight = json!({"ApprovalSight": {
        "guild_id": guild,
        "user_id": caller.user()?,
        "custom_resolved_kittycat_perms": caller.limits(),
    }});
    match app.fleet.ask(guild, &sight).await? {
        Sight::Ok {} => drop(kinds.insert(GuildEventKind::Approval)),
        Sight::PermissionError {} => {}
    }
    if kinds.is_empty() {
        return Err(denied(refused));
    }
    kinds.insert(GuildEventKind::Guild);
    if kinds.contains(&GuildEventKind::Job) {
        kinds.insert(GuildEventKind::BackupLate);
    }
    Ok(kinds)
}

#[derive(Deserialize)]
enum Sight {
    Ok {},
    PermissionError {},
}
