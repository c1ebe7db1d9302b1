//! What was done to members, and what stands in no structure: taken back one by one. Discord lifts
//! bans one at a time, too; its limits are the only pace.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splashtail_antinuke::undo::Deeds;
use splashtail_antinuke::{Leaves, Moment};
use splashtail_api_types::job_lines::Line;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_discord::Discord;
use splashtail_discord::ensure::{Acting, EnsureError, Ensured, Outcome};
use splashtail_discord::snowflake::ids;
use splashtail_guild::{Id, Kind, Mapping};
use splashtail_jobs::{Intent, JobContext, JobError, Level};

use super::options::Part;
use super::since_plan::SincePlan;
use crate::carry_out::{Made, Objection, Reason, acting, how, job_error, stops_everything};
use crate::lines::say;
use crate::restore::report::NotRestored;

/// Between two lines of progress.
const BETWEEN_LINES: usize = 25;

/// One thing that is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum PeopleEffect {
    LiftBan {
        user: Id,
        at: Moment,
    },
    Ban {
        user: Id,
    },
    /// Roles as they were called before; some may have been made again since.
    Roles {
        user: Id,
        give: BTreeSet<Id>,
        take: BTreeSet<Id>,
    },
    /// `was` and `set`: ends of a timeout.
    Timeout {
        user: Id,
        was: Option<DateTime<Utc>>,
        set: Option<DateTime<Utc>>,
    },
    Nickname {
        user: Id,
        was: Option<String>,
        set: Option<String>,
    },
    DeleteWebhook {
        webhook: Id,
    },
    DeleteInvite {
        code: String,
    },
    DeleteThread {
        thread: Id,
    },
}

impl PeopleEffect {
    /// In the order in which they are made: what lets an attacker in goes first, bans come last.
    pub fn all(deeds: &Deeds) -> Vec<Self> {
        let mut all = Vec::new();
        all.extend(
            deeds
                .webhooks
                .iter()
                .map(|id| Self::DeleteWebhook { webhook: *id }),
        );
        let invites = deeds.invites.iter().cloned();
        all.extend(invites.map(|code| Self::DeleteInvite { code }));
        all.extend(
            deeds
                .threads
                .iter()
                .map(|id| Self::DeleteThread { thread: *id }),
        );
        all.extend(deeds.roles.iter().map(|(user, roles)| Self::Roles {
            user: *user,
            give: roles.taken.clone(),
            take: roles.given.clone(),
        }));
        all.extend(
            deeds
                .nicknames
                .iter()
                .map(|(user, (was, set))| Self::Nickname {
                    user: *user,
                    was: was.as_str().map(str::to_owned),
                    set: set.as_str().map(str::to_owned),
                }),
        );
        all.extend(
            deeds
                .timeouts
                .iter()
                .map(|(user, (was, set))| Self::Timeout {
                    user: *user,
                    was: time(was),
                    set: time(set),
                }),
        );
        all.extend(deeds.freed.iter().map(|user| Self::Ban { user: *user }));
        let banned = deeds.banned.iter();
        all.extend(banned.map(|(user, at)| Self::LiftBan {
            user: *user,
            at: *at,
        }));
        all
    }

    /// What takes it back; `None` for what is deleted for good.
    pub fn inverse(&self) -> Option<Self> {
        match self.clone() {
            Self::LiftBan { user, .. } => Some(Self::Ban { user }),
            Self::Ban { user } => Some(Self::LiftBan {
                user,
                at: Moment::default(),
            }),
            Self::Roles { user, give, take } => Some(Self::Roles {
                user,
                give: take,
                take: give,
            }),
            Self::Timeout { user, was, set } => Some(Self::Timeout {
                user,
                was: set,
                set: was,
            }),
            Self::Nickname { user, was, set } => Some(Self::Nickname {
                user,
                was: set,
                set: was,
            }),
            Self::DeleteWebhook { .. } | Self::DeleteInvite { .. } | Self::DeleteThread { .. } => {
                None
            }
        }
    }

    pub fn target(&self) -> Option<Id> {
        match self {
            Self::LiftBan { user, .. }
            | Self::Ban { user }
            | Self::Roles { user, .. }
            | Self::Timeout { user, .. }
            | Self::Nickname { user, .. } => Some(*user),
            Self::DeleteWebhook { webhook } => Some(*webhook),
            Self::DeleteThread { thread } => Some(*thread),
            Self::DeleteInvite { .. } => None,
        }
    }

