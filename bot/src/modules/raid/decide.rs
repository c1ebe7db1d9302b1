//! What people have done about a wave, by buttons and by commands.

use std::sync::Arc;

use splashtail_core::ids::{GuildId, UserId};
use splashtail_guild::Id;
use splashtail_raid::{Command, Engine, Phase, Wave};

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

/// A wave, as far as it matters for a wish.
struct Known {
    id: Id,
    is_latest: bool,
    phase: Phase,
    waiting: usize,
    bans: usize,
    /// It was no dry run,
    was_real: bool,
    /// and nothing is one now.
    acts: bool,
}

fn standing(engine: &Engine, wave: &Wave) -> Known {
    Known {
        id: wave.id,
        is_latest: engine.wave().is_some_and(|latest| latest.id == wave.id),
        phase: wave.phase,
        waiting: wave.waiting().len(),
        bans: wave.jobs.len() + usize::from(wave.order.is_some()),
        was_real: wave.mode.acts(),
        acts: engine.policy().mode.acts(),
    }
}

impl Watch {
    /// Has it done about this wave, or the latest that it can be about; what is said about it.
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
        let (has_any, known) = server.read(|engine| {
            let latest = engine.wave();
            let mut waves = engine.waves();
            let known = match wave {
                Some(wave) => waves.find(|known| known.id == wave),
                // Of a dry run nothing is to be taken back.
                None if wish == Wish::Undo => waves.find(|known| known.mode.acts()).or(latest),
                None => latest,
            };
            let has_any = engine.waves().next().is_some();
            (has_any, known.map(|known| standing(engine, known)))
        });
        let Some(known) = known else {
            return Ok(match has_any && wave.is_some() {
                true => text!(language, "raid-not-latest"),
                false => text!(language, "raid-none"),
            });
        };
        let can = match wish {
            Wish::Ban | Wish::Hold if !known.is_latest => {
                return Ok(text!(language, "raid-not-latest"));
            }
            Wish::Ban | Wish::Hold => known.was_real && known.acts,
            Wish::Undo => known.was_real,
            Wish::LetIn => true,
        };
        if !can {
            return Ok(text!(language, "raid-only-dry"));
        }
        let (waiting, bans) = (known.waiting, known.bans);
        if known.phase == Phase::Dismissed && wish != Wish::Undo {
            return Ok(text!(language, "raid-dismissed"));
        }
        if wish == Wish::Ban && self.is_guarded(guild, waiting).await? {
            return Ok(text!(language, "raid-guarded", count = waiting));
        }
        let who = Id::new(by.get());
        self.answered(&server, |engine, now| {
            engine.command(known.id, wish.order(), who, now)
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
