//! Buttons under backups and restores, and the form in which the server's name is typed.

use std::sync::Arc;

use splashtail_core::ids::{GuildId, TaskId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_storage::{StorageError, TaskRow, TaskState};
use tracing::warn;

use super::confirm::FRESH;
use super::{Backups, CREATE_TASK, RESTORE_TASK};
use crate::app::Data;
use crate::catalogue::Language;
use crate::error::BotError;
use crate::markdown::{neutralise, shorten};
use crate::modules::jobs::Begun;
use crate::presses::{Form, Press, Presses, Reaction};
use crate::text;

const PREFIX: &str = "bk";
/// The field of the form.
const NAME: &str = "name";
/// Longest name of a server that is shown whole.
const SERVER: usize = 100;
pub(super) fn presses(backups: &Arc<Backups>) -> Presses {
    let backups = Arc::clone(backups);
    Presses::new(PREFIX, move |app, press| {
        let Some((guild, wish)) = press.guild().ok().zip(Wish::read(press)) else {
            return Reaction::stale(press);
        };
        if wish.user.is_some_and(|user| user != press.user) {
            return Reaction::not_yours(press);
        }
        let known = app.state.guilds.get(guild);
        let server = known.map(|guild| guild.facts().name.clone());
        let Some(server) = server else {
            return Reaction::Refuse(text!(press.language, "protection-unknown-server"));
        };
        if wish.verb == "ask" {
            return Reaction::Ask(Form {
                custom_id: format!("{PREFIX}:go:{}:{}", wish.task, press.user),
                title: text!(press.language, "restore-form"),
                field: NAME,
                label: text!(press.language, "restore-type", server = server.as_str()),
                placeholder: server,
            });
        }
        let (backups, app, press) = (Arc::clone(&backups), Arc::clone(app), Arc::clone(press));
        let only_reads = wish.verb == "log";
        let done = Reaction::say(async move {
            let place = (guild, server.as_str());
            backups.obey(&app, &press, place, &wish).await
        });
        match only_reads {
            true => done.at_once(),
            false => done,
        }
    })
}

/// What a button is for: `bk:<verb>:<task>:<user>`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wish {
    verb: String,
    task: TaskId,
    /// Who may press it; `None`: everybody who sees it.
    user: Option<UserId>,
}

impl Wish {
    fn read(press: &Press) -> Option<Self> {
        press.parts().and_then(Self::of)
    }

    fn of([verb, task, user]: [&str; 3]) -> Option<Self> {
        Some(Self {
            verb: verb.to_owned(),
            task: task.parse().ok()?,
            user: match user {
                "0" => None,
                user => Some(user.parse().ok()?),
            },
        })
    }
}

impl Backups {
    async fn obey(
        self: &Arc<Self>,
        app: &Data,
        press: &Press,
        (guild, server): (GuildId, &str),
        wish: &Wish,
    ) -> Result<String, BotError> {
        let language = press.language;
        let row = match wish.verb.as_str() {
            // Every kind of task has one.
            "log" => self.jobs.row(guild, wish.task).await?,
            _ => self.row(guild, wish.task).await?,
        };
        let Some(row) = row else {
            return Ok(text!(language, "task-gone"));
        };
        Ok(match wish.verb.as_str() {
            "log" => self.jobs.log(&row, language).await?,
            "go" => self.restore(press, guild, &row, server).await,
            "undo" => self.undo(app, press, guild, &row).await?,
            "no" => {
                self.give_up(press, guild, &row).await;
                text!(language, "restore-nothing")
            }
            "del" => self.delete(press, guild, &row).await,
            "keep" => {
                let say = |language: Language| {
                    let kept = text!(language, "delete-kept");
                    (text!(language, "delete-title"), kept)
                };
                self.jobs.show(press, guild, say).await;
                text!(language, "delete-kept")
            }
            _ => text!(press.language, "press-stale"),
        })
    }

    /// A backup or restore of this server.
    pub(super) async fn row(
        &self,
        guild: GuildId,
        task: TaskId,
    ) -> Result<Option<TaskRow>, StorageError> {
        let row = self.jobs.row(guild, task).await?;
        Ok(row.filter(|row| [CREATE_TASK, RESTORE_TASK].contains(&row.name.as_str())))
    }

    async fn restore(
        self: &Arc<Self>,
        press: &Press,
        guild: GuildId,
        row: &TaskRow,
        server: &str,
    ) -> String {
        let language = press.language;
        let typed = press.typed(NAME).unwrap_or_default().trim();
        if typed != server.trim() {
            let server = neutralise(&shorten(server, SERVER));
            return text!(language, "restore-wrong-name", server = server);
        }
        if let Err(why) = self.jobs.may(press, guild, "backups restore").await {
            return why;
        }
        if row.state == TaskState::Pending && self.clock.now() - row.created_at > FRESH {
            self.give_up(press, guild, row).await;
            return text!(language, "restore-too-old");
        }
        let begun = match row.state {
            TaskState::Pending => self.begin_alone(guild, row.id, language).await,
            _ => self.jobs.begin(RESTORE_TASK, row.id).await,
        };
        match begun {
            Begun::Now => {
                let board = self.jobs.board_of(press, guild);
                self.jobs.follow_beside(row.id, board);
                text!(language, "restore-begun")
            }
            Begun::Already => text!(language, "restore-already"),
            Begun::Refused(why) => text!(language, "restore-refused", why = why),
            Begun::Cancelled => {
                let why = text!(language, "restore-cancelled");
                text!(language, "restore-refused", why = why)
            }
            Begun::Busy => text!(language, "task-busy"),
            Begun::Later => text!(language, "backups-away"),
        }
    }

    async fn give_up(&self, press: &Press, guild: GuildId, row: &TaskRow) {
        if row.state == TaskState::Pending
            && let Err(error) = self.jobserver.cancel_task(row.id).await
        {
            // Nobody starts it, so the jobserver gives it up by itself.
            warn!(job.id = %row.id, error = %Chain(&error), "a restore that nobody wants was not cancelled");
        }
        let say = |language: Language| {
            let nothing = text!(language, "restore-nothing");
            (text!(language, "restore-title"), nothing)
        };
        self.jobs.show(press, guild, say).await;
    }

    async fn delete(&self, press: &Press, guild: GuildId, row: &TaskRow) -> String {
        let language = press.language;
        if let Err(why) = self.jobs.may(press, guild, "backups delete").await {
            return why;
        }
        match self.jobserver.delete_task(row.id, guild).await {
            Ok(()) => {
                let id = format!("`{}`", row.id);
                let say = |language: Language| {
                    let done = text!(language, "delete-done", id = id.as_str());
                    (text!(language, "delete-title"), done)
                };
                self.jobs.show(press, guild, say).await;
                text!(language, "delete-done", id = id.as_str())
            }
            Err(splashtail_ipc::clients::ClientError::Status { status, body, .. })
                if status.is_client_error() =>
            {
                text!(language, "delete-refused", why = body.message)
            }
            Err(error) => {
                warn!(job.id = %row.id, error = %Chain(&error), "a backup was not deleted");
                text!(language, "backups-away")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buttons_are_read_and_nothing_else() {
        const TASK: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let wish = Wish::of(["ask", TASK, "10"]).unwrap();
        assert_eq!((wish.verb.as_str(), wish.user), ("ask", UserId::new(10)));
        assert_eq!(Wish::of(["log", TASK, "0"]).unwrap().user, None);
        for other in [["log", "1", "0"], ["agree", TASK, "x"], ["log", TASK, ""]] {
            assert_eq!(Wish::of(other), None, "{other:?}");
        }
    }
}