    /// What the audit log will have of it.
    fn leaves(&self) -> Leaves {
        match self {
            Self::DeleteInvite { .. } => Leaves::InviteGone,
            _ => self.target().into(),
        }
    }

    pub const fn part(&self) -> Part {
        match self {
            Self::LiftBan { .. } | Self::Ban { .. } => Part::Bans,
            Self::Roles { .. } | Self::Timeout { .. } | Self::Nickname { .. } => Part::Members,
            Self::DeleteWebhook { .. } | Self::DeleteInvite { .. } | Self::DeleteThread { .. } => {
                Part::Others
            }
        }
    }

    /// Kind and verb, for counts.
    pub const fn sort(&self) -> (&'static str, &'static str) {
        match self {
            Self::LiftBan { .. } => ("ban", "delete"),
            Self::Ban { .. } => ("ban", "create"),
            Self::Roles { .. } => ("member", "roles"),
            Self::Timeout { .. } => ("member", "timeout"),
            Self::Nickname { .. } => ("member", "nickname"),
            Self::DeleteWebhook { .. } => ("webhook", "delete"),
            Self::DeleteInvite { .. } => ("invite", "delete"),
            Self::DeleteThread { .. } => ("thread", "delete"),
        }
    }

    /// Names the effect within its job.
    fn step(&self) -> String {
        let (kind, verb) = self.sort();
        match (self, self.target()) {
            (Self::DeleteInvite { code }, _) => format!("invite/{code}/delete"),
            (_, Some(id)) => format!("{kind}/{id}/{verb}"),
            (_, None) => format!("{kind}/{verb}"),
        }
    }
}

fn time(value: &Value) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(value.as_str()?);
    time.ok().map(|time| time.to_utc())
}

/// What carries them out.
#[derive(Clone, Copy)]
pub struct People<'a> {
    pub cx: &'a JobContext,
    pub discord: &'a Discord,
    pub guild: GuildId,
    pub reason: Reason<'a>,
    /// Which role is which now.
    pub mapping: &'a Mapping,
    /// What others did since the plan was made.
    pub since_plan: &'a SincePlan<'a>,
}

/// The effects that need nothing that is yet to be made, and the others.
pub fn by_need(effects: &[PeopleEffect]) -> (Vec<PeopleEffect>, Vec<PeopleEffect>) {
    let ready = |effect: &PeopleEffect| match effect {
        PeopleEffect::Roles { give, .. } => give.is_empty(),
        _ => true,
    };
    effects.iter().cloned().partition(ready)
}

/// What became of one.
enum Done {
    Ensured(Outcome),
    Left(&'static str, &'static str),
}

