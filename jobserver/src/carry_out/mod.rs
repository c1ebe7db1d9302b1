//! The one executor: carries a plan out in a server, effect by effect, on the ledger of its job.
//!
//! Whoever has two states of a server and a plan between them (a restore, an undo, a reverted
//! attack) ends here. Each effect is recorded before it is made and looked up when nobody knows
//! whether it was, so a process may die anywhere: the next one goes on with the same plan, makes
//! nothing twice and forgets nothing. What Discord refuses is noted and passed over; what passes by
//! itself parks the job. Surplus is deleted only where everything was made that should be there, unless
//! the order says otherwise.

mod departed;
mod files;
mod guard;
mod judge;
mod ledger;
mod naming;
mod perform;
mod reason;
mod waiting;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use splashtail_antinuke::Leaves;
use splashtail_api_types::job_lines::Line;
use splashtail_core::ids::GuildId;
use splashtail_discord::Discord;
use splashtail_discord::ensure::{Acting, Ensured, Nonce, Outcome, Viewer};
use splashtail_guild::{Effect, Id, Kind, Mapping, Operation, Structure};
use splashtail_jobs::{Intent, JobContext, JobError, Level};

pub use files::Files;
use files::Loaded;
pub use guard::{Guard, Objection};
pub use judge::{job_error, stops_everything};
pub use ledger::{Before, Made, add_made, items};
pub use naming::kind_of;
use naming::{name_of, stage, verb};
pub use reason::Reason;
use waiting::Waiting;

use crate::lines::say;
use crate::named::{Settings, Standing};

/// Of jobs that rebuild servers: room for the roles that a server may get in two days, several times
/// over.
pub const DEADLINE: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// A limit that lasts longer is not sat out: other effects go on, then the job is parked.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Effects between two lines of progress.
const BETWEEN_LINES: usize = 25;
/// Refusals that get a line of the log each; the report has all.
const SHOWN_REFUSALS: usize = 30;

/// What carries a plan out.
#[derive(Clone, Copy)]
pub struct CarryOut<'a> {
    pub cx: &'a JobContext,
    pub discord: &'a Discord,
    pub guild: GuildId,
    /// The state that the plan was made for.
    pub live: &'a Structure,
    /// The bot, for whom channels are listed.
    pub viewer: &'a Viewer,
    pub reason: Reason<'a>,
    /// Surplus is deleted although something could not be made.
    pub despite_losses: bool,
    /// Bytes of pictures and sounds that the plan names.
    pub files: &'a dyn Files,
    /// Asked right before each effect.
    pub guard: &'a dyn Guard,
    /// Settings that go on with what is made again; `None` where the plan's ids are not the
    /// server's own.
    pub settings: Option<Settings<'a>>,
}

/// What became of a plan.
#[derive(Debug)]
pub struct Carried {
    /// Which object is which now, new ones included.
    pub mapping: Mapping,
    /// Ids of what was made.
    pub created: BTreeSet<u64>,
    /// Effects that brought the state about; those that found it there are among them.
    pub done: usize,
    pub left: Vec<Left>,
}

/// An effect that was not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    pub step: String,
    pub kind: Kind,
    /// The object's name, where it has one.
    pub name: String,
    /// Stable; `discord_<code>` is Discord's own.
    pub code: String,
    /// For people.
    pub why: String,
}

/// One run over the plan.
struct Run<'a> {
    order: CarryOut<'a>,
    total: usize,
    mapping: Mapping,
    /// Everything that effects of this job made.
    owned: BTreeSet<u64>,
    /// The same of invites.
    codes: BTreeSet<String>,
    done: usize,
    left: Vec<Left>,
    waiting: Waiting,
    /// Kinds of which something that should be there could not be made.
    lost: BTreeSet<Kind>,
    /// Onboarding was switched off, and is not set again yet.
    released: bool,
    /// What the last line of progress was about, and when.
    told: (Option<Line>, usize),
    /// How long the effects behind each took before, where that is known.
    left_before: Option<Vec<Duration>>,
    /// Effects whose turn has come.
    passed: usize,
}

