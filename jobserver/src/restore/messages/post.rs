//! Posting the messages of one place: a channel, or a thread of it.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use splashtail_antinuke::Leaves;
use splashtail_api_types::job_lines::Line;
use splashtail_discord::Upload;
use splashtail_discord::ensure::Acting;
use splashtail_guild::Id;
use splashtail_jobs::{JobError, Level};

use super::render::{Frame, Piece, pieces};
use super::{Hook, Messages, Posted, Trail, left, refused};
use crate::backup::error::BackupError;
use crate::carry_out;
use crate::lines::say;
use crate::restore::file::Saved;

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

pub(super) fn is_hopeless(code: &str) -> bool {
    HOPELESS.contains(&code)
}

/// A message that is ready to be posted.
pub(super) struct Ready {
    pub(super) pieces: Vec<Piece>,
    pub(super) files: Vec<Upload>,
}

impl Ready {
    /// Says the first piece in words, when Discord does not take it as it is.
    pub(super) fn speak(&mut self) {
        let first = self.pieces.remove(0);
        let count = first.plain.len();
        let words = first.plain.into_iter().enumerate();
        let words = words.map(|(index, body)| Piece {
            body,
            plain: Vec::new(),
            files: first.files && index + 1 == count,
        });
        self.pieces.splice(0..0, words.collect::<Vec<_>>());
    }
}

