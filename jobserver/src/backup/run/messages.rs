//! The walk over messages and their attachments.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;
use splashtail_api_types::job_lines::Line;
use splashtail_core::ids::AttachmentId;
use splashtail_jobs::{JobError, Level};
use tokio::sync::Semaphore;

use super::Run;
use super::former::{Copied, Shelf};
use crate::backup::allocate::{Candidate, Collection, PageRequest, Share};
use crate::backup::assemble::{PageFiles, Walked};
use crate::backup::attachments::{self, Budget, Outcome};
use crate::backup::coverage::{self, Coverage, LeftOut, Why};
use crate::backup::error::Verdict;
use crate::backup::former::{Former, Known};
use crate::backup::pages::{self, Page, PageOutcome};

/// Channels that are read side by side. Each has limits of its own at Discord, five pages in five
/// seconds, so that this many come to a third of what a bot may ask for in all.
const CHANNELS: usize = 16;
/// Channels that are copied at a time.
const COPIES: usize = 2;
/// Attachments that are loaded at a time.
const DOWNLOADS: usize = 4;
/// Rounds in a row that bring nothing, before the rest of a page's attachments is left out; only on
/// request, else they are waited for.
const BARREN_ROUNDS: usize = 4;
/// Before the second round and those after it.
const PAUSES: [u64; BARREN_ROUNDS - 1] = [1, 4, 12];

/// Sums up what pages brought.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    messages: u32,
    bytes: u64,
    saved: u32,
    lost: u32,
    /// Messages that were not read from Discord.
    copied: u32,
}

impl Tally {
    fn add_copied(&mut self, copied: &Copied) {
        self.messages += copied.count;
        self.copied += copied.count;
        self.bytes += copied.bytes;
        self.saved += copied.saved;
        self.lost += copied.lost;
    }

    fn add_page(&mut self, page: &PageOutcome) {
        self.messages += page.count;
        self.bytes += page.bytes;
    }

    fn add_round(&mut self, round: &RoundOutcome) {
        self.bytes += round.bytes;
        self.saved += round.saved;
        self.lost += round.lost;
    }
}

/// What a round over the attachments of a page leaves in the journal.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct RoundOutcome {
    saved: u32,
    lost: u32,
    bytes: u64,
    /// The work file with what became of each.
    object: Option<String>,
    /// Not to be had yet.
    pending: Vec<AttachmentId>,
    /// Why.
    failure: Option<String>,
}

/// A page that was read, as its attachments need it.
struct ReadPage<'a> {
    channel: &'a Candidate,
    number: u32,
    outcome: &'a PageOutcome,
    /// Whether it is the last one of its channel for now.
    completes: bool,
}

/// What the channels that are read side by side have in common.
struct Reading<'a> {
    former: &'a Former,
    shelf: &'a Shelf,
    /// A whole channel is in memory while it is copied.
    copies: Semaphore,
    collection: Mutex<Collection>,
    channels: Vec<Mutex<Channel>>,
    total: Mutex<Tally>,
    refused: Mutex<Vec<LeftOut>>,
    /// Attachments are held in memory while they are saved.
    downloads: Semaphore,
}

/// What was read of one channel.
#[derive(Debug, Default)]
struct Channel {
    tally: Tally,
    files: Vec<PageFiles>,
    /// What the earlier backup had of it cannot be copied.
    useless: bool,
}

