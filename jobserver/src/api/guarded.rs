//! Servers in which a restore needs more than one person's word. The bot asks for it and starts what was
//! agreed to; no other way leads around it.

use http::StatusCode;
use serde_json::{Map, Value};
use splashtail_core::ids::GuildId;
use splashtail_ipc::http::ErrorResponse;
use splashtail_storage::{Storage, StorageError};

use crate::fields;
use crate::restore::RestoreBackup;

/// The bot's setting, and its one entry.
const SETTING: &str = "guarded_operations";
const ENTRY: &str = "server";
/// Who speaks for people of a server without anybody's agreement.
const BOUND: &str = "api";

/// # Errors
/// The server wants a restore to be agreed to, and this caller cannot have it agreed to.
pub(super) async fn check(
    client: &str,
    name: &str,
    data: &Value,
    storage: &Storage,
) -> Result<(), ErrorResponse> {
    let Some(guild) = guarded(client, name, data) else {
        return Ok(());
    };
    match is_on(storage, guild).await {
        Ok(false) => Ok(()),
        Ok(true) => Err(ErrorResponse::new(
            StatusCode::CONFLICT,
            "guarded",
            "a restore of this server has to be agreed to: run /backups restore in Discord",
        )),
        Err(error) if error.is_unavailable() => {
            Err(super::unavailable("the database does not answer"))
        }
        Err(_) => Err(ErrorResponse::internal()),
    }
}

/// The server of an order that changes it. What cannot be read is refused by the job itself.
fn guarded(client: &str, name: &str, data: &Value) -> Option<GuildId> {
    if client != BOUND || name != RestoreBackup::NAME {
        return None;
    }
    let data = data.as_object()?;
    let empty = Map::new();
    let options = fields::get(data, "Options").and_then(Value::as_object);
    let dry = fields::get(options.unwrap_or(&empty), "DryRun");
    if dry == Some(&Value::Bool(true)) {
        return None;
    }
    serde_json::from_value(fields::get(data, "ServerID")?.clone()).ok()
}

async fn is_on(storage: &Storage, guild: GuildId) -> Result<bool, StorageError> {
    let read = storage.settings().read(guild, Some(SETTING)).await?;
    let row = read.rows.iter().find(|row| row.entry == ENTRY);
    Ok(row.is_some_and(|row| row.fields["enabled"] == true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_changes_a_server_and_comes_from_outside_is_looked_at() {
        let order = |dry: Value| json!({"serverid": "5", "options": {"dryrun": dry}});
        let of = |client: &str, name: &str, data: &Value| guarded(client, name, data).is_some();
        let restore = RestoreBackup::NAME;
        assert!(of("api", restore, &order(json!(false))));
        assert!(of("api", restore, &order(Value::Null)));
        assert!(of("api", restore, &json!({"ServerID": "5"})));
        assert!(!of("api", restore, &order(json!(true))));
        assert!(!of("bot", restore, &order(json!(false))));
        assert!(!of("api", "guild_create_backup", &order(json!(false))));
    }
}
