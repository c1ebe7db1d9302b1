//! Members and bans put right: when the roles are there, and before anything is deleted.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splashtail_antinuke::Leaves;
use splashtail_api_types::job_lines::Line;
use splashtail_core::clock::Clock;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_discord::Discord;
use splashtail_discord::ensure::{BULK_BAN, EnsureError};
use splashtail_guild::{Id, Kind, Mapping};
use splashtail_jobs::{Intent, JobContext, JobError, Level};

use super::caller::Standing;
use super::people::{Ban, MemberChange, PeoplePlan, Scope, part};
use super::protection::Protection;
use super::report::NotRestored;
use crate::carry_out::{self, Reason};
use crate::lines::say;

/// Changes between two lines of progress.
const BETWEEN_LINES: usize = 100;
/// "Unknown Member": gone meanwhile.
const GONE: &str = "discord_10007";
/// "Maximum number of bans for non-guild members have been exceeded"; nobody knows until when.
const STRANGERS: &str = "discord_30035";

/// What puts people right.
pub struct Members<'a> {
    pub cx: &'a JobContext,
    pub discord: &'a Discord,
    pub guild: GuildId,
    pub mapping: &'a Mapping,
    pub plan: &'a PeoplePlan,
    /// As it is now.
    pub protection: &'a Protection,
    /// Whoever ordered it, as they stand now.
    pub caller: &'a Standing<'a>,
    pub clock: &'a dyn Clock,
    pub reason: Reason<'a>,
}

/// What became of them.
#[derive(Debug, Default)]
pub struct Settled {
    pub members: usize,
    pub bans: usize,
    pub left: Vec<NotRestored>,
}

/// What became of one member.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Done {
    Left {
        code: String,
        why: String,
    },
    /// How the state came about.
    Set(String),
}

/// What a bulk of bans came to.
#[derive(Debug, Serialize, Deserialize)]
struct Banned {
    banned: usize,
    /// Refused one by one: they stand above the bot.
    failed: Vec<UserId>,
    left: Vec<UserId>,
    /// Why the rest was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped: Option<(String, String)>,
}

