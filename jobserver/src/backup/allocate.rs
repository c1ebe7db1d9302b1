//! How many messages each channel may contribute, and which page to read next. Pure: the same
//! answers lead to the same requests, which is what makes a backup resumable page by page.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::{ChannelId, MessageId};
use splashtail_discord::permissions::{Subject, bits, channel_type, id};

use super::options::Options;

/// Most messages Discord gives at once.
pub const PAGE: u32 = 100;

/// Characters kept of a channel's name.
const SHOWN_NAME: usize = 40;

const TEXT: u64 = 0;
const CATEGORY: u64 = 4;
const ANNOUNCEMENT: u64 = 5;
const FORUM: u64 = 15;
const MEDIA: u64 = 16;

/// A channel or thread that messages can be read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub id: ChannelId,
    pub name: String,
    /// The channel of a thread.
    pub parent: Option<ChannelId>,
}

/// Why a channel contributes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// Its kind holds no messages of its own.
    Kind,
    /// The bot lacks View Channel, Read Message History or, for voice, Connect.
    Permission,
}

/// Channels in guild order, each followed by its threads: active before archived, each by
/// ascending id.
#[derive(Debug, Default)]
pub struct Survey {
    pub candidates: Vec<Candidate>,
    pub passed: BTreeMap<ChannelId, Passed>,
}

/// Whether the messages of a channel of this kind can be read under these permissions.
fn readable(kind: u64, granted: u64) -> Result<(), Passed> {
    let mut needed = bits::VIEW_CHANNEL | bits::READ_MESSAGE_HISTORY;
    match kind {
        TEXT | ANNOUNCEMENT => {}
        channel_type::VOICE | channel_type::STAGE => needed |= bits::CONNECT,
        _ => return Err(Passed::Kind),
    }
    if granted & needed == needed {
        Ok(())
    } else {
        Err(Passed::Permission)
    }
}

/// Whether a channel can have threads: forums have nothing else.
pub fn has_threads(channel: &Value) -> bool {
    matches!(
        channel["type"].as_u64(),
        Some(TEXT | ANNOUNCEMENT | FORUM | MEDIA)
    )
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
    for channel in guild_order(channels) {
        let Some(channel_id) = channel_id(channel) else {
            continue;
        };
        let kind = channel["type"].as_u64().unwrap_or(u64::MAX);
        let granted = subject.in_channel(channel);
        match readable(kind, granted) {
            Ok(()) => found.candidates.push(candidate(channel, channel_id, None)),
            Err(why) => {
                found.passed.insert(channel_id, why);
            }
        }
        if !has_threads(channel) {
            continue;
        }
        let needed = bits::VIEW_CHANNEL | bits::READ_MESSAGE_HISTORY;
        let in_threads = subject.in_thread(channel);
        let mut own: Vec<(bool, ChannelId, &Value)> = threads
            .iter()
            .filter(|thread| id(&thread["parent_id"]) == Some(channel_id.get()))
            .filter_map(|thread| {
                let archived = thread["thread_metadata"]["archived"] == true;
                Some((archived, self::channel_id(thread)?, thread))
            })
            .collect();
        own.sort_by_key(|(archived, id, _)| (*archived, *id));
        own.dedup_by_key(|(_, id, _)| *id);
        for (_, thread_id, thread) in own {
            if in_threads & needed == needed {
                found
                    .candidates
                    .push(candidate(thread, thread_id, Some(channel_id)));
            } else {
                found.passed.insert(thread_id, Passed::Permission);
            }
        }
    }
    found
}

fn candidate(channel: &Value, id: ChannelId, parent: Option<ChannelId>) -> Candidate {
    // Only shown in logs; the journal holds thousands of them.
    let name = channel["name"].as_str().unwrap_or_default();
    let name = name
        .chars()
        .filter(|c| !c.is_control())
        .take(SHOWN_NAME)
        .collect();
    Candidate { id, name, parent }
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

/// A special allocation for a channel that cannot be read.
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
    #[error("channel {0} was chosen, but this server has no such channel")]
    UnknownChosen(ChannelId),
}

