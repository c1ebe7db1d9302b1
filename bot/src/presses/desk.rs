//! Where presses are taken, and answered as modules say.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use serde::Deserialize;
use serde_json::Value;
use splashtail_core::telemetry::Chain;
use splashtail_discord::{Discord, DiscordError, Lane, snowflake};
use splashtail_permissions::PermissionResult;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};

use super::answer::{ANSWERABLE, Answer};
use super::lines::{Lines, Turn};
use super::{Declared, Press, Presses, Reaction, Work};
use crate::app::Data;
use crate::error::BotError;
use crate::events::Interactions;
use crate::framework::maintenance;
use crate::text;

/// Presses that are answered at the same time; Discord tells whoever presses beyond it to try again.
const AT_ONCE: usize = 256;
/// Presses that seem late, for which Discord is asked what time it is: they take no room from those that
/// are answered.
const ASKED_FOR: usize = 256;
/// How far our clock may be from Discord's, beyond what is known of it.
const TOLERANCE: Duration = Duration::from_secs(2);
/// For how long an answer to what time it is at Discord is new.
const NEW: Duration = Duration::from_secs(1);
/// How long a press waits for what the same person pressed before it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Kinds of interactions that are not taken here: pings, commands and autocompletion.
const COMMANDS: [u64; 3] = [1, 2, 4];

pub struct Desk {
    app: Data,
    pub(super) presses: Declared,
    discord: Discord,
    room: Arc<Semaphore>,
    /// Where presses wait that seem late.
    lobby: Arc<Semaphore>,
    lines: Arc<Lines>,
    /// When Discord was last asked what time it is, by the monotonic clock.
    asked: Mutex<Option<Duration>>,
    running: TaskTracker,
}

impl Desk {
    /// A stop can wait for the tracker.
    pub fn new(app: Data, presses: Declared, discord: Discord, running: TaskTracker) -> Arc<Self> {
        Arc::new(Self {
            app,
            presses,
            discord,
            room: Arc::new(Semaphore::new(AT_ONCE)),
            lobby: Arc::new(Semaphore::new(ASKED_FOR)),
            lines: Arc::default(),
            asked: Mutex::default(),
            running,
        })
    }

    /// Answers a press, after those that were given before it by the same person under the same message.
    /// What fails is told to whoever pressed. `None`: there is no room for it.
    pub(super) fn take(
        self: Arc<Self>,
        press: Press,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let seems_late = self.is_late(&press);
        let mut place = place_in(if seems_late { &self.lobby } else { &self.room })?;
        let turn = self.lines.stand((press.user, press.message));
        Some(async move {
            if seems_late {
                if self.is_late_still(&press).await {
                    metrics::counter!("bot_presses_late_total").increment(1);
                    let prefix = press.prefix();
                    debug!(prefix, "a press that Discord has given up");
                    return;
                }
                let Some(answered) = place_in(&self.room) else {
                    return;
                };
                place = answered;
            }
            self.answer(press, turn).await;
            drop(place);
        })
    }

    /// `turn`: `None` when too many wait for theirs.
    async fn answer(&self, press: Press, mut turn: Option<Turn>) {
        let press = Arc::new(press);
        let answer = Answer {
            discord: &self.discord,
            press: &press,
        };
        let turn = turn.as_mut().ok_or_else(|| busy(&press));
        let (reaction, turn) = match turn.and_then(|turn| Ok((self.find(&press)?, turn))) {
            Ok((presses, turn)) => ((presses.react)(&self.app, &press), Some(turn)),
            Err(refusal) => (Reaction::Refuse(refusal), None),
        };
        let answered = match reaction {
            Reaction::Refuse(why) => answer.say(&why).await,
            Reaction::Ask(form) => answer.ask(&form).await,
            Reaction::Say(work) => {
                let done = self.carry_out(&press, turn, answer.will_say(), work);
                match done.await {
                    Ok(done) => answer.fill(&done.unwrap_or_else(|refusal| refusal)).await,
                    Err(untold) => Err(untold),
                }
            }
            Reaction::Change(work) => {
                let done = self.carry_out(&press, turn, answer.will_change(), work);
                match done.await {
                    Ok(Ok(change)) => answer.change(&change).await,
                    Ok(Err(refusal)) => answer.add(&refusal).await,
                    Err(untold) => Err(untold),
                }
            }
        };
        note(&press, answered);
    }

