//! Messages and threads of channels that this restore made, and threads that were lost: oldest first,
//! by a webhook of their channel under the names and pictures of their authors.
//!
//! A channel that was there has its messages still; one that somebody else made meanwhile is left
//! alone. Each post is an effect of its own, so a successor goes on behind the last one. A thread is
//! closed when everything stands in it, so that no more of them are open than Discord allows.

mod pins;
mod post;
mod render;
mod threads;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use splashtail_antinuke::Leaves;
use splashtail_core::ids::{ApplicationId, ChannelId, GuildId};
use splashtail_discord::Discord;
use splashtail_discord::ensure::{Acting, Ensured, Poster};
use splashtail_discord::permissions::bits;
use splashtail_discord::snowflake::{id, typed};
use splashtail_guild::{Id, Kind, Mapping};
use splashtail_jobs::{Intent, JobContext, JobError};
use tokio::sync::OnceCell;

use super::file::BackupFile;
use super::live::Live;
use super::options::Part;
use super::report::NotRestored;
use super::threads::ThreadPlan;
use crate::backup::source::Source;
use crate::carry_out::{self, Carried, Reason};
use crate::parts::OWN_WEBHOOK;

/// Kinds of channels that take webhook messages by themselves: text, voice, announcement, stage.
const POSTABLE: [u64; 4] = [0, 2, 5, 13];

/// What posts messages.
pub struct Messages<'a> {
    pub cx: &'a JobContext,
    pub discord: &'a Discord,
    pub source: Source<'a>,
    pub guild: GuildId,
    pub live: &'a Live,
    pub backup: &'a Arc<BackupFile>,
    pub carried: &'a Carried,
    pub threads: &'a ThreadPlan,
    pub parts: &'a BTreeSet<Part>,
    pub reason: Reason<'a>,
}

/// What became of them.
#[derive(Debug, Default)]
pub struct Posted {
    pub messages: usize,
    /// Threads and posts that were made.
    pub threads: usize,
    /// Old id and new one; of several posts the first.
    pub ids: Vec<(String, u64)>,
    pub left: Vec<NotRestored>,
    /// Which object is which, threads among them.
    pub mapping: Mapping,
}

/// What is posted to one channel.
struct Work<'a> {
    wanted: Id,
    name: String,
    live: Id,
    /// Its own messages, too.
    messages: bool,
    threads: Vec<&'a Value>,
}

/// The webhook of one channel.
struct Hook {
    channel: ChannelId,
    webhook: u64,
    /// Its token, once something has to be posted.
    token: OnceCell<String>,
}

/// What a webhook has posted so far.
#[derive(Debug, Default)]
struct Trail {
    /// The last one.
    after: u64,
    owned: BTreeSet<u64>,
}

