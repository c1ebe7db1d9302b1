//! The steps that copy from an earlier backup.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splashtail_api_types::job_lines::Line;
use splashtail_core::ids::{AttachmentId, MessageId};
use splashtail_discord::snowflake::typed;
use splashtail_jobs::{JobError, Level};
use tokio::sync::{OnceCell, Semaphore};

use super::{MOST_CHANNELS, Run, Threads};
use crate::backup::allocate::{Candidate, PageRequest};
use crate::backup::attachments::{self, Budget, Outcome};
use crate::backup::coverage;
use crate::backup::error::{BackupError, Verdict};
use crate::backup::former::{self, Former, Found, Known, Opened, Piece, Pins, Useless};
use crate::backup::options::Incremental;
use crate::backup::pages::Page;
use crate::backup::snapshot::{Snapshot, array};
use crate::backup::threads;

/// Messages of one work file.
const PIECE: usize = 1000;
/// Pages of pins that are read; Discord allows 250 pins.
const MOST_PIN_PAGES: usize = 10;
const PINS: usize = 50;

/// The earlier backup, opened once per attempt and only when it is needed.
#[derive(Default)]
pub struct Shelf(OnceCell<Result<Arc<Opened>, Useless>>);

/// What copying the rest of a channel leaves in the journal.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Copied {
    pub count: u32,
    pub oldest: Option<MessageId>,
    pub bytes: u64,
    pub saved: u32,
    pub lost: u32,
    /// Work files, each like that of a page.
    pub objects: Vec<String>,
    /// The earlier backup is of no use any more; nothing else is set then.
    pub useless: bool,
}

