//! What people have done about a wave, by buttons and by commands.

use std::sync::Arc;

use splashtail_core::ids::{GuildId, UserId};
use splashtail_guild::Id;
use splashtail_raid::{Command, Phase};

use super::service::Watch;
use crate::catalogue::Language;
use crate::error::BotError;
use crate::text;

/// What somebody wants, as buttons and commands name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Ban,
    Hold,
    LetIn,
    Undo,
}

impl Wish {
    pub const ALL: [Self; 4] = [Self::Ban, Self::Hold, Self::LetIn, Self::Undo];

    pub const fn verb(self) -> &'static str {
        match self {
            Self::Ban => "ban",
            Self::Hold => "hold",
            Self::LetIn => "letin",
            Self::Undo => "undo",
        }
    }

    pub fn of(verb: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wish| wish.verb() == verb)
    }

    /// Whoever may run it may press the button.
    pub const fn command(self) -> &'static str {
        match self {
            Self::Ban => "raid ban",
            Self::Hold => "raid hold",
            Self::LetIn => "raid letin",
            Self::Undo => "raid undo",
        }
    }

    const fn order(self) -> Command {
        match self {
            Self::Ban => Command::Ban,
            Self::Hold => Command::Hold,
            Self::LetIn => Command::LetIn,
            Self::Undo => Command::Undo,
        }
    }
}

impl Watch {
    /// Has it done about this wave, or the latest; what is said about it.
    pub(super) async fn decide(
        self: &Arc<Self>,
        guild: GuildId,
        wave: Option<Id>,
        wish: Wish,
        (by, language): (UserId, Language),
    ) -> Result<String, BotError> {
        let Some(server) = self.load_known(guild).await else {
            return Ok(text!(language, "raid-none"));
        };
        let known = server.read(|engine| {
            let known = engine.wave()?;
            let waiting = known.waiting().len();
            let bans = known.jobs.len() + usize::from(known.order.is_some());
            let acts = engine.policy().mode.acts();
            Some((
                known.id,
                waiting,
                known.phase,
                bans,
                (known.mode.acts(), acts),
            ))
        });
        let Some((id, waiting, phase, bans, (was_real, acts))) = known else {
            return Ok(text!(language, "raid-none"));
        };
        if wave.is_some_and(|wave| wave != id) {
            return Ok(text!(language, "raid-not-latest"));
        }
        let can = match wish {
            Wish::Ban | Wish::Hold => was_real && acts,
            Wish::Undo => was_real,
            Wish::LetIn => true,
        };
        if !can {
            return Ok(text!(language, "raid-only-dry"));
        }
        if phase == Phase::Dismissed && wish != Wish::Undo {
            return Ok(text!(language, "raid-dismissed"));
        }
        if wish == Wish::Ban && self.is_guarded(guild, waiting).await? {
            return Ok(text!(language, "raid-guarded", count = waiting));
        }
        let who = Id::new(by.get());
        self.answered(&server, |engine, now| {
            engine.command(id, wish.order(), who, now)
        });
        // What somebody decided is not lost with this process.
        self.write_first(&server).await;
        Ok(match wish {
            Wish::Ban => text!(language, "raid-said-ban", count = waiting),
            Wish::Hold => text!(language, "raid-said-hold"),
            Wish::LetIn => text!(language, "raid-said-letin", bans = bans),
            Wish::Undo => text!(language, "raid-said-undo", count = bans),
        })
    }

    /// Has one person let in, whatever becomes of the others; what is said about it.
    pub(super) async fn let_in(
        self: &Arc<Self>,
        guild: GuildId,
        user: UserId,
        (by, language): (UserId, Language),
    ) -> Result<String, BotError> {
        let Some(server) = self.load_known(guild).await else {
            return Ok(text!(language, "raid-none"));
        };
        let (user, by) = (Id::new(user.get()), Id::new(by.get()));
        self.answered(&server, |engine, now| engine.let_in(user, by, now));
        self.write_first(&server).await;
        let who = format!("<@{user}>");
        Ok(text!(language, "raid-said-letin-one", who = who))
    }
}
