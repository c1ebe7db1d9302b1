use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splashtail_antinuke::Incident;
use splashtail_api_types::job_lines::Line;
use splashtail_guild::{Effect, Kind};
use splashtail_jobs::{JobContext, JobError, JobOutput, Level};
use splashtail_storage::Outcome;

use super::asks::{self, Ask};
use super::back;
use super::evidence::{self, Evidence, EvidenceError};
use super::job::RevertIncident;
use super::options::{Fields, Part};
use super::people::{People, PeopleEffect, by_need};
use super::pictures::{Kept, Pictures};
use super::plan::RevertPlan;
use super::since;
use super::since_plan::SincePlan;
use crate::backup::error::BackupError;
use crate::backup::source::Source;
use crate::backup::work::Work;
use crate::carry_out::{Carried, CarryOut, Reason, add_made, items};
use crate::lines::say;
use crate::named::Settings;
use crate::restore::error::RestoreError;
use crate::restore::live::{self, Live};
use crate::restore::options::Part as RestorePart;
use crate::restore::report::{self, NotRestored};

/// One attempt.
pub struct Run<'a> {
    job: &'a RevertIncident,
    cx: &'a JobContext,
    fields: &'a Fields,
    work: Work,
}

/// What was recorded: names of work files.
#[derive(Debug, Serialize, Deserialize)]
struct Planned {
    /// By the clock here; absent in plans of an earlier version.
    #[serde(default)]
    at: Option<DateTime<Utc>>,
    live: String,
    plan: String,
    /// Pictures and sounds that it needs, by digest; absent in plans of an earlier version.
    #[serde(default)]
    pictures: BTreeMap<String, String>,
}

impl<'a> Run<'a> {
    pub async fn run(
        job: &'a RevertIncident,
        cx: &'a JobContext,
        fields: &'a Fields,
    ) -> Result<JobOutput, JobError> {
        let work = Work::new(job.objects.clone(), cx.id(), cx.attempt(), None);
        let run = Self {
            job,
            cx,
            fields,
            work,
        };
        run.steps().await
    }

    async fn steps(&self) -> Result<JobOutput, JobError> {
        self.work.begin().await?;
        let planned: Planned = self.cx.step("plan", || self.plan()).await?;
        let live: Live = self.work.get_json(&planned.live).await?;
        let plan: RevertPlan = self.work.get_json(&planned.plan).await?;
        self.cx.step("planned", || self.tell_plan(&plan)).await?;
        let shown_first = !plan.asks.is_empty() && self.fields.plan_hash.is_none();
        if self.fields.dry_run || shown_first {
            let publish = || self.publish("antiraid-put-back-plan", plan.document(self.fields));
            let filename: String = self.cx.step("published", publish).await?;
            return Ok(output(filename));
        }
        self.check(&plan, &live)?;
        let text = match self.fields.undo {
            None => format!("Put back after incident {}", self.fields.incident),
            Some(_) => format!("Took back a put-back of incident {}", self.fields.incident),
        };
        let reason = Reason {
            text: &text,
            guild: self.fields.server_id,
            marks: self.job.marks.as_ref(),
            clock: self.job.clock.as_ref(),
        };
        let since_plan = SincePlan::new(
            self.source(),
            self.fields.server_id,
            self.incident().await?,
            (&plan, planned.at),
            &live,
        );
        let order = CarryOut {
            cx: self.cx,
            discord: &self.job.discord,
            guild: self.fields.server_id,
            live: &live.structure,
            viewer: &live.viewer,
            reason,
            // What an attacker made goes whatever else is lacking.
            despite_losses: true,
            files: &Kept {
                work: &self.work,
                names: &planned.pictures,
            },
            guard: &since_plan,
            settings: Some(Settings {
                storage: &self.job.storage,
                clock: self.job.clock.as_ref(),
                guild: self.fields.server_id,
                bot: live.viewer.user,
            }),
        };
        let (effects, since) = self.look_again(&plan, &live).await?;
        let people = People {
            cx: self.cx,
            discord: &self.job.discord,
            guild: self.fields.server_id,
            reason,
            mapping: &plan.mapping,
            since_plan: &since_plan,
        };
        // Roles may take two days; a victim stays banned for none of them.
        let (first, later) = by_need(&plan.people);
        let helped = match people.run(&first).await {
            // What passes by itself does not keep the rest waiting.
            Err(error) if !matches!(error, JobError::Transient { .. }) => return Err(error),
            helped => helped,
        };
        let carried = order.run(&effects, plan.mapping.clone()).await?;
        let mapping = &carried.mapping;
        let (more, left) = People { mapping, ..people }.run(&later).await?;
        let (helped, mut refused) = helped?;
        let helped = helped + more;
        refused.extend(left);
        refused.extend(since);
        let report = || self.report(&plan, &carried, helped, &refused);
        let filename: String = self.cx.step("report", report).await?;
        Ok(output(filename))
    }