/// Shares out the messages: special allocations first, then everyone else in order, as long as
/// there is something left. The sum never exceeds the maximum.
pub fn allocate(survey: &Survey, options: &Options) -> Result<Vec<Share>, AllocationError> {
    let known: HashSet<ChannelId> = survey
        .candidates
        .iter()
        .flat_map(|candidate| [Some(candidate.id), candidate.parent])
        .flatten()
        .chain(survey.passed.keys().copied())
        .collect();
    if let Some(unknown) = options.channels.iter().find(|id| !known.contains(id)) {
        return Err(AllocationError::UnknownChosen(*unknown));
    }
    let chosen = |candidate: &&Candidate| {
        options.channels.is_empty()
            || options.channels.contains(&candidate.id)
            || candidate
                .parent
                .is_some_and(|parent| options.channels.contains(&parent))
    };
    let mut left = options.max_messages;
    let mut shares: Vec<Share> = survey
        .candidates
        .iter()
        .filter(chosen)
        .map(|channel| Share {
            channel: channel.clone(),
            messages: 0,
            special: false,
        })
        .collect();
    for special in options.special_allocations.keys() {
        if shares.iter().all(|share| share.channel.id != *special) {
            return Err(match survey.passed.get(special) {
                Some(Passed::Kind) => AllocationError::Kind(*special),
                Some(Passed::Permission) => AllocationError::Permission(*special),
                None => AllocationError::Unknown(*special),
            });
        }
    }
    for share in &mut shares {
        if let Some(wanted) = options.special_allocations.get(&share.channel.id) {
            share.special = true;
            share.messages = (*wanted).min(left);
            left -= share.messages;
        }
    }
    for share in shares.iter_mut().filter(|share| !share.special) {
        share.messages = options.per_channel.min(left);
        left -= share.messages;
    }
    Ok(shares)
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
}

