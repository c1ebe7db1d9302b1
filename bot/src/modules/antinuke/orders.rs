//! What people order through the bot: it counts for them, as if they did it by hand.

use std::sync::Arc;

use splashtail_antinuke::{Order, Rule};
use splashtail_core::ids::{GuildId, UserId};
use splashtail_guild::Id;
use tracing::info;

use super::service::Protection;
use super::text::rule;
use crate::catalogue::Language;
use crate::text;

/// Why an order is not carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum Stopped {
    /// Nothing is known of the server yet.
    UnknownServer,
    /// It would be more than one person may do.
    TooMuch(Vec<Rule>),
    /// Whoever orders it is stopped already.
    Held,
}

impl Stopped {
    /// In sentences.
    pub fn text(&self, language: Language) -> String {
        match self {
            Self::UnknownServer => text!(language, "protection-unknown-server"),
            Self::Held => text!(language, "order-held"),
            Self::TooMuch(rules) => {
                let why = rules.first().map(|first| rule(language, first));
                text!(language, "order-too-much", why = why.unwrap_or_default())
            }
        }
    }
}

impl Protection {
    /// Counts acts for whoever orders them, and answers whether they may be carried out. `action`: as
    /// the audit log numbers them. Where protection is off, or cannot work, everything may be.
    ///
    /// # Errors
    /// Why it is not carried out. Nothing is counted then.
    pub fn count_order(
        self: &Arc<Self>,
        guild: GuildId,
        (by, action): (UserId, u16),
        targets: &[UserId],
    ) -> Result<(), Stopped> {
        if self.identity().is_err() {
            return Ok(());
        }
        let server = self.server(guild).ok_or(Stopped::UnknownServer)?;
        if !server.judges() {
            return Ok(());
        }
        let targets: Vec<Id> = targets.iter().map(|user| Id::new(user.get())).collect();
        let (by, now) = (Id::new(by.get()), self.dated());
        let order = Order {
            by,
            action,
            targets: &targets,
        };
        let (answer, effects) = server.ask(|engine, structure| engine.order(order, structure, now));
        server.is_unsaved();
        self.carry_out(&server, effects);
        answer.map_err(|rules| {
            info!(guild.id = %guild, user.id = %by, count = targets.len(), "an order was refused");
            match rules.is_empty() {
                true => Stopped::Held,
                false => Stopped::TooMuch(rules),
            }
        })
    }
}