impl<'a> CarryOut<'a> {
    /// Carries the effects out, in their order. `mapping`: the pairs of the plan.
    ///
    /// # Errors
    /// What passes by itself ([`JobError::Transient`]), what nobody knows yet
    /// ([`JobError::Ambiguous`]), the end of the run; for good only a token that Discord does not
    /// take and a server that the bot is no longer in.
    pub async fn run(self, effects: &[Effect], mapping: Mapping) -> Result<Carried, JobError> {
        let nothing = |_| async { Ok(()) };
        let carried = self.run_around(effects, mapping, nothing).await;
        carried.map(|(carried, ())| carried)
    }

    /// The same, with something to be done once all that should be there stands and before surplus goes:
    /// people have roles that were made again before they lose others. Only roles that are yet to be
    /// made hold it up. It may be done again by the next run.
    ///
    /// # Errors
    /// As those of [`Self::run`], and its own.
    pub async fn run_around<T, F>(
        self,
        effects: &[Effect],
        mapping: Mapping,
        between: impl FnOnce(Mapping) -> F,
    ) -> Result<(Carried, T), JobError>
    where
        F: Future<Output = Result<T, JobError>>,
    {
        let surplus = surplus_begins(effects);
        let standing = standing(self.live);
        let verbs: Vec<String> = effects
            .iter()
            .map(|effect| verb(&effect.operation, kind_of(&effect.operation)))
            .collect();
        let learned = self.cx.learned().await;
        let mut run = Run {
            left_before: learned.left(verbs.iter().map(String::as_str)),
            passed: 0,
            order: self,
            total: effects.len(),
            mapping,
            owned: BTreeSet::new(),
            codes: BTreeSet::new(),
            done: 0,
            left: Vec::new(),
            waiting: Waiting::default(),
            lost: BTreeSet::new(),
            released: false,
            told: (None, 0),
        };
        let stands = run.put_up(&effects[..surplus]).await;
        // Also in a run that ends here: what it waits for may take days, or never come.
        let followed = run.follow(&standing).await;
        stands.and(followed)?;
        // Nobody goes without roles because something else waits.
        if run.waiting.makes(Kind::Role) {
            run.waits(&effects[surplus..]).await?;
        }
        let between = between(run.mapping.clone()).await?;
        run.waits(&effects[surplus..]).await?;
        for effect in &effects[surplus..] {
            run.effect(effect).await?;
        }
        run.waits(&[]).await?;
        let carried = Carried {
            mapping: run.mapping,
            created: run.owned,
            done: run.done,
            left: run.left,
        };
        Ok((carried, between))
    }
}

/// Roles and channels that are there, those too that the plan deletes: what is to go may yet stay.
fn standing(live: &Structure) -> Standing {
    let of = |kind: Kind, as_: Kind| live.all(kind).map(move |(id, _)| (as_, id));
    let channels = of(Kind::Channel, Kind::Channel).chain(of(Kind::Hidden, Kind::Channel));
    of(Kind::Role, Kind::Role).chain(channels).collect()
}

/// Where the deletions begin that a plan ends with: those before it make room.
fn surplus_begins(effects: &[Effect]) -> usize {
    let stays = |effect: &Effect| !matches!(effect.operation, Operation::Delete { .. });
    effects.iter().rposition(stays).map_or(0, |last| last + 1)
}

