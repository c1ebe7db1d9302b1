//! How many messages each channel may contribute, and which page to read next. Pure: the same
//! answers lead to the same requests, which is what makes a backup resumable page by page.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::{ChannelId, MessageId};
use splashtail_discord::permissions::{Subject, bits, channel_type};
use splashtail_discord::snowflake::id;

use super::coverage::{self, Hidden, LeftOut, Why};
use super::options::Options;

/// Most messages Discord gives at once.
pub const PAGE: u32 = 100;

/// Characters kept of a channel's name.
const SHOWN_NAME: usize = 40;

const TEXT: u64 = 0;
const CATEGORY: u64 = 4;
const ANNOUNCEMENT: u64 = 5;
const DIRECTORY: u64 = 14;
const FORUM: u64 = 15;
const MEDIA: u64 = 16;

/// A channel or thread that messages can be read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub id: ChannelId,
    pub name: String,
    /// The channel of a thread.
    pub parent: Option<ChannelId>,
    /// Nobody ever wrote there, as Discord says: there is no page to ask for.
    #[serde(default)]
    pub silent: bool,
}

impl Candidate {
    /// Whether the caller wants its messages: those of a channel include those of its threads.
    pub fn is_chosen(&self, options: &Options) -> bool {
        let among = |id| options.channels.binary_search(&id).is_ok();
        options.channels.is_empty() || among(self.id) || self.parent.is_some_and(among)
    }
}

/// Why a channel contributes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// Its kind holds no messages of its own.
    Kind,
    /// Discord invented its kind after us.
    UnknownKind,
    /// The bot lacks View Channel, Read Message History or, for voice, Connect.
    Permission,
}

/// A channel that contributes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Omitted {
    pub name: String,
    pub kind: u64,
    pub why: Passed,
}

/// Channels in guild order, each followed by its threads: active before archived, each by
/// ascending id.
#[derive(Debug, Default)]
pub struct Survey {
    pub candidates: Vec<Candidate>,
    pub omitted: BTreeMap<ChannelId, Omitted>,
}

impl Survey {
    /// What a person has to know about: a forum without messages of its own is nothing to tell.
    pub fn left_out(&self) -> Vec<LeftOut> {
        let why = |passed| match passed {
            Passed::Kind => None,
            Passed::UnknownKind => Some(Why::UnknownKind),
            Passed::Permission => Some(Why::Permission),
        };
        self.omitted
            .iter()
            .filter_map(|(id, omitted)| {
                Some(LeftOut {
                    id: *id,
                    name: omitted.name.clone(),
                    kind: Some(omitted.kind),
                    why: why(omitted.why)?,
                    detail: None,
                })
            })
            .collect()
    }
}

/// Whether the messages of a channel of this kind can be read under these permissions. Forums have
/// none of their own, but those of their posts need the same.
fn readable(kind: u64, granted: u64) -> Result<(), Passed> {
    let mut needed = bits::VIEW_CHANNEL | bits::READ_MESSAGE_HISTORY;
    match kind {
        TEXT | ANNOUNCEMENT | FORUM | MEDIA => {}
        channel_type::VOICE | channel_type::STAGE => needed |= bits::CONNECT,
        CATEGORY | DIRECTORY => return Err(Passed::Kind),
        _ => return Err(Passed::UnknownKind),
    }
    if granted & needed != needed {
        return Err(Passed::Permission);
    }
    match kind {
        kind if is_forum(kind) => Err(Passed::Kind),
        _ => Ok(()),
    }
}

/// Kinds of channels that can have threads: forums have nothing else.
pub fn has_threads(kind: u64) -> bool {
    matches!(kind, TEXT | ANNOUNCEMENT | FORUM | MEDIA)
}

/// Kinds whose messages are all in posts.
fn is_forum(kind: u64) -> bool {
    matches!(kind, FORUM | MEDIA)
}

/// Channels in the order a member sees them: by position of the category (none comes first), then
/// by their own.
pub fn guild_order(channels: &[Value]) -> Vec<&Value> {
    let position = |channel: &Value| channel["position"].as_i64().unwrap_or_default();
    let categories: BTreeMap<u64, i64> = channels
        .iter()
        .filter(|channel| channel["type"] == CATEGORY)
        .filter_map(|channel| Some((id(&channel["id"])?, position(channel))))
        .collect();
    let mut ordered: Vec<&Value> = channels.iter().collect();
    ordered.sort_by_key(|channel| {
        let own = id(&channel["id"]).unwrap_or_default();
        let category = if channel["type"] == CATEGORY {
            Some(own)
        } else {
            id(&channel["parent_id"])
        };
        let place = category.and_then(|id| Some((*categories.get(&id)?, id)));
        (place, channel["type"] != CATEGORY, position(channel), own)
    });
    ordered
}

