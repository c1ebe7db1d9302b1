//! Buttons under backups and restores, and the form in which the server's name is typed.

use std::sync::Arc;

use serde_json::{Value, json};
use splashtail_core::ids::{GuildId, TaskId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_storage::{Owner, StorageError, TaskRow, TaskState};
use tracing::warn;

use super::begin::Begun;
use super::board::Board;
use super::confirm::FRESH;
use super::status::log_lines;
use super::{Backups, CREATE_TASK, RESTORE_TASK};
use crate::catalogue::Language;
use crate::colours;
use crate::error::BotError;
use crate::framework::check;
use crate::markdown::{MESSAGE, neutralise, shorten};
use crate::presses::{Form, Press, Presses, Reaction};
use crate::text;

const PREFIX: &str = "bk";
const JOBS: &str = "job";
/// The field of the form.
const NAME: &str = "name";
/// Longest name of a server that is shown whole.
const SERVER: usize = 100;
/// Entries of a log that are read at a time.
const BATCH: u32 = 200;
/// The newest entries that are shown at most.
const SHOWN: usize = 200;

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
        let (backups, press) = (Arc::clone(&backups), Arc::clone(press));
        let only_reads = wish.verb == "log";
        let done = Reaction::say(async move { backups.obey(&press, guild, &wish, &server).await });
        match only_reads {
            true => done.at_once(),
            false => done,
        }
    })
}

/// What jobs have written down so far, whichever module ordered them: `job:log:<task>`.
pub(super) fn logs(backups: &Arc<Backups>) -> Presses {
    let backups = Arc::clone(backups);
    Presses::new(JOBS, move |_, press| {
        let task = match press.parts() {
            Some(["log", task]) => task.parse::<TaskId>().ok(),
            _ => None,
        };
        let Some((guild, task)) = press.guild().ok().zip(task) else {
            return Reaction::stale(press);
        };
        let (backups, press) = (Arc::clone(&backups), Arc::clone(press));
        let read = async move {
            match backups.shown(guild, task).await? {
                Some(row) => Ok(backups.log(&row, press.language).await?),
                None => Ok(text!(press.language, "task-gone")),
            }
        };
        Reaction::say(read).at_once()
    })
}

