//! One attempt: look, share out, go through the pages, report.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splashtail_antinuke::Leaves;
use splashtail_api_types::job_lines::Line;
use splashtail_core::ids::{ChannelId, MessageId};
use splashtail_discord::permissions::Subject;
use splashtail_discord::snowflake::{array, id};
use splashtail_guild::Id;
use splashtail_jobs::{Intent, JobContext, JobError, JobOutput, Level};

use super::filter::is_young;
use super::job::MessagePrune;
use super::options::Fields;
use super::rights::Rights;
use super::walk::{PageRequest, Walk};
use crate::backup::allocate::{self, Candidate, PAGE, Share};
use crate::backup::coverage;
use crate::backup::error::{BackupError, Verdict};
use crate::backup::source::Source;
use crate::backup::work::Work;
use crate::carry_out::{Reason, acting, job_error, stops_everything};
use crate::lines::say;
use crate::look::{Look, incomplete};

/// Discord's code for a message that is too old to be deleted with others.
const TOO_OLD: &str = "discord_50034";
/// What Discord deletes at a time, at least and at most.
const BULK: std::ops::RangeInclusive<usize> = 2..=100;
const REPORT: &str = "pruned-messages.txt";
const PLAN: &str = "messages-to-prune.txt";

/// One attempt.
pub struct Run<'a> {
    pub job: &'a MessagePrune,
    pub cx: &'a JobContext,
    pub fields: &'a Fields,
    pub work: &'a Work,
}

/// What the first step leaves in the journal.
#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    shares: Vec<Share>,
    /// What is older stays.
    cutoff: DateTime<Utc>,
    /// Channels that are left alone, because the bot may not delete there.
    closed: usize,
}

/// What a page leaves in the journal.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Page {
    taken: Vec<MessageId>,
    before: Option<MessageId>,
    ended: bool,
    /// The work file with the messages that were taken.
    object: Option<String>,
    failed: Option<String>,
}

#[derive(Debug, Default)]
struct Pruned {
    /// Work files of the pages, in order, by channel.
    pages: Vec<(ChannelId, String)>,
    deleted: BTreeSet<MessageId>,
    /// Channels where Discord refused, and its words.
    refused: BTreeMap<ChannelId, String>,
    /// It went no further after the first refusal.
    stopped: bool,
}

