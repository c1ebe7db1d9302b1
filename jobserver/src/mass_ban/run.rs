//! One attempt: look, judge, ban, report.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splashtail_antinuke::Leaves;
use splashtail_api_types::job_lines::Line;
use splashtail_core::ids::UserId;
use splashtail_discord::ensure::{BULK_BAN, EnsureError};
use splashtail_discord::snowflake::{id, typed};
use splashtail_guild::Id;
use splashtail_jobs::{Intent, JobContext, JobError, JobOutput, Level};

use super::job::MassBan;
use super::judge::{Ground, Plan, Trusted};
use super::options::Fields;
use crate::backup::error::{BackupError, Verdict};
use crate::backup::source::Source;
use crate::carry_out::{Reason, acting, job_error, stops_everything};
use crate::lines::say;
use crate::look::Look;

/// In a server of more members those who are named are asked for one by one.
const LISTED: u64 = 10_000;
/// What Discord lists at a time.
const PAGE: usize = 1000;
/// A server grows while it is listed.
const MOST_PAGES: usize = 2 * LISTED as usize / PAGE;
/// Named members of one step.
const ASKED: usize = 50;
/// "Maximum number of bans for non-guild members have been exceeded".
const STRANGERS: &str = "discord_30035";
/// "Missing Permissions": of one person, who has risen since, or of all.
const FORBIDDEN: &str = "discord_50013";
/// People that a line of the log names.
const NAMED: usize = 20;
/// People of one entry of the log, which holds 8 KiB, by id alone and with their names.
const SPARED: usize = 200;
const TOLD: usize = 40;
pub(super) const REPORT: &str = "mass-ban.json";
const PLAN: &str = "mass-ban-plan.json";

/// One attempt.
pub struct Run<'a> {
    pub job: &'a MassBan,
    pub cx: &'a JobContext,
    pub fields: &'a Fields,
}

/// What a call came to; everybody is in one list.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Banned {
    pub banned: Vec<UserId>,
    /// Before, or by an earlier try.
    pub already: Vec<UserId>,
    /// Discord refused them by themselves.
    pub failed: Vec<UserId>,
    pub left: Vec<UserId>,
    /// Why the rest was not tried: code and words.
    pub stopped: Option<(String, String)>,
}

impl Banned {
    pub(super) fn add(&mut self, more: Self) {
        self.banned.extend(more.banned);
        self.already.extend(more.already);
        self.failed.extend(more.failed);
        self.left.extend(more.left);
        self.stopped = self.stopped.take().or(more.stopped);
    }
}