/// Finds what can be read. `threads` are all threads known, active and archived.
pub fn survey(channels: &[Value], threads: &[Value], subject: &Subject) -> Survey {
    let mut found = Survey::default();
    let mut by_parent: HashMap<u64, Vec<(bool, ChannelId, &Value)>> = HashMap::new();
    for thread in threads {
        if let (Some(parent), Some(own)) = (id(&thread["parent_id"]), channel_id(thread)) {
            let archived = thread["thread_metadata"]["archived"] == true;
            by_parent
                .entry(parent)
                .or_default()
                .push((archived, own, thread));
        }
    }
    for channel in guild_order(channels) {
        let Some(channel_id) = channel_id(channel) else {
            continue;
        };
        let kind = channel["type"].as_u64().unwrap_or(u64::MAX);
        let granted = subject.in_channel(channel);
        match readable(kind, granted) {
            Ok(()) => found.candidates.push(candidate(channel, channel_id, None)),
            Err(why) => {
                found.omitted.insert(channel_id, omitted(channel, why));
            }
        }
        if !has_threads(kind) {
            continue;
        }
        let needed = bits::VIEW_CHANNEL | bits::READ_MESSAGE_HISTORY;
        let in_threads = subject.in_thread(channel);
        let mut own = by_parent.remove(&channel_id.get()).unwrap_or_default();
        own.sort_by_key(|(archived, id, _)| (*archived, *id));
        own.dedup_by_key(|(_, id, _)| *id);
        for (_, thread_id, thread) in own {
            if in_threads & needed == needed {
                found
                    .candidates
                    .push(candidate(thread, thread_id, Some(channel_id)));
            } else {
                let omitted = omitted(thread, Passed::Permission);
                found.omitted.insert(thread_id, omitted);
            }
        }
    }
    found
}

fn candidate(channel: &Value, id: ChannelId, parent: Option<ChannelId>) -> Candidate {
    Candidate {
        id,
        name: short_name(channel),
        parent,
        silent: channel.get("last_message_id") == Some(&Value::Null),
    }
}

fn omitted(channel: &Value, why: Passed) -> Omitted {
    Omitted {
        name: short_name(channel),
        kind: channel["type"].as_u64().unwrap_or_default(),
        why,
    }
}

/// Names are only shown in logs; the journal holds thousands of them.
pub fn short_name(channel: &Value) -> String {
    let name = channel["name"].as_str().unwrap_or_default();
    name.chars()
        .filter(|c| !c.is_control())
        .take(SHOWN_NAME)
        .collect()
}

fn channel_id(channel: &Value) -> Option<ChannelId> {
    ChannelId::new(id(&channel["id"])?)
}

/// A channel with its share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    #[serde(flatten)]
    pub channel: Candidate,
    pub messages: u32,
    /// Chosen by the caller: never topped up.
    pub special: bool,
}

/// What the caller chose cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllocationError {
    #[error(
        "channel {0} has a special allocation, but this server has no such channel, or it is not among the chosen ones"
    )]
    Unknown(ChannelId),
    #[error("channel {0} has a special allocation, but channels of its kind hold no messages")]
    Kind(ChannelId),
    #[error("channel {0} has a special allocation, but the bot may not read its messages")]
    Permission(ChannelId),
    #[error(
        "channel {0} has a special allocation, but it is hidden from the bot; {help}",
        help = coverage::HOW_TO_GRANT
    )]
    Hidden(ChannelId),
    #[error(
        "channel {0} was chosen, but this server has no such channel, or the bot may not see it"
    )]
    UnknownChosen(ChannelId),
    /// A backup that was to hold these alone would hold nothing of them.
    #[error("none of the chosen channels can be read: {0}; {help}", help = coverage::HOW_TO_GRANT)]
    Unreadable(String),
}