impl Run<'_> {
    /// Makes all that comes before the surplus.
    async fn put_up(&mut self, effects: &[Effect]) -> Result<(), JobError> {
        for effect in effects {
            self.effect(effect).await?;
        }
        Ok(())
    }

    async fn follow(&self, standing: &Standing) -> Result<(), JobError> {
        match &self.order.settings {
            None => Ok(()),
            Some(settings) => {
                let (cx, mapping) = (self.order.cx, &self.mapping);
                let done = (&self.owned, standing);
                settings.follow(cx, mapping, done).await
            }
        }
    }

    /// Ends the run when something waits, and the rest with it.
    async fn waits(&mut self, rest: &[Effect]) -> Result<(), JobError> {
        for effect in rest {
            self.waiting.holds(effect);
        }
        let Some(error) = self.waiting.error(self.done, self.total) else {
            return Ok(());
        };
        let extra = json!({"done": self.done, "of": self.total});
        let cx = self.order.cx;
        cx.log(Level::Info, error.to_string(), extra).await;
        Err(error)
    }

    async fn effect(&mut self, effect: &Effect) -> Result<(), JobError> {
        self.passed += 1;
        if self.waiting.holds(effect) {
            return Ok(());
        }
        let operation = effect.operation.resolved(&self.mapping);
        let kind = kind_of(&effect.operation);
        let name = name_of(&effect.operation, self.order.live, &self.mapping);
        let Some(operation) = operation else {
            let why = "what it belongs to could not be made";
            return self.skip(effect, kind, name, "not_made", why).await;
        };
        let keeps = !self.order.despite_losses && self.lost.contains(&kind);
        if keeps && matches!(operation, Operation::Delete { .. }) {
            let why = "it is kept, because not everything could be made that was there before";
            return self.skip(effect, kind, name, "kept", why).await;
        }
        match self.make(effect, &operation, kind, &name).await {
            Ok(made) if made.is_left() => {
                let (code, why) = made.why_left().unwrap_or_default();
                if matches!(operation, Operation::Create { .. }) {
                    self.lost.insert(kind);
                }
                self.left.push(Left {
                    step: effect.step.clone(),
                    kind,
                    name,
                    code: code.to_owned(),
                    why: why.to_owned(),
                });
                Ok(())
            }
            Ok(made) => {
                self.learn(effect, made);
                if let Some(on) = switches_onboarding(&effect.operation) {
                    self.released = !on;
                }
                self.done += 1;
                let (done, total) = (self.done as u64, self.total as u64);
                let left = self.left_before.as_ref();
                let left = left.and_then(|left| left.get(self.passed).copied());
                let cx = self.order.cx;
                cx.advance_by("changes", done, total, left).await;
                Ok(())
            }
            Err(JobError::Permanent { code, message, .. }) if !stops_everything(&code) => {
                let plain = self.without_members(effect, &operation, &name, &code);
                if let Some(made) = plain.await? {
                    self.learn(effect, made);
                    self.done += 1;
                    return Ok(());
                }
                if matches!(operation, Operation::Create { .. }) {
                    self.lost.insert(kind);
                }
                let message = match self.rests(effect) {
                    true => format!("{message}; onboarding is switched off until it is set again"),
                    false => message,
                };
                self.refused(effect, kind, name, code, message).await;
                Ok(())
            }
            Err(error) => match &error {
                JobError::Transient {
                    retry_after: Some(wait),
                    ..
                } if *wait > LONGEST_WAIT && kind != Kind::Guild => {
                    self.waiting.add(effect, *wait, error.to_string());
                    Ok(())
                }
                _ => Err(error),
            },
        }
    }

    /// Whether onboarding was switched off to let go of channels, and this would have set it again.
    fn rests(&self, effect: &Effect) -> bool {
        self.released && switches_onboarding(&effect.operation).is_some()
    }

    async fn make(
        &mut self,
        effect: &Effect,
        operation: &Operation,
        kind: Kind,
        name: &str,
    ) -> Result<Made, JobError> {
        let CarryOut {
            cx,
            discord,
            guild,
            live,
            viewer,
            reason,
            files,
            guard,
            ..
        } = self.order;
        let before = Before {
            kind,
            creates: matches!(operation, Operation::Create { .. }),
            subject: match &effect.operation {
                Operation::Create { subject, .. } => Some(*subject),
                _ => None,
            },
            inverse: effect.inverse.clone(),
        };
        let before = serde_json::to_value(&before).map_err(unstorable)?;
        let what = format!("{} {name}", verb(operation, kind));
        let intent = Intent::new(what.trim()).before(before);
        let intent = intent.dated(discord.now());
        // The lookup is part of `ensure`: it only has to be told that there was an earlier try.
        let resumed = AtomicBool::new(false);
        let asked = AtomicBool::new(false);
        let (owned, codes) = (&self.owned, &self.codes);
        let leaves = reason::leaves(operation, guild);
        let act = |nonce: splashtail_jobs::Nonce| {
            asked.store(true, Ordering::Relaxed);
            let acting = acting(cx, discord, &nonce, &reason, leaves)
                .resumed(resumed.load(Ordering::Relaxed))
                .viewer(viewer)
                .owned(owned.iter().copied());
            async move {
                if let Some(objection) = guard.objection(operation).await? {
                    return Ok(Made::left(&objection));
                }
                let loaded = Loaded::of(files, operation).await?;
                let act = perform::Perform {
                    acting: &acting,
                    guild,
                    live,
                    files: &loaded,
                    at: nonce.intended_at(),
                    own: viewer.user,
                    codes,
                };
                let ensured = act.perform(operation).await;
                let Ensured { outcome, object } = ensured.map_err(job_error)?;
                let id = matches!(operation, Operation::Create { .. });
                Ok(Made {
                    id: if id { new_id(kind, &object) } else { None },
                    code: match kind {
                        Kind::Invite => object["code"].as_str().map(str::to_owned),
                        _ => None,
                    },
                    how: how(outcome).to_owned(),
                })
            }
        };
        let lookup = |_| {
            resumed.store(true, Ordering::Relaxed);
            async { Ok(None) }
        };
        let made = cx.effect(&effect.step, intent, act, lookup).await;
        if made.is_ok() && asked.load(Ordering::Relaxed) {
            self.tell(stage(operation, kind)).await;
        }
        made
    }

    /// One line when another kind's turn comes, and now and then in between.
    async fn tell(&mut self, stage: Line) {
        let (last, at) = self.told;
        if last == Some(stage) && self.done - at < BETWEEN_LINES {
            return;
        }
        self.told = (Some(stage), self.done);
        let percent = (self.done * 100).checked_div(self.total).unwrap_or(100);
        let extra = json!({"done": self.done, "of": self.total, "percent": percent});
        say(self.order.cx, Level::Info, stage, extra).await;
    }

    fn learn(&mut self, effect: &Effect, made: Made) {
        let Made { id, code, .. } = made;
        self.codes.extend(code);
        let (Operation::Create { kind, subject, .. }, Some(id)) = (&effect.operation, id) else {
            return;
        };
        self.owned.insert(id.get());
        ledger::made(&mut self.mapping, *kind, *subject, id);
    }

    async fn refused(
        &mut self,
        effect: &Effect,
        kind: Kind,
        name: String,
        code: String,
        why: String,
    ) {
        if self.left.len() < SHOWN_REFUSALS {
            let extra = json!({"what": effect.step, "name": name, "error": why});
            say(self.order.cx, Level::Warn, Line::Refused, extra).await;
        }
        self.left.push(Left {
            step: effect.step.clone(),
            kind,
            name,
            code,
            why,
        });
    }

    async fn skip(
        &mut self,
        effect: &Effect,
        kind: Kind,
        name: String,
        code: &str,
        why: &str,
    ) -> Result<(), JobError> {
        let intent = Intent::new(format!("{} {name}", verb(&effect.operation, kind)));
        let cx = self.order.cx;
        cx.skip(&effect.step, intent, code, why).await?;
        if matches!(effect.operation, Operation::Create { .. }) {
            self.lost.insert(kind);
        }
        self.left.push(Left {
            step: effect.step.clone(),
            kind,
            name,
            code: code.to_owned(),
            why: why.to_owned(),
        });
        Ok(())
    }
}