impl Run<'_> {
    pub async fn run(&self) -> Result<JobOutput, JobError> {
        if let Some(undo) = self.fields.options.undo {
            return self.lift(undo).await;
        }
        let members = self.members().await?;
        let plan: Plan = self.cx.step("plan", || self.plan(&members)).await?;
        self.cx.step("planned", || self.tell_plan(&plan)).await?;
        if self.fields.options.dry_run {
            let publish = || self.publish(PLAN, self.document(&plan, None));
            let filename = self.cx.step("published", publish).await?;
            return Ok(output(filename));
        }
        self.check(&plan)?;
        let done = self.bans(&plan).await?;
        let report = || self.report(&plan, &done);
        let filename = self.cx.step("report", report).await?;
        Ok(output(filename))
    }

    pub(super) fn source(&self) -> Source<'_> {
        Source {
            discord: &self.job.discord,
            clock: self.job.clock.as_ref(),
            cancelled: self.cx.cancelled(),
        }
    }

    /// What their bans say, by which they are known again.
    pub(super) fn mark(task: impl std::fmt::Display) -> String {
        format!("Mass ban {task}")
    }

    pub(super) fn reason<'r>(&'r self, text: &'r str) -> Reason<'r> {
        Reason {
            text,
            guild: self.fields.server_id,
            marks: self.job.marks.as_ref(),
            clock: self.job.clock.as_ref(),
        }
    }

    /// The named who are in the server, step by step.
    async fn members(&self) -> Result<BTreeMap<UserId, Value>, JobError> {
        let path = format!("/guilds/{}", self.fields.server_id);
        let count = || async {
            let query = [("with_counts", "true".to_owned())];
            let source = self.source();
            let guild = source.object("reading the server", &path, &query).await?;
            Ok(guild["approximate_member_count"].as_u64())
        };
        let count: Option<u64> = self.cx.step("size", count).await?;
        let mut found: Vec<Value> = Vec::new();
        if count.is_some_and(|count| count <= LISTED) {
            let mut after = None;
            for number in 0..MOST_PAGES {
                let step = format!("members/page/{number}");
                let page: (Vec<Value>, Option<UserId>) =
                    self.cx.step(&step, || self.page(after)).await?;
                found.extend(page.0);
                match page.1 {
                    Some(last) => after = Some(last),
                    None => break,
                }
            }
        } else {
            for (number, users) in self.fields.options.users.chunks(ASKED).enumerate() {
                let step = format!("members/named/{number}");
                let asked: Vec<Value> = self.cx.step(&step, || self.named(users)).await?;
                found.extend(asked);
                let of = self.fields.options.users.len() as u64;
                let done = ((number + 1) * ASKED) as u64;
                self.cx.advance("members", done.min(of), of).await;
            }
        }
        let by_id = found
            .into_iter()
            .filter_map(|member| Some((typed(&member["user"]["id"])?, member)));
        Ok(by_id.collect())
    }

    /// Of one page the named, and where the next one begins.
    async fn page(&self, after: Option<UserId>) -> Result<(Vec<Value>, Option<UserId>), JobError> {
        let path = format!("/guilds/{}/members", self.fields.server_id);
        let mut query = vec![("limit", PAGE.to_string())];
        query.extend(after.map(|after| ("after", after.to_string())));
        let source = self.source();
        let listed = source.list("reading the members", &path, &query).await?;
        let user = |member: &Value| typed::<UserId>(&member["user"]["id"]);
        let last = listed.iter().filter_map(user).max();
        let last = last.filter(|last| listed.len() >= PAGE && after.is_none_or(|a| *last > a));
        let named: BTreeSet<&UserId> = self.fields.options.users.iter().collect();
        let wanted = |member: &&Value| user(member).is_some_and(|user| named.contains(&user));
        let found = listed.iter().filter(wanted).map(kept).collect();
        Ok((found, last))
    }

    async fn named(&self, users: &[UserId]) -> Result<Vec<Value>, JobError> {
        let mut found = Vec::new();
        for user in users {
            found.extend(self.member(*user).await?.as_ref().map(kept));
        }
        Ok(found)
    }

    async fn member(&self, user: UserId) -> Result<Option<Value>, JobError> {
        let path = format!("/guilds/{}/members/{user}", self.fields.server_id);
        match self.source().object("reading a member", &path, &[]).await {
            Ok(member) => Ok(Some(member)),
            Err(error) if error.verdict() == Verdict::Refused => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn plan(&self, members: &BTreeMap<UserId, Value>) -> Result<Plan, JobError> {
        let look = Look::at(self.source(), self.fields.server_id, &[]).await?;
        let caller = self.fields.caller_id;
        let is_owner = id(&look.guild["owner_id"]) == Some(caller.get());
        let caller = match self.member(caller).await? {
            Some(member) => member,
            None if is_owner => json!({}),
            None => {
                let message = "Whoever ordered this is no member of the server";
                return Err(JobError::permanent("missing_permissions", message));
            }
        };
        let settings = self.job.storage.settings();
        let trusted = settings.read(self.fields.server_id, Some(Trusted::SETTING));
        let trusted = trusted.await.map_err(|error| {
            JobError::transient("unavailable", "the database failed").caused_by(error)
        })?;
        let ground = Ground {
            guild: &look.guild,
            me: &look.member,
            caller: &caller,
            trusted: &Trusted::of(&trusted.rows),
            now: self.job.clock.now(),
        };
        Ok(Plan::new(self.fields, &ground, members))
    }

    async fn tell_plan(&self, plan: &Plan) -> Result<(), JobError> {
        let counts = match plan.ban.len() {
            0 => json!({}),
            count => json!({"ban": {"create": count}}),
        };
        let extra = json!({"plan_hash": plan.hash, "counts": counts, "refusals": plan.refusals,
                           "botDisplayIgnore": ["plan_hash", "counts", "refusals"]});
        self.cx.log(Level::Info, plan.headline(), extra).await;
        for (why, users) in plan.by_reason() {
            let line = format!("Spared: {}", why.text());
            for users in users.chunks(SPARED) {
                let extra = json!({"count": users.len(), "items": names(users), "spared": why,
                                   "people": users, "botDisplayIgnore": ["spared", "people"]});
                self.cx.log(Level::Warn, line.as_str(), extra).await;
            }
        }
        self.tell_people("To ban", &plan.ban, &plan.names).await;
        Ok(())
    }

    /// Everybody by id and, where it is known, name, a part in each entry.
    pub(super) async fn tell_people(
        &self,
        what: &str,
        users: &[UserId],
        names: &BTreeMap<UserId, String>,
    ) {
        for (number, part) in users.chunks(TOLD).enumerate() {
            let first = number * TOLD;
            let line = format!("{what}: {} to {}", first + 1, first + part.len());
            let people: Vec<_> = part.iter().map(|user| (user, names.get(user))).collect();
            let extra = json!({"planned": people, "botDisplayIgnore": ["planned"]});
            self.cx.log(Level::Info, line, extra).await;
        }
    }

    /// Refuses what cannot work, or is not what was approved, before anybody is banned.
    fn check(&self, plan: &Plan) -> Result<(), JobError> {
        if !plan.refusals.is_empty() {
            let why = plan.refusals.join("; ");
            return Err(JobError::permanent("preflight", why));
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

    async fn bans(&self, plan: &Plan) -> Result<Banned, JobError> {
        let (mut done, of) = (Banned::default(), plan.ban.len());
        let size = if plan.singly { 1 } else { BULK_BAN };
        let mut chunks = plan.ban.chunks(size);
        while let Some(chunk) = chunks.next() {
            let made = match self.ban(chunk).await {
                Ok(made) => made,
                Err(JobError::Permanent { code, message, .. }) if !stops_everything(&code) => {
                    refused(chunk, (code, message))
                }
                Err(error) => return Err(error),
            };
            done.add(made);
            let so_far = of - chunks.clone().map(<[UserId]>::len).sum::<usize>();
            self.cx.advance("bans", so_far as u64, of as u64).await;
            if done.stopped.is_some() {
                done.left.extend(chunks.by_ref().flatten());
            }
        }
        Ok(done)
    }

    async fn ban(&self, users: &[UserId]) -> Result<Banned, JobError> {
        let options = &self.fields.options;
        let mark = Self::mark(self.cx.id());
        let text = match options.reason.is_empty() {
            true => mark,
            false => format!("{mark}: {}", options.reason),
        };
        let reason = self.reason(&text);
        let (leaves, step) = match users {
            [one] => (Leaves::About(Id::new(one.get())), format!("ban/{one}")),
            many => {
                let first = many.first().map_or(0, |user| user.get());
                (Leaves::Bans, format!("ban/from/{first}"))
            }
        };
        let guild = self.fields.server_id;
        let act = |nonce: splashtail_jobs::Nonce| async move {
            let acting = acting(self.cx, &self.job.discord, &nonce, &reason, leaves);
            let seconds = options.delete_seconds;
            if let [one] = users {
                let banned = acting.ensure_banned(guild, *one, seconds, None).await;
                banned.map_err(job_error)?;
                return Ok(Banned {
                    banned: vec![*one],
                    ..Banned::default()
                });
            }
            let done = acting
                .ensure_all_banned(guild, users, seconds, &HashSet::new())
                .await;
            let stopped = match done.stopped.map(|e| job_error(EnsureError::from(e))) {
                None => None,
                Some(JobError::Permanent { code, message, .. }) if !stops_everything(&code) => {
                    Some((code, message))
                }
                // Whoever is banned by then is not banned again.
                Some(error) => return Err(error),
            };
            Ok(Banned {
                banned: done.banned,
                already: done.already,
                failed: done.failed,
                left: done.left,
                stopped,
            })
        };
        let intent = Intent::new(format!("ban.create {}", users.len()));
        let intent = intent.before(json!({"users": users}));
        self.cx
            .effect(&step, intent, act, |_| async { Ok(None) })
            .await
    }

    fn document(&self, plan: &Plan, done: Option<&Banned>) -> Value {
        let spared = plan.spared.iter();
        let spared: Vec<Value> = spared
            .map(|(user, why)| json!({"user": user, "code": why, "why": why.text()}))
            .collect();
        let mut document = json!({
            "kind": "mass_ban",
            "server_id": self.fields.server_id,
            "ordered_by": self.fields.caller_id,
            "reason": self.fields.options.reason,
            "plan_hash": plan.hash,
            "to_ban": plan.ban,
            "spared": spared,
            "refusals": plan.refusals,
        });
        if let Some(done) = done {
            document["banned"] = json!(done.banned);
            document["banned_before"] = json!(done.already);
            document["refused"] = json!(done.failed);
            document["not_tried"] = json!(done.left);
            document["stopped"] = json!(done.stopped.as_ref().map(|(_, why)| why));
        }
        document
    }

    async fn report(&self, plan: &Plan, done: &Banned) -> Result<String, JobError> {
        let document = self.document(plan, Some(done));
        let filename = self.publish(REPORT, document).await?;
        for (users, line) in [
            (&done.already, Line::BannedBefore),
            (&done.failed, Line::NotBanned),
        ] {
            if !users.is_empty() {
                let extra = json!({"count": users.len(), "items": names(users)});
                say(self.cx, Level::Warn, line, extra).await;
            }
        }
        if let Some((code, why)) = &done.stopped {
            let why = match code.as_str() {
                STRANGERS => {
                    "Discord takes no more bans of people outside the server for some hours"
                }
                _ => why.as_str(),
            };
            let extra = json!({"count": done.left.len(), "items": names(&done.left), "error": why});
            say(self.cx, Level::Warn, Line::BanStopped, extra).await;
        }
        let (banned, of) = (done.banned.len() + done.already.len(), plan.ban.len());
        let extra =
            json!({"done": banned, "of": of, "undo": format!("/massunban {}", self.cx.id())});
        let level = match banned == of {
            true => Level::Info,
            false => Level::Warn,
        };
        say(self.cx, level, Line::Banned, extra).await;
        Ok(filename)
    }

    /// Puts a document where the task's output is.
    pub(super) async fn publish(&self, name: &str, document: Value) -> Result<String, JobError> {
        let text = serde_json::to_vec_pretty(&document).map_err(BackupError::Json)?;
        self.cx.fence_check().await?;
        let key = format!("tasks/{}/{name}", self.cx.id());
        let put = self.job.objects.put(&key, text.into()).await;
        put.map_err(BackupError::Objects)?;
        Ok(name.to_owned())
    }
}

/// What a refusal of a whole call means: somebody alone may have risen, for many it is over.
pub(super) fn refused(users: &[UserId], why: (String, String)) -> Banned {
    match users.len() == 1 && why.0 == FORBIDDEN {
        true => Banned {
            failed: users.to_vec(),
            ..Banned::default()
        },
        false => Banned {
            left: users.to_vec(),
            stopped: Some(why),
            ..Banned::default()
        },
    }
}

/// What is needed of a member.
fn kept(member: &Value) -> Value {
    json!({"user": {"id": member["user"]["id"], "bot": member["user"]["bot"],
                    "username": member["user"]["username"]},
           "roles": member["roles"]})
}

pub(super) fn names(users: &[UserId]) -> String {
    let named = users.iter().take(NAMED).map(ToString::to_string);
    let mut names = named.collect::<Vec<_>>().join(", ");
    if users.len() > NAMED {
        names.push_str(&format!(" and {} more", users.len() - NAMED));
    }
    names
}

pub(super) fn output(filename: String) -> JobOutput {
    JobOutput {
        filename,
        segregated: false,
    }
}