    /// Whom the incident is about.
    async fn incident(&self) -> Result<Incident, JobError> {
        let (server, incident) = (self.fields.server_id, self.fields.incident);
        let row = evidence::row(&self.job.storage, server, incident).await?;
        let read = serde_json::from_str(&row.document);
        Ok(read.map_err(EvidenceError::Unreadable)?)
    }

    fn source(&self) -> Source<'_> {
        Source {
            discord: &self.job.discord,
            clock: self.job.clock.as_ref(),
            cancelled: self.cx.cancelled(),
        }
    }

    /// The server as it is now, with the lists that are needed.
    async fn look(&self) -> Result<Live, JobError> {
        let wants = |part| match part {
            RestorePart::Automod => self.fields.parts.contains(&Part::Automod),
            RestorePart::Events => self.fields.parts.contains(&Part::Events),
            RestorePart::Sounds => self.fields.parts.contains(&Part::Expressions),
            _ => false,
        };
        let known = &self.fields.known_channels;
        Ok(live::read(self.source(), self.fields.server_id, known, None, wants).await?)
    }

    /// Reads all there is to know and plans, once: a later attempt gets the same plan.
    async fn plan(&self) -> Result<Planned, JobError> {
        let job = self.job;
        let clock = job.clock.as_ref();
        let at = clock.now();
        if let Some(task) = self.fields.undo {
            let mut plan = back::plan(&job.storage, clock, self.fields, task).await?;
            let live = self.look().await?;
            // Members get and lose roles as they are called now.
            for (role, _) in live.structure.all(Kind::Role) {
                plan.mapping.insert(Kind::Role, role, role);
            }
            return self.keep(at, &live, &plan, &Pictures::default()).await;
        }
        let evidence = Evidence::read(&job.storage, clock, self.fields, self.cx.id()).await?;
        let live = self.look().await?;
        let source = self.source();
        let pictures = Pictures::of(job, source, self.fields, &evidence.incident).await?;
        let mut plan = RevertPlan::new(&evidence, &live, self.fields, &pictures);
        let (incident, now) = (&evidence.incident, &live.structure);
        let again = asks::banned_again(&plan, incident, now.id(), self.source()).await?;
        plan.keep_bans(&again);
        plan.asks = asks::of(&plan, incident, now);
        let foreign = asks::foreign_posts(&plan, incident, now, self.source()).await?;
        plan.asks.extend(foreign);
        self.keep(at, &live, &plan, &pictures).await
    }

    async fn keep(
        &self,
        at: DateTime<Utc>,
        live: &Live,
        plan: &RevertPlan,
        pictures: &Pictures,
    ) -> Result<Planned, JobError> {
        let planned = Planned {
            at: Some(at),
            live: self.work.own("live"),
            plan: self.work.own("plan"),
            pictures: pictures.keep(&plan.effects, &self.work).await?,
        };
        self.work.put_json(&planned.live, live).await?;
        self.work.put_json(&planned.plan, plan).await?;
        Ok(planned)
    }

    /// The effects that are still meant now: the plan may be hours old.
    async fn look_again(
        &self,
        plan: &RevertPlan,
        planned: &Live,
    ) -> Result<(Vec<Effect>, Vec<NotRestored>), JobError> {
        let items = items(&self.job.storage, self.cx.id()).await;
        let items = items.map_err(EvidenceError::Storage)?;
        // What was asked for as this died may have happened, with the ids of what was made before.
        let mut mapping = plan.mapping.clone();
        add_made(&mut mapping, &items);
        let done = items
            .into_iter()
            .filter(|item| item.outcome != Outcome::Intended);
        let settled = done.map(|item| item.name).collect();
        let now = self.look().await?;
        let states = (&planned.structure, &now.structure);
        Ok(since::still_meant(
            &plan.effects,
            &mapping,
            states,
            &settled,
        ))
    }

    async fn tell_plan(&self, plan: &RevertPlan) -> Result<(), JobError> {
        let asks: Vec<&str> = plan.asks.iter().map(|ask| ask.text.as_str()).collect();
        let extra = json!({"plan_hash": plan.hash, "counts": plan.counts(), "asks": asks,
                           "asked": plan.asks,
                           "botDisplayIgnore": ["plan_hash", "counts", "asks", "asked"]});
        match plan.is_empty() {
            true => say(self.cx, Level::Info, Line::NothingToPutBack, extra).await,
            false => self.cx.log(Level::Info, plan.headline(), extra).await,
        }
        self.tell_left(&plan.left).await;
        Ok(())
    }

    async fn tell_left(&self, items: &[NotRestored]) {
        for (line, count, names) in report::lines(items) {
            let line = line.replacen("Not restored", "Not put back", 1);
            let extra = json!({"count": count, "items": names});
            self.cx.log(Level::Warn, line, extra).await;
        }
    }

    /// Refuses what cannot work, or is not what was approved, before anything is touched.
    fn check(&self, plan: &RevertPlan, live: &Live) -> Result<(), JobError> {
        if live.timed_out {
            return Err(RestoreError::TimedOut.into());
        }
        match &self.fields.plan_hash {
            Some(approved) if !plan.hash.starts_with(approved.as_str()) => {
                let now = plan.hash.clone();
                Err(RestoreError::PlanChanged { now }.into())
            }
            _ => Ok(()),
        }
    }

    async fn report(
        &self,
        plan: &RevertPlan,
        carried: &Carried,
        helped: usize,
        refused: &[NotRestored],
    ) -> Result<String, JobError> {
        let mut missed: Vec<NotRestored> = carried.left.iter().map(NotRestored::from).collect();
        missed.extend(refused.iter().cloned());
        let mut left = plan.left.clone();
        left.extend(missed.iter().cloned());
        let lines: Vec<String> = left.iter().map(NotRestored::line).collect();
        let (done, of) = (
            carried.done + helped,
            plan.effects.len() + plan.people.len(),
        );
        let asks: Vec<&Ask> = plan.asks.iter().collect();
        let created: Vec<String> = carried.created.iter().map(u64::to_string).collect();
        let document = json!({
            "kind": "revert_report",
            "server_id": self.fields.server_id,
            "incident": self.fields.incident,
            "plan_hash": plan.hash,
            "counts": plan.counts(),
            "asked": asks,
            "effects": of,
            "done": done,
            "not_restored": left,
            "lines": lines,
            "created": created,
            "ids": changed_ids(&report::id_map(&carried.mapping)),
        });
        let filename = self.publish("antiraid-put-back-report", document).await?;
        self.tell_left(&missed).await;
        let level = match left.is_empty() {
            true => Level::Info,
            false => Level::Warn,
        };
        let line = match (of, left.len(), self.fields.undo) {
            (0, 0, _) => Line::NothingWasPutBack,
            (1, 0, None) => Line::PutBackOne,
            (1, 0, Some(_)) => Line::TakenBackOne,
            (_, 0, None) => Line::PutBack,
            (_, 0, Some(_)) => Line::TakenBack,
            (_, _, None) => Line::PutBackPartly,
            (_, _, Some(_)) => Line::TakenBackPartly,
        };
        let extra = json!({"done": done, "of": of, "notRestored": left.len()});
        say(self.cx, level, line, extra).await;
        Ok(filename)
    }

    /// Puts a document where the task's output is.
    async fn publish(&self, name: &str, document: Value) -> Result<String, JobError> {
        let made_at = self.job.clock.now().format("%Y-%m-%d-%H-%M-%S");
        let filename = format!("{name}-{made_at}.json");
        let text = serde_json::to_vec_pretty(&document).map_err(BackupError::Json)?;
        self.cx.fence_check().await?;
        let key = format!("tasks/{}/{filename}", self.cx.id());
        let put = self.job.objects.put(&key, text.into()).await;
        put.map_err(BackupError::Objects)?;
        Ok(filename)
    }
}

