//! Threads and posts: made again with what was said in them, then closed; and put right where they
//! are.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use splashtail_antinuke::Leaves;
use splashtail_api_types::job_lines::Line;
use splashtail_discord::ensure::Acting;
use splashtail_guild::{Id, Kind};
use splashtail_jobs::{JobError, Level};

use super::post::{Ready, is_hopeless};
use super::render::Piece;
use super::{Hook, Messages, Posted, Trail, Work, left, refused};
use crate::carry_out;
use crate::lines::say;
use crate::restore::options::Part;
use crate::restore::report::NotRestored;
use crate::restore::threads::{ThreadChange, is_forum, lacking, led_tags, settable};

/// Public threads, also of announcements; those of one's own are 12.
const PUBLIC: [u64; 2] = [10, 11];
const PRIVATE: u64 = 12;
/// Who is added is no member, or nobody any more.
const NOT_THERE: [&str; 2] = ["discord_10007", "discord_10013"];
const FIRST_LOST: &str = "-# The first message of this post is not in the backup.";

impl Messages<'_> {
    pub(super) async fn make_threads(
        &self,
        hook: &Hook,
        work: &Work<'_>,
        posted: &mut Posted,
    ) -> Result<(), JobError> {
        let told = || async {
            let extra = json!({"channel": work.name, "threads": work.threads.len()});
            say(self.cx, Level::Info, Line::StageThreads, extra).await;
            Ok(())
        };
        let step = format!("thread/{}/begun", work.wanted);
        self.cx.step(&step, told).await?;
        let forum = self.backup.wanted.get(Kind::Channel, work.wanted);
        let forum = forum.filter(|channel| is_forum(channel));
        let present: Value = match forum {
            None => Value::Null,
            Some(_) => {
                let step = format!("thread/{}/forum", work.wanted);
                self.cx.step(&step, || self.read(work.live)).await?
            }
        };
        // Posts of this webhook, so that none is taken for another.
        let mut posts = BTreeSet::new();
        for thread in &work.threads {
            let Some(old) = Id::of(thread) else { continue };
            let name = thread["name"].as_str().unwrap_or_default();
            let mut trail = Trail::default();
            let made = match forum {
                Some(forum) => {
                    let tags = led_tags(&thread["applied_tags"], forum, &present);
                    self.make_post(hook, thread, old, tags, &mut posts, &mut trail, posted)
                        .await
                }
                None => {
                    self.make_thread(work.live, thread, old, &posts, posted)
                        .await
                }
            };
            let new = match refused(made)? {
                Ok(new) => new,
                Err((code, why)) => {
                    posted.left.push(lacking(thread, &code, why));
                    continue;
                }
            };
            posts.insert(new);
            posted.threads += 1;
            posted.mapping.insert(Kind::Thread, old, Id::new(new));
            if self.parts.contains(&Part::Messages) {
                self.post_all(hook, Some(new), (old, name), &mut trail, posted)
                    .await?;
            }
            if thread["type"] == PRIVATE {
                let members = thread["members"].as_array().into_iter().flatten();
                let members: Vec<Id> = members.filter_map(Id::read).collect();
                self.invite(thread, &members, new, posted).await?;
            }
            self.close(thread, old, new, posted).await?;
        }
        Ok(())
    }

    async fn read(&self, channel: Id) -> Result<Value, JobError> {
        let path = format!("/channels/{channel}");
        let read = self.source.object("reading a forum", &path, &[]).await?;
        Ok(json!({"available_tags": read["available_tags"]}))
    }

    /// A thread of its message, where that was posted; else one of its own.
    async fn make_thread(
        &self,
        channel: Id,
        thread: &Value,
        old: Id,
        owned: &BTreeSet<u64>,
        posted: &Posted,
    ) -> Result<u64, JobError> {
        let mut body = Map::new();
        body.insert("name".to_owned(), thread["name"].clone());
        for field in ["auto_archive_duration", "rate_limit_per_user"] {
            if let Some(value) = settable(thread).get(field) {
                body.insert(field.to_owned(), value.clone());
            }
        }
        let kind = thread["type"].as_u64().unwrap_or(11);
        let id = old.to_string();
        let starter = posted.ids.iter().find(|(old, _)| *old == id);
        let starter = starter
            .filter(|_| PUBLIC.contains(&kind))
            .map(|(_, new)| *new);
        if starter.is_none() {
            body.insert("type".to_owned(), kind.into());
            if kind == PRIVATE {
                let invitable = thread["thread_metadata"]["invitable"].clone();
                body.insert("invitable".to_owned(), json!(invitable != false));
            }
        }
        let body = Value::Object(body);
        let body = &body;
        let make = |acting: Acting| async move {
            let made = match starter {
                Some(message) => {
                    let made = acting.ensure_message_thread(channel.get(), message, body);
                    made.await
                }
                None => acting.ensure_thread(self.guild, channel.get(), body).await,
            };
            made.map_err(carry_out::job_error)
        };
        let step = format!("thread/{old}/create");
        let before = json!({"thread": id});
        let made = self.effect(&step, ("thread.create", Leaves::New), before, owned, make);
        let made = made.await?;
        made.ok_or_else(|| JobError::transient("discord", "Discord named no thread"))
    }

    /// A post of a forum, with its first message.
    #[expect(clippy::too_many_arguments, reason = "a post is made of all these")]
    async fn make_post(
        &self,
        hook: &Hook,
        thread: &Value,
        old: Id,
        tags: Vec<Value>,
        posts: &mut BTreeSet<u64>,
        trail: &mut Trail,
        posted: &mut Posted,
    ) -> Result<u64, JobError> {
        let saved = self.saved(old).await?;
        let first = saved
            .iter()
            .find(|saved| Id::of(&saved.message) == Some(old));
        let mut ready = match first {
            Some(saved) => {
                let step = format!("message/{old}/{old}");
                self.ready(&step, saved, posted).await?
            }
            None => Ready {
                pieces: Vec::new(),
                files: Vec::new(),
            },
        };
        if ready.pieces.is_empty() {
            let body = json!({"content": FIRST_LOST, "allowed_mentions": {"parse": []}});
            ready.pieces.push(Piece {
                body,
                plain: Vec::new(),
                files: true,
            });
        }
        let step = format!("thread/{old}/create");
        let post = (thread, tags.as_slice());
        let made = self.begin_post(hook, post, &step, &ready, posts).await;
        let made = match refused(made)? {
            Ok(made) => made,
            Err((code, _)) if !ready.pieces[0].plain.is_empty() && !is_hopeless(&code) => {
                ready.speak();
                let step = format!("{step}/plain");
                self.begin_post(hook, post, &step, &ready, posts).await?
            }
            Err((code, message)) => return Err(JobError::permanent(code, message)),
        };
        let new = made.ok_or_else(|| JobError::transient("discord", "Discord named no post"))?;
        posts.insert(new);
        trail.after = new;
        trail.owned.insert(new);
        posted.ids.push((old.to_string(), new));
        posted.messages += usize::from(first.is_some());
        let step = format!("message/{old}/{old}");
        self.post_pieces(hook, Some(new), &step, 1, &ready, trail)
            .await?;
        Ok(new)
    }

    /// Posts its first message with its name and tags.
    async fn begin_post(
        &self,
        hook: &Hook,
        (thread, tags): (&Value, &[Value]),
        step: &str,
        ready: &Ready,
        posts: &BTreeSet<u64>,
    ) -> Result<Option<u64>, JobError> {
        let Some(first) = ready.pieces.first() else {
            return Ok(None);
        };
        let mut body = first.body.clone();
        body["thread_name"] = thread["name"].clone();
        if !tags.is_empty() {
            body["applied_tags"] = tags.into();
        }
        let files = match first.files {
            true => ready.files.as_slice(),
            false => &[],
        };
        let body = &body;
        let make = |acting: Acting| async move {
            let poster = self.poster(hook, None).await?;
            let made = acting.ensure_webhook_post(self.guild, &poster, body, files);
            made.await.map_err(carry_out::job_error)
        };
        let before = json!({"thread": thread["id"]});
        self.effect(step, ("thread.create", Leaves::New), before, posts, make)
            .await
    }

    /// Who was in a private thread sees it again. Who left the server meanwhile is passed over. Each
    /// leaves a notice that nobody may delete, so they come behind what was said.
    async fn invite(
        &self,
        thread: &Value,
        members: &[Id],
        new: u64,
        posted: &mut Posted,
    ) -> Result<(), JobError> {
        let Some(old) = Id::of(thread) else {
            return Ok(());
        };
        let target = Leaves::About(Id::new(new));
        let nothing = BTreeSet::new();
        let (mut lost, mut last) = (0, None);
        let others = members.iter().copied();
        for user in others.filter(|user| user.get() != self.live.viewer.user) {
            let add = |acting: Acting| async move {
                let added = acting.ensure_thread_member(new, user.get()).await;
                added.map_err(carry_out::job_error)
            };
            let step = format!("thread/{old}/member/{user}");
            let made = self.effect(&step, ("thread.member", target), Value::Null, &nothing, add);
            match refused(made.await)? {
                Ok(_) => {}
                Err((code, _)) if NOT_THERE.contains(&code.as_str()) => {}
                Err(refusal) => {
                    lost += 1;
                    last = Some(refusal);
                }
            }
        }
        if let Some((code, why)) = last {
            let why = format!("{lost} of its members are not in it again: {why}");
            posted.left.push(lacking(thread, &code, why));
        }
        Ok(())
    }

    /// What a thread has beside its contents goes last: nobody writes in a locked one.
    async fn close(
        &self,
        thread: &Value,
        old: Id,
        new: u64,
        posted: &mut Posted,
    ) -> Result<(), JobError> {
        let mut want = settable(thread);
        want.shift_remove("name");
        let archived = thread["thread_metadata"]["archived"] == true;
        want.insert("archived".to_owned(), archived.into());
        // As it was made: what is not said here is sent.
        let now = json!({"archived": false, "locked": false, "flags": 0, "rate_limit_per_user": 0,
                         "invitable": want.get("invitable")});
        let target = Leaves::About(Id::new(new));
        let nothing = BTreeSet::new();
        for (verb, want) in apart(want) {
            let (want, now) = (&want, &now);
            let set = |acting: Acting| async move {
                let set = acting.ensure_thread_fields(new, want, now).await;
                set.map_err(carry_out::job_error)
            };
            let step = format!("thread/{old}/{verb}");
            let made = self.effect(&step, ("thread.edit", target), Value::Null, &nothing, set);
            if let Err((code, why)) = refused(made.await)? {
                posted.left.push(lacking(thread, &code, why));
            }
        }
        Ok(())
    }

    /// Threads that are there, and otherwise than in the backup.
    pub(super) async fn change_threads(&self, posted: &mut Posted) -> Result<(), JobError> {
        for change in &self.threads.change {
            let now = self.live.threads.iter();
            let now = now.clone().find(|now| Id::of(now) == Some(change.live));
            let now = now.cloned().unwrap_or_default();
            let mut want = change.body.clone();
            let old = self.backup.threads.iter();
            let old = old.clone().find(|old| Id::of(old) == Some(change.wanted));
            if let (Some(applied), Some(old)) = (want.get("applied_tags"), old) {
                let parent = Id::read(&old["parent_id"]);
                let forum = parent.and_then(|id| self.backup.wanted.get(Kind::Channel, id));
                let there = Id::read(&now["parent_id"]);
                if let (Some(forum), Some(there)) = (forum, there) {
                    let step = format!("thread/{}/tags", change.wanted);
                    let present = self.cx.step(&step, || self.read(there)).await?;
                    let tags = led_tags(applied, forum, &present);
                    want.insert("applied_tags".to_owned(), tags.into());
                }
            }
            // An archived thread has to be open for it, and rests again afterwards.
            if change.archived {
                want.insert("archived".to_owned(), false.into());
            }
            let mut done = true;
            if !want.is_empty() {
                let want = Value::Object(want);
                done = self.set(change, "edit", &want, &now, posted).await?;
            }
            if let Some(old) = old.filter(|_| done || !change.archived) {
                self.invite(old, &change.members, change.live.get(), posted)
                    .await?;
            }
            if change.archived && done {
                // What the first call opened is closed again, whatever it was before.
                let want = json!({"archived": true});
                self.set(change, "close", &want, &Value::Null, posted)
                    .await?;
            }
        }
        Ok(())
    }

    /// Sets fields of a thread that is there; whether Discord took them.
    async fn set(
        &self,
        change: &ThreadChange,
        verb: &str,
        want: &Value,
        now: &Value,
        posted: &mut Posted,
    ) -> Result<bool, JobError> {
        let nothing = BTreeSet::new();
        let (live, target) = (change.live.get(), Leaves::About(change.live));
        let set = |acting: Acting| async move {
            let set = acting.ensure_thread_fields(live, want, now).await;
            set.map_err(carry_out::job_error)
        };
        let step = format!("thread/{}/{verb}", change.wanted);
        let made = self.effect(&step, ("thread.edit", target), Value::Null, &nothing, set);
        let Err((code, why)) = refused(made.await)? else {
            return Ok(true);
        };
        let id = change.wanted.to_string();
        let item = left(&change.name, &id, &code, why);
        posted.left.push(NotRestored {
            kind: "thread".to_owned(),
            ..item
        });
        Ok(false)
    }
}

/// What closes a thread, and before it what pins it: a forum that has too many pinned posts refuses
/// that alone (30047).
fn apart(mut want: Map<String, Value>) -> Vec<(&'static str, Value)> {
    let flags = want.shift_remove("flags").filter(|flags| *flags != 0);
    let pin = flags.map(|flags| ("pin", json!({"flags": flags})));
    pin.into_iter()
        .chain([("close", Value::Object(want))])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_pinned_apart_from_being_closed() {
        let fields = |flags: u64| {
            let fields = json!({"locked": true, "flags": flags, "archived": true});
            fields.as_object().cloned().unwrap()
        };
        let close = ("close", json!({"locked": true, "archived": true}));
        assert_eq!(apart(fields(0)), std::slice::from_ref(&close));
        assert_eq!(apart(fields(2)), [("pin", json!({"flags": 2})), close]);
    }
}