/// An effect of a job, ready to be made. `leaves`: the entries that the audit log will have of it.
pub fn acting(
    cx: &JobContext,
    discord: &Discord,
    nonce: &splashtail_jobs::Nonce,
    reason: &Reason<'_>,
    leaves: impl Into<Leaves>,
) -> Acting {
    let mark = Nonce::of(&[&cx.id().to_string(), nonce.as_str()]);
    let reason = reason.of(mark.as_str(), leaves);
    discord
        .acting(mark, nonce.intended_at())
        .dated(nonce.dated_at())
        .reason(&reason)
        .longest_wait(LONGEST_WAIT)
        .cancelled_by(cx.cancelled())
}

/// Whether an operation leaves onboarding on; `None` where it does not set it.
fn switches_onboarding(operation: &Operation) -> Option<bool> {
    match operation {
        Operation::Edit {
            kind: Kind::Onboarding,
            body,
            ..
        } => Some(body.get("enabled") != Some(&Value::Bool(false))),
        _ => None,
    }
}

fn unstorable(error: serde_json::Error) -> JobError {
    JobError::permanent("internal", "An effect cannot be stored").caused_by(error)
}

fn new_id(kind: Kind, object: &Value) -> Option<Id> {
    match kind {
        // It has a code and no id.
        Kind::Invite => None,
        Kind::Sound => Id::read(&object["sound_id"]).or_else(|| Id::of(object)),
        _ => Id::of(object),
    }
}

/// How an effect's state came about, for the ledger.
pub fn how(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Created => "created",
        Outcome::Updated => "updated",
        Outcome::Unchanged => "unchanged",
        Outcome::Adopted => "adopted",
    }
}