/// The walk through all pages.
#[derive(Debug)]
pub struct Collection {
    shares: Vec<Share>,
    progress: Vec<Progress>,
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
            progress: vec![Progress::default(); shares.len()],
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
            let grant = *self.grant.get_or_insert_with(|| {
                let share = &self.shares[self.at];
                match self.phase {
                    Phase::Allocated => share.messages,
                    Phase::Empty if share.messages == 0 && !share.special => {
                        self.per_channel.min(self.unused)
                    }
                    Phase::Older if !share.special => self.unused,
                    _ => 0,
                }
            });
            let progress = &self.progress[self.at];
            // A limit of 0 would mean 50 to Discord.
            let limit = grant.min(PAGE);
            if limit == 0 || progress.closed {
                self.at += 1;
                self.grant = None;
                continue;
            }
            let (page, before) = (progress.pages, progress.oldest);
            return Some(PageRequest {
                share: self.at,
                page,
                before,
                limit,
            });
        }
        None
    }

    /// Whether this answer is the last of its channel for now.
    pub fn completes(&self, request: &PageRequest, count: u32) -> bool {
        count < request.limit || self.grant.is_none_or(|grant| grant <= count)
    }

    /// Records the answer to a request of [`Collection::next_page`].
    pub fn record(&mut self, request: &PageRequest, count: u32, oldest: Option<MessageId>) {
        let progress = &mut self.progress[request.share];
        progress.pages += u32::from(count > 0);
        progress.collected += count;
        progress.oldest = oldest.or(progress.oldest);
        progress.closed = count < request.limit || oldest.is_none();
        self.unused = self.unused.saturating_sub(count);
        self.grant = self.grant.map(|grant| grant.saturating_sub(count));
    }

    /// The channel failed: what was read is kept, the rest of its share goes back to the pool.
    pub fn fail(&mut self, request: &PageRequest) {
        self.progress[request.share].closed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use serde_json::json;

    const READ: u64 = bits::VIEW_CHANNEL | bits::READ_MESSAGE_HISTORY;

    fn channel(id: u64) -> ChannelId {
        ChannelId::new(id).unwrap()
    }

    fn subject(everyone: u64) -> Subject {
        let guild = json!({"id": "1", "owner_id": "2",
                           "roles": [{"id": "1", "permissions": everyone.to_string()}]});
        let member = json!({"user": {"id": "3"}, "roles": []});
        Subject::new(&guild, &member, DateTime::UNIX_EPOCH).unwrap()
    }

    fn options(max_messages: u32, per_channel: u32) -> Options {
        Options {
            max_messages,
            per_channel,
            rollover_leftovers: true,
            ..Options::default()
        }
    }

    fn shares(survey: &Survey, options: &Options) -> Vec<(u64, u32)> {
        allocate(survey, options)
            .unwrap()
            .iter()
            .map(|share| (share.channel.id.get(), share.messages))
            .collect()
    }

    fn text_channels(count: u64) -> Survey {
        let channels: Vec<Value> = (0..count)
            .map(|n| json!({"id": (10 + n).to_string(), "type": 0, "position": n}))
            .collect();
        survey(&channels, &[], &subject(READ))
    }

    /// Reads everything from channels that hold so many messages; message ids fall from 10,000.
    /// Checks on the way that no message is read twice and no limit is out of range.
    fn collect(survey: &Survey, options: &Options, held: &[(u64, u32)]) -> Vec<(u64, u32)> {
        let mut walk = Collection::new(allocate(survey, options).unwrap(), options);
        let mut seen = HashSet::new();
        let mut requests = 0;
        while let Some(request) = walk.next_page() {
            requests += 1;
            assert!(requests < 1000, "the walk does not end");
            assert!((1..=PAGE).contains(&request.limit), "{request:?}");
            let id = walk.shares()[request.share].channel.id.get();
            let held = held
                .iter()
                .find(|(channel, _)| *channel == id)
                .map_or(0, |(_, n)| *n);
            let newest = u64::from(held);
            let from = request.before.map_or(newest, |before| before.get() - 1);
            let count = request.limit.min(u32::try_from(from).unwrap());
            for message in (from - u64::from(count) + 1)..=from {
                assert!(
                    seen.insert((id, message)),
                    "message {message} of {id} twice"
                );
            }
            let oldest = MessageId::new(from - u64::from(count) + 1).filter(|_| count > 0);
            walk.record(&request, count, oldest);
        }
        walk.shares()
            .iter()
            .enumerate()
            .map(|(at, share)| (share.channel.id.get(), walk.collected(at)))
            .collect()
    }

    #[test]
    fn candidates_come_in_guild_order_with_their_threads() {
        let channels = [
            json!({"id": "30", "type": 0, "position": 5, "parent_id": "90"}),
            json!({"id": "90", "type": 4, "position": 1}),
            json!({"id": "80", "type": 4, "position": 0}),
            json!({"id": "31", "type": 0, "position": 1, "parent_id": "90"}),
            json!({"id": "32", "type": 15, "position": 9, "parent_id": "80"}),
            json!({"id": "33", "type": 5, "position": 7}),
        ];
        let thread = |id: u64, parent: u64, archived: bool| {
            json!({"id": id.to_string(), "parent_id": parent.to_string(), "type": 11,
                   "thread_metadata": {"archived": archived}})
        };
        let threads = [
            thread(52, 32, true),
            thread(51, 32, false),
            thread(50, 32, true),
            thread(40, 31, false),
            thread(49, 32, false),
            thread(49, 32, false),
        ];
        let found = survey(&channels, &threads, &subject(READ));
        let order: Vec<u64> = found.candidates.iter().map(|c| c.id.get()).collect();
        assert_eq!(order, [33, 49, 51, 50, 52, 31, 40, 30]);
        assert_eq!(
            found.passed[&channel(32)],
            Passed::Kind,
            "a forum has no messages of its own"
        );
    }

    #[test]
    fn reading_needs_history_and_voice_needs_connect() {
        let channels = [
            json!({"id": "10", "type": 0}),
            json!({"id": "11", "type": 2}),
            json!({"id": "12", "type": 0, "permission_overwrites": [
                {"id": "1", "type": 0, "deny": bits::READ_MESSAGE_HISTORY.to_string(), "allow": "0"}]}),
        ];
        let order = |granted| -> Vec<u64> {
            let found = survey(&channels, &[], &subject(granted));
            found.candidates.iter().map(|c| c.id.get()).collect()
        };
        assert_eq!(order(READ), [10]);
        assert_eq!(order(READ | bits::CONNECT), [10, 11]);
        assert!(order(bits::VIEW_CHANNEL).is_empty());
    }

    /// 150 per channel at a maximum of 500 gave 600.
    #[test]
    fn the_last_share_is_clamped() {
        let found = text_channels(5);
        assert_eq!(
            shares(&found, &options(500, 150)),
            [(10, 150), (11, 150), (12, 150), (13, 50), (14, 0)]
        );
    }

    /// Once the maximum was reached, channels with a special allocation were reset to 0.
    #[test]
    fn special_allocations_come_first_and_stay() {
        let found = text_channels(4);
        let mut options = options(300, 100);
        options.special_allocations = [(channel(13), 250), (channel(11), 0)].into();
        assert_eq!(
            shares(&found, &options),
            [(10, 50), (11, 0), (12, 0), (13, 250)]
        );
        options.special_allocations = [(channel(12), 200), (channel(13), 300)].into();
        assert_eq!(
            shares(&found, &options),
            [(10, 0), (11, 0), (12, 200), (13, 100)]
        );
    }

    #[test]
    fn special_allocations_must_be_readable_channels() {
        let channels = [
            json!({"id": "10", "type": 15}),
            json!({"id": "11", "type": 0, "permission_overwrites": [
                {"id": "1", "type": 0, "deny": bits::VIEW_CHANNEL.to_string(), "allow": "0"}]}),
            json!({"id": "12", "type": 0}),
        ];
        let found = survey(&channels, &[], &subject(READ));
        let with = |id| {
            let mut options = options(500, 100);
            options.special_allocations = [(channel(id), 5)].into();
            allocate(&found, &options).unwrap_err()
        };
        assert_eq!(with(10), AllocationError::Kind(channel(10)));
        assert_eq!(with(11), AllocationError::Permission(channel(11)));
        assert_eq!(with(99), AllocationError::Unknown(channel(99)));
        let mut chosen = options(500, 100);
        chosen.channels = vec![channel(98)];
        let error = allocate(&found, &chosen).unwrap_err();
        assert_eq!(error, AllocationError::UnknownChosen(channel(98)));
    }

    #[test]
    fn chosen_channels_bring_their_threads() {
        let channels = [
            json!({"id": "10", "type": 15}),
            json!({"id": "11", "type": 0, "position": 1}),
        ];
        let threads = [json!({"id": "50", "parent_id": "10", "type": 11})];
        let found = survey(&channels, &threads, &subject(READ));
        let mut options = options(500, 100);
        options.channels = vec![channel(10)];
        assert_eq!(shares(&found, &options), [(50, 100)]);
    }

    /// The cursor was never set, so pages repeated; and an exactly met share asked for limit 0.
    #[test]
    fn pages_go_backwards_and_stop_when_the_share_is_met() {
        let found = text_channels(1);
        let mut options = options(500, 230);
        options.rollover_leftovers = false;
        let mut walk = Collection::new(allocate(&found, &options).unwrap(), &options);
        let mut asked = Vec::new();
        let mut next_id = 1230_u64;
        while let Some(request) = walk.next_page() {
            assert_eq!(
                walk.next_page(),
                Some(request),
                "asking twice changes nothing"
            );
            asked.push((
                request.page,
                request.before.map(MessageId::get),
                request.limit,
            ));
            next_id -= u64::from(request.limit);
            walk.record(&request, request.limit, MessageId::new(next_id + 1));
        }
        assert_eq!(
            asked,
            [(0, None, 100), (1, Some(1131), 100), (2, Some(1031), 30)]
        );
    }

    #[test]
    fn the_newest_500_of_a_large_channel() {
        let found = text_channels(1);
        assert_eq!(
            collect(&found, &options(500, 100), &[(10, 1230)]),
            [(10, 500)]
        );
        assert_eq!(
            collect(&found, &options(2000, 100), &[(10, 1230)]),
            [(10, 1230)]
        );
    }

    #[test]
    fn leftovers_go_to_empty_shares_first_and_then_to_older_messages() {
        let found = text_channels(4);
        // 10 and 11 get 100 each, 12 and 13 nothing.
        let held = [(10, 300), (11, 20), (12, 30), (13, 90)];
        let collected = collect(&found, &options(200, 100), &held);
        assert_eq!(collected, [(10, 100), (11, 20), (12, 30), (13, 50)]);
        let held = [(10, 300), (11, 20), (12, 10), (13, 10)];
        let collected = collect(&found, &options(200, 100), &held);
        assert_eq!(collected, [(10, 160), (11, 20), (12, 10), (13, 10)]);
    }

    #[test]
    fn leftovers_never_go_to_special_channels() {
        let found = text_channels(3);
        let mut options = options(500, 100);
        options.special_allocations = [(channel(10), 50), (channel(11), 0)].into();
        let collected = collect(&found, &options, &[(10, 900), (11, 900), (12, 120)]);
        assert_eq!(collected, [(10, 50), (11, 0), (12, 120)]);
    }

    #[test]
    fn without_rollover_shares_are_final() {
        let found = text_channels(2);
        let mut options = options(500, 100);
        options.rollover_leftovers = false;
        assert_eq!(
            collect(&found, &options, &[(10, 900), (11, 3)]),
            [(10, 100), (11, 3)]
        );
    }

    #[test]
    fn a_failed_channel_returns_its_share() {
        let found = text_channels(2);
        let options = options(200, 100);
        let mut walk = Collection::new(allocate(&found, &options).unwrap(), &options);
        let first = walk.next_page().unwrap();
        walk.fail(&first);
        let mut next_id = 5000;
        let mut total = 0;
        while let Some(request) = walk.next_page() {
            assert_eq!(request.share, 1);
            next_id -= u64::from(request.limit);
            total += request.limit;
            walk.record(&request, request.limit, MessageId::new(next_id));
        }
        assert_eq!(total, 200);
    }

    /// Whatever the options and contents: never more than the maximum, never a message twice.
    #[test]
    fn no_combination_exceeds_the_maximum() {
        for seed in 0..300_u32 {
            let count = u64::from(1 + seed % 7);
            let found = text_channels(count);
            let held: Vec<(u64, u32)> = (0..count)
                .map(|n| (10 + n, (seed * 37 + 91 * n as u32) % 260))
                .collect();
            let max = 50 + (seed * 13) % 700;
            let mut options = options(max, 50.max((seed * 7) % 160).min(max));
            options.rollover_leftovers = seed % 3 != 0;
            if seed % 2 == 0 {
                options.special_allocations = [(channel(10), (seed * 11) % (max + 1))].into();
            }
            let collected: u32 = collect(&found, &options, &held)
                .iter()
                .map(|(_, count)| count)
                .sum();
            assert!(collected <= max, "{collected} of {max}");
            let available: u32 = held.iter().map(|(_, held)| held).sum();
            if options.rollover_leftovers && options.special_allocations.is_empty() {
                assert_eq!(collected, available.min(max));
            }
        }
    }
}