impl RevertPlan {
    /// Leaves bans alone that somebody set anew.
    fn keep_bans(&mut self, again: &[splashtail_guild::Id]) {
        let kept = |effect: &PeopleEffect| match effect {
            PeopleEffect::LiftBan { user, .. } => again.contains(user),
            _ => false,
        };
        for effect in self.people.iter().filter(|effect| kept(effect)) {
            self.left.push(NotRestored {
                kind: "ban".to_owned(),
                id: effect.target().map(|id| id.to_string()),
                name: String::new(),
                fields: Vec::new(),
                code: "changed_since".to_owned(),
                why: "somebody else banned them since, and that stays".to_owned(),
            });
        }
        self.people.retain(|effect| !kept(effect));
        self.hash = self.digest();
    }
}

/// Of all pairs those that are not the same.
fn changed_ids(map: &Value) -> Value {
    let mut map = map.clone();
    for ids in map
        .as_object_mut()
        .into_iter()
        .flat_map(|kinds| kinds.values_mut())
    {
        if let Value::Object(ids) = ids {
            ids.retain(|old, new| new != old);
        }
    }
    if let Value::Object(kinds) = &mut map {
        kinds.retain(|_, ids| ids != &json!({}));
    }
    map
}

fn output(filename: String) -> JobOutput {
    JobOutput {
        filename,
        segregated: false,
    }
}