impl Messages<'_> {
    /// The messages of a channel or thread, oldest first.
    pub(super) async fn saved(&self, wanted: Id) -> Result<Vec<Saved>, JobError> {
        let section = wanted.to_string();
        if !self.backup.messages.contains_key(&section) {
            return Ok(Vec::new());
        }
        let backup = Arc::clone(self.backup);
        let all = tokio::task::spawn_blocking(move || backup.saved(&section)).await;
        Ok(all.map_err(BackupError::background)??)
    }

    /// Posts what a channel, or a thread, had; then pins what was pinned.
    pub(super) async fn post_all(
        &self,
        hook: &Hook,
        thread: Option<u64>,
        (wanted, name): (Id, &str),
        trail: &mut Trail,
        posted: &mut Posted,
    ) -> Result<(), JobError> {
        let all = self.saved(wanted).await?;
        if thread.is_none() {
            let told = || async {
                let extra = json!({"channel": name, "messages": all.len()});
                say(self.cx, Level::Info, Line::StageMessages, extra).await;
                Ok(())
            };
            let step = format!("message/{wanted}/begun");
            self.cx.step(&step, told).await?;
        }
        let mut pinned = Vec::new();
        for (at, saved) in all.iter().enumerate() {
            let old = saved.message["id"].as_str().unwrap_or_default();
            // The first message of a post came with it.
            let known = posted.ids.iter().any(|(id, _)| id == old);
            let first = match known && thread.is_some() && Id::of(&saved.message) == Some(wanted) {
                true => Ok(posted
                    .ids
                    .iter()
                    .find(|(id, _)| id == old)
                    .map(|(_, new)| *new)),
                false => {
                    match refused(self.post(hook, thread, wanted, saved, trail, posted).await)? {
                        Ok(first) => {
                            if let Some(first) = first {
                                posted.messages += 1;
                                posted.ids.push((old.to_owned(), first));
                            }
                            Ok(first)
                        }
                        Err(refusal) => Err(refusal),
                    }
                }
            };
            match first {
                Ok(first) => pinned.extend(first.filter(|_| saved.message["pinned"] == true)),
                Err((code, message)) if is_hopeless(&code) => {
                    let rest = all.len() - at;
                    let why = format!("{rest} messages were not posted: {message}");
                    let id = wanted.to_string();
                    posted.left.push(left(name, &id, &code, why));
                    return Ok(());
                }
                Err((code, message)) => posted.left.push(left(name, old, &code, message)),
            }
        }
        let place = thread.unwrap_or(hook.channel.get());
        self.pin(place, (wanted, name), &pinned, trail.after, posted)
            .await
    }

    /// The first post of a message; `None` for what is not posted.
    async fn post(
        &self,
        hook: &Hook,
        thread: Option<u64>,
        wanted: Id,
        saved: &Saved,
        trail: &mut Trail,
        posted: &Posted,
    ) -> Result<Option<u64>, JobError> {
        let step = format!(
            "message/{wanted}/{}",
            saved.message["id"].as_str().unwrap_or_default()
        );
        let ready = self.ready(&step, saved, posted).await?;
        self.post_pieces(hook, thread, &step, 0, &ready, trail)
            .await
    }

    /// The posts for a message. A replay gets the same ones, for those that were made are told by their
    /// number: whether its poll is open is asked once.
    pub(super) async fn ready(
        &self,
        step: &str,
        saved: &Saved,
        posted: &Posted,
    ) -> Result<Ready, JobError> {
        let now = match saved.message["poll"].is_object() {
            true => {
                let step = format!("{step}/now");
                let now = || async { Ok(self.source.clock.now()) };
                Some(self.cx.step(&step, now).await?)
            }
            false => None,
        };
        let (files, lost) = self.files(saved).await?;
        let names: Vec<String> = files.iter().map(|file| file.filename.clone()).collect();
        let frame = Frame {
            mapping: &posted.mapping,
            cdn: self.discord.cdn_base().as_str().trim_end_matches('/'),
            lost: &lost,
            files: &names,
            now,
        };
        let pieces = pieces(&saved.message, &frame);
        Ok(Ready { pieces, files })
    }

    /// Posts the pieces of a message from the n-th on; the id of the first.
    pub(super) async fn post_pieces(
        &self,
        hook: &Hook,
        thread: Option<u64>,
        step: &str,
        from: usize,
        ready: &Ready,
        trail: &mut Trail,
    ) -> Result<Option<u64>, JobError> {
        let mut first = None;
        for (index, piece) in ready.pieces.iter().enumerate().skip(from) {
            let step = format!("{step}/{index}");
            let files: &[Upload] = if piece.files { &ready.files } else { &[] };
            let posted = self
                .post_piece(hook, thread, &step, &piece.body, files, trail)
                .await;
            let new = match refused(posted)? {
                Ok(new) => new,
                Err((code, _)) if !piece.plain.is_empty() && !is_hopeless(&code) => {
                    self.post_plain(hook, thread, &step, piece, files, trail)
                        .await?
                }
                Err((code, message)) => return Err(JobError::permanent(code, message)),
            };
            first.get_or_insert(new);
        }
        Ok(first)
    }

    /// In words, what Discord does not take as it is.
    async fn post_plain(
        &self,
        hook: &Hook,
        thread: Option<u64>,
        step: &str,
        piece: &Piece,
        files: &[Upload],
        trail: &mut Trail,
    ) -> Result<u64, JobError> {
        let mut first = None;
        for (index, body) in piece.plain.iter().enumerate() {
            let step = format!("{step}/plain/{index}");
            let last = index + 1 == piece.plain.len();
            let files = if last { files } else { &[] };
            let new = self
                .post_piece(hook, thread, &step, body, files, trail)
                .await?;
            first.get_or_insert(new);
        }
        first.ok_or_else(|| JobError::fault("A message has no words"))
    }

    async fn post_piece(
        &self,
        hook: &Hook,
        thread: Option<u64>,
        step: &str,
        body: &Value,
        files: &[Upload],
        trail: &mut Trail,
    ) -> Result<u64, JobError> {
        let after = trail.after;
        let post = |acting: Acting| async move {
            let poster = self.poster(hook, thread).await?;
            let posted = acting.ensure_webhook_message(&poster, after, body, files);
            posted.await.map_err(carry_out::job_error)
        };
        let new = self
            .effect(
                step,
                ("message.post", Leaves::New),
                json!({"message": step}),
                &trail.owned,
                post,
            )
            .await?;
        let new = new.ok_or_else(|| JobError::transient("discord", "Discord named no message"))?;
        // Whether or not the rest of the message follows.
        trail.after = new;
        trail.owned.insert(new);
        Ok(new)
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
}