impl People<'_> {
    /// Carries all out. What Discord refuses is noted and passed over.
    ///
    /// # Errors
    /// As those of [`crate::carry_out::CarryOut::run`].
    pub async fn run(
        self,
        effects: &[PeopleEffect],
    ) -> Result<(usize, Vec<NotRestored>), JobError> {
        let (mut done, mut left) = (0, Vec::new());
        for (at, effect) in effects.iter().enumerate() {
            if at % BETWEEN_LINES == 0 {
                let percent = at * 100 / effects.len();
                let extra = json!({"done": at, "of": effects.len(), "percent": percent});
                say(self.cx, Level::Info, Line::StagePeople, extra).await;
            }
            match self.one(effect).await {
                Ok(Made { how, .. }) if !how.starts_with("left:") => done += 1,
                Ok(Made { how, .. }) => left.push(of_left(effect, &how)),
                Err(JobError::Permanent { code, message, .. }) if !stops_everything(&code) => {
                    left.push(not_restored(effect, code, message));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((done, left))
    }

    async fn one(self, effect: &PeopleEffect) -> Result<Made, JobError> {
        let (kind, verb) = effect.sort();
        let before = serde_json::to_value(effect).unwrap_or_default();
        let target = effect.target().map(|id| id.to_string()).unwrap_or_default();
        let intent = Intent::new(format!("{kind}.{verb} {target}").trim()).before(before);
        let act = |nonce: splashtail_jobs::Nonce| async move {
            if let Some(objection) = self.objection(effect).await? {
                return Ok(Made::left(&objection));
            }
            let leaves = effect.leaves();
            let acting = acting(self.cx, self.discord, &nonce, &self.reason, leaves);
            let how = match self.perform(&acting, effect).await.map_err(job_error)? {
                Done::Ensured(outcome) => how(outcome).to_owned(),
                Done::Left(code, why) => format!("left:{code}:{why}"),
            };
            Ok(Made {
                id: None,
                code: None,
                how,
            })
        };
        // Each brings a state about, and may be repeated.
        self.cx
            .effect(&effect.step(), intent, act, |_| async { Ok(None) })
            .await
    }

    async fn objection(self, effect: &PeopleEffect) -> Result<Option<Objection>, JobError> {
        match effect {
            PeopleEffect::LiftBan { user, at } => self.since_plan.banned(*user, *at).await,
            PeopleEffect::DeleteThread { thread } => self.since_plan.posted_in(*thread).await,
            _ => Ok(None),
        }
    }

    async fn perform(self, acting: &Acting, effect: &PeopleEffect) -> Result<Done, EnsureError> {
        let done = |ensured: Ensured| Done::Ensured(ensured.outcome);
        let user = |id: &Id| UserId::new(id.get()).ok_or(EnsureError::Incomplete("user"));
        match effect {
            PeopleEffect::LiftBan { user: id, .. } => acting
                .ensure_unbanned(self.guild, user(id)?, None)
                .await
                .map(done),
            PeopleEffect::Ban { user: id } => acting
                .ensure_banned(self.guild, user(id)?, 0, None)
                .await
                .map(done),
            PeopleEffect::DeleteWebhook { webhook } => {
                acting.ensure_no_webhook(webhook.get()).await.map(done)
            }
            PeopleEffect::DeleteInvite { code } => acting.ensure_no_invite(code).await.map(done),
            PeopleEffect::DeleteThread { thread } => {
                acting.ensure_no_channel(thread.get()).await.map(done)
            }
            PeopleEffect::Roles { user, give, take } => {
                let Some(member) = self.member(*user).await? else {
                    return Ok(GONE);
                };
                let live = |role: &Id| self.mapping.live(Kind::Role, *role).map(Id::get);
                let give: Vec<u64> = give.iter().filter_map(live).collect();
                // Of a role that is gone nothing can be taken.
                let had: BTreeSet<u64> = ids(&member["roles"]).collect();
                let take: Vec<u64> = take
                    .iter()
                    .filter_map(live)
                    .filter(|r| had.contains(r))
                    .collect();
                let ensured = acting.ensure_member_roles(self.guild, &member, &give, &take);
                ensured.await.map(done)
            }
            PeopleEffect::Timeout { user, was, set } => {
                let Some(member) = self.member(*user).await? else {
                    return Ok(GONE);
                };
                let millis = |time: Option<DateTime<Utc>>| time.map(|t| t.timestamp_millis());
                let is = time(&member["communication_disabled_until"]);
                if millis(is) != millis(*set) && millis(is) != millis(*was) {
                    return Ok(CHANGED);
                }
                acting
                    .ensure_timeout(self.guild, &member, *was)
                    .await
                    .map(done)
            }
            PeopleEffect::Nickname { user, was, set } => {
                let Some(member) = self.member(*user).await? else {
                    return Ok(GONE);
                };
                let is = member["nick"].as_str();
                if is != set.as_deref() && is != was.as_deref() {
                    return Ok(CHANGED);
                }
                acting
                    .ensure_nickname(self.guild, &member, was.as_deref())
                    .await
                    .map(done)
            }
        }
    }

    async fn member(self, user: Id) -> Result<Option<Value>, EnsureError> {
        let path = format!("/guilds/{}/members/{user}", self.guild);
        let read = self.discord.get(path).cancelled_by(self.cx.cancelled());
        match read.send().await {
            Ok(member) => Ok(Some(member)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

const GONE: Done = Done::Left("gone", "they are not in the server any more");
const CHANGED: Done = Done::Left("changed_since", "somebody changed it since, and that stays");

fn of_left(effect: &PeopleEffect, how: &str) -> NotRestored {
    let mut parts = how.splitn(3, ':').skip(1);
    let code = parts.next().unwrap_or_default().to_owned();
    not_restored(effect, code, parts.next().unwrap_or_default().to_owned())
}

fn not_restored(effect: &PeopleEffect, code: String, why: String) -> NotRestored {
    let (kind, verb) = effect.sort();
    NotRestored {
        kind: kind.to_owned(),
        id: effect.target().map(|id| id.to_string()),
        name: String::new(),
        fields: vec![verb.to_owned()],
        code,
        why,
    }
}