/// Shares out the messages: special allocations first, then everyone else in order, as long as
/// there is something left. The sum never exceeds the maximum.
pub fn allocate(
    survey: &Survey,
    hidden: &[Hidden],
    options: &Options,
) -> Result<Vec<Share>, AllocationError> {
    let hidden: HashSet<ChannelId> = hidden.iter().map(|hidden| hidden.id).collect();
    let known: HashSet<ChannelId> = survey
        .candidates
        .iter()
        .flat_map(|candidate| [Some(candidate.id), candidate.parent])
        .flatten()
        .chain(survey.omitted.keys().copied())
        .collect();
    let exists = |id: &ChannelId| known.contains(id) || hidden.contains(id);
    if let Some(unknown) = options.channels.iter().find(|id| !exists(id)) {
        return Err(AllocationError::UnknownChosen(*unknown));
    }
    let mut left = options.max_messages;
    let mut shares: Vec<Share> = survey
        .candidates
        .iter()
        .filter(|candidate| candidate.is_chosen(options))
        .map(|channel| Share {
            channel: channel.clone(),
            messages: 0,
            special: false,
        })
        .collect();
    let shared: HashSet<ChannelId> = shares.iter().map(|share| share.channel.id).collect();
    for special in options.special_allocations.keys() {
        if !shared.contains(special) {
            let omitted = survey.omitted.get(special).map(|omitted| omitted.why);
            return Err(match omitted {
                _ if hidden.contains(special) => AllocationError::Hidden(*special),
                Some(Passed::Kind | Passed::UnknownKind) => AllocationError::Kind(*special),
                Some(Passed::Permission) => AllocationError::Permission(*special),
                None => AllocationError::Unknown(*special),
            });
        }
    }
    if shares.is_empty() && !options.ignore_message_backup_errors {
        let unreadable = unreadable(survey, &hidden, &options.channels);
        if !unreadable.is_empty() {
            let names = coverage::names(unreadable.into_iter());
            return Err(AllocationError::Unreadable(names));
        }
    }
    for share in &mut shares {
        if let Some(wanted) = options.special_allocations.get(&share.channel.id) {
            share.special = true;
            share.messages = (*wanted).min(left);
            left -= share.messages;
        }
    }
    let open = |share: &&mut Share| !share.special && !share.channel.silent;
    for share in shares.iter_mut().filter(open) {
        share.messages = options.per_channel.min(left);
        left -= share.messages;
    }
    Ok(shares)
}

/// Those of the chosen channels that the bot would have to see better.
fn unreadable(survey: &Survey, hidden: &HashSet<ChannelId>, chosen: &[ChannelId]) -> Vec<String> {
    chosen
        .iter()
        .filter_map(|id| match survey.omitted.get(id) {
            _ if hidden.contains(id) => Some(format!("{id} is hidden from the bot")),
            Some(omitted) if omitted.why != Passed::Kind => {
                Some(coverage::shown(&omitted.name, *id))
            }
            _ => None,
        })
        .collect()
}

/// One page to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// Index of the share.
    pub share: usize,
    /// Number of the page within its channel, from 0.
    pub page: u32,
    /// Oldest message read so far.
    pub before: Option<MessageId>,
    /// 1 to [`PAGE`].
    pub limit: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Every share as allocated.
    Allocated,
    /// Channels that got nothing, out of what others left.
    Empty,
    /// Channels with older messages, out of what is still left.
    Older,
    Done,
}

#[derive(Debug, Clone, Default)]
struct Progress {
    pages: u32,
    collected: u32,
    oldest: Option<MessageId>,
    /// No older messages, or they cannot be read.
    closed: bool,
    /// No older messages.
    whole: bool,
}

/// The walk through all pages.
#[derive(Debug, Clone)]
pub struct Collection {
    shares: Vec<Share>,
    progress: Vec<Progress>,
    /// What each channel may still contribute of its own share.
    allocated: Vec<u32>,
    phase: Phase,
    at: usize,
    /// What the current channel may still contribute in this phase.
    grant: Option<u32>,
    /// Messages not collected yet, of the maximum.
    unused: u32,
    per_channel: u32,
    rollover: bool,
}

