//! Buttons, menus and forms under messages of the bot. A module declares its own with a [`Presses`]; all
//! that a press is about stands in its custom id, so they work as long as the message is there, whichever
//! process wrote it.
//!
//! Presses come from the gateway as they are, beside the mailboxes of servers: Discord drops one that is
//! unanswered for 3 seconds.

mod answer;
mod desk;
mod lines;
mod press;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use poise::CreateReply;
use poise::serenity_prelude::CreateInteractionResponseMessage;
use serde_json::Value;

use crate::app::Data;
use crate::error::BotError;
use crate::text;

pub use self::desk::Desk;
pub use self::press::Press;

/// What all modules declared: by prefix, with the module's id.
pub type Declared = BTreeMap<&'static str, (&'static str, Presses)>;

type React = dyn Fn(&Data, &Arc<Press>) -> Reaction + Send + Sync;

/// The buttons, menus and forms of one kind.
#[derive(Clone)]
pub struct Presses {
    /// The first part of their custom ids, up to the colon. Messages that are out there name it.
    pub prefix: &'static str,
    react: Arc<React>,
    is_emergency: fn(&Press) -> bool,
}

impl Presses {
    /// `react` decides at once, from memory, whether whoever pressed may, and how Discord is answered.
    /// It is asked only where the module is on.
    pub fn new(
        prefix: &'static str,
        react: impl Fn(&Data, &Arc<Press>) -> Reaction + Send + Sync + 'static,
    ) -> Self {
        Self {
            prefix,
            react: Arc::new(react),
            is_emergency: |_| false,
        }
    }

    /// Which of them do something during maintenance, too, since protection does: those that protect a
    /// server, and those that take back what its protection did.
    pub fn with_emergencies(mut self, is_emergency: fn(&Press) -> bool) -> Self {
        self.is_emergency = is_emergency;
        self
    }
}

/// What is done about a press. Work begins when Discord took the news that an answer is coming: whoever is
/// told that their press failed may count on it.
pub enum Reaction {
    /// Nothing, and why: whoever pressed reads it, and nobody else.
    Refuse(String),
    /// Something has to be filled in first. The filled form comes as another press.
    Ask(Form),
    /// Whoever pressed is told what came of it, and nobody else.
    Say(Work<String>),
    /// The message under which was pressed changes.
    Change(Work<Change>),
}

/// What is done, and when it begins.
pub struct Work<T> {
    future: BoxFuture<'static, Result<T, BotError>>,
    is_at_once: bool,
}

impl<T> Work<T> {
    fn new(future: impl Future<Output = Result<T, BotError>> + Send + 'static) -> Self {
        Self {
            future: future.boxed(),
            is_at_once: false,
        }
    }

    fn at_once(self) -> Self {
        Self {
            is_at_once: true,
            ..self
        }
    }
}

impl Reaction {
    pub fn say(work: impl Future<Output = Result<String, BotError>> + Send + 'static) -> Self {
        Self::Say(Work::new(work))
    }

    pub fn change(work: impl Future<Output = Result<Change, BotError>> + Send + 'static) -> Self {
        Self::Change(Work::new(work))
    }

    /// Its work begins while Discord is told. For what protects a server or only reads: nothing is lost
    /// when it is done although whoever pressed was told that it failed.
    pub fn at_once(self) -> Self {
        match self {
            Self::Say(work) => Self::Say(work.at_once()),
            Self::Change(work) => Self::Change(work.at_once()),
            other @ (Self::Refuse(_) | Self::Ask(_)) => other,
        }
    }

    /// Of a custom id that no version of this program that still runs has written.
    pub fn stale(press: &Press) -> Self {
        Self::Refuse(text!(press.language, "press-stale"))
    }

    /// Somebody else ran the command.
    pub fn not_yours(press: &Press) -> Self {
        Self::Refuse(text!(press.language, "page-not-yours"))
    }
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It shows this (Discord documentation, "Edit Webhook Message").
    Show(Value),
    Delete,
}

impl Change {
    /// A message as commands make it, without its files.
    ///
    /// # Errors
    /// It is no JSON, which does not happen.
    pub fn show(reply: CreateReply) -> Result<Self, BotError> {
        let message = reply.to_slash_initial_response(CreateInteractionResponseMessage::new());
        let message = serde_json::to_value(message);
        Ok(Self::Show(message.map_err(serenity_error)?))
    }
}

fn serenity_error(error: serde_json::Error) -> BotError {
    poise::serenity_prelude::Error::from(error).into()
}

/// A form with one line. What is too long is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    pub custom_id: String,
    pub title: String,
    /// Its name in [`Press::typed`].
    pub field: &'static str,
    pub label: String,
    pub placeholder: String,
}