impl Run<'_> {
    /// The backup that this one goes on from.
    pub(super) async fn found(&self) -> Result<Found, JobError> {
        if self.fields.options.incremental == Incremental::Off {
            return Ok(Found::default());
        }
        let find = || async {
            let now = self.job.clock.now();
            let found = former::find(&self.job.storage, self.fields, now).await;
            Ok(found.map_err(BackupError::Storage)?)
        };
        self.cx.step("former/found", find).await
    }

    /// Which messages can be copied instead of being read, in a step of its own.
    pub(super) async fn former(
        &self,
        (shelf, found): (&Shelf, &Found),
        snapshot: &Snapshot,
        threads: &Threads,
    ) -> Result<Former, JobError> {
        if self.fields.options.incremental == Incremental::Off {
            return Ok(Former::default());
        }
        let look = || async {
            let found = self
                .look_for_former((shelf, found), snapshot, threads)
                .await?;
            Ok(match found {
                Ok(former) => {
                    let extra = json!({"former": former.task, "channels": former.channels.len()});
                    self.say(Level::Info, Line::CopiesFormer, extra).await;
                    former
                }
                Err(why) => {
                    self.say(Level::Info, Line::ReadsAll, json!({"because": why}))
                        .await;
                    Former::default()
                }
            })
        };
        self.cx.step("former", look).await
    }

    async fn look_for_former(
        &self,
        (shelf, found): (&Shelf, &Found),
        snapshot: &Snapshot,
        threads: &Threads,
    ) -> Result<Result<Former, Useless>, BackupError> {
        let now = self.job.clock.now();
        if let Some(why) = &found.no_messages {
            return Ok(Err(why.clone()));
        }
        let Some(task) = found.task else {
            return Ok(Err("there is no earlier backup".to_owned()));
        };
        let opened = match self.opened(shelf, task).await? {
            Ok(opened) => opened,
            Err(why) => return Ok(Err(why)),
        };
        let guild: Value = self.work.get_json(&snapshot.guild).await?;
        let mut present = array(&guild["channels"]).to_vec();
        present.extend(threads::read(self.work, &threads.objects).await?);
        let survey = move || opened.survey(task, &present, MOST_CHANNELS, now);
        let surveyed = tokio::task::spawn_blocking(survey).await;
        surveyed.map_err(BackupError::background)?
    }

    pub(super) async fn opened(
        &self,
        shelf: &Shelf,
        task: splashtail_core::ids::TaskId,
    ) -> Result<Result<Arc<Opened>, Useless>, BackupError> {
        let open = || async {
            let now = self.job.clock.now();
            let row = self.job.storage.tasks().get(task, now).await;
            let Some(row) = row.map_err(BackupError::Storage)? else {
                return Ok(Err("the earlier backup is gone".to_owned()));
            };
            let most = self.fields.constraints.max_body_size;
            let (objects, directory) = (&self.job.objects, &self.job.temporary);
            let opened = former::open(objects, &row, self.former_key.as_ref(), most, directory);
            Ok(opened.await?.map(Arc::new))
        };
        shelf.0.get_or_try_init(open).await.cloned()
    }

    /// Copies what the earlier backup has of a channel behind what was read, as far as the channel's
    /// share goes.
    pub(super) async fn copy(
        &self,
        shelf: &Shelf,
        former: &Former,
        (channel, known): (&Candidate, &Known),
        request: &PageRequest,
        room: (u32, u64, &Semaphore),
    ) -> Result<Copied, BackupError> {
        let useless = Copied {
            useless: true,
            ..Copied::default()
        };
        let Some(task) = former.task else {
            return Ok(useless);
        };
        let copied = match self.opened(shelf, task).await? {
            Ok(opened) => {
                self.copy_from(&opened, (channel, known), request, room)
                    .await?
            }
            Err(why) => Err(why),
        };
        Ok(match copied {
            Ok(copied) => copied,
            Err(why) => {
                let channel = coverage::shown(&channel.name, channel.id);
                let extra = json!({"channel": channel, "because": why});
                self.say(Level::Warn, Line::ReadAfterAll, extra).await;
                useless
            }
        })
    }

    async fn copy_from(
        &self,
        opened: &Arc<Opened>,
        (channel, known): (&Candidate, &Known),
        request: &PageRequest,
        (most, used, downloads): (u32, u64, &Semaphore),
    ) -> Result<Result<Copied, Useless>, BackupError> {
        if known.starter && !self.has_starter(channel).await? {
            return Ok(Err("the message that it began with is gone".to_owned()));
        }
        let pins = match (known.rests, known.pins) {
            // Nothing is pinned in an archived thread.
            (true, _) => None,
            (false, true) => self.pins(channel).await?,
            (false, false) => Some(Pins::new()),
        };
        let (from, id, before) = (Arc::clone(opened), channel.id, request.before);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let row = tokio::task::spawn_blocking(move || from.row(id, before, most));
        let mut row = match row.await.map_err(BackupError::background)? {
            Ok(row) => row,
            Err(error) => return former::useless(error).map(Err),
        };
        let wanted = self.fields.options.backup_attachments;
        let mut budget = wanted.then(|| Budget::new(&self.fields.constraints, used));
        let mut copied = Copied::default();
        for number in 0.. {
            let from = Arc::clone(opened);
            let pins_now = pins.clone();
            let next = tokio::task::spawn_blocking(move || {
                let piece = from.piece(&mut row, PIECE, pins_now.as_ref(), budget.as_mut());
                (row, budget, piece)
            });
            let piece;
            (row, budget, piece) = next.await.map_err(BackupError::background)?;
            let Some(mut piece) = piece else { break };
            for (id, outcome) in &piece.outcomes {
                let Outcome::Saved { bytes, .. } = outcome else {
                    copied.lost += 1;
                    continue;
                };
                let (from, id) = (Arc::clone(opened), *id);
                let read = tokio::task::spawn_blocking(move || from.attachment(id)).await;
                let data = match read.map_err(BackupError::background)? {
                    Ok(data) => data,
                    Err(error) => return former::useless(error).map(Err),
                };
                self.work.put(&attachments::object(id), data).await?;
                copied.saved += 1;
                copied.bytes += bytes;
            }
            if let Some(budget) = budget.as_mut() {
                let new = self.new_attachments(channel, &piece, *budget, downloads);
                for (id, outcome) in new.await? {
                    match outcome {
                        Outcome::Saved { bytes, .. } => {
                            copied.saved += 1;
                            copied.bytes += bytes;
                            // There was room for more than that.
                            let _ = budget.admit(bytes);
                        }
                        Outcome::Lost(_) => copied.lost += 1,
                    }
                    piece.outcomes.insert(id, outcome);
                }
            }
            let messages = &piece.messages;
            copied.count += u32::try_from(messages.len()).unwrap_or(u32::MAX);
            let oldest = messages.last().and_then(|last| typed(&last["id"]));
            copied.oldest = oldest.or(copied.oldest);
            let page = Page {
                messages: piece.messages,
                attachments: piece.outcomes,
            };
            let name = format!("messages/{}/{}.{number}", channel.id, request.page);
            let object = self.work.own(&name);
            copied.bytes += self.work.put_json(&object, &page).await?;
            copied.objects.push(object);
            if self.cx.cancelled().is_cancelled() {
                return Err(BackupError::Cancelled);
            }
        }
        Ok(Ok(copied))
    }

    /// Loads what messages name by now and the earlier backup does not know.
    async fn new_attachments(
        &self,
        channel: &Candidate,
        piece: &Piece,
        budget: Budget,
        downloads: &Semaphore,
    ) -> Result<BTreeMap<AttachmentId, Outcome>, BackupError> {
        if piece.new.is_empty() {
            return Ok(BTreeMap::new());
        }
        let shown = coverage::shown(&channel.name, channel.id);
        let doing = format!("reading attachments of {shown}");
        let (messages, only) = (&piece.messages, Some(&piece.new[..]));
        let source = self.source();
        let round = attachments::save(source, self.work, &doing, messages, only, budget, downloads);
        let mut round = round.await?;
        if let Some(error) = round.failure {
            if !self.fields.options.ignore_message_backup_errors {
                return Err(error);
            }
            let why = error.describe();
            let lost = round.pending.into_iter();
            round
                .outcomes
                .extend(lost.map(|id| (id, Outcome::Lost(why.clone()))));
        }
        Ok(round.outcomes)
    }

    /// Whether the first message of a post is there still.
    async fn has_starter(&self, channel: &Candidate) -> Result<bool, BackupError> {
        let shown = coverage::shown(&channel.name, channel.id);
        let doing = format!("reading the first message of {shown}");
        let path = format!("/channels/{0}/messages/{0}", channel.id);
        match self.source().object(&doing, &path, &[]).await {
            Ok(_) => Ok(true),
            Err(error) if error.verdict() == Verdict::Refused => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What is pinned in a channel now; `None` when Discord does not say: then it stays as it was.
    async fn pins(&self, channel: &Candidate) -> Result<Option<Pins>, BackupError> {
        let shown = coverage::shown(&channel.name, channel.id);
        let doing = format!("reading what is pinned in {shown}");
        let path = format!("/channels/{}/messages/pins", channel.id);
        let (mut pins, mut before) = (Pins::new(), None::<String>);
        for _ in 0..MOST_PIN_PAGES {
            let mut query = vec![("limit", PINS.to_string())];
            query.extend(before.take().map(|before| ("before", before)));
            let page = match self.source().object(&doing, &path, &query).await {
                Ok(page) => page,
                Err(error) if error.verdict() == Verdict::Refused => return Ok(None),
                Err(error) => return Err(error),
            };
            for pin in array(&page["items"]) {
                let mut message = pin["message"].clone();
                message["pinned"] = true.into();
                pins.extend(typed(&message["id"]).map(|id| (id, message)));
                before = pin["pinned_at"].as_str().map(str::to_owned);
            }
            if page["has_more"] != true || before.is_none() {
                break;
            }
        }
        Ok(Some(pins))
    }
}
