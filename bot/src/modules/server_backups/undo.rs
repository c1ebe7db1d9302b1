//! *Undo* below a restore that is done: another restore, of the server as it was before.

use std::sync::Arc;

use serde_json::{Value, json};
use splashtail_core::ids::{ChannelId, GuildId, TaskId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_storage::{TaskRow, TaskState};
use tracing::warn;

use super::confirm::{Wanted, look_of};
use super::create::known_channels;
use super::options::KnownChannel;
use super::{Backups, RESTORE_TASK};
use crate::app::Data;
use crate::error::BotError;
use crate::modules::guarded::Desk;
use crate::presses::Press;
use crate::text;

/// The part that means something else where it is named.
const MEMBERS: &str = "members";

impl Backups {
    /// Has the plan made in a message of its own, and asks there as for every restore.
    pub(super) async fn undo(
        self: &Arc<Self>,
        app: &Data,
        press: &Press,
        guild: GuildId,
        row: &TaskRow,
    ) -> Result<String, BotError> {
        let language = press.language;
        if row.name != RESTORE_TASK || row.state != TaskState::Completed {
            return Ok(text!(language, "press-stale"));
        }
        let may = self.jobs.permissions(press, guild, "backups restore");
        let permissions = match may.await {
            Ok(permissions) => permissions,
            Err(why) => return Ok(why),
        };
        let undo = Undo {
            guild,
            by: press.user,
            permissions,
            here: press.channel,
            known: known_channels(app, guild),
        };
        let data = undo.data(row.id, &row.fields);
        // A press that Discord delivers twice is one.
        let key = format!("{}-undo", press.id());
        let created = self
            .jobserver
            .create_task(RESTORE_TASK, look_of(&data), true, Some(&key))
            .await?;
        let look = created.task_id;
        let desk = app.services.get::<Desk>()?;
        let wanted = Wanted {
            guild,
            by: press.user,
            key: format!("{}-go", press.id()),
            approved: None,
            data,
        };
        let (backups, channel) = (Arc::clone(self), press.channel);
        tokio::spawn(async move {
            let asked = async {
                match backups.jobs.look_in(guild, channel, look).await? {
                    Some(looked) => backups.ask(&desk, looked, wanted).await,
                    None => Ok(()),
                }
            };
            if let Err(error) = asked.await {
                warn!(job.id = %look, error = %Chain(&error), "nobody was asked about a plan");
            }
        });
        Ok(text!(language, "restore-undo-begun"))
    }
}

/// Whoever wants a restore undone, and where.
struct Undo {
    guild: GuildId,
    by: UserId,
    permissions: u64,
    /// Where it is shown: it must not be deleted.
    here: ChannelId,
    known: Vec<KnownChannel>,
}

impl Undo {
    /// The parts that the restore put back, wholly as they were before it.
    fn data(&self, restore: TaskId, fields: &Value) -> Value {
        let done = &fields["Options"];
        let mut channels: Vec<Value> = listed(&done["ProtectedChannels"]);
        let here = json!(self.here);
        if !channels.contains(&here) {
            channels.push(here);
        }
        let parts = listed(&done["Parts"]);
        // Nobody had named them.
        let usual = done["MembersChosen"] != true && parts.iter().any(|part| part == MEMBERS);
        let mut data = json!({
            "ServerID": self.guild,
            "CallerPermissions": self.permissions.to_string(),
            "CallerID": self.by,
            "Options": {
                "BackupSource": format!("task://{restore}"),
                "ChannelRestoreMode": "full",
                "RoleRestoreMode": "full",
                "ProtectedChannels": channels,
                "ProtectedRoles": listed(&done["ProtectedRoles"]),
            },
        });
        if !usual {
            data["Options"]["Parts"] = parts.into();
        }
        if !self.known.is_empty() {
            data["KnownChannels"] = json!(self.known);
        }
        data
    }
}

fn listed(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undo_is_of_what_was_done_and_nothing_else() {
        let undo = Undo {
            guild: GuildId::new(1).unwrap(),
            by: UserId::new(9).unwrap(),
            permissions: 8,
            here: ChannelId::new(7).unwrap(),
            known: Vec::new(),
        };
        let restore = TaskId::random();
        let fields = json!({"ServerID": "1", "Options": {"BackupSource": {"task": "x"},
            "ChannelRestoreMode": "diff", "Parts": ["roles", "channels"], "MembersChosen": false,
            "ProtectedChannels": ["5"], "ProtectedRoles": ["6"]}});
        let data = undo.data(restore, &fields);
        assert_eq!(data["CallerPermissions"], "8");
        assert_eq!(data["CallerID"], "9");
        assert_eq!(
            data["Options"],
            json!({"BackupSource": format!("task://{restore}"),
                   "ChannelRestoreMode": "full", "RoleRestoreMode": "full",
                   "ProtectedChannels": ["5", "7"], "ProtectedRoles": ["6"],
                   "Parts": ["roles", "channels"]})
        );
        // Members who were not named are not named now.
        let parts = |chosen: bool| {
            let mut fields = fields.clone();
            fields["Options"]["Parts"] = json!(["roles", "members"]);
            fields["Options"]["MembersChosen"] = chosen.into();
            undo.data(restore, &fields)["Options"]["Parts"].clone()
        };
        assert_eq!(parts(false), Value::Null);
        assert_eq!(parts(true), json!(["roles", "members"]));
    }
}
