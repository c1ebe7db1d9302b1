//! Messages of channels that this restore made, oldest first, by a webhook of their channel under
//! the names and pictures of their authors.
//!
//! A channel that was there has its messages still; one that somebody else made meanwhile is left
//! alone. Each post is an effect of its own, so a successor goes on behind the last one.

mod render;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use serde_json::{Value, json};
use splashtail_core::ids::{ApplicationId, ChannelId, GuildId};
use splashtail_discord::ensure::{Acting, Ensured, Poster};
use splashtail_discord::permissions::bits;
use splashtail_discord::snowflake::{id, typed};
use splashtail_discord::{Discord, Upload};
use splashtail_guild::{Facts, Id, Kind};
use splashtail_jobs::{Intent, JobContext, JobError, Level};

use tokio::sync::OnceCell;

use super::file::{BackupFile, Saved};
use super::report::NotRestored;
use crate::backup::error::BackupError;
use crate::backup::source::Source;
use crate::carry_out::{self, Carried, Reason};
use render::{Frame, pieces};

const NAME: &str = "Message restore";
/// Kinds of channels that take webhook messages by themselves: text, voice, announcement, stage.
const POSTABLE: [u64; 4] = [0, 2, 5, 13];
/// Files of one message, and bytes of one file and of all (Discord docs, "Uploading Files").
const MAX_FILES: usize = 10;
const MAX_FILE: usize = 10 << 20;
const MAX_UPLOAD: usize = 24 << 20;
/// Codes after which nothing more can be posted there: the webhook or the channel is gone, or the
/// bot may not.
const HOPELESS: [&str; 6] = [
    "discord_10015",
    "discord_10003",
    "discord_50001",
    "discord_50013",
    // As reading the channel's webhooks tells the same.
    "missing_access",
    "not_found",
];

/// What posts messages.
pub struct Messages<'a> {
    pub cx: &'a JobContext,
    pub discord: &'a Discord,
    pub source: Source<'a>,
    pub guild: GuildId,
    pub facts: Facts,
    pub backup: &'a Arc<BackupFile>,
    pub carried: &'a Carried,
    pub reason: Reason<'a>,
}

/// What became of them.
#[derive(Debug, Default)]
pub struct Posted {
    pub messages: usize,
    /// Old id and new one; of several posts the first.
    pub ids: Vec<(String, u64)>,
    pub left: Vec<NotRestored>,
}