impl Messages<'_> {
    /// Posts everything.
    ///
    /// # Errors
    /// As those of [`carry_out::CarryOut::run`].
    pub async fn run(&self) -> Result<Posted, JobError> {
        let mut posted = Posted {
            mapping: self.carried.mapping.clone(),
            ..Posted::default()
        };
        for (wanted, live) in &self.threads.pairs {
            posted.mapping.insert(Kind::Thread, *wanted, *live);
        }
        let work = self.work(&mut posted);
        if !work.is_empty() {
            self.channels(work, &mut posted).await?;
        }
        self.change_threads(&mut posted).await?;
        Ok(posted)
    }

    /// What there is to post, by channel.
    fn work(&self, posted: &mut Posted) -> Vec<Work<'_>> {
        let wanted = &self.backup.wanted;
        let make: BTreeSet<Id> = self.threads.make.iter().copied().collect();
        let mut threads: BTreeMap<Id, Vec<&Value>> = BTreeMap::new();
        for thread in &self.backup.threads {
            let parent = Id::read(&thread["parent_id"]);
            if let (Some(id), Some(parent)) = (Id::of(thread), parent)
                && make.contains(&id)
            {
                threads.entry(parent).or_default().push(thread);
            }
        }
        let mut work = Vec::new();
        for (id, channel) in wanted.all(Kind::Channel) {
            let count = self.backup.messages.get(&id.to_string()).copied();
            let count = count.filter(|_| self.parts.contains(&Part::Messages));
            let threads = threads.remove(&id).unwrap_or_default();
            let name = channel["name"].as_str().unwrap_or_default().to_owned();
            let live = self.carried.mapping.live(Kind::Channel, id);
            let Some(live) = live else {
                if let Some(count) = count {
                    let why = format!("their channel was not restored ({count})");
                    posted
                        .left
                        .push(left(&name, &id.to_string(), "not_made", why));
                }
                posted.left.extend(threads.into_iter().map(|thread| {
                    super::threads::lacking(thread, "not_made", "its channel was not restored")
                }));
                continue;
            };
            let kind = channel["type"].as_u64();
            let postable = kind.is_some_and(|kind| POSTABLE.contains(&kind));
            let new = self.carried.created.contains(&live.get());
            let messages = count.is_some() && new && postable;
            if messages || !threads.is_empty() {
                work.push(Work {
                    wanted: id,
                    name,
                    live,
                    messages,
                    threads,
                });
            }
        }
        work
    }

    async fn channels(&self, work: Vec<Work<'_>>, posted: &mut Posted) -> Result<(), JobError> {
        let facts = self.live.facts;
        let all = bits::MANAGE_WEBHOOKS | bits::ADMINISTRATOR;
        if !facts.owner && facts.permissions & all == 0 {
            let why = "the bot lacks MANAGE_WEBHOOKS, with which messages are posted";
            for work in work {
                let id = work.wanted.to_string();
                let why = why.to_owned();
                posted
                    .left
                    .push(left(&work.name, &id, "missing_permissions", why));
            }
            return Ok(());
        }
        let application = self.cx.step("application", || self.application()).await?;
        for work in work {
            self.channel(application, &work, posted).await?;
        }
        Ok(())
    }

    async fn application(&self) -> Result<ApplicationId, JobError> {
        let doing = "reading the bot's application";
        let read = |app: Value| typed::<ApplicationId>(&app["id"]);
        Ok(self
            .source
            .ask(doing, "/applications/@me", &[], read)
            .await?)
    }

    async fn channel(
        &self,
        application: ApplicationId,
        work: &Work<'_>,
        posted: &mut Posted,
    ) -> Result<(), JobError> {
        let Some(channel) = ChannelId::new(work.live.get()) else {
            return Ok(());
        };
        let wanted = work.wanted.to_string();
        let made = self.webhook(application, &wanted, channel).await;
        let webhook = match refused(made)? {
            Ok(webhook) => webhook,
            Err((code, message)) => {
                posted.left.push(left(&work.name, &wanted, &code, message));
                return Ok(());
            }
        };
        let hook = Hook {
            channel,
            webhook,
            token: OnceCell::new(),
        };
        if work.messages {
            let mut trail = Trail::default();
            self.post_all(&hook, None, (work.wanted, &work.name), &mut trail, posted)
                .await?;
        }
        if !work.threads.is_empty() {
            self.make_threads(&hook, work, posted).await?;
        }
        let step = format!("webhook/{wanted}/delete");
        let nothing = BTreeSet::new();
        let gone = self.effect(
            &step,
            ("webhook.delete", Leaves::About(Id::new(webhook))),
            Value::Null,
            &nothing,
            |acting| async move {
                let gone = acting.ensure_no_webhook(webhook).await;
                gone.map_err(carry_out::job_error)
            },
        );
        refused(gone.await).map(drop)
    }

    /// One webhook of its own per channel. Its token is read anew by each run and never kept.
    async fn webhook(
        &self,
        application: ApplicationId,
        wanted: &str,
        channel: ChannelId,
    ) -> Result<u64, JobError> {
        let step = format!("webhook/{wanted}");
        let nothing = BTreeSet::new();
        let want = json!({"name": OWN_WEBHOOK});
        let want = &want;
        let made = self.effect(
            &step,
            ("webhook.create", Leaves::New),
            Value::Null,
            &nothing,
            |acting| async move {
                let made = acting.ensure_webhook(self.guild, channel, application, want, &[]);
                made.await.map_err(carry_out::job_error)
            },
        );
        made.await?
            .ok_or_else(|| JobError::transient("discord", "Discord named no webhook"))
    }

    /// Asked for within an effect only: what was posted by an earlier run needs no webhook, which
    /// may be deleted by now.
    async fn poster(&self, hook: &Hook, thread: Option<u64>) -> Result<Poster, JobError> {
        let token = hook.token.get_or_try_init(|| self.token(hook)).await?;
        Ok(Poster {
            webhook: hook.webhook,
            token: token.clone(),
            channel: hook.channel.get(),
            thread,
        })
    }

    async fn token(&self, hook: &Hook) -> Result<String, JobError> {
        let path = format!("/channels/{}/webhooks", hook.channel);
        let list = self
            .source
            .list("reading a channel's webhooks", &path, &[])
            .await?;
        let ours = list
            .iter()
            .find(|found| id(&found["id"]) == Some(hook.webhook));
        let token = ours.and_then(|webhook| webhook["token"].as_str());
        token.map(str::to_owned).ok_or_else(|| {
            JobError::permanent("discord_10015", "the webhook that posts them was deleted")
        })
    }

    /// One effect; the id of what it made. `leaves`: see [`carry_out::acting`].
    async fn effect<F, Fut>(
        &self,
        step: &str,
        (what, leaves): (&str, Leaves),
        before: Value,
        owned: &BTreeSet<u64>,
        ensure: F,
    ) -> Result<Option<u64>, JobError>
    where
        F: FnOnce(Acting) -> Fut,
        Fut: Future<Output = Result<Ensured, JobError>>,
    {
        let resumed = AtomicBool::new(false);
        let act = |nonce: splashtail_jobs::Nonce| {
            let acting = carry_out::acting(self.cx, self.discord, &nonce, &self.reason, leaves)
                .resumed(resumed.load(Ordering::Relaxed))
                .owned(owned.iter().copied());
            let ensured = ensure(acting);
            async move {
                let ensured = ensured.await?;
                Ok(id(&ensured.object["id"]).map(|id| id.to_string()))
            }
        };
        let lookup = |_| {
            resumed.store(true, Ordering::Relaxed);
            async { Ok(None) }
        };
        let intent = Intent::new(what).before(before);
        let intent = intent.dated(self.discord.now());
        let made: Option<String> = self.cx.effect(step, intent, act, lookup).await?;
        Ok(made.and_then(|made| made.parse().ok()))
    }
}

/// What was refused for good, apart from what ends the job.
fn refused<T>(made: Result<T, JobError>) -> Result<Result<T, (String, String)>, JobError> {
    match made {
        Ok(made) => Ok(Ok(made)),
        Err(JobError::Permanent { code, message, .. }) if !carry_out::stops_everything(&code) => {
            Ok(Err((code, message)))
        }
        Err(error) => Err(error),
    }
}

fn left(name: &str, id: &str, code: &str, why: String) -> NotRestored {
    NotRestored {
        kind: "messages".to_owned(),
        id: Some(id.to_owned()),
        name: name.to_owned(),
        fields: Vec::new(),
        code: code.to_owned(),
        why,
    }
}
