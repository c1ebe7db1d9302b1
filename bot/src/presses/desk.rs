//! Where presses are taken, and answered as modules say.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use serde::Deserialize;
use serde_json::Value;
use splashtail_core::telemetry::Chain;
use splashtail_discord::{Discord, DiscordError};
use splashtail_permissions::PermissionResult;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};

use super::answer::Answer;
use super::{Press, Presses, Reaction};
use crate::app::Data;
use crate::error::BotError;
use crate::events::Interactions;
use crate::framework::maintenance;
use crate::text;

/// Presses that are answered at the same time; Discord tells whoever presses beyond it to try again.
const AT_ONCE: usize = 256;
/// Kinds of interactions that are not taken here: pings, commands and autocompletion.
const COMMANDS: [u64; 3] = [1, 2, 4];

pub struct Desk {
    app: Data,
    discord: Discord,
    room: Arc<Semaphore>,
    running: TaskTracker,
}

impl Desk {
    /// A stop can wait for the tracker.
    pub fn new(app: Data, discord: Discord, running: TaskTracker) -> Arc<Self> {
        Arc::new(Self {
            app,
            discord,
            room: Arc::new(Semaphore::new(AT_ONCE)),
            running,
        })
    }

    /// Answers a press. What fails is told to whoever pressed.
    pub(super) async fn take(&self, press: Press) {
        let press = Arc::new(press);
        let answer = Answer {
            discord: &self.discord,
            press: &press,
        };
        let reaction = match self.find(&press) {
            Ok(presses) => (presses.react)(&self.app, &press),
            Err(refusal) => Reaction::Refuse(refusal),
        };
        let answered = match reaction {
            Reaction::Refuse(why) => answer.say(&why).await,
            Reaction::Ask(form) => answer.ask(&form).await,
            Reaction::Say(work) => {
                let (told, done) = tokio::join!(answer.will_say(), self.carry_out(&press, work));
                note(&press, told);
                let text = done.unwrap_or_else(|refusal| refusal);
                answer.fill(&text).await
            }
            Reaction::Change(work) => {
                let (told, done) = tokio::join!(answer.will_change(), self.carry_out(&press, work));
                note(&press, told);
                match done {
                    Ok(change) => answer.change(&change).await,
                    Err(refusal) => answer.add(&refusal).await,
                }
            }
        };
        note(&press, answered);
    }

    /// Whose it is, or what is said instead.
    fn find(&self, press: &Press) -> Result<Presses, String> {
        let language = press.language;
        if maintenance::applies(&self.app, press.user) {
            return Err(text!(language, "maintenance-text"));
        }
        let (module, presses) = self
            .app
            .registry
            .presses(press.prefix())
            .ok_or_else(|| text!(language, "press-stale"))?;
        if let Ok(guild) = press.guild()
            && !self.app.gate.is_enabled(guild, module)
        {
            let module = module.to_owned();
            return Err(
                BotError::Denied(PermissionResult::ModuleDisabled { module }).user_text(language),
            );
        }
        Ok(presses.clone())
    }

    /// What came of it, or what is said instead.
    async fn carry_out<T>(
        &self,
        press: &Press,
        work: impl Future<Output = Result<T, BotError>>,
    ) -> Result<T, String> {
        let prefix = press.prefix();
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(failed)) => {
                if failed.is_ours() {
                    match &failed {
                        BotError::Discord(cause) => {
                            error!(prefix, error = cause.describe(), "a press failed");
                        }
                        failed => error!(prefix, error = %Chain(failed), "a press failed"),
                    }
                }
                Err(failed.user_text(press.language))
            }
            Err(_) => {
                error!(prefix, "a press panicked");
                Err(text!(press.language, "error-panicked"))
            }
        }
    }
}

impl Interactions for Desk {
    fn hear(self: Arc<Self>, interaction: Bytes) {
        #[derive(Deserialize)]
        struct Kind {
            #[serde(rename = "type")]
            kind: u64,
        }
        let kind = serde_json::from_slice::<Kind>(&interaction);
        if kind.is_ok_and(|Kind { kind }| COMMANDS.contains(&kind)) {
            return;
        }
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            metrics::counter!("bot_presses_left_out_total").increment(1);
            return;
        };
        let running = self.running.clone();
        running.spawn(async move {
            let _place = place;
            let read = serde_json::from_slice::<Value>(&interaction);
            match read.ok().as_ref().and_then(Press::read) {
                Some(press) => self.take(press).await,
                None => debug!("an interaction that is none of ours"),
            }
        });
    }
}

fn note(press: &Press, answered: Result<(), DiscordError>) {
    if let Err(error) = answered {
        let prefix = press.prefix();
        warn!(prefix, error = %Chain(&error), "a press was not answered");
    }
}