/// The webhook of one channel.
struct Hook {
    channel: ChannelId,
    webhook: u64,
    /// With its token, once something has to be posted.
    poster: OnceCell<Poster>,
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
        let mut posted = Posted::default();
        let mapping = &self.carried.mapping;
        let mut channels = Vec::new();
        for (wanted, count) in &self.backup.messages {
            let Ok(old) = wanted.parse::<Id>() else {
                continue;
            };
            let name = super::file::channel_name(&self.backup.wanted, wanted);
            let kind = self.backup.wanted.get(Kind::Channel, old);
            let kind = kind.and_then(|channel| channel["type"].as_u64());
            let new = mapping.live(Kind::Channel, old);
            let why = match (kind, new) {
                (None, _) => "threads and forum posts are not restored yet",
                (Some(_), None) => "their channel was not restored",
                (Some(_), Some(new)) if !self.carried.created.contains(&new.get()) => continue,
                (Some(kind), Some(new)) if POSTABLE.contains(&kind) => {
                    channels.push((wanted.clone(), name, new));
                    continue;
                }
                _ => "messages of this kind of channel are not restored yet",
            };
            posted.left.push(left(
                &name,
                wanted,
                "not_supported",
                format!("{why} ({count})"),
            ));
        }
        if channels.is_empty() {
            return Ok(posted);
        }
        let may = self.facts.owner || self.facts.permissions & bits::MANAGE_WEBHOOKS != 0;
        if !may {
            let why = "the bot lacks MANAGE_WEBHOOKS, with which messages are posted";
            for (wanted, name, _) in channels {
                let why = why.to_owned();
                posted
                    .left
                    .push(left(&name, &wanted, "missing_permissions", why));
            }
            return Ok(posted);
        }
        let application = self.cx.step("application", || self.application()).await?;
        for (wanted, name, live) in channels {
            self.channel(application, &wanted, &name, live, &mut posted)
                .await?;
        }
        Ok(posted)
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
        wanted: &str,
        name: &str,
        live: Id,
        posted: &mut Posted,
    ) -> Result<(), JobError> {
        let Some(channel) = ChannelId::new(live.get()) else {
            return Ok(());
        };
        let made = self.webhook(application, wanted, channel).await;
        let webhook = match made {
            Ok(webhook) => webhook,
            Err(JobError::Permanent { code, message, .. })
                if !carry_out::stops_everything(&code) =>
            {
                posted.left.push(left(name, wanted, &code, message));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let hook = Hook {
            channel,
            webhook,
            poster: OnceCell::new(),
        };
        self.post_all(&hook, wanted, name, posted).await?;
        let step = format!("webhook/{wanted}/delete");
        let nothing = BTreeSet::new();
        let gone = self.effect(
            &step,
            ("webhook.delete", Some(Id::new(webhook))),
            Value::Null,
            &nothing,
            |acting| async move {
                let gone = acting.ensure_no_webhook(webhook).await;
                gone.map_err(carry_out::job_error)
            },
        );
        match gone.await {
            Err(JobError::Permanent { code, .. }) if !carry_out::stops_everything(&code) => Ok(()),
            gone => gone.map(drop),
        }
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
        let want = json!({"name": NAME});
        let want = &want;
        let made = self.effect(
            &step,
            ("webhook.create", None),
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
    async fn poster(&self, channel: ChannelId, webhook: u64) -> Result<Poster, JobError> {
        let path = format!("/channels/{channel}/webhooks");
        let list = self
            .source
            .list("reading a channel's webhooks", &path, &[])
            .await?;
        let ours = list.iter().find(|found| id(&found["id"]) == Some(webhook));
        let token = ours.and_then(|webhook| webhook["token"].as_str());
        let token = token.ok_or_else(|| {
            JobError::permanent("discord_10015", "the webhook that posts them was deleted")
        })?;
        Ok(Poster {
            webhook,
            token: token.to_owned(),
            channel: channel.get(),
            thread: None,
        })
    }

    async fn post_all(
        &self,
        hook: &Hook,
        wanted: &str,
        name: &str,
        posted: &mut Posted,
    ) -> Result<(), JobError> {
        let (backup, section) = (Arc::clone(self.backup), wanted.to_owned());
        let all = tokio::task::spawn_blocking(move || backup.saved(&section)).await;
        let all = all.map_err(BackupError::background)??;
        let mut trail = Trail::default();
        let begun = posted.messages;
        let told = || async {
            let extra = json!({"channel": name, "messages": all.len()});
            self.cx
                .log(Level::Info, "Posting the messages of a channel", extra)
                .await;
            Ok(())
        };
        self.cx
            .step(&format!("message/{wanted}/begun"), told)
            .await?;
        for saved in &all {
            match self.post(hook, wanted, saved, &mut trail).await {
                Ok(None) => {}
                Ok(Some(first)) => {
                    posted.messages += 1;
                    let old = saved.message["id"].as_str().unwrap_or_default();
                    posted.ids.push((old.to_owned(), first));
                }
                Err(JobError::Permanent { code, message, .. })
                    if !carry_out::stops_everything(&code) =>
                {
                    if HOPELESS.contains(&code.as_str()) {
                        let rest = all.len() - (posted.messages - begun);
                        let why = format!("{rest} messages were not posted: {message}");
                        posted.left.push(left(name, wanted, &code, why));
                        return Ok(());
                    }
                    let old = saved.message["id"].as_str().unwrap_or_default();
                    posted.left.push(left(name, old, &code, message));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The first post of a message; `None` for what is not posted.
    async fn post(
        &self,
        hook: &Hook,
        wanted: &str,
        saved: &Saved,
        trail: &mut Trail,
    ) -> Result<Option<u64>, JobError> {
        let old = saved.message["id"].as_str().unwrap_or_default();
        let (files, lost) = self.files(saved).await?;
        let frame = Frame {
            mapping: &self.carried.mapping,
            cdn: self.discord.cdn_base().as_str().trim_end_matches('/'),
            lost: &lost,
            files: !files.is_empty(),
        };
        let mut first = None;
        for (index, piece) in pieces(&saved.message, &frame).into_iter().enumerate() {
            let step = format!("message/{wanted}/{old}/{index}");
            let files: &[Upload] = if piece.last { &files } else { &[] };
            let (body, after) = (&piece.body, trail.after);
            let post = |acting: Acting| async move {
                let poster = || self.poster(hook.channel, hook.webhook);
                let poster = hook.poster.get_or_try_init(poster).await?;
                let posted = acting.ensure_webhook_message(poster, after, body, files);
                posted.await.map_err(carry_out::job_error)
            };
            let before = json!({"message": old});
            let new = self
                .effect(&step, ("message.post", None), before, &trail.owned, post)
                .await?;
            let new =
                new.ok_or_else(|| JobError::transient("discord", "Discord named no message"))?;
            first.get_or_insert(new);
            // Whether or not the rest of the message follows.
            trail.after = new;
            trail.owned.insert(new);
        }
        Ok(first)
    }

    /// What can be uploaded, and the names of what cannot.
    async fn files(&self, saved: &Saved) -> Result<(Vec<Upload>, Vec<String>), JobError> {
        let (mut files, mut lost, mut total) = (Vec::new(), Vec::new(), 0);
        for file in &saved.files {
            let (backup, wanted) = (Arc::clone(self.backup), file.clone());
            let bytes = tokio::task::spawn_blocking(move || backup.attachment(&wanted)).await;
            let bytes = bytes.map_err(BackupError::background)??;
            let fits = bytes.filter(|bytes| {
                files.len() < MAX_FILES
                    && bytes.len() <= MAX_FILE
                    && total + bytes.len() <= MAX_UPLOAD
            });
            match fits {
                Some(bytes) => {
                    total += bytes.len();
                    files.push(Upload {
                        filename: file.filename(),
                        bytes: Bytes::from(bytes),
                    });
                }
                None => lost.push(file.name.clone()),
            }
        }
        Ok((files, lost))
    }

    /// One effect; the id of what it made. `target`: see [`carry_out::acting`].
    async fn effect<F, Fut>(
        &self,
        step: &str,
        (what, target): (&str, Option<Id>),
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
            let acting = carry_out::acting(self.cx, self.discord, &nonce, &self.reason, target)
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
        let made: Option<String> = self.cx.effect(step, intent, act, lookup).await?;
        Ok(made.and_then(|made| made.parse().ok()))
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
