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
            Some((
                known.id,
                waiting,
                known.phase,
                known.jobs.clone(),
                known.mode,
            ))
        });
        let Some((id, waiting, phase, jobs, mode)) = known else {
            return Ok(text!(language, "raid-none"));
        };
        if wave.is_some_and(|wave| wave != id) {
            return Ok(text!(language, "raid-not-latest"));
        }
        if matches!(mode, splashtail_raid::Mode::DryRun) && wish != Wish::LetIn {
            return Ok(text!(language, "raid-only-dry"));
        }
        if phase == Phase::Dismissed && wish != Wish::Undo {
            return Ok(text!(language, "raid-dismissed"));
        }
        if wish == Wish::Ban {
            if self.is_guarded(guild, waiting).await? {
                return Ok(text!(language, "raid-guarded", count = waiting));
            }
            server.state().approved_by = Some(by);
        }
        let now = self.now();
        self.tell(&server, |engine| engine.command(id, wish.order(), now));
        Ok(match wish {
            Wish::Ban => text!(language, "raid-said-ban", count = waiting),
            Wish::Hold => text!(language, "raid-said-hold"),
            Wish::LetIn => text!(language, "raid-said-letin"),
            Wish::Undo => {
                let count = jobs.len();
                self.lift(&server, jobs, by);
                text!(language, "raid-said-undo", count = count)
            }
        })
    }
}
