//! One attempt: look, plan, let in, report.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splashtail_antinuke::Leaves;
use splashtail_api_types::job_lines::Line;
use splashtail_core::ids::UserId;
use splashtail_discord::DiscordError;
use splashtail_discord::ensure::{EnsureError, Outcome};
use splashtail_discord::snowflake::typed;
use splashtail_guild::Id;
use splashtail_jobs::{Intent, JobContext, JobError, JobOutput, Level};
use splashtail_storage::StorageError;

use super::grants::Access;
use super::job::RejoinMembers;
use super::options::Fields;
use super::plan::Plan;
use crate::backup::error::{BackupError, Verdict};
use crate::backup::source::Source;
use crate::carry_out::{Reason, acting, job_error, stops_everything};
use crate::lines::say;
use crate::look::Look;

/// What Discord, and the database, list at a time.
const PAGE: usize = 1000;
const MOST_PAGES: usize = 1000;
/// "Invalid OAuth2 access token".
const BAD_TOKEN: u64 = 50_025;
/// What one refusal says of everybody: the bot may not, or the application is not taken. That a consent lacks
/// the scope is one person's.
const FOR_ALL: [&str; 2] = ["discord_50013", "application"];
/// People of one entry of the log.
const TOLD: usize = 40;
const PLAN: &str = "rejoin-plan.json";
const REPORT: &str = "rejoin.json";

/// One attempt.
pub struct Run<'a> {
    pub job: &'a RejoinMembers,
    pub cx: &'a JobContext,
    pub fields: &'a Fields,
}

/// What became of one person; the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Done {
    Joined,
    /// They were there already.
    Here,
    Left {
        code: String,
        why: String,
    },
}

impl Done {
    fn left(code: &str, why: &str) -> Self {
        Self::Left {
            code: code.to_owned(),
            why: why.to_owned(),
        }
    }
}

#[derive(Debug, Default)]
struct Settled {
    joined: Vec<UserId>,
    here: Vec<UserId>,
    left: Vec<(UserId, String, String)>,
    not_tried: Vec<UserId>,
    /// Why not.
    stopped: Option<String>,
}