/// The button that shows what a job has written down.
pub fn log_button(language: Language, task: TaskId) -> Value {
    json!({"type": 2, "style": 2, "label": text!(language, "task-details"),
           "custom_id": format!("{JOBS}:log:{task}")})
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
        press: &Press,
        guild: GuildId,
        wish: &Wish,
        server: &str,
    ) -> Result<String, BotError> {
        let language = press.language;
        let row = match wish.verb.as_str() {
            // Every kind of task has one.
            "log" => self.shown(guild, wish.task).await?,
            _ => self.row(guild, wish.task).await?,
        };
        let Some(row) = row else {
            return Ok(text!(language, "task-gone"));
        };
        Ok(match wish.verb.as_str() {
            "log" => self.log(&row, language).await?,
            "go" => self.restore(press, guild, &row, server).await,
            "no" => {
                self.give_up(press, guild, &row).await;
                text!(language, "restore-nothing")
            }
            "del" => self.delete(press, guild, &row).await,
            "keep" => {
                self.show(press, guild, |language| {
                    let kept = text!(language, "delete-kept");
                    (text!(language, "delete-title"), kept)
                })
                .await;
                text!(language, "delete-kept")
            }
            _ => text!(press.language, "press-stale"),
        })
    }

    /// A task of this server that is shown by a message.
    async fn shown(&self, guild: GuildId, task: TaskId) -> Result<Option<TaskRow>, StorageError> {
        let row = self.storage.tasks().get(task, self.clock.now()).await?;
        Ok(row.filter(|row| row.owner == Owner::Server(guild)))
    }

    /// A backup or restore of this server.
    pub(super) async fn row(
        &self,
        guild: GuildId,
        task: TaskId,
    ) -> Result<Option<TaskRow>, StorageError> {
        let row = self.storage.tasks().get(task, self.clock.now()).await?;
        Ok(row.filter(|row| {
            let ours = [CREATE_TASK, RESTORE_TASK].contains(&row.name.as_str());
            ours && row.owner == Owner::Server(guild)
        }))
    }

    async fn log(&self, row: &TaskRow, language: Language) -> Result<String, StorageError> {
        let mut entries = std::collections::VecDeque::new();
        loop {
            let after = entries
                .back()
                .map_or(0, |entry: &splashtail_storage::TaskLogEntry| entry.seq);
            let page = self.storage.tasks().log(row.id, after, BATCH).await?;
            let last = page.len() < BATCH as usize;
            entries.extend(page);
            while entries.len() > SHOWN {
                entries.pop_front();
            }
            if last {
                break;
            }
        }
        let text = log_lines(&entries, MESSAGE);
        Ok(match text.is_empty() {
            true => text!(language, "task-no-log"),
            false => text,
        })
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
        if let Err(why) = self.may(press, guild, "backups restore").await {
            return why;
        }
        if row.state == TaskState::Pending && self.clock.now() - row.created_at > FRESH {
            self.give_up(press, guild, row).await;
            return text!(language, "restore-too-old");
        }
        let begun = match row.state {
            TaskState::Pending => self.begin_alone(guild, row.id, language).await,
            _ => self.begin(RESTORE_TASK, row.id).await,
        };
        match begun {
            Begun::Now => {
                self.follow_beside(row.id, self.board_of(press, guild));
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

    /// The message under which was pressed, for a task.
    pub(in crate::modules) fn board_of(&self, press: &Press, guild: GuildId) -> Board {
        let shown = (self.api(), self.language_of(guild));
        match press.message {
            Some(message) => Board::at(&self.discord, press.channel, message, shown),
            None => Board::new_in(&self.discord, press.channel, shown),
        }
    }

    async fn give_up(&self, press: &Press, guild: GuildId, row: &TaskRow) {
        if row.state == TaskState::Pending
            && let Err(error) = self.jobserver.cancel_task(row.id).await
        {
            // Nobody starts it, so the jobserver gives it up by itself.
            warn!(job.id = %row.id, error = %Chain(&error), "a restore that nobody wants was not cancelled");
        }
        self.show(press, guild, |language| {
            let nothing = text!(language, "restore-nothing");
            (text!(language, "restore-title"), nothing)
        })
        .await;
    }

    async fn delete(&self, press: &Press, guild: GuildId, row: &TaskRow) -> String {
        let language = press.language;
        if let Err(why) = self.may(press, guild, "backups delete").await {
            return why;
        }
        match self.jobserver.delete_task(row.id, guild).await {
            Ok(()) => {
                let id = format!("`{}`", row.id);
                self.show(press, guild, |language| {
                    let done = text!(language, "delete-done", id = id.as_str());
                    (text!(language, "delete-title"), done)
                })
                .await;
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

    /// Whoever could run the command may have lost it since.
    pub(in crate::modules) async fn may(
        &self,
        press: &Press,
        guild: GuildId,
        command: &str,
    ) -> Result<(), String> {
        let Some(reach) = self.reach.get() else {
            return Err(text!(press.language, "jobs-away"));
        };
        let result = check::may_run(&*reach.checks, guild, press.user, command).await;
        match result.is_ok() {
            true => Ok(()),
            false => Err(BotError::Denied(result).user_text(press.language)),
        }
    }

    /// Puts a last word in place of the message with the buttons.
    pub(in crate::modules) async fn show(
        &self,
        press: &Press,
        guild: GuildId,
        said: impl Fn(Language) -> (String, String),
    ) {
        let Some(message) = press.message else { return };
        let language = self.language_of(guild);
        let (title, text) = said(language);
        let embed = json!({"title": title, "description": text, "color": colours::BLUE.0});
        let body = json!({"content": "", "embeds": [embed], "components": [],
                          "allowed_mentions": {"parse": []}});
        let mut board = Board::at(
            &self.discord,
            press.channel,
            message,
            (self.api(), language),
        );
        if let Err(error) = board.show(&body).await {
            warn!(channel.id = %press.channel, error = %Chain(&error), "a message stays as it was");
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
