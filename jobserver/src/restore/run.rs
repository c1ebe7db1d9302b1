//! One attempt: the order of its steps and what a person sees of them.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splashtail_api_types::job_lines::Line;
use splashtail_guild::{Id, Kind, Mapping};
use splashtail_iblfile::DerivedKey;
use splashtail_jobs::{JobContext, JobError, JobOutput, Level, SecretBytes};

use super::caller::{Rights, Standing, Way};
use super::error::RestoreError;
use super::file::{self, BackupFile};
use super::job::RestoreBackup;
use super::live::{self, Live};
use super::members::{Members, Settled};
use super::messages::{Messages, Posted};
use super::options::{BackupSource, Fields, Part};
use super::people::PeoplePlan;
use super::plan::RestorePlan;
use super::protection::Protection;
use super::report::{self, NotRestored};
use super::source;
use crate::backup::error::BackupError;
use crate::backup::options::{Constraints, Fields as BackupFields, Options as BackupOptions};
use crate::backup::source::Source;
use crate::backup::work::Work;
use crate::carry_out::{Carried, CarryOut, Files, Reason};
use crate::lines::say;
use crate::named::Settings;
use crate::parts::LISTED;
use crate::templates;

/// One attempt.
pub struct Run<'a> {
    job: &'a RestoreBackup,
    cx: &'a JobContext,
    fields: &'a Fields,
    password: Option<String>,
    /// Of work files and the safety backup.
    key: Option<DerivedKey>,
    work: Work,
}

/// A look at the server that was recorded: a work file, and the hash of the plan for it.
#[derive(Debug, Serialize, Deserialize)]
struct Look {
    live: String,
    plan: String,
    hash: String,
}

/// The backup's pictures and sounds.
struct FileBytes<'a>(&'a Arc<BackupFile>);

#[async_trait]
impl Files for FileBytes<'_> {
    async fn bytes(&self, digest: &str) -> Result<Option<Bytes>, JobError> {
        let (backup, digest) = (Arc::clone(self.0), digest.to_owned());
        let read = tokio::task::spawn_blocking(move || backup.file(&digest)).await;
        Ok(read.map_err(BackupError::background)??.map(Bytes::from))
    }
}

/// The backup that was made beforehand.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Safety {
    filename: String,
    encrypted: bool,
}

impl<'a> Run<'a> {
    pub async fn run(
        job: &'a RestoreBackup,
        cx: &'a JobContext,
        fields: &'a Fields,
    ) -> Result<JobOutput, JobError> {
        let password = password(cx)?;
        let key = match &password {
            None => None,
            Some(password) => Some(key(job, cx, password).await?),
        };
        let work = Work::new(job.objects.clone(), cx.id(), cx.attempt(), key.clone());
        let run = Self {
            job,
            cx,
            fields,
            password,
            key,
            work,
        };
        run.steps().await
    }

    async fn steps(&self) -> Result<JobOutput, JobError> {
        self.work.begin().await?;
        let source: String = self.cx.step("source_file", || self.fetch()).await?;
        let backup = Arc::new(self.open(&source).await?);
        self.cx.step("opened", || self.tell_opened(&backup)).await?;

        let (mut live, mut plan) = self.look("look", &backup).await?;
        self.cx.step("planned", || self.tell_plan(&plan)).await?;
        if self.fields.options.dry_run {
            return self.dry_run(&plan).await;
        }
        self.check(&plan)?;
        let mut safety = None;
        if !plan.is_empty() {
            safety = Some(self.safety_backup(&plan).await?);
            // It took its time, and the server may have changed meanwhile.
            (live, plan) = self.look("last_look", &backup).await?;
            self.check(&plan)?;
        }

        // Whoever ordered it may have less to say by now: a run may begin days after the look.
        let way = Way {
            live: &live.structure,
            wanted: &backup.wanted,
            mapping: &plan.mapping,
        };
        let caller = self.standing(way).await?;
        let reason = match &self.fields.options.backup_source {
            BackupSource::Task(id) => format!("Restore of backup {id}"),
            BackupSource::Address(_) => "Restore of a backup".to_owned(),
            BackupSource::AsOf(at) => format!("Restore of {}", at.format("%Y-%m-%d %H:%M UTC")),
        };
        let reason = Reason {
            text: &reason,
            guild: self.fields.server_id,
            marks: self.job.marks.as_ref(),
            clock: self.job.clock.as_ref(),
        };
        // What its ids are is the word of whoever brings a file.
        let own = !self.fields.options.is_brought();
        let settings = own.then(|| Settings {
            storage: &self.job.storage,
            clock: self.job.clock.as_ref(),
            guild: self.fields.server_id,
            bot: live.viewer.user,
        });
        let order = CarryOut {
            cx: self.cx,
            discord: &self.job.discord,
            guild: self.fields.server_id,
            live: &live.structure,
            viewer: &live.viewer,
            reason,
            despite_losses: self.fields.options.ignore_restore_errors,
            guard: &caller,
            files: &FileBytes(&backup),
            settings,
        };
        let people = |mapping: Mapping| self.people(&plan.people, mapping, (way, reason));
        let around = order.run_around(&plan.effects, plan.mapping.clone(), people);
        let (carried, mut settled) = around.await?;
        let mut posted = Posted::default();
        let parts = &self.fields.options.parts;
        if parts.contains(&Part::Messages) || parts.contains(&Part::Threads) {
            let messages = Messages {
                cx: self.cx,
                discord: &self.job.discord,
                source: self.source(),
                guild: self.fields.server_id,
                live: &live,
                backup: &backup,
                carried: &carried,
                threads: &plan.threads,
                parts,
                reason,
            };
            posted = messages.run().await?;
        }
        posted.left.append(&mut settled.left);
        let contents = (&posted, &settled);
        let report = || self.report(&backup, &plan, &carried, contents, safety.as_ref());
        let filename: String = self.cx.step("report", report).await?;
        Ok(JobOutput {
            filename,
            segregated: false,
        })
    }