impl<'a> Reading<'a> {
    fn new((former, shelf): (&'a Former, &'a Shelf), collection: Collection, bytes: u64) -> Self {
        let channels = collection.shares().iter().map(|_| Mutex::default());
        let total = Tally {
            bytes,
            ..Tally::default()
        };
        Self {
            former,
            shelf,
            copies: Semaphore::new(COPIES),
            channels: channels.collect(),
            collection: Mutex::new(collection),
            total: Mutex::new(total),
            refused: Mutex::default(),
            downloads: Semaphore::new(DOWNLOADS),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Collection) -> T) -> T {
        work(&mut lock(&self.collection))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Run<'_> {
    /// Reads all messages. Every channel's share is its own, so they are read side by side, as fast
    /// as Discord's limits of each let them; what is left over then depends on all, and goes to one
    /// channel after the other. What is missing of them is added to `coverage`; `bytes`: what the
    /// backup has already.
    pub(super) async fn messages(
        &self,
        (former, shelf): (Former, &Shelf),
        shares: Vec<Share>,
        coverage: &mut Coverage,
        bytes: u64,
    ) -> Result<Walked, JobError> {
        let collection = Collection::new(shares, &self.fields.options);
        let reading = Reading::new((&former, shelf), collection, bytes);
        let reading = &reading;
        let count = reading.channels.len();
        let mut channels = stream::iter(0..count)
            .map(|share| async move {
                while let Some(request) = reading.with(|walk| walk.next_of(share)) {
                    self.read(reading, &request).await?;
                }
                Ok::<_, JobError>(())
            })
            .buffer_unordered(CHANNELS);
        while let Some(read) = channels.next().await {
            read?;
        }
        drop(channels);
        while let Some(request) = reading.with(Collection::next_page) {
            self.read(reading, &request).await?;
        }
        let total = *lock(&reading.total);
        let mut refused = std::mem::take(&mut *lock(&reading.refused));
        refused.sort_by_key(|left| left.id);
        coverage.left_out.extend(refused);
        coverage.attachments_lost = total.lost;
        let summary = || async {
            let mut extra = json!({"messages": total.messages, "attachments": total.saved,
                                   "attachmentsLost": total.lost, "bytes": total.bytes});
            if former.task.is_some() {
                extra["copied"] = total.copied.into();
            }
            self.say(Level::Info, Line::ReadMessages, extra).await;
            Ok(())
        };
        self.cx.step("messages/read", summary).await?;
        let files = |channel: &Mutex<Channel>| std::mem::take(&mut lock(channel).files);
        Ok(Walked {
            pages: reading.channels.iter().map(files).collect(),
            collection: reading.with(|walk| walk.clone()),
            former: former.clone(),
            unseen: BTreeSet::new(),
        })
    }

    /// One page, with its attachments.
    async fn read(&self, reading: &Reading<'_>, request: &PageRequest) -> Result<(), JobError> {
        let at = request.share;
        let channel = reading.with(|walk| walk.shares()[at].channel.clone());
        let known = reading.former.channels.get(&channel.id);
        let known = known.filter(|known| known.holds(request.before));
        if let Some(known) = known.filter(|_| !lock(&reading.channels[at]).useless) {
            return self.take_over(reading, request, (&channel, known)).await;
        }
        let step = format!("messages/{}/{}", channel.id, request.page);
        let so_far = lock(&reading.channels[at]).tally;
        let page: PageOutcome = self
            .cx
            .step(&step, || self.page(reading, request, so_far))
            .await?;
        if let Some(why) = page.failed {
            lock(&reading.refused).push(LeftOut {
                id: channel.id,
                name: channel.name,
                kind: None,
                why: Why::Refused,
                detail: Some(why),
            });
            reading.with(|walk| walk.fail(request));
            return Ok(());
        }
        let mut tally = so_far;
        tally.add_page(&page);
        let mut rounds = Vec::new();
        if self.fields.options.backup_attachments && page.files > 0 {
            let read = ReadPage {
                channel: &channel,
                number: request.page,
                outcome: &page,
                completes: reading.with(|walk| walk.completes(request, page.count)),
            };
            rounds = self.attachments(&read, &mut tally, reading).await?;
        }
        {
            let mut total = lock(&reading.total);
            total.messages += tally.messages - so_far.messages;
            total.bytes += page.bytes;
            total.saved += tally.saved - so_far.saved;
            total.lost += tally.lost - so_far.lost;
            let mut channel = lock(&reading.channels[at]);
            channel.tally = tally;
            if let Some(messages) = page.object.clone() {
                channel.files.push(PageFiles {
                    messages,
                    attachments: rounds,
                });
            }
        }
        let (done, expected) = reading.with(|walk| {
            walk.record(request, page.count, page.oldest);
            walk.expected()
        });
        self.cx.advance("messages", done, expected).await;
        Ok(())
    }

    /// What the earlier backup has of a channel. Where it is of no use the same request is made of
    /// Discord next.
    async fn take_over(
        &self,
        reading: &Reading<'_>,
        request: &PageRequest,
        (channel, known): (&Candidate, &Known),
    ) -> Result<(), JobError> {
        let at = request.share;
        let granted = reading.with(|walk| walk.granted(request));
        let so_far = lock(&reading.channels[at]).tally;
        let step = format!("messages/{}/{}/copied", channel.id, request.page);
        let over =
            |copied: &Copied| known.whole && copied.oldest.is_none_or(|id| id <= known.oldest);
        let copy = || async {
            // Closed by nobody.
            let _permit = reading.copies.acquire().await.ok();
            let used = lock(&reading.total).bytes;
            let copied = self.copy(
                reading.shelf,
                reading.former,
                (channel, known),
                request,
                (granted, used, &reading.downloads),
            );
            let copied = copied.await?;
            if !copied.useless && (over(&copied) || copied.count >= granted) {
                let mut tally = so_far;
                tally.add_copied(&copied);
                self.log_channel(channel, tally).await;
            }
            Ok(copied)
        };
        let copied: Copied = self.cx.step(&step, copy).await?;
        let over = over(&copied);
        {
            let mut channel = lock(&reading.channels[at]);
            // Nothing of it is there: else this would be asked for ever.
            if copied.useless || copied.count == 0 {
                channel.useless = true;
                return Ok(());
            }
            channel.tally.add_copied(&copied);
            lock(&reading.total).add_copied(&copied);
            let files = copied.objects.into_iter().map(|messages| PageFiles {
                messages,
                attachments: Vec::new(),
            });
            channel.files.extend(files);
        }
        let (done, expected) = reading.with(|walk| {
            walk.collect(request, copied.count, copied.oldest, over);
            walk.expected()
        });
        self.cx.advance("messages", done, expected).await;
        Ok(())
    }

    async fn page(
        &self,
        reading: &Reading<'_>,
        request: &PageRequest,
        so_far: Tally,
    ) -> Result<PageOutcome, JobError> {
        let channel = &reading.with(|walk| walk.shares()[request.share].channel.clone());
        let read = pages::read(self.source(), self.work, channel, request).await;
        let outcome = match read {
            Err(error) if self.may_ignore(&error) => {
                let why = error.describe();
                let extra = json!({"channel": coverage::shown(&channel.name, channel.id),
                                   "messages": so_far.messages, "error": why});
                self.say(Level::Warn, Line::UnfinishedChannel, extra).await;
                return Ok(PageOutcome {
                    failed: Some(why),
                    ..PageOutcome::default()
                });
            }
            read => read?,
        };
        let mut tally = so_far;
        tally.add_page(&outcome);
        let attachments_follow = self.fields.options.backup_attachments && outcome.files > 0;
        let completes = reading.with(|walk| walk.completes(request, outcome.count));
        if completes && !attachments_follow {
            self.log_channel(channel, tally).await;
        }
        Ok(outcome)
    }

    async fn log_channel(&self, channel: &Candidate, tally: Tally) {
        if tally.messages > 0 {
            let extra = json!({"channel": channel.name, "channelId": channel.id,
                               "messages": tally.messages, "attachments": tally.saved,
                               "bytes": tally.bytes,
                               "botDisplayIgnore": ["channelId", "bytes"]});
            self.say(Level::Info, Line::SavedChannel, extra).await;
        }
    }

    /// Goes over the attachments of a page until nothing is pending; the work files of all rounds.
    ///
    /// Each round that brings something is recorded, so that nothing is loaded twice. One attempt
    /// makes one round: while the CDN is away the job is parked.
    async fn attachments(
        &self,
        page: &ReadPage<'_>,
        tally: &mut Tally,
        reading: &Reading<'_>,
    ) -> Result<Vec<String>, JobError> {
        let mut objects = Vec::new();
        let mut before = RoundOutcome::default();
        let mut barren = 0;
        let performed = AtomicBool::new(false);
        for number in 0.. {
            let step = format!("attachments/{}/{}/{number}", page.channel.id, page.number);
            let round = self
                .cx
                .step(&step, || async {
                    if performed.swap(true, Ordering::Relaxed) {
                        return Err(self.not_yet(page, &before, barren));
                    }
                    let only = (number > 0).then_some(&before.pending[..]);
                    let last = barren + 1 >= BARREN_ROUNDS;
                    let round = self.round(page, number, only, reading, last).await?;
                    if page.completes && round.pending.is_empty() {
                        let mut tally = *tally;
                        tally.add_round(&round);
                        self.log_channel(page.channel, tally).await;
                    }
                    Ok(round)
                })
                .await?;
            tally.add_round(&round);
            lock(&reading.total).bytes += round.bytes;
            objects.extend(round.object.clone());
            let is_barren = round.saved + round.lost == 0;
            barren = if is_barren { barren + 1 } else { 0 };
            if round.pending.is_empty() {
                break;
            }
            before = round;
        }
        Ok(objects)
    }

    fn not_yet(&self, page: &ReadPage<'_>, round: &RoundOutcome, barren: usize) -> JobError {
        let channel = coverage::shown(&page.channel.name, page.channel.id);
        let (count, why) = (round.pending.len(), round.failure.as_deref());
        let why = why.unwrap_or("the CDN failed");
        let message = format!("{count} attachments of {channel} are not to be had yet: {why}");
        let pause = PAUSES[barren.saturating_sub(1).min(PAUSES.len() - 1)];
        JobError::transient("discord_cdn", message).retry_after(Duration::from_secs(pause))
    }

    async fn round(
        &self,
        page: &ReadPage<'_>,
        number: usize,
        only: Option<&[AttachmentId]>,
        reading: &Reading<'_>,
        last: bool,
    ) -> Result<RoundOutcome, JobError> {
        let channel = coverage::shown(&page.channel.name, page.channel.id);
        // What others save meanwhile counts when they have: the hard total of the file is checked
        // when it is put together.
        let used = lock(&reading.total).bytes;
        let budget = Budget::new(&self.fields.constraints, used);
        let mut read: Page = match &page.outcome.object {
            Some(object) => self.work.get_json(object).await?,
            None => Page::default(),
        };
        let now = self.job.clock.now();
        if attachments::are_stale(&read.messages, only, now) {
            // A job that was parked for a day or was not running.
            match pages::read_again(self.source(), page.channel, &read.messages).await {
                Ok(fresh) => attachments::renew(&mut read.messages, &fresh),
                // The CDN tells of each what can still be had.
                Err(error) if error.verdict() == Verdict::Refused => {
                    tracing::debug!(error = error.describe(), "addresses were not renewed");
                }
                Err(error) => return Err(error.into()),
            }
        }
        let doing = format!("reading attachments of {channel}");
        let (source, messages) = (self.source(), &read.messages);
        let mut round = attachments::save(
            source,
            self.work,
            &doing,
            messages,
            only,
            budget,
            &reading.downloads,
        )
        .await?;
        let mut failure = None;
        if let Some(error) = round.failure.take() {
            let patient = !self.fields.options.ignore_message_backup_errors;
            if patient && round.outcomes.is_empty() {
                return Err(error.into());
            }
            let why = error.describe();
            if !patient && last && round.outcomes.is_empty() {
                let lost = std::mem::take(&mut round.pending).into_iter();
                let lost = lost.map(|id| (id, Outcome::Lost(why.clone())));
                round.outcomes.extend(lost);
            }
            failure = Some(why);
        }
        let mut outcome = RoundOutcome {
            pending: round.pending,
            failure,
            ..RoundOutcome::default()
        };
        for attachment in round.outcomes.values() {
            match attachment {
                Outcome::Saved { bytes, .. } => {
                    outcome.saved += 1;
                    outcome.bytes += bytes;
                }
                Outcome::Lost(_) => outcome.lost += 1,
            }
        }
        if !round.outcomes.is_empty() {
            let name = format!("rounds/{}/{}/{number}", page.channel.id, page.number);
            let object = self.work.own(&name);
            self.work.put_json(&object, &round.outcomes).await?;
            outcome.object = Some(object);
        }
        if outcome.lost > 0 {
            let extra = json!({"channel": channel, "attachments": outcome.lost,
                               "reasons": attachments::losses(&round.outcomes)});
            self.say(Level::Warn, Line::LostAttachments, extra).await;
        }
        Ok(outcome)
    }
}
