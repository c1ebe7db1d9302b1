//! Buttons under the plan of a mass ban, and the form in which its number is typed.

use std::sync::Arc;

use splashtail_core::ids::{GuildId, TaskId, UserId};
use splashtail_storage::TaskState;

use super::mass_bans::{MassBans, NotAlone};
use super::people::Pasted;
use crate::error::BotError;
use crate::modules::server_backups::Begun;
use crate::presses::{Form, Press, Presses, Reaction};
use crate::text;

const PREFIX: &str = "mb";
/// The field of the form.
const NUMBER: &str = "number";
const COMMAND: &str = "massban";

pub(super) fn presses(bans: &Arc<MassBans>) -> Presses {
    let bans = Arc::clone(bans);
    Presses::new(PREFIX, move |_, press| {
        let Some((guild, wish)) = press.guild().ok().zip(Wish::read(press)) else {
            return Reaction::stale(press);
        };
        if wish.user != press.user {
            return Reaction::not_yours(press);
        }
        if wish.verb == "ask" {
            let Wish {
                task, user, count, ..
            } = wish;
            return Reaction::Ask(Form {
                custom_id: format!("{PREFIX}:typed:{task}:{user}:{count}"),
                title: text!(press.language, "massban-form"),
                field: NUMBER,
                label: text!(press.language, "massban-type", count = count),
                placeholder: count.to_string(),
            });
        }
        let (bans, press) = (Arc::clone(&bans), Arc::clone(press));
        Reaction::say(async move { bans.obey(&press, guild, &wish).await })
    })
}

/// What a button is for: `mb:<verb>:<task>:<user>:<how many>`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wish {
    verb: String,
    task: TaskId,
    user: UserId,
    count: usize,
}

impl Wish {
    fn read(press: &Press) -> Option<Self> {
        press.parts().and_then(Self::of)
    }

    fn of([verb, task, user, count]: [&str; 4]) -> Option<Self> {
        Some(Self {
            verb: verb.to_owned(),
            task: task.parse().ok()?,
            user: user.parse().ok()?,
            count: count.parse().ok()?,
        })
    }
}

impl MassBans {
    async fn obey(&self, press: &Press, guild: GuildId, wish: &Wish) -> Result<String, BotError> {
        let language = press.language;
        let Some(row) = self.row(guild, wish.task).await? else {
            return Ok(text!(language, "task-gone"));
        };
        match wish.verb.as_str() {
            "go" => {}
            "typed" => {
                let typed = press.typed(NUMBER).unwrap_or_default();
                if Pasted::number(typed) != Some(wish.count) {
                    let count = wish.count;
                    return Ok(text!(language, "massban-wrong-number", count = count));
                }
            }
            "no" => {
                if row.state == TaskState::Pending {
                    self.cancel(row.id).await;
                }
                self.end(press, guild).await;
                return Ok(text!(language, "massban-nothing"));
            }
            _ => return Ok(text!(language, "press-stale")),
        }
        if let Err(why) = self.jobs.may(press, guild, COMMAND).await {
            return Ok(why);
        }
        if row.state == TaskState::Pending {
            match self.may_alone(guild, &row, wish.count).await? {
                Ok(()) => {}
                Err(NotAlone::TooOld) => {
                    self.cancel(row.id).await;
                    self.end(press, guild).await;
                    return Ok(text!(language, "massban-too-old"));
                }
                Err(NotAlone::Guarded) => return Ok(text!(language, "massban-guarded")),
            }
        }
        let board = self.jobs.board_of(press, guild);
        Ok(match self.begin(row.id, Some(board)).await {
            Begun::Now => {
                let by = (press.user, row.id);
                self.tell(guild, press.channel, by, wish.count).await;
                text!(language, "massban-begun", task = row.id.to_string())
            }
            Begun::Already => text!(language, "massban-already"),
            Begun::Refused(why) => text!(language, "massban-refused", why = why),
            Begun::Cancelled => text!(language, "massban-cancelled"),
            Begun::Later => text!(language, "backups-away"),
        })
    }

    async fn end(&self, press: &Press, guild: GuildId) {
        self.jobs
            .show(press, guild, |language| {
                let nothing = text!(language, "massban-nothing");
                (text!(language, "massban-title"), nothing)
            })
            .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buttons_are_read_and_nothing_else() {
        const TASK: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let wish = Wish::of(["go", TASK, "10", "60"]).unwrap();
        assert_eq!((wish.user.get(), wish.count), (10, 60));
        for other in [
            ["go", "1", "10", "60"],
            ["go", TASK, "0", "60"],
            ["go", TASK, "10", "-1"],
        ] {
            assert_eq!(Wish::of(other), None, "{other:?}");
        }
    }
}