impl Run<'_> {
    pub async fn run(&self) -> Result<JobOutput, JobError> {
        let plan: Plan = self.cx.step("plan", || self.plan()).await?;
        self.cx.step("planned", || self.tell_plan(&plan)).await?;
        let filename = if self.fields.options.dry_run {
            let publish = || self.publish(PLAN, plan.document());
            self.cx.step("published", publish).await?
        } else {
            self.check(&plan)?;
            let settled = self.everybody(&plan).await?;
            let report = || self.report(&plan, &settled);
            self.cx.step("report", report).await?
        };
        Ok(JobOutput {
            filename,
            segregated: false,
        })
    }

    fn source(&self) -> Source<'_> {
        Source {
            discord: &self.job.grants.discord,
            clock: self.job.grants.clock.as_ref(),
            cancelled: self.cx.cancelled(),
        }
    }

    async fn plan(&self) -> Result<Plan, JobError> {
        let look = Look::at(self.source(), self.fields.server_id, &[]).await?;
        let subject = look.subject(self.job.grants.clock.now())?;
        let consented = self.consented().await?;
        let members = self.members(&consented).await?;
        let may = subject.in_guild();
        let options = &self.fields.options;
        Ok(Plan::new(options, &consented, members.as_ref(), may))
    }

    async fn consented(&self) -> Result<BTreeSet<UserId>, JobError> {
        let store = self.job.grants.storage.join_consents();
        let (mut all, mut after) = (BTreeSet::new(), None);
        for _ in 0..MOST_PAGES {
            let page = store.consents(self.fields.server_id, after, PAGE as u32);
            let page = page.await.map_err(away)?;
            after = page.last().copied();
            let is_last = page.len() < PAGE;
            all.extend(page);
            if is_last {
                break;
            }
        }
        Ok(all)
    }

    /// Those who consented and are there; `None` where the bot may not list the members.
    async fn members(
        &self,
        consented: &BTreeSet<UserId>,
    ) -> Result<Option<BTreeSet<UserId>>, JobError> {
        let path = format!("/guilds/{}/members", self.fields.server_id);
        let (mut here, mut after) = (BTreeSet::new(), None::<UserId>);
        if consented.is_empty() {
            return Ok(Some(here));
        }
        for _ in 0..MOST_PAGES {
            let mut query = vec![("limit", PAGE.to_string())];
            query.extend(after.map(|after| ("after", after.to_string())));
            let source = self.source();
            let page = match source.list("reading the members", &path, &query).await {
                Ok(page) => page,
                Err(error) if error.verdict() == Verdict::Refused => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let user = |member: &Value| typed::<UserId>(&member["user"]["id"]);
            let users = page.iter().filter_map(user);
            here.extend(users.clone().filter(|user| consented.contains(user)));
            let last = users.max().filter(|last| after.is_none_or(|a| *last > a));
            match last.filter(|_| page.len() >= PAGE) {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        Ok(Some(here))
    }

    async fn tell_plan(&self, plan: &Plan) -> Result<(), JobError> {
        let extra = json!({"of": plan.join.len(), "here": plan.here, "plan_hash": plan.hash,
                           "refusals": plan.refusals, "botDisplayIgnore": ["plan_hash", "refusals"]});
        say(self.cx, Level::Info, Line::RejoinPlanned, extra).await;
        if !plan.not_consented.is_empty() {
            let extra =
                json!({"count": plan.not_consented.len(), "items": few(&plan.not_consented)});
            say(self.cx, Level::Warn, Line::NotConsented, extra).await;
        }
        Ok(())
    }

    /// Refuses what cannot work, or is not what was approved, before anybody is let in.
    fn check(&self, plan: &Plan) -> Result<(), JobError> {
        if !plan.refusals.is_empty() {
            return Err(JobError::permanent("preflight", plan.refusals.join("; ")));
        }
        match &self.fields.options.plan_hash {
            Some(approved) if *approved != plan.hash => {
                let message =
                    "What would be done is not what was approved any more: look at it again";
                Err(JobError::permanent("plan_changed", message))
            }
            _ => Ok(()),
        }
    }

    async fn everybody(&self, plan: &Plan) -> Result<Settled, JobError> {
        let mut settled = Settled::default();
        let of = plan.join.len() as u64;
        for (number, user) in plan.join.iter().enumerate() {
            match self.one(*user).await {
                Ok(Done::Joined) => settled.joined.push(*user),
                Ok(Done::Here) => settled.here.push(*user),
                Ok(Done::Left { code, why }) => settled.left.push((*user, code, why)),
                Err(JobError::Permanent { code, message, .. })
                    if FOR_ALL.contains(&code.as_str()) =>
                {
                    settled.not_tried = plan.join[number..].to_vec();
                    settled.stopped = Some(message);
                    break;
                }
                Err(JobError::Permanent { code, message, .. }) if !stops_everything(&code) => {
                    settled.left.push((*user, code, message));
                }
                Err(error) => return Err(error),
            }
            self.cx.advance("members", number as u64 + 1, of).await;
        }
        Ok(settled)
    }

    async fn one(&self, user: UserId) -> Result<Done, JobError> {
        let grants = &self.job.grants;
        let guild = self.fields.server_id;
        let text = format!("Brought back as they had allowed, by {}", self.cx.id());
        let reason = Reason {
            text: &text,
            guild,
            marks: self.job.marks.as_ref(),
            clock: grants.clock.as_ref(),
        };
        let act = |nonce: splashtail_jobs::Nonce| async move {
            let leaves = Leaves::About(Id::new(user.get()));
            let acting = acting(self.cx, &grants.discord, &nonce, &reason, leaves);
            let mut refused = None;
            loop {
                let cancelled = self.cx.cancelled();
                let (token, version) = match grants.access(guild, user, refused, cancelled).await? {
                    Access::Token { token, version } => (token, version),
                    Access::Withdrawn => {
                        let why = "they took their consent back";
                        return Ok(Done::left("withdrawn", why));
                    }
                    Access::Ended => {
                        let why = "Discord takes their consent no more: they have to give it again";
                        return Ok(Done::left("consent_ended", why));
                    }
                    Access::Unreadable => {
                        let why = "their consent cannot be read with this installation's data key: \
                                   they have to give it again";
                        return Ok(Done::left("consent_unreadable", why));
                    }
                };
                match acting.ensure_joined(guild, user, &token).await {
                    Ok(ensured) if ensured.outcome == Outcome::Created => return Ok(Done::Joined),
                    Ok(_) => return Ok(Done::Here),
                    // It ended before its time. Another one is tried, once.
                    Err(EnsureError::Discord(error))
                        if refused.is_none() && is_bad_token(&error) =>
                    {
                        refused = Some(version);
                    }
                    // It says nothing about the bot's own token.
                    Err(EnsureError::Discord(error)) if is_bad_token(&error) => {
                        let why =
                            "Discord does not take what they allowed: they have to allow it again";
                        return Ok(Done::left("consent_refused", why));
                    }
                    Err(error) => return Err(job_error(error)),
                }
            }
        };
        let intent = Intent::new(format!("member.join {user}"));
        self.cx
            .effect(&format!("join/{user}"), intent, act, |_| async { Ok(None) })
            .await
    }

    async fn report(&self, plan: &Plan, settled: &Settled) -> Result<String, JobError> {
        let left: Vec<Value> = settled
            .left
            .iter()
            .map(|(user, code, why)| json!({"user": user, "code": code, "why": why}))
            .collect();
        let document = json!({
            "kind": "rejoin_report",
            "server_id": self.fields.server_id,
            "plan_hash": plan.hash,
            "joined": settled.joined,
            "members_already": settled.here,
            "not_joined": left,
            "not_consented": plan.not_consented,
            "not_tried": settled.not_tried,
            "stopped": settled.stopped,
            "left_for_another_order": plan.more,
        });
        let filename = self.publish(REPORT, document).await?;
        if !settled.left.is_empty() {
            let users: Vec<UserId> = settled.left.iter().map(|(user, ..)| *user).collect();
            let extra = json!({"count": users.len(), "items": few(&users)});
            say(self.cx, Level::Warn, Line::NotRejoined, extra).await;
        }
        if let Some(why) = &settled.stopped {
            let extra = json!({"count": settled.not_tried.len(), "error": why});
            say(self.cx, Level::Warn, Line::RejoinStopped, extra).await;
        }
        let done = settled.joined.len() + settled.here.len();
        let level = match done == plan.join.len() {
            true => Level::Info,
            false => Level::Warn,
        };
        let extra = json!({"done": done, "of": plan.join.len()});
        say(self.cx, level, Line::Rejoined, extra).await;
        Ok(filename)
    }

    /// Puts a document where the task's output is.
    async fn publish(&self, name: &str, document: Value) -> Result<String, JobError> {
        let text = serde_json::to_vec_pretty(&document).map_err(BackupError::Json)?;
        self.cx.fence_check().await?;
        let key = format!("tasks/{}/{name}", self.cx.id());
        let put = self.job.objects.put(&key, text.into()).await;
        put.map_err(BackupError::Objects)?;
        Ok(name.to_owned())
    }
}

fn is_bad_token(error: &DiscordError) -> bool {
    error.code() == Some(BAD_TOKEN)
}

fn few(users: &[UserId]) -> String {
    let named = users.iter().take(TOLD).map(ToString::to_string);
    let named: Vec<String> = named.collect();
    named.join(", ")
}

fn away(error: StorageError) -> JobError {
    JobError::transient("unavailable", "the database failed").caused_by(error)
}