impl Run<'_> {
    pub async fn run(&self) -> Result<JobOutput, JobError> {
        self.work.begin().await?;
        let plan: Plan = self.cx.step("plan", || self.plan()).await?;
        let pruned = self.pages(plan).await?;
        let options = &self.fields.options;
        if pruned.deleted.is_empty()
            && pruned.stopped
            && let Some((channel, why)) = pruned.refused.first_key_value()
        {
            let message = format!("Nothing was deleted. Discord refused in {channel}: {why}");
            return Err(JobError::permanent("refused", message));
        }
        let filename = if options.dry_run { PLAN } else { REPORT };
        self.cx
            .step("report", || self.report(&pruned, filename))
            .await?;
        Ok(JobOutput {
            filename: filename.to_owned(),
            segregated: false,
        })
    }

    fn source(&self) -> Source<'_> {
        Source {
            discord: &self.job.discord,
            clock: self.job.clock.as_ref(),
            cancelled: self.cx.cancelled(),
        }
    }

    async fn plan(&self) -> Result<Plan, JobError> {
        let Fields {
            server_id,
            options,
            known_channels,
            ..
        } = self.fields;
        let now = self.job.clock.now();
        let look = Look::at(self.source(), *server_id, known_channels).await?;
        let subject = look.subject(now)?;
        let path = format!("/guilds/{server_id}/threads/active");
        let threads = self
            .source()
            .ask("listing the active threads", &path, &[], |answer| {
                answer["threads"]
                    .is_array()
                    .then(|| array(&answer["threads"]).to_vec())
            })
            .await?;
        let mut survey = allocate::survey(&look.channels, &threads, &subject);
        let rights = Rights {
            channels: &look.channels,
            threads: &threads,
            bot: subject,
            caller: self.caller(&look.guild, now).await?,
        };
        let closed = rights.keep_deletable(&mut survey);
        let shares = allocate::allocate(&survey, &look.hidden, &options.allocation())
            .map_err(BackupError::Allocation)?;
        if shares.is_empty() {
            let message = "In none of these channels may both the bot and whoever ordered this delete \
                           messages: it takes View Channel, Read Message History and Manage Messages \
                           there";
            return Err(JobError::permanent("missing_permissions", message));
        }
        let age = TimeDelta::try_seconds(i64::try_from(options.prune_from).unwrap_or(i64::MAX));
        let cutoff = age.and_then(|age| now.checked_sub_signed(age));
        let extra = json!({"channels": shares.len(), "closed": closed});
        let line = if options.dry_run {
            Line::PruneLooksDry
        } else {
            Line::PruneLooks
        };
        say(self.cx, Level::Info, line, extra).await;
        Ok(Plan {
            shares,
            cutoff: cutoff.unwrap_or(DateTime::UNIX_EPOCH),
            closed,
        })
    }

    /// Their roles are Discord's to say. `None`: no channel is closed to them.
    async fn caller(&self, guild: &Value, now: DateTime<Utc>) -> Result<Option<Subject>, JobError> {
        let caller = self.fields.caller();
        if caller.is_administrator() {
            return Ok(None);
        }
        let gone = || {
            let message = "Whoever ordered this is no member of the server";
            JobError::permanent("missing_permissions", message)
        };
        let path = format!(
            "/guilds/{}/members/{}",
            self.fields.server_id,
            caller.user.ok_or_else(gone)?
        );
        let doing = "reading the roles of whoever ordered this";
        match self.source().object(doing, &path, &[]).await {
            Ok(member) => {
                let subject = Subject::new(guild, &member, now);
                Ok(Some(subject.ok_or_else(incomplete)?))
            }
            Err(error) if error.verdict() == Verdict::Refused => Err(gone()),
            Err(error) => Err(error.into()),
        }
    }

    async fn pages(&self, plan: Plan) -> Result<Pruned, JobError> {
        let options = &self.fields.options;
        let most = options.max_messages;
        let mut walk = Walk::new(
            plan.shares,
            most,
            options.per_channel,
            options.rollover_leftovers,
        );
        let mut pruned = Pruned::default();
        while let Some(request) = walk.next_page() {
            let channel = walk.share(request.share).channel.clone();
            let step = format!("page/{}/{}", channel.id, request.page);
            let page: Page = self
                .cx
                .step(&step, || self.page(&channel, &request, plan.cutoff))
                .await?;
            let taken = u32::try_from(page.taken.len()).unwrap_or(u32::MAX);
            let mut refused = page.failed.clone();
            if let Some(object) = page.object {
                pruned.pages.push((channel.id, object));
            }
            walk.record(&request, taken, page.before, page.ended);
            if options.dry_run {
                pruned.deleted.extend(page.taken);
            } else if refused.is_none() && !page.taken.is_empty() {
                let (deleted, why) = self.delete(&channel, &request, &page.taken).await?;
                let kept = page.taken.len() - deleted.len();
                pruned.deleted.extend(deleted);
                refused = why;
                if refused.is_some() {
                    walk.close(request.share, u32::try_from(kept).unwrap_or(u32::MAX));
                }
            }
            let done = pruned.deleted.len() as u64;
            self.cx.advance("messages", done, most.into()).await;
            if let Some(why) = refused {
                walk.close(request.share, 0);
                let step = format!("refused/{}/{}", channel.id, request.page);
                self.cx
                    .step(&step, || self.tell_refused(&channel, &why))
                    .await?;
                pruned.refused.insert(channel.id, why);
                if !options.ignore_errors {
                    pruned.stopped = true;
                    break;
                }
            }
        }
        Ok(pruned)
    }

    async fn tell_refused(&self, channel: &Candidate, why: &str) -> Result<(), JobError> {
        let extra = json!({"channel": coverage::shown(&channel.name, channel.id), "error": why});
        say(self.cx, Level::Warn, Line::NotPruned, extra).await;
        Ok(())
    }

    /// Reads a page and takes what matches, the newest first.
    async fn page(
        &self,
        channel: &Candidate,
        request: &PageRequest,
        cutoff: DateTime<Utc>,
    ) -> Result<Page, JobError> {
        let mut query = vec![("limit", PAGE.to_string())];
        query.extend(request.before.map(|before| ("before", before.to_string())));
        let path = format!("/channels/{}/messages", channel.id);
        let shown = coverage::shown(&channel.name, channel.id);
        let doing = format!("reading the messages of {shown}");
        let read = self.source().list(&doing, &path, &query).await;
        let mut messages = match read {
            Ok(messages) => messages,
            Err(error) if error.verdict() == Verdict::Refused => {
                return Ok(Page {
                    failed: Some(error.describe()),
                    ended: true,
                    ..Page::default()
                });
            }
            Err(error) => return Err(error.into()),
        };
        let listed = messages.len();
        messages.retain(|message| match (message_id(message), request.before) {
            (Some(id), Some(before)) => id < before,
            (id, _) => id.is_some(),
        });
        messages.sort_by_key(|message| std::cmp::Reverse(message_id(message)));
        let mut page = Page {
            ended: listed < PAGE as usize,
            ..Page::default()
        };
        let mut taken = Vec::new();
        for message in messages {
            let Some(id) = message_id(&message) else {
                continue;
            };
            if id.created_at() < cutoff {
                page.ended = true;
                break;
            }
            if taken.len() as u64 == u64::from(request.grant) {
                // What is behind it may be another phase's.
                page.ended = false;
                break;
            }
            page.before = Some(id);
            if self.fields.options.filter.matches(&message) {
                page.taken.push(id);
                taken.push(message);
            }
        }
        if !taken.is_empty() {
            let object = self
                .work
                .own(&format!("page/{}/{}", channel.id, request.page));
            self.work.put_json(&object, &taken).await?;
            page.object = Some(object);
        }
        Ok(page)
    }

    /// Deletes what was taken of a page; what is gone then, and why the rest is not.
    async fn delete(
        &self,
        channel: &Candidate,
        request: &PageRequest,
        taken: &[MessageId],
    ) -> Result<(Vec<MessageId>, Option<String>), JobError> {
        let now = self.job.clock.now();
        let place = format!("{}/{}", channel.id, request.page);
        let together: Vec<MessageId> = self
            .cx
            .step(&format!("together/{place}"), || async {
                Ok(taken
                    .iter()
                    .copied()
                    .filter(|id| is_young(*id, now))
                    .collect())
            })
            .await?;
        let mut gone = Vec::new();
        if BULK.contains(&together.len()) {
            match self.delete_together(channel, &place, &together).await {
                Ok(()) => gone.extend(&together),
                // The clocks differ, or it waited: one by one then.
                Err(JobError::Permanent { code, .. }) if code == TOO_OLD => {}
                Err(JobError::Permanent { code, message, .. }) if !stops_everything(&code) => {
                    return Ok((gone, Some(message)));
                }
                Err(error) => return Err(error),
            }
        }
        for message in taken {
            if gone.contains(message) {
                continue;
            }
            match self.delete_one(channel, *message).await {
                Ok(()) => gone.push(*message),
                Err(JobError::Permanent { code, message, .. }) if !stops_everything(&code) => {
                    return Ok((gone, Some(message)));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((gone, None))
    }

    async fn delete_together(
        &self,
        channel: &Candidate,
        place: &str,
        messages: &[MessageId],
    ) -> Result<(), JobError> {
        let ids: Vec<u64> = messages.iter().map(|id| id.get()).collect();
        let what = format!(
            "messages.delete {}",
            coverage::shown(&channel.name, channel.id)
        );
        let intent = Intent::new(what).before(json!(messages));
        // What the audit log names.
        let target = Some(Id::new(channel.id.get()));
        let act = |nonce| {
            let acting = acting(self.cx, &self.job.discord, &nonce, &self.reason(), target);
            let ids = &ids;
            async move {
                let gone = acting.ensure_no_messages(channel.id.get(), ids).await;
                gone.map(drop).map_err(job_error)
            }
        };
        // Those that are gone do not disturb a repetition.
        let lookup = |_| async { Ok(None) };
        self.cx
            .effect(&format!("bulk/{place}"), intent, act, lookup)
            .await
    }

    async fn delete_one(&self, channel: &Candidate, message: MessageId) -> Result<(), JobError> {
        let what = format!(
            "message.delete {}",
            coverage::shown(&channel.name, channel.id)
        );
        let intent = Intent::new(what).before(json!([message]));
        let act = |nonce| {
            let leaves = Leaves::MessageGone;
            let acting = acting(self.cx, &self.job.discord, &nonce, &self.reason(), leaves);
            async move {
                let gone = acting
                    .ensure_no_message(channel.id.get(), message.get())
                    .await;
                gone.map(drop).map_err(job_error)
            }
        };
        let lookup = |_| async { Ok(None) };
        self.cx
            .effect(&format!("single/{message}"), intent, act, lookup)
            .await
    }

    fn reason(&self) -> Reason<'_> {
        Reason {
            text: match self.fields.options.reason.as_str() {
                "" => "Messages were pruned",
                reason => reason,
            },
            guild: self.fields.server_id,
            marks: self.job.marks.as_ref(),
            clock: self.job.clock.as_ref(),
        }
    }

    /// Channel and messages, in the order in which they went.
    async fn report(&self, pruned: &Pruned, filename: &str) -> Result<(), JobError> {
        let mut report = serde_json::Map::new();
        for (channel, object) in &pruned.pages {
            let messages: Vec<Value> = self.work.get_json(object).await?;
            let gone = messages.into_iter().filter(|message| {
                message_id(message).is_some_and(|id| pruned.deleted.contains(&id))
            });
            let of_channel = report
                .entry(channel.to_string())
                .or_insert_with(|| json!([]));
            if let Value::Array(of_channel) = of_channel {
                of_channel.extend(gone);
            }
        }
        report.retain(|_, messages| !array(messages).is_empty());
        let channels = report.len();
        let text = serde_json::to_vec_pretty(&report).map_err(BackupError::Json)?;
        self.cx.fence_check().await?;
        let key = format!("tasks/{}/{filename}", self.cx.id());
        let put = self.job.objects.put(&key, text.into()).await;
        put.map_err(BackupError::Objects)?;
        let count = pruned.deleted.len();
        let (level, line) = match (self.fields.options.dry_run, pruned.stopped) {
            (true, _) => (Level::Info, Line::PruneWould),
            (false, false) => (Level::Info, Line::Pruned),
            (false, true) => (Level::Warn, Line::PruneStopped),
        };
        let extra = json!({"messages": count, "channels": channels,
                           "refusedChannels": pruned.refused.len()});
        say(self.cx, level, line, extra).await;
        Ok(())
    }
}

fn message_id(message: &Value) -> Option<MessageId> {
    MessageId::new(id(&message["id"])?)
}
