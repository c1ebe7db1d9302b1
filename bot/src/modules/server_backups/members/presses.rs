//! Buttons under the plan.

use std::sync::Arc;

use splashtail_core::ids::{GuildId, TaskId, UserId};
use splashtail_storage::TaskState;

use super::super::Backups;
use super::TASK;
use crate::catalogue::Language;
use crate::error::BotError;
use crate::modules::jobs::Begun;
use crate::presses::{Press, Presses, Reaction};
use crate::text;

const PREFIX: &str = "rj";

pub(in crate::modules::server_backups) fn presses(backups: &Arc<Backups>) -> Presses {
    let backups = Arc::clone(backups);
    Presses::new(PREFIX, move |_, press| {
        let Some((guild, wish)) = press.guild().ok().zip(Wish::read(press)) else {
            return Reaction::stale(press);
        };
        if wish.user != press.user {
            return Reaction::not_yours(press);
        }
        let (backups, press) = (Arc::clone(&backups), Arc::clone(press));
        Reaction::say(async move { backups.obey_rejoin(&press, guild, &wish).await })
    })
}

/// What a button is for: `rj:<verb>:<task>:<user>`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wish {
    begins: bool,
    task: TaskId,
    user: UserId,
}

impl Wish {
    fn read(press: &Press) -> Option<Self> {
        press.parts().and_then(Self::of)
    }

    fn of([verb, task, user]: [&str; 3]) -> Option<Self> {
        Some(Self {
            begins: match verb {
                "go" => true,
                "no" => false,
                _ => return None,
            },
            task: task.parse().ok()?,
            user: user.parse().ok()?,
        })
    }
}

impl Backups {
    async fn obey_rejoin(
        &self,
        press: &Press,
        guild: GuildId,
        wish: &Wish,
    ) -> Result<String, BotError> {
        let language = press.language;
        let Some(row) = self.rejoin_row(guild, wish.task).await? else {
            return Ok(text!(language, "task-gone"));
        };
        if !wish.begins {
            if row.state == TaskState::Pending {
                self.cancel_rejoin(row.id).await;
            }
            self.end_rejoin(press, guild).await;
            return Ok(text!(language, "rejoin-nothing"));
        }
        if let Err(why) = self.jobs.may(press, guild, "members rejoin").await {
            return Ok(why);
        }
        if self.is_too_old(&row) {
            self.cancel_rejoin(row.id).await;
            self.end_rejoin(press, guild).await;
            return Ok(text!(language, "rejoin-too-old"));
        }
        let begun = match row.state {
            TaskState::Pending => self.begin_rejoin_alone(guild, row.id, language).await,
            _ => self.jobs.begin(TASK, row.id).await,
        };
        Ok(match begun {
            Begun::Now => {
                let board = self.jobs.board_of(press, guild);
                self.jobs.follow_beside(row.id, board);
                text!(language, "rejoin-begun")
            }
            Begun::Already => text!(language, "rejoin-already"),
            Begun::Refused(why) => text!(language, "rejoin-refused", why = why),
            Begun::Cancelled => {
                let why = text!(language, "rejoin-cancelled");
                text!(language, "rejoin-refused", why = why)
            }
            Begun::Busy => text!(language, "task-busy"),
            Begun::Later => text!(language, "jobs-away"),
        })
    }

    async fn end_rejoin(&self, press: &Press, guild: GuildId) {
        let say = |language: Language| {
            let nothing = text!(language, "rejoin-nothing");
            (text!(language, "rejoin-plan-title"), nothing)
        };
        self.jobs.show(press, guild, say).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buttons_are_read_and_nothing_else() {
        const TASK: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let wish = Wish::of(["go", TASK, "10"]).unwrap();
        assert_eq!((wish.begins, wish.user.get()), (true, 10));
        assert!(!Wish::of(["no", TASK, "10"]).unwrap().begins);
        for other in [["ask", TASK, "10"], ["go", "1", "10"], ["go", TASK, "0"]] {
            assert_eq!(Wish::of(other), None, "{other:?}");
        }
    }
}