    /// Members and bans, as soon as their roles are there: nobody waits for messages to be posted.
    async fn people(
        &self,
        plan: &PeoplePlan,
        mapping: Mapping,
        (way, reason): (Way<'_>, Reason<'_>),
    ) -> Result<Settled, JobError> {
        if plan.is_empty() {
            return Ok(Settled::default());
        }
        // Hours may have passed since the plan was made.
        let caller = self.standing(way).await?;
        let protection = Protection::read(&self.job.storage, self.fields.server_id).await?;
        let members = Members {
            cx: self.cx,
            discord: &self.job.discord,
            guild: self.fields.server_id,
            mapping: &mapping,
            plan,
            protection: &protection,
            caller: &caller,
            clock: self.job.clock.as_ref(),
            reason,
        };
        members.run().await
    }

    /// How whoever ordered it stands now.
    async fn standing<'s>(&self, way: Way<'s>) -> Result<Standing<'s>, JobError> {
        let (fields, operator) = (self.fields, self.job.operator);
        Ok(Standing::read(self.source(), fields, operator, way).await?)
    }

    fn source(&self) -> Source<'_> {
        Source {
            discord: &self.job.discord,
            clock: self.job.clock.as_ref(),
            cancelled: self.cx.cancelled(),
        }
    }

    /// Copies the backup aside: its address may end, and its task be deleted, long before this job
    /// has.
    async fn fetch(&self) -> Result<String, JobError> {
        let job = self.job;
        let from = (&job.storage, &job.objects, self.source());
        let source = &self.fields.options.backup_source;
        let most = self.fields.max_body_size;
        let (server, directory) = (self.fields.server_id, &job.backup.temporary);
        let file = source::read(source, server, most, directory, from).await?;
        let name = self.work.own("source");
        self.work.put_file(&name, file).await?;
        Ok(name)
    }

    async fn open(&self, source: &str) -> Result<BackupFile, JobError> {
        let file = self
            .work
            .get_file(source, &self.job.backup.temporary)
            .await?;
        let password = self.password.clone();
        let most = self.fields.max_body_size;
        let open = move || file::open(file, password.as_deref(), most);
        let opened = tokio::task::spawn_blocking(open).await;
        Ok(opened.map_err(BackupError::background)??)
    }

    async fn tell_opened(&self, backup: &BackupFile) -> Result<(), JobError> {
        let extra = json!({
            "made": backup.created_at.to_rfc3339(),
            "roles": file::count(&backup.wanted, Kind::Role),
            "channels": file::count(&backup.wanted, Kind::Channel),
        });
        say(self.cx, Level::Info, Line::ReadBackup, extra).await;
        Ok(())
    }

    /// Reads the server and plans, once per name: a later attempt gets the same plan.
    async fn look(&self, name: &str, backup: &BackupFile) -> Result<(Live, RestorePlan), JobError> {
        let look: Look = self.cx.step(name, || self.look_now(name, backup)).await?;
        let live: Live = self.work.get_json(&look.live).await?;
        let plan: RestorePlan = self.work.get_json(&look.plan).await?;
        Ok((live, plan))
    }

    async fn look_now(&self, name: &str, backup: &BackupFile) -> Result<Look, JobError> {
        let Fields {
            server_id,
            options,
            known_channels,
            ..
        } = self.fields;
        let saved = |part| match part {
            Part::Members => backup.members(Id::new(server_id.get()), options).is_some(),
            Part::Bans => backup.everybody.bans.is_some(),
            _ => true,
        };
        let wants = |part| options.parts.contains(&part) && saved(part);
        let other = Some((&backup.wanted, backup.threads.as_slice()));
        let source = self.source();
        let mut live = live::read(source, *server_id, known_channels, other, wants).await?;
        let operator = self.job.operator;
        live.rights = Rights::read(source, self.fields, operator, &live.structure).await?;
        let now = self.job.clock.now();
        let plan = RestorePlan::new(&live, &backup.wanted, options, now);
        let protection = Protection::read(&self.job.storage, *server_id).await?;
        let mut plan = plan.with_contents(&live, backup, options, (&protection, now));
        plan.not_restored.extend(self.left_out(backup, &live));
        let look = Look {
            live: self.work.own(&format!("{name}/live")),
            plan: self.work.own(&format!("{name}/plan")),
            hash: plan.hash.clone(),
        };
        self.work.put_json(&look.live, &live).await?;
        self.work.put_json(&look.plan, &plan).await?;
        Ok(look)
    }

    /// What a restore does not do, or cannot know.
    fn left_out(&self, backup: &BackupFile, live: &Live) -> Vec<NotRestored> {
        let parts = &self.fields.options.parts;
        let mut left = Vec::new();
        let item = |kind: &str, name: String, code: &str, why: String| NotRestored {
            kind: kind.to_owned(),
            id: None,
            name,
            fields: Vec::new(),
            code: code.to_owned(),
            why,
        };
        for listed in LISTED.iter().filter(|listed| parts.contains(&listed.part)) {
            let kind = listed.kind;
            let kind_name = report::word(kind);
            if backup.wanted.knows(kind) && !live.structure.knows(kind) {
                let why = "the bot may not read those of the server".to_owned();
                left.push(item(&kind_name, String::new(), "not_readable", why));
            }
        }
        if parts.contains(&Part::Settings) {
            left.extend(report::vanity(&backup.wanted, &live.structure));
            // A copy in another server leaves them to the first one.
            let same = backup.wanted.id() == live.structure.id();
            if let (true, Some(saved), Some(now)) = (same, &backup.templates, &live.templates) {
                left.extend(templates::lost(saved, now));
            }
        }
        left
    }

    async fn tell_plan(&self, plan: &RestorePlan) -> Result<(), JobError> {
        let extra = json!({"plan_hash": plan.hash, "counts": plan.counts(),
                           "refusals": plan.refusals, "left": plan.not_restored.len(),
                           "atLeastSeconds": plan.at_least_seconds,
                           "botDisplayIgnore": ["plan_hash", "counts", "refusals", "left",
                                                "atLeastSeconds"]});
        self.cx.log(Level::Info, plan.headline(), extra).await;
        self.tell_not_restored(&plan.not_restored).await;
        Ok(())
    }

    async fn tell_not_restored(&self, items: &[NotRestored]) {
        for (line, count, names) in report::lines(items) {
            let extra = json!({"count": count, "items": names});
            self.cx.log(Level::Warn, line, extra).await;
        }
    }

    /// Refuses what cannot work, or is not what was approved, before anything is touched.
    fn check(&self, plan: &RestorePlan) -> Result<(), JobError> {
        if !plan.refusals.is_empty() {
            return Err(RestoreError::Preflight(plan.refusals.clone()).into());
        }
        match &self.fields.options.plan_hash {
            Some(approved) if *approved != plan.hash => {
                let now = plan.hash.clone();
                Err(RestoreError::PlanChanged { now }.into())
            }
            _ => Ok(()),
        }
    }

    async fn dry_run(&self, plan: &RestorePlan) -> Result<JobOutput, JobError> {
        let publish = || self.publish("antiraid-restore-plan", plan.document());
        let filename: String = self.cx.step("published", publish).await?;
        Ok(JobOutput {
            filename,
            segregated: false,
        })
    }

    /// A backup of the server as it is, within this job: with the messages of the channels that
    /// will be deleted, as far as the server's plan allows, and under the same password.
    async fn safety_backup(&self, plan: &RestorePlan) -> Result<Safety, JobError> {
        let constraints = Constraints::of(&self.job.backup.plan);
        let parts = &self.fields.options.parts;
        let doomed: Vec<_> = plan
            .doomed_channels()
            .into_iter()
            .filter_map(|id| splashtail_core::ids::ChannelId::new(id.get()))
            .collect();
        let fields = BackupFields {
            server_id: self.fields.server_id,
            constraints,
            options: BackupOptions {
                per_channel: constraints.total_max_messages,
                max_messages: constraints.total_max_messages,
                backup_messages: !doomed.is_empty(),
                backup_attachments: !doomed.is_empty(),
                channels: doomed,
                ignore_message_backup_errors: true,
                rollover_leftovers: true,
                backup_members: parts.contains(&Part::Members),
                backup_bans: parts.contains(&Part::Bans),
                ..BackupOptions::default()
            },
            known_channels: self.fields.known_channels.clone(),
            incident: None,
            former: None,
            sealed_key: None,
        };
        let begun = || async {
            say(self.cx, Level::Info, Line::SafetyBackup, Value::Null).await;
            Ok(())
        };
        self.cx.step("safety_begun", begun).await?;
        let key = self.key.clone();
        let encrypted = key.is_some();
        let scope = self.cx.scope("safety", Value::Null);
        let output = self.job.backup.write(&scope, &fields, key).await?;
        Ok(Safety {
            filename: output.filename,
            encrypted,
        })
    }

    async fn report(
        &self,
        backup: &BackupFile,
        plan: &RestorePlan,
        carried: &Carried,
        (posted, settled): (&Posted, &Settled),
        safety: Option<&Safety>,
    ) -> Result<String, JobError> {
        let mut refused: Vec<NotRestored> = carried.left.iter().map(NotRestored::from).collect();
        refused.extend(posted.left.iter().cloned());
        let mut ids = report::id_map(match posted.mapping.pairs().next() {
            Some(_) => &posted.mapping,
            None => &carried.mapping,
        });
        let messages = posted.ids.iter();
        ids["message"] = messages
            .map(|(old, new)| (old.clone(), json!(new.to_string())))
            .collect();
        let mut not_restored = plan.not_restored.clone();
        refused.extend(report::renewed(&plan.effects, &carried.left));
        not_restored.extend(refused.iter().cloned());
        let lines: Vec<String> = not_restored.iter().map(NotRestored::line).collect();
        let document = json!({
            "kind": "restore_report",
            "server_id": self.fields.server_id,
            "backup_made_at": backup.created_at.to_rfc3339(),
            "plan_hash": plan.hash,
            "counts": plan.counts(),
            "effects": plan.effects.len(),
            "done": carried.done,
            "not_restored": not_restored,
            "lines": lines,
            "safety_backup": safety.map(|safety| json!({
                "source": format!("task://{}", self.cx.id()),
                "filename": safety.filename, "encrypted": safety.encrypted})),
            "messages": posted.messages,
            "threads": posted.threads,
            "members": settled.members,
            "bans": settled.bans,
            "ids": ids,
        });
        let filename = self.publish("antiraid-restore-report", document).await?;
        self.tell_not_restored(&refused).await;
        let unset = posted.left.iter().filter(|item| item.kind == "thread");
        let threads = plan.threads.make.len() + plan.threads.change.len();
        let done =
            carried.done + threads.saturating_sub(unset.count()) + settled.members + settled.bans;
        let of = plan.effects.len() + threads + plan.people.members.len() + plan.people.bans.len();
        let level = match not_restored.is_empty() {
            true => Level::Info,
            false => Level::Warn,
        };
        let line = match (of, not_restored.len()) {
            (0, 0) => Line::NothingToRestore,
            (_, 0) => Line::Restored,
            _ => Line::RestoredPartly,
        };
        let mut extra = json!({"done": done, "of": of, "notRestored": not_restored.len()});
        if let Some(safety) = safety {
            extra["undo"] = format!("restore task://{}", self.cx.id()).into();
            if safety.encrypted {
                extra["undoTakesPassword"] = true.into();
            }
        }
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

fn password(cx: &JobContext) -> Result<Option<String>, JobError> {
    let Some(secret) = cx.secret() else {
        return Ok(None);
    };
    let password = String::from_utf8(secret.as_ref().to_vec());
    password.map(Some).map_err(|_| BackupError::Key.into())
}

/// Derived once from the password of the backup that is restored: what this job keeps is locked
/// like that.
async fn key(job: &RestoreBackup, cx: &JobContext, password: &str) -> Result<DerivedKey, JobError> {
    let derive = || async {
        let derived = job.backup.derive(password.to_owned()).await;
        derived.map_err(|error| JobError::fault(error.to_string()))
    };
    let key: SecretBytes = cx.secret_step("key", derive).await?;
    Ok(DerivedKey::from_bytes(key.as_ref()).ok_or(BackupError::Key)?)
}
