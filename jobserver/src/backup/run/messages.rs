//! The walk over messages and their attachments.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use splashtail_core::ids::AttachmentId;
use splashtail_jobs::{JobError, Level};

use super::Run;
use crate::backup::allocate::{Candidate, Collection, PageRequest, Share};
use crate::backup::assemble::{PageFiles, Walked};
use crate::backup::attachments::{self, Budget, Outcome};
use crate::backup::coverage::{self, Coverage, LeftOut, Why};
use crate::backup::error::Verdict;
use crate::backup::pages::{self, Page, PageOutcome};

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
}

impl Tally {
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

impl Run<'_> {
    /// What is missing of them is added to `coverage`.
    pub(super) async fn messages(
        &self,
        shares: Vec<Share>,
        coverage: &mut Coverage,
    ) -> Result<Walked, JobError> {
        let with_attachments = self.fields.options.backup_attachments;
        let mut collection = Collection::new(shares, &self.fields.options);
        let mut channels = vec![Tally::default(); collection.shares().len()];
        let mut files: Vec<Vec<PageFiles>> = channels.iter().map(|_| Vec::new()).collect();
        let mut total = Tally::default();
        while let Some(request) = collection.next_page() {
            let channel = collection.shares()[request.share].channel.clone();
            let step = format!("messages/{}/{}", channel.id, request.page);
            let so_far = channels[request.share];
            let page: PageOutcome = self
                .cx
                .step(&step, || self.page(&collection, &request, so_far))
                .await?;
            if let Some(why) = page.failed {
                coverage.left_out.push(LeftOut {
                    id: channel.id,
                    name: channel.name,
                    kind: None,
                    why: Why::Refused,
                    detail: Some(why),
                });
                collection.fail(&request);
                continue;
            }
            let mut tally = so_far;
            tally.add_page(&page);
            let mut rounds = Vec::new();
            if with_attachments && page.files > 0 {
                let read = ReadPage {
                    channel: &channel,
                    number: request.page,
                    outcome: &page,
                    completes: collection.completes(&request, page.count),
                };
                rounds = self.attachments(&read, &mut tally, total.bytes).await?;
            }
            total.messages += tally.messages - so_far.messages;
            total.bytes += tally.bytes - so_far.bytes;
            total.saved += tally.saved - so_far.saved;
            total.lost += tally.lost - so_far.lost;
            channels[request.share] = tally;
            if let Some(messages) = page.object.clone() {
                files[request.share].push(PageFiles {
                    messages,
                    attachments: rounds,
                });
            }
            collection.record(&request, page.count, page.oldest);
        }
        coverage.attachments_lost = total.lost;
        let summary = || async {
            let extra = json!({"messages": total.messages, "attachments": total.saved,
                               "attachmentsLost": total.lost, "bytes": total.bytes});
            self.log(Level::Info, "Read all messages", extra).await;
            Ok(())
        };
        self.cx.step("messages/read", summary).await?;
        Ok(Walked {
            collection,
            pages: files,
        })
    }

    async fn page(
        &self,
        collection: &Collection,
        request: &PageRequest,
        so_far: Tally,
    ) -> Result<PageOutcome, JobError> {
        let channel = &collection.shares()[request.share].channel;
        let read = pages::read(self.source(), self.work, channel, request).await;
        let outcome = match read {
            Err(error) if self.may_ignore(&error) => {
                let why = error.describe();
                let extra = json!({"channel": coverage::shown(&channel.name, channel.id),
                                   "messages": so_far.messages, "error": why});
                self.log(Level::Warn, "A channel could not be read to the end", extra)
                    .await;
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
        if collection.completes(request, outcome.count) && !attachments_follow {
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
            self.log(Level::Info, "Saved the messages of a channel", extra)
                .await;
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
        bytes: u64,
    ) -> Result<Vec<String>, JobError> {
        let mut objects = Vec::new();
        let mut before = RoundOutcome::default();
        let mut barren = 0;
        let performed = AtomicBool::new(false);
        // What was read before this page, and what its attachments added.
        let mut used = bytes;
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
                    let round = self.round(page, number, only, used, last).await?;
                    if page.completes && round.pending.is_empty() {
                        let mut tally = *tally;
                        tally.add_round(&round);
                        self.log_channel(page.channel, tally).await;
                    }
                    Ok(round)
                })
                .await?;
            tally.add_round(&round);
            used += round.bytes;
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
        bytes: u64,
        last: bool,
    ) -> Result<RoundOutcome, JobError> {
        let channel = coverage::shown(&page.channel.name, page.channel.id);
        let budget = Budget::new(&self.fields.constraints, bytes);
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
        let mut round =
            attachments::save(source, self.work, &doing, messages, only, budget).await?;
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
            self.log(Level::Warn, "Attachments were not saved", extra)
                .await;
        }
        Ok(outcome)
    }
}