impl Collection {
    pub fn new(shares: Vec<Share>, options: &Options) -> Self {
        Self {
            progress: shares
                .iter()
                .map(|share| Progress {
                    closed: share.channel.silent,
                    ..Progress::default()
                })
                .collect(),
            allocated: shares.iter().map(|share| share.messages).collect(),
            shares,
            phase: Phase::Allocated,
            at: 0,
            grant: None,
            unused: options.max_messages,
            per_channel: options.per_channel,
            rollover: options.rollover_leftovers,
        }
    }

    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// Messages collected from a channel so far.
    pub fn collected(&self, share: usize) -> u32 {
        self.progress[share].collected
    }

    /// Whether a channel was read to its first message.
    pub fn is_whole(&self, share: usize) -> bool {
        self.progress[share].whole
    }

    /// Messages collected so far, and how many it may become: what channels turned out not to have
    /// counts no more.
    pub fn expected(&self) -> (u64, u64) {
        let shares = self.progress.iter().zip(&self.allocated);
        shares.fold((0, 0), |(done, of), (progress, left)| {
            let to_come = if progress.closed { 0 } else { *left };
            let collected = u64::from(progress.collected);
            (done + collected, of + collected + u64::from(to_come))
        })
    }

    /// The next page of a channel's own share. Those of different channels can be read side by side:
    /// what each gets does not depend on the others.
    pub fn next_of(&self, share: usize) -> Option<PageRequest> {
        let allocated = self.phase == Phase::Allocated;
        allocated.then(|| self.request(share, self.allocated[share]))?
    }

    /// The next page, or `None` when everything is collected. Asking again without recording an
    /// answer gives the same page.
    pub fn next_page(&mut self) -> Option<PageRequest> {
        while self.phase != Phase::Done {
            if self.at == self.shares.len() {
                self.at = 0;
                self.phase = match self.phase {
                    Phase::Allocated if self.rollover => Phase::Empty,
                    Phase::Empty => Phase::Older,
                    _ => Phase::Done,
                };
                continue;
            }
            let grant = match self.phase {
                Phase::Allocated => self.allocated[self.at],
                _ => *self.grant.get_or_insert_with(|| {
                    let share = &self.shares[self.at];
                    match self.phase {
                        Phase::Empty if share.messages == 0 && !share.special => {
                            self.per_channel.min(self.unused)
                        }
                        Phase::Older if !share.special => self.unused,
                        _ => 0,
                    }
                }),
            };
            let request = self.request(self.at, grant);
            if request.is_some() {
                return request;
            }
            self.at += 1;
            self.grant = None;
        }
        None
    }

    fn request(&self, share: usize, grant: u32) -> Option<PageRequest> {
        let progress = &self.progress[share];
        // A limit of 0 would mean 50 to Discord.
        let limit = grant.min(PAGE);
        (limit > 0 && !progress.closed).then_some(PageRequest {
            share,
            page: progress.pages,
            before: progress.oldest,
            limit,
        })
    }

    /// What is left of the grant under which a page was asked for.
    pub fn granted(&self, request: &PageRequest) -> u32 {
        match self.phase {
            Phase::Allocated => self.allocated[request.share],
            _ => self.grant.unwrap_or_default(),
        }
    }

    /// Whether this answer is the last of its channel for now.
    pub fn completes(&self, request: &PageRequest, count: u32) -> bool {
        count < request.limit || self.granted(request) <= count
    }

    /// Records the answer to a request of [`Collection::next_of`] or [`Collection::next_page`].
    pub fn record(&mut self, request: &PageRequest, count: u32, oldest: Option<MessageId>) {
        let over = count < request.limit || oldest.is_none();
        self.collect(request, count, oldest, over);
    }

    /// Records what was read, or copied from another backup, of a channel. `over`: there is nothing
    /// older.
    pub fn collect(
        &mut self,
        request: &PageRequest,
        count: u32,
        oldest: Option<MessageId>,
        over: bool,
    ) {
        let left = self.granted(request).saturating_sub(count);
        match self.phase {
            Phase::Allocated => self.allocated[request.share] = left,
            _ => self.grant = Some(left),
        }
        let progress = &mut self.progress[request.share];
        progress.pages += u32::from(count > 0);
        progress.collected += count;
        progress.oldest = oldest.or(progress.oldest);
        progress.closed = over;
        progress.whole = over;
        self.unused = self.unused.saturating_sub(count);
    }

    /// The channel failed: what was read is kept, the rest of its share goes back to the pool.
    pub fn fail(&mut self, request: &PageRequest) {
        self.progress[request.share].closed = true;
    }
}

#[cfg(test)]
mod tests;
