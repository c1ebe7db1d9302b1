//! One page of messages with its attachments: the unit that is journaled.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::{AttachmentId, ChannelId, MessageId};
use splashtail_discord::Discord;
use splashtail_discord::permissions::id;
use tokio_util::sync::CancellationToken;

use super::allocate::PageRequest;
use super::attachments::{self, Budget, Outcome};
use super::error::BackupError;
use super::work::Work;

/// What a page leaves in the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageOutcome {
    pub count: u32,
    pub oldest: Option<MessageId>,
    /// Bytes that the page adds to the backup.
    pub bytes: u64,
    pub saved: u32,
    pub lost: u32,
    /// The work file that holds the page; an empty page has none.
    pub object: Option<String>,
    /// Why the channel was given up; nothing else is set then.
    pub failed: Option<String>,
}

impl PageOutcome {
    /// Sums up what pages brought.
    pub fn add(&mut self, page: &Self) {
        self.count += page.count;
        self.bytes += page.bytes;
        self.saved += page.saved;
        self.lost += page.lost;
    }
}

/// What a page leaves as work file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Page {
    /// Newest first, as Discord answers.
    pub messages: Vec<Value>,
    pub attachments: BTreeMap<AttachmentId, Outcome>,
}

/// Reads one page. `attachments` is the room for them, or `None` when they are not wanted.
pub async fn read(
    discord: &Discord,
    work: &Work,
    channel: ChannelId,
    request: &PageRequest,
    attachments: Option<Budget>,
    cancelled: &CancellationToken,
) -> Result<PageOutcome, BackupError> {
    let mut get = discord
        .get(format!("/channels/{channel}/messages"))
        .query("limit", request.limit)
        .cancelled_by(cancelled);
    if let Some(before) = request.before {
        get = get.query("before", before);
    }
    let mut messages: Vec<Value> = get
        .send_as()
        .await
        .map_err(BackupError::discord("reading messages"))?;
    // What is not older than the cursor was read before; more than was asked for is not ours.
    messages.retain(|message| match (id(&message["id"]), request.before) {
        (Some(id), Some(before)) => id < before.get(),
        (found, _) => found.is_some(),
    });
    messages.sort_by_key(|message| std::cmp::Reverse(id(&message["id"])));
    messages.dedup_by_key(|message| id(&message["id"]));
    messages.truncate(usize::try_from(request.limit).unwrap_or(usize::MAX));

    let mut page = Page {
        messages,
        attachments: BTreeMap::new(),
    };
    if let Some(budget) = attachments {
        page.attachments =
            attachments::save(discord, work, &page.messages, budget, cancelled).await?;
    }
    let mut outcome = PageOutcome {
        count: u32::try_from(page.messages.len()).unwrap_or(u32::MAX),
        oldest: page
            .messages
            .last()
            .and_then(|last| MessageId::new(id(&last["id"])?)),
        ..PageOutcome::default()
    };
    for attachment in page.attachments.values() {
        match attachment {
            Outcome::Saved { bytes, .. } => {
                outcome.saved += 1;
                outcome.bytes += bytes;
            }
            Outcome::Lost(_) => outcome.lost += 1,
        }
    }
    if !page.messages.is_empty() {
        let object = work.own(&format!("messages/{channel}/{}", request.page));
        outcome.bytes += work.put_json(&object, &page).await?;
        outcome.object = Some(object);
    }
    Ok(outcome)
}

/// Why attachments of this page are missing, each reason once.
pub async fn losses(work: &Work, object: &str) -> Result<Vec<String>, BackupError> {
    let page: Page = work.get_json(object).await?;
    let mut reasons: Vec<String> = page
        .attachments
        .into_values()
        .filter_map(|outcome| match outcome {
            Outcome::Lost(why) => Some(why),
            Outcome::Saved { .. } => None,
        })
        .collect();
    reasons.sort();
    reasons.dedup();
    Ok(reasons)
}