impl Members<'_> {
    /// # Errors
    /// As those of [`carry_out::CarryOut::run`].
    pub async fn run(&self) -> Result<Settled, JobError> {
        let mut settled = Settled::default();
        for role in &self.plan.gives {
            if let Some((code, why)) = self.withheld(*role) {
                let why = format!("the role {role}: {why}");
                settled.left.push(part("members", code, &why));
            }
        }
        for (at, change) in self.plan.members.iter().enumerate() {
            if at % BETWEEN_LINES == 0 {
                let step = format!("member/told/{at}");
                let of = self.plan.members.len();
                let tell = || async {
                    let extra = json!({"done": at, "of": of});
                    say(self.cx, Level::Info, Line::StageMembers, extra).await;
                    Ok(())
                };
                self.cx.step(&step, tell).await?;
            }
            let (roles, fields) = (change.roles(), change.fields());
            let mut put_right = false;
            if let Some(roles) = &roles
                && roles
                    .take
                    .iter()
                    .any(|role| self.caller.outranked_by(*role))
            {
                let why =
                    "by now a role that they would lose does not stand below whoever ordered this";
                let left = left_alone(roles, "caller_hierarchy", why.to_owned());
                settled.left.push(left);
            }
            // A field that Discord refuses costs nobody their roles.
            for (step, change) in [("roles", roles), ("fields", fields)] {
                let Some(change) = change else { continue };
                match self.member(step, &change).await {
                    Ok(Done::Set(_)) => put_right = true,
                    Ok(Done::Left { code, why }) => {
                        settled.left.push(left_alone(&change, &code, why));
                        break;
                    }
                    Err(JobError::Permanent { code, .. }) if code == GONE => break,
                    Err(JobError::Permanent { code, message, .. })
                        if !carry_out::stops_everything(&code) =>
                    {
                        settled.left.push(left_alone(&change, &code, message));
                    }
                    Err(error) => return Err(error),
                }
            }
            settled.members += usize::from(put_right);
        }
        self.bans(&mut settled).await?;
        Ok(settled)
    }

    async fn member(&self, step: &str, change: &MemberChange) -> Result<Done, JobError> {
        let give = change.give.iter();
        let give = give.filter(|role| self.withheld(**role).is_none());
        let give = give.filter_map(|role| self.mapping.live(Kind::Role, *role));
        let give: Vec<u64> = give.map(|role| role.get()).collect();
        let take = change.take.iter();
        let take = take.filter(|role| !self.caller.outranked_by(**role));
        let take: Vec<u64> = take.map(|role| role.get()).collect();
        let (give, take) = (&give, &take);
        let want = Value::Object(change.body.clone());
        let want = &want;
        let scope = self.plan.scope.unwrap_or(Scope::Renewed);
        let act = |nonce: splashtail_jobs::Nonce| async move {
            let member = self.read(change.user).await?;
            let objection = self.protection.objection(scope, &member, self.clock.now());
            let objection = objection.or_else(|| self.outranked(change, &member));
            if let Some((code, why)) = objection {
                let (code, why) = (code.to_owned(), why.to_owned());
                return Ok(Done::Left { code, why });
            }
            let acting = carry_out::acting(
                self.cx,
                self.discord,
                &nonce,
                &self.reason,
                Leaves::About(change.user),
            );
            let set = match change.body.is_empty() {
                true => {
                    let roles = acting.ensure_member_roles(self.guild, &member, give, take);
                    roles.await
                }
                false => {
                    let fields = acting.ensure_member(self.guild, &member, want);
                    fields.await
                }
            };
            let set = set.map_err(carry_out::job_error)?;
            Ok(Done::Set(carry_out::how(set.outcome).to_owned()))
        };
        let step = format!("member/{}/{step}", change.user);
        let before = json!({"take": change.give, "give": change.take, "fields": change.body});
        let intent = Intent::new(format!("member.edit {}", change.name)).before(before);
        // The values are absolute: it may be done twice.
        self.cx
            .effect(&step, intent, act, |_| async { Ok(None) })
            .await
    }

    /// Why nobody gets a role by now: settings may have gone on with it, and whoever ordered this may have
    /// less to give.
    fn withheld(&self, role: Id) -> Option<(&'static str, &'static str)> {
        let live = self.mapping.live(Kind::Role, role)?;
        if !self.caller.rights.owner && self.protection.empowers(live.get()) {
            let why =
                "by now the bot's own settings give it power, so only the server's owner gives it";
            return Some(("settings_name_it", why));
        }
        if self.caller.outranked_by(live) {
            let why = "by now it does not stand below the highest role of whoever ordered this";
            return Some(("caller_hierarchy", why));
        }
        let lacks = "by now whoever ordered this could not give its permissions";
        let lacking = self.caller.withheld_of(live) != 0;
        lacking.then_some(("caller_lacks_permissions", lacks))
    }

    /// Names and timeouts are for whoever stands higher.
    fn outranked(
        &self,
        change: &MemberChange,
        member: &Value,
    ) -> Option<(&'static str, &'static str)> {
        let mut roles = member["roles"].as_array().into_iter().flatten();
        let outranked = !change.body.is_empty()
            && roles.any(|role| Id::read(role).is_some_and(|role| self.caller.outranked_by(role)));
        let why = "by now the member does not stand below whoever ordered this";
        outranked.then_some(("caller_hierarchy", why))
    }

    /// As they are now: what others did since the plan was made stays.
    async fn read(&self, user: Id) -> Result<Value, JobError> {
        let path = format!("/guilds/{}/members/{user}", self.guild);
        let read = self.discord.get(path).cancelled_by(self.cx.cancelled());
        let read = read.send().await.map_err(EnsureError::from);
        read.map_err(carry_out::job_error)
    }

    /// Bans of one reason together: a call has one reason for all.
    async fn bans(&self, settled: &mut Settled) -> Result<(), JobError> {
        let groups = self
            .plan
            .bans
            .chunk_by(|one, other| one.reason == other.reason);
        let chunks: Vec<&[Ban]> = groups.flat_map(|group| group.chunks(BULK_BAN)).collect();
        for (number, chunk) in chunks.into_iter().enumerate() {
            let done = match self.ban(number, chunk).await {
                Ok(done) => done,
                Err(JobError::Permanent { code, message, .. })
                    if !carry_out::stops_everything(&code) =>
                {
                    let why = format!("{} bans: {message}", chunk.len());
                    settled.left.push(lacking("bans", None, "", &code, why));
                    continue;
                }
                Err(error) => return Err(error),
            };
            settled.bans += done.banned;
            for user in done.failed {
                let why = "Discord does not let the bot ban them".to_owned();
                let id = Some(user.to_string());
                settled.left.push(lacking("ban", id, "", "refused", why));
            }
            if let Some((code, message)) = done.stopped {
                let count = done.left.len();
                let why = match code.as_str() {
                    STRANGERS => format!(
                        "{count} bans: Discord takes no more bans of people outside the server \
                         for some hours; restore the members again later"
                    ),
                    _ => format!("{count} bans: {message}"),
                };
                settled.left.push(lacking("bans", None, "", &code, why));
            }
        }
        Ok(())
    }

    async fn ban(&self, number: usize, chunk: &[Ban]) -> Result<Banned, JobError> {
        let users: Vec<UserId> = chunk
            .iter()
            .filter_map(|ban| UserId::new(ban.user.get()))
            .collect();
        let reason = chunk.first().and_then(|ban| ban.reason.as_deref());
        let reason = Reason {
            text: reason.unwrap_or(self.reason.text),
            ..self.reason
        };
        let leaves = match chunk {
            [one] => Leaves::About(one.user),
            _ => Leaves::Bans,
        };
        let users = &users;
        let asked = AtomicBool::new(false);
        let act = |nonce: splashtail_jobs::Nonce| {
            asked.store(true, Ordering::Relaxed);
            async move {
                let acting = carry_out::acting(self.cx, self.discord, &nonce, &reason, leaves);
                let done = acting
                    .ensure_all_banned(self.guild, users, 0, &HashSet::new())
                    .await;
                let stopped = match done.stopped {
                    None => None,
                    Some(error) => match carry_out::job_error(EnsureError::from(error)) {
                        JobError::Permanent { code, message, .. }
                            if !carry_out::stops_everything(&code) =>
                        {
                            Some((code, message))
                        }
                        // Who is banned already is skipped the next time.
                        error => return Err(error),
                    },
                };
                Ok(Banned {
                    banned: done.banned.len() + done.already.len(),
                    failed: done.failed,
                    left: done.left,
                    stopped,
                })
            }
        };
        let intent =
            Intent::new(format!("ban.create {}", users.len())).before(json!({"users": users}));
        let done: Banned = self
            .cx
            .effect(&format!("ban/{number}"), intent, act, |_| async {
                Ok(None)
            })
            .await?;
        if asked.load(Ordering::Relaxed) {
            let extra = json!({"bans": done.banned});
            say(self.cx, Level::Info, Line::StageBans, extra).await;
        }
        Ok(done)
    }
}

fn left_alone(change: &MemberChange, code: &str, why: String) -> NotRestored {
    let fields = change.body.keys().cloned();
    NotRestored {
        fields: match change.body.is_empty() {
            true => vec!["roles".to_owned()],
            false => fields.collect(),
        },
        ..lacking(
            "member",
            Some(change.user.to_string()),
            &change.name,
            code,
            why,
        )
    }
}

fn lacking(kind: &str, id: Option<String>, name: &str, code: &str, why: String) -> NotRestored {
    NotRestored {
        kind: kind.to_owned(),
        id,
        name: name.to_owned(),
        fields: Vec::new(),
        code: code.to_owned(),
        why,
    }
}