    /// Whether Discord has given it up: a resumed session is sent what was pressed while it was away, and
    /// whoever pressed was told long ago that it failed.
    fn is_late(&self, press: &Press) -> bool {
        let now = self.app.clock.now() - self.discord.clock_ahead();
        let age = now - snowflake::made_at(press.id());
        age.to_std().is_ok_and(|age| age > ANSWERABLE + TOLERANCE)
    }

    /// Whether it is late by what time it is at Discord now: what was known may be old, and either clock
    /// may have been set since.
    async fn is_late_still(&self, press: &Press) -> bool {
        let clock = &self.app.clock;
        let mut asked = self.asked.lock().await;
        let is_new = |at: Duration| clock.monotonic().saturating_sub(at) < NEW;
        if !asked.is_some_and(is_new) {
            // Any answer is dated.
            let ask = self.discord.get("/gateway").lane(Lane::Interactive);
            let ask = ask.longest_wait(ANSWERABLE).send_empty();
            tokio::select! {
                answer = ask => {
                    if let Err(error) = answer {
                        debug!(error = %Chain(&error), "Discord did not say what time it is");
                    }
                }
                () = clock.sleep(ANSWERABLE) => {}
            }
            *asked = Some(clock.monotonic());
        }
        self.is_late(press)
    }

    /// Whose it is, or what is said instead.
    fn find(&self, press: &Press) -> Result<Presses, String> {
        let language = press.language;
        let found = self.presses.get(press.prefix());
        let is_emergency = found.is_some_and(|(_, presses)| (presses.is_emergency)(press));
        if !is_emergency && maintenance::applies(&self.app, press.user) {
            return Err(text!(language, "maintenance-text"));
        }
        let (module, presses) = found.ok_or_else(|| text!(language, "press-stale"))?;
        if let Ok(guild) = press.guild()
            && !self.app.gate.is_enabled(guild, module)
        {
            let module = (*module).to_owned();
            return Err(
                BotError::Denied(PermissionResult::ModuleDisabled { module }).user_text(language),
            );
        }
        Ok(presses.clone())
    }

    /// Does it after, or beside, the first answer; what came of it, or what is said instead.
    ///
    /// # Errors
    /// Discord did not take the first answer, and nothing was begun.
    async fn carry_out<T>(
        &self,
        press: &Press,
        turn: Option<&mut Turn>,
        first: impl Future<Output = Result<(), DiscordError>>,
        work: Work<T>,
    ) -> Result<Result<T, String>, DiscordError> {
        let Work { future, is_at_once } = work;
        let work = self.work(press, turn, future);
        if !is_at_once {
            first.await?;
            return Ok(work.await);
        }
        let (told, done) = tokio::join!(first, work);
        note(press, told);
        Ok(done)
    }

    async fn work<T>(
        &self,
        press: &Press,
        turn: Option<&mut Turn>,
        work: impl Future<Output = Result<T, BotError>>,
    ) -> Result<T, String> {
        if let Some(turn) = turn {
            tokio::select! {
                biased;
                () = turn.come() => {}
                () = self.app.clock.sleep(PATIENCE) => return Err(busy(press)),
            }
        }
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
        let press = serde_json::from_slice::<Value>(&interaction);
        let Some(press) = press.ok().as_ref().and_then(Press::read) else {
            debug!("an interaction that is none of ours");
            return;
        };
        let running = self.running.clone();
        // It stands in line before the next one is heard.
        if let Some(taken) = self.take(press) {
            running.spawn(taken);
        }
    }
}

/// Unless it is full.
fn place_in(room: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    let place = Arc::clone(room).try_acquire_owned().ok();
    if place.is_none() {
        metrics::counter!("bot_presses_left_out_total").increment(1);
    }
    place
}

fn busy(press: &Press) -> String {
    text!(press.language, "press-busy")
}

fn note(press: &Press, answered: Result<(), DiscordError>) {
    if let Err(error) = answered {
        let prefix = press.prefix();
        warn!(prefix, error = %Chain(&error), "a press was not answered");
    }
}
