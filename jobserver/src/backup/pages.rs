//! One page of messages: the unit that is journaled.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::{AttachmentId, MessageId};
use splashtail_discord::snowflake::id;

use super::allocate::{Candidate, PageRequest};
use super::attachments::{self, Outcome};
use super::coverage;
use super::error::BackupError;
use super::source::Source;
use super::work::Work;

/// What a page leaves in the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PageOutcome {
    pub count: u32,
    pub oldest: Option<MessageId>,
    /// Bytes that the page adds to the backup.
    pub bytes: u64,
    /// Attachments that its messages name.
    pub files: u32,
    /// The work file that holds the page; an empty page has none.
    pub object: Option<String>,
    /// Why the channel was given up; nothing else is set then.
    pub failed: Option<String>,
}

/// What a page leaves as work file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Page {
    /// Newest first, as Discord answers.
    pub messages: Vec<Value>,
    /// Of pages that were recorded before attachments had steps of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attachments: BTreeMap<AttachmentId, Outcome>,
}

/// The messages of a page as they are now, those that are not gone, in one request.
pub async fn read_again(
    source: Source<'_>,
    channel: &Candidate,
    messages: &[Value],
) -> Result<Vec<Value>, BackupError> {
    let Some(newest) = messages
        .iter()
        .filter_map(|message| id(&message["id"]))
        .max()
    else {
        return Ok(Vec::new());
    };
    let before = newest.saturating_add(1).to_string();
    let query = [("limit", messages.len().to_string()), ("before", before)];
    let path = format!("/channels/{}/messages", channel.id);
    let shown = coverage::shown(&channel.name, channel.id);
    let doing = format!("reading the messages of {shown} again");
    source.list(&doing, &path, &query).await
}

/// Reads one page of a channel.
pub async fn read(
    source: Source<'_>,
    work: &Work,
    channel: &Candidate,
    request: &PageRequest,
) -> Result<PageOutcome, BackupError> {
    let shown = coverage::shown(&channel.name, channel.id);
    let mut query = vec![("limit", request.limit.to_string())];
    query.extend(request.before.map(|before| ("before", before.to_string())));
    let path = format!("/channels/{}/messages", channel.id);
    let doing = format!("reading the messages of {shown}");
    let mut messages = source.list(&doing, &path, &query).await?;
    // What is not older than the cursor was read before; more than was asked for is not ours.
    messages.retain(|message| match (id(&message["id"]), request.before) {
        (Some(id), Some(before)) => id < before.get(),
        (found, _) => found.is_some(),
    });
    messages.sort_by_key(|message| std::cmp::Reverse(id(&message["id"])));
    messages.dedup_by_key(|message| id(&message["id"]));
    messages.truncate(usize::try_from(request.limit).unwrap_or(usize::MAX));

    let files = messages.iter().flat_map(attachments::of).count();
    let mut outcome = PageOutcome {
        count: u32::try_from(messages.len()).unwrap_or(u32::MAX),
        oldest: messages
            .last()
            .and_then(|last| MessageId::new(id(&last["id"])?)),
        files: u32::try_from(files).unwrap_or(u32::MAX),
        ..PageOutcome::default()
    };
    if !messages.is_empty() {
        let page = Page {
            messages,
            ..Page::default()
        };
        let object = work.own(&format!("messages/{}/{}", channel.id, request.page));
        outcome.bytes += work.put_json(&object, &page).await?;
        outcome.object = Some(object);
    }
    Ok(outcome)
}
