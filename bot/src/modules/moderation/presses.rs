//! Buttons under the plan of a mass ban, and the form in which its number is typed.

use std::sync::Arc;

use splashtail_core::ids::{GuildId, TaskId, UserId};
use splashtail_storage::TaskState;

use super::deed::Deed;
use super::mass_bans::{MassBans, NotAlone};
use super::people::Pasted;
use crate::error::BotError;
use crate::modules::jobs::Begun;
use crate::presses::{Form, Press, Presses, Reaction};
use crate::text;

const PREFIX: &str = "mb";
/// The field of the form.
const NUMBER: &str = "number";

pub(super) fn presses(bans: &Arc<MassBans>) -> Presses {
    let bans = Arc::clone(bans);
    Presses::new(PREFIX, move |_, press| {
        if let (Ok(guild), Some(["stop", task])) = (press.guild(), press.parts()) {
            let Ok(task) = task.parse::<TaskId>() else {
                return Reaction::stale(press);
            };
            let (bans, press) = (Arc::clone(&bans), Arc::clone(press));
            return Reaction::say(async move { bans.halt(&press, guild, task).await });
        }
        let Some((guild, wish)) = press.guild().ok().zip(Wish::read(press)) else {
            return Reaction::stale(press);
        };
        if wish.user != press.user {
            return Reaction::not_yours(press);
        }
        let language = press.language;
        let form = |title, label| {
            let Wish {
                task, user, count, ..
            } = wish;
            Reaction::Ask(Form {
                custom_id: format!("{PREFIX}:typed:{task}:{user}:{count}"),
                title,
                field: NUMBER,
                label,
                placeholder: count.to_string(),
            })
        };
        match wish.verb.as_str() {
            "ask" => {
                let label = text!(language, "massban-type", count = wish.count);
                return form(text!(language, "massban-form"), label);
            }
            "lift" => {
                let label = text!(language, "massunban-type", count = wish.count);
                return form(text!(language, "massunban-form"), label);
            }
            _ => {}
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
        let (deed, before) = (Deed::of(&row.fields), row.state);
        let words = deed.words(language);
        match wish.verb.as_str() {
            "go" => {}
            "typed" => {
                let typed = press.typed(NUMBER).unwrap_or_default();
                if Pasted::number(typed) != Some(wish.count) {
                    let count = wish.count;
                    let wrong = text!(language, "massban-wrong-number", count = count);
                    return Ok(format!("{wrong} {}", words.nothing()));
                }
            }
            "no" => {
                if before == TaskState::Pending {
                    self.cancel(row.id).await;
                }
                self.end(press, guild, deed).await;
                return Ok(words.nothing());
            }
            _ => return Ok(text!(language, "press-stale")),
        }
        if let Err(why) = self.jobs.may(press, guild, deed.command()).await {
            return Ok(why);
        }
        let board = self.jobs.board_of(press, guild);
        Ok(
            match self
                .begin_alone(guild, row.id, press.user, Some(board))
                .await?
            {
                Err(NotAlone::TooOld) => {
                    self.cancel(row.id).await;
                    self.end(press, guild, deed).await;
                    text!(language, "massban-too-old")
                }
                Err(NotAlone::Guarded) => {
                    text!(language, "massban-guarded")
                }
                Err(NotAlone::Stopped(why)) => words.refused(&why.text(language)),
                Ok(Begun::Now) => {
                    let by = (press.user, row.id);
                    self.tell(guild, press.channel, by, (deed, wish.count))
                        .await;
                    words.begun(row.id)
                }
                Ok(Begun::Already) => text!(language, "massban-already"),
                Ok(Begun::Refused(why)) => words.refused(&why),
                Ok(Begun::Cancelled) => text!(language, "massban-cancelled"),
                Ok(Begun::Busy) => text!(language, "task-busy"),
                Ok(Begun::Later) => text!(language, "jobs-away"),
            },
        )
    }

    async fn halt(&self, press: &Press, guild: GuildId, task: TaskId) -> Result<String, BotError> {
        let Some(row) = self.row(guild, task).await? else {
            return Ok(text!(press.language, "task-gone"));
        };
        let deed = Deed::of(&row.fields);
        if let Err(why) = self.jobs.may(press, guild, deed.command()).await {
            return Ok(why);
        }
        Ok(self.stop(&row, deed.words(press.language)).await?)
    }

    async fn end(&self, press: &Press, guild: GuildId, deed: Deed) {
        self.jobs
            .show(press, guild, |language| {
                let words = deed.words(language);
                (words.title(), words.nothing())
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
